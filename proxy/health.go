package proxy

import "net"

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
