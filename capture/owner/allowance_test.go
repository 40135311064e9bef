package owner

import (
	"testing"
	"time"
)

func TestAllowance(t *testing.T) {
	now := time.Unix(1000, 0)
	a := &allowance{share: 0.25, most: 400 * time.Millisecond, left: 400 * time.Millisecond, at: now}
	for name, c := range []struct {
		spend, pass, want time.Duration
	}{
		{100 * time.Millisecond, 0, 300 * time.Millisecond},
		{500 * time.Millisecond, 0, -200 * time.Millisecond}, // what has begun is done
		{0, 800 * time.Millisecond, 0},
		{0, 400 * time.Millisecond, 100 * time.Millisecond},
		{0, time.Hour, 400 * time.Millisecond}, // and no more than a burst is saved up
	} {
		a.spend(c.spend)
		now = now.Add(c.pass)
		a.gain(now)
		if a.left != c.want {
			t.Errorf("step %d: %v left, want %v", name, a.left, c.want)
		}
	}
}
