package analysis

import (
	"math/rand/v2"
	"net/netip"
	"testing"
	"time"
)

// startsAt are start times at these seconds.
func startsAt(seconds ...float64) []time.Time {
	var s []time.Time
	for _, x := range seconds {
		s = append(s, testTime.Add(time.Duration(x*float64(time.Second))))
	}
	return s
}

func every(d time.Duration, n int) []time.Time {
	var s []time.Time
	for i := range n {
		s = append(s, testTime.Add(time.Duration(i)*d))
	}
	return s
}

func TestRhythm(t *testing.T) {
	real := []float64{29.148, 30.150, 31.480, 33.865, 37.999} // a real log, one line per attempt
	for _, tt := range []struct {
		name       string
		starts     []time.Time
		want       Code // "" for none
		confidence Confidence
		gaps       int
	}{
		{"gRPC", startsAt(real...), CodeGRPCBackoff, Certain, 4},
		{"gRPC, three attempts", startsAt(real[:3]...), CodeGRPCBackoff, Likely, 2},
		{"two attempts", startsAt(real[:2]...), "", 0, 0},
		{"a new process", startsAt(append(real, 45.2, 46.21, 47.9, 50.4)...), CodeGRPCBackoff, Likely, 3},
		{"a new process, first attempts", startsAt(append(real, 45.2, 46.21)...), "", 0, 0},
		{"gRPC, to 30 s", startsAt(0, 1.01, 2.7, 5.2, 9.1, 15.6, 26, 42.5, 69), CodeGRPCBackoff, Certain, 8},
		{"raft", every(100*time.Millisecond, 12), CodeRaftReconnect, Likely, 11},
		{"raft, too few", every(100*time.Millisecond, 6), "", 0, 0},
		{"probe", every(10*time.Second, 4), CodePeriodicProbe, Likely, 3},
		{"probe, too few", every(10*time.Second, 3), "", 0, 0},
		{"probe of 1 s", every(time.Second, 8), CodePeriodicProbe, Likely, 7},
		{"irregular", startsAt(0, 3, 10, 11, 30, 31.5, 40), "", 0, 0},
		{"all at once", make([]time.Time, 5), "", 0, 0},
		{"nothing", nil, "", 0, 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, ok := RhythmOf(tt.starts)
			if ok != (tt.want != "") || got.Code != tt.want || got.Confidence != tt.confidence || len(got.Gaps) != tt.gaps {
				t.Errorf("%v, %v; want %s, %v, %d gaps", got, ok, tt.want, tt.confidence, tt.gaps)
			}
		})
	}
}

func TestRandomGapsHaveNoRhythm(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	found := 0
	for range 2000 {
		at := 0.0
		var starts []float64
		for range maxStarts {
			at += r.Float64() * 30
			starts = append(starts, at)
		}
		if _, ok := RhythmOf(startsAt(starts...)); ok {
			found++
		}
	}
	if found > 4 { // two gaps that look like the first two steps come by chance, once in some thousand
		t.Errorf("%d of 2000 random series have a rhythm", found)
	}
}

// TestSeries: the rhythm is that of one client's failures of one kind at one server.
func TestSeries(t *testing.T) {
	failing := func(d *Diagnoser, from, to netip.AddrPort, at time.Time) Connection {
		c := NewConn(from, to, at)
		c.Data(FromClient, at, []byte("GET / HTTP/1.1\r\n\r\n"))
		c.Close(FromServer, at.Add(time.Millisecond), CloseFIN)
		c.SetTCP(TCPFacts{FirstPacket: 1, Packets: [2]int64{3, 3}, SYN: true, SYNACK: true, Established: true}, false, at.Add(time.Millisecond))
		return d.Diagnose(c.Facts())
	}
	var d Diagnoser
	other := netip.MustParseAddrPort("10.0.0.9:5")
	starts := startsAt(29.148, 30.150, 31.480, 33.865, 37.999)
	var last Connection
	for i, at := range starts {
		failing(&d, netip.AddrPortFrom(other.Addr(), uint16(i)), testServer, testTime.Add(time.Duration(i*i*i)*time.Second))
		last = failing(&d, netip.AddrPortFrom(testClient.Addr(), uint16(40000+i)), testServer, at)
	}
	checkFindings(t, last.Findings)
	if codes := codesOf(last.Findings); len(codes) != 2 || codes[0] != CodePlaintextToTLS || codes[1] != CodeGRPCBackoff {
		t.Errorf("%v", codes)
	}
	for i := range 20 { // raft's rhythm is raft's only at the peer port
		at := testTime.Add(time.Hour + time.Duration(i)*100*time.Millisecond)
		client := failing(&d, other, testServer, at)
		peer := failing(&d, other, testPeer, at)
		if has := codesOf(client.Findings); len(has) != 1 {
			t.Fatalf("client port: %v", has)
		}
		if has := codesOf(peer.Findings); i > 10 && (len(has) != 2 || has[1] != CodeRaftReconnect) {
			t.Fatalf("peer port, %d: %v", i, has)
		}
	}
	var healthy Diagnoser
	for range 10 {
		if c := healthy.Diagnose(feeding{}.facts(healthy12())); len(c.Findings) > 0 {
			t.Errorf("a healthy client: %v", codesOf(c.Findings))
		}
	}
}

func TestSeriesAreBounded(t *testing.T) {
	s := newSeries()
	for i := range maxSeries + 100 {
		addr := netip.AddrFrom4([4]byte{10, byte(i >> 16), byte(i >> 8), byte(i)})
		if r := s.add(seriesKey{client: addr}, testTime); (r == nil) != (i >= maxSeries) {
			t.Fatalf("series %d: %v", i, r)
		}
	}
	r := s.add(seriesKey{client: netip.AddrFrom4([4]byte{10, 0, 0, 1})}, testTime)
	for i := range 100 {
		s.add(seriesKey{client: netip.AddrFrom4([4]byte{10, 0, 0, 1})}, testTime.Add(time.Duration(50-i)*time.Second))
	}
	if r.n != maxStarts {
		t.Errorf("%d starts", r.n)
	}
	servers := make(servers)
	for i := range maxServers + 100 {
		f := Facts{Server: netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, byte(i >> 16), byte(i >> 8), byte(i)}), 1)}
		f.Stream[FromServer].Protocol = ProtocolHTTP1
		servers.learn(&f)
	}
	if len(servers) != maxServers {
		t.Errorf("%d servers", len(servers))
	}
}
