package proxy

import (
	"sync"
	"sync/atomic"
	"time"

	"github.com/etcdtap/etcdtap/analysis"
	"go.uber.org/zap"
)

const (
	maxReady  = 256      // descriptors handled between two looks at the clock
	maxRead   = 32 << 10 // bytes taken by one read: two TLS records and a bit; more at a time is for splice
	keepPipes = 4        // empty pipes that a loop keeps
)

// interest is what one wants to know of a descriptor.
type interest uint8

const (
	wantRead interest = 1 << iota
	wantWrite
)

// wakeToken is the token of what wakes a loop.
const wakeToken = ^uint64(0)

// readiness is what is known of a descriptor.
type readiness struct {
	token                       uint64
	read, write, failed, hungUp bool
}

// loop owns connections and moves their bytes. Everything in it and in its connections belongs to its goroutine, save for what mu guards.
type loop struct {
	s     *Server
	poll  *poller
	now   time.Time // of the batch being handled
	swept time.Time // when time-outs were looked for
	buf   []byte    // what is being moved; nothing stays in it
	pipes []*pipe   // empty ones
	held  int       // pipes that connections have
	slots []slot
	free  []uint32
	open  atomic.Int64  // connections in slots or on their way here
	doors []*door       // by token; nil: closed for good
	pause time.Duration // the last one for want of descriptors, while they follow each other
	told  bool          // the queue got something in this batch

	mu     sync.Mutex
	posted []func()
	ended  bool
}

// slot holds a connection. Its generation tells events for it from late ones for the connection before.
type slot struct {
	c          *conn
	generation uint32
}

func newLoop(s *Server) (*loop, error) {
	p, err := newPoller()
	if err != nil {
		return nil, err
	}
	return &loop{s: s, poll: p, buf: make([]byte, maxRead)}, nil
}

// post has f run by the loop's goroutine. False when the loop has ended and f will never run.
func (l *loop) post(f func()) bool {
	l.mu.Lock()
	if l.ended {
		l.mu.Unlock()
		return false
	}
	l.posted = append(l.posted, f)
	first := len(l.posted) == 1
	l.mu.Unlock()
	if first {
		l.poll.wake()
	}
	return true
}

// run is the loop. It ends when Server.stop is set and all connections are closed.
func (l *loop) run() {
	defer l.poll.close()
	tick := l.s.limits.tick()
	for {
		timeout := l.reopen(false)
		if l.open.Load() > 0 && (timeout < 0 || timeout > tick) {
			timeout = tick
		}
		ready, err := l.poll.wait(timeout)
		if err != nil {
			l.s.log.Error("a loop failed and closes its connections", zap.Error(err))
			l.abandonAll()
			return
		}
		l.now = time.Now()
		for _, r := range ready {
			l.dispatch(r)
		}
		l.runPosted()
		if l.now.Sub(l.swept) >= tick {
			l.swept = l.now
			l.sweep()
		}
		if l.told {
			l.told = false
			l.s.queue.kick()
		}
		if l.s.stopping.Load() && l.end() {
			return
		}
	}
}

// end ends the loop unless there is something left to do.
func (l *loop) end() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.open.Load() > 0 || len(l.posted) > 0 {
		return false
	}
	l.ended = true
	l.closePipes()
	return true
}

func (l *loop) closePipes() {
	for _, p := range l.pipes {
		p.close()
	}
	l.pipes = nil
}

// abandonAll is for a poller that does not work any more.
func (l *loop) abandonAll() {
	l.mu.Lock()
	l.ended = true
	l.mu.Unlock()
	l.now = time.Now()
	l.runPosted()
	l.each(func(c *conn) { c.end(ByFailure) })
	l.closePipes()
	if l.told {
		l.s.queue.kick()
	}
}

func (l *loop) runPosted() {
	l.mu.Lock()
	fs := l.posted
	l.posted = nil
	l.mu.Unlock()
	for _, f := range fs {
		f()
	}
}

// token names one side of a connection to the poller.
func token(generation, index uint32, d analysis.Direction) uint64 {
	return uint64(generation)<<32 | uint64(index)<<1 | uint64(d)
}

func (l *loop) dispatch(r readiness) {
	if r.token&doorBit != 0 {
		if d := l.doors[r.token&^doorBit]; d != nil && d.open {
			l.accept(d)
		}
		return
	}
	index := uint32(r.token) >> 1
	if s := &l.slots[index]; s.c != nil && s.generation == uint32(r.token>>32) {
		s.c.ready(analysis.Direction(r.token&1), r)
	}
}

// insert gives c a slot.
func (l *loop) insert(c *conn) {
	if n := len(l.free); n > 0 {
		c.index, l.free = l.free[n-1], l.free[:n-1]
	} else {
		c.index = uint32(len(l.slots))
		l.slots = append(l.slots, slot{})
	}
	l.slots[c.index].c = c
	c.generation = l.slots[c.index].generation
}

// release takes the slot of c back.
func (l *loop) release(c *conn) {
	s := &l.slots[c.index]
	s.c = nil
	s.generation = (s.generation + 1) & (1<<31 - 1) // the bit above is doorBit
	l.free = append(l.free, c.index)
	l.open.Add(-1)
}

func (l *loop) each(f func(*conn)) {
	for i := range l.slots {
		if c := l.slots[i].c; c != nil {
			f(c)
		}
	}
}

// sweep ends what has taken too long. It looks at each connection: some nanoseconds each, a few times a second.
func (l *loop) sweep() {
	l.each((*conn).expire)
}
