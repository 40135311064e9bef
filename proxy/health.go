package proxy

import (
	"context"
	"net"
)

// Bound is a map with the address that its listener is bound to: another than the map's when that has port 0.
type Bound struct {
	Map
	Addr net.Addr
}

// Bound lists what is listened on.
func (s *Server) Bound() []Bound {
	s.mu.Lock()
	defer s.mu.Unlock()
	var b []Bound
	for _, n := range s.listeners {
		b = append(b, Bound{Map: *n.m.Load(), Addr: n.at})
	}
	return b
}

// Health is the state of one map.
type Health struct {
	Map
	Failing string // why the last dial failed; "" when it worked, or none was tried yet
}

// Health says of each map whether its upstream could be reached when that was last tried.
func (s *Server) Health() []Health {
	s.mu.Lock()
	defer s.mu.Unlock()
	var all []Health
	for _, n := range s.listeners {
		h := Health{Map: *n.m.Load()}
		if text := n.failing.Load(); text != nil {
			h.Failing = *text
		}
		all = append(all, h)
	}
	return all
}

// Reach tries to connect to the upstream of each map, and closes at once. etcd's log has a line about each try, so it is not for every
// second; Health costs nothing.
func (s *Server) Reach(ctx context.Context) []Health {
	var all []Health
	for _, b := range s.Bound() {
		h := Health{Map: b.Map}
		network, address := "tcp", b.Upstream.String()
		if b.Upstream.Path != "" {
			network, address = "unix", b.Upstream.Path
		}
		dialer := net.Dialer{Timeout: s.limits.Dial}
		c, err := dialer.DialContext(ctx, network, address)
		if err != nil {
			h.Failing = err.Error()
		} else {
			c.Close()
		}
		all = append(all, h)
	}
	return all
}
