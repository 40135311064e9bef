package analysis

import (
	"net/netip"
	"slices"
	"time"
)

// Bounds on the memory for series.
const (
	maxSeries = 8192 // (client, server, cause) triples that are followed; later ones are not
	maxStarts = 12   // the last start times of one: gRPC's back-off reaches its cap by then
)

// seriesKey is one client's repeated way of failing at one server.
type seriesKey struct {
	client netip.Addr
	server netip.AddrPort
	code   Code
}

// series follows when each client came before. The rhythm tells what kind of client it is.
type series struct {
	runs map[seriesKey]*run
}

type run struct {
	starts [maxStarts]time.Time
	n      int // of starts that are valid
}

func newSeries() series { return series{runs: make(map[seriesKey]*run)} }

// add notes one more start and returns the run; nil when too many are followed already.
func (s *series) add(k seriesKey, at time.Time) *run {
	r := s.runs[k]
	if r == nil {
		if len(s.runs) >= maxSeries {
			return nil
		}
		r = new(run)
		s.runs[k] = r
	}
	if r.n == maxStarts {
		copy(r.starts[:], r.starts[1:])
		r.n--
	}
	i := r.n
	for i > 0 && r.starts[i-1].After(at) { // connections finish in another order than they start
		r.starts[i] = r.starts[i-1]
		i--
	}
	r.starts[i] = at
	r.n++
	return r
}

// Rhythm is what the gaps between one client's attempts show.
type Rhythm struct {
	Code       Code // CodeGRPCBackoff, CodeRaftReconnect, CodePeriodicProbe
	Confidence Confidence
	Gaps       []time.Duration // those that it rests on
}

// rhythm judges the gaps. ok is false when they show nothing.
func (r *run) rhythm() (v Rhythm, ok bool) { return RhythmOf(r.starts[:r.n]) }

// RhythmOf judges the gaps between start times, which are in order. Causes of log lines and of packets share it.
func RhythmOf(starts []time.Time) (v Rhythm, ok bool) {
	if len(starts) < 3 {
		return Rhythm{}, false
	}
	gaps := make([]time.Duration, 0, maxStarts)
	for i := 1; i < len(starts); i++ {
		gaps = append(gaps, starts[i].Sub(starts[i-1]))
	}
	if n := backoffRun(gaps); n >= 2 {
		c := Likely
		if n >= 4 {
			c = Certain
		}
		return Rhythm{CodeGRPCBackoff, c, gaps[len(gaps)-n:]}, true
	}
	if len(gaps) >= 6 && quantile(gaps, 0.75) <= 250*time.Millisecond && quantile(gaps, 0.25) <= 120*time.Millisecond {
		return Rhythm{CodeRaftReconnect, Likely, gaps}, true
	}
	if lo, hi := slices.Min(gaps), slices.Max(gaps); len(gaps) >= 3 && lo >= time.Second && hi-lo <= max(lo/20, 60*time.Millisecond) {
		return Rhythm{CodePeriodicProbe, Likely, gaps}, true
	}
	return Rhythm{}, false
}

// backoffRun returns how many of the last gaps are consecutive steps of gRPC's back-off, counted from its first step of 1 s:
// 1.6^n s, 20 % either way, at most 120 s (grpc-go backoff/backoff.go, DefaultConfig); measured gaps are up to 5 % longer for
// the time of the attempt itself.
func backoffRun(gaps []time.Duration) int {
	best := 0
	for i := range gaps {
		n := 0
		for step := time.Second; i+n < len(gaps) && fits(gaps[i+n], step, n == 0); n++ {
			step = min(step*8/5, 120*time.Second)
		}
		if i+n == len(gaps) && n > best {
			best = n
		}
	}
	return best
}

func fits(gap, step time.Duration, first bool) bool {
	lo, hi := step*78/100, step*126/100
	if first { // no jitter is applied to the first one: connection attempts are at least MinConnectTimeout's base apart
		lo, hi = step*98/100, step*115/100
	}
	return gap >= lo && gap <= hi+20*time.Millisecond
}

func quantile(d []time.Duration, q float64) time.Duration {
	s := slices.Clone(d)
	slices.Sort(s)
	return s[int(q*float64(len(s)-1))]
}

// judgeSeries adds what the rhythm of this client's attempts shows. Only failures count: a healthy client may come as it likes.
func (v *view) judgeSeries(s *series) {
	if len(v.found) == 0 || v.result == OutcomePartial {
		return
	}
	worst := v.found[0]
	for _, f := range v.found[1:] {
		if f.Severity > worst.Severity {
			worst = f
		}
	}
	if worst.Severity == Info && worst.Code != CodeConnectionWithoutData {
		return
	}
	r := s.add(seriesKey{v.f.Client.Addr(), v.f.Server, worst.Code}, v.f.Start)
	if r == nil {
		return
	}
	h, ok := r.rhythm()
	if !ok || h.Code == CodeRaftReconnect && v.endpoint != EndpointPeer {
		return
	}
	text := ""
	for i, g := range h.Gaps {
		if i > 0 {
			text += ", "
		}
		text += seconds(g.Round(time.Millisecond))
	}
	f := v.add(h.Code, h.Confidence, v.f.Client.Addr().String()+" has come "+itoa(len(h.Gaps)+1)+" times with the same failure, at intervals of "+text)
	f.saw(FromClient, v.f.TCP.FirstPacket, v.f.Start, "attempt "+itoa(len(h.Gaps)+1))
}
