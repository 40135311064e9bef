package proxy

import (
	"io"
	"net"
	"testing"
	"time"

	"github.com/etcdtap/etcdtap/analysis"
)

// TestQuiet: a connection that says nothing is shown while it is open, and when it is stuck; then no more.
func TestQuiet(t *testing.T) {
	if testing.Short() {
		t.Skip("SKIPPED: -short, and being stuck takes six seconds")
	}
	t.Parallel()
	r := &recorder{}
	p := start(t, &Server{Observer: r}, upstream(t, echo))
	c := p.dial()
	io.WriteString(c, "hello")
	io.ReadFull(c, make([]byte, 5))
	eventually(t, "shown as stuck", func() bool {
		r.mu.Lock()
		defer r.mu.Unlock()
		n := len(r.quiet)
		return n > 0 && r.quiet[n-1].Ended == analysis.CloseIdle
	})
	r.mu.Lock()
	first, n := r.quiet[0], len(r.quiet)
	r.mu.Unlock()
	if n > 1 && first.Ended != analysis.CloseNone || first.Stream[analysis.FromServer].Bytes != 5 { // a busy machine may look late
		t.Errorf("%+v", first)
	}
	time.Sleep(quietAfter + 2*lookEvery)
	c.(*net.TCPConn).CloseWrite()
	if _, f, _ := r.first(t, 1); f.Ended != analysis.CloseNone || len(r.quiet) != n {
		t.Errorf("ended as %v, shown %d times after it was known", f.Ended, len(r.quiet)-n)
	}
}

// TestLooks: connections come when they are due, in order, and the queue gives its memory back.
func TestLooks(t *testing.T) {
	var q looks
	for range 5000 {
		q.push(&watch{})
	}
	if q.pop(time.Now().Add(-time.Hour)) != nil {
		t.Error("too early")
	}
	n := 0
	for q.pop(time.Now().Add(time.Hour)) != nil {
		n++
	}
	if n != 5000 || cap(q.queue) != 0 {
		t.Errorf("%d looks, room for %d is kept", n, cap(q.queue))
	}
}
