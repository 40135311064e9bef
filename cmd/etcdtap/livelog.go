package main

import (
	"bytes"
	"errors"
	"io"
	"io/fs"
	"os"
	"sync"
	"time"

	"go.uber.org/zap"

	"github.com/etcdtap/etcdtap/analysis"
)

// liveLogs are logs that grow while connections are watched. Only what is written from now on is read: what happened before has no
// connection.
type liveLogs struct {
	explainer *analysis.Explainer
	log       *zap.Logger
	tails     []*liveTail
	piped     []*pipedLog // standard input and named pipes
}

// liveTail is one file.
type liveTail struct {
	tail    *tail
	source  *logSource
	failing bool // it cannot be read at present, and that was said
	missing int  // polls in a row that found no file of its name
}

// vanished is after how many polls a log counts as vanished: a rotation makes the new file within a moment.
const vanished = int(3 * time.Second / tickEvery)

func (e *environment) newLiveLogs(names []string, x *analysis.Explainer) (*liveLogs, error) {
	l := &liveLogs{explainer: x, log: e.log}
	if err := checkNames(names...); err != nil {
		return nil, err
	}
	for _, name := range names {
		if name == "-" {
			l.piped = append(l.piped, newPipedLog(name, e.stdin))
			continue
		}
		t, err := newTail(name)
		if err != nil {
			l.close()
			return nil, err
		}
		if info, err := t.file.Stat(); err == nil && !info.Mode().IsRegular() { // a named pipe, as of --log <(journalctl -f -u etcd)
			p := newPipedLog(name, t.file)
			p.file = t.file
			l.piped = append(l.piped, p)
			continue
		}
		source := newLogSource(name)
		source.reader.Before = t.toEnd()
		t.most = maxPolled
		l.tails = append(l.tails, &liveTail{tail: t, source: source})
	}
	return l, nil
}

// poll gives the entries that have come since the last call.
func (l *liveLogs) poll(take func(*analysis.LogEntry)) {
	each := func(e *analysis.LogEntry) error {
		take(e)
		return nil
	}
	var failed error // each never fails
	for _, t := range l.tails {
		entry := t.source.taker(l.explainer, each, &failed)
		l.look(t)
		t.tail.ended = func() { t.source.reader.End(entry) }
		switch err := t.tail.poll(func(b []byte) { t.source.reader.Write(b, entry) }); {
		case err != nil && !t.failing:
			t.failing = true
			l.log.Warn("the log cannot be followed further than the file that is open: connections are shown without what is written elsewhere", zap.String("log", t.tail.name), zap.Error(err))
		case err == nil && t.failing:
			t.failing = false
			l.log.Warn("the log is followed again", zap.String("log", t.tail.name))
		}
	}
	for _, p := range l.piped {
		entry := p.source.taker(l.explainer, each, &failed)
		if ended := p.drain(func(b []byte) { p.source.reader.Write(b, entry) }); ended && !p.over {
			p.over = true
			p.source.reader.End(entry)
			l.log.Warn("the log has ended: connections are shown without its lines from now on", zap.String("log", p.source.name))
		}
	}
}

// look says when a log has vanished, and when there is one again.
func (l *liveLogs) look(t *liveTail) {
	if _, err := os.Stat(t.tail.name); !errors.Is(err, fs.ErrNotExist) {
		if t.missing >= vanished {
			l.log.Warn("the log is there again", zap.String("log", t.tail.name))
		}
		t.missing = 0
		return
	}
	if t.missing++; t.missing == vanished {
		l.log.Warn("the log has vanished: connections are shown without its lines until there is a file of that name again", zap.String("log", t.tail.name))
	}
}

// mayReopen warns of logs that could not be opened again after their rotation, by whoever etcdtap has become.
func (l *liveLogs) mayReopen() {
	for _, t := range l.tails {
		f, err := os.Open(t.tail.name)
		if err == nil {
			f.Close()
			continue
		}
		if errors.Is(err, fs.ErrPermission) {
			l.log.Warn("the log is read from the file that is open now, but when it is rotated, its new file cannot be: "+
				"become a user who may read it (-Z USER), or pipe it (tail -F FILE | etcdtap capture --log -)", zap.String("log", t.tail.name), zap.Int("uid", os.Geteuid()))
		}
	}
}

func (l *liveLogs) close() {
	for _, t := range l.tails {
		t.tail.close()
	}
	for _, p := range l.piped {
		if p.file != nil {
			p.file.Close()
		}
	}
}

// maxPolled bounds what is read of a log at one poll, in bytes, ten times a second: packets are waiting. It is 80 MB a second.
const maxPolled = 8 << 20

// maxCounted bounds how much of a log that is there already is read to count its lines, in bytes: a second's work. The lines of a
// longer one are told by the file's name alone.
const maxCounted = 1 << 30

// toEnd passes over what is in the file already, and returns how many lines that is; negative when they were not counted.
func (t *tail) toEnd() (lines int64) {
	size, err := t.file.Seek(0, io.SeekEnd)
	if err != nil {
		return -1
	}
	lines = -1
	if size <= maxCounted {
		if _, err := t.file.Seek(0, io.SeekStart); err != nil {
			return -1
		}
		size, lines = 0, 0
		_ = t.drain(func(b []byte) { // an error comes again when what follows is read
			size += int64(len(b))
			lines += int64(bytes.Count(b, []byte{'\n'}))
		})
	}
	t.read = size
	return lines
}

// pipedLog is a log on standard input or another pipe, which blocks: a goroutine reads it. That of standard input ends with the
// process, as nothing can take a blocked read back.
type pipedLog struct {
	source *logSource
	file   *os.File // to close; nil for standard input
	over   bool     // its last line was taken
	mu     sync.Mutex
	space  *sync.Cond
	data   []byte // read and not drained
	ended  bool   // nothing follows data
}

// maxPiped bounds what is read ahead of the analysis, in bytes.
const maxPiped = 1 << 20

func newPipedLog(name string, r io.Reader) *pipedLog {
	p := &pipedLog{source: newLogSource(name)}
	p.space = sync.NewCond(&p.mu)
	go p.read(r)
	return p
}

func (p *pipedLog) read(r io.Reader) {
	block := make([]byte, tailBlock)
	for {
		n, err := r.Read(block)
		p.mu.Lock()
		for len(p.data)+n > maxPiped {
			p.space.Wait()
		}
		p.data = append(p.data, block[:n]...)
		p.ended = err != nil
		p.mu.Unlock()
		if err != nil {
			return
		}
	}
}

// drain gives what has come, and reports whether that was the last.
func (p *pipedLog) drain(take func([]byte)) (ended bool) {
	p.mu.Lock()
	data, ended := p.data, p.ended
	p.data = nil
	p.mu.Unlock()
	p.space.Signal()
	if len(data) > 0 {
		take(data)
	}
	return ended
}
