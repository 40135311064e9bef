package main

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"time"

	"github.com/etcdtap/etcdtap/analysis"
	"github.com/etcdtap/etcdtap/analysis/report"
	"github.com/etcdtap/etcdtap/capture"
)

const (
	pollEvery    = 250 * time.Millisecond // between two looks at a followed file
	repeatsEvery = 10 * time.Second       // between two counts of what was said before
	tailBlock    = 64 << 10               // bytes of one read
)

// tail follows a growing file as `tail -F` does: when another file has its name, the old one is read to its end and the new one from
// its beginning; when it has become shorter, it is read again from its beginning.
type tail struct {
	name   string
	file   *os.File
	read   int64 // bytes read of file
	buffer []byte
	most   int64  // bytes read at one poll, that whoever polls has other things to do; 0 is no bound
	ended  func() // called when no more bytes come of what was read so far: another file, or the same one from its beginning, follows; nil for nothing
}

func newTail(name string) (*tail, error) {
	f, err := openLog(name)
	if err != nil {
		return nil, err
	}
	head := make([]byte, 4)
	if n, _ := f.ReadAt(head, 0); capture.IsCapture(head[:n]) { // of a pipe nothing
		f.Close()
		return nil, captureForLog(name)
	}
	return &tail{name: name, file: f, buffer: make([]byte, tailBlock)}, nil
}

// poll gives all bytes that have come since the last call to take.
func (t *tail) poll(take func([]byte)) error {
	from := t.read
	if err := t.drain(take); err != nil || t.most > 0 && t.read-from >= t.most {
		return err // there is more, and its time will come
	}
	switch replaced, err := t.replaced(); {
	case err != nil || !replaced:
		return err
	}
	f, err := os.Open(t.name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil // between the two steps of a rotation
	}
	if err != nil {
		return err
	}
	defer func(most int64) { t.most = most }(t.most)
	t.most = 0
	if err := t.drain(take); err != nil { // what was written to the old file until it was renamed
		f.Close()
		return err
	}
	t.file.Close()
	t.file = f
	t.begin()
	return t.drain(take)
}

func (t *tail) drain(take func([]byte)) error {
	for from := t.read; t.most == 0 || t.read-from < t.most; {
		n, err := t.file.Read(t.buffer)
		t.read += int64(n)
		if n > 0 {
			take(t.buffer[:n])
		}
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// replaced reports whether the name leads to another file now. A file that was cut short is rewound.
func (t *tail) replaced() (bool, error) {
	named, err := os.Stat(t.name)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	open, err := t.file.Stat()
	if err != nil {
		return false, err
	}
	if !os.SameFile(named, open) {
		return true, nil
	}
	if open.Size() < t.read {
		t.begin()
		_, err = t.file.Seek(0, io.SeekStart)
	}
	return false, err
}

// begin takes note that what is read next does not continue what was read before.
func (t *tail) begin() {
	t.read = 0
	if t.ended != nil {
		t.ended()
	}
}

func (t *tail) close() { t.file.Close() }

// follow explains logs as they grow, until ctx is done: each new cause at once, repeats as counts now and then.
func (e *environment) follow(ctx context.Context, names []string, x *analysis.Explainer, out report.LogReport, s *analysis.LogSummary) error {
	var tails []*tail
	defer func() {
		for _, t := range tails {
			t.close()
		}
	}()
	sources := make([]*logSource, 0, len(names))
	for _, name := range names {
		t, err := newTail(name)
		if err != nil {
			return err
		}
		tails, sources = append(tails, t), append(sources, newLogSource(name))
	}
	f := follower{out: out, summary: s, again: make(map[*analysis.LogGroup]bool)}
	poll, repeats := time.NewTicker(pollEvery), time.NewTicker(repeatsEvery)
	defer poll.Stop()
	defer repeats.Stop()
	for {
		for i, t := range tails {
			if err := f.poll(t, sources[i], x); err != nil {
				return err
			}
		}
		if err := out.Flush(); err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			for _, src := range sources {
				src.count(&s.Input)
				s.Input.Files++
			}
			return f.repeats()
		case <-poll.C:
		case <-repeats.C:
			if err := f.repeats(); err != nil {
				return err
			}
		}
	}
}

// follower says each cause once, and remembers what came again.
type follower struct {
	out     report.LogReport
	summary *analysis.LogSummary
	again   map[*analysis.LogGroup]bool
}

func (f *follower) poll(t *tail, s *logSource, x *analysis.Explainer) error {
	var failed error
	take := s.taker(x, f.entry, &failed)
	t.ended = func() { s.reader.End(take) }
	if err := t.poll(func(b []byte) { s.reader.Write(b, take) }); err != nil {
		return err
	}
	return failed
}

func (f *follower) entry(e *analysis.LogEntry) error {
	if err := f.out.Entry(e); err != nil {
		return err
	}
	g := f.summary.Add(e)
	switch {
	case g == nil:
		return nil
	case g.Count == 1:
		return f.out.Group(g)
	}
	f.again[g] = true
	return nil
}

// repeats says how often what was said before has come again.
func (f *follower) repeats() error {
	for _, g := range f.summary.Groups() {
		if f.again[g] {
			if err := f.out.Repeats(g); err != nil {
				return err
			}
		}
	}
	clear(f.again)
	return f.out.Flush()
}
