package main

import (
	"sync"
	"sync/atomic"

	"github.com/etcdtap/etcdtap/analysis"
	"github.com/etcdtap/etcdtap/capture"
)

// maxDetours bounds how many are remembered, 200 bytes each: more than a proxy has connections at one time.
const maxDetours = 1 << 17

// detours are what the proxy's files say of connections that are not reported yet, by their first packet. Packets are read in one
// goroutine and connections reported in another.
type detours struct {
	some    atomic.Bool // there was one
	mu      sync.Mutex
	byFirst map[int64]*capture.Detour
	dropped int64 // beyond maxDetours; read when all is over
}

func (d *detours) add(packet int64, detour *capture.Detour) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if len(d.byFirst) >= maxDetours {
		d.dropped++
		return
	}
	if d.byFirst == nil {
		d.byFirst = make(map[int64]*capture.Detour)
		d.some.Store(true)
	}
	d.byFirst[packet] = detour
}

// apply tells the facts what is known of their connection, and reports whether it came through a proxy.
func (d *detours) apply(f *analysis.Facts) bool {
	if !d.some.Load() {
		return false
	}
	d.mu.Lock()
	detour := d.byFirst[f.TCP.FirstPacket]
	delete(d.byFirst, f.TCP.FirstPacket)
	d.mu.Unlock()
	if detour != nil {
		detour.Apply(f)
	}
	return detour != nil
}
