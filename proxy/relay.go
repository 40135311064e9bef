package proxy

import (
	"bytes"

	"github.com/etcdtap/etcdtap/analysis"
	"golang.org/x/sys/unix"
)

// forward moves what side d has for the other one, once: the poller says when there is more.
func (c *conn) forward(d analysis.Direction) {
	s := &c.side[d]
	if s.bulk {
		c.splice(d)
		return
	}
	n, err := readSocket(s.fd, c.l.buf)
	switch {
	case err == unix.EAGAIN:
	case err != nil:
		c.broken(d, err)
	case n == 0:
		c.eof(d)
	default:
		if n == len(c.l.buf) && c.unobserved() {
			s.bulk = true
		}
		c.pass(d, c.l.buf[:n])
	}
}

// unobserved reports whether nobody wants to see the bytes, so that they need not come through here.
func (c *conn) unobserved() bool { return c.watch == nil || c.watch.counting }

// pass writes p, which came from d, to the other side, and then shows it to the watcher.
func (c *conn) pass(d analysis.Direction, p []byte) {
	if c.suspect && d == analysis.FromClient {
		if p = c.examine(p); len(p) == 0 {
			return
		}
	}
	err := c.write(d, p)
	c.count(d, len(p))
	if c.watch != nil {
		c.watch.saw(c.l.s, d, c.l.now, p)
		c.l.told = c.l.told || !c.watch.counting
	}
	if err != nil {
		c.broken(d.Other(), err)
	}
}

func (c *conn) count(d analysis.Direction, n int) {
	c.side[d].bytes += int64(n)
	c.active = c.l.now
	c.l.s.counters.bytes[d].Add(int64(n))
}

// write gives p to the other side of d, and keeps what it does not take.
func (c *conn) write(d analysis.Direction, p []byte) error {
	s := &c.side[d]
	if len(s.waiting) > 0 {
		s.waiting = append(s.waiting, p...)
		return nil
	}
	n, err := writeSocket(c.side[d.Other()].fd, p)
	if err == unix.EAGAIN {
		n, err = 0, nil
	}
	if err == nil && n < len(p) {
		s.waiting = bytes.Clone(p[n:])
	}
	return err
}

// flush goes on with what came from d and was not taken.
func (c *conn) flush(d analysis.Direction) {
	s := &c.side[d]
	if s.pipe != nil {
		c.drain(d)
	} else if len(s.waiting) > 0 {
		n, err := writeSocket(c.side[d.Other()].fd, s.waiting)
		switch {
		case err == unix.EAGAIN:
			return
		case err != nil:
			c.broken(d.Other(), err)
			return
		}
		if s.waiting = s.waiting[n:]; len(s.waiting) == 0 {
			s.waiting = nil
		}
		c.active = c.l.now
	}
	if c.l != nil && s.eof && !s.backlog() {
		c.shut(d)
	}
}

// eof handles the FIN of side d.
func (c *conn) eof(d analysis.Direction) {
	s := &c.side[d]
	s.eof = true
	if c.suspect && d == analysis.FromClient {
		c.acquit()
		if c.l == nil {
			return
		}
	}
	c.tellClose(d, analysis.CloseFIN)
	if !s.backlog() {
		c.shut(d)
	}
}

// shut passes the FIN of side d on, now that everything before it is through. After both FINs all is over.
func (c *conn) shut(d analysis.Direction) {
	o := &c.side[d.Other()]
	if o.shut {
		return
	}
	o.shut = true
	if c.side[d].shut {
		c.end(ByPeers) // closing sends the FIN, for all that o sent was read
		return
	}
	unix.Shutdown(o.fd, unix.SHUT_WR) // fails when that side is gone, which the poller reports, too
}

// maxLast is how often a side that has reset is read: what it sent before is in its receive buffer.
const maxLast = 256

// broken handles the end of side d by error: RST, or a keep-alive that found nobody. What it sent before is passed on as far as the
// other side takes it without waiting, then the other side is reset.
func (c *conn) broken(d analysis.Direction, err error) {
	if c.l == nil || c.reset {
		return
	}
	c.reset = true
	c.l.s.counters.resets.Add(1)
	c.lastBytes(d)
	c.unread(d.Other())
	how := analysis.CloseRST
	if !resets(err) {
		how = analysis.CloseIdle // it has vanished, and nobody saw an RST
	}
	c.tellClose(d, how)
	resetOnClose(c.side[d.Other()].fd)
	resetOnClose(c.side[d].fd)
	c.end(ByPeers)
}

// lastBytes passes on what side d sent before it reset.
func (c *conn) lastBytes(d analysis.Direction) {
	s := &c.side[d]
	c.flush(d)
	for i := 0; i < maxLast && c.l != nil && !s.backlog() && !s.eof; i++ {
		n, err := readSocket(s.fd, c.l.buf)
		if err != nil || n == 0 {
			return
		}
		c.pass(d, c.l.buf[:n])
	}
}

// unread shows the watcher what side d has sent to one that is gone: an alert that says why it went, perhaps. It is not counted, for
// it was not forwarded.
func (c *conn) unread(d analysis.Direction) {
	s := &c.side[d]
	for i := 0; i < maxLast && c.l != nil && !c.unobserved() && s.fd >= 0 && !s.eof; i++ {
		n, err := readSocket(s.fd, c.l.buf)
		if err != nil || n == 0 {
			return
		}
		c.watch.saw(c.l.s, d, c.l.now, c.l.buf[:n])
		c.l.told = true
	}
}

// resets reports whether err is how an RST shows: as ECONNRESET, as EPIPE to those who had got a FIN before, or as nothing when somebody
// has taken the error before.
func resets(err error) bool {
	return err == nil || err == unix.ECONNRESET || err == unix.EPIPE || err == unix.ENOTCONN || err == unix.ECONNABORTED
}
