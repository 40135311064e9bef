package report

import (
	"math/rand/v2"
	"testing"
	"time"

	"github.com/etcdtap/etcdtap/analysis"
)

// TestFindingTexts renders findings that share their fixes and differ in one thing or another, of more kinds than are remembered, and
// expects what is rendered without remembering.
func TestFindingTexts(t *testing.T) {
	rnd := rand.New(rand.NewPCG(1, 2))
	pick := func(from ...string) string { return from[rnd.IntN(len(from))] }
	var fixes [2 * maxFindingTexts][]string
	for i := range fixes {
		fixes[i] = []string{"one `HOST`", "two \"quoted\"", pick("three", "3\n")}
	}
	m := make(findingTexts)
	for range 20_000 {
		var list []analysis.Finding
		for range rnd.IntN(3) {
			f := analysis.Finding{Code: analysis.Code(pick("unanswered", "no-reply")), Severity: analysis.Severity(rnd.IntN(3)), Confidence: analysis.Confidence(rnd.IntN(3)),
				AtFault: analysis.Fault(rnd.IntN(3)), Title: pick("title", "another"), Meaning: pick("meaning\x1b", "other"), Fix: fixes[rnd.IntN(1+rnd.IntN(len(fixes)))][:rnd.IntN(4)]}
			for range rnd.IntN(3) {
				f.Evidence = append(f.Evidence, analysis.Evidence{Text: pick("a", "b"), Packet: int64(rnd.IntN(3)), At: time.Unix(int64(rnd.IntN(2)), 0), Bytes: []byte(pick("", "x"))})
			}
			list = append(list, f)
		}
		if got, want := string(m.appendFindings(nil, list)), string(appendFindings(nil, list)); got != want {
			t.Fatalf("got  %s\nwant %s", got, want)
		}
		if len(m) > maxFindingTexts {
			t.Fatalf("%d are remembered, expected at most %d", len(m), maxFindingTexts)
		}
	}
}

// BenchmarkFinding renders one cause over and over, as when one client fails all the time.
func BenchmarkFinding(b *testing.B) {
	cause, _ := analysis.CauseOf(analysis.CodeClientCertMissing)
	list := []analysis.Finding{{Code: cause.Code, Severity: cause.Severity, AtFault: cause.AtFault, Title: cause.Title, Meaning: cause.Meaning, Fix: cause.Fixes,
		Evidence: []analysis.Evidence{{Text: "an empty Certificate message", Packet: 12, From: "client", At: time.Unix(1, 2)}}}}
	for name, m := range map[string]findingTexts{"anew": nil, "remembered": make(findingTexts)} {
		b.Run(name, func(b *testing.B) {
			var buf []byte
			for b.Loop() {
				buf = m.appendFindings(buf[:0], list)
			}
		})
	}
}
