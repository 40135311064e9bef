package capture

import (
	"encoding/binary"
	"net/netip"

	"github.com/etcdtap/etcdtap/analysis"
)

// connection is the state of one connection in the table. It holds no pointers, so the collector never looks at a slab, and it is all
// that a connection between IPv4 addresses costs until its first data byte or its end comes. Before it is established it is an embryo.
//
// It is two cache lines. The first serves nearly every packet, and of a million connections hardly one is in the processor's caches.
type connection struct {
	ends   ends
	flags  uint16                // see connSYN
	closed [2]analysis.CloseKind // by Direction: CloseFIN or CloseRST as soon as seen
	half   [2]half               // by Direction
	seen   int64                 // time of the last packet
	last   int64                 // its number

	first, start int64              // number and time of the first packet
	fin          [2]uint32          // by Direction: the number of the FIN, or where a RST ended the stream; valid iff halfFIN or halfReset
	carried      [2]uint32          // by Direction: packets in units of 65,536, beyond those that half counts
	links        links              // in the list that it is in: active or (next only) free
	tag          uint32             // of the ends; finds the slot again
	stream       uint32             // index of the attachment; valid iff attached
	more         uint32             // index of what few connections have; 0: none
	gave         analysis.CloseKind // why we gave up; CloseNone when the connection closed itself
	_            [11]byte
}

// links are an element's neighbours in a list, as indexes; 0 is none.
type links struct{ prev, next uint32 }

// half is one direction of a connection, as far as numbers go. Sequence numbers are compared in the manner of RFC 1982.
type half struct {
	start   uint32 // of the first byte; valid iff halfStarted
	next    uint32 // of the next byte in order; valid iff halfStarted
	acked   uint32 // the highest acknowledged by the other side; valid iff halfAcked
	flags   uint16 // see halfSeen
	packets uint16 // since the last multiple of 65,536, see connection.carried
}

// more is what a connection has besides if it is between IPv6 addresses, or once one of its sides has closed.
type more struct {
	addr    [2]Address // by Direction; valid iff connWide
	closing [2]closing // by Direction
}

// closing is where a FIN or RST was seen.
type closing struct {
	packet int64 // valid iff the half is closed
	at     int64 // its time; of a half that is not closed, when the other's RST after its FIN finished the connection
}

// Flags of a connection.
const (
	connSYN           = 1 << iota // a SYN was seen
	connSYNACK                    // a SYN-ACK was seen
	connEstablished               // something showed that the handshake was completed
	connRolesKnown                // by SYN or SYN-ACK
	connRolesPort                 // guessed by server port: first bytes do not change it
	connFinished                  // in the lingering list
	connDetached                  // no longer in the table
	connReset                     // a RST was heeded
	connTold                      // the EarlySink knows enough of it
	connClosesSwapped             // the FIN that came second was sent first
	connFree                      // in no use
	connWide                      // its addresses are in more
	connAttached                  // it has an attachment: data came
)

// ends are a connection's endpoints, by Direction.
type ends struct {
	addr [2]uint32 // IPv4 addresses in network byte order; valid iff not connWide
	port [2]uint16
}

// sender says who sends a segment with these IPv4 addresses, if it is between these ends.
func (e *ends) sender(src, dst uint32, s *Segment) (from analysis.Direction, same bool) {
	if *e == (ends{[2]uint32{src, dst}, [2]uint16{s.SrcPort, s.DstPort}}) {
		return analysis.FromClient, true
	}
	return analysis.FromServer, *e == ends{[2]uint32{dst, src}, [2]uint16{s.DstPort, s.SrcPort}}
}

// attached reports whether the connection has an attachment, without visiting the second line.
func (c *connection) attached() bool { return c.flags&connAttached != 0 }

// count counts a packet of d.
func (c *connection) count(d analysis.Direction) {
	h := &c.half[d]
	if h.packets++; h.packets == 0 {
		c.carried[d]++
	}
}

// packets is how many packets of d were counted.
func (c *connection) packets(d analysis.Direction) int64 {
	return int64(c.carried[d])<<16 + int64(c.half[d].packets)
}

// endpoint is the side that sends d.
func (c *connection) endpoint(d analysis.Direction, m *more) netip.AddrPort {
	if c.flags&connWide != 0 {
		return addrPort(m.addr[d], c.ends.port[d])
	}
	return c.ends.endpoint(d)
}

// endpoint is the side that sends d, of a connection between IPv4 addresses.
func (e *ends) endpoint(d analysis.Direction) netip.AddrPort {
	var b [4]byte
	binary.BigEndian.PutUint32(b[:], e.addr[d])
	return netip.AddrPortFrom(netip.AddrFrom4(b), e.port[d])
}

// swap makes the client the server.
func (c *connection) swap(m *more) {
	for _, pair := range [...]*[2]uint32{&c.ends.addr, &c.fin, &c.carried} {
		pair[0], pair[1] = pair[1], pair[0]
	}
	c.ends.port[0], c.ends.port[1] = c.ends.port[1], c.ends.port[0]
	c.closed[0], c.closed[1] = c.closed[1], c.closed[0]
	c.half[0], c.half[1] = c.half[1], c.half[0]
	if c.more != 0 {
		m.addr[0], m.addr[1] = m.addr[1], m.addr[0]
		m.closing[0], m.closing[1] = m.closing[1], m.closing[0]
	}
}

// over reports whether the connection has come to its end.
func (c *connection) over() bool {
	return c.flags&connReset != 0 || c.closed[0] != analysis.CloseNone && c.closed[1] != analysis.CloseNone
}

// settled reports whether both streams were acknowledged to their FINs. What was not seen of them will hardly be seen any more: the receiver
// has it.
func (c *connection) settled() bool {
	if c.flags&connReset != 0 {
		return false
	}
	for d := range c.half {
		h := &c.half[d]
		if !h.is(halfFIN|halfAcked) || ahead(h.acked, c.fin[d]) <= 0 {
			return false
		}
	}
	return true
}

// closedFirst is the direction whose close is told first.
func (c *connection) closedFirst(m *more) analysis.Direction {
	if c.closed[1] != analysis.CloseNone && m.closing[1].packet < m.closing[0].packet {
		return analysis.FromServer
	}
	return analysis.FromClient
}
