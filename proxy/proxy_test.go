package proxy

import (
	"context"
	"io"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/etcdtap/etcdtap/analysis"
	"go.uber.org/zap"
	"go.uber.org/zap/zaptest"
)

// patience is how long a test waits for what must happen.
const patience = 20 * time.Second

// running is a proxy under test.
type running struct {
	*Server
	t      *testing.T
	cancel context.CancelFunc
	done   chan error
}

// start runs a proxy from a free loopback port to upstream, and holds it at the end to leaving nothing behind.
func start(t *testing.T, s *Server, upstream string) *running {
	t.Helper()
	if len(s.Maps) == 0 {
		s.Maps = []Map{parsed(t, "127.0.0.1:0="+upstream)}
	}
	leaks := leakCheck(t)
	if s.Log == nil {
		s.Log = zaptest.NewLogger(t, zaptest.Level(zap.ErrorLevel))
	}
	if s.Limits.Drain == 0 {
		s.Limits.Drain = -1
	}
	if err := s.Listen(); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	r := &running{Server: s, t: t, cancel: cancel, done: make(chan error, 1)}
	go func() { r.done <- s.Serve(ctx) }()
	t.Cleanup(func() {
		r.stop()
		leaks()
	})
	return r
}

func (r *running) stop() {
	r.cancel()
	select {
	case err := <-r.done:
		if err != nil {
			r.t.Errorf("Serve: %v", err)
		}
		r.done <- nil
	case <-time.After(patience):
		buf := make([]byte, 1<<20)
		r.t.Errorf("Serve does not end\n%s", buf[:runtime.Stack(buf, true)])
		r.done <- nil
	}
}

func (r *running) addr() string { return r.Bound()[0].Addr.String() }

func (r *running) dial() net.Conn {
	r.t.Helper()
	b := r.Bound()[0].Addr
	c, err := net.Dial(b.Network(), b.String())
	if err != nil {
		r.t.Fatal(err)
	}
	c.SetDeadline(time.Now().Add(patience))
	r.t.Cleanup(func() { c.Close() })
	return c
}

func parsed(t *testing.T, m string) Map {
	t.Helper()
	p, err := ParseMap(m)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// leakCheck notes the goroutines and descriptors that there are; the function it returns waits until there are no more than these.
func leakCheck(t *testing.T) func() {
	goroutines, fds := runtime.NumGoroutine(), descriptors()
	return func() {
		t.Helper()
		eventually(t, "goroutines and descriptors are as before", func() bool {
			return runtime.NumGoroutine() <= goroutines && descriptors() <= fds
		})
		if t.Failed() {
			buf := make([]byte, 1<<20)
			t.Logf("%d descriptors, before %d; goroutines before %d, now:\n%s", descriptors(), fds, goroutines, buf[:runtime.Stack(buf, true)])
		}
	}
}

// descriptors counts what is open, where /proc says so. Those of Go's own poller, which come once and stay, are left out.
func descriptors() int {
	links, err := filepath.Glob("/proc/self/fd/*")
	if err != nil {
		return 0
	}
	n := 0
	for _, l := range links {
		if to, err := os.Readlink(l); err == nil && (strings.HasPrefix(to, "socket:") || strings.HasPrefix(to, "pipe:")) {
			n++
		}
	}
	return n
}

func eventually(t *testing.T, what string, f func() bool) {
	t.Helper()
	for end := time.Now().Add(patience); ; time.Sleep(2 * time.Millisecond) {
		if f() {
			return
		}
		if time.Now().After(end) {
			t.Errorf("not within %v: %s", patience, what)
			return
		}
	}
}

// upstream listens on loopback and gives each connection to serve. Connections are closed at the test's end.
func upstream(t *testing.T, serve func(net.Conn)) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	return serveOn(t, l, serve)
}

func serveOn(t *testing.T, l net.Listener, serve func(net.Conn)) string {
	var wait sync.WaitGroup
	wait.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			c.SetDeadline(time.Now().Add(patience))
			wait.Go(func() {
				defer c.Close()
				serve(c)
			})
		}
	})
	t.Cleanup(func() {
		l.Close()
		wait.Wait()
	})
	if l.Addr().Network() == "unix" {
		return "unix:" + l.Addr().String()
	}
	return l.Addr().String()
}

// echo sends back what comes, without Go's own splice: its pooled pipes would look like leaks of ours.
func echo(c net.Conn) {
	io.Copy(struct{ io.Writer }{c}, struct{ io.Reader }{c})
	if h, ok := c.(interface{ CloseWrite() error }); ok {
		h.CloseWrite()
	}
}

// recorder is an Observer that keeps everything.
type recorder struct {
	mu      sync.Mutex
	opened  []*Connection
	settled []*analysis.Facts
	quiet   []*analysis.Facts
	facts   []*analysis.Facts
	ended   []Ended
}

func (r *recorder) Opened(c *Connection) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.opened = append(r.opened, c)
}

func (r *recorder) Settled(_ *Connection, f *analysis.Facts) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.settled = append(r.settled, f)
}

func (r *recorder) Quiet(_ *Connection, f *analysis.Facts, stuck bool) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.quiet = append(r.quiet, f)
	return stuck
}

func (r *recorder) Ended(_ *Connection, f *analysis.Facts, e Ended) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.facts, r.ended = append(r.facts, f), append(r.ended, e)
}

// first waits for the end of n connections and returns the first's.
func (r *recorder) first(t *testing.T, n int) (*Connection, *analysis.Facts, Ended) {
	t.Helper()
	eventually(t, "connections have ended", func() bool {
		r.mu.Lock()
		defer r.mu.Unlock()
		return len(r.ended) >= n
	})
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.ended) == 0 {
		t.FailNow()
	}
	return r.opened[0], r.facts[0], r.ended[0]
}

func outcome(f *analysis.Facts) analysis.Outcome {
	d := analysis.Diagnoser{Expectations: analysis.DefaultExpectations()}
	return d.Diagnose(f).Outcome
}
