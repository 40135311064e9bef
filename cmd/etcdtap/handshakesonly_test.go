package main

import (
	"bytes"
	"context"
	"io"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/etcdtap/etcdtap/analysis"
	"github.com/etcdtap/etcdtap/capture"
	"github.com/etcdtap/etcdtap/capture/savefile"
)

// TestReadHandshakesOnly: a file that says that it holds handshakes only is read without complaint of what it leaves out, and another with
// the same packets is not.
func TestReadHandshakesOnly(t *testing.T) {
	for _, mark := range []bool{true, false} {
		name := filepath.Join(t.TempDir(), "some.pcapng")
		w, err := savefile.Create(savefile.Options{Name: name, HandshakesOnly: mark, Interfaces: []savefile.Interface{{Name: "lo", Link: capture.LinkRaw}}})
		if err != nil {
			t.Fatal(err)
		}
		at := time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
		c := savefile.NewConversation(w, netip.MustParseAddrPort("10.0.0.7:40000"), netip.MustParseAddrPort("10.0.0.1:2379"))
		for _, step := range []func() error{
			func() error { return c.Open(at) },
			func() error { return c.Data(analysis.FromClient, at, []byte("GET /health HTTP/1.1\r\n\r\n")) },
			func() error { return c.Data(analysis.FromServer, at, []byte("HTTP/1.1 200 OK\r\n\r\n")) },
			func() error { return c.Gap(analysis.FromServer, at, 1<<20) },
			func() error { return c.Close(analysis.FromServer, at, analysis.CloseFIN) },
			func() error { return c.Close(analysis.FromClient, at, analysis.CloseFIN) },
			w.Close,
		} {
			if err := step(); err != nil {
				t.Fatal(err)
			}
		}
		for _, format := range []struct{ name, said string }{{"text", "as the file was written"}, {"json", `"handshakes_only":true`}} {
			var out bytes.Buffer
			if status := run(context.Background(), []string{"read", "-o", format.name, "--color", "never", name}, nil, nil, &out, io.Discard); status != exitOK {
				t.Fatalf("status %d", status)
			}
			if said := strings.Contains(strings.Join(strings.Fields(out.String()), " "), format.said); said != mark {
				t.Errorf("marked %v, %s says %q: %v\n%s", mark, format.name, format.said, said, out.String())
			}
		}
	}
}

// TestTailInTurns: of a log that grows faster than it is read, each poll takes its part, and a rotation loses nothing of the rest.
func TestTailInTurns(t *testing.T) {
	name := filepath.Join(t.TempDir(), "etcd.log")
	write := func(n int) {
		t.Helper()
		if err := os.WriteFile(name, bytes.Repeat([]byte("x"), n), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write(10 * tailBlock)
	tail, err := newTail(name)
	if err != nil {
		t.Fatal(err)
	}
	defer tail.close()
	tail.most = 2 * tailBlock
	total := 0
	poll := func() int {
		t.Helper()
		before := total
		if err := tail.poll(func(b []byte) { total += len(b) }); err != nil {
			t.Fatal(err)
		}
		return total - before
	}
	if n := poll(); n != 2*tailBlock {
		t.Errorf("the first poll took %d bytes, want %d", n, 2*tailBlock)
	}
	if err := os.Rename(name, name+".1"); err != nil {
		t.Fatal(err)
	}
	write(3 * tailBlock)
	for range 20 {
		poll()
	}
	if total != 13*tailBlock {
		t.Errorf("%d bytes in all, want %d", total, 13*tailBlock)
	}
}
