package analysis

import (
	"cmp"
	"slices"
	"time"
)

// The clocks of log and capture.

const (
	zoneStep   = 15 * time.Minute // time zones differ by multiples of it
	zoneMost   = 14 * time.Hour   // and by no more
	clockError = 2 * time.Minute  // of a clock that nobody sets right
	maxPairs   = 4096             // pairs of a line and a connection that are looked at to find the offset
	followPart = 8                // a clock that drifts is followed by this part of each difference
)

// Offset is how much later the log's clock was than the capture's.
type Offset struct {
	By    time.Duration
	Pairs int  // connections it rests on
	Known bool // false: there was nothing to find it from, and 0 is assumed
}

// logClock is the log's clock against the capture's.
type logClock struct {
	Offset
	drift time.Duration // since the offset was found
}

// follow takes note of how far a line was from its connection.
func (k *logClock) follow(off time.Duration) { k.drift += off / followPart }

func (j *Join) clock(e *LogEntry) *logClock {
	if e.Zone {
		return &j.clocks[1]
	}
	return &j.clocks[0]
}

// cut is what the entry's time was cut to, where that counts: gRPC's lines have whole seconds.
func (e *LogEntry) cut() time.Duration {
	if e.Precision < time.Second {
		return 0
	}
	return e.Precision
}

// slack is how far an entry may be from its connection.
func (e *LogEntry) slack() time.Duration { return joinSlack + e.cut() }

// moment is the entry's time: the middle of its second when it was cut to that.
func (e *LogEntry) moment() time.Time { return e.Time.Add(e.cut() / 2) }

// off is how much later an entry is than the connection's rejection, the clocks' difference taken off.
func (j *Join) off(e *LogEntry, c *Connection) time.Duration { return j.offFrom(e, c.rejectedAt()) }

func (j *Join) offFrom(e *LogEntry, at time.Time) time.Duration {
	k := j.clock(e)
	return e.moment().Sub(at) - k.By - k.drift
}

// rejectedAt is the moment of which etcd's line speaks: the server's alert or close, else the end.
func (c *Connection) rejectedAt() time.Time {
	s := &c.Stream[FromServer]
	if c.TLS != nil {
		for i := range c.TLS.Alerts {
			if a := &c.TLS.Alerts[i]; a.From == FromServer {
				return a.At
			}
		}
	}
	switch {
	case s.Close != CloseNone:
		return s.ClosedAt
	case c.Stream[FromClient].Close != CloseNone:
		return c.Stream[FromClient].ClosedAt
	}
	return c.End
}

// pair is how much later a line is than a connection with the same address.
type pair struct {
	by     time.Duration
	conn   int
	agrees bool // the line's cause fits the connection's
}

// findOffset looks for the difference on which most connections agree.
func (j *Join) findOffset(zone bool) Offset {
	var pairs []pair
	for i := range j.held {
		c := &j.held[i]
		l := j.byAddr[c.joinAddr()]
		if l == nil {
			continue
		}
		for _, e := range l.entries {
			if e.HasTime && e.Zone == zone && len(pairs) < maxPairs {
				pairs = append(pairs, pair{e.moment().Sub(c.rejectedAt()), i, agree(c.Findings, e.Findings)})
			}
		}
	}
	if !zone {
		pairs = slices.DeleteFunc(pairs, func(p pair) bool { return !likeZone(p.by) })
	}
	if len(pairs) == 0 {
		return Offset{}
	}
	slices.SortFunc(pairs, func(a, b pair) int { return cmp.Or(cmp.Compare(a.by, b.by), cmp.Compare(a.conn, b.conn)) })
	best := window(pairs)
	if !best.credible(zone) {
		return Offset{}
	}
	return Offset{By: best.middle(), Pairs: best.conns, Known: true}
}

// likeZone reports whether a difference can be a time zone and a clock's error.
func likeZone(d time.Duration) bool {
	rest := d - d.Round(zoneStep)
	return d.Abs() <= zoneMost+clockError && rest.Abs() <= clockError
}

// agreement is pairs whose differences are within joinSlack of each other.
type agreement struct {
	pairs         []pair
	conns, agrees int // connections among them, and those whose cause the line fits
}

func (a *agreement) middle() time.Duration { return a.pairs[len(a.pairs)/2].by }

// better: more connections, then more that fit, then the smaller difference.
func (a *agreement) better(b *agreement) bool {
	return cmp.Or(cmp.Compare(a.conns, b.conns), cmp.Compare(a.agrees, b.agrees), cmp.Compare(b.middle().Abs(), a.middle().Abs())) > 0
}

// credible reports whether the clocks can differ by so much. A port is used again after minutes or days, so one connection alone may
// be paired with a line about another: a large difference takes two, and what a time zone may be takes one whose cause fits.
func (a *agreement) credible(zone bool) bool {
	switch {
	case a.middle().Abs() <= joinSlack:
		return true
	case a.conns >= 2:
		return a.agrees >= 1
	}
	return a.agrees >= 1 && (!zone || a.middle().Abs() <= clockError)
}

// window returns the best agreement of pairs, which are sorted.
func window(pairs []pair) agreement {
	var best agreement
	conns, agrees := make(map[int]int), make(map[int]int)
	from := 0
	for to, p := range pairs {
		tally(conns, p.conn, 1)
		if p.agrees {
			tally(agrees, p.conn, 1)
		}
		for ; p.by-pairs[from].by > joinSlack; from++ {
			tally(conns, pairs[from].conn, -1)
			if pairs[from].agrees {
				tally(agrees, pairs[from].conn, -1)
			}
		}
		w := agreement{pairs[from : to+1], len(conns), len(agrees)}
		if best.pairs == nil || w.better(&best) {
			best = w
		}
	}
	return best
}

// tally adds to a count and forgets it at zero.
func tally(n map[int]int, key, by int) {
	if n[key] += by; n[key] == 0 {
		delete(n, key)
	}
}
