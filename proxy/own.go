package proxy

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"path/filepath"

	"go.uber.org/zap"
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

// check refuses an upstream that is one of our listeners.
func (o *own) check(m Map, log *zap.Logger) error {
	loop := false
	var ips []netip.Addr
	if a, ok := m.Upstream.literal(); m.Upstream.Path != "" {
		loop = o.isPath(m.Upstream.Path)
	} else if ok {
		ips = []netip.Addr{a.Addr()}
	} else {
		ctx, cancel := context.WithTimeout(context.Background(), DefaultDial)
		defer cancel()
		var err error
		if ips, err = net.DefaultResolver.LookupNetIP(ctx, "ip", m.Upstream.Host); err != nil {
			log.Warn("the upstream's name cannot be resolved now, it is tried again with each connection", zap.String("upstream", m.Upstream.String()), zap.Error(err))
		}
	}
	for _, ip := range ips {
		loop = loop || o.is(netip.AddrPortFrom(ip.Unmap(), m.Upstream.Port))
	}
	if loop {
		return &MapError{fmt.Errorf("the upstream %s is this proxy itself: each connection would lead to the next; name the address that etcd listens on (--listen-client-urls)", m.Upstream)}
	}
	return nil
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
