package etcdlog

import (
	"bytes"
	"time"
)

// Parser turns lines into entries. The zero value is ready for use. It keeps
// scratch memory, the begin of a line that CRI has split, and the date that
// lines without a year are completed by; it is not safe for concurrent use.
type Parser struct {
	// Now completes dates without a year (journalctl short, klog): the year is
	// chosen so that the line is not after Now. Optional: without it the last
	// time with a year that was seen in an entry takes its place.
	Now time.Time

	seen    time.Time        // last time with a year
	scratch [MaxDepth][]byte // unescaped content, one per level of wrapping
	text    []byte           // scratch of unescaped values
	partial partial
}

// year is how far a line may be after the time that its year is taken from:
// clocks differ and zones are unknown.
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
	for _, form := range [...]func(*line) bool{
		(*line).zapJSON, (*line).zapConsole, (*line).capnslog, (*line).grpc, (*line).klog, (*line).clientText,
	} {
		if form(l) {
			return true
		}
	}
	return l.unrecognised()
}

// unrecognised takes what reads like a rejection by a TLS listener of etcd and
// has no form that is known, so that it is shown and not lost.
func (l *line) unrecognised() bool {
	if !contains(l.b, "rejected connection") && !contains(l.b, "ServerHandshake(") && !contains(l.b, "security handshake from") {
		return false
	}
	e := l.e
	wrappers := e.Wrappers
	*e = Entry{Kind: KindUnrecognised, Wrappers: wrappers}
	e.Message = text(l.b)
	return true
}

// setTime chooses among the line's time and the wrapper's, and completes the year.
func (l *line) setTime() {
	e := l.e
	best, other := l.own, l.wrapped
	if !best.ok() || other.ok() && other.zone && !best.zone {
		best, other = l.wrapped, l.own
		e.FromWrapper = best.ok()
	}
	if l.wrapped.ok() {
		e.WrapperTime, _ = l.p.withYear(l.wrapped)
	}
	if !best.ok() {
		return
	}
	e.HasTime, e.Precision, e.Zone = true, best.precision, best.zone
	e.Time, e.YearGuessed = l.p.withYear(best)
	if !best.noYear {
		l.p.seen = best.at
	}
}

// withYear completes a time that has no year: the latest one that is not after
// Now, or after the last time seen.
func (p *Parser) withYear(s stamp) (at time.Time, guessed bool) {
	if !s.noYear {
		return s.at, false
	}
	from := p.Now
	if from.IsZero() {
		from = p.seen
	}
	if from.IsZero() {
		return s.at, true
	}
	at = s.at.AddDate(from.UTC().Year(), 0, 0)
	switch {
	case !p.Now.IsZero() && at.After(from.Add(yearSlack)):
		at = s.at.AddDate(from.UTC().Year()-1, 0, 0)
	case p.Now.IsZero() && at.Before(from.AddDate(0, -6, 0)): // a log goes on past New Year
		at = s.at.AddDate(from.UTC().Year()+1, 0, 0)
	case p.Now.IsZero() && at.After(from.AddDate(0, 6, 0)):
		at = s.at.AddDate(from.UTC().Year()-1, 0, 0)
	}
	return at, true
}

// maxField bounds one text of an Entry, as MaxText bounds the line.
const maxField = MaxText

// text copies b, at most maxField bytes of it.
func text(b []byte) string { return string(b[:min(len(b), maxField)]) }
