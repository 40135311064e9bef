package capture

import "github.com/etcdtap/etcdtap/analysis"

// begins says who sends a connection's first segment, and how that is known: connRolesKnown, connRolesPort, or 0 when it is
// a guess that the first data may correct.
func (t *Tracker) begins(s *Segment) (d analysis.Direction, known uint16) {
	switch {
	case s.Flags&(flagSYN|flagACK|flagRST) == flagSYN:
		return analysis.FromClient, connRolesKnown
	case s.Flags&(flagSYN|flagACK|flagRST) == flagSYN|flagACK:
		return analysis.FromServer, connRolesKnown
	}
	src, dst := t.options.ServerPorts(s.SrcPort), t.options.ServerPorts(s.DstPort)
	switch {
	case src && !dst:
		return analysis.FromServer, connRolesPort
	case dst && !src:
		return analysis.FromClient, connRolesPort
	case s.SrcPort < s.DstPort:
		return analysis.FromServer, 0
	}
	return analysis.FromClient, 0
}

// judgeRoles looks at the first data for who is who, when nothing better is known. It returns d as it is from now on.
func (t *Tracker) judgeRoles(c *connection, d analysis.Direction, payload []byte) analysis.Direction {
	if c.flags&(connRolesKnown|connRolesPort) != 0 {
		return d
	}
	if speaker, ok := analysis.Speaker(payload); ok && speaker != d {
		c.swap(t.table.more(c))
		return speaker
	}
	return d
}

// synchronize takes a segment with SYN that belongs to this connection, and returns d as it is from now on.
func (t *Tracker) synchronize(c *connection, d analysis.Direction, s *Segment) analysis.Direction {
	sender := analysis.FromClient
	if s.Flags&flagACK != 0 {
		sender = analysis.FromServer
	}
	if c.flags&connRolesKnown == 0 {
		if d != sender && !c.attached() {
			c.swap(t.table.more(c))
			d = sender
		}
		if d == sender {
			c.flags |= connRolesKnown
		}
	}
	h, o := &c.half[d], &c.half[d^1]
	if h.flags&(halfStartKnown|halfData|halfFIN) == 0 || h.beginsAt(s.Seq+1) {
		h.startAt(s.Seq + 1)
	}
	if h.start == s.Seq+1 {
		h.flags |= halfStartKnown
	}
	if s.Flags&flagACK == 0 {
		c.flags |= connSYN
		return d
	}
	c.flags |= connSYNACK
	if o.flags&(halfStartKnown|halfSeen) == 0 || o.beginsAt(s.Ack) { // only this side is in the capture, or came first
		o.startAt(s.Ack)
		o.flags |= halfStartKnown
	}
	return d
}

// completes reports whether a segment completes a handshake whose SYN-ACK was not captured. It is the client's first after its SYN and
// without a byte, so what it acknowledges is the server's SYN alone, and the server's first byte is the one that it expects.
func (c *connection) completes(d analysis.Direction, s *Segment) bool {
	const client, server = analysis.FromClient, analysis.FromServer
	h, o := &c.half[client], &c.half[server]
	return d == client && s.Flags&^flagsECN == flagACK && s.Length == 0 && h.is(halfStartKnown) && s.Seq == h.start && o.flags&(halfSeen|halfAcked) == 0
}

// repeats reports whether a segment with SYN says again what its side has said, and nothing else: most of the packets of a flood do. To
// follow it would change nothing.
func (c *connection) repeats(d analysis.Direction, s *Segment) bool {
	const anchored = halfSeen | halfStarted | halfStartKnown
	h, o := &c.half[d], &c.half[d^1]
	if h.flags&(anchored|halfWaiting) != anchored || o.is(halfWaiting) || h.start != s.Seq+1 || s.Length > 0 {
		return false
	}
	switch s.Flags {
	case flagSYN:
		return d == analysis.FromClient && c.flags&(connSYN|connRolesKnown) == connSYN|connRolesKnown
	case flagSYN | flagACK:
		return d == analysis.FromServer && c.flags&(connSYNACK|connRolesKnown) == connSYNACK|connRolesKnown &&
			o.is(halfStartKnown|halfAcked) && o.acked == s.Ack
	}
	return false
}

// replacedBy reports whether a segment with SYN begins a new connection between the same endpoints.
func (c *connection) replacedBy(d analysis.Direction, s *Segment) bool {
	h, o := &c.half[d], &c.half[d^1]
	if s.Flags&flagACK != 0 {
		// The SYN may be missing from the capture. One number that fits is enough: SYN cookies change the other one.
		if h.is(halfStarted) && s.Seq+1 == h.start || h.beginsAt(s.Seq+1) {
			return false
		}
		if o.is(halfStartKnown) {
			return ahead(s.Ack, o.start) < 0 || ahead(s.Ack, o.next) > 0
		}
		return h.flags&(halfData|halfFIN|halfStartKnown) != 0 || c.over()
	}
	if h.beginsAt(s.Seq + 1) {
		return false
	}
	if h.is(halfStarted) && h.flags&(halfStartKnown|halfSeen) != 0 {
		return s.Seq+1 != h.start
	}
	if h.is(halfAcked) && s.Seq+1 == h.acked {
		return false // the answer was captured before it
	}
	// Nothing of this side was seen. Both may open at once (RFC 9293, Section 3.5), or the capture misses this side.
	return o.flags&(halfData|halfFIN) != 0 || c.over()
}

// heeds reports whether a RST can be meant for this connection.
func (c *connection) heeds(d analysis.Direction, s *Segment) bool {
	h, o := &c.half[d], &c.half[d^1]
	near := func(seq uint32) bool {
		n := ahead(s.Seq, seq)
		return n >= -resetTolerance && n <= resetTolerance
	}
	switch {
	case h.precedes(s.Seq + 1): // the answer to who takes it for an earlier connection's, see acknowledge
		return false
	case h.is(halfStarted) && near(h.next), h.is(halfAcked) && near(h.acked):
		return true
	case h.is(halfSeen):
		return false
	case !o.is(halfStarted):
		return true
	}
	// An answer to a SYN, or to one side of which alone there is a capture: it must acknowledge what was sent.
	return s.Flags&flagACK != 0 && ahead(s.Ack, o.start) >= 0 && ahead(s.Ack, o.next) <= 1
}
