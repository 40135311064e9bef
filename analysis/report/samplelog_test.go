package report

import (
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/etcdtap/etcdtap/analysis"
	"github.com/etcdtap/etcdtap/analysis/etcdlog"
)

// fullEntry has something in every field; text is in all those that come from a log.
func fullEntry(text string) *analysis.LogEntry {
	e := etcdlog.Entry{
		Line: 12, Text: text, Kind: etcdlog.KindRejected, Format: etcdlog.FormatZapJSON, Wrappers: [etcdlog.MaxDepth]etcdlog.Wrapper{etcdlog.WrapperKubectl, etcdlog.WrapperCRI},
		Time: sampleStart, HasTime: true, Precision: time.Millisecond, Zone: true, YearGuessed: true, FromWrapper: true, WrapperTime: sampleStart,
		Level: text, Caller: text, Message: text, Error: text, Versions: text, Endpoint: etcdlog.EndpointPeer,
		Remote: netip.MustParseAddrPort("10.0.0.7:41234"), Local: netip.MustParseAddrPort("10.0.0.1:2380"),
		Peer: text, PeerURL: text, Prober: text, ServerName: text, Names: true, IPAddresses: []string{text}, DNSNames: []string{text}, Broken: true,
	}
	var x analysis.Explainer
	le := x.Explain(&e, text)
	return &le
}

// joinedEntries are one that found its connection, and others that did not.
func joinedEntries(text string) []*analysis.LogEntry {
	found, lost, dial, unknown := fullEntry(text), fullEntry(text), fullEntry(text), fullEntry(text)
	found.Connection = "c4"
	lost.NotJoined = "no packet from 10.0.0.7 is in the capture: " + text
	lost.Names, lost.Local = false, netip.AddrPort{}
	dial.Kind, dial.HasTime, dial.NotJoined = etcdlog.KindPeerDial, false, "the line names no client address"
	unknown.Kind, unknown.Error, unknown.Remote = etcdlog.KindUnrecognised, "", netip.AddrPort{}
	return []*analysis.LogEntry{found, lost, dial, unknown}
}

func fullJoin() analysis.JoinStats {
	return analysis.JoinStats{Entries: 5, Joined: 1, Beyond: 1,
		Zoned:   analysis.Offset{By: -400 * time.Millisecond, Pairs: 9, Known: true},
		Unzoned: analysis.Offset{By: time.Hour + 3*time.Second, Pairs: 1, Known: true}}
}

// explained reads lines as a log does.
func explained(lines string) []*analysis.LogEntry {
	var r etcdlog.Reader
	var x analysis.Explainer
	var out []*analysis.LogEntry
	each := func(e *etcdlog.Entry) {
		le := x.Explain(e, "etcd.log")
		out = append(out, &le)
	}
	r.Write([]byte(lines), each)
	r.End(each)
	return out
}

// seedEntries are the five lines of FAILURES: one gRPC client without TLS.
func seedEntries() []*analysis.LogEntry {
	var b strings.Builder
	for _, at := range []string{"29.148", "30.150", "31.480", "33.865", "37.999"} {
		b.WriteString(`{"level":"warn","ts":"2026-11-23T02:56:` + at + `Z","caller":"embed/config_logging.go:169","msg":"rejected connection",` +
			`"remote-addr":"10.0.0.7:41234","server-name":"","error":"tls: first record does not look like a TLS handshake"}` + "\n")
	}
	return explained(b.String())
}

// writeLog makes a whole report on entries.
func writeLog(t testing.TB, r LogReport, entries []*analysis.LogEntry) {
	t.Helper()
	one := []analysis.Count{{Name: "some \x1b[31m name", N: 3}}
	s := analysis.LogSummary{Input: analysis.LogInput{Files: 1, Lines: 1200, PassedOver: 1200 - int64(len(entries)), Other: one}}
	for _, e := range entries {
		s.Add(e)
		if e.Kind == etcdlog.KindUnrecognised {
			s.Input.Unrecognised++
		}
		if e.Broken {
			s.Input.Broken++
		}
		if err := r.Entry(e); err != nil {
			t.Fatal(err)
		}
	}
	if err := r.Summary(&s); err != nil {
		t.Fatal(err)
	}
}
