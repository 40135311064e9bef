package capture

import (
	"math/rand/v2"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// TestCalm shows the same to a tracker that looks for what is due at each segment and to one that knows for how long it need not.
func TestCalm(t *testing.T) {
	for seed := range uint64(200) {
		rnd := rand.New(rand.NewPCG(seed, 0))
		o := TrackerOptions{IdleTimeout: []time.Duration{time.Second, 5 * time.Second, time.Hour}[seed%3], MaxConnections: 1 + rnd.IntN(12)}
		script := calmScript(rnd)
		var order [2][]string
		var stats [2]TrackerStats
		for i := range order {
			r := newRig(o)
			for _, s := range script {
				if i == 0 {
					r.calm = calm{}
				}
				r.send(s)
			}
			r.Flush()
			r.checkEmpty(t)
			order[i], stats[i] = r.order(), r.Stats()
		}
		if diff := cmp.Diff(order[0], order[1]); diff != "" {
			t.Fatalf("seed %d: (-looking at each segment +knowing):\n%s", seed, diff)
		}
		if diff := cmp.Diff(stats[0], stats[1]); diff != "" {
			t.Fatalf("seed %d: (-looking at each segment +knowing):\n%s", seed, diff)
		}
	}
}

// calmScript is segments of a few connections at times that go on, jump and run backwards.
func calmScript(rnd *rand.Rand) (out []sent) {
	flags := []uint8{syn, syn | ack, ack, ack, ack, fin | ack, rst, rst | ack}
	for range 400 {
		s := from(uint16(1000+rnd.IntN(16)), sent{flags: flags[rnd.IntN(len(flags))], seq: uint32(100 + rnd.IntN(3)), ack: uint32(100 + rnd.IntN(3))})
		if rnd.IntN(2) == 0 {
			s.from = "s"
		}
		switch after := time.Duration(rnd.IntN(1000)) * time.Millisecond; rnd.IntN(12) {
		case 0, 1, 2:
			s.after = after
		case 3:
			s.after = -after
		case 4:
			s.after = 6 * after
		case 5:
			s.after = -6 * after
		}
		out = append(out, s)
	}
	return out
}
