package capture

import (
	"math/rand/v2"
	"reflect"
	"testing"

	"github.com/etcdtap/etcdtap/analysis"
)

// TestSilentFacts: of connections without data, in whatever state, the short way gives the facts that the long one gives.
func TestSilentFacts(t *testing.T) {
	rnd := rand.New(rand.NewPCG(1, 2))
	newCloser := func() *closer {
		return &closer{reassembler{stats: new(TrackerStats)}, &attachment{conn: new(analysis.Conn)}}
	}
	long, short := newCloser(), newCloser()
	taken := 0
	for range 200_000 {
		c := randomSilent(rnd)
		if c.half[0].nothingMissed() && c.half[1].nothingMissed() {
			taken++
		}
		again := c
		long.scratch.prepare(&again)
		long.conclude(&again, long.scratch)
		want, got := long.scratch.conn.Facts(), short.facts(&c)
		if !reflect.DeepEqual(want, got) || *long.stats != *short.stats {
			t.Fatalf("%+v:\nlong  %+v %+v\nshort %+v %+v", c, *want, *long.stats, *got, *short.stats)
		}
	}
	if taken < 20_000 {
		t.Errorf("only %d connections went the short way", taken)
	}
}

// randomSilent is a connection without data: all that may be known of it, in any combination.
func randomSilent(rnd *rand.Rand) connection {
	c := connection{flags: uint16(rnd.Uint32()), first: rnd.Int64N(9) + 1, last: rnd.Int64N(99) + 9, start: 1e18, seen: 1e18 + rnd.Int64N(1e10)}
	c.gave = [...]analysis.CloseKind{analysis.CloseNone, analysis.CloseIdle, analysis.CloseEnd, analysis.CloseEvicted}[rnd.IntN(4)]
	for d := range c.ends {
		c.ends[d] = endpoint{hosts[d], uint16(rnd.Uint32())}
		near := func() uint32 { return 1000 + uint32(rnd.IntN(3)) }
		h := &c.half[d]
		*h = half{start: near(), next: near(), acked: near(), fin: near(), packets: rnd.Int64N(5), flags: uint16(rnd.Uint32()) &^ (halfToldClose | halfLateStart | halfData | halfDone)}
		if rnd.IntN(2) == 0 {
			h.flags |= halfStarted | halfStartKnown
			h.next = h.start
		}
		if h.closed = analysis.CloseKind(rnd.IntN(3)); h.closed != analysis.CloseNone {
			c.closing[d] = closing{rnd.Int64N(9) + 9, 1e18 + rnd.Int64N(9)}
		}
	}
	return c
}
