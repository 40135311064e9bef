package main

import (
	"net/netip"
	"time"

	"go.uber.org/zap"

	"github.com/etcdtap/etcdtap/analysis"
	"github.com/etcdtap/etcdtap/capture"
	"github.com/etcdtap/etcdtap/capture/live"
	"github.com/etcdtap/etcdtap/capture/owner"
)

// processFinder names the processes that open connections. A nil one names none.
type processFinder struct {
	finder *owner.Finder
	syns   *live.SYNs // nil where they cannot be heard by themselves
	ended  chan struct{}
}

// startFinder begins to look for processes in a network namespace; "" is our own. Connections to the ports are looked up the moment their
// SYN passes. Where that cannot be done it says so and goes without.
func (e *environment) startFinder(ports []uint16, netns string) *processFinder {
	f, err := owner.Start(owner.Options{NetNS: netns, Log: e.log})
	if err != nil {
		e.log.Warn("the processes of clients cannot be named", zap.Error(err))
		return nil
	}
	p := &processFinder{finder: f, ended: make(chan struct{})}
	if len(ports) == 0 { // whoever asks knows at once
		close(p.ended)
		return p
	}
	if p.syns, err = live.OpenSYNs(ports, netns); err != nil {
		e.log.Warn("the processes of clients that live for less than a tenth of a second cannot be named", zap.Error(err))
		close(p.ended)
		return p
	}
	go func() {
		defer close(p.ended)
		if err := p.syns.Each(f.Ask); err != nil {
			e.log.Warn("the processes of clients that live for less than a tenth of a second cannot be named any more", zap.Error(err))
		}
	}()
	return p
}

// ask begins to look for who sent the segment, which opens a connection, unless that was done when it passed. It never waits.
func (f *processFinder) ask(p *capture.Packet, s *capture.Segment) {
	f.finder.Ask(s.Source(), s.Destination(), time.Unix(0, p.Time))
}

// answerWait is how long a report waits for its process: the look-up was begun at the SYN, and is over nearly always.
const answerWait = 20 * time.Millisecond

// find is who opened a connection; nil when the client is not on this host.
func (f *processFinder) find(client, server netip.AddrPort, start time.Time) *analysis.Process {
	p, ok := f.finder.Answer(client, server, start, answerWait)
	if !ok {
		return nil
	}
	return &p
}

// dropped is how many connections came too fast to be looked up.
func (f *processFinder) dropped() int64 { return f.finder.Stats().Dropped }

func (f *processFinder) close() {
	if f == nil {
		return
	}
	if f.syns != nil {
		f.syns.Close()
	}
	<-f.ended
	f.finder.Close()
}
