package main

import (
	"bytes"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/zap"

	"github.com/etcdtap/etcdtap/analysis"
	"github.com/etcdtap/etcdtap/analysis/report"
	"github.com/etcdtap/etcdtap/capture"
	"github.com/etcdtap/etcdtap/capture/live"
)

// judgements are the connections' JSON by id, without the stage.
func judgements(t *testing.T, play func(each func(*analysis.Connection))) map[string]string {
	t.Helper()
	got := make(map[string]string)
	play(func(c *analysis.Connection) {
		var b bytes.Buffer
		j := report.NewJSON(&b)
		whole := *c
		whole.Stage = analysis.StageWhole
		if err := j.Connection(&whole); err != nil {
			t.Fatal(err)
		}
		j.Flush()
		id := string(c.AppendID(nil))
		if _, twice := got[id]; twice {
			t.Errorf("connection %s was counted twice", id)
		}
		got[id] = b.String()
	})
	return got
}

// TestLiveEqualsRead: what capture says of a connection at its end is what read says of the same packets, whatever it said before.
func TestLiveEqualsRead(t *testing.T) {
	files, err := filepath.Glob("../../testdata/pcaps/*.pcap")
	if err != nil || len(files) < 20 {
		t.Fatalf("%d captures: %v", len(files), err)
	}
	for _, name := range files {
		t.Run(filepath.Base(name), func(t *testing.T) {
			want := judgements(t, func(each func(*analysis.Connection)) {
				f := open(t, name)
				r := &reader{files: []*capture.File{f}, each: func(c *analysis.Connection) error { each(c); return nil }}
				if err := r.read(t.Context()); err != nil {
					t.Fatal(err)
				}
			})
			got := judgements(t, func(each func(*analysis.Connection)) { playLive(t, open(t, name), each) })
			if d := cmp.Diff(want, got); d != "" {
				t.Errorf("read and live differ (-read +live):\n%s", d)
			}
		})
	}
}

func open(t *testing.T, name string) *capture.File {
	t.Helper()
	f, err := capture.Open(name, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	return f
}

// playLive runs a file's packets through the live pipeline, time passing as it did.
func playLive(t *testing.T, f *capture.File, each func(*analysis.Connection)) {
	t.Helper()
	e := &environment{stdout: io.Discard, stderr: io.Discard, log: zap.NewNop()}
	r, err := e.newLiveReporter(&outputFlags{formatFlags: formatFlags{output: "json", color: "never"}}, io.Discard, "", analysis.Expectations{})
	if err != nil {
		t.Fatal(err)
	}
	shown := r.watch.Report
	r.watch.Report = func(c *analysis.Connection) {
		if c.Counts() && (c.Endpoint != analysis.EndpointOther || c.TLS != nil) {
			each(c)
		}
		shown(c)
	}
	ports := analysis.DefaultExpectations()
	tracker := capture.NewTracker(capture.TrackerOptions{Linger: liveLinger, ServerPorts: func(p uint16) bool { return slices.Contains(allPorts(&ports), p) },
		Early: func(f *analysis.Facts, why capture.Early) bool {
			return r.watch.Early(f, why == capture.EarlySettled, why == capture.EarlyStuck)
		}}, r.watch.End)
	var decoder capture.Decoder
	var p capture.Packet
	var s capture.Segment
	for f.Next(&p) == nil {
		tracker.Advance(p.Time)
		if decoder.Decode(&p, &s) == capture.TCP {
			tracker.Segment(&p, &s)
		}
		r.tick(time.Unix(0, p.Time))
	}
	tracker.Flush()
	if err := r.close(analysis.Input{}); err != nil {
		t.Fatal(err)
	}
	if r.watch.Open() != 0 {
		t.Errorf("%d connections are remembered after the end", r.watch.Open())
	}
}

// TestLiveLog: the log is followed from its present end, through rotation, and joined; what it said before is not. Lines have their numbers
// in the file of that name, so that one finds them there.
func TestLiveLog(t *testing.T) {
	const line = `{"level":"warn","ts":"2026-11-23T12:00:00.000Z","caller":"embed/config_logging.go:169","msg":"rejected connection","remote-addr":"127.0.0.1:%d","server-name":"","error":"tls: first record does not look like a TLS handshake"}` + "\n"
	name := filepath.Join(t.TempDir(), "etcd.log")
	write := func(format string, args ...any) {
		t.Helper()
		f, err := os.OpenFile(name, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		fmt.Fprintf(f, format, args...)
	}
	write(line, 1)
	var warnings strings.Builder
	e := &environment{stderr: &warnings, log: newLogger(&warnings, false)}
	l, err := e.newLiveLogs([]string{name}, new(analysis.Explainer))
	if err != nil {
		t.Fatal(err)
	}
	defer l.close()
	var got []string
	poll := func() {
		l.poll(func(e *analysis.LogEntry) { got = append(got, fmt.Sprintf("%d %v", e.Line, e.Remote)) })
	}
	poll()
	write(line, 2)
	poll()
	if err := os.Rename(name, name+".1"); err != nil {
		t.Fatal(err)
	}
	poll() // the log is gone for a moment
	write(line, 3)
	poll()
	if err := os.Truncate(name, 0); err != nil {
		t.Fatal(err)
	}
	poll()
	write(line, 4)
	poll()
	for i, want := range []string{"2 127.0.0.1:2", "1 127.0.0.1:3", "1 127.0.0.1:4"} {
		if i >= len(got) || got[i] != want {
			t.Fatalf("entries %q, want %q at %d", got, want, i)
		}
	}
	if len(got) != 3 {
		t.Errorf("entries %q, want 3", got)
	}
}

// TestLiveLogTooLongToCount: of a log so long that its lines are not counted, none has a number, until the next file.
func TestLiveLogTooLongToCount(t *testing.T) {
	name := filepath.Join(t.TempDir(), "etcd.log")
	write(t, name, "\n")
	if err := os.Truncate(name, maxCounted+1); err != nil { // of holes
		t.Skip("SKIPPED: ", err)
	}
	write(t, name, "\n") // it ends with a whole line
	l, err := (&environment{log: zap.NewNop()}).newLiveLogs([]string{name}, new(analysis.Explainer))
	if err != nil {
		t.Fatal(err)
	}
	defer l.close()
	var got []int64
	poll := func() { l.poll(func(e *analysis.LogEntry) { got = append(got, e.Line) }) }
	write(t, name, rejection(1, "10.0.0.7", plaintext))
	poll()
	rename(t, name, name+".1")
	write(t, name, "nothing\n"+rejection(2, "10.0.0.7", plaintext))
	poll()
	if want := []int64{0, 2}; !slices.Equal(got, want) {
		t.Errorf("lines %v, want %v", got, want)
	}
}

// TestLivePipedLog: a log on standard input is joined, too, to its last line, and what is not drained does not grow.
func TestLivePipedLog(t *testing.T) {
	r, w := io.Pipe()
	go writePiped(w)
	e := &environment{stdin: r, log: zap.NewNop()}
	takesPiped(t, e, "-")
}

const pipedLine = `2026-11-23 12:00:00.000000 I | embed: rejected connection from "10.0.0.7:4123%d" (error "EOF", ServerName "")`

func writePiped(w io.WriteCloser) {
	fmt.Fprintf(w, pipedLine+"\n"+pipedLine, 1, 2) // whoever wrote it has died in the middle of a line
	w.Close()
}

// takesPiped wants both of writePiped's lines from a log. No look at it may wait for more.
func takesPiped(t *testing.T, e *environment, name string) {
	t.Helper()
	l, err := e.newLiveLogs([]string{name}, new(analysis.Explainer))
	if err != nil {
		t.Fatal(err)
	}
	defer l.close()
	found := 0
	for deadline := time.Now().Add(time.Minute); found < 2 && time.Now().Before(deadline); time.Sleep(time.Millisecond) {
		l.poll(func(*analysis.LogEntry) { found++ })
	}
	if found != 2 {
		t.Errorf("%d entries, want 2", found)
	}
}

// Advice about CAP_NET_RAW is for who lacks it, not for who may not enter a namespace.
func TestAdviceIsAboutWhatIsMissing(t *testing.T) {
	enter := &live.PermissionError{Doing: "entering the network namespace /run/netns/x", Capability: "CAP_SYS_ADMIN", Err: fs.ErrPermission}
	if got := advised(enter).Error(); got != enter.Error() {
		t.Errorf("got %s", got)
	}
	capturing := &live.PermissionError{Doing: "capturing packets", Capability: "CAP_NET_RAW", Err: fs.ErrPermission}
	if got := advised(capturing).Error(); !strings.Contains(got, "setcap cap_net_raw=ep") {
		t.Errorf("no advice in %s", got)
	}
}
