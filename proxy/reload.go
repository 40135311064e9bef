package proxy

import (
	"errors"
	"fmt"
	"slices"
)

// Reload changes what is forwarded where. Listeners that both have live on, with their new upstream; live connections are not
// touched. When it fails nothing has changed.
func (s *Server) Reload(maps []Map) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ended || s.stop == nil {
		return ErrClosed
	}
	if len(maps) == 0 {
		return errors.New("nothing to forward: want at least one map of LISTEN to UPSTREAM")
	}
	listeners, err := s.listenersFor(maps)
	if err != nil {
		return err
	}
	kept := make(map[*listener]bool)
	for i, n := range listeners {
		kept[n] = true
		before := n.m.Load()
		if before.Upstream != maps[i].Upstream || before.TLS != maps[i].TLS {
			n.tls.Store(maps[i].TLS)
		}
		if before.Upstream != maps[i].Upstream {
			n.failing.Store(nil) // that was said of another one
		}
		n.m.Store(&maps[i])
	}
	for _, n := range s.listeners {
		if !kept[n] {
			n.close(s)
		}
	}
	s.listeners = listeners
	if s.serving {
		for _, n := range listeners {
			if !n.served {
				s.serve(n)
			}
		}
	}
	return nil
}

// MapError is about the maps themselves, not about the system.
type MapError struct{ err error }

func (e *MapError) Error() string { return e.err.Error() }
func (e *MapError) Unwrap() error { return e.err }

// listenersFor gives a listener for each map: those that are open already, and new ones. It checks that no upstream is one of them.
func (s *Server) listenersFor(maps []Map) (listeners []*listener, err error) {
	var fresh []*listener
	defer func() {
		if err != nil {
			s.closeAll(fresh)
		}
	}()
	for _, m := range maps {
		n := s.listening(m.Listen, listeners)
		if n == nil && m.Listen.fixed() && slices.ContainsFunc(listeners, func(l *listener) bool { return l.listen == m.Listen }) {
			return nil, &MapError{fmt.Errorf("%s is listened on by two maps: want each address once", m.Listen)}
		}
		if n == nil {
			if n, err = s.openListener(m); err != nil {
				return nil, err
			}
			fresh = append(fresh, n)
		}
		listeners = append(listeners, n)
	}
	o := newOwn(listeners)
	for _, m := range maps {
		if err := o.check(m, s.log); err != nil {
			return nil, err
		}
	}
	s.own.Store(o)
	return listeners, nil
}

// listening is the listener that is already there for a and not among taken: there may be many with port 0.
func (s *Server) listening(a Address, taken []*listener) *listener {
	for _, n := range s.listeners {
		if n.listen == a && !slices.Contains(taken, n) {
			return n
		}
	}
	return nil
}
