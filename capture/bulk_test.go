package capture

import (
	"encoding/binary"
	"math/rand/v2"
	"reflect"
	"testing"

	"github.com/etcdtap/etcdtap/analysis"
)

// TestBulkIsOrdinary: what passes bulk by the short way leaves what the long way leaves. A flag that means nothing here, set on every
// segment, sends them all by the long one.
func TestBulkIsOrdinary(t *testing.T) {
	for seed := range uint64(60) {
		rnd := rand.New(rand.NewPCG(seed, 1))
		f := bothWays(t, seed, bulkConversation(rnd), seed%2 == 1)[0]
		if f.TLS == nil || f.Stream[0].Bytes+f.Stream[1].Bytes < 4*causalBytes {
			t.Errorf("seed %d: %+v is no bulk", seed, f.Stream)
		}
	}
}

// bothWays sends segments by the short way and by the long one, and compares. It returns the facts.
func bothWays(t *testing.T, seed uint64, segments []Segment, early bool) []*analysis.Facts {
	t.Helper()
	const congestion = 1 << 6 // ECE (RFC 3168)
	var facts [2][]*analysis.Facts
	var stats [2]TrackerStats
	var useful [2][]bool
	for way, flag := range []uint8{0, congestion} {
		o := TrackerOptions{ServerPorts: etcdPorts}
		if early {
			o.Early = func(*analysis.Facts, Early) bool { return false }
		}
		tr := NewTracker(o, func(f *analysis.Facts) { facts[way] = append(facts[way], f.Clone()) })
		p := Packet{Time: 1e18}
		for i := range segments {
			s := segments[i]
			s.Flags |= flag
			p.Number++
			p.Time += 10_000
			tr.Segment(&p, &s)
			useful[way] = append(useful[way], early && tr.Useful())
		}
		tr.Flush()
		stats[way] = tr.Stats()
	}
	if !reflect.DeepEqual(facts[0], facts[1]) || stats[0] != stats[1] || !reflect.DeepEqual(useful[0], useful[1]) {
		t.Fatalf("seed %d:\nshort %+v %+v\nlong  %+v %+v", seed, *facts[0][0], stats[0], *facts[1][0], stats[1])
	}
	return facts[0]
}

// TestRepeatedSYNIsOrdinary: what passes over a SYN that was seen before changes nothing, whatever comes before and after it.
func TestRepeatedSYNIsOrdinary(t *testing.T) {
	flags := []uint8{flagSYN, flagSYN, flagSYN | flagACK, flagSYN | flagACK, flagACK, flagACK, flagFIN | flagACK, flagRST, flagRST | flagACK, flagSYN | flagFIN}
	for seed := range uint64(3000) {
		rnd := rand.New(rand.NewPCG(seed, 2))
		var segments []Segment
		for range 2 + rnd.IntN(12) {
			d := rnd.IntN(2)
			s := Segment{Src: hosts[d], Dst: hosts[1-d], SrcPort: 40000, DstPort: 2379, Flags: flags[rnd.IntN(len(flags))], Seq: 999, Ack: 1000}
			if d == 1 {
				s.SrcPort, s.DstPort = s.DstPort, s.SrcPort
			}
			if s.Flags&flagSYN == 0 {
				s.Seq++
			}
			if rnd.IntN(6) == 0 {
				s.Seq += uint32(rnd.IntN(5)) - 2
			}
			if rnd.IntN(6) == 0 {
				s.Ack += uint32(rnd.IntN(5)) - 2
			}
			if rnd.IntN(6) == 0 {
				s.Length = 1 + rnd.IntN(3)
				s.Payload = []byte("GET")[:s.Length]
			}
			for range 1 + rnd.IntN(2) {
				segments = append(segments, s)
			}
		}
		bothWays(t, seed, segments, false)
	}
}

// bulkConversation is records of all sizes from both sides, in segments that are lost, repeated, out of order, cut, and acknowledged
// sooner or later, once both are under way.
func bulkConversation(rnd *rand.Rand) (out []Segment) {
	var streams [2][]byte
	for d := range streams {
		b := []byte{22, 3, 1, 0, 9, byte(1 + d), 0, 0, 5, 3, 3, 0, 0, 0} // a hello of a kind
		for len(b) < 3*causalBytes {
			n := 1 + rnd.IntN(1<<14)
			if rnd.IntN(4) == 0 {
				n = 1 + rnd.IntN(50)
			}
			b = binary.BigEndian.AppendUint16(append(b, 23, 3, 3), uint16(n))
			b = append(b, make([]byte, n)...)
		}
		streams[d] = b
	}
	faults := rnd.IntN(200) // in 1000
	segment := func(d int, flags uint8, at, n int, acked int) Segment {
		s := Segment{Src: hosts[d], Dst: hosts[1-d], SrcPort: 40000, DstPort: 2379, Seq: uint32(1000 + at), Ack: uint32(1000 + acked), Flags: flags, Payload: streams[d][at : at+n], Length: n}
		if d == 1 {
			s.SrcPort, s.DstPort = s.DstPort, s.SrcPort
		}
		if n > 0 && rnd.IntN(1000) < faults/10 {
			s.Payload = s.Payload[:rnd.IntN(n)]
		}
		return s
	}
	out = append(out, segment(0, flagSYN, 0, 0, 0), segment(1, flagSYN|flagACK, 0, 0, 0), segment(0, flagACK, 0, 0, 0))
	if rnd.IntN(4) == 0 {
		out = out[:0] // the capture began later
	}
	for i := range out {
		out[i].Seq -= 1 - uint32(i/2)
	}
	var at [2]int
	begun := 0 // where faults do: before it they may make answers wait
	for at[0] < len(streams[0]) || at[1] < len(streams[1]) {
		d := rnd.IntN(2)
		if begun == 0 && min(at[0], at[1]) > causalBytes+1<<14 {
			begun = len(out)
		}
		for range 1 + rnd.IntN(20) {
			n := min(1448, len(streams[d])-at[d])
			flags := uint8(flagACK)
			if rnd.IntN(5) == 0 {
				n, flags = rnd.IntN(n+1), flagACK|flagPSH
			}
			out = append(out, segment(d, flags, at[d], n, at[1-d]))
			at[d] += n
		}
	}
	out = append(out, segment(0, flagACK|flagFIN, at[0], 0, at[1]), segment(1, flagACK|flagFIN, at[1], 0, at[0]+1))
	for i := begun; i < len(out)-3; i++ {
		switch k := rnd.IntN(1000); {
		case k < faults/4:
			out[i] = out[i-1]
		case k < faults/2:
			j := i + rnd.IntN(3)
			out[i], out[j] = out[j], out[i]
		case k < faults/2+faults/20:
			out[i].Length, out[i].Payload = 0, nil
		}
	}
	return out
}
