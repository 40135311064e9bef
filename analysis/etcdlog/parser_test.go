package etcdlog

import (
	"bytes"
	"slices"
	"strings"
	"testing"
	"time"
)

// TestPrefixes parses every prefix of every golden line: a log may be cut
// anywhere, and what remains is an entry or none, with no panic.
func TestPrefixes(t *testing.T) {
	_, cases, _ := goldenLines(t)
	for _, c := range cases {
		var p Parser
		var e Entry
		for i := range len(c.line) {
			if p.Line([]byte(c.line[:i]), &e) {
				checkBounds(t, &e)
			}
		}
	}
}

// TestNeverDropped cuts the lines of etcd's own listener right behind the words
// that make them a rejection: they must be shown from there on.
func TestNeverDropped(t *testing.T) {
	_, cases, _ := goldenLines(t)
	n := 0
	for _, c := range cases {
		at := strings.Index(c.line, "rejected connection")
		if at < 0 {
			continue
		}
		n++
		for i := at + len("rejected connection"); i < len(c.line); i++ {
			var p Parser
			var e Entry
			if !p.Line([]byte(c.line[:i]), &e) {
				t.Errorf("%s: dropped %q", c.title, c.line[:i])
				break
			}
		}
	}
	if n < 20 {
		t.Errorf("%d lines of rejections", n)
	}
}

// TestLongFields puts much text into every part of every golden line.
func TestLongFields(t *testing.T) {
	_, cases, _ := goldenLines(t)
	for _, filling := range []string{strings.Repeat("A", 2*MaxText), strings.Repeat(`"a",`, 2*MaxText), strings.Repeat(`"a" `, 2*MaxText), strings.Repeat("[{", 2*MaxText)} {
		for _, c := range cases {
			for i := 0; i < len(c.line); i += 9 {
				var p Parser
				var e Entry
				if p.Line([]byte(c.line[:i]+filling+c.line[i:]), &e) {
					checkBounds(t, &e)
				}
			}
		}
	}
}

// checkBounds checks what holds for every entry of any input.
func checkBounds(t *testing.T, e *Entry) {
	t.Helper()
	if e.Kind == KindNone {
		t.Error("an entry of no kind")
	}
	if len(e.Text) > MaxText {
		t.Errorf("%d bytes of text", len(e.Text))
	}
	for _, s := range []string{e.Level, e.Caller, e.Message, e.Error, e.Peer, e.PeerURL, e.Prober, e.ServerName} {
		if len(s) > maxField {
			t.Errorf("a field of %d bytes", len(s))
		}
	}
	total := 0
	for _, s := range append(e.IPAddresses, e.DNSNames...) {
		total += len(s)
	}
	if len(e.IPAddresses)+len(e.DNSNames) > 2*maxNames || total > 2*maxNames*maxName {
		t.Errorf("%d names of %d bytes", len(e.IPAddresses)+len(e.DNSNames), total)
	}
	if e.HasTime != (e.Precision > 0) {
		t.Errorf("HasTime %v, precision %v", e.HasTime, e.Precision)
	}
}

// TestPartial joins lines that CRI split, also when both streams are split at once.
func TestPartial(t *testing.T) {
	const head = "2026-11-23T07:43:09.129312987Z "
	lines := []string{
		head + `stderr P {"level":"warn","ts":"2026-11-23T07:43:09.129Z","msg":"rejec`,
		head + `stdout P rejected connection from "10.0.0.1:1" `,
		head + `stderr P ted connection","remote-addr":"10.0.0.7:51442",`,
		head + `stdout F (error "EOF", ServerName "")`,
		head + `stderr F "server-name":"","error":"EOF"}`,
		head + `stderr F nothing`,
	}
	var r Reader
	var got []string
	r.Write([]byte(strings.Join(lines, "\n")+"\n"), func(e *Entry) {
		got = append(got, e.Remote.String()+" "+e.Error+" "+e.WrapperNames())
		if e.Broken {
			t.Errorf("broken: %s", e.Text)
		}
	})
	if want := "10.0.0.1:1 EOF cri|10.0.0.7:51442 EOF cri"; strings.Join(got, "|") != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

// TestPartialBound feeds parts without an end: what is held stays bounded.
func TestPartialBound(t *testing.T) {
	part := []byte("2026-11-23T07:43:09.129312987Z stderr P " + strings.Repeat("x", 60<<10))
	var p Parser
	var e Entry
	for range 100 {
		p.Line(part, &e)
	}
	if n := len(p.partial.stderr); n > MaxLine {
		t.Errorf("holds %d bytes", n)
	}
}

func TestYear(t *testing.T) {
	const line = `%s cp-1 etcd[1]: rejected connection from "10.0.0.7:1" (error "EOF", ServerName "")`
	tests := []struct {
		name, date string
		now, seen  time.Time
		want       int
	}{
		{"nothing known", "Nov 23 07:38:18", time.Time{}, time.Time{}, 0},
		{"before now", "Nov 23 07:38:18", time.Date(2026, 11, 24, 0, 0, 0, 0, time.UTC), time.Time{}, 2026},
		{"a little after now, an unknown zone", "Nov 25 07:38:18", time.Date(2026, 11, 24, 0, 0, 0, 0, time.UTC), time.Time{}, 2026},
		{"last year", "Dec 31 23:59:59", time.Date(2027, 1, 2, 0, 0, 0, 0, time.UTC), time.Time{}, 2026},
		{"seen wins", "Nov 23 07:38:18", time.Date(2026, 11, 24, 0, 0, 0, 0, time.UTC), time.Date(2019, 11, 23, 0, 0, 0, 0, time.UTC), 2019},
		{"over New Year", "Jan  1 00:00:01", time.Time{}, time.Date(2019, 12, 31, 23, 0, 0, 0, time.UTC), 2020},
		{"back over New Year", "Dec 31 23:59:59", time.Time{}, time.Date(2020, 1, 1, 0, 0, 1, 0, time.UTC), 2019},
		{"leap day", "Feb 29 23:59:59", time.Date(2024, 3, 1, 0, 0, 0, 0, time.UTC), time.Time{}, 2024},
	}
	for _, tt := range tests {
		p := Parser{Now: tt.now, seen: tt.seen}
		var e Entry
		if !p.Line([]byte(strings.Replace(line, "%s", tt.date, 1)), &e) {
			t.Fatalf("%s: no entry", tt.name)
		}
		if e.Time.Year() != tt.want || !e.YearGuessed || e.Zone {
			t.Errorf("%s: %v guessed %v zone %v, want year %d", tt.name, e.Time, e.YearGuessed, e.Zone, tt.want)
		}
	}
}

// TestStarts asks for the lines with which a process starts, and does not.
func TestStarts(t *testing.T) {
	tests := []struct {
		line, version, member string
		client, peer          []string
	}{
		{`{"level":"info","ts":"2026-11-23T08:02:28.262687Z","caller":"embed/etcd.go:321","msg":"starting an etcd server","etcd-version":"3.7.3","name":"cp-1","listen-peer-urls":["https://127.0.0.1:31001"],"listen-client-urls":["http://127.0.0.1:31000","https://10.0.0.7:2379"]}`,
			"3.7.3", "cp-1", []string{"http://127.0.0.1:31000", "https://10.0.0.7:2379"}, []string{"https://127.0.0.1:31001"}},
		{`2026-11-23 07:38:18.155012 I | etcdmain: etcd Version: 3.3.27`, "3.3.27", "", nil, nil},
		{`Nov 23 07:38:18 cp-1 etcd[1]: etcd Version: 3.4.3`, "3.4.3", "", nil, nil},
	}
	for _, tt := range tests {
		p := Parser{Starts: true}
		var e Entry
		if !p.Line([]byte(tt.line), &e) || e.Kind != KindStart || !e.HasTime {
			t.Errorf("%s: %+v", tt.line, e)
		}
		if e.Versions != tt.version || e.Member != tt.member || !slices.Equal(e.ListenClient, tt.client) || !slices.Equal(e.ListenPeer, tt.peer) {
			t.Errorf("%s: %+v", tt.line, e)
		}
		if p.Starts = false; p.Line([]byte(tt.line), &e) {
			t.Errorf("%s: not asked for: %+v", tt.line, e)
		}
	}
}

func TestEntryOwnsItsMemory(t *testing.T) {
	line := []byte(`{"log":"{\"level\":\"warn\",\"msg\":\"rejected connection\",\"remote-addr\":\"10.0.0.1:2\",\"error\":\"EOF\"}"}`)
	var p Parser
	var e Entry
	if !p.Line(line, &e) {
		t.Fatal("no entry")
	}
	kept := e
	clear(line)
	p.Line([]byte(`{"log":"{\"level\":\"x\",\"msg\":\"rejected connection\",\"remote-addr\":\"1.0.0.1:2\",\"error\":\"xxx\"}"}`), &e)
	if kept.Error != "EOF" || kept.Level != "warn" || !strings.Contains(kept.Text, "rejected") {
		t.Errorf("%+v", kept)
	}
}

func TestDecode(t *testing.T) {
	lengths := []struct {
		n    int
		want string
		ok   bool
	}{
		{21536, "T ", true}, {20527, "P/", true}, {22617, "XY", true}, {20256, "O ", true}, {20037, "NE", true}, {18767, "IO", true},
		{18433, "", false}, {65535, "", false}, {-1, "", false}, {1 << 20, "", false},
	}
	for _, tt := range lengths {
		if got, ok := DecodeLength(tt.n); got != tt.want || ok != tt.ok {
			t.Errorf("DecodeLength(%d) = %q %v, want %q %v", tt.n, got, ok, tt.want, tt.ok)
		}
	}
	versions := []struct {
		hex, want string
		ok        bool
	}{{"4554", "ET", true}, {"301", "", false}, {"", "", false}, {"zz", "", false}, {"455420", "", false}}
	for _, tt := range versions {
		if got, ok := DecodeVersion(tt.hex); got != tt.want || ok != tt.ok {
			t.Errorf("DecodeVersion(%q) = %q %v, want %q %v", tt.hex, got, ok, tt.want, tt.ok)
		}
	}
}

// TestNeedles checks what the search relies on.
func TestNeedles(t *testing.T) {
	for _, n := range needles {
		if len(n) < window {
			t.Errorf("%q is shorter than the window", n)
		}
		for i := range 40 {
			line := bytes.Repeat([]byte{'e'}, i)
			line = append(append(line, n...), "tail"[:i%5]...)
			if !relevant(line) {
				t.Errorf("%q is not found at %d", n, i)
			}
		}
		if relevant([]byte(n[:len(n)-1])) && !strings.HasPrefix(n, "x") {
			t.Errorf("a part of %q is taken for it", n)
		}
	}
}
