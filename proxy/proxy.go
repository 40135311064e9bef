// Package proxy passes TCP connections through, byte for byte, and shows what passes to an analysis.Conn.
//
// It terminates nothing: what one side sends the other receives, in order and unaltered, with half-close, resets and back-pressure.
// A Server has maps, each from a listener to an upstream. Its zero value works once it has maps:
//
//	s := &proxy.Server{Maps: []proxy.Map{m}, Observer: o, Log: log}
//	if err := s.Listen(); err != nil { ... }
//	err := s.Serve(ctx) // until ctx is done and the connections have drained
//
// # How it works
//
// Loops, one per processor, accept connections and own them: each waits for readiness (epoll; poll(2) where there is none) and moves
// bytes with non-blocking calls, so an idle connection costs two descriptors and some hundred bytes, and no goroutine, buffer or pipe.
// A connection goes to the loop that has the fewest. As long as a connection is observed its bytes go through the loop's buffer; then small messages still do,
// and bulk is spliced from socket to socket without being copied (Linux).
//
// # Forward first, observe second
//
// What was forwarded is copied into a bounded queue, and one goroutine, the watcher, takes it from there to the analysis, the Tap and
// the Observer. They may be slow, block or panic: the queue fills up, what does not fit becomes a Gap, and forwarding never waits.
package proxy

import (
	"net"
	"net/netip"
	"time"

	"github.com/etcdtap/etcdtap/analysis"
	"go.uber.org/zap"
)

// Server is a pass-through proxy. Its exported fields are options: set them before Listen and leave them alone then.
type Server struct {
	Maps   []Map
	Limits Limits

	TrustedProxies  []netip.Prefix // a PROXY protocol header (v1, v2) is taken from these; from others it is passed on like any bytes
	SendProxy       int            // 1, 2: begin each upstream connection with a PROXY protocol header of this version; 0: none
	AnswerPlaintext bool           // answer HTTP in clear where the upstream speaks TLS: the one thing that is not pass-through
	AllowRemote     bool           // listen on other addresses than loopback

	// Inherited are listeners that somebody else opened, as by systemd's socket activation. A map whose Listen is the address of one of
	// them takes it over; those that no map names stay unused.
	Inherited []net.Listener

	Observer Observer               // is told how connections begin, settle and end; nil: nobody
	Tap      Tap                    // is given the observed bytes; nil: nobody
	Observe  func(c *analysis.Conn) // prepares each analysis.Conn, with keys for example; nil: nothing
	Loops    int                    // goroutines that move bytes; 0 means GOMAXPROCS. The scheduler needs two processors more to be fast
	Log      *zap.Logger            // nil is silent

	state
}

// Map says what is forwarded where.
type Map struct {
	Listen, Upstream Address
	Role             analysis.Endpoint // which of etcd's ports the upstream is
	TLS              bool              // the upstream is known to speak TLS; what is not known is learned from its answers
}

func (m Map) String() string { return m.Listen.String() + "=" + m.Upstream.String() }

// Limits bound what clients can make the proxy hold. Zero values mean the defaults.
type Limits struct {
	Connections  int           // at a time; then accepting pauses and the kernel's backlog holds. 0 means DefaultConnections, or fewer where descriptors are short
	PerClient    int           // at a time from one client address; more are closed at once. 0 means no limit: behind a load balancer all have one
	Dial         time.Duration // for each of an upstream's addresses; 0 means DefaultDial
	FirstByte    time.Duration // neither side has sent a byte for so long: closed. 0 means DefaultFirstByte, negative never
	Idle         time.Duration // nothing has passed for so long: closed. 0 means never: an etcd watch may be silent for days, and keep-alives find dead peers
	ObserveBytes int64         // of a connection are observed at the most, both directions together; 0 means DefaultObserveBytes
	QueueBytes   int           // wait for the watcher at the most; what is beyond is a Gap. 0 means DefaultQueueBytes
	HeldBytes    int           // the analysis holds of all connections at the most, beside 3 KiB of each; 0 means DefaultHeldBytes
	Drain        time.Duration // connections get to end after Serve's ctx is done; 0 means DefaultDrain, negative closes them at once
}

// Defaults of Limits.
const (
	DefaultConnections  = 20_000           // 10,000 clients are a large cluster's; twice as many cost some 100 MiB
	DefaultDial         = 5 * time.Second  // a SYN is sent again after 1 and 3 s
	DefaultFirstByte    = 60 * time.Second // six times what etcd itself waits for a handshake
	DefaultObserveBytes = 512 << 10        // no handshake is as long; the analysis is content long before
	DefaultQueueBytes   = 16 << 20         // some 3000 handshakes that arrive at once
	DefaultHeldBytes    = 128 << 20        // a thousand clients that have sent half of the longest message each
	DefaultDrain        = 10 * time.Second // long enough for requests, watches never end by themselves
)

// Of the kernel's time-outs.
const (
	keepAliveIdle     = 15 * time.Second // as Go's own default: a dead peer is found within two and a half minutes
	keepAliveInterval = 15 * time.Second
	keepAliveCount    = 9
)

func (l Limits) withDefaults() Limits {
	if l.Connections <= 0 {
		l.Connections = DefaultConnections
	}
	if l.Dial <= 0 {
		l.Dial = DefaultDial
	}
	switch {
	case l.FirstByte == 0:
		l.FirstByte = DefaultFirstByte
	case l.FirstByte < 0:
		l.FirstByte = 0
	}
	if l.ObserveBytes <= 0 {
		l.ObserveBytes = DefaultObserveBytes
	}
	if l.QueueBytes <= 0 {
		l.QueueBytes = DefaultQueueBytes
	}
	if l.HeldBytes <= 0 {
		l.HeldBytes = DefaultHeldBytes
	}
	switch {
	case l.Drain == 0:
		l.Drain = DefaultDrain
	case l.Drain < 0:
		l.Drain = 0
	}
	l.Idle = max(l.Idle, 0)
	return l
}

// tick is how often the loops look for time-outs: often enough for the shortest of them, and never so often that it costs.
func (l Limits) tick() time.Duration {
	shortest := l.Dial
	for _, d := range [...]time.Duration{l.FirstByte, l.Idle} {
		if d > 0 {
			shortest = min(shortest, d)
		}
	}
	return min(max(shortest/8, 10*time.Millisecond), time.Second)
}
