package capture

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/etcdtap/etcdtap/analysis"
)

// recorder is an observer that writes down what it is told.
type recorder struct {
	events []string
	bytes  []byte // Data alone
	data   int64
	passed int64
	missed int64
	skip   func(offset int64) int64 // how much to skip at an offset of the stream; nil: nothing
	quiet  bool                     // do not write events
}

func (r *recorder) offset() int64  { return r.data + r.passed + r.missed }
func (r *recorder) Packet(n int64) {}
func (r *recorder) note(format string, args ...any) {
	if !r.quiet {
		r.events = append(r.events, fmt.Sprintf(format, args...))
	}
}

func (r *recorder) Data(_ analysis.Direction, _ time.Time, p []byte) {
	r.data += int64(len(p))
	r.bytes = append(r.bytes, p...)
	r.note("data %s", p)
}

func (r *recorder) Gap(_ analysis.Direction, _ time.Time, n int64) {
	r.missed += max(n, 0)
	r.note("gap %d", n)
}

func (r *recorder) Pass(_ analysis.Direction, _ time.Time, n int64) {
	if skip := r.Skip(0); n > skip {
		panic(fmt.Sprintf("passed over %d bytes of %d", n, skip))
	}
	r.passed += n
	r.note("pass %d", n)
}

func (r *recorder) Close(_ analysis.Direction, _ time.Time, how analysis.CloseKind) {
	r.note("close %s", how)
}

func (r *recorder) Skip(analysis.Direction) int64 {
	if r.skip == nil {
		return 0
	}
	return r.skip(r.offset())
}

// newLane makes one direction to be tested, whose first byte has the number isn+1.
func newLane(isn uint32, out observer) *lane {
	c := new(connection)
	c.half[0] = half{start: isn + 1, next: isn + 1, flags: halfStarted | halfStartKnown | halfSeen}
	return &lane{
		reassembler: &reassembler{stats: new(TrackerStats)},
		out:         out,
		c:           c,
		m:           new(more),
		h:           &c.half[0],
		x:           new(attachment),
		s:           new(store),
	}
}

// end takes a FIN.
func (l *lane) end(seq uint32) {
	if _, closes := l.c.end(l.d, seq); closes {
		l.m.closing[l.d] = closing{packet: l.packet}
	}
}

// step is a line of a script: a segment with data, a cut one, an acknowledgement, a FIN.
type step struct {
	at   int    // offset in the stream
	data string // a segment's captured payload
	wire int    // its length on the wire; 0: as captured
	ack  int    // or: the other side acknowledges up to this offset
	fin  bool   // the segment has FIN
	rst  bool   // or: the sender resets
	wait int    // or: so many packets of the connection go by
}

func (l *lane) play(isn uint32, steps []step) {
	for _, s := range steps {
		l.packet++
		if s.data != "" || s.wire > 0 {
			l.arrive(stretch{isn + 1 + uint32(s.at), max(len(s.data), s.wire), []byte(s.data)})
		}
		if s.fin {
			l.end(isn + 1 + uint32(s.at+max(len(s.data), s.wire)))
			l.update()
		}
		if s.ack > 0 {
			l.h.acknowledge(isn + 1 + uint32(s.ack))
		}
		for range max(s.wait, 1) {
			if l.h.is(halfWaiting) {
				l.wait()
			}
		}
		if s.rst {
			l.c.closed[l.d] = analysis.CloseRST
			l.settle()
		}
	}
	l.settle()
}

type counts struct{ Retransmitted, Conflicting, ConflictPacket, OutOfOrder int64 }

func TestStream(t *testing.T) {
	header := func(n int64) func(int64) int64 { // every fourth byte is wanted, what follows it is not
		return func(at int64) int64 {
			if at%n == 0 {
				return 0
			}
			return n - at%n
		}
	}
	tests := []struct {
		name   string
		skip   func(int64) int64
		steps  []step
		want   []string
		counts counts
	}{
		{name: "in order", steps: []step{{data: "abc"}, {at: 3, data: "def"}},
			want: []string{"data abc", "data def"}},
		{name: "out of order", steps: []step{{at: 3, data: "def"}, {at: 6, data: "ghi"}, {data: "abc"}},
			want: []string{"data abc", "data def", "data ghi"}, counts: counts{OutOfOrder: 2}},
		{name: "retransmitted", steps: []step{{data: "abc"}, {data: "abc"}, {at: 1, data: "bc"}},
			want: []string{"data abc"}, counts: counts{Retransmitted: 2}},
		{name: "retransmitted with more", steps: []step{{data: "abc"}, {data: "abcdef"}},
			want: []string{"data abc", "data def"}},
		{name: "retransmitted while held", steps: []step{{at: 3, data: "def"}, {at: 3, data: "def"}, {data: "abc"}},
			want: []string{"data abc", "data def"}, counts: counts{OutOfOrder: 1, Retransmitted: 1}},
		{name: "conflict with delivered bytes", steps: []step{{data: "abc"}, {data: "aXXd"}},
			want: []string{"data abc", "data d"}, counts: counts{Conflicting: 2, ConflictPacket: 2}},
		{name: "conflict with held bytes", steps: []step{{at: 2, data: "cd"}, {at: 1, data: "bXde"}, {data: "a"}},
			want: []string{"data a", "data b", "data cd", "data e"}, counts: counts{Conflicting: 1, ConflictPacket: 2, OutOfOrder: 2}},
		{name: "held bytes came first", steps: []step{{at: 2, data: "cd"}, {data: "abXXef"}},
			want: []string{"data ab", "data cd", "data ef"}, counts: counts{Conflicting: 2, ConflictPacket: 2, OutOfOrder: 1}},
		{name: "one segment over several held", steps: []step{{at: 1, data: "b"}, {at: 3, data: "d"}, {at: 5, data: "f"}, {data: "abcdefg"}},
			want: []string{"data a", "data b", "data c", "data d", "data e", "data f", "data g"}, counts: counts{OutOfOrder: 3}},
		{name: "early segment over several held", steps: []step{{at: 2, data: "c"}, {at: 4, data: "e"}, {at: 1, data: "bcdef"}, {data: "a"}},
			want: []string{"data a", "data b", "data c", "data d", "data e", "data f"}, counts: counts{OutOfOrder: 3}},
		{name: "hole at the end", steps: []step{{data: "abc"}, {at: 5, data: "fg"}},
			want: []string{"data abc", "gap 2", "data fg"}, counts: counts{OutOfOrder: 1}},
		{name: "hole not acknowledged", steps: []step{{data: "a"}, {at: 2, data: "c"}, {wait: 100}, {at: 1, data: "b"}},
			want: []string{"data a", "data b", "data c"}, counts: counts{OutOfOrder: 1}},
		{name: "hole acknowledged", steps: []step{{data: "a"}, {at: 2, data: "c"}, {ack: 3}, {wait: holePackets}, {at: 1, data: "b"}},
			want: []string{"data a", "gap 1", "data c"}, counts: counts{OutOfOrder: 1, Retransmitted: 1}},
		{name: "hole acknowledged but closed in time", steps: []step{{data: "a"}, {at: 2, data: "c"}, {ack: 3}, {wait: holePackets - 2}, {at: 1, data: "b"}},
			want: []string{"data a", "data b", "data c"}, counts: counts{OutOfOrder: 1}},
		{name: "nothing of it captured", steps: []step{{ack: 1000}},
			want: []string{"gap 1000"}},
		{name: "tail lost", steps: []step{{data: "abc"}, {ack: 10}},
			want: []string{"data abc", "gap 7"}},
		{name: "acknowledged FIN is no byte", steps: []step{{data: "abc", fin: true}, {ack: 4}},
			want: []string{"data abc", "close fin"}},
		{name: "FIN alone", steps: []step{{fin: true}, {fin: true}},
			want: []string{"close fin"}},
		{name: "FIN before lost data", steps: []step{{at: 3, data: "def", fin: true}, {data: "a"}},
			want: []string{"data a", "gap 2", "data def", "close fin"}, counts: counts{OutOfOrder: 1}},
		{name: "FIN before late data", steps: []step{{at: 3, data: "def", fin: true}, {data: "abc"}},
			want: []string{"data abc", "data def", "close fin"}, counts: counts{OutOfOrder: 1}},
		{name: "FIN after a hole", steps: []step{{data: "abc"}, {at: 5, fin: true}, {at: 3, data: "de"}},
			want: []string{"data abc", "data de", "close fin"}},
		{name: "FIN after a hole that stays", steps: []step{{data: "abc"}, {at: 5, fin: true}},
			want: []string{"data abc", "gap 2", "close fin"}},
		{name: "data after the FIN", steps: []step{{data: "abc", fin: true}, {at: 3, data: "x"}, {at: 2, data: "cde"}},
			want: []string{"data abc", "close fin"}, counts: counts{Retransmitted: 1}},
		{name: "RST tells what is held", steps: []step{{at: 2, data: "cd"}, {rst: true}, {data: "ab"}},
			want: []string{"gap 2", "data cd", "close rst"}, counts: counts{OutOfOrder: 1}},
		{name: "cut by the snapshot length", steps: []step{{data: "abc", wire: 10}, {at: 10, data: "k"}},
			want: []string{"data abc", "gap 7", "data k"}},
		{name: "cut, early", steps: []step{{at: 2, data: "c", wire: 3}, {data: "ab"}, {at: 5, data: "f"}},
			want: []string{"data ab", "data c", "gap 2", "data f"}, counts: counts{OutOfOrder: 1}},
		{name: "cut to nothing", steps: []step{{wire: 5}, {at: 5, data: "f"}},
			want: []string{"gap 5", "data f"}},
		{name: "keep-alive", steps: []step{{data: "abc"}, {at: 2, data: "\x00"}, {at: 3, data: "d"}},
			want: []string{"data abc", "data d"}},
		{name: "keep-alive before data", steps: []step{{at: -1, data: "\x00"}, {data: "a"}},
			want: []string{"data a"}},
		{name: "far ahead", steps: []step{{data: "a"}, {at: plausibleAhead + 100, data: "x"}, {at: 1, data: "b"}},
			want: []string{"data a", "data b"}},
		{name: "far behind", steps: []step{{data: "a"}, {at: -plausibleJump - 100, data: "x"}, {at: 1, data: "b"}},
			want: []string{"data a", "data b"}},
		{name: "far ahead twice", steps: []step{{data: "a"}, {at: plausibleAhead + 100, data: "x"}, {at: plausibleAhead + 101, data: "y"}, {at: plausibleAhead + 102, data: "z"}},
			want: []string{"data a", fmt.Sprintf("gap %d", plausibleAhead+100), "data y", "data z"}},
		{name: "far ahead, acknowledged", steps: []step{{data: "a"}, {ack: plausibleAhead}, {at: plausibleAhead + 100, data: "x"}},
			want: []string{"data a", fmt.Sprintf("gap %d", plausibleAhead+99), "data x"}, counts: counts{OutOfOrder: 1}},
		{name: "far beyond twice", steps: []step{{data: "a"}, {at: plausibleJump + 100, data: "x"}, {at: plausibleJump + 101, data: "y"}},
			want: []string{"data a"}},
		{name: "skip", skip: header(4), steps: []step{{data: "abcd"}, {at: 4, data: "efghijkl"}, {at: 12, data: "m"}, {at: 13, data: "nop"}},
			// A segment is shown from where the observer wants it: it finds its way in what it is given.
			want: []string{"data abcd", "data efghijkl", "data m", "pass 3"}},
		{name: "skip, early", skip: header(10), steps: []step{{data: "a"}, {at: 4, data: "efgh"}, {at: 8, data: "ijkl"}, {at: 1, data: "bcd"}},
			want: []string{"data a", "pass 3", "pass 6", "data kl"}, counts: counts{OutOfOrder: 2}},
		{name: "skip over a hole", skip: header(10), steps: []step{{data: "a"}, {at: 4, data: "efghijkl"}},
			want: []string{"data a", "gap 3", "pass 6", "data kl"}, counts: counts{OutOfOrder: 1}},
		{name: "skip, cut", skip: header(10), steps: []step{{data: "a"}, {at: 1, data: "bc", wire: 9}, {at: 10, data: "k"}},
			want: []string{"data a", "pass 2", "gap 7", "data k"}},
		{name: "nothing wanted", skip: func(at int64) int64 {
			if at > 0 {
				return math.MaxInt64
			}
			return 0
		}, steps: []step{{data: "a"}, {at: 1, data: "bc"}, {at: 5, data: "f"}, {at: 3, data: "de"}, {at: 7, data: "h"}},
			want: []string{"data a", "gap 1", "pass 6"}, counts: counts{OutOfOrder: 2}},
	}
	for _, test := range tests {
		for _, isn := range []uint32{1000, math.MaxUint32 - 3, math.MaxUint32} {
			t.Run(fmt.Sprintf("%s/%d", test.name, isn), func(t *testing.T) {
				r := &recorder{skip: test.skip}
				l := newLane(isn, r)
				l.play(isn, test.steps)
				if diff := cmp.Diff(test.want, r.events); diff != "" {
					t.Errorf("events (-want +got):\n%s", diff)
				}
				got := counts{l.x.retransmitted, l.x.conflicting, l.x.conflictPacket, l.x.outOfOrder}
				if diff := cmp.Diff(test.counts, got); diff != "" {
					t.Errorf("counts (-want +got):\n%s", diff)
				}
				l.checkEmpty(t)
			})
		}
	}
}

// checkEmpty reports buffers that were not given back.
func (l *lane) checkEmpty(t *testing.T) {
	t.Helper()
	if l.buffers.lent != 0 || l.s.heldBytes != 0 || len(l.s.held) != 0 {
		t.Errorf("at the end %d bytes are lent, %d bytes and %d pieces held", l.buffers.lent, l.s.heldBytes, len(l.s.held))
	}
}

// TestStreamAnyOrder cuts a stream into segments, overlaps, repeats and shuffles them: the bytes must come out as they were.
func TestStreamAnyOrder(t *testing.T) {
	for seed := range uint64(300) {
		rnd := rand.New(rand.NewPCG(seed, 1))
		want := make([]byte, 1+rnd.IntN(60_000))
		for i := range want {
			want[i] = byte(rnd.Uint32())
		}
		isn := rnd.Uint32()
		if seed%3 == 0 {
			isn = -rnd.Uint32N(uint32(len(want)) + 1) // wraps in the stream
		}
		segments := cut(rnd, len(want))
		r := &recorder{quiet: true}
		l := newLane(isn, r)
		for _, s := range segments {
			l.packet++
			l.arrive(stretch{isn + 1 + uint32(s.from), s.to - s.from, want[s.from:s.to]})
			if len(l.s.held) > maxHeldPieces || l.s.heldBytes > maxHeldBytes {
				t.Fatalf("seed %d: %d pieces, %d bytes held", seed, len(l.s.held), l.s.heldBytes)
			}
		}
		l.end(isn + 1 + uint32(len(want)))
		l.settle()
		if string(r.bytes) != string(want) || r.missed != 0 || l.x.conflicting != 0 {
			t.Fatalf("seed %d: %d of %d bytes, %d missed, %d conflicting", seed, r.data, len(want), r.missed, l.x.conflicting)
		}
		l.checkEmpty(t)
	}
}

type extent struct{ from, to int }

// cut covers n bytes with segments that overlap, repeat, and come at most a few places out of order.
func cut(rnd *rand.Rand, n int) []extent {
	var s []extent
	for at := 0; at < n; {
		e := extent{max(0, at-rnd.IntN(2)*rnd.IntN(500)), min(n, at+1+rnd.IntN(1460))}
		s = append(s, e)
		if rnd.IntN(5) == 0 {
			s = append(s, e)
		}
		at = e.to
	}
	for i := range s {
		j := min(len(s)-1, i+rnd.IntN(6))
		s[i], s[j] = s[j], s[i]
	}
	return s
}

// TestStreamLoss drops segments: what is delivered, passed over and missed must add up, and what is delivered must be right.
func TestStreamLoss(t *testing.T) {
	for seed := range uint64(300) {
		rnd := rand.New(rand.NewPCG(seed, 2))
		size := 1 + rnd.IntN(200_000)
		isn := rnd.Uint32()
		r := &recorder{quiet: true}
		if seed%2 == 0 {
			r.skip = func(at int64) int64 { return max(0, 9_000-at%10_000) }
		}
		l := newLane(isn, r)
		seen := make([]bool, size)
		for _, s := range cut(rnd, size) {
			if rnd.IntN(10) == 0 {
				continue
			}
			l.packet++
			payload := make([]byte, s.to-s.from)
			for i := range payload {
				payload[i] = byte((s.from + i) * 7)
				seen[s.from+i] = true
			}
			l.arrive(stretch{isn + 1 + uint32(s.from), len(payload), payload})
		}
		l.end(isn + 1 + uint32(size))
		l.settle()
		missed := int64(0)
		for _, s := range seen {
			if !s {
				missed++
			}
		}
		if r.offset() != int64(size) || l.x.conflicting != 0 {
			t.Fatalf("seed %d: %d delivered + %d passed + %d missed of %d, %d conflicting", seed, r.data, r.passed, r.missed, size, l.x.conflicting)
		}
		if r.missed != missed {
			t.Fatalf("seed %d: %d missed, want %d", seed, r.missed, missed)
		}
		var want []byte
		for i, s := range seen {
			if s {
				want = append(want, byte(i*7))
			}
		}
		if r.skip == nil && string(want) != string(r.bytes) {
			t.Fatalf("seed %d: what was delivered is not what was sent", seed)
		}
		l.checkEmpty(t)
	}
}

func TestStreamHoldsNoMoreThanItsBound(t *testing.T) {
	r := &recorder{quiet: true}
	l := newLane(0, r)
	for i := range 10_000 {
		l.arrive(stretch{uint32(10 + 2000*i), 1460, make([]byte, 1460)})
		if l.s.heldBytes > maxHeldBytes || len(l.s.held) > maxHeldPieces {
			t.Fatalf("segment %d: %d bytes in %d pieces", i, l.s.heldBytes, len(l.s.held))
		}
	}
	l.settle()
	if want := int64(10_000 * 1460); r.data != want || r.missed != 10_000*540-540+9 {
		t.Errorf("%d bytes delivered, want %d; %d missed", r.data, want, r.missed)
	}
	l.checkEmpty(t)
}

func TestStreamWithoutMemoryGoesOn(t *testing.T) {
	r := &recorder{}
	l := newLane(0, r)
	l.buffers.lent = maxLent
	l.play(0, []step{{data: "ab"}, {at: 4, data: "ef"}, {at: 6, data: "gh"}})
	if diff := cmp.Diff([]string{"data ab", "gap 2", "data ef", "data gh"}, r.events); diff != "" {
		t.Errorf("events (-want +got):\n%s", diff)
	}
	if l.buffers.lent != maxLent || l.stats.Uncompared != 1 {
		t.Errorf("%d bytes lent, %d streams uncompared", l.buffers.lent, l.stats.Uncompared)
	}
}
