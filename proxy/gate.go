package proxy

import (
	"net/netip"
	"sync"
)

// gate counts the connections that are open, in all and by client.
type gate struct {
	mu       sync.Mutex
	limit    int
	active   int
	clients  map[netip.Addr]int // empty without a limit per client
	waiting  bool               // somebody found no room
	empty    chan struct{}      // closed when nothing is open; nil: nobody waits
	counters *counters
}

// enter takes a place, and reports whether there was one, and if not whether nobody else has waited for one.
func (g *gate) enter() (ok, first bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.active >= g.limit {
		first = !g.waiting
		g.waiting = true
		return false, first
	}
	g.active++
	g.counters.active.Store(int64(g.active))
	return true, false
}

// count takes a place among those of one client, of limit, and reports whether there was one.
func (g *gate) count(client netip.Addr, limit int) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.clients[client] >= limit {
		return false
	}
	if g.clients == nil {
		g.clients = make(map[netip.Addr]int)
	}
	g.clients[client]++
	return true
}

// leave gives a place back, and one of client unless that is zero. It reports whether somebody waits for one.
func (g *gate) leave(client netip.Addr) (wanted bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.active--
	g.counters.active.Store(int64(g.active))
	if client.IsValid() {
		if g.clients[client]--; g.clients[client] <= 0 {
			delete(g.clients, client)
		}
	}
	if g.active == 0 && g.empty != nil {
		close(g.empty)
		g.empty = nil
	}
	wanted, g.waiting = g.waiting, false
	return wanted
}

// idle is closed when nothing is open any more.
func (g *gate) idle() <-chan struct{} {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.active == 0 {
		c := make(chan struct{})
		close(c)
		return c
	}
	if g.empty == nil {
		g.empty = make(chan struct{})
	}
	return g.empty
}
