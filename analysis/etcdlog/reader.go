package etcdlog

import (
	"bytes"
	"io"
)

// Bounds on what is kept of one line.
const (
	// MaxLine is how many bytes of a line are looked at. Docker and CRI split
	// at 16 KiB, journald at 48 KiB; a wrapper may double that by escaping.
	MaxLine = 256 << 10
	// MaxText is how much of a line an Entry carries: the longest real one, a
	// chain of quoted x509 errors, has under 2 KiB.
	MaxText = 4 << 10

	// maxIdle is how many Reads in a row may give nothing (as in bufio).
	maxIdle = 100

	readSize = 256 << 10 // of one Read: large enough for the system call not to matter
)

// Stats counts what became of the lines.
type Stats struct {
	Lines        int64 // lines that ended, or ended the input
	Entries      int64 // lines that gave an Entry, KindUnrecognised included
	Unrecognised int64 // of Entries: those of KindUnrecognised
	PassedOver   int64 // lines that are no entries
	Overlong     int64 // lines cut at MaxLine
	Broken       int64 // of Entries: those that were cut or not well-formed
}

// Splitter cuts chunks of bytes into lines. The zero value is ready for use.
// It holds at most MaxLine bytes.
type Splitter struct {
	rest []byte // begin of a line whose end has not come
	cut  bool   // rest is full: the line's further bytes are dropped
}

// Lines calls each for every line that ends in chunk, without its line feed.
// overlong says that the line was cut at MaxLine. line is valid until each returns.
func (s *Splitter) Lines(chunk []byte, each func(line []byte, overlong bool)) {
	for len(chunk) > 0 {
		i := bytes.IndexByte(chunk, '\n')
		if i < 0 {
			s.keep(chunk)
			return
		}
		line := chunk[:i]
		chunk = chunk[i+1:]
		switch {
		case len(s.rest) > 0 || s.cut:
			s.keep(line)
			s.flush(each)
		case len(line) > MaxLine:
			each(line[:MaxLine], true)
		default:
			each(line, false)
		}
	}
}

// End calls each for the last line if it has no line feed, and forgets it.
func (s *Splitter) End(each func(line []byte, overlong bool)) {
	if len(s.rest) > 0 {
		s.flush(each)
	}
}

func (s *Splitter) flush(each func(line []byte, overlong bool)) {
	rest, cut := s.rest, s.cut
	s.rest, s.cut = s.rest[:0], false
	each(rest, cut)
}

func (s *Splitter) keep(b []byte) {
	if room := MaxLine - len(s.rest); len(b) > room {
		b, s.cut = b[:room], true
	}
	s.rest = append(s.rest, b...)
}

// Reader reads lines and gives the entries among them. The zero value is ready
// for use. It is not safe for concurrent use.
type Reader struct {
	Parser Parser
	Stats  Stats
	Before int64 // lines before the next one in its file; negative: not known, and its entries have no number
	Files  int   // that have ended

	split Splitter
	entry Entry
	block []byte
}

// Read reads src to its end and calls each for every entry, in order. e is
// reused: copy it to keep it, its texts and lists may be kept as they are.
// Read may be called again to go on in a file that has grown; call End at the
// end of the last one. It returns the error of src, or nil at its end.
func (r *Reader) Read(src io.Reader, each func(e *Entry)) error {
	if r.block == nil {
		r.block = make([]byte, readSize)
	}
	for idle := 0; ; {
		n, err := src.Read(r.block)
		r.Write(r.block[:n], each)
		if idle++; n > 0 {
			idle = 0
		}
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
		if idle == maxIdle {
			return io.ErrNoProgress
		}
	}
}

// Write takes the next bytes of the input and calls each for every entry in
// lines that end in it. Neither chunk nor its parts are kept.
func (r *Reader) Write(chunk []byte, each func(e *Entry)) {
	r.split.Lines(chunk, func(line []byte, overlong bool) { r.line(line, overlong, each) })
}

// End gives the entry of a last line without a line feed. What is read after it is another file, as after a rotation.
func (r *Reader) End(each func(e *Entry)) {
	r.split.End(func(line []byte, overlong bool) { r.line(line, overlong, each) })
	r.Before = 0
	r.Files++
}

func (r *Reader) line(line []byte, overlong bool, each func(e *Entry)) {
	r.Stats.Lines++
	if r.Before >= 0 {
		r.Before++
	}
	if overlong {
		r.Stats.Overlong++
	}
	if !r.Parser.Line(line, &r.entry) {
		r.Stats.PassedOver++
		return
	}
	r.Stats.Entries++
	r.entry.Line, r.entry.Files = max(r.Before, 0), r.Files
	r.entry.Broken = r.entry.Broken || overlong
	if r.entry.Kind == KindUnrecognised {
		r.Stats.Unrecognised++
	}
	if r.entry.Broken {
		r.Stats.Broken++
	}
	each(&r.entry)
}
