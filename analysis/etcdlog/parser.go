package etcdlog

import "time"

// Parser turns lines into entries. The zero value is ready for use. It keeps
// scratch memory, and the date that lines without a year are completed by; it
// is not safe for concurrent use.
type Parser struct {
	// Now completes dates without a year (journalctl short, klog): the year is
	// chosen so that the line is not after Now. Optional: without it the year of
	// the last entry that had one is taken.
	Now time.Time
}

// Line parses one line, without its line feed, into e, which is overwritten.
// It reports false for a line that is no entry; e is then unspecified.
// b is not kept.
func (p *Parser) Line(b []byte, e *Entry) bool {
	return false
}
