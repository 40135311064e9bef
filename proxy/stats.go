package proxy

import "sync/atomic"

// Stats is what happened since Listen. All but Active only grow.
type Stats struct {
	Accepted   int64
	Active     int64    // open now
	Pauses     int64    // times that accepting paused at Limits.Connections
	Shortages  int64    // times that accepting paused because descriptors or memory were short
	OverLimit  int64    // closed at once for Limits.PerClient
	BadHeaders int64    // closed for a PROXY header that is none
	DialErrors int64    // connections for which no upstream address could be reached
	Loops      int64    // dials refused because they would have led back to us
	FirstByte  int64    // closed by Limits.FirstByte
	Idle       int64    // closed by Limits.Idle
	Drained    int64    // closed by us at the end of the drain
	Resets     int64    // ended by an RST of one side
	Answered   int64    // plaintext clients that were answered
	Bytes      [2]int64 // forwarded, by Direction of the stream
	Spliced    int64    // of them by splice
	Lost       int64    // bytes that the watcher did not get because its queue was full
	Unobserved int64    // connections that the watcher never got because it was too far behind
	Evicted    int64    // connections of which what was known was given up, to bound memory
	Panics     int64    // of Observer, Tap and analysis
}

// counters is Stats while it is being counted.
type counters struct {
	accepted, active, pauses, shortages, overLimit, badHeaders, dialErrors, loops          atomic.Int64
	firstByte, idle, drained, resets, answered, spliced, lost, unobserved, evicted, panics atomic.Int64
	bytes                                                                                  [2]atomic.Int64
}

// Stats is a snapshot. It may be called at any time.
func (s *Server) Stats() Stats {
	c := &s.counters
	return Stats{
		Accepted: c.accepted.Load(), Active: c.active.Load(), Pauses: c.pauses.Load(), Shortages: c.shortages.Load(),
		OverLimit: c.overLimit.Load(), BadHeaders: c.badHeaders.Load(), DialErrors: c.dialErrors.Load(), Loops: c.loops.Load(),
		FirstByte: c.firstByte.Load(), Idle: c.idle.Load(), Drained: c.drained.Load(), Resets: c.resets.Load(), Answered: c.answered.Load(),
		Bytes: [2]int64{c.bytes[0].Load(), c.bytes[1].Load()}, Spliced: c.spliced.Load(),
		Lost: c.lost.Load(), Unobserved: c.unobserved.Load(), Evicted: c.evicted.Load(), Panics: c.panics.Load(),
	}
}
