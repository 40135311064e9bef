package proxy

import (
	"net"
	"net/netip"
	"path/filepath"
)

// own are the addresses that we listen on: connecting to one of them would be a loop.
type own struct {
	listen []netip.AddrPort
	paths  []string
	local  map[netip.Addr]bool // of this host's interfaces
}

func newOwn(listeners []*listener) *own {
	o := &own{local: make(map[netip.Addr]bool)}
	for _, n := range listeners {
		if n.addr.IsValid() {
			o.listen = append(o.listen, n.addr)
		} else {
			o.paths = append(o.paths, absolute(n.listen.Path))
		}
	}
	addrs, _ := net.InterfaceAddrs() // without them loopback and what is listened on is still known
	for _, a := range addrs {
		if p, err := netip.ParsePrefix(a.String()); err == nil {
			o.local[p.Addr().Unmap()] = true
		}
	}
	return o
}

// is reports whether connecting to a would lead to one of our listeners.
func (o *own) is(a netip.AddrPort) bool {
	ip := a.Addr().Unmap().WithZone("")
	for _, l := range o.listen {
		at := l.Addr().WithZone("")
		switch {
		case l.Port() != a.Port():
		case at == ip:
			return true
		case at.IsUnspecified() && (ip.IsLoopback() || ip.IsUnspecified() || o.local[ip]):
			return true
		case ip.IsUnspecified() && at.IsLoopback(): // connecting to it means this host
			return true
		}
	}
	return false
}

func (o *own) isPath(path string) bool {
	path = absolute(path)
	for _, p := range o.paths {
		if p == path {
			return true
		}
	}
	return false
}

// absolute is a path without links in its directory.
func absolute(path string) string {
	if a, err := filepath.Abs(path); err == nil {
		path = a
	}
	if dir, err := filepath.EvalSymlinks(filepath.Dir(path)); err == nil {
		path = filepath.Join(dir, filepath.Base(path))
	}
	return path
}
