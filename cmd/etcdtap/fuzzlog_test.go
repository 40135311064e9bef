package main

import (
	"bytes"
	"context"
	"io"
	"os"
	"path/filepath"
	"testing"

	"github.com/spf13/pflag"
	"go.uber.org/zap"

	"github.com/etcdtap/etcdtap/analysis"
)

// FuzzExplainLog goes the whole way from the bytes of a log to JSON and text: valid lines within the stated bounds, and nothing in
// the text that could move a cursor.
func FuzzExplainLog(f *testing.F) {
	seeds, err := filepath.Glob("../../testdata/pcaps/*.log")
	if err != nil || len(seeds) == 0 {
		f.Fatalf("no seeds in testdata/pcaps (%v)", err)
	}
	for _, name := range seeds {
		if b, err := os.ReadFile(name); err == nil {
			f.Add(b[:min(len(b), 4<<10)])
		}
	}
	f.Add([]byte("2026-01-02 03:04:05.678901 I | embed: rejected connection from \"\x1b[2J\" (error \"\x9b31m\u202e\", ServerName \"\x00\")\n"))
	f.Add(bytes.Repeat([]byte("{\"level\":\"warn\",\"msg\":\"rejected connection\",\"remote-addr\":\"[::1%\x1b]:1\",\"error\":\"EOF\"}\n"), 20))
	limits := documentedBounds(f)
	f.Fuzz(func(t *testing.T, b []byte) {
		if len(b) > 64<<10 || len(b) > 2 && (b[0] == 0x1f && b[1] == 0x8b || b[0] == 0x28 && b[1] == 0xb5) {
			return // see readAs
		}
		out := explainAs(t, b, "json")
		limits.check(t, out)
		if len(out) > 64<<10+100*len(b) {
			t.Fatalf("%d bytes of output from %d", len(out), len(b))
		}
		checkText(t, explainAs(t, b, "text"))
	})
}

func explainAs(t testing.TB, b []byte, format string) []byte {
	t.Helper()
	var out bytes.Buffer
	e := &environment{stdin: bytes.NewReader(b), stdout: &out, stderr: io.Discard, log: zap.NewNop()}
	f := &explainFlags{all: true, format: formatFlags{output: format, color: "never"}}
	flags := pflag.NewFlagSet("explain", pflag.ContinueOnError)
	f.ports.register(flags)
	f.deploy.register(flags)
	if err := e.explainLogs(context.Background(), []string{"-"}, f); err != nil {
		t.Fatalf("any text is a log: %v", err)
	}
	return out.Bytes()
}

// FuzzTail writes, cuts and rotates a file as the input says, and looks after each step: each byte comes once and in order.
func FuzzTail(f *testing.F) {
	f.Add([]byte{5, 5, 0x40, 7, 0x80, 9})
	f.Add([]byte{0x80, 0x80, 1, 0xc0, 2, 0x40, 0x40, 3, 0xc0})
	f.Fuzz(func(t *testing.T, script []byte) {
		name := filepath.Join(t.TempDir(), "log")
		write := func(flags int, p []byte) {
			w, err := os.OpenFile(name, flags|os.O_WRONLY|os.O_CREATE, 0o600)
			if err == nil {
				_, err = w.Write(p)
				w.Close()
			}
			if err != nil {
				t.Fatal(err)
			}
		}
		write(os.O_APPEND, nil)
		l, err := newTail(name)
		if err != nil {
			t.Fatal(err)
		}
		defer l.close()
		var want, got []byte
		for i, step := range script[:min(len(script), 40)] {
			p := bytes.Repeat([]byte{byte('a' + i%26)}, int(step&0x3f)*37)
			switch step >> 6 {
			case 0, 3:
				write(os.O_APPEND, p)
			case 1:
				write(os.O_TRUNC, nil) // and nothing in it before the next look: what is written at once cannot be told from more
				p = nil
			case 2:
				if err := os.Rename(name, name+".1"); err != nil {
					t.Fatal(err)
				}
				write(os.O_APPEND, p)
			}
			want = append(want, p...)
			if err := l.poll(func(b []byte) { got = append(got, b...) }); err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(got, want) {
				t.Fatalf("step %d: %d bytes of %d came", i, len(got), len(want))
			}
		}
	})
}

// FuzzParseMap: what the proxy takes for a map has both ends, and anything else is refused in one line.
func FuzzParseMap(f *testing.F) {
	for _, s := range []string{"127.0.0.1:2379=10.0.0.1:2379", "[::]:1=[fe80::1%lo]:2,role=peer,tls", "unix:/a=b:0", "=", ":=:", "a=b=c,,"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		x := analysis.DefaultExpectations()
		_, err := parseMap(s, &x)
		if err != nil && err.Error() == "" {
			t.Error("an error without a text")
		}
		if len(x.ClientPorts)+len(x.PeerPorts) > 8 {
			t.Errorf("%v %v", x.ClientPorts, x.PeerPorts)
		}
	})
}
