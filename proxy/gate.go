package proxy

import (
	"errors"
	"net/netip"
	"sync"
)

var errFull = errors.New("as many connections are open as may be")

// gate counts the connections that are open, in all and by client.
type gate struct {
	mu       sync.Mutex
	limit    int
	active   int
	clients  map[netip.Addr]int // empty without a limit per client
	notFull  chan struct{}      // closed when there is room; nil: nobody waits
	empty    chan struct{}      // closed when nothing is open; nil: nobody waits
	counters *counters
}

// enter takes a place, and reports whether there was one.
func (g *gate) enter() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.active >= g.limit {
		return false
	}
	g.active++
	g.counters.active.Store(int64(g.active))
	return true
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

// leave gives a place back, and one of client unless that is zero.
func (g *gate) leave(client netip.Addr) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.active--
	g.counters.active.Store(int64(g.active))
	if client.IsValid() {
		if g.clients[client]--; g.clients[client] <= 0 {
			delete(g.clients, client)
		}
	}
	if g.notFull != nil {
		close(g.notFull)
		g.notFull = nil
	}
	if g.active == 0 && g.empty != nil {
		close(g.empty)
		g.empty = nil
	}
}

// room is closed when there may be room.
func (g *gate) room() <-chan struct{} {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.active < g.limit {
		return closedChan()
	}
	if g.notFull == nil {
		g.notFull = make(chan struct{})
	}
	return g.notFull
}

// idle is closed when nothing is open any more.
func (g *gate) idle() <-chan struct{} {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.active == 0 {
		return closedChan()
	}
	if g.empty == nil {
		g.empty = make(chan struct{})
	}
	return g.empty
}

func closedChan() <-chan struct{} {
	c := make(chan struct{})
	close(c)
	return c
}
