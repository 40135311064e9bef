package report

import (
	"bytes"
	"errors"
	"io"
	"net/netip"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/etcdtap/etcdtap/analysis"
)

// mixedLog is one file with lines of several versions, wrappings and speakers, and others between.
const mixedLog = `2026-11-23 02:56:29.148012 I | embed: rejected connection from "10.0.0.7:41234" (error "tls: first record does not look like a TLS handshake", ServerName "")
2026-11-23 02:56:29.200000 I | raft: 8e9e05c52164694d became leader at term 2
Nov 23 02:56:30 cp-1 etcd[123]: rejected connection from "10.0.0.8:41236" (error "tls: first record does not look like a TLS handshake", ServerName "")
{"level":"warn","ts":"2026-11-23T02:56:31.480Z","caller":"embed/config_logging.go:169","msg":"rejected connection","remote-addr":"10.0.0.1:41238","server-name":"","error":"tls: failed to verify certificate: x509: certificate specifies an incompatible key usage"}
2026-11-23T02:56:33.865123456Z stderr F {"level":"warn","ts":"2026-11-23T02:56:33.865Z","caller":"embed/config_logging.go:194","msg":"rejected connection on peer endpoint","remote-addr":"10.0.0.2:41240","server-name":"cp-1.example","ip-addresses":["10.0.0.9"],"dns-names":["cp-2"],"error":"tls: \"10.0.0.2\" does not match any of DNSNames [\"cp-2\"]"}
WARNING: 2026/11/23 02:56:34 [core] grpc: Server.Serve failed to create ServerTransport:  connection error: desc = "ServerHandshake(\"10.0.0.7:41242\") failed: tls: first record does not look like a TLS handshake"
{"level":"warn","ts":"2026-11-23T02:56:35.001Z","caller":"rafthttp/probing_status.go:68","msg":"prober detected unhealthy status","round-tripper-name":"ROUND_TRIPPER_SNAPSHOT","remote-peer-id":"b7e0","rtt":"0s","error":"remote error: tls: bad certificate"}
{"level":"warn","ts":"2026-11-23T02:56:35.002Z","caller":"rafthttp/probing_status.go:68","msg":"prober detected unhealthy status","round-tripper-name":"ROUND_TRIPPER_RAFT_MESSAGE","remote-peer-id":"b7e0","rtt":"0s","error":"remote error: tls: bad certificate"}
curl: (35) error:0A00010B:SSL routines::wrong version number
{"level":"warn","ts":"2026-11-23T02:56:37.999Z","caller":"embed/config_logging.go:169","msg":"rejected connection","remote-addr":"10.0.0.1:41250","server-name":"","error":"tls: something that \u001b[31mno etcd said before"}
{"level":"warn","ts":"2026-11-23T02:56:38.100Z","caller":"embed/config_logging.go:169","msg":"rejected connection","remote-addr":"10.0.0.5:41252","server-name":"","error":"EOF"}
embed: rejected connection, and nobody knows from whom
`

func logTextOf(t *testing.T, o TextOptions, entries []*analysis.LogEntry) string {
	t.Helper()
	var out bytes.Buffer
	writeLog(t, NewLogText(&out, o), entries)
	return out.String()
}

func TestLogText(t *testing.T) {
	Golden(t, "log-seed.txt", logTextOf(t, TextOptions{Source: "etcd.log"}, seedEntries()))
	Golden(t, "log-mixed.txt", logTextOf(t, TextOptions{Source: "a\x1b.log, b.log"}, explained(mixedLog)))
	Golden(t, "log-mixed-all-color.txt", logTextOf(t, TextOptions{All: true, Color: true, Width: 140}, explained(mixedLog)))
	Golden(t, "log-nothing.txt", logTextOf(t, TextOptions{Source: "etcd.log"}, nil))
}

func TestLogTextKeepsItsWidth(t *testing.T) {
	for _, width := range []int{60, 80, 160} {
		for line := range strings.Lines(logTextOf(t, TextOptions{Width: width}, explained(mixedLog))) {
			line = strings.TrimSuffix(line, "\n")
			isHead := !strings.HasPrefix(line, " ") && strings.Contains(line, " × ")
			isCommand := strings.HasPrefix(line, indent+"    ")
			if utf8.RuneCountInString(line) > width && !isHead && !isCommand {
				t.Errorf("longer than %d: %s", width, line)
			}
			if line != strings.TrimRight(line, " ") {
				t.Errorf("blank at the end of %q", line)
			}
		}
	}
}

// Many clients of one cause are named, then counted.
func TestLogTextManyClients(t *testing.T) {
	var entries []*analysis.LogEntry
	for i := range 40 {
		e := *seedEntries()[0]
		e.Remote = netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, 0, 1, byte(i)}), 1)
		entries = append(entries, &e)
	}
	text := logTextOf(t, TextOptions{}, entries)
	if n := strings.Count(text, "\n   fix: "); n != 1 {
		t.Errorf("explained %d times, want once:\n%s", n, text)
	}
	if n := strings.Count(text, "\n   also 10.0.1."); n != maxMoreClients {
		t.Errorf("%d further clients, want %d", n, maxMoreClients)
	}
	if want := "and 29 more lines of 29 other clients"; !strings.Contains(text, want) {
		t.Errorf("no %q in\n%s", want, text)
	}
}

func TestLogTextSampled(t *testing.T) {
	var entries []*analysis.LogEntry
	for range 119 {
		e := *seedEntries()[0]
		entries = append(entries, &e)
	}
	text := logTextOf(t, TextOptions{}, entries)
	if want := "at least 2000 rejections stand behind these 119 lines"; !strings.Contains(text, want) {
		t.Errorf("no %q in\n%s", want, text)
	}
}

// While a log is followed each cause is told once, and the summary does not explain it again.
func TestLogTextFollowed(t *testing.T) {
	var out bytes.Buffer
	var s analysis.LogSummary
	r := NewLogText(&out, TextOptions{Source: "etcd.log"})
	other := *seedEntries()[0]
	other.Remote = netip.MustParseAddrPort("10.0.0.8:1")
	entries := append(seedEntries(), &other)
	for _, e := range entries {
		if g := s.Add(e); g.Count == 1 {
			if err := r.Group(g); err != nil {
				t.Fatal(err)
			}
		}
		if err := r.Entry(e); err != nil {
			t.Fatal(err)
		}
	}
	if err := errors.Join(r.Repeats(s.Groups()[0]), r.Summary(&s)); err != nil {
		t.Fatal(err)
	}
	Golden(t, "log-followed.txt", out.String())
}

func TestLogReportsStopAtAWriteError(t *testing.T) {
	for name, make := range map[string]func(io.Writer) LogReport{
		"json": func(w io.Writer) LogReport { return NewLogJSON(w) },
		"text": func(w io.Writer) LogReport { return NewLogText(w, TextOptions{All: true}) },
	} {
		t.Run(name, func(t *testing.T) {
			var w failingWriter
			r := make(&w)
			var s analysis.LogSummary
			e := seedEntries()[0]
			g := s.Add(e)
			if err := r.Entry(e); err != nil {
				t.Fatalf("before a write: %v", err)
			}
			for _, err := range []error{r.Flush(), r.Entry(e), r.Group(g), r.Repeats(g), r.Summary(&s)} {
				if !errors.Is(err, io.ErrClosedPipe) {
					t.Errorf("got %v, want the writer's error", err)
				}
			}
			if w.writes != 1 {
				t.Errorf("%d writes after the error", w.writes-1)
			}
		})
	}
}

// joined is a connection with lines of a log, or with none.
func joined(c *analysis.Connection, noLog string, entries ...*analysis.LogEntry) *analysis.Connection {
	for i, e := range entries {
		e.Connection, e.Line = string(c.AppendID(nil)), int64(12+i)
	}
	c.Log, c.NoLog = entries, noLog
	return c
}

func TestTextOfJoin(t *testing.T) {
	seed := seedEntries()
	byTime := joined(plaintextConnection(40, 3), "", seed[2])
	byTime.ByTime = true
	byTime.Client = netip.MustParseAddrPort("10.0.0.9:1")
	many := joined(plaintextConnection(50, 4), "", explained(mixedLog)[:5]...)
	many.Client = netip.MustParseAddrPort("10.0.0.10:1")
	silent := joined(plaintextConnection(60, 5), "an etcd without TLS logs nothing of this")
	silent.Client = netip.MustParseAddrPort("10.0.0.11:1")
	conns := []*analysis.Connection{joined(plaintextConnection(10, 0), "", seed[0]), joined(plaintextConnection(20, 1), "", seed[1]), byTime, many, silent}
	var out bytes.Buffer
	r := NewText(&out, TextOptions{Source: "incident.pcap"})
	for _, c := range conns {
		if err := r.Connection(c); err != nil {
			t.Fatal(err)
		}
	}
	if err := errors.Join(r.LogEntries(joinedEntries("tls: some \x1b error"), fullJoin()), r.Summary(fullSummary(conns...))); err != nil {
		t.Fatal(err)
	}
	Golden(t, "join.txt", out.String())
}

func TestClockText(t *testing.T) {
	tests := []struct {
		name  string
		by    time.Duration
		local bool
		want  string
	}{
		{"same", 20 * time.Millisecond, false, "the log's clock agrees with the capture's (from 2 connections)"},
		{"ahead", 90 * time.Second, false, "the log's clock was 90.0 s ahead of the capture's (from 2 connections)"},
		{"behind", -400 * time.Millisecond, false, "the log's clock was 400 ms behind the capture's (from 2 connections)"},
		{"UTC", 300 * time.Millisecond, true, "its times without a zone are UTC (from 2 connections)"},
		{"east", time.Hour, true, "its times without a zone are UTC+1 (from 2 connections)"},
		{"half an hour", 5*time.Hour + 30*time.Minute, true, "its times without a zone are UTC+5:30 (from 2 connections)"},
		{"west, and slow", -3*time.Hour - 5*time.Second, true, "its times without a zone are UTC-3, and their clock was 5.00 s behind the capture's (from 2 connections)"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			if got := clockText(analysis.Offset{By: test.by, Pairs: 2, Known: true}, test.local); got != test.want {
				t.Errorf("got  %s\nwant %s", got, test.want)
			}
		})
	}
}

// FuzzLogText puts hostile text into logs and into entries: no byte of it may reach the terminal that is not printable.
func FuzzLogText(f *testing.F) {
	for _, s := range []string{"localhost", "\x00\x1b[2J\n", "\xff\xfe", "\u202e\u2066\u2028\u0085\x7f", "a\rb", mixedLog} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		hostile := joinedEntries(s)
		hostile[0].Findings[0].Meaning, hostile[0].Findings[0].Fix = s, []string{s, "do: `" + s + "`"} // a rule that forgot to escape
		hostile[1].Findings = append(hostile[1].Findings, analysis.Finding{Code: analysis.CodeServerShutdown, Title: s, Fix: []string{"do: `" + s + "`, then " + s}})
		hostile[2].Remote = netip.AddrPortFrom(netip.MustParseAddr("fe80::1").WithZone(s), 1)
		hostile[3].Remote = hostile[2].Remote
		entries := append(hostile, explained(s)...)
		out := logTextOf(t, TextOptions{All: true, Source: s}, entries)
		c := joined(plaintextConnection(1, 0), "", entries...)
		var b bytes.Buffer
		r := NewText(&b, TextOptions{})
		if err := errors.Join(r.Connection(c), r.Connection(joined(plaintextConnection(1, 0), s)), r.LogEntries(entries, fullJoin()), r.Flush()); err != nil {
			t.Fatal(err)
		}
		for line := range strings.Lines(out + b.String()) {
			line = strings.TrimSuffix(line, "\n")
			if printable(line) != line {
				t.Fatalf("not printable: %q", line)
			}
		}
		if !utf8.ValidString(out) || !utf8.Valid(b.Bytes()) {
			t.Fatalf("not UTF-8: %q", out)
		}
	})
}

func benchmarkLog(b *testing.B, r LogReport) {
	b.ReportAllocs()
	e := seedEntries()[0]
	for b.Loop() {
		if err := r.Entry(e); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkLogJSON(b *testing.B) { benchmarkLog(b, NewLogJSON(io.Discard)) }

func BenchmarkLogText(b *testing.B) { benchmarkLog(b, NewLogText(io.Discard, TextOptions{})) }

func BenchmarkLogTextAll(b *testing.B) {
	benchmarkLog(b, NewLogText(io.Discard, TextOptions{All: true}))
}

func BenchmarkLogSummary(b *testing.B) {
	b.ReportAllocs()
	var s analysis.LogSummary
	for _, e := range explained(mixedLog) {
		s.Add(e)
	}
	for b.Loop() {
		if err := NewLogText(io.Discard, TextOptions{}).Summary(&s); err != nil {
			b.Fatal(err)
		}
	}
}
