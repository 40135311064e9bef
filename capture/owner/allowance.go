package owner

import "time"

// allowance bounds the share of time that a kind of work takes, and lets bursts pass: work is begun while something is left, and what it
// took is taken off afterwards.
type allowance struct {
	share float64
	most  time.Duration
	left  time.Duration
	at    time.Time
}

func newAllowance(share float64, burst time.Duration) *allowance {
	return &allowance{share: share, most: burst, left: burst, at: time.Now()}
}

// gain adds what time has brought since the last call.
func (a *allowance) gain(now time.Time) {
	a.left = min(a.most, a.left+time.Duration(float64(now.Sub(a.at))*a.share))
	a.at = now
}

func (a *allowance) has() bool {
	a.gain(time.Now())
	return a.left > 0
}

func (a *allowance) spend(d time.Duration) { a.left -= d }

// until is how long it takes until something is left.
func (a *allowance) until() time.Duration {
	if a.has() {
		return 0
	}
	return max(time.Millisecond, time.Duration(float64(-a.left)/a.share))
}
