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

// run is when one client came: its last starts, in order, and how far the latest of them follow gRPC's back-off.
type run struct {
	starts  [maxStarts]time.Time
	n       int           // of starts that are valid
	coarse  time.Duration // what the times were cut to, where that counts: gRPC's log has whole seconds; 0 for nothing
	backoff backoff
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
	r.add(at)
	return r
}

// add notes one more start.
func (r *run) add(at time.Time) {
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
	if i > 0 && i == r.n {
		r.backoff.gap(at.Sub(r.starts[i-1]), r.coarse)
	}
	r.n++
}

// backoff follows gRPC's reconnect back-off through the gaps between attempts: 1.6^n s, 20 % either way, at most 120 s (grpc-go
// backoff/backoff.go, DefaultConfig); measured gaps are up to 5 % longer, for the time of the attempt itself. Every new process
// begins again at 1 s.
type backoff struct {
	step      time.Duration // that the next gap should have; valid iff steps > 0
	steps     int           // consecutive gaps that fitted, from the first step on
	processes int           // how often a back-off began and went on for enough steps
}

const (
	firstStep = time.Second
	lastStep  = 120 * time.Second
	minSteps  = 2 // gaps it takes to call it a back-off: one of a second comes by chance
	sureSteps = 4 // gaps that leave no doubt; of times in whole seconds so many are needed to see it at all
)

// enough is how many gaps it takes of times that were cut to coarse.
func enough(coarse time.Duration) int {
	if coarse > 0 {
		return sureSteps
	}
	return minSteps
}

func (b *backoff) gap(g, coarse time.Duration) {
	switch {
	case b.steps > 0 && fits(g, b.step, false, coarse):
		if b.steps++; b.steps == enough(coarse) {
			b.processes++
		}
		b.step = min(b.step*8/5, lastStep)
	case fits(g, firstStep, true, coarse):
		b.steps, b.step = 1, firstStep*8/5
	default:
		b.steps = 0
	}
}

// fits reports whether a gap is one step of the back-off. The first has no jitter: connection attempts are at least a second apart.
// The gap between two times that were cut to whole seconds may be almost a second longer or shorter than the true one.
func fits(gap, step time.Duration, first bool, coarse time.Duration) bool {
	lo, hi := step*78/100, step*126/100
	if first {
		lo, hi, coarse = step*98/100, step*115/100, 0 // so close to a second that cutting rarely changes it
	}
	return gap > lo-max(coarse, 1) && gap < hi+max(coarse, 20*time.Millisecond)
}

// Rhythm is what the gaps between one client's attempts show.
type Rhythm struct {
	Code       Code // CodeGRPCBackoff, CodeRaftReconnect, CodePeriodicProbe
	Confidence Confidence
	Gaps       []time.Duration // those that it rests on, at most maxStarts-1
	Processes  int             // CodeGRPCBackoff: how many processes of the client are told apart
}

// RhythmOf judges the gaps between start times, which are in order.
func RhythmOf(starts []time.Time) (v Rhythm, ok bool) {
	var r run
	for _, at := range starts {
		r.add(at)
	}
	return r.rhythm()
}

// rhythm judges the gaps. ok is false when they show nothing. Causes of log lines and of packets share it.
func (r *run) rhythm() (v Rhythm, ok bool) {
	if r.n < 3 {
		return Rhythm{}, false
	}
	gaps := r.gaps(make([]time.Duration, 0, maxStarts))
	if n := r.backoff.steps; n >= enough(r.coarse) {
		c := Likely
		if n >= sureSteps && r.coarse == 0 {
			c = Certain
		}
		return Rhythm{CodeGRPCBackoff, c, gaps[max(0, len(gaps)-n):], r.backoff.processes}, true
	}
	if len(gaps) >= 6 && quantile(gaps, 0.75) <= 250*time.Millisecond && quantile(gaps, 0.25) <= 120*time.Millisecond && mean(gaps) >= raftFastest {
		return Rhythm{Code: CodeRaftReconnect, Confidence: Likely, Gaps: gaps}, true
	}
	if lo, hi := slices.Min(gaps), slices.Max(gaps); len(gaps) >= 3 && lo >= time.Second && hi-lo <= jitter(lo, r.coarse) {
		return Rhythm{Code: CodePeriodicProbe, Confidence: Likely, Gaps: gaps}, true
	}
	return Rhythm{}, false
}

// gaps appends the times between the starts, in order.
func (r *run) gaps(dst []time.Duration) []time.Duration {
	for i := 1; i < r.n; i++ {
		dst = append(dst, r.starts[i].Sub(r.starts[i-1]))
	}
	return dst
}

// raftFastest is less than the mean gap between a member's attempts: each of its two streams tries every 100 ms (rafthttp/stream.go).
// Who comes faster is a load test or a flood.
const raftFastest = 20 * time.Millisecond

// jitter is how much the gaps of a probe of some period may differ.
func jitter(period, coarse time.Duration) time.Duration {
	d := max(period/20, 60*time.Millisecond)
	if period >= 4*coarse {
		d = max(d, coarse)
	}
	return d
}

func mean(d []time.Duration) time.Duration {
	var sum time.Duration
	for _, x := range d {
		sum += x
	}
	return sum / time.Duration(len(d))
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
	f := v.add(h.Code, h.Confidence, HostText(v.f.Client.Addr())+" has come "+itoa(len(h.Gaps)+1)+" times with the same failure, at intervals of "+text)
	f.saw(FromClient, v.f.TCP.FirstPacket, v.f.Start, "attempt "+itoa(len(h.Gaps)+1))
}
