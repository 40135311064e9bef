package proxy

import (
	"net/netip"
	"time"

	"github.com/etcdtap/etcdtap/analysis"
)

// Connection is what the proxy knows of a connection besides its bytes. Unix sockets have no address: theirs are the zero AddrPort.
type Connection struct {
	ID          uint64         // counted from 1
	Map         Map            // that accepted it
	At          time.Time      // when it was accepted
	Client      netip.AddrPort // the client: the one that accept saw, or that a trusted PROXY header names
	Peer        netip.AddrPort // the one that accept saw
	Listen      netip.AddrPort // the address that it was accepted at
	Outgoing    netip.AddrPort // our address towards the upstream: what etcd sees and logs as its client; zero before the dial succeeded
	Upstream    netip.AddrPort // the address connected to, or tried last; a port alone when a name had none, zero for a unix socket
	Destination netip.AddrPort // that a trusted PROXY header says the client connected to; zero when none does
	ProxyHeader int            // version of the PROXY header that named Client; 0: none came
	Dialed      time.Duration  // what it took to connect, or to fail
	Passed      []error        // why other addresses of the upstream's, tried before, failed
	DialError   error          // why there is no upstream connection; nil when there is
	Refused     bool           // valid iff DialError != nil: an RST answered
	TimedOut    bool           // valid iff DialError != nil: nothing answered
	Unreached   bool           // valid iff DialError != nil: no address could be reached, and none refused; false when the client gave up before
}

// ConnectedTo is the address that the client connected to, as far as is known: ours, or that of the proxy before us. Zero for a unix socket.
func (c *Connection) ConnectedTo() netip.AddrPort {
	if c.Destination.IsValid() {
		return c.Destination
	}
	return c.Listen
}

// Ended is how a connection went.
type Ended struct {
	At       time.Time
	Bytes    [2]int64 // forwarded, by Direction of the stream
	Answered bool     // the proxy itself answered a plaintext client, see Server.AnswerPlaintext
	Why      Reason
}

// Reason is why a connection ended.
type Reason uint8

const (
	ByPeers     Reason = iota // both sides closed, or one reset
	ByFirstByte               // Limits.FirstByte
	ByIdle                    // Limits.Idle
	ByDrain                   // the proxy stops
	ByDial                    // the upstream could not be reached
	ByFailure                 // our own failure
)

func (r Reason) String() string {
	return [...]string{"closed", "first-byte time-out", "idle time-out", "drain", "dial", "failure"}[r]
}

// Observer is told how connections go. Its methods are called from one goroutine, the watcher, one call at a time, and always in this
// order for a connection: Opened, then Quiet as often as that does not know enough and Settled at most once, Ended. They may take their
// time: while they do what passes waits in the queue, or becomes a Gap.
type Observer interface {
	// Opened: the upstream is connected, or could not be (c.DialError). c is not changed any more and may be kept.
	Opened(c *Connection)
	// Settled: the handshake's fate is known, nothing more is observed. f belongs to the Observer. It is not called after a Quiet that
	// knew enough.
	Settled(c *Connection, f *analysis.Facts)
	// Quiet: the fate is open, and nothing has come for a second; or it is stuck: still open after six, which is the news. f belongs to
	// the Observer, which reports whether it knows enough: then it is asked no more until the end.
	Quiet(c *Connection, f *analysis.Facts, stuck bool) (enough bool)
	// Ended: all is over. f belongs to the Observer.
	Ended(c *Connection, f *analysis.Facts, e Ended)
}

// Tap is given the observed bytes, to write them into a capture file for example. It is called like an Observer. p is not to be kept.
type Tap interface {
	Open(c *Connection)
	Data(c *Connection, d analysis.Direction, at time.Time, p []byte)
	Gap(c *Connection, d analysis.Direction, at time.Time, n int64) // n bytes passed that are not shown: lost, or after the fate was settled
	Close(c *Connection, d analysis.Direction, at time.Time, how analysis.CloseKind)
	End(c *Connection)
}
