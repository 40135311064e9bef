package proxy

import (
	"net/netip"
	"os"
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
	open  bool          // the poller has it
	until time.Time     // when to try again; zero when a connection has to end first
	pause time.Duration // the last one, while they follow each other
}

// serve makes the loops accept from n.
func (s *Server) serve(n *listener) {
	n.served = true
	for _, l := range s.loops {
		l.post(func() {
			d := &door{n: n}
			l.doors = append(l.doors, d)
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
			l.s.log.Error("cannot accept", zap.String("listen", d.n.listen.String()), zap.Error(err))
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

// reopen opens the doors that are due, and those that wait for room if there is some. It returns how long the next one has to wait;
// negative: there is none.
func (l *loop) reopen(room bool) (wait time.Duration) {
	wait = -1
	for _, d := range l.doors {
		switch {
		case d == nil || d.open:
		case d.until.IsZero():
			if room {
				l.openDoor(d)
			}
		case !l.now.Before(d.until):
			l.openDoor(d)
		default:
			if left := d.until.Sub(l.now); wait < 0 || left < wait {
				wait = left
			}
		}
	}
	return wait
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
		l.shutFor(d, 0)
		return
	}
	fd, from, err := acceptSocket(d.n.fd)
	if err == nil {
		d.pause = 0
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
		s.log.Error("accepting failed", zap.String("listen", d.n.listen.String()), zap.Error(err))
		l.shutFor(d, maxPause)
		return
	}
	if s.told.shortage.ok(l.now) {
		s.log.Warn("accepting pauses: descriptors or memory are short; raise the limit (ulimit -n, LimitNOFILE=) or lower the number of connections", zap.String("listen", d.n.listen.String()), zap.Error(err))
	}
	if d.pause == 0 {
		s.counters.shortages.Add(1)
	}
	d.pause = min(max(2*d.pause, minPause), maxPause)
	l.shutFor(d, d.pause)
}

func short(err error) bool {
	return err == unix.EMFILE || err == unix.ENFILE || err == unix.ENOBUFS || err == unix.ENOMEM
}

// take gives an accepted connection to the loop that has the fewest.
func (s *Server) take(l *loop, n *listener, fd int, from syscall.Sockaddr) {
	peer := endpoint(from)
	s.counters.accepted.Add(1)
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
