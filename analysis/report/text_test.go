package report

import (
	"bytes"
	"errors"
	"net/netip"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/etcdtap/etcdtap/analysis"
	"github.com/etcdtap/etcdtap/analysis/tlswire"
)

// healthyConnection is TLS 1.3 with everything in it.
func healthyConnection(at time.Time) *analysis.Connection {
	f := &analysis.Facts{
		Client: netip.MustParseAddrPort("10.0.0.9:50000"), Server: netip.MustParseAddrPort("10.0.0.1:2379"), Start: at, End: at.Add(time.Second),
		TCP: analysis.TCPFacts{FirstPacket: 1, LastPacket: 3}, TLS: &analysis.TLSFacts{
			Version: tlswire.VersionTLS13, CipherSuite: 0x1301, ClientHello: &tlswire.ClientHello{ServerName: "etcd.local"}, ServerHello: &tlswire.ServerHello{},
		},
	}
	f.TLS.Certificates[analysis.FromClient].Visibility = analysis.Hidden
	return &analysis.Connection{Facts: f, Endpoint: analysis.EndpointClient, Outcome: analysis.OutcomeEstablished}
}

func textOf(t *testing.T, o TextOptions, conns ...*analysis.Connection) string {
	t.Helper()
	var out bytes.Buffer
	var certs Certificates
	r := NewText(&out, o)
	for _, c := range conns {
		certs.Add(c)
		if err := r.Connection(c); err != nil {
			t.Fatal(err)
		}
	}
	if err := errors.Join(r.Certificates(&certs), r.Summary(fullSummary(conns...))); err != nil {
		t.Fatal(err)
	}
	return out.String()
}

// incident is a day's end: healthy connections, one client that retries, another mistake, a warning.
func incident() []*analysis.Connection {
	backoff := func(sure analysis.Confidence) analysis.Finding {
		return analysis.Finding{Code: analysis.CodeGRPCBackoff, Confidence: sure, Title: "One gRPC client that tries again and again", Meaning: "10.0.0.7 has come 3 times with the same failure"}
	}
	expired := fullConnection(nil, "etcd.local")
	expired.Findings = append(expired.Findings,
		analysis.Finding{Code: analysis.CodeLegacyTLSVersion, Severity: analysis.Warning, Confidence: analysis.Certain, Title: "Old TLS", Meaning: "the client offers nothing newer than TLSv1.1, which etcd refuses unless it is told otherwise, and this is long"},
		analysis.Finding{Code: analysis.CodeCaptureLoss, Severity: analysis.Info, Confidence: analysis.Certain, Title: "Loss", Meaning: "7 bytes are missing"})
	warned := healthyConnection(sampleStart.Add(time.Minute))
	warned.Findings = []analysis.Finding{{Code: analysis.CodeCertExpiresSoon, Severity: analysis.Warning, Confidence: analysis.Certain, AtFault: analysis.FaultServer,
		Title: "Certificate expires soon", Meaning: "CN=cp-1 expires in 12 days", Fix: []string{"Renew it: `kubeadm certs renew etcd-server`", "Then restart etcd"}}}
	return []*analysis.Connection{
		healthyConnection(sampleStart), plaintextConnection(10, 1), plaintextConnection(20, 2), expired, plaintextConnection(30, 3.61, backoff(analysis.Likely)),
		plaintextConnection(40, 6.2, backoff(analysis.Likely)), plaintextConnection(50, 10.3, backoff(analysis.Certain)), warned, healthyConnection(sampleStart.Add(22 * time.Hour)),
	}
}

func TestText(t *testing.T) {
	Golden(t, "incident.txt", textOf(t, TextOptions{Source: "incident\x1b.pcap"}, incident()...))
	Golden(t, "incident-color.txt", textOf(t, TextOptions{Color: true, Width: 140}, incident()...))
	Golden(t, "incident-all.txt", textOf(t, TextOptions{All: true, Width: 80}, incident()...))
	Golden(t, "nothing.txt", textOf(t, TextOptions{}))
}

func TestTextKeepsItsWidth(t *testing.T) {
	for _, width := range []int{60, 80, 100, 160} {
		for line := range strings.Lines(textOf(t, TextOptions{Width: width}, incident()...)) {
			line = strings.TrimSuffix(line, "\n")
			isHead := len(line) > 2 && line[2] == ':'
			isCommand := strings.HasPrefix(line, indent+"       ")
			if utf8.RuneCountInString(line) > width && !isCommand && !(isHead && (width < 100 || strings.Contains(line, "  OK  "))) {
				t.Errorf("longer than %d: %s", width, line)
			}
			if line != strings.TrimRight(line, " ") {
				t.Errorf("blank at the end of %q", line)
			}
		}
	}
}

// A failure that was shown is not shown again, and memory for that is bounded.
func TestTextRepeats(t *testing.T) {
	var out bytes.Buffer
	r := NewText(&out, TextOptions{})
	for i := range maxRepeats + 10 {
		c := plaintextConnection(int64(i+1), 0)
		c.Client = netip.AddrPortFrom(netip.AddrFrom4([4]byte{11, byte(i >> 16), byte(i >> 8), byte(i)}), 1)
		if err := r.Connection(c); err != nil {
			t.Fatal(err)
		}
	}
	if len(r.repeats) != maxRepeats {
		t.Errorf("%d failures remembered, want %d", len(r.repeats), maxRepeats)
	}
	if err := r.Flush(); err != nil {
		t.Fatal(err)
	}
	if n := strings.Count(out.String(), "fix:"); n != maxRepeats+10 {
		t.Errorf("%d shown in full, want each", n)
	}
}

// FuzzText puts hostile text wherever the wire can put it: no byte of it may reach the terminal that is not printable.
func FuzzText(f *testing.F) {
	for _, s := range []string{"localhost", "\x00\x1b[2J\n", "\xff\xfe", "\u202e\u2066\u2028\u0085\x7f", "a\rb"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		c := fullConnection([]*analysis.Certificate{{Subject: s, Err: errors.New(s)}}, s)
		c.Findings[0].Meaning = s // a rule that forgot to escape
		healthy := fullConnection(nil, s)
		healthy.Findings, healthy.Outcome = nil, analysis.OutcomeEstablished
		other := *healthy
		facts := *healthy.Facts
		facts.TLS = nil
		other.Facts = &facts
		out := textOf(t, TextOptions{All: true, Source: s}, c, healthy, &other)
		for line := range strings.Lines(out) {
			line = strings.TrimSuffix(line, "\n")
			if printable(line) != line {
				t.Fatalf("not printable: %q", line)
			}
		}
		if !utf8.ValidString(out) {
			t.Fatalf("not UTF-8: %q", out)
		}
	})
}
