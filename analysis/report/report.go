package report

import (
	"io"

	"github.com/etcdtap/etcdtap/analysis"
)

// Report shows what was found, one connection after the other, and what it adds up to. JSON and Text are its implementations.
// A Report keeps nothing of what it is given after a call returns, but for certificates, which are immutable. Its errors are the
// writer's; after the first one nothing more is written and every call returns it. It is not safe for concurrent use.
type Report interface {
	// Connection shows one connection. It may stay in the buffer until Flush.
	Connection(c *analysis.Connection) error
	// Certificates shows the certificates that were collected, before the summary.
	Certificates(c *Certificates) error
	// LogEntries shows what became of the entries of a log that was joined, before the summary. Without a log it is not called.
	LogEntries(entries []*analysis.LogEntry, s analysis.JoinStats) error
	// Summary ends the report and flushes it.
	Summary(s *analysis.Summary) error
	// Flush writes what is in the buffer, as is wanted from time to time when capturing live.
	Flush() error
}

// LogReport shows what logs alone say. LogJSON and LogText are its implementations. What holds for a Report holds for it, but that it
// keeps the groups it is given, which are the summary's.
type LogReport interface {
	// Entry shows one line about a failed connection. Every entry has to be given, in order: text for people shows them one by one
	// only if it is asked to, but its summary says what it saw.
	Entry(e *analysis.LogEntry) error
	// Group shows a cause and client as soon as it appears, where a log is followed.
	Group(g *analysis.LogGroup) error
	// Repeats says how far a group that was shown has grown.
	Repeats(g *analysis.LogGroup) error
	// Summary ends the report and flushes it.
	Summary(s *analysis.LogSummary) error
	// Flush writes what is in the buffer.
	Flush() error
}

// flushAt is how much output is gathered, in bytes, before it is written: large enough that the cost of a write does not count.
const flushAt = 64 << 10

// lines is output that is gathered and then written, with the first error that met it.
type lines struct {
	w   io.Writer
	buf []byte
	err error
}

func newLines(w io.Writer) lines { return lines{w: w, buf: make([]byte, 0, flushAt+16<<10)} }

// Flush writes what is in the buffer.
func (l *lines) Flush() error {
	if l.err == nil && len(l.buf) > 0 {
		_, l.err = l.w.Write(l.buf)
		l.buf = l.buf[:0]
	}
	return l.err
}

// written flushes when there is enough to write.
func (l *lines) written() error {
	if len(l.buf) < flushAt {
		return l.err
	}
	return l.Flush()
}
