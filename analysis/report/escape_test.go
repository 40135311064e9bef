package report

import (
	"bytes"
	"crypto/x509"
	"errors"
	"math/big"
	"net/netip"
	"regexp"
	"testing"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/etcdtap/etcdtap/analysis"
	"github.com/etcdtap/etcdtap/analysis/pki"
)

// ours are the SGR sequences that text in colour may hold (see style).
var ours = regexp.MustCompile(`\x1b\[(0|1|2|31|32|33)m`)

// checkHarmless looks for what a terminal would obey, besides the end of a line and, where there is colour, our own.
func checkHarmless(t *testing.T, name string, out []byte, color bool) {
	t.Helper()
	if !utf8.Valid(out) {
		t.Errorf("%s: not UTF-8: %.200q", name, out)
	}
	if color {
		out = ours.ReplaceAll(out, nil)
	}
	for i, r := range string(out) {
		if unicode.IsControl(r) && r != '\n' || r == '\u202e' || r == '\u2066' || r == '\u2028' {
			if name[:4] == "JSON" && r != '\u2028' && !unicode.IsControl(r) {
				continue // JSON is for programs, who are told to escape it again
			}
			t.Fatalf("%s: %U is in %q", name, r, out[max(0, i-100):min(len(out), i+100)])
		}
	}
}

// FuzzEveryRenderer puts hostile text into every field that can hold text, and shows it in every way that there is: nothing that a
// terminal obeys comes out but line feeds and our own colours.
func FuzzEveryRenderer(f *testing.F) {
	for _, s := range []string{"localhost", "\x00\x1b[2J\n", "\x1b[31mred", "\x1b]0;title\x07", "\x9b2J", "\xff\xfe", "\u202e\u2066\u2028\u0085\x7f", "a\rb\x08"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if len(s) > 4<<10 {
			return
		}
		bad := &analysis.Certificate{Subject: s, Issuer: s, Err: errors.New(s)}
		good := &analysis.Certificate{Subject: s, Issuer: s, X509: &x509.Certificate{DNSNames: []string{s}, SerialNumber: big.NewInt(1)}}
		c := fullConnection([]*analysis.Certificate{bad, good}, s)
		c.Log, c.NoLog, c.Process = []*analysis.LogEntry{fullEntry(s)}, s, fullProcess(s)
		c.Findings = []analysis.Finding{hostileFinding(s)}
		facts := *c.Facts
		facts.Client = netip.AddrPortFrom(netip.MustParseAddr("fe80::1").WithZone(s), 1)
		c.Facts = &facts
		summary := fullSummary(c)
		for _, list := range []*[]analysis.Count{&summary.Input.NotTCP, &summary.Input.Undecodable, &summary.Input.UnknownLinkTypes, &summary.Input.TruncatedFiles, &summary.Input.Drops, &summary.Input.Other} {
			*list = []analysis.Count{{Name: s, N: 1}}
		}
		var certs Certificates
		certs.Add(c)
		check := &analysis.Check{At: time.Unix(1_750_000_000, 0), Source: s, Findings: c.Findings, Skipped: []pki.Skipped{{File: s, Why: s}},
			Certificates: []analysis.CheckedCertificate{{Certificate: good, File: s, Configured: []string{s}, IssuerFile: s, Problems: 1}}}
		for _, color := range []bool{false, true} {
			o := TextOptions{Color: color, All: true, Source: s}
			var out bytes.Buffer
			show := func(name string, do func() error) {
				out.Reset()
				if err := do(); err != nil {
					t.Fatalf("%s: %v", name, err)
				}
				checkHarmless(t, name, out.Bytes(), color)
			}
			whole := func(r Report) error {
				return errors.Join(r.Connection(c), r.Certificates(&certs), r.LogEntries(c.Log, fullJoin()), r.Summary(summary))
			}
			show("text", func() error { return whole(NewText(&out, o)) })
			show("JSON", func() error { return whole(NewJSON(&out)) })
			show("text of a check", func() error { return CheckText(&out, o, check) })
			show("JSON of a check", func() error { return CheckJSON(&out, check) })
			show("text of a log", func() error { writeLog(t, NewLogText(&out, o), c.Log); return nil })
			show("JSON of a log", func() error { writeLog(t, NewLogJSON(&out), c.Log); return nil })
		}
	})
}

// hostileFinding is one by a rule that forgot to escape.
func hostileFinding(s string) analysis.Finding {
	return analysis.Finding{Code: analysis.CodePlaintextToTLS, Severity: analysis.Error, Title: s, Meaning: s, Fix: []string{s, "do: `" + s + "`"},
		Evidence: []analysis.Evidence{{Text: s, From: "client", Bytes: []byte(s)[:min(len(s), 32)]}}}
}
