package report

import (
	"io"
	"net/netip"
	"testing"
	"time"

	"github.com/etcdtap/etcdtap/analysis"
)

// BenchmarkAlikeLines renders what a flood of half-open connections leaves.
func BenchmarkAlikeLines(b *testing.B) {
	at := time.Date(2026, 3, 2, 10, 0, 0, 0, time.UTC)
	f := &analysis.Facts{TCP: analysis.TCPFacts{SYN: true, SYNACK: true, Packets: [2]int64{2, 1}}}
	c := &analysis.Connection{Facts: f, Endpoint: analysis.EndpointClient, Outcome: analysis.OutcomeNoData}
	j := NewJSON(io.Discard)
	b.ReportAllocs()
	for i := range b.N {
		f.Client = netip.AddrPortFrom(netip.AddrFrom4([4]byte{byte(i >> 20), byte(i >> 12), byte(i >> 4), byte(i)}), uint16(i))
		f.Server = netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, 0, 0, byte(i % 3)}), 2379)
		f.Start, f.End = at.Add(time.Duration(i)*5000), at.Add(time.Duration(i)*5000+400_000_321)
		f.TCP.FirstPacket, f.TCP.LastPacket = int64(3*i+1), int64(3*i+87_000)
		if err := j.Connection(c); err != nil {
			b.Fatal(err)
		}
	}
}
