package proxy

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"strconv"
	"sync/atomic"
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

// listener accepts the connections of one map.
type listener struct {
	socket  net.Listener        // *net.TCPListener or *net.UnixListener
	file    *os.File            // the same socket: a net.Listener accepts into Go's poller only, this one does not
	listen  Address             // as the map names it
	addr    netip.AddrPort      // bound to; zero for a unix socket
	m       atomic.Pointer[Map] // Reload may change its upstream
	tls     atomic.Bool         // the upstream was seen to speak TLS
	failing atomic.Pointer[string]
	stop    chan struct{} // closed before socket is
	done    chan struct{} // closed when run has ended; nil: it was never started
}

// openListener listens for m, or takes over the inherited listener for it.
func (s *Server) openListener(m Map) (*listener, error) {
	socket, err := s.socketFor(m.Listen)
	if err != nil {
		return nil, err
	}
	n := &listener{socket: socket, listen: m.Listen, addr: addrPort(socket.Addr()), stop: make(chan struct{})}
	n.m.Store(&m)
	n.tls.Store(m.TLS)
	if n.file, err = fileOf(socket); err != nil {
		socket.Close()
		return nil, fmt.Errorf("listening on %s: %w", m.Listen, err)
	}
	return n, nil
}

// fileOf duplicates a listener's descriptor, and tunes the connections that it will accept.
func fileOf(l net.Listener) (*os.File, error) {
	raw, err := l.(syscall.Conn).SyscallConn()
	if err != nil {
		return nil, err
	}
	var file *os.File
	controlErr := raw.Control(func(fd uintptr) {
		if _, ok := l.(*net.TCPListener); ok {
			tune(int(fd))
		}
		var dup int
		if dup, err = unix.FcntlInt(fd, unix.F_DUPFD_CLOEXEC, 0); err == nil {
			file = os.NewFile(uintptr(dup), l.Addr().String())
		}
	})
	return file, errors.Join(controlErr, err)
}

func (s *Server) socketFor(a Address) (net.Listener, error) {
	for _, l := range s.Inherited {
		if matches(a, l.Addr()) {
			switch l.(type) {
			case *net.TCPListener, *net.UnixListener:
				return l, nil
			}
			return nil, fmt.Errorf("the listener inherited for %s is a %T: want a TCP or a unix socket", a, l)
		}
	}
	if a.Path != "" {
		return listenPath(a.Path)
	}
	return s.listenTCP(a)
}

// matches reports whether an inherited listener is the one for a.
func matches(a Address, l net.Addr) bool {
	if u, ok := l.(*net.UnixAddr); ok {
		return a.Path != "" && u.Name == a.Path
	}
	p, ok := a.literal()
	if a.Path == "" && a.Host == "" {
		p, ok = netip.AddrPortFrom(netip.IPv6Unspecified(), a.Port), true
	}
	return ok && a.Path == "" && p == addrPort(l)
}

// ErrRemote is why a listener is refused where Server.AllowRemote is not set.
var ErrRemote = errors.New("can be reached from other hosts, and whoever reaches it reaches the upstream; listen on 127.0.0.1 or [::1], or allow other addresses")

// listenTCP listens on the first address of a's host, if that is loopback or others are allowed.
func (s *Server) listenTCP(a Address) (net.Listener, error) {
	ips, err := hostAddrs(a.Host)
	if err != nil {
		return nil, fmt.Errorf("listening on %s: %w", a, err)
	}
	if !s.AllowRemote {
		for _, ip := range ips {
			if !ip.IsLoopback() {
				return nil, fmt.Errorf("listening on %s: %s %w", a, orAll(a.Host), ErrRemote)
			}
		}
	}
	host := a.Host
	if host != "" {
		host = ips[0].String()
	}
	var config net.ListenConfig
	config.SetMultipathTCP(false) // its sockets inherit nothing and cannot be spliced
	l, err := config.Listen(context.Background(), "tcp", net.JoinHostPort(host, strconv.Itoa(int(a.Port))))
	if errors.Is(err, syscall.EADDRINUSE) {
		return nil, fmt.Errorf("listening on %s: the port is taken; find out by whom with: ss -ltnp 'sport = :%d'", a, a.Port)
	}
	if err != nil {
		return nil, fmt.Errorf("listening on %s: %w", a, err)
	}
	return l, nil
}

func orAll(host string) string {
	if host == "" {
		return "the unspecified address"
	}
	return host
}

// hostAddrs are the addresses to listen on by the name host; "" means all.
func hostAddrs(host string) ([]netip.Addr, error) {
	if host == "" {
		return []netip.Addr{netip.IPv6Unspecified()}, nil
	}
	if ip, err := netip.ParseAddr(host); err == nil {
		return []netip.Addr{ip}, nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), DefaultDial)
	defer cancel()
	ips, err := net.DefaultResolver.LookupNetIP(ctx, "ip", host)
	if err == nil && len(ips) == 0 {
		err = errors.New("the name has no addresses")
	}
	for i := range ips {
		ips[i] = ips[i].Unmap()
		if ips[i].Is4() { // as net.Listen prefers
			ips[0], ips[i] = ips[i], ips[0]
			break
		}
	}
	return ips, err
}

// listenPath listens on a unix socket. A socket file that nobody listens on any more is replaced.
func listenPath(path string) (net.Listener, error) {
	l, err := net.Listen("unix", path)
	if errors.Is(err, syscall.EADDRINUSE) {
		info, statErr := os.Lstat(path)
		if statErr == nil && info.Mode()&os.ModeSocket == 0 {
			return nil, fmt.Errorf("listening on unix:%s: there is a file of that name that is no socket; remove it or name another", path)
		}
		c, dialErr := net.Dial("unix", path)
		if dialErr == nil {
			c.Close()
		}
		if !errors.Is(dialErr, syscall.ECONNREFUSED) {
			return nil, fmt.Errorf("listening on unix:%s: somebody listens there already; find out who with: ss -lxp src %s", path, path)
		}
		if err := os.Remove(path); err != nil {
			return nil, fmt.Errorf("listening on unix:%s: removing the socket that nobody listens on any more: %w", path, err)
		}
		l, err = net.Listen("unix", path)
	}
	if err != nil {
		return nil, fmt.Errorf("listening on unix:%s: %w", path, err)
	}
	return l, nil
}

// close ends accepting and waits for it.
func (n *listener) close() {
	close(n.stop)
	n.file.Close()
	n.socket.Close()
	if n.done != nil {
		<-n.done
	}
}

// start accepts until close.
func (n *listener) start(s *Server) {
	n.done = make(chan struct{})
	go func() {
		defer close(n.done)
		n.run(s)
	}()
}

func (n *listener) run(s *Server) {
	raw, err := n.file.SyscallConn()
	if err != nil {
		s.log.Error("cannot accept", zap.String("listen", n.listen.String()), zap.Error(err))
		return
	}
	pause := time.Duration(0)
	for {
		fd, from, err := n.accept(s, raw)
		switch {
		case err == nil:
			pause = 0
			s.take(n, fd, from)
		case err == errFull:
			if !n.waitForRoom(s) {
				return
			}
		case short(err):
			if s.told.shortage.ok(time.Now()) {
				s.log.Warn("accepting pauses: descriptors or memory are short; raise the limit (ulimit -n, LimitNOFILE=) or lower the number of connections", zap.String("listen", n.listen.String()), zap.Error(err))
			}
			if pause == 0 {
				s.counters.shortages.Add(1)
			}
			pause = min(max(2*pause, minPause), maxPause)
			if !n.sleep(pause) {
				return
			}
		case n.stopped():
			return
		default:
			s.log.Error("accepting failed", zap.String("listen", n.listen.String()), zap.Error(err))
			if !n.sleep(maxPause) {
				return
			}
		}
	}
}

// accept waits for a connection. It takes its place among Limits.Connections before it accepts, so that more are never open, and none
// while it waits.
func (n *listener) accept(s *Server, raw syscall.RawConn) (fd int, from unix.Sockaddr, err error) {
	waitErr := raw.Read(func(listener uintptr) bool {
		if !s.gate.enter() {
			err = errFull
			return true
		}
		fd, from, err = acceptSocket(int(listener))
		if err != nil {
			s.gate.leave(netip.Addr{})
		}
		return err != unix.EAGAIN
	})
	if waitErr != nil {
		err = waitErr
	}
	return fd, from, err
}

func short(err error) bool {
	return err == unix.EMFILE || err == unix.ENFILE || err == unix.ENOBUFS || err == unix.ENOMEM
}

func (n *listener) stopped() bool {
	select {
	case <-n.stop:
		return true
	default:
		return false
	}
}

func (n *listener) sleep(d time.Duration) bool {
	select {
	case <-n.stop:
		return false
	case <-time.After(d):
		return true
	}
}

// waitForRoom waits until a connection has ended.
func (n *listener) waitForRoom(s *Server) bool {
	s.counters.pauses.Add(1)
	if s.told.pause.ok(time.Now()) {
		s.log.Warn("accepting pauses: as many connections are open as may be", zap.Int("limit", s.limits.Connections))
	}
	select {
	case <-n.stop:
		return false
	case <-s.gate.room():
		return true
	}
}

// take hands an accepted connection to a loop.
func (s *Server) take(n *listener, fd int, from unix.Sockaddr) {
	peer := endpoint(from)
	s.counters.accepted.Add(1)
	info := &Connection{ID: s.lastID.Add(1), Map: *n.m.Load(), At: time.Now(), Client: peer, Peer: peer, Listen: n.addr}
	if n.addr.Addr().IsUnspecified() {
		info.Listen = localEndpoint(fd)
	}
	c := &conn{listener: n, info: info}
	c.side[analysis.FromClient].fd, c.side[analysis.FromServer].fd = fd, -1
	if !s.trusts(peer) {
		if !s.admit(c, peer) {
			unix.Close(fd)
			s.gate.leave(netip.Addr{})
			return
		}
	}
	l := s.leastLoaded()
	l.open.Add(1)
	c.l = l
	if !l.post(c.begin) {
		l.open.Add(-1)
		unix.Close(fd)
		s.gate.leave(c.counted)
	}
}

// admit counts a connection towards its client's limit, and reports whether it is within.
func (s *Server) admit(c *conn, client netip.AddrPort) bool {
	if s.limits.PerClient <= 0 || !client.IsValid() {
		return true
	}
	if !s.gate.count(client.Addr(), s.limits.PerClient) {
		if s.counters.overLimit.Add(1); s.told.overLimit.ok(time.Now()) {
			s.log.Warn("closed: the client has as many connections as one may have", zap.String("remote-addr", client.String()), zap.Int("limit", s.limits.PerClient))
		}
		return false
	}
	c.counted = client.Addr()
	return true
}

// dialFails says that the upstream cannot be reached, once until it can again.
func (n *listener) dialFails(s *Server, err error) {
	text := err.Error()
	if before := n.failing.Swap(&text); before == nil {
		s.log.Warn("the upstream cannot be reached", zap.String("listen", n.listen.String()), zap.Error(err))
	}
}

func (n *listener) dialWorks(s *Server) {
	if n.failing.Load() != nil && n.failing.Swap(nil) != nil {
		s.log.Info("the upstream can be reached again", zap.String("listen", n.listen.String()))
	}
}
