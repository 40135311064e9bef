package capture

import "github.com/etcdtap/etcdtap/analysis"

// A segment says by its acknowledgement what its sender had received before. A capture from several queues, or merged from several
// files, may show an answer before what it answers; to tell the observer of the two directions in that order would show it a
// conversation that never was. So a segment waits for what it acknowledges, as it waits for a hole before it, and no longer.

// causalBytes is how far into a stream that is heeded: handshakes and what ends them, many times over. In the bulk that may follow
// nothing depends on it, and at a loss so much would have to be held.
const causalBytes = 256 << 10

// answering is what a segment acknowledges.
type answering struct {
	ack uint32 // valid iff valid
	ok  bool
}

// answers takes the acknowledgement of the segment that arrives next.
func (l *lane) answers(s *Segment) { l.answer = answering{s.Ack, s.Flags&flagACK != 0} }

// premature reports whether what a segment answers was not told yet, or where its stream begins is not known yet.
func (l *lane) premature(a answering) bool {
	o := &l.c.half[l.d^1]
	if l.h.unanchored() {
		return true
	}
	if !a.ok || o.flags&(halfStarted|halfAcked|halfDone) != halfStarted|halfAcked || l.h.next-l.h.start > causalBytes {
		return false
	}
	if !o.is(halfSeen) && l.c.packets(l.d) > holePackets {
		return false // the capture has one side only
	}
	if n := ahead(a.ack, o.next); n <= 0 || n > plausibleAhead || ahead(a.ack, o.acked) > 0 {
		return false
	}
	return o.flags&(halfFIN|halfReset) == 0 || ahead(l.c.fin[l.d^1], o.next) > 0 // else it is the FIN that is acknowledged
}

// blocked reports whether the next bytes in order are here and wait for what they answer.
func (l *lane) blocked() bool { return len(l.s.held) > 0 && l.s.held[0].seq == l.h.next }

// other is the lane of the opposite direction.
func (l *lane) other() lane {
	d := l.d.Other()
	return lane{reassembler: l.reassembler, out: l.out, d: d, c: l.c, m: l.m, h: &l.c.half[d], x: l.x, s: &l.x.store[d]}
}

// told lets the answers go that waited for what was just told, and what waited for those.
func (l *lane) told() {
	if len(l.x.store[l.d^1].held) == 0 {
		return
	}
	for turn := l.other(); len(turn.s.held) > 0; turn = turn.other() {
		at := turn.h.next
		turn.drain(stretch{}, false)
		if turn.h.next == at {
			return
		}
		turn.update()
	}
}

// unblock gives up waiting for what the next bytes answer, and the hole that is before that. Where both sides wait, because neither SYN is
// in the capture, who is answered comes first.
func (l *lane) unblock() {
	if o := l.other(); len(o.s.held) > 0 && (!o.blocked() || l.replies()) {
		at := l.h.next
		if o.blocked() {
			o.drain(stretch{}, true)
		} else {
			o.fillHole()
		}
		o.update()
		if l.drain(stretch{}, false); l.h.next != at {
			return
		}
	}
	l.drain(stretch{}, true)
}

// replies reports whether the next bytes, which are here, acknowledge bytes of the other side that were not told.
func (l *lane) replies() bool {
	a := l.s.held[0].answer
	n := ahead(a.ack, l.c.half[l.d^1].next)
	return a.ok && n > 0 && n <= plausibleAhead
}

// unanchored reports whether nothing says where the stream begins and nothing of it was told: its SYN may be captured after its first
// data.
func (h *half) unanchored() bool { return h.flags&(halfStartKnown|halfLateStart|halfDone) == 0 }

// beginsAt reports whether a stream of which nothing was told may begin at seq, before all of it that was seen.
func (h *half) beginsAt(seq uint32) bool {
	n := ahead(h.next, seq)
	return h.unanchored() && h.is(halfStarted) && n >= 0 && n <= causalBytes
}

// startAt says where a stream begins.
func (h *half) startAt(seq uint32) {
	h.start, h.next = seq, seq
	h.flags |= halfStarted
}

// misjudged reports whether a SYN shows that client and server were taken for each other, while nothing of either was told.
func (c *connection) misjudged(d analysis.Direction, s *Segment) bool {
	if c.flags&connRolesKnown != 0 || (d == analysis.FromServer) == (s.Flags&flagACK != 0) {
		return false
	}
	for i := range c.half {
		if h := &c.half[i]; h.flags&(halfLateStart|halfToldClose|halfDone) != 0 || h.next != h.start {
			return false
		}
	}
	return true
}

// turnRound makes the client the server, with what is held of both.
func (t *Tracker) turnRound(c *connection) {
	m := t.table.more(c)
	c.swap(m)
	x := t.attachments[c.stream]
	x.store[0], x.store[1] = x.store[1], x.store[0]
	x.conn.Reset(c.endpoint(analysis.FromClient, m), c.endpoint(analysis.FromServer, m), moment(c.start))
}

// anchored lets go what waited for the SYN.
func (t *Tracker) anchored(c *connection) {
	for d := range c.half {
		if l := t.lane(c, analysis.Direction(d)); l.blocked() {
			l.drain(stretch{}, false)
			l.update()
			l.told()
		}
	}
}

// endAt notes where the stream of d ends that a RST ended, when not all of it was told: the rest may come yet, for the packets may be out
// of order. It reports whether there is something to wait for.
func (c *connection) endAt(d analysis.Direction, seq uint32) bool {
	h := &c.half[d]
	if h.is(halfAcked) && ahead(h.acked, seq) > 0 {
		seq = h.acked
	}
	if n := ahead(seq, h.next); c.closed[d] == analysis.CloseRST && (n > 0 && n <= resetTolerance || h.unanchored()) {
		c.fin[d] = seq
		h.flags |= halfReset
	}
	return h.flags&(halfReset|halfWaiting) != 0
}

// answered reports whether the FIN that s carries was acknowledged by the other side's FIN, which was captured before it and which it
// does not acknowledge itself.
func (c *connection) answered(d analysis.Direction, s *Segment) bool {
	h := &c.half[d]
	return c.closed[d^1] == analysis.CloseFIN && s.Flags&flagACK != 0 && ahead(s.Ack, c.fin[d^1]) <= 0 && h.is(halfAcked) && ahead(h.acked, c.fin[d]) > 0
}

// refused reports whether the SYN was answered by a RST, in whatever order the two were captured. A client that has acknowledged something,
// or whose bytes were, had another answer before.
func (c *connection) refused() bool {
	client, server := &c.half[analysis.FromClient], &c.half[analysis.FromServer]
	return c.flags&(connSYN|connSYNACK|connEstablished) == connSYN && c.closed[analysis.FromServer] == analysis.CloseRST && !server.is(halfSeen) &&
		(!client.is(halfAcked) || ahead(client.acked, client.next) <= 0)
}
