package main

import (
	"github.com/etcdtap/etcdtap/analysis"
	"github.com/etcdtap/etcdtap/metrics"
	"github.com/etcdtap/etcdtap/proxy"
)

// proxyInput tells the summary what was not seen, and what the proxy itself ended.
func proxyInput(s *proxy.Stats) (in analysis.Input) {
	note(&in.Other, "bytes that passed unobserved, because forwarding comes first", s.Lost)
	note(&in.Other, "connections that passed unobserved", s.Unobserved)
	note(&in.Other, "connections of which what was known was forgotten, to bound memory; they live on", s.Evicted)
	note(&in.Other, "connections closed at once: too many of one client", s.OverLimit)
	note(&in.Other, "connections closed: their PROXY header is none", s.BadHeaders)
	note(&in.Other, "connections closed: they would have led back to the proxy", s.Loops)
	note(&in.Other, "connections closed: no first byte in time", s.FirstByte)
	note(&in.Other, "connections closed: idle for too long", s.Idle)
	note(&in.Other, "connections closed at the end of the drain", s.Drained)
	note(&in.Other, "clients without TLS that were answered", s.Answered)
	note(&in.Other, "failures of the observer", s.Panics)
	return in
}

// stats are the numbers for the metrics.
func (p *forwarder) stats() metrics.ProxyStats {
	s := p.server.Stats()
	return metrics.ProxyStats{Active: s.Active, Accepted: s.Accepted, Pauses: s.Pauses, Shortages: s.Shortages, OverLimit: s.OverLimit,
		BadHeaders: s.BadHeaders, Loops: s.Loops, FirstByte: s.FirstByte, Idle: s.Idle, Drained: s.Drained, Answered: s.Answered, Bytes: s.Bytes,
		Spliced: s.Spliced, MissedBytes: s.Lost, Unobserved: s.Unobserved, Panics: s.Panics}
}
