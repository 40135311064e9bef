package capture

import (
	"bytes"
	"slices"
	"unsafe"
)

// Bounds of what one direction holds of bytes that came before their turn. Beyond them the hole is given up.
const (
	maxHeldBytes  = 256 << 10 // a handshake's flight many times over; bulk data is held by its numbers only
	maxHeldPieces = 256       // as many segments as fit into maxHeldBytes on Ethernet, and some
	spareHeld     = 32        // a longer list is not kept for the next connection
)

// held is a stretch that came before its turn.
type held struct {
	stretch       // data is a lent buffer
	passed  bool  // captured, but not stored because the observer had no use for it
	packet  int64 // where it was first seen
	at      int64
	answer  answering
}

// bytesOfHeld is what a piece takes in a list, which grows by more than it needs. Its bytes, if it has any, are counted as lent.
const bytesOfHeld = 2 * int(unsafe.Sizeof(held{}))

// list counts what the list of what came before its turn takes, or did when it was longest: it does not shrink.
func (l *lane) list() {
	if n := len(l.s.held) - l.s.mostHeld; n > 0 {
		l.s.mostHeld += n
		l.x.listed += n * bytesOfHeld
	}
}

// untilHeld is how many of the next n bytes were not seen before.
func (l *lane) untilHeld(n int) int {
	if len(l.s.held) > 0 {
		n = min(n, int(ahead(l.s.held[0].seq, l.h.next)))
	}
	return n
}

// hold stores what is new of a stretch ahead of its turn and returns how many bytes that is. Of bytes seen before, the first
// are kept.
func (l *lane) hold(p stretch) (fresh int) {
	i := len(l.s.held)
	inTurn := p.seq == l.h.next || l.blocked() && p.seq == l.s.held[i-1].end()
	for i > 0 && ahead(l.s.held[i-1].end(), p.seq) > 0 {
		i--
	}
	for p.length > 0 {
		n := p.length
		if i == len(l.s.held) {
			l.insert(i, p)
			fresh += n
			break
		}
		h := &l.s.held[i]
		if before := int(ahead(h.seq, p.seq)); before > 0 {
			n = min(n, before)
			i = l.insert(i, p.head(n))
			fresh += n
		} else {
			n = min(n, int(ahead(h.end(), p.seq)))
			l.compare(p.head(n), h.data, h.seq)
			i++
		}
		p = p.tail(n)
	}
	if fresh > 0 && !inTurn {
		l.x.outOfOrder++
	}
	l.list()
	for l.s.heldBytes > maxHeldBytes || len(l.s.held) > maxHeldPieces {
		l.fillHole()
	}
	return fresh
}

// insert puts a stretch in at place i, without storing what the observer has no use for, and returns the place after it.
func (l *lane) insert(i int, p stretch) int {
	early := int64(ahead(p.seq, l.h.next))
	skip := int64(p.length)
	if !l.h.is(halfDone) {
		skip = min(max(l.out.Skip(l.d)-early, 0), skip)
	}
	if n := int(skip); n > 0 && len(p.data) >= n {
		i = l.insertPassed(i, p.head(n))
		p = p.tail(n)
	}
	if p.length == 0 {
		return i
	}
	if n := len(p.data); n > 0 {
		p.data = append(l.buffers.take(n)[:0], p.data...)
		l.s.heldBytes += n
	} else {
		p.data = nil // an empty end of the packet is not ours to give back
	}
	l.s.held = slices.Insert(l.s.held, i, held{stretch: p, packet: l.packet, at: l.now, answer: l.answer})
	return i + 1
}

// insertPassed notes a stretch by its numbers, if possible by making a neighbour longer. It returns the place of what may
// overlap with bytes that follow.
func (l *lane) insertPassed(i int, p stretch) int {
	s := l.s
	if i > 0 && s.held[i-1].passed && s.held[i-1].end() == p.seq {
		s.held[i-1].length += p.length
		if i < len(s.held) && s.held[i].passed && s.held[i].seq == s.held[i-1].end() {
			s.held[i-1].length += s.held[i].length
			s.held = slices.Delete(s.held, i, i+1)
			return i - 1
		}
		return i
	}
	if i < len(s.held) && s.held[i].passed && s.held[i].seq == p.end() {
		s.held[i].seq = p.seq
		s.held[i].length += p.length
		return i
	}
	p.data = nil
	s.held = slices.Insert(s.held, i, held{stretch: p, passed: true, packet: l.packet, at: l.now, answer: l.answer})
	return i + 1
}

// drain delivers what is held and is now in order, as far as what it answers was told; forced, the first piece at any rate. p is the
// rest of the segment that closed the hole: what it repeats of held bytes is compared and dropped.
func (l *lane) drain(p stretch, forced bool) stretch {
	for l.blocked() && (forced || !l.premature(l.s.held[0].answer)) {
		forced = false
		h := l.s.held[0]
		l.s.held = slices.Delete(l.s.held, 0, 1)
		l.s.heldBytes -= len(h.data)
		if n := min(p.length, h.length); n > 0 {
			l.compare(p.head(n), h.data, h.seq)
			p = p.tail(n)
		}
		if h.passed {
			l.deliverPassed(&h)
		} else {
			l.deliver(h.stretch, h.packet, h.at)
		}
		l.buffers.give(h.data)
	}
	return p
}

// deliverPassed delivers bytes that were not stored. If the observer wants them after all, they are lost.
func (l *lane) deliverPassed(h *held) {
	l.s.keptEnded = true
	if l.h.is(halfDone) {
		l.h.next += uint32(h.length)
		l.s.passed += int64(h.length)
		return
	}
	n := int(min(l.out.Skip(l.d), int64(h.length)))
	if n > 0 {
		l.s.waited = 0
		l.h.next += uint32(n)
		t := moment(h.at)
		l.out.Packet(h.packet)
		l.tellLateStart(t)
		l.out.Pass(l.d, t, int64(n))
	}
	if n < h.length {
		l.gap(h.length - n)
	}
}

// fillHole gives up what is missing before the first held stretch, or what that waits for, or else what is missing before the FIN.
func (l *lane) fillHole() {
	if l.blocked() {
		l.unblock()
		return
	}
	if len(l.s.held) > 0 {
		l.gap(int(ahead(l.s.held[0].seq, l.h.next)))
		l.drain(stretch{}, false)
		return
	}
	if l.h.is(halfFIN) {
		if n := ahead(l.c.fin[l.d], l.h.next); n > 0 {
			l.gap(int(n))
		}
	}
}

// skipTo gives up all that is missing before seq.
func (l *lane) skipTo(seq uint32) {
	for len(l.s.held) > 0 && ahead(l.s.held[0].seq, seq) < 0 {
		l.fillHole()
	}
	if n := ahead(seq, l.h.next); n > 0 {
		l.gap(int(n))
		l.drain(stretch{}, false)
	}
}

// keep stores delivered bytes of the stream's beginning for comparison with later copies.
func (l *lane) keep(p stretch) {
	if l.s.keptEnded {
		return
	}
	n := min(len(p.data), keptForComparison-len(l.s.kept))
	l.s.keptEnded = n < p.length
	if need := len(l.s.kept) + n; need > cap(l.s.kept) {
		if l.buffers.full(need) {
			l.s.keptEnded = true
			l.stats.Uncompared++
			return
		}
		larger := l.buffers.take(need)[:len(l.s.kept)]
		copy(larger, l.s.kept)
		l.buffers.give(l.s.kept)
		l.s.kept = larger
	}
	l.s.kept = append(l.s.kept, p.data[:n]...)
}

func (l *lane) stopKeeping() {
	l.buffers.give(l.s.kept)
	l.s.kept, l.s.keptEnded = nil, true
}

// compare counts the bytes of a repeated stretch that differ from the first copy, of which known begins at base.
func (l *lane) compare(p stretch, known []byte, base uint32) {
	if len(known) == 0 {
		return
	}
	off := int(ahead(p.seq, base))
	again := p.data
	if off < 0 {
		again, off = again[min(-off, len(again)):], 0
	}
	if off >= len(known) {
		return
	}
	known = known[off:]
	n := min(len(again), len(known))
	if bytes.Equal(again[:n], known[:n]) {
		return
	}
	if l.x.conflictPacket == 0 {
		l.x.conflictPacket = l.packet
	}
	for i := range n {
		if again[i] != known[i] {
			l.x.conflicting++
		}
	}
}

// empty gives the buffers of both directions back.
func (x *attachment) empty(b *buffers) {
	for d := range x.store {
		x.store[d].empty(b)
	}
	x.listed = 0
}

// empty gives the buffers back and makes the store ready for another stream.
func (s *store) empty(b *buffers) {
	for i := range s.held {
		b.give(s.held[i].data)
	}
	b.give(s.kept)
	clear(s.held)
	spare := s.held[:0]
	if cap(spare) > spareHeld {
		spare = nil
	}
	*s = store{held: spare}
}
