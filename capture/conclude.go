package capture

import "github.com/etcdtap/etcdtap/analysis"

// conclude tells the observer what is left to tell of both streams and of the transport.
func (r *reassembler) conclude(c *connection, m *more, x *attachment) {
	packet, now := r.packet, r.now
	r.packet, r.now = c.last, c.seen // what is missing is missed as of the last packet
	first := c.closedFirst(m)
	for _, d := range [...]analysis.Direction{first, first.Other()} {
		l := lane{reassembler: r, out: x.conn, d: d, c: c, m: m, h: &c.half[d], x: x, s: &x.store[d]}
		l.settle()
	}
	if c.gave != analysis.CloseNone {
		x.conn.Packet(c.last)
		x.conn.Close(analysis.FromClient, moment(c.seen), c.gave)
	}
	r.packet, r.now = packet, now
	x.describe(c)
}

// closer concludes connections that never had data: they have no attachment, and one serves all of them.
type closer struct {
	reassembler
	scratch *attachment
}

// facts are the facts of a finished connection without data. They are valid until the next call.
func (r *closer) facts(c *connection, m *more) *analysis.Facts {
	if c.nothingMissed(analysis.FromClient) && c.nothingMissed(analysis.FromServer) {
		r.concludeSilent(c, m)
	} else {
		r.scratch.prepare(c, m)
		r.conclude(c, m, r.scratch)
	}
	return r.scratch.conn.Facts()
}

// halfOpen are the facts of an embryo when the capture has ended: those that facts gives of the connection that it would become.
func (r *closer) halfOpen(e *embryo) *analysis.Facts {
	const client, server = analysis.FromClient, analysis.FromServer
	conn, seen := r.scratch.conn, moment(e.seen)
	conn.Reset(e.ends.endpoint(client), e.ends.endpoint(server), moment(e.began))
	conn.Close(client, seen, analysis.CloseEnd)
	t := conn.TCP(false, seen)
	t.FirstPacket, t.LastPacket = e.first, e.first+int64(e.last)
	t.Packets[client], t.Packets[server] = int64(e.packets[client]), int64(e.packets[server])
	t.SYN, t.SYNACK = true, e.packets[server] > 0
	return conn.Facts()
}

// nothingMissed reports whether settle would have nothing to tell of the stream of d without data but its close.
func (c *connection) nothingMissed(d analysis.Direction) bool {
	h := &c.half[d]
	switch {
	case h.is(halfStarted) && h.flags&(halfStartKnown|halfLateStart) == 0:
		return false // the start
	case h.is(halfFIN):
		return ahead(c.fin[d], h.next) <= 0
	}
	return c.unseenEnd(d) <= 0
}

// concludeSilent is conclude for a connection of which there is nothing to tell but how it ended.
func (r *closer) concludeSilent(c *connection, m *more) {
	conn := r.scratch.conn
	conn.Reset(c.endpoint(analysis.FromClient, m), c.endpoint(analysis.FromServer, m), moment(c.start))
	first := c.closedFirst(m)
	for _, d := range [...]analysis.Direction{first, first.Other()} {
		if c.closed[d] != analysis.CloseNone && !c.half[d].is(halfToldClose) {
			conn.Packet(m.closing[d].packet)
			conn.Close(d, moment(m.closing[d].at), c.closed[d])
		}
	}
	if c.gave != analysis.CloseNone {
		conn.Packet(c.last)
		conn.Close(analysis.FromClient, moment(c.seen), c.gave)
	}
	r.scratch.describe(c)
}

// describe tells the observer what only the transport knows.
func (x *attachment) describe(c *connection) {
	t := x.conn.TCP(c.flags&connRolesKnown == 0, moment(c.seen))
	t.FirstPacket, t.LastPacket = c.first, c.last
	t.Packets[0], t.Packets[1] = c.packets(analysis.FromClient), c.packets(analysis.FromServer)
	t.SYN, t.SYNACK, t.Established = c.flags&connSYN != 0, c.flags&connSYNACK != 0, c.flags&connEstablished != 0
	t.Refused = c.refused()
	t.Retransmitted, t.OutOfOrder, t.Truncated = x.retransmitted, x.outOfOrder, x.truncated
	t.Conflicting, t.ConflictPacket = x.conflicting, x.conflictPacket
	t.Evicted = c.gave == analysis.CloseEvicted
	t.ClosesSwapped = c.flags&connClosesSwapped != 0
}
