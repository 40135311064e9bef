// Package capturetest makes captures for tests and benchmarks: any number of connections from a few real crypto/tls handshakes,
// interleaved, with as much disorder as is asked for. It is fast enough to make a file of a gigabyte in seconds, so that none
// has to be kept.
//
// What a capture contains follows from its Options alone: numbers, sizes, order and times of packets are the same in every run.
// The cryptographic bytes are not, because crypto/tls and the keys are random.
//
// Only tests, benchmarks and the command mkcapture import it.
package capturetest

import (
	"crypto/tls"
	"errors"
	"io"
	"math/rand/v2"
	"time"
)

// Options says what a capture contains. Shares are between 0 and 1. One of Packets and Connections has to be given.
type Options struct {
	Seed        uint64
	Packets     int64         // no connection begins when so many packets were written, and all are brought to their end
	Connections int           // how many connections begin, long ones included
	Concurrency int           // connections at one time; the default is 64
	Gap         time.Duration // mean time between two packets; the default is 20 µs

	Long      int     // connections that live from the beginning to the end, with TLS records of 16 KiB
	Bulk      float64 // share of packets that belong to them
	HalfOpen  float64 // share of connections that are never acknowledged
	Failing   float64 // share of connections whose TLS handshake fails
	Plaintext float64 // share of connections without TLS, to a port that is not etcd's
	IPv6      float64 // share of connections
	VLAN      float64 // share of connections
	Noise     float64 // share of packets that are not TCP

	Missing    float64 // share of packets that the capture has lost
	Reordered  float64 // share of packets that come after the next one of their direction, where there is one
	Duplicated float64 // share of packets that are there twice in a row
	Resent     float64 // share of packets that come again two packets of their connection later

	SnapLen int  // bytes kept of a packet; 0 means all
	Pcapng  bool // instead of pcap
}

// Counts is what was written.
type Counts struct {
	Packets     int64
	Bytes       int64 // of packets, as captured
	Connections int64
	HalfOpen    int64            // of the connections
	TLS12       int64            // of the connections
	TLS13       int64            // of the connections
	Outcomes    map[string]int64 // connections by the outcome that analysis should find when nothing is missing

	Noise      int64 // packets
	Missing    int64 // packets that were left out
	Reordered  int64 // packets
	Duplicated int64 // packets
	Resent     int64 // packets
}

// Library is the handshakes that captures are made of. It takes a second to make and may be used for many captures.
type Library struct {
	established []*script
	failing     []*script
	plaintext   *script
	halfOpen    [2]*script // taken in turn
	filler      []byte     // random bytes, for the bodies of records
}

// NewLibrary performs the handshakes.
func NewLibrary() (*Library, error) {
	p, err := newPKI()
	if err != nil {
		return nil, err
	}
	l := &Library{plaintext: plainScript(), halfOpen: halfOpenScripts(), filler: make([]byte, 1<<17)}
	random := rand.New(rand.NewPCG(1, 1))
	for i := range l.filler {
		l.filler[i] = byte(random.Uint32())
	}
	for i := range p.clients {
		for _, v := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
			s, err := tlsScript(p, exchange{version: v, cert: &p.clients[i]}, "established")
			if err != nil {
				return nil, err
			}
			l.established = append(l.established, s)
		}
	}
	for _, cert := range []*tls.Certificate{nil, &p.stray} {
		s, err := tlsScript(p, exchange{version: tls.VersionTLS12, cert: cert, fails: true}, "rejected_by_server")
		if err != nil {
			return nil, err
		}
		l.failing = append(l.failing, s)
	}
	return l, nil
}

// Write writes one capture.
func (l *Library) Write(w io.Writer, o Options) (Counts, error) {
	if o.Packets <= 0 && o.Connections <= 0 {
		return Counts{}, errors.New("neither Packets nor Connections is given")
	}
	if o.Concurrency <= 0 {
		o.Concurrency = 64
	}
	if o.Gap <= 0 {
		o.Gap = 20 * time.Microsecond
	}
	g := &generator{Library: l, Options: o, random: rand.New(rand.NewPCG(o.Seed, 0x65746364)), now: epoch.UnixNano()}
	g.counts.Outcomes = make(map[string]int64)
	g.out = newWriter(w, &o, &g.counts)
	g.run()
	g.out.flush()
	return g.counts, g.out.err
}

// Kinds are the captures that speed is measured on. Their sizes there, and what others need for them, are in docs/performance.md.
func Kinds() []string { return []string{"bulk", "handshakes", "mix", "mix-bulk", "halfopen"} }

// Kind returns the options of a capture of about so many packets; ok is false when there is none of that name.
func Kind(name string, packets int64) (o Options, ok bool) {
	o = Options{Seed: 1, Packets: packets}
	switch name {
	case "bulk":
		o.Long, o.Bulk, o.Connections = 8, 1, 8
	case "handshakes":
	case "mix", "mix-bulk":
		o.Long, o.Bulk, o.HalfOpen, o.Failing, o.Plaintext = 4, 0.25, 0.02, 0.05, 0.1
		if name == "mix-bulk" {
			o.Bulk = 0.4
		}
		o.IPv6, o.VLAN, o.Noise = 0.3, 0.2, 0.05
		o.Missing, o.Reordered, o.Duplicated, o.Resent = 0.001, 0.01, 0.005, 0.005
	case "halfopen":
		o.HalfOpen, o.Concurrency, o.Gap = 1, 100_000, 5*time.Microsecond
	default:
		return Options{}, false
	}
	return o, true
}
