package proxy

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"sync/atomic"
	"syscall"
	"time"

	"go.uber.org/zap"
	"golang.org/x/sys/unix"
)

// listener is what the connections of one map come from. The loops accept them (accept.go).
type listener struct {
	fd      int                 // in no poller of Go's: each connection would wake it for nothing
	at      net.Addr            // bound to
	unlink  string              // the path to be removed at the end
	listen  Address             // as the map names it
	addr    netip.AddrPort      // bound to; zero for a unix socket
	m       atomic.Pointer[Map] // Reload may change its upstream
	tls     atomic.Bool         // the upstream was seen to speak TLS
	failing atomic.Pointer[string]
	last    atomic.Int64 // the ordinal number of the connection that last came from it
	served  bool         // the loops know it; guarded by Server.mu
}

// name is where it listens: the port that the system chose, where the map says 0.
func (n *listener) name() string {
	if n.listen.Path != "" {
		return n.listen.String()
	}
	return n.at.String()
}

// openListener listens for m, or takes over the inherited listener for it.
func (s *Server) openListener(m Map) (*listener, error) {
	socket, inherited, err := s.socketFor(m.Listen)
	if err != nil {
		return nil, err
	}
	n := &listener{at: socket.Addr(), listen: m.Listen, addr: addrPort(socket.Addr())}
	n.m.Store(&m)
	n.tls.Store(m.TLS)
	if n.fd, err = takeOver(socket); err != nil {
		return nil, fmt.Errorf("listening on %s: %w", m.Listen, err)
	}
	if !inherited {
		n.unlink = m.Listen.Path
	}
	return n, nil
}

// takeOver takes a listener's socket out of Go's hands, and tunes the connections that it will accept.
func takeOver(l net.Listener) (fd int, err error) {
	defer l.Close()
	if u, ok := l.(*net.UnixListener); ok {
		u.SetUnlinkOnClose(false)
	}
	raw, err := l.(syscall.Conn).SyscallConn()
	if err != nil {
		return -1, err
	}
	controlErr := raw.Control(func(socket uintptr) {
		if _, ok := l.(*net.TCPListener); ok {
			setNoDelay(int(socket))
			setKeepAlive(int(socket))
		}
		fd, err = unix.FcntlInt(socket, unix.F_DUPFD_CLOEXEC, 0)
	})
	return fd, errors.Join(controlErr, err)
}

// socketFor gives the socket for a, and whether it is inherited.
func (s *Server) socketFor(a Address) (l net.Listener, inherited bool, err error) {
	for i, l := range s.Inherited {
		if matches(a, l.Addr()) {
			switch l.(type) {
			case *net.TCPListener, *net.UnixListener:
				s.Inherited = slices.Delete(slices.Clone(s.Inherited), i, i+1)
				return l, true, nil
			}
			return nil, true, fmt.Errorf("the listener inherited for %s is a %T: want a TCP or a unix socket", a, l)
		}
	}
	if a.Path != "" {
		l, err = listenPath(a.Path)
	} else {
		l, err = s.listenTCP(a)
	}
	return l, false, err
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
	switch {
	case errors.Is(err, syscall.EADDRINUSE):
		return nil, fmt.Errorf("listening on %s: the port is taken; find out by whom with: ss -ltnp 'sport = :%d'", a, a.Port)
	case errors.Is(err, syscall.EADDRNOTAVAIL):
		return nil, fmt.Errorf("listening on %s: %s is no address of this host; see those that are with: ip address", a, host)
	case errors.Is(err, syscall.EACCES):
		return nil, fmt.Errorf("listening on %s: ports as low as %d take a privilege (CAP_NET_BIND_SERVICE); choose one from 1024", a, a.Port)
	case err != nil:
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
	switch {
	case errors.Is(err, syscall.ENOENT):
		return nil, fmt.Errorf("listening on unix:%s: its directory does not exist; make it with: mkdir -p %s", path, filepath.Dir(path))
	case errors.Is(err, syscall.EACCES):
		return nil, fmt.Errorf("listening on unix:%s: this user may not write to the directory; see who may with: ls -ld %s", path, filepath.Dir(path))
	case err != nil:
		return nil, fmt.Errorf("listening on unix:%s: %w", path, err)
	}
	return l, nil
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
		s.log.Warn("the upstream cannot be reached", zap.String("listen", n.name()), zap.Error(err))
	}
}

func (n *listener) dialWorks(s *Server) {
	if n.failing.Load() != nil && n.failing.Swap(nil) != nil {
		s.log.Info("the upstream can be reached again", zap.String("listen", n.name()))
	}
}
