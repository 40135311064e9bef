package capture

import (
	"time"

	"github.com/etcdtap/etcdtap/analysis"
)

// Early says why a connection is shown before its end.
type Early uint8

const (
	EarlySettled Early = iota // its fate is settled, see analysis.Conn.Settled
	EarlyQuiet                // nothing has come for quietAfter: what was begun may be over, or waits
	EarlyStuck                // it is stuckAfter old and its fate is still open; the facts have Ended CloseIdle
)

// EarlySink receives connections that have not ended, as they are now. The facts are valid during the call only. It reports whether
// it knows enough: then it is asked no more about this connection, whose end the ConnectionSink gets all the same.
type EarlySink func(f *analysis.Facts, why Early) (enough bool)

const (
	// quietAfter is how long nothing must have come for a connection to be looked at early, in nanoseconds: a handshake that
	// goes on does not pause for a second.
	quietAfter = int64(time.Second)
	// stuckAfter is the age at which an open fate is news, in nanoseconds: longer than etcd's time-out of 5 s for each read on
	// the peer port (client/pkg/transport, timeout_listener.go), so that the time-out itself is seen first.
	stuckAfter = int64(6 * time.Second)
	// maxLooks bounds how many connections wait to be looked at, in 24 MiB: those of a flood beyond it are shown at their end.
	maxLooks = 1 << 20
)

// look is a connection to be looked at when it is due.
type look struct {
	due, first int64 // first tells the connection from a later one with the same index
	index      uint32
}

// looks is a queue of looks, in the order in which they are due.
type looks struct {
	queue []look
	head  int
}

func (q *looks) push(l look) { q.queue = append(q.queue, l) }

// pop returns the first look if it is due.
func (q *looks) pop(now int64) (look, bool) {
	if q.head == len(q.queue) || q.queue[q.head].due > now {
		return look{}, false
	}
	l := q.queue[q.head]
	if q.head++; q.head > 1024 && q.head > len(q.queue)/2 {
		q.queue = append(q.queue[:0], q.queue[q.head:]...)
		q.head = 0
	}
	return l, true
}

// lookAround shows the connections that are due.
func (t *Tracker) lookAround() {
	for {
		l, ok := t.looks.pop(t.now)
		if !ok {
			return
		}
		c := t.table.at(l.index)
		if c.first != l.first || c.flags&(connFinished|connTold|connDetached|connFree) != 0 {
			continue
		}
		switch {
		case t.now-c.start >= stuckAfter:
			t.show(c, EarlyStuck)
			c.flags |= connTold
			continue
		case t.now-c.seen >= quietAfter && t.show(c, EarlyQuiet):
			c.flags |= connTold
			continue
		}
		t.looks.push(look{l.due + quietAfter, l.first, l.index})
	}
}

// settle shows a connection as soon as its fate is settled.
func (t *Tracker) settle(c *connection) {
	if !c.attached() {
		return
	}
	x := t.attachments[c.stream]
	if x.settled {
		return
	}
	x.tellPassed(c) // so much of it settles any fate
	if !x.conn.Settled() {
		return
	}
	x.settled = true
	if c.flags&(connFinished|connTold) == 0 && t.show(c, EarlySettled) {
		c.flags |= connTold
	}
}

// show gives the sink a connection as it is now.
func (t *Tracker) show(c *connection, why Early) bool {
	how := analysis.CloseNone
	if why == EarlyStuck {
		how = analysis.CloseIdle
	}
	if !c.attached() {
		x := t.closer.scratch
		x.prepare(c, t.table.more(c))
		if how != analysis.CloseNone {
			x.conn.Close(analysis.FromClient, moment(t.now), how)
		}
		x.describe(c)
		return t.options.Early(x.conn.Facts(), why)
	}
	x := t.attachments[c.stream]
	for d := range x.store {
		for l := t.lane(c, analysis.Direction(d)); l.blocked(); { // what it waits for would have come by now
			l.fillHole()
			l.update()
			l.told()
		}
	}
	x.tellPassed(c)
	x.describe(c)
	return t.options.Early(x.conn.Peek(moment(t.now), how), why)
}

// tellPassed tells of the bytes that were only counted so far.
func (x *attachment) tellPassed(c *connection) {
	for d := range x.store {
		if n := x.store[d].passed; n > 0 {
			x.conn.Pass(analysis.Direction(d), moment(c.seen), n)
			x.store[d].passed = 0
		}
	}
}

// Useful reports whether the last segment was of use: it opened or ended its connection, came before the fate was settled, or was the
// one in 8 MiB by which a reader can tell how many bytes are missing. It is what --write-handshakes keeps. It is kept only where
// there is an EarlySink.
func (t *Tracker) Useful() bool { return t.useful }
