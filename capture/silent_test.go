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
	long, short := newCloser(), newCloser()
	taken := 0
	for range 200_000 {
		c, m := randomSilent(rnd)
		if c.nothingMissed(analysis.FromClient) && c.nothingMissed(analysis.FromServer) {
			taken++
		}
		again := c
		long.scratch.prepare(&again, &m)
		long.conclude(&again, &m, long.scratch)
		want, got := long.scratch.conn.Facts(), short.facts(&c, &m)
		if !reflect.DeepEqual(want, got) || *long.stats != *short.stats {
			t.Fatalf("%+v:\nlong  %+v %+v\nshort %+v %+v", c, *want, *long.stats, *got, *short.stats)
		}
	}
	if taken < 20_000 {
		t.Errorf("only %d connections went the short way", taken)
	}
}

// TestHalfOpenFacts: of an embryo the short way gives the facts of the connection that it becomes.
func TestHalfOpenFacts(t *testing.T) {
	rnd := rand.New(rand.NewPCG(1, 2))
	long, short := newCloser(), newCloser()
	for range 10_000 {
		e := embryo{
			ends:  ends{addr: [2]uint32{rnd.Uint32(), rnd.Uint32()}, port: [2]uint16{uint16(rnd.Uint32()), 2379}},
			start: [2]uint32{rnd.Uint32(), rnd.Uint32()}, first: rnd.Int64N(9) + 1, last: rnd.Uint32(),
			began: 1e18, seen: 1e18 + rnd.Int64N(1e10), packets: [2]uint16{uint16(rnd.IntN(3)) + 1, uint16(rnd.IntN(3))},
		}
		var c connection
		e.into(&c)
		c.gave = analysis.CloseEnd
		want, got := long.facts(&c, new(more)), short.halfOpen(&e)
		if !reflect.DeepEqual(want, got) || *long.stats != *short.stats {
			t.Fatalf("%+v:\nlong  %+v %+v\nshort %+v %+v", e, *want, *long.stats, *got, *short.stats)
		}
	}
}

func newCloser() *closer {
	return &closer{reassembler{stats: new(TrackerStats)}, &attachment{conn: new(analysis.Conn)}}
}

// randomSilent is a connection without data: all that may be known of it, in any combination.
func randomSilent(rnd *rand.Rand) (c connection, m more) {
	near := func() uint32 { return 1000 + uint32(rnd.IntN(3)) }
	c = connection{flags: uint16(rnd.Uint32()), first: rnd.Int64N(9) + 1, last: rnd.Int64N(99) + 9, start: 1e18, seen: 1e18 + rnd.Int64N(1e10)}
	c.gave = [...]analysis.CloseKind{analysis.CloseNone, analysis.CloseIdle, analysis.CloseEnd, analysis.CloseEvicted}[rnd.IntN(4)]
	c.fin, c.carried = [2]uint32{near(), near()}, [2]uint32{rnd.Uint32() & 1, rnd.Uint32() & 1}
	c.ends = ends{addr: [2]uint32{rnd.Uint32(), rnd.Uint32()}, port: [2]uint16{uint16(rnd.Uint32()), 2379}}
	m.addr = hosts
	for d := range c.half {
		h := &c.half[d]
		*h = half{start: near(), next: near(), acked: near(), packets: uint16(rnd.IntN(5)), flags: uint16(rnd.Uint32()) &^ (halfToldClose | halfLateStart | halfData | halfDone)}
		if rnd.IntN(2) == 0 {
			h.flags |= halfStarted | halfStartKnown
			h.next = h.start
		}
		if c.closed[d] = analysis.CloseKind(rnd.IntN(3)); c.closed[d] != analysis.CloseNone {
			m.closing[d] = closing{rnd.Int64N(9) + 9, 1e18 + rnd.Int64N(9)}
		}
	}
	return c, m
}
