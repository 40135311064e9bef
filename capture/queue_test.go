package capture

import (
	"math/rand/v2"
	"testing"
)

// TestQueue does with a queue what it does with a slice.
func TestQueue(t *testing.T) {
	var q queue[int]
	var want []int
	r := rand.New(rand.NewPCG(1, 2))
	for i := range 100_000 {
		if most := 1 + i%7000; len(want) < most && r.IntN(3) > 0 || len(want) == 0 {
			q.push(i)
			want = append(want, i)
		} else {
			q.pop()
			want = want[1:]
		}
		if q.length() != len(want) || len(want) > 0 && *q.first() != want[0] {
			t.Fatalf("%d: %d elements, %v, want %d, %v", i, q.length(), q.items[q.head:], len(want), want)
		}
	}
	if n := cap(q.items); n > 4*7000 {
		t.Errorf("room for %d elements, of which there never were more than 7000", n)
	}
}
