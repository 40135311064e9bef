package capture

import (
	"math/bits"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/etcdtap/etcdtap/analysis"
)

// TestGraves buries connections, more than may be and over more time than they are remembered, and looks for them: the last ones are found
// as long as lingerTime lasts, from either side, and none afterwards.
func TestGraves(t *testing.T) {
	rnd := rand.New(rand.NewPCG(1, 2))
	for _, gap := range []time.Duration{10 * time.Microsecond, 100 * time.Microsecond, time.Millisecond, 300 * time.Millisecond, 3 * time.Second} {
		x := newTable()
		var at []int64
		segment := func(n int) *Segment {
			s := &Segment{SrcPort: uint16(n), DstPort: 2379}
			for d, a := range []*Address{&s.Src, &s.Dst} {
				a.setNarrow(uint32(10<<24 | d<<23 | n>>16))
				if n%3 == 0 {
					a[0] = 0xfd
				}
			}
			return s
		}
		now, found, late := int64(1e18), 0, 0
		for n := range 2*maxBuried + 1000 {
			now += rnd.Int64N(2 * int64(gap))
			s := segment(n)
			i := x.add(x.hash(s))
			x.setEnds(x.at(i), analysis.FromClient, s)
			x.bury(i, now)
			at = append(at, now)
			if x.used != 0 || len(x.buried.last.list)+len(x.buried.before.list) > maxBuried {
				t.Fatalf("%d in the table, %d and %d buried", x.used, len(x.buried.last.list), len(x.buried.before.list))
			}
			age := rnd.IntN(min(n+1, 2*maxBuried))
			if rnd.IntN(2) == 0 {
				age = rnd.IntN(min(n+1, 20))
			}
			s, want := segment(n-age), analysis.FromClient
			if rnd.IntN(2) == 0 {
				s.Src, s.Dst, s.SrcPort, s.DstPort, want = s.Dst, s.Src, s.DstPort, s.SrcPort, analysis.FromServer
			}
			b, from := x.buried.find(x.hash(s), s, now)
			old := now-at[n-age] >= lingerTime
			switch {
			case b != nil && (old || from != want || b.at != at[n-age]):
				t.Fatalf("number %d, %v old, was found as that of %d, sent by %v", n-age, time.Duration(now-at[n-age]), b.at, from)
			case b == nil && !old && age < maxBuried/2:
				t.Fatalf("number %d, %v old, was not found", n-age, time.Duration(now-at[n-age]))
			case b != nil:
				found++
			case old:
				late++
			}
		}
		if n := bitsIn(x.buried.last.filter[:]); n > len(x.buried.last.list) {
			t.Errorf("a gap of %v: the filter has %d bits for %d buried", gap, n, len(x.buried.last.list))
		}
		if found == 0 || late == 0 && gap >= 100*time.Microsecond {
			t.Errorf("a gap of %v: %d found, %d too old", gap, found, late)
		}
	}
}

func bitsIn(words []uint64) (n int) {
	for _, w := range words {
		n += bits.OnesCount64(w)
	}
	return n
}
