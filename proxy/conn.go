package proxy

import (
	"net/netip"
	"time"

	"github.com/etcdtap/etcdtap/analysis"
	"go.uber.org/zap"
	"golang.org/x/sys/unix"
)

// phase is what a connection waits for.
type phase uint8

const (
	inHeader  phase = iota // a PROXY header
	resolving              // the upstream's addresses
	dialing                // one of them
	relaying               // bytes
)

// conn is a connection in a loop's hands.
type conn struct {
	l          *loop
	listener   *listener
	index      uint32 // of its slot
	generation uint32
	phase      phase
	deadline   time.Time // of the phase; zero in relaying
	side       [2]side   // by the Direction of the stream that comes from it: FromClient is the client's socket
	active     time.Time // when a byte last passed
	held       []byte    // first bytes of the client that may have to be answered, or a PROXY header so far
	suspect    bool      // held is being looked at
	dial       *dial     // nil once relaying
	info       *Connection
	watch      *watch     // nil: nobody is interested, or the dial is not over
	reset      bool       // a side sent RST
	slow       bool       // the dial takes so long that the client is looked at, which may give up
	kept       bool       // the upstream's socket has keep-alives
	told       bool       // tellOpened was called
	counted    netip.Addr // the address that counts towards Limits.PerClient; zero when none does
}

// side is one of the two sockets, and the stream that comes from it.
type side struct {
	fd      int // -1: none
	want    interest
	watched bool   // the poller has it
	hungUp  bool   // the poller says so again and again: it gets it only when something is wanted
	eof     bool   // it has sent its FIN
	shut    bool   // the other side's FIN was passed to it
	waiting []byte // read from it, not yet taken by the other side
	pipe    *pipe  // nil unless something is in it
	bulk    bool   // splice from it
	unsent  int32  // bytes that the kernel still had to get to it, when that was last looked at
	small   int    // splices in a row that brought little
	bytes   int64
}

// begin takes an accepted connection over. It runs in the loop.
func (c *conn) begin() {
	c.l.insert(c)
	c.active = c.l.now
	if c.l.s.trusts(c.info.Peer) {
		c.phase = inHeader
		c.deadline = c.l.now.Add(headerTime)
		c.rearm()
		return
	}
	c.startDial()
}

// ready handles what the poller knows of side d.
func (c *conn) ready(d analysis.Direction, r readiness) {
	switch c.phase {
	case inHeader:
		c.readHeader()
	case resolving, dialing:
		if d == analysis.FromServer {
			c.dialed(r.failed || r.hungUp)
		} else {
			c.clientGone(r)
		}
	case relaying:
		c.relay(d, r)
	}
	if c.l != nil {
		c.rearm()
	}
}

// clientGone handles a client that hangs up, or resets, before there is an upstream to tell.
func (c *conn) clientGone(r readiness) {
	if r.failed {
		c.reset = true
		c.tellOpened(errClientGone)
		c.tellClose(analysis.FromClient, analysis.CloseRST)
		resetOnClose(c.side[analysis.FromServer].fd) // it may have accepted by now
		c.end(ByPeers)
		return
	}
	c.hangUp(analysis.FromClient) // which will be read when the upstream is there
}

// relay moves bytes as side d allows.
func (c *conn) relay(d analysis.Direction, r readiness) {
	s := &c.side[d]
	if r.failed {
		c.broken(d, socketError(s.fd))
		return
	}
	if r.write || r.hungUp && s.want&wantWrite != 0 { // who has hung up says so to what is written, where the poller does not: a unix socket
		c.flush(d.Other())
		if c.l == nil {
			return
		}
	}
	if (r.read || r.hungUp) && s.want&wantRead != 0 {
		c.forward(d)
		return
	}
	if r.hungUp && !r.write {
		c.hangUp(d) // both FINs passed here, something is still on its way to the other side
	}
}

// wants is what the poller shall report of side d.
func (c *conn) wants(d analysis.Direction) (w interest) {
	s := &c.side[d]
	switch c.phase {
	case inHeader:
		return wantRead
	case resolving:
		return 0
	case dialing:
		if d == analysis.FromServer {
			return wantWrite
		}
		return 0
	}
	if !s.eof && !s.backlog() {
		w |= wantRead
	}
	if c.side[d.Other()].backlog() {
		w |= wantWrite
	}
	return w
}

// backlog reports whether something that came from s is still to be written.
func (s *side) backlog() bool { return len(s.waiting) > 0 || s.pipe != nil }

// rearm tells the poller what is wanted now, where that has changed.
func (c *conn) rearm() {
	for d := range c.side {
		s := &c.side[d]
		if s.fd < 0 {
			continue
		}
		want := c.wants(analysis.Direction(d))
		t := token(c.generation, c.index, analysis.Direction(d))
		var err error
		switch {
		case !s.watched && (want != 0 || !s.hungUp && (c.phase == relaying || c.slow)):
			err = c.l.poll.add(s.fd, t, want)
			s.watched = true
		case s.watched && want != s.want:
			err = c.l.poll.modify(s.fd, t, want)
		}
		s.want = want
		if err != nil {
			c.l.s.log.Error("a connection is lost", zap.Error(err))
			c.end(ByFailure)
			return
		}
	}
}

// hangUp keeps a hang-up from being reported for ever.
func (c *conn) hangUp(d analysis.Direction) {
	c.side[d].hungUp = true
	c.unwatch(d)
}

func (c *conn) unwatch(d analysis.Direction) {
	if s := &c.side[d]; s.watched {
		c.l.poll.remove(s.fd)
		s.watched, s.want = false, 0
	}
}

// expire ends c when something has taken too long.
func (c *conn) expire() {
	l := c.l
	if c.phase != relaying {
		switch {
		case l.now.Before(c.deadline):
			c.slow = true
			if c.dial != nil && c.dial.again {
				c.try()
			}
			c.rearmed()
		case c.phase == inHeader:
			l.s.counters.firstByte.Add(1)
			c.end(ByFirstByte)
		default:
			c.dialTimedOut()
		}
		return
	}
	if !c.kept { // most connections do not live so long as to need them
		c.kept = true
		setKeepAlive(c.side[analysis.FromServer].fd)
	}
	lim := &l.s.limits
	if lim.Idle > 0 {
		c.lookUnsent()
	}
	silent := l.now.Sub(c.active)
	switch {
	case lim.FirstByte > 0 && c.side[0].bytes+c.side[1].bytes == 0 && silent >= lim.FirstByte && len(c.held) == 0,
		lim.FirstByte > 0 && len(c.held) > 0 && silent >= lim.FirstByte:
		l.s.counters.firstByte.Add(1)
		c.end(ByFirstByte)
	case lim.Idle > 0 && silent >= lim.Idle:
		l.s.counters.idle.Add(1)
		c.end(ByIdle)
	}
}

// lookUnsent finds out whether a side that has to be waited for takes bytes from the kernel: it may be long until there is room for ours.
func (c *conn) lookUnsent() {
	for d := range c.side {
		if !c.side[d].backlog() {
			continue
		}
		o := &c.side[analysis.Direction(d).Other()]
		n := unsent(o.fd)
		if n < o.unsent {
			c.active = c.l.now
		}
		o.unsent = n
	}
}

// end closes both sockets and tells why. A side that does not get all that was sent to it gets no FIN, which would say that this was all.
func (c *conn) end(why Reason) {
	l := c.l
	if l == nil {
		return
	}
	for d := range c.side {
		if c.side[d].backlog() {
			resetOnClose(c.side[analysis.Direction(d).Other()].fd)
		}
	}
	for d := range c.side {
		c.closeSide(analysis.Direction(d))
	}
	c.tellOpened(errGivenUp)
	c.tellEnd(why, false)
	c.leave()
}

// leave gives up everything but the sockets.
func (c *conn) leave() {
	l := c.l
	l.release(c)
	c.l = nil
	l.s.leave(c.counted)
}

func (c *conn) closeSide(d analysis.Direction) {
	s := &c.side[d]
	if s.fd < 0 {
		return
	}
	if s.watched {
		c.l.poll.forget(s.fd)
		s.watched, s.want = false, 0
	}
	unix.Close(s.fd)
	s.fd, s.waiting = -1, nil
	if s.pipe != nil {
		s.pipe.close()
		s.pipe = nil
		c.l.held--
	}
}

// tellOpened begins the watch: the dial is over.
func (c *conn) tellOpened(err error) {
	if c.told {
		return
	}
	c.told = true
	c.l.now = time.Now() // it was accepted and connected after the batch began, mostly
	c.info.DialError = err
	c.info.Dialed = c.l.now.Sub(c.info.At)
	if c.watch = c.l.s.open(c.info, &c.listener.tls); c.watch != nil {
		c.l.told = true
	}
}

func (c *conn) tellClose(d analysis.Direction, how analysis.CloseKind) {
	if c.watch != nil {
		c.watch.close(c.l.s, d, c.l.now, how)
		c.l.told = true
	}
}

// tellEnd ends the watch.
func (c *conn) tellEnd(why Reason, answered bool) {
	if c.watch == nil {
		return
	}
	switch why {
	case ByFirstByte, ByIdle:
		c.watch.close(c.l.s, analysis.FromClient, c.l.now, analysis.CloseIdle)
	case ByDrain, ByFailure:
		c.watch.close(c.l.s, analysis.FromClient, c.l.now, analysis.CloseEnd)
	}
	c.watch.end(c.l.s, Ended{At: c.l.now, Bytes: [2]int64{c.side[0].bytes, c.side[1].bytes}, Why: why, Answered: answered})
	c.l.told = true
	c.watch = nil
}
