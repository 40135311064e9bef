package analysis

import (
	"net/netip"
	"slices"
)

// Stage says which of the reports of a connection one is. What is read from a file has one report, at its end.
type Stage uint8

const (
	StageWhole  Stage = iota // the only report, at the connection's end
	StageOpen                // before its end, because its fate is known; another one follows at its end
	StageUpdate              // at its end, after StageOpen: the judgement is another one now
	StageEnd                 // at its end, after StageOpen: nothing new. It is for counting, not for showing
	StageLate                // after its end: a line of the log was joined to it. It was counted before
)

func (s Stage) String() string {
	return [...]string{"whole", "open", "update", "end", "late"}[s]
}

// Counts reports whether this report is the one by which the connection is counted.
func (c *Connection) Counts() bool {
	return c.Stage == StageWhole || c.Stage == StageUpdate || c.Stage == StageEnd
}

// Watch reports connections that are watched live: each when its fate is known, and again at its end, when that has brought something
// new. Producers give it what they see before and at the end of a connection. It is not safe for concurrent use.
type Watch struct {
	Diagnoser Diagnoser
	Report    func(*Connection) // gets each report; the facts are valid during the call
	told      map[watchKey]reported
}

// watchKey tells connections apart.
type watchKey struct {
	one, other netip.AddrPort
	start      int64 // nanoseconds since the Unix epoch
}

// reported is what was reported of a connection that goes on.
type reported struct {
	outcome Outcome
	codes   uint64 // a hash of the findings' codes, those of series left out
	counted bool   // as an attempt, for the series
	series  []Finding
	silent  bool // nothing was reported: it had begun before the watch
}

// maxTold bounds how many connections that go on are remembered, some 100 bytes each; of those beyond it only the end is reported.
const maxTold = 1 << 20

// keyOfFacts is the same for a connection whose client and server were taken for each other at first, as a capture that begins in its
// midst may.
func keyOfFacts(f *Facts) watchKey {
	if f.Client.Compare(f.Server) > 0 {
		return watchKey{f.Server, f.Client, f.Start.UnixNano()}
	}
	return watchKey{f.Client, f.Server, f.Start.UnixNano()}
}

// Early takes a connection that has not ended. settled says that nothing can change its fate any more, stuck that it is time to report it
// whatever its fate is. It reports whether it knows enough: then it need not be asked again before the end.
func (w *Watch) Early(f *Facts, settled, stuck bool) (enough bool) {
	if len(w.told) >= maxTold {
		return true
	}
	switch w.Diagnoser.Preview(f) {
	case OutcomePartial:
		if settled || stuck {
			w.remember(f, reported{silent: true})
			return true
		}
		return false
	case OutcomeNoReply, OutcomeNoData, OutcomeAborted, OutcomeUnanswered:
		if !stuck {
			return false
		}
	}
	c := w.Diagnoser.Diagnose(f)
	c.Stage = StageOpen
	t := reported{outcome: c.Outcome, codes: hashCodes(c.Findings), counted: len(c.Findings) > 0}
	for i := range c.Findings {
		if c.Findings[i].Code.OfSeries() {
			t.series = append(t.series, c.Findings[i].clone())
		}
	}
	w.remember(f, t)
	w.Report(&c)
	return true
}

func (w *Watch) remember(f *Facts, t reported) {
	if w.told == nil {
		w.told = make(map[watchKey]reported)
	}
	w.told[keyOfFacts(f)] = t
}

// End takes a connection that has ended.
func (w *Watch) End(f *Facts) {
	key := keyOfFacts(f)
	t, before := w.told[key]
	if !before || t.silent {
		delete(w.told, key)
		c := w.Diagnoser.Diagnose(f)
		w.Report(&c)
		return
	}
	delete(w.told, key)
	c := w.Diagnoser.again(f, t.counted, t.series)
	c.Stage = StageUpdate
	if c.Outcome == t.outcome && hashCodes(c.Findings) == t.codes {
		c.Stage = StageEnd
	}
	w.Report(&c)
}

// Open is how many connections have been reported and go on.
func (w *Watch) Open() int { return len(w.told) }

// hashCodes is FNV-1a over the codes in whatever order, those of series left out.
func hashCodes(list []Finding) uint64 {
	codes := make([]string, 0, 8)
	for i := range list {
		if !list[i].Code.OfSeries() {
			codes = append(codes, string(list[i].Code))
		}
	}
	slices.Sort(codes)
	h := uint64(14695981039346656037)
	for _, s := range codes {
		for j := range len(s) {
			h = (h ^ uint64(s[j])) * 1099511628211
		}
		h = (h ^ ' ') * 1099511628211
	}
	return h
}
