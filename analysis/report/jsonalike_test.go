package report

import (
	"bytes"
	"math"
	"net/netip"
	"strconv"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/etcdtap/etcdtap/analysis"
)

// TestAlikeLines: what a JSON remembers of the connections before one does not show in its line. Each connection here differs from the
// usual one in something.
func TestAlikeLines(t *testing.T) {
	at := time.Date(2026, 3, 2, 10, 0, 0, 7, time.UTC)
	usual := func() *analysis.Connection {
		f := &analysis.Facts{Client: netip.MustParseAddrPort("192.0.2.1:40000"), Server: netip.MustParseAddrPort("192.0.2.2:2379"), Start: at, End: at}
		f.TCP = analysis.TCPFacts{FirstPacket: 1, LastPacket: 2, SYN: true, Packets: [2]int64{1, 1}}
		return &analysis.Connection{Facts: f, Endpoint: analysis.EndpointClient, Outcome: analysis.OutcomeNoData}
	}
	other := netip.MustParseAddrPort("[2001:db8::1]:9")
	variants := []func(*analysis.Connection){
		func(c *analysis.Connection) {},
		func(c *analysis.Connection) { c.Client = other },
		func(c *analysis.Connection) { c.Server = other },
		func(c *analysis.Connection) { c.Server = netip.AddrPort{} },
		func(c *analysis.Connection) { c.Outgoing = other },
		func(c *analysis.Connection) { c.RolesGuessed = true },
		func(c *analysis.Connection) { c.Endpoint = analysis.EndpointPeer },
		func(c *analysis.Connection) { c.Outcome = analysis.OutcomePartial },
		func(c *analysis.Connection) { c.Ended = analysis.CloseEvicted },
		func(c *analysis.Connection) { c.Stage = analysis.StageUpdate },
		func(c *analysis.Connection) { c.TCP.FirstPacket = 0 },
		func(c *analysis.Connection) { c.TCP.LastPacket = 1 << 40 },
		func(c *analysis.Connection) { c.TCP.Packets[0] = 1 << 40 },
		func(c *analysis.Connection) { c.TCP.Retransmitted = 1 },
		func(c *analysis.Connection) { c.TCP.OutOfOrder = 1 },
		func(c *analysis.Connection) { c.TCP.Conflicting = 1 },
		func(c *analysis.Connection) { c.TCP.Truncated = 1 },
		func(c *analysis.Connection) { c.Findings = []analysis.Finding{{Code: analysis.CodeRefused}} },
		func(c *analysis.Connection) { c.Log = []*analysis.LogEntry{{}} },
		func(c *analysis.Connection) { c.ByTime = true },
		func(c *analysis.Connection) { c.NoLog = "why" },
		func(c *analysis.Connection) { c.Process = &analysis.Process{Why: "why"} },
		func(c *analysis.Connection) { c.TLS = new(analysis.TLSFacts) },
		func(c *analysis.Connection) { c.End = at.Add(time.Second) },
		func(c *analysis.Connection) { c.End = at.Add(4*time.Second + 123_456_789) },
		func(c *analysis.Connection) { c.Start = time.Time{} },
		func(c *analysis.Connection) { c.Start = time.Unix(0, 999).UTC() },
		func(c *analysis.Connection) { c.Start = time.Date(12345, 1, 1, 0, 0, 0, 0, time.UTC) },
	}
	for _, change := range []func(*analysis.StreamFacts){
		func(s *analysis.StreamFacts) { s.Close = analysis.CloseRST },
		func(s *analysis.StreamFacts) { s.Protocol = analysis.ProtocolSSH },
		func(s *analysis.StreamFacts) { s.Then = analysis.ProtocolTLS },
		func(s *analysis.StreamFacts) { s.Inner = analysis.ProtocolHTTP2 },
		func(s *analysis.StreamFacts) { s.Request = "GET /" },
		func(s *analysis.StreamFacts) { s.InnerRequest = "GET /" },
		func(s *analysis.StreamFacts) { s.Bytes = 1 },
		func(s *analysis.StreamFacts) { s.Missed = 1 },
		func(s *analysis.StreamFacts) { s.StartMissed = true },
	} {
		for d := range 2 {
			variants = append(variants, func(c *analysis.Connection) { change(&c.Stream[d]) })
		}
	}
	var together bytes.Buffer
	long := NewJSON(&together)
	for i := range len(variants) * len(variants) {
		first, second := usual(), usual()
		variants[i%len(variants)](first)
		variants[i/len(variants)](second)
		for _, c := range []*analysis.Connection{first, second} {
			var alone bytes.Buffer
			short := NewJSON(&alone)
			if err := short.Connection(c); err != nil {
				t.Fatal(err)
			}
			short.Flush()
			together.Reset()
			long.Connection(c)
			long.Flush()
			if diff := cmp.Diff(alone.String(), together.String()); diff != "" {
				t.Fatalf("after others (-alone +after others):\n%s", diff)
			}
		}
	}
}

// TestAppendInt: all numbers of up to five digits, and those beside each power of ten and of two.
func TestAppendInt(t *testing.T) {
	check := func(n int64) {
		if got, want := string(appendInt(nil, n)), strconv.FormatInt(n, 10); got != want {
			t.Fatalf("%d is written %q", n, got)
		}
	}
	for n := range int64(100_000) {
		check(n)
	}
	for n := int64(1); n > 0 && n < math.MaxInt64/10; n *= 10 {
		for _, d := range []int64{-1, 0, 1} {
			check(n + d)
			check(-n - d)
			check(n*7 + d)
		}
	}
	for shift := range 64 {
		check(1 << shift)
		check(1<<shift - 1)
	}
	for n := range 256 {
		for _, a := range [][4]byte{{byte(n), 0, 0, 0}, {0, byte(n), 9, 10}, {99, 100, byte(n), 255}, {1, 22, 199, byte(n)}, {byte(n), byte(n), byte(n), byte(n)}} {
			if got, want := string(appendIPv4(nil, a)), netip.AddrFrom4(a).String(); got != want {
				t.Fatalf("%s is written %q", want, got)
			}
		}
	}
}
