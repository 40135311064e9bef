package proxy

import (
	"cmp"
	"errors"
	"net/netip"
	"os"
	"slices"
	"syscall"
	"time"

	"github.com/etcdtap/etcdtap/analysis"
	"go.uber.org/zap"
	"golang.org/x/sys/unix"
)

// Pauses of accepting when descriptors or memory are short: connections that end give some back.
const (
	minPause = 20 * time.Millisecond
	maxPause = time.Second
)

// doorBit marks a token as a door's; the generation of a connection never has it.
const doorBit = 1 << 63

// door is a listener in a loop's hands. All loops have each listener, and the kernel wakes one of them for a connection: nobody has to
// be woken twice for it.
type door struct {
	n     *listener
	open  bool      // the poller has it
	until time.Time // when to try again; zero when a connection has to end first
}

// due reports whether a door that is shut may be opened; room: a connection has ended.
func (d *door) due(now time.Time, room bool) bool {
	if d.until.IsZero() {
		return room
	}
	return !now.Before(d.until)
}

// serve makes the loops accept from n.
func (s *Server) serve(n *listener) {
	n.served = true
	for _, l := range s.loops {
		l.post(func() {
			d := &door{n: n}
			if i := slices.Index(l.doors, nil); i >= 0 {
				l.doors[i] = d
			} else {
				l.doors = append(l.doors, d)
			}
			l.openDoor(d)
		})
	}
}

// close ends listening. When it returns no loop knows n any more.
func (n *listener) close(s *Server) {
	if n.served {
		done := make(chan struct{}, len(s.loops))
		for _, l := range s.loops {
			if !l.post(func() { l.forget(n); done <- struct{}{} }) {
				done <- struct{}{}
			}
		}
		for range s.loops {
			<-done
		}
	}
	unix.Close(n.fd)
	if n.unlink != "" {
		os.Remove(n.unlink)
	}
}

// forget takes the door of n away.
func (l *loop) forget(n *listener) {
	for i, d := range l.doors {
		if d != nil && d.n == n {
			l.shutDoor(d)
			l.doors[i] = nil // tokens are indices
		}
	}
}

func (l *loop) openDoor(d *door) {
	for i := range l.doors {
		if l.doors[i] != d {
			continue
		}
		if err := l.poll.addListener(d.n.fd, doorBit|uint64(i)); err != nil {
			l.s.log.Error("cannot accept", zap.String("listen", d.n.name()), zap.Error(err))
			l.shutFor(d, maxPause)
			return
		}
		d.open = true
	}
}

func (l *loop) shutDoor(d *door) {
	if d.open {
		l.poll.remove(d.n.fd)
		d.open = false
	}
}

// shutFor pauses accepting; for ever, that is until a connection ends, when pause is zero.
func (l *loop) shutFor(d *door, pause time.Duration) {
	l.shutDoor(d)
	if d.until = (time.Time{}); pause > 0 {
		d.until = l.now.Add(pause)
	}
}

// shutAll is shutFor of all doors that are open: what is short is short for all of them, and they shall get it in turn.
func (l *loop) shutAll(pause time.Duration) {
	for _, d := range l.doors {
		if d != nil && d.open {
			l.shutFor(d, pause)
		}
	}
}

// reopen opens the doors that are due, and those that wait for room if there is some. It returns how long the next one has to wait;
// negative: there is none.
func (l *loop) reopen(room bool) (wait time.Duration) {
	wait = -1
	due := false
	for _, d := range l.doors {
		switch {
		case d == nil || d.open:
		case d.due(l.now, room):
			due = true
		case !d.until.IsZero():
			wait = sooner(wait, d.until.Sub(l.now))
		}
	}
	if !due {
		return wait
	}
	for _, d := range l.inTurn() {
		if d.due(l.now, room) {
			if l.openDoor(d); !d.open {
				wait = sooner(wait, maxPause)
			}
		}
	}
	return wait
}

// sooner is the shorter of two waits, of which the first may be none.
func sooner(wait, other time.Duration) time.Duration {
	if wait < 0 {
		return other
	}
	return min(wait, other)
}

// inTurn lists the doors that are shut, first the one through which nobody has come for longest: the poller reports them in the order
// in which they are opened, and where there is room for one connection the first of them gets it.
func (l *loop) inTurn() []*door {
	shut := slices.DeleteFunc(slices.Clone(l.doors), func(d *door) bool { return d == nil || d.open })
	slices.SortStableFunc(shut, func(a, b *door) int { return cmp.Compare(a.n.last.Load(), b.n.last.Load()) })
	return shut
}

// room tells the loops that a connection has ended while some wait for that.
func (s *Server) room() {
	for _, l := range s.loops {
		l.post(func() { l.reopen(true) })
	}
}

// accept accepts one connection: the poller says when there is another one. It takes its place among Limits.Connections first, so that
// more are never open.
func (l *loop) accept(d *door) {
	s := l.s
	entered, first := s.gate.enter()
	if !entered {
		if first {
			s.counters.pauses.Add(1)
			if s.told.pause.ok(l.now) {
				s.log.Warn("accepting pauses: as many connections are open as may be", zap.Int("limit", s.limits.Connections))
			}
		}
		l.shutAll(0)
		return
	}
	fd, from, err := acceptSocket(d.n.fd)
	if err == nil {
		l.pause = 0
		s.take(l, d.n, fd, from)
		return
	}
	s.leave(netip.Addr{})
	if err == unix.EAGAIN {
		return // another loop was faster
	}
	l.cannotAccept(d, err)
}

// cannotAccept pauses: what is short now may not be so in a moment.
func (l *loop) cannotAccept(d *door, err error) {
	s := l.s
	if !short(err) {
		s.log.Error("accepting failed", zap.String("listen", d.n.name()), zap.Error(err))
		l.shutFor(d, maxPause)
		return
	}
	if s.told.shortage.ok(l.now) {
		s.log.Warn("accepting pauses: descriptors or memory are short; raise the limit (ulimit -n, LimitNOFILE=) or lower the number of connections", zap.String("listen", d.n.name()), zap.Error(err))
	}
	if l.pause == 0 {
		s.counters.shortages.Add(1)
	}
	l.pause = min(max(2*l.pause, minPause), maxPause)
	l.shutAll(l.pause)
}

// short reports whether err says that descriptors or memory are short.
func short(err error) bool {
	for _, e := range [...]error{unix.EMFILE, unix.ENFILE, unix.ENOBUFS, unix.ENOMEM} {
		if errors.Is(err, e) {
			return true
		}
	}
	return false
}

// take gives an accepted connection to the loop that has the fewest.
func (s *Server) take(l *loop, n *listener, fd int, from syscall.Sockaddr) {
	peer := endpoint(from)
	n.last.Store(s.counters.accepted.Add(1))
	info := &Connection{ID: s.lastID.Add(1), Map: *n.m.Load(), At: time.Now(), Client: peer, Peer: peer, Listen: n.addr}
	if n.addr.Addr().IsUnspecified() {
		info.Listen = localEndpoint(fd)
	}
	c := &conn{listener: n, info: info}
	c.side[analysis.FromClient].fd, c.side[analysis.FromServer].fd = fd, -1
	if !s.trusts(peer) && !s.admit(c, peer) {
		unix.Close(fd)
		s.leave(netip.Addr{})
		return
	}
	if c.l = s.leastLoaded(l); c.l == l {
		l.open.Add(1)
		c.begin()
		return
	}
	c.l.open.Add(1)
	if !c.l.post(c.begin) {
		c.l.open.Add(-1)
		unix.Close(fd)
		s.leave(c.counted)
	}
}
