package main

import (
	"runtime/debug"
	"time"
)

// restAfter is how long no client must have come for a burst to be over.
const restAfter = time.Second

// respite gives back the memory that a burst of handshakes took: connections stay idle for days, and what their beginning took would stay
// with them, half as much again as what they need.
type respite struct {
	accepted int64 // connections so far, when that last changed
	since    time.Time
	done     bool
}

func (r *respite) tick(now time.Time, accepted int64) {
	if accepted != r.accepted {
		*r = respite{accepted: accepted, since: now}
	}
	if r.done || accepted == 0 || now.Sub(r.since) < restAfter {
		return
	}
	r.done = true
	debug.FreeOSMemory()
}
