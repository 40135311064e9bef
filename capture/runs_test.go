package capture

import (
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/etcdtap/etcdtap/analysis"
)

// TestOpenRuns: the connections that are open come in the order of their first packets, wherever they lie.
func TestOpenRuns(t *testing.T) {
	for _, churn := range []int{0, 1, 50, 100} { // in a hundred, those that are given back before the next begins
		tr := NewTracker(TrackerOptions{}, func(*analysis.Facts) {})
		rnd := rand.New(rand.NewPCG(1, uint64(churn)))
		var want []int64
		open := map[int64]uint32{}
		for number := int64(1); number < 40_000; number++ {
			i := tr.table.add(rnd.Uint32())
			tr.table.at(i).first = number
			open[number] = i
			want = append(want, number)
			if len(want) > 1 && rnd.IntN(100) < churn {
				k := rnd.IntN(min(len(want), 1000))
				tr.table.detach(open[want[k]])
				tr.table.release(open[want[k]])
				want = slices.Delete(want, k, k+1)
			}
		}
		var got []int64
		for q := tr.openRuns(); len(q) > 0; {
			i := q.pop(&tr.table)
			got = append(got, tr.table.at(i).first)
			tr.table.release(i)
		}
		if !slices.Equal(want, got) {
			t.Errorf("churn %d: %d connections, want %d", churn, len(got), len(want))
		}
	}
}
