package proxy

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"sync"
	"time"

	"github.com/etcdtap/etcdtap/analysis"
	"go.uber.org/zap"
	"golang.org/x/sys/unix"
)

// resolvedFor is how long the addresses of a name are used without asking again.
const resolvedFor = 5 * time.Second

var (
	errClientGone = errors.New("the client was gone before the upstream was connected")
	errGivenUp    = errors.New("given up before the upstream was connected")
	errLoop       = errors.New("the upstream is this proxy itself")
)

// dial is the way to an upstream.
type dial struct {
	addrs []netip.AddrPort // still to be tried
	path  string           // of a unix socket; "" for TCP
	again bool             // to be tried again: a unix socket's backlog was full, or descriptors are short, and nothing announces the end of that
	err   error            // why the last one failed
}

// startDial finds the upstream's addresses and tries the first.
func (c *conn) startDial() {
	c.info.Map = *c.listener.m.Load()
	c.deadline = c.l.now.Add(c.l.s.limits.Dial)
	c.dial = &dial{}
	up := c.info.Map.Upstream
	if up.Path != "" {
		c.dial.path = up.Path
		c.tryAddress()
		c.rearmed()
		return
	}
	if a, ok := up.literal(); ok {
		c.dial.addrs = []netip.AddrPort{a}
		c.tryAddress()
		c.rearmed()
		return
	}
	c.phase = resolving
	c.info.Upstream = netip.AddrPortFrom(netip.Addr{}, up.Port)
	c.rearmed()
	l, generation := c.l, c.generation
	l.s.names.lookup(l.s, up.Host, func(ips []netip.Addr, err error) {
		l.post(func() {
			if c.l == nil || c.generation != generation || c.phase != resolving {
				return
			}
			c.dial.err = err
			for _, ip := range ips {
				c.dial.addrs = append(c.dial.addrs, netip.AddrPortFrom(ip.Unmap(), up.Port))
			}
			c.tryAddress()
			c.rearmed()
		})
	})
}

// rearmed is rearm for what does not come from ready.
func (c *conn) rearmed() {
	if c.l != nil {
		c.rearm()
	}
}

// tryAddress connects to the next address, or gives up when there is none.
func (c *conn) tryAddress() {
	c.phase = dialing
	c.deadline = c.l.now.Add(c.l.s.limits.Dial)
	c.try()
}

// try is tryAddress within the time that there is.
func (c *conn) try() {
	d, s := c.dial, c.l.s
	if d.again {
		d.again, d.err = false, nil // a shortage is no fault of the address
	}
	if d.path != "" {
		c.tryPath()
		return
	}
	for len(d.addrs) > 0 {
		if d.err != nil {
			c.info.Passed = append(c.info.Passed, d.err)
		}
		all := d.addrs
		a := all[0]
		d.addrs = all[1:]
		c.info.Upstream = a
		if s.own.Load().is(a) {
			s.counters.loops.Add(1)
			d.err = errLoop
			continue
		}
		sa, family := sockaddr(a)
		if done := c.connect(sa, family); done {
			return
		}
		if d.again = short(d.err); d.again {
			d.addrs = all
			return
		}
	}
	c.dialFailed()
}

// tryPath connects to a unix socket. It succeeds or fails at once; only a full backlog, or a shortage, has to be tried again.
func (c *conn) tryPath() {
	d := c.dial
	if c.l.s.own.Load().isPath(d.path) {
		c.l.s.counters.loops.Add(1)
		d.err = errLoop
		c.dialFailed()
		return
	}
	if !c.connect(&unix.SockaddrUnix{Name: d.path}, unix.AF_UNIX) {
		if d.again = d.err == unix.EAGAIN || short(d.err); !d.again {
			c.dialFailed()
		}
	}
}

// connect begins to connect. False when that failed at once.
func (c *conn) connect(a unix.Sockaddr, family int) bool {
	fd, err := newSocket(family)
	if err != nil {
		c.dial.err = fmt.Errorf("opening a socket: %w", err)
		return false
	}
	if family != unix.AF_UNIX {
		setNoDelay(fd)
	}
	switch err := unix.Connect(fd, a); err {
	case nil:
		c.side[analysis.FromServer].fd = fd
		c.connected()
	case unix.EINPROGRESS, unix.EINTR:
		c.side[analysis.FromServer].fd, c.dial.err = fd, nil
		if writable(fd) { // on this host, mostly
			c.dialed(false)
		}
	default:
		unix.Close(fd)
		c.dial.err = err
		return false
	}
	return true
}

// dialed handles the outcome of a connect.
func (c *conn) dialed(failed bool) {
	fd := c.side[analysis.FromServer].fd
	if fd < 0 {
		return
	}
	var err error
	if failed {
		err = socketError(fd)
	}
	switch err {
	case nil:
	case unix.ECONNRESET, unix.EPIPE: // who does not accept refuses: this one has accepted, and reset before we looked
		c.accepted()
		c.broken(analysis.FromServer, err)
		return
	default:
		c.closeSide(analysis.FromServer)
		c.dial.err = err
		c.tryAddress()
		return
	}
	c.connected()
}

// dialTimedOut goes on to the next address, if that may go better.
func (c *conn) dialTimedOut() {
	c.closeSide(analysis.FromServer)
	if !short(c.dial.err) {
		c.dial.err = unix.ETIMEDOUT
	}
	if c.dial.again || c.phase == resolving || c.dial.path != "" {
		c.dialFailed()
		return
	}
	c.tryAddress()
	c.rearmed()
}

// accepted ends the dial: the upstream has taken the connection.
func (c *conn) accepted() {
	c.phase, c.dial, c.deadline = relaying, nil, time.Time{}
	c.active = c.l.now
	c.info.Outgoing = localEndpoint(c.side[analysis.FromServer].fd)
	c.tellOpened(nil)
	c.listener.dialWorks(c.l.s)
}

// connected begins to relay. The client's first bytes are mostly there already.
func (c *conn) connected() {
	c.accepted()
	if h := c.l.s.header(c.info); len(h) > 0 {
		if err := c.write(analysis.FromClient, h); err != nil {
			c.broken(analysis.FromServer, err)
			return
		}
	}
	c.suspect = c.l.s.AnswerPlaintext && (c.info.Map.TLS || c.listener.tls.Load())
	if first := c.held; len(first) > 0 { // came with the PROXY header
		c.held = nil
		c.pass(analysis.FromClient, first)
	}
	if c.l != nil && !c.side[analysis.FromClient].backlog() {
		c.forward(analysis.FromClient)
	}
}

// dialFailed resets the client: it would have been refused as well.
func (c *conn) dialFailed() {
	err := c.dial.err
	if err == nil {
		err = errors.New("the name has no addresses")
	}
	c.info.Refused = err == unix.ECONNREFUSED
	c.info.TimedOut = err == unix.ETIMEDOUT && c.phase == dialing
	c.info.Unreached = !c.info.Refused
	err = fmt.Errorf("connecting to %s: %w", c.info.Map.Upstream, err)
	c.l.s.counters.dialErrors.Add(1)
	c.listener.dialFails(c.l.s, err)
	c.tellOpened(err)
	resetOnClose(c.side[analysis.FromClient].fd)
	c.end(ByDial)
}

// names remembers for a moment what names resolve to.
type names struct {
	mu     sync.Mutex
	known  map[string]resolved
	asking map[string][]func([]netip.Addr, error) // who waits for the answer
	wait   sync.WaitGroup
}

type resolved struct {
	ips []netip.Addr
	at  time.Time
}

// lookup calls f with the addresses of host, now or later. When the name service does not answer, what it said before is still used.
func (n *names) lookup(s *Server, host string, f func([]netip.Addr, error)) {
	n.mu.Lock()
	known, ok := n.known[host]
	if ok && time.Since(known.at) < resolvedFor {
		n.mu.Unlock()
		f(known.ips, nil)
		return
	}
	defer n.mu.Unlock()
	if n.asking == nil {
		n.known, n.asking = make(map[string]resolved), make(map[string][]func([]netip.Addr, error))
	}
	n.asking[host] = append(n.asking[host], f)
	if len(n.asking[host]) > 1 {
		return
	}
	n.wait.Go(func() { n.ask(s, host, known.ips) })
}

// ask asks the resolver. Names are few: the maps name them.
func (n *names) ask(s *Server, host string, before []netip.Addr) {
	ctx, cancel := context.WithTimeout(context.Background(), s.limits.Dial)
	defer cancel()
	ips, err := net.DefaultResolver.LookupNetIP(ctx, "ip", host)
	if err != nil && len(before) > 0 {
		s.log.Warn("a name cannot be resolved any more, its last addresses are used", zap.String("host", host), zap.Error(err))
		ips, err = before, nil
	}
	n.mu.Lock()
	waiting := n.asking[host]
	delete(n.asking, host)
	if err == nil {
		n.known[host] = resolved{ips: ips, at: time.Now()}
	}
	n.mu.Unlock()
	for _, f := range waiting {
		f(ips, err)
	}
}
