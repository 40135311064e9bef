package report

import (
	"io"

	"github.com/etcdtap/etcdtap/analysis"
)

// TextOptions says how text looks. The zero value is plain text of 100 columns.
type TextOptions struct {
	Color  bool   // use SGR colours
	Width  int    // columns; 0 means 100, and fewer than 60 are taken for 60
	All    bool   // show every connection in full, also where it is the same as an earlier one
	Source string // what is read, for the first line: file name or interface; raw
}

// Text writes for people: a line for each connection, what is wrong with it in plain words below, and what it adds up to.
type Text struct {
	w       io.Writer
	options TextOptions
	buf     []byte
	err     error
}

// NewText makes a Report that writes to w.
func NewText(w io.Writer, o TextOptions) *Text { return &Text{w: w, options: o} }

// Connection shows a connection.
func (t *Text) Connection(c *analysis.Connection) error { return t.err }

// Certificates shows each certificate.
func (t *Text) Certificates(c *Certificates) error { return t.err }

// Summary shows what it adds up to, and flushes.
func (t *Text) Summary(s *analysis.Summary) error { return t.Flush() }

// Flush writes what is in the buffer.
func (t *Text) Flush() error {
	if t.err == nil && len(t.buf) > 0 {
		_, t.err = t.w.Write(t.buf)
		t.buf = t.buf[:0]
	}
	return t.err
}
