package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/etcdtap/etcdtap/analysis"
	"github.com/etcdtap/etcdtap/analysis/report"
)

// rejection is a line of etcd's about a client, with a line feed.
func rejection(second int, client, err string) string {
	return fmt.Sprintf(`{"level":"warn","ts":"2026-11-23T02:56:%02d.148Z","caller":"embed/config_logging.go:169","msg":"rejected connection","remote-addr":"%s:41234","server-name":"","error":"%s"}`+"\n", second, client, err)
}

const (
	plaintext = "tls: first record does not look like a TLS handshake"
	missing   = "tls: client didn't provide a certificate"
)

func write(t *testing.T, name, text string) {
	t.Helper()
	f, err := os.OpenFile(name, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := f.WriteString(text); err != nil {
		t.Fatal(err)
	}
}

func rename(t *testing.T, from, to string) {
	t.Helper()
	if err := os.Rename(from, to); err != nil {
		t.Fatal(err)
	}
}

// TestTail: whatever happens to a file, each of its bytes is given once.
func TestTail(t *testing.T) {
	for _, tt := range []struct {
		name  string
		steps []func(t *testing.T, log string) // between two polls each
		want  string
	}{
		{"growing", []func(*testing.T, string){
			func(t *testing.T, log string) { write(t, log, "two\n") },
			func(*testing.T, string) {},
			func(t *testing.T, log string) { write(t, log, "thr"); write(t, log, "ee\n") },
		}, "one\ntwo\nthree\n"},
		{"a line in two halves", []func(*testing.T, string){
			func(t *testing.T, log string) { write(t, log, "tw") },
			func(t *testing.T, log string) { write(t, log, "o\n") },
		}, "one\ntwo\n"},
		{"renamed, with lines before it is", []func(*testing.T, string){
			func(t *testing.T, log string) {
				write(t, log, "two\n")
				rename(t, log, log+".1")
				write(t, log+".1", "three\n")
				write(t, log, "four\n")
			},
			func(t *testing.T, log string) { write(t, log, "five\n") },
		}, "one\ntwo\nthree\nfour\nfive\n"},
		{"renamed twice", []func(*testing.T, string){
			func(t *testing.T, log string) { rename(t, log, log+".1"); write(t, log, "two\n") },
			func(t *testing.T, log string) { rename(t, log, log+".2"); write(t, log, "three\n") },
		}, "one\ntwo\nthree\n"},
		{"gone for a while", []func(*testing.T, string){
			func(t *testing.T, log string) { rename(t, log, log+".1") },
			func(t *testing.T, log string) { write(t, log+".1", "two\n") },
			func(t *testing.T, log string) { write(t, log, "three\n") },
		}, "one\ntwo\nthree\n"},
		{"cut short (copytruncate)", []func(*testing.T, string){
			func(t *testing.T, log string) {
				if err := os.Truncate(log, 0); err != nil {
					t.Fatal(err)
				}
			},
			func(t *testing.T, log string) { write(t, log, "a\n") },
			func(*testing.T, string) {},
			func(t *testing.T, log string) { write(t, log, "b\n") },
		}, "one\na\nb\n"},
		{"cut short and written to between two polls", []func(*testing.T, string){
			func(t *testing.T, log string) {
				if err := os.Truncate(log, 0); err != nil {
					t.Fatal(err)
				}
				write(t, log, "a\n")
			},
			func(*testing.T, string) {},
		}, "one\na\n"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			log := filepath.Join(t.TempDir(), "etcd.log")
			write(t, log, "one\n")
			f, err := newTail(log)
			if err != nil {
				t.Fatal(err)
			}
			defer func() { f.close() }()
			got := ""
			poll := func() {
				if err := f.poll(func(b []byte) { got += string(b) }); err != nil {
					t.Fatal(err)
				}
			}
			poll()
			for _, step := range tt.steps {
				step(t, log)
				poll()
			}
			poll()
			if d := cmp.Diff(tt.want, got); d != "" {
				t.Errorf("(-want +got):\n%s", d)
			}
		})
	}
}

// said is a report that tells the test what is reported, as it is.
type said chan string

func (s said) Entry(*analysis.LogEntry) error { return nil }
func (s said) Group(g *analysis.LogGroup) error {
	s <- fmt.Sprintf("new %s %v", g.Code, g.Client)
	return nil
}
func (s said) Repeats(g *analysis.LogGroup) error {
	s <- fmt.Sprintf("again %s %v, %d", g.Code, g.Client, g.Count)
	return nil
}
func (s said) Summary(*analysis.LogSummary) error { return nil }
func (s said) Flush() error                       { return nil }

// expect waits for the next thing that is said.
func (s said) expect(t *testing.T, want string) {
	t.Helper()
	select {
	case got := <-s:
		if got != want {
			t.Errorf("said %q, want %q", got, want)
		}
	case <-time.After(20 * time.Second):
		t.Fatalf("nothing was said in 20 s, want %q", want)
	}
}

// TestFollow: each new cause is told once, when it comes; repeats are counted; the end of the context ends it all.
func TestFollow(t *testing.T) {
	before := runtime.NumGoroutine()
	dir := t.TempDir()
	a, b := filepath.Join(dir, "a.log"), filepath.Join(dir, "b.log")
	write(t, a, rejection(1, "10.0.0.7", plaintext)+rejection(2, "10.0.0.7", plaintext))
	write(t, b, "nothing of interest\n")
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	out, done := make(said, 100), make(chan error)
	var s analysis.LogSummary
	go func() {
		done <- new(environment).follow(ctx, []string{a, b}, new(analysis.Explainer), out, &s)
	}()
	out.expect(t, "new plaintext-to-tls 10.0.0.7")
	line := rejection(3, "10.0.0.8", plaintext)
	write(t, b, line[:60])
	write(t, a, rejection(4, "10.0.0.7", missing))
	out.expect(t, "new client-cert-missing 10.0.0.7")
	write(t, b, line[60:])
	out.expect(t, "new plaintext-to-tls 10.0.0.8")
	rename(t, a, a+".1")
	write(t, a, rejection(5, "10.0.0.7", missing)+rejection(6, "10.0.0.9", missing))
	out.expect(t, "new client-cert-missing 10.0.0.9")
	cancel()
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	close(out)
	again := make(map[string]bool)
	for what := range out {
		again[what] = true
	}
	want := map[string]bool{"again plaintext-to-tls 10.0.0.7, 2": true, "again client-cert-missing 10.0.0.7, 2": true}
	if d := cmp.Diff(want, again); d != "" {
		t.Errorf("repeats (-want +got):\n%s", d)
	}
	if in := s.Input; in.Files != 2 || in.Lines != 7 || in.PassedOver != 1 || s.Entries != 6 {
		t.Errorf("%+v, %d entries", in, s.Entries)
	}
	for deadline := time.Now().Add(10 * time.Second); runtime.NumGoroutine() > before; runtime.Gosched() {
		if time.Now().After(deadline) {
			t.Fatalf("%d goroutines, %d before", runtime.NumGoroutine(), before)
		}
	}
}

// TestFollowNeedsItsFiles: a file that does not exist is an error at once, not one to wait for.
func TestFollowNeedsItsFiles(t *testing.T) {
	var s analysis.LogSummary
	err := new(environment).follow(context.Background(), []string{filepath.Join(t.TempDir(), "none.log")}, new(analysis.Explainer), make(said), &s)
	if err == nil {
		t.Error("no error")
	}
}

// TestFollowHalfALine: a line that was never ended does not swallow the first line of the file that follows.
func TestFollowHalfALine(t *testing.T) {
	log := filepath.Join(t.TempDir(), "etcd.log")
	write(t, log, rejection(1, "10.0.0.7", plaintext)[:70])
	tail, err := newTail(log)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { tail.close() }()
	var s analysis.LogSummary
	out := make(said, 10)
	f := follower{out: out, summary: &s, again: make(map[*analysis.LogGroup]bool)}
	src, x := &logSource{name: log}, new(analysis.Explainer)
	for range 2 {
		if err := f.poll(tail, src, x); err != nil {
			t.Fatal(err)
		}
		rename(t, log, log+".1")
		write(t, log, rejection(2, "10.0.0.8", missing))
	}
	out.expect(t, "new client-cert-missing 10.0.0.8")
}

// TestFollowNumbersLines: after a rotation lines are numbered as they stand in the new file, and the summary tells the files apart.
func TestFollowNumbersLines(t *testing.T) {
	log := filepath.Join(t.TempDir(), "etcd.log")
	write(t, log, "nothing\n"+rejection(1, "10.0.0.7", plaintext))
	tail, err := newTail(log)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { tail.close() }()
	var s analysis.LogSummary
	var text bytes.Buffer
	out := report.NewLogText(&text, report.TextOptions{Source: log})
	f := follower{out: out, summary: &s, again: make(map[*analysis.LogGroup]bool)}
	src, x := &logSource{name: "etcd.log"}, new(analysis.Explainer)
	poll := func() {
		t.Helper()
		if err := f.poll(tail, src, x); err != nil {
			t.Fatal(err)
		}
	}
	poll()
	rename(t, log, log+".1")
	write(t, log, "nothing\n\n"+rejection(2, "10.0.0.7", plaintext))
	poll()
	if err := out.Summary(&s); err != nil {
		t.Fatal(err)
	}
	if want := "etcd.log:2 to line 3 of a later file"; !strings.Contains(strings.Join(strings.Fields(text.String()), " "), want) {
		t.Errorf("want %q in\n%s", want, &text)
	}
}
