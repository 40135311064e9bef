package report_test

import (
	"bytes"
	"net/netip"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/etcdtap/etcdtap/analysis"
	"github.com/etcdtap/etcdtap/analysis/report"
)

// TestRepeat: whoever came again is named where that is known, whatever it calls itself.
func TestRepeat(t *testing.T) {
	at := time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
	server := netip.MustParseAddrPort("10.0.0.1:2379")
	for want, n := range map[string]analysis.Repeat{
		"12:01:00.000  17 more from 10.0.0.7 in 60 s to 10.0.0.1:2379: plaintext-to-tls\n":    {Client: netip.MustParseAddr("10.0.0.7"), Server: server, Code: analysis.CodePlaintextToTLS},
		"12:01:00.000  17 more from unix socket in 60 s to 10.0.0.1:2379: plaintext-to-tls\n": {Server: server, Code: analysis.CodePlaintextToTLS},
		"12:01:00.000  17 more about \\x1b[31m in 60 s, log lines without packets: refused\n": {Other: "\x1b[31m", Entry: true, Code: analysis.CodeRefused},
	} {
		var b bytes.Buffer
		text := report.NewText(&b, report.TextOptions{})
		n.Count, n.From, n.To = 17, at, at.Add(time.Minute)
		if err := text.Repeat(&n); err != nil {
			t.Fatal(err)
		}
		text.Flush()
		if d := cmp.Diff(want, b.String()); d != "" {
			t.Errorf("(-want +got):\n%s", d)
		}
	}
}
