package proxy

import (
	"time"

	"github.com/etcdtap/etcdtap/analysis"
)

// When the Observer is shown a connection whose fate is not settled: as a live capture does (capture/early.go).
const (
	quietAfter = time.Second            // nothing has come for so long: a handshake that goes on does not pause for a second
	stuckAfter = 6 * time.Second        // so old, and its fate is still open: longer than etcd's time-out of 5 s on the peer port
	lookEvery  = 250 * time.Millisecond // how often the watcher looks
)

// look is a connection to be looked at when it is due. There are as many as connections are watched, at the most.
type look struct {
	due time.Time
	w   *watch
}

// looks is a queue of looks, in the order in which they are due.
type looks struct {
	queue []look
	head  int
}

func (q *looks) push(w *watch) { q.queue = append(q.queue, look{time.Now().Add(quietAfter), w}) }

// pop returns the first look if it is due.
func (q *looks) pop(now time.Time) *watch {
	if q.head == len(q.queue) {
		*q = looks{} // the rest after a flood
		return nil
	}
	l := &q.queue[q.head]
	if l.due.After(now) {
		return nil
	}
	w := l.w
	l.w = nil
	if q.head++; q.head > 1024 && q.head > len(q.queue)/2 {
		n := copy(q.queue, q.queue[q.head:])
		clear(q.queue[n:])
		q.queue, q.head = q.queue[:n], 0
	}
	return w
}

// lookAround shows the Observer the connections that have gone quiet, or are stuck. All that the loops have told is known by now.
func (t *watcher) lookAround(now time.Time) {
	for {
		w := t.early.pop(now)
		if w == nil {
			return
		}
		if w.conn == nil || w.told {
			continue // it has ended, or is known well enough
		}
		stuck := now.Sub(w.c.At) >= stuckAfter
		if stuck || now.Sub(w.seen) >= quietAfter {
			t.guard(nil, func() { w.told = t.show(w, now, stuck) || stuck })
		}
		if !w.told {
			t.early.push(w)
		}
	}
}

// show gives the Observer a connection as it is now.
func (t *watcher) show(w *watch, now time.Time, stuck bool) (enough bool) {
	how := analysis.CloseNone
	if stuck {
		how = analysis.CloseIdle
	}
	w.conn.SetTCP(w.tcp, false, w.seen)
	return t.s.Observer.Quiet(w.c, w.conn.Peek(now, how), stuck)
}
