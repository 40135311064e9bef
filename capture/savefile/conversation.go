package savefile

import (
	"net/netip"
	"time"

	"github.com/etcdtap/etcdtap/analysis"
	"github.com/etcdtap/etcdtap/capture"
)

const (
	// ackEvery is how many bytes may be under way before an acknowledgement is made up: half of a window that needs no scaling.
	ackEvery = 32 << 10
	// gapStep is how far one acknowledgement goes over bytes that are missing: half of what a reader of ours takes for plausible
	// (16 MiB), so that it knows how many there were.
	gapStep = 8 << 20
	// maxGap bounds what a gap is written as, to 8,192 packets of 72 bytes. Of a longer one 64 GiB and what its end has beyond a
	// multiple of 4 GiB are written, so that sequence numbers stay right.
	maxGap = 64 << 30
)

// Conversation turns what passed on one connection through a proxy into the packets that a capture beside it would have seen. It takes
// the calls that an analysis.Conn takes, and writes at once.
//
//	Dial                 SYN
//	Open                 SYN-ACK and ACK, after a SYN if there was none
//	Refuse               RST in answer to the SYN
//	Data, Gap, Close     segments, a jump of the sequence numbers, FIN or RST
//
// What comes from the client before the server has answered belongs behind Open. A Conversation that stops without Close is one that
// was still open when the capture ended.
type Conversation struct {
	Interface int32           // that the packets are of; its link type is capture.LinkRaw
	Detour    *capture.Detour // what the first packet shall say of the connection; nil: nothing

	w      *Writer
	ends   [2]netip.AddrPort // by Direction, of one family
	next   [2]uint32         // sequence number of the next byte
	acked  [2]uint32         // up to where the other side has acknowledged
	closed [2]bool
	state  state
	id     uint16
}

type state uint8

const (
	fresh state = iota
	dialed
	open
	over // closed by both, refused, reset or given up
)

// NewConversation begins a connection; nothing is written yet. Endpoints without an address (unix sockets) are given one that the caller
// makes up. Where one side has IPv4 and the other IPv6, the packets are IPv6 with an IPv4-mapped address.
func NewConversation(w *Writer, client, server netip.AddrPort) *Conversation {
	c := &Conversation{w: w, ends: [2]netip.AddrPort{plain(client), plain(server)}}
	if a, b := c.ends[0].Addr(), c.ends[1].Addr(); a.Is4() != b.Is4() {
		for d, e := range c.ends {
			c.ends[d] = netip.AddrPortFrom(netip.AddrFrom16(e.Addr().As16()), e.Port())
		}
	}
	return c
}

// plain is an endpoint without zone and mapping; 0.0.0.0 stands for none.
func plain(e netip.AddrPort) netip.AddrPort {
	a := e.Addr()
	if !a.IsValid() {
		a = netip.IPv4Unspecified()
	}
	return netip.AddrPortFrom(a.Unmap().WithZone(""), e.Port())
}

// Dial says that the client began to connect.
func (c *Conversation) Dial(at time.Time) error {
	if c.state != fresh {
		return nil
	}
	c.state = dialed
	c.number(at)
	return c.send(analysis.FromClient, at, flagSYN, nil)
}

// number chooses the initial sequence numbers by the time, as RFC 9293, Section 3.4.1, has it: a port that is used again begins with
// others.
func (c *Conversation) number(at time.Time) {
	tick := uint32(nanoseconds(at) / 1000)
	for d := range c.next {
		c.next[d] = tick + uint32(d)<<30
	}
	c.acked = c.next
}

// Open says that the server answered.
func (c *Conversation) Open(at time.Time) error {
	if err := c.Dial(at); err != nil || c.state != dialed {
		return err
	}
	c.state = open
	if err := c.send(analysis.FromServer, at, flagSYN|flagACK, nil); err != nil {
		return err
	}
	return c.send(analysis.FromClient, at, flagACK, nil)
}

// Refuse says that the server turned the client away. On an open connection it is a RST of the server.
func (c *Conversation) Refuse(at time.Time) error {
	if c.state == fresh {
		if err := c.Dial(at); err != nil {
			return err
		}
	}
	return c.reset(analysis.FromServer, at)
}

// Data gives the next bytes of a direction. p is not retained. What comes after the direction's Close is not written: TCP has no
// place for it.
func (c *Conversation) Data(d analysis.Direction, at time.Time, p []byte) error {
	if ok, err := c.ready(d, at); !ok {
		return err
	}
	for len(p) > 0 {
		n := min(len(p), maxSegment)
		flags := uint8(flagACK)
		if n == len(p) {
			flags |= flagPSH
		}
		if err := c.send(d, at, flags, p[:n]); err != nil {
			return err
		}
		p = p[n:]
		if c.next[d]-c.acked[d] >= ackEvery {
			if err := c.send(d.Other(), at, flagACK, nil); err != nil {
				return err
			}
		}
	}
	return nil
}

// Gap says that n bytes of a direction passed that nobody has looked at. The receiver acknowledges them.
func (c *Conversation) Gap(d analysis.Direction, at time.Time, n int64) error {
	if n <= 0 {
		return nil // how many is not known, or there are none
	}
	if ok, err := c.ready(d, at); !ok {
		return err
	}
	if n > maxGap {
		n = maxGap + n%(1<<32)
	}
	for n > 0 {
		step := min(n, gapStep)
		n -= step
		c.next[d] += uint32(step)
		if err := c.send(d.Other(), at, flagACK, nil); err != nil {
			return err
		}
	}
	return nil
}

// Close says how the sender of d ended its stream: CloseFIN or CloseRST. Of any other end there is no packet, nor of a client that
// goes away while its SYN is unanswered.
func (c *Conversation) Close(d analysis.Direction, at time.Time, how analysis.CloseKind) error {
	if how != analysis.CloseFIN && how != analysis.CloseRST {
		return nil
	}
	if c.state == dialed {
		switch {
		case d == analysis.FromClient:
			c.state = over
			return nil
		case how == analysis.CloseRST:
			return c.reset(d, at)
		}
	}
	ok, err := c.ready(d, at)
	switch {
	case err != nil || c.state != open:
		return err
	case how == analysis.CloseRST:
		return c.reset(d, at)
	case ok:
		return c.finish(d, at)
	}
	return nil
}

// ready opens a connection that was not, and reports whether d can send.
func (c *Conversation) ready(d analysis.Direction, at time.Time) (bool, error) {
	if c.state < open {
		if err := c.Open(at); err != nil {
			return false, err
		}
	}
	return c.state == open && !c.closed[d], nil
}

// finish ends one direction.
func (c *Conversation) finish(d analysis.Direction, at time.Time) error {
	if err := c.send(d, at, flagFIN|flagACK, nil); err != nil {
		return err
	}
	c.closed[d] = true
	if c.closed[d.Other()] {
		c.state = over
	}
	return c.send(d.Other(), at, flagACK, nil)
}

// reset ends the connection for both sides.
func (c *Conversation) reset(d analysis.Direction, at time.Time) error {
	if c.state == over {
		return nil
	}
	if c.state == dialed {
		c.next[d] = 0 // nothing of it was seen (RFC 9293, Section 3.10.7.1)
	}
	c.state = over
	return c.send(d, at, flagRST|flagACK, nil)
}

// send writes one packet from d.
func (c *Conversation) send(d analysis.Direction, at time.Time, flags uint8, payload []byte) error {
	c.id++
	s := segment{src: c.ends[d], dst: c.ends[d.Other()], seq: c.next[d], flags: flags, id: c.id}
	if flags&flagACK != 0 {
		s.ack = c.next[d.Other()]
		c.acked[d.Other()] = s.ack
	}
	c.next[d] += uint32(len(payload))
	if flags&(flagSYN|flagFIN) != 0 {
		c.next[d]++
	}
	w := c.w
	if w.scratch == nil {
		w.scratch = make([]byte, 0, maxHeaders+maxSegment)
	}
	w.scratch = s.appendTo(w.scratch[:0], payload)
	w.made = capture.Packet{Number: w.total + 1, Time: nanoseconds(at), Data: w.scratch, Length: len(w.scratch), Link: capture.LinkRaw, Interface: c.Interface}
	if flags == flagSYN {
		w.made.Detour = c.Detour
	}
	return w.Packet(&w.made)
}

// nanoseconds since the epoch; a time that has none is 0.
func nanoseconds(at time.Time) int64 {
	if at.Year() < 1970 || at.Year() > 2261 {
		return 0
	}
	return at.UnixNano()
}
