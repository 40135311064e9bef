package proxy

import (
	"fmt"
	"net"
	"net/netip"
	"strconv"
	"strings"
)

// Address is where to listen or what to connect to: a host and a port, or the path of a unix socket.
type Address struct {
	Host string // a name, an IPv4 or IPv6 address without brackets, "" for all addresses; valid iff Path is ""
	Port uint16
	Path string // of a unix socket; "" for TCP
}

// maxUnixPath is the longest path that fits into Linux's sockaddr_un with its final zero.
const maxUnixPath = 107

// ParseAddress reads HOST:PORT, [IPv6]:PORT, :PORT or unix:/PATH. The URLs that etcd is configured with are taken, too.
func ParseAddress(s string) (Address, error) {
	if path, ok := strings.CutPrefix(s, "unix:"); ok {
		path = strings.TrimPrefix(path, "//")
		switch {
		case path == "":
			return Address{}, fmt.Errorf("%q names no path: want unix:/PATH", s)
		case len(path) > maxUnixPath:
			return Address{}, fmt.Errorf("the path in %q is longer than the %d bytes that a unix socket's may have", s, maxUnixPath)
		case strings.ContainsRune(path, 0):
			return Address{}, fmt.Errorf("the path in %q has a zero byte in it", s)
		}
		return Address{Path: path}, nil
	}
	rest := s
	for _, scheme := range [...]string{"https://", "http://", "tcp:"} {
		if r, ok := strings.CutPrefix(rest, scheme); ok {
			rest = strings.TrimSuffix(r, "/")
			break
		}
	}
	host, port, err := net.SplitHostPort(rest)
	if err != nil {
		return Address{}, fmt.Errorf("%q is no address: want HOST:PORT, [IPv6]:PORT or unix:/PATH", s)
	}
	n, err := strconv.ParseUint(port, 10, 16)
	if err != nil {
		return Address{}, fmt.Errorf("%q has no port number: want HOST:PORT, with PORT from 0 to 65535", s)
	}
	if strings.ContainsAny(host, "/ \t\r\n\x00=") {
		return Address{}, fmt.Errorf("%q has no host name: want HOST:PORT, [IPv6]:PORT or unix:/PATH", s)
	}
	return Address{Host: host, Port: uint16(n)}, nil
}

// ParseMap reads LISTEN=UPSTREAM.
func ParseMap(s string) (Map, error) {
	listen, upstream, ok := strings.Cut(s, "=")
	if !ok {
		return Map{}, fmt.Errorf("%.40q is no map: want LISTEN=UPSTREAM, as 127.0.0.1:12379=127.0.0.1:2379", s)
	}
	l, err := ParseAddress(listen)
	if err != nil {
		return Map{}, err
	}
	u, err := ParseAddress(upstream)
	if err != nil {
		return Map{}, err
	}
	if u.Path == "" && u.Port == 0 {
		return Map{}, fmt.Errorf("the upstream %q has no port: want HOST:PORT", upstream)
	}
	if u.Path == "" && u.Host == "" {
		return Map{}, fmt.Errorf("the upstream %q has no host: want HOST:PORT", upstream)
	}
	return Map{Listen: l, Upstream: u}, nil
}

func (a Address) String() string {
	if a.Path != "" {
		return "unix:" + a.Path
	}
	return net.JoinHostPort(a.Host, strconv.Itoa(int(a.Port)))
}

// fixed reports whether a names one address only: with port 0 the kernel chooses another each time.
func (a Address) fixed() bool { return a.Path != "" || a.Port != 0 }

// literal is the address where it is numeric.
func (a Address) literal() (netip.AddrPort, bool) {
	ip, err := netip.ParseAddr(a.Host)
	return netip.AddrPortFrom(ip.Unmap(), a.Port), err == nil
}

// addrPort is a net.Addr's address and port, without the IPv4-in-IPv6 form; zero for a unix socket.
func addrPort(a net.Addr) netip.AddrPort {
	t, ok := a.(*net.TCPAddr)
	if !ok {
		return netip.AddrPort{}
	}
	p := t.AddrPort()
	return netip.AddrPortFrom(p.Addr().Unmap(), p.Port())
}
