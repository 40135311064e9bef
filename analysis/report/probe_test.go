package report

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/etcdtap/etcdtap/analysis"
	"github.com/etcdtap/etcdtap/analysis/tlswire"
)

// fullProbe has a value in every field; text is what the wire says.
func fullProbe(t testing.TB, text string) *analysis.Probe {
	t.Helper()
	at := time.Date(2026, 11, 23, 16, 0, 0, 0, time.UTC)
	attempt := func(purpose string, result analysis.AttemptResult) analysis.Attempt {
		return analysis.Attempt{Purpose: purpose, Offered: text, At: at, Took: time.Millisecond, Result: result, Connected: true, Hello: true, Completed: true, Requested: true,
			Version: tlswire.VersionTLS13, Suite: 0x1301, ALPN: text, Alert: 48, Bytes: 1000, Error: text}
	}
	main, bare := attempt("handshake", analysis.AttemptAccepted), attempt("without_certificate", analysis.AttemptRefused)
	main.Presented, main.Proof = true, "session_ticket"
	cert := sampleCertificate(t, text)
	return &analysis.Probe{Target: text, Server: netip.MustParseAddrPort("[::1]:2379"), Name: text, Start: at, End: at.Add(time.Second), Timeout: 5 * time.Second,
		Main: main, Bare: &bare, Versions: []analysis.Attempt{attempt("version", analysis.AttemptNoAnswer)}, ALPN: []analysis.Attempt{attempt("alpn", analysis.AttemptFailed)},
		Suites: []analysis.Attempt{attempt("cipher_suite", analysis.AttemptAccepted)},
		Chain:  []*analysis.Certificate{cert, brokenCertificate()}, More: 1, Own: cert,
		Request:  &analysis.CertificateRequest{Authorities: []string{text}, More: 2, Unsuitable: text},
		Verified: analysis.Verification{Authority: text, Problems: []analysis.VerifyProblem{{Kind: "name", Text: analysis.Quote(text)}}},
		Requests: []analysis.ProbeRequest{
			{Attempt: attempt("request", analysis.AttemptAccepted), Path: "/version", Status: 200, Server: text, Cluster: text, Health: text, BodyPrefix: text},
			{Attempt: attempt("request", analysis.AttemptAccepted), Path: "/health", Status: 200, BodyPrefix: text},
		},
		Expected: &analysis.ExpectedCompare{File: text, Certificate: cert, Differs: []string{"serial"}},
		Findings: []analysis.Finding{{Code: analysis.CodeServerNameMismatch, Title: "title", Meaning: analysis.Quote(text),
			Evidence: []analysis.Evidence{{Text: analysis.Quote(text), At: at, From: "server"}}, Fix: []string{"`true`"}}}}
}

// A probe that came to nothing still has every field, and no list is null.
func TestProbeJSONOfLittle(t *testing.T) {
	var out bytes.Buffer
	if err := NewProbeJSON(&out).Probe(&analysis.Probe{Main: analysis.Attempt{Result: analysis.AttemptUnanswered, Error: "timeout"}}); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{`"tls":null`, `"expected":null`, `"requests":[]`, `"problems":[]`, `"findings":[]`, `"demanded":null`, `"accepted":null`, `"result":"unanswered"`, `"alert":null`} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("no %s in %s", want, out.String())
		}
	}
	if !json.Valid(out.Bytes()) {
		t.Errorf("not JSON: %s", out.String())
	}
}

func TestProbeStopsAtAWriteError(t *testing.T) {
	for _, r := range []ProbeReport{NewProbeJSON(&failingWriter{}), NewProbeText(&failingWriter{}, TextOptions{})} {
		for range 2 {
			if err := r.Probe(fullProbe(t, "text")); !errors.Is(err, io.ErrClosedPipe) {
				t.Errorf("%T: got %v", r, err)
			}
		}
	}
}

// FuzzProbe puts hostile text wherever a server can: JSON stays one line, text stays printable.
func FuzzProbe(f *testing.F) {
	for _, s := range []string{"", "localhost", "\x00\"\\\n", "\xff\xfe", "\u2028\u0085\x7f\u202e", "a\x1b[31m", strings.Repeat("long ", 200)} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		p := fullProbe(t, "text")
		q := *p
		fill := func(list ...*string) {
			for _, to := range list {
				*to = s
			}
		}
		fill(&q.Target, &q.Name, &q.Main.ALPN, &q.Main.Error, &q.Requests[0].Server, &q.Requests[1].BodyPrefix, &q.Request.Authorities[0], &q.Request.Unsuitable, &q.Expected.File)
		q.Chain[0] = &analysis.Certificate{Subject: s, Issuer: s, Err: errors.New(s)}
		var out bytes.Buffer
		if err := NewProbeJSON(&out).Probe(&q); err != nil {
			t.Fatal(err)
		}
		if !json.Valid(out.Bytes()) || bytes.Count(out.Bytes(), []byte("\n")) != 1 {
			t.Fatalf("not one line of JSON: %q", out.String())
		}
		out.Reset()
		if err := NewProbeText(&out, TextOptions{All: true}).Probe(&q); err != nil {
			t.Fatal(err)
		}
		for _, c := range out.Bytes() {
			if c < 0x20 && c != '\n' || c == 0x7f {
				t.Fatalf("the control character %#x is in the text: %q", c, out.String())
			}
		}
	})
}
