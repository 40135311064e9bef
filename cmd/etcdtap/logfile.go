package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"time"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"

	"github.com/etcdtap/etcdtap/analysis"
	"github.com/etcdtap/etcdtap/analysis/etcdlog"
	"github.com/etcdtap/etcdtap/capture"
)

// maxLogWindow bounds what zstd may hold in memory: the limit of the zstd command.
const maxLogWindow = 128 << 20

// logSource is one log being read: its lines become entries, judged.
type logSource struct {
	name    string
	reader  etcdlog.Reader
	damaged bool // its compressed data end too early, or are no such data from some place on
}

// newLogSource begins a log. Lines without a year are of the last twelve months.
func newLogSource(name string) *logSource {
	s := &logSource{name: name}
	s.reader.Parser.Now = time.Now()
	return s
}

// readLogs reads whole logs, one after the other, and gives each entry with its judgement. "-" is standard input.
func (e *environment) readLogs(names []string, x *analysis.Explainer, each func(*analysis.LogEntry) error) (analysis.LogInput, error) {
	var in analysis.LogInput
	for _, name := range names {
		s := newLogSource(name)
		if err := e.readLog(s, x, each); err != nil {
			return in, err
		}
		in.Files++
		s.count(&in)
	}
	return in, nil
}

// count adds what was read to in.
func (s *logSource) count(in *analysis.LogInput) {
	t := &s.reader.Stats
	in.Lines += t.Lines
	in.PassedOver += t.PassedOver
	in.Unrecognised += t.Unrecognised
	in.Overlong += t.Overlong
	in.Broken += t.Broken
	if s.damaged {
		note(&in.Other, "logs whose compressed data are cut off or damaged", 1)
	}
}

func (e *environment) readLog(s *logSource, x *analysis.Explainer, each func(*analysis.LogEntry) error) error {
	var src io.Reader = e.stdin
	if s.name != "-" {
		f, err := openLog(s.name)
		if err != nil {
			return err
		}
		defer f.Close()
		src = f
	}
	text, compressed, err := decompressed(src)
	if err != nil {
		return fmt.Errorf("%s: expected a log, gzip or zstd, found damaged compression (%w)", s.name, err)
	}
	if head, _ := text.Peek(4); capture.IsCapture(head) { // an error comes again when it is read
		return captureForLog(s.name)
	}
	failed := error(nil)
	take := s.taker(x, each, &failed)
	err = s.reader.Read(text, take)
	s.reader.End(take)
	var system *fs.PathError
	switch {
	case failed != nil || err == nil:
	case compressed && !errors.As(err, &system):
		s.damaged = true
		e.log.Warn(fmt.Sprintf("%s: compressed data that are cut off or damaged (%v): explained up to there", s.name, err))
	default:
		failed = fmt.Errorf("reading %s: %s", s.name, reason(err))
	}
	return failed
}

// captureForLog is the error for packets where lines are expected.
func captureForLog(name string) error {
	return fmt.Errorf("%s is a capture file, expected a log: read it with etcdtap read %s, and with the log beside it: etcdtap read --log LOG %s", name, name, name)
}

// taker judges each entry and hands it on, until the first error.
func (s *logSource) taker(x *analysis.Explainer, each func(*analysis.LogEntry) error, failed *error) func(*etcdlog.Entry) {
	return func(entry *etcdlog.Entry) {
		if *failed == nil {
			le := x.Explain(entry, s.name)
			*failed = each(&le)
		}
	}
}

// openLog opens a file that is not a directory.
func openLog(name string) (*os.File, error) {
	f, err := os.Open(name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("%s does not exist: check the name; etcd's log is in 'journalctl -u etcd' or 'kubectl -n kube-system logs etcd-NODE', and - reads a pipe", name)
	}
	if errors.Is(err, fs.ErrPermission) {
		return nil, fmt.Errorf("%s may not be read by this user: try 'sudo cat %s | etcdtap explain -'", name, name)
	}
	if err != nil {
		return nil, err
	}
	if info, err := f.Stat(); err == nil && info.IsDir() {
		f.Close()
		return nil, fmt.Errorf("%s is a directory, expected a log file: name the file in it", name)
	}
	return f, nil
}

// decompressed sees through gzip and zstd.
func decompressed(r io.Reader) (text *bufio.Reader, compressed bool, err error) {
	b := bufio.NewReaderSize(r, 64<<10)
	head, err := b.Peek(4)
	if err != nil && err != io.EOF {
		return b, false, nil // the error comes again when it is read
	}
	var z io.Reader
	switch {
	case len(head) >= 2 && head[0] == 0x1f && head[1] == 0x8b:
		z, err = gzip.NewReader(b)
	case string(head) == "\x28\xb5\x2f\xfd":
		z, err = zstd.NewReader(b, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxMemory(maxLogWindow), zstd.WithDecoderMaxWindow(maxLogWindow))
	default:
		return b, false, nil
	}
	if err != nil {
		return nil, true, err
	}
	return bufio.NewReaderSize(z, 64<<10), true, nil
}
