package etcdlog

import (
	"bytes"
	"time"
)

// Parser turns lines into entries. The zero value is ready for use. It keeps
// scratch memory, the begin of a line that CRI has split, and the date that
// lines without a year are completed by; it is not safe for concurrent use.
type Parser struct {
	// Now completes dates without a year (journalctl short, klog) while no entry
	// has had one: the year is chosen so that the line is not after Now.
	// Optional: without it such lines have the year 0.
	Now time.Time

	// Starts asks for entries of KindStart too: they report no failure, they
	// tell the exact version, the listeners, and one process from the next.
	Starts bool

	seen    time.Time        // last time of an entry that had a year
	scratch [MaxDepth][]byte // unescaped content, one per level of wrapping
	text    []byte           // scratch of unescaped values
	partial partial
}

// yearSlack is how far a line may be after Now: clocks differ and zones are unknown.
const yearSlack = 48 * time.Hour

// line is one line on its way from bytes to an entry.
type line struct {
	p       *Parser
	e       *Entry
	b       []byte // what is left, wrappers taken off
	wrapped stamp  // the outermost wrapper's time
	own     stamp  // the time of the line itself
	depth   int    // wrappers taken off
}

// Line parses one line, without its line feed, into e, which is overwritten.
// It reports false for a line that is no entry; e is then unspecified.
// b is not kept. Lines that cannot be entries, nearly all of a log, cost no
// allocation.
func (p *Parser) Line(b []byte, e *Entry) bool {
	b = b[:min(len(b), MaxLine)]
	b = bytes.TrimRight(b, "\r\n")
	whole, ok := p.partial.join(b)
	if !ok || !relevant(whole) {
		return false
	}
	*e = Entry{}
	l := line{p: p, e: e, b: whole}
	l.unwrap()
	if !l.parse() {
		return false
	}
	e.Text = string(whole[:min(len(whole), MaxText)])
	l.setTime()
	return true
}

// parse finds the format of what the wrappers held.
func (l *line) parse() bool {
	l.b = bytes.TrimSpace(l.b)
	before := *l.e
	for _, form := range [...]func(*line) bool{
		(*line).zapJSON, (*line).zapConsole, (*line).capnslog, (*line).grpc, (*line).klog, (*line).clientText,
	} {
		if form(l) {
			return true
		}
		*l.e, l.own = before, stamp{} // nothing of a form that did not match
	}
	return l.unrecognised()
}

// unrecognised takes what reads like a rejection by a TLS listener of etcd and
// has no form that is known, so that it is shown and not lost.
func (l *line) unrecognised() bool {
	if !contains(l.b, "rejected connection") && !contains(l.b, "ServerHandshake(") && !contains(l.b, "security handshake from") {
		return false
	}
	l.e.Kind = KindUnrecognised
	l.e.Message = text(l.b)
	l.plainHeadTime()
	return true
}

// setTime chooses among the line's time and the wrapper's, and completes the year.
func (l *line) setTime() {
	e := l.e
	best, other := l.own, l.wrapped
	for _, t := range [...]stamp{best, other} {
		if t.ok() && !t.noYear {
			l.p.seen = t.at
			break
		}
	}
	if !best.ok() || other.ok() && other.zone && !best.zone {
		best = l.wrapped
		e.FromWrapper = best.ok()
	}
	if best.ok() {
		e.HasTime, e.Precision, e.Zone = true, best.precision, best.zone
		e.Time, e.YearGuessed = l.p.withYear(best)
	}
	if l.wrapped.ok() {
		e.WrapperTime, _ = l.p.withYear(l.wrapped)
	}
}

// withYear completes a time that has no year: with the year that brings it
// closest to the last time seen, else with the latest that is not after Now.
func (p *Parser) withYear(s stamp) (at time.Time, guessed bool) {
	if !s.noYear {
		return s.at, false
	}
	if p.seen.IsZero() && p.Now.IsZero() {
		return s.at, true
	}
	latest := p.seen.AddDate(0, 6, 0)
	if p.seen.IsZero() {
		latest = p.Now.Add(yearSlack)
	}
	at = inYear(s.at, latest.UTC().Year())
	if at.After(latest) {
		at = inYear(s.at, latest.UTC().Year()-1)
	}
	return at, true
}

func inYear(t time.Time, year int) time.Time {
	return time.Date(year, t.Month(), t.Day(), t.Hour(), t.Minute(), t.Second(), t.Nanosecond(), time.UTC)
}

// maxField bounds one text of an Entry, as MaxText bounds the line.
const maxField = MaxText

// text copies b, at most maxField bytes of it.
func text(b []byte) string { return string(b[:min(len(b), maxField)]) }
