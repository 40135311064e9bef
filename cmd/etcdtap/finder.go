package main

import (
	"time"

	"go.uber.org/zap"

	"github.com/etcdtap/etcdtap/analysis"
	"github.com/etcdtap/etcdtap/capture"
	"github.com/etcdtap/etcdtap/capture/owner"
)

// processFinder names the processes that open connections. A nil one names none.
type processFinder struct{ finder *owner.Finder }

// startFinder begins to look for processes in a network namespace; "" is our own. Where that cannot be done it says so and goes without.
func (e *environment) startFinder(netns string) *processFinder {
	f, err := owner.Start(owner.Options{NetNS: netns, Log: e.log})
	if err != nil {
		e.log.Warn("the processes of clients cannot be named", zap.Error(err))
		return nil
	}
	return &processFinder{f}
}

// ask begins to look for who sent the segment, which opens a connection. It never waits.
func (f *processFinder) ask(p *capture.Packet, s *capture.Segment) {
	f.finder.Ask(s.Source(), s.Destination(), time.Unix(0, p.Time))
}

// answerWait is how long a report waits for its process: the look-up was begun at the SYN, and is over nearly always.
const answerWait = 20 * time.Millisecond

// answer is who opened the connection; nil when the client is not on this host.
func (f *processFinder) answer(c *analysis.Connection) *analysis.Process {
	p, ok := f.finder.Answer(c.Client, c.Server, c.Start, answerWait)
	if !ok {
		return nil
	}
	return &p
}

// dropped is how many connections came too fast to be looked up.
func (f *processFinder) dropped() int64 { return f.finder.Stats().Dropped }

func (f *processFinder) close() {
	if f != nil {
		f.finder.Close()
	}
}
