package capture

import (
	"math"
	"time"

	"github.com/etcdtap/etcdtap/analysis"
)

// Bounds of putting one direction in order.
const (
	// plausibleAhead is how far beyond what is known a sequence number may be: two and a half of Linux's largest receive
	// buffers (tcp_rmem[2], 6 MiB). One segment beyond it is taken for an error or a forgery; when the next one goes on from
	// there, so much was lost.
	plausibleAhead = 16 << 20
	// plausibleJump is what even a loss that two segments agree on may be: past a quarter of the number space nobody can
	// tell ahead from behind.
	plausibleJump = 1 << 30
	// unseenBytes is how many bytes may be acknowledged and not seen before they are given up, seen or not: far more than a capture
	// disorders, and far less than numbers can tell.
	unseenBytes = 1 << 28
	// resetTolerance is how far from the expected number a RST may be and still count: Linux's largest receive buffer.
	// A receiver is stricter (RFC 5961, Section 3.2), but the capture may have missed what it has not.
	resetTolerance = 6 << 20
	// keptForComparison is how much of a stream's beginning is kept after delivery, to be compared with retransmissions:
	// a TLS handshake's flight with its certificates.
	keptForComparison = 16 << 10
	// holePackets and holeTime are how long a hole is waited for after the receiver has acknowledged it, in packets of the
	// connection and in nanoseconds: what the receiver has, the capture will hardly see again.
	holePackets = 32
	holeTime    = int64(time.Second)
)

// Flags of a half.
const (
	halfSeen       = 1 << iota // a segment of it was seen
	halfStarted                // start and next are valid
	halfStartKnown             // start is really the first byte's: from a SYN, or the acknowledgement in a SYN-ACK
	halfAcked                  // acked is valid
	halfData                   // bytes were seen, in order or not
	halfFIN                    // the connection's fin is valid
	halfWaiting                // there is a hole: something is held, or the FIN is beyond what was seen
	halfDone                   // the observer wants no more of it
	halfLateStart              // the observer was told that the start was missed
	halfToldClose              // the observer was told of the close
	halfReset                  // a RST ended it at fin, and not all before that was seen
)

func (h *half) is(flags uint16) bool { return h.flags&flags == flags }

// ahead is how far a lies after b; negative when it lies before.
func ahead(a, b uint32) int32 { return int32(a - b) }

// observer is what a stream is told to: an *analysis.Conn, and in tests a recorder.
type observer interface {
	Packet(n int64)
	Data(d analysis.Direction, at time.Time, p []byte)
	Gap(d analysis.Direction, at time.Time, n int64)
	Close(d analysis.Direction, at time.Time, how analysis.CloseKind)
	Skip(d analysis.Direction) int64
	Pass(d analysis.Direction, at time.Time, n int64)
}

// attachment is what a connection has besides its place in the slab once data has come.
type attachment struct {
	conn           *analysis.Conn
	retransmitted  int64
	conflicting    int64
	conflictPacket int64
	outOfOrder     int64
	truncated      int64
	listed         int      // bytes that the lists of what came before its turn take
	held           int      // bytes that conn holds, and these, as counted in Tracker.held
	settled        bool     // conn's fate is
	store          [2]store // by Direction
}

// store holds a direction's bytes: those that came before their turn, and the first delivered ones.
type store struct {
	passed    int64  // bytes since halfDone that are not told yet
	held      []held // ordered, apart from each other
	heldBytes int    // stored in held
	kept      []byte // the stream's first bytes, as long as nothing of them was missing
	keptEnded bool   // no more is kept
	mostHeld  int    // pieces in held at one time
	jump      uint32 // end of a segment that was implausibly far ahead; valid iff jumped
	jumped    bool
	waited    int32 // packets since the hole was acknowledged; 0 while it is not
	waitedAt  int64 // time of the first of them
}

// stretch is a part of a segment: length bytes of a stream from seq on, of which data was captured.
type stretch struct {
	seq    uint32
	length int
	data   []byte // at most length
}

func (p stretch) end() uint32 { return p.seq + uint32(p.length) }

// head is the stretch's first n bytes, tail is what follows them.
func (p stretch) head(n int) stretch { return stretch{p.seq, n, p.data[:min(n, len(p.data))]} }
func (p stretch) tail(n int) stretch {
	return stretch{p.seq + uint32(n), p.length - n, p.data[min(n, len(p.data)):]}
}

// reassembler puts streams in order. One serves all connections of a tracker; between packets it holds only buffers.
type reassembler struct {
	buffers buffers
	packet  int64 // the current packet
	now     int64 // its time
	stats   *TrackerStats
}

// lane is one direction of one connection, for the time of a call.
type lane struct {
	*reassembler
	out observer
	d   analysis.Direction
	c   *connection
	m   *more // of c
	h   *half
	x   *attachment
	s   *store

	answer answering // of the segment that arrives
}

// moment gives a time in nanoseconds its wide form.
func moment(ns int64) time.Time { return time.Unix(0, ns).UTC() }

// arrive takes a segment's payload: in order, early, late, or all of that.
func (l *lane) arrive(p stretch) {
	if p.length == 1 && l.h.is(halfStarted) && p.seq == l.h.next-1 {
		l.stats.KeepAlives++ // RFC 9293, Section 3.8.4: the byte may be garbage
		return
	}
	if l.expected(p) {
		l.h.flags |= halfData
		l.deliver(p, l.packet, l.now)
		l.told()
		return
	}
	if l.h.flags&(halfStartKnown|halfData|halfFIN) == 0 {
		l.h.start, l.h.next = p.seq, p.seq
		l.h.flags |= halfStarted
	}
	if l.h.beginsAt(p.seq) {
		l.h.startAt(p.seq)
	}
	if p = l.plausible(p); p.length == 0 {
		return
	}
	l.h.flags |= halfData
	fresh := 0
	for p.length > 0 {
		early := int(ahead(p.seq, l.h.next))
		switch {
		case early < 0:
			n := min(-early, p.length)
			l.compare(p.head(n), l.s.kept, l.h.start)
			p = p.tail(n)
		case early > 0 && l.buffers.full(p.length):
			l.skipTo(p.seq)
		case early > 0, l.premature(l.answer) && !l.buffers.full(p.length):
			fresh += l.hold(p)
			p.length = 0
		default:
			n := l.untilHeld(p.length)
			l.deliver(p.head(n), l.packet, l.now)
			fresh += n
			p = l.drain(p.tail(n), n == 0)
		}
	}
	if fresh == 0 {
		l.x.retransmitted++
	}
	l.update()
	l.told()
}

// expected reports whether a segment is what nearly all are: the next of a stream whose beginning is known and that has no end yet, with
// nothing that waits, and no answer to what was not told. What arrive does besides to deliver it, comes to nothing then.
func (l *lane) expected(p stretch) bool {
	h, o := l.h, &l.c.half[l.d^1]
	return p.seq == h.next && p.length > 0 && h.flags&(halfStartKnown|halfStarted|halfFIN|halfReset|halfWaiting) == halfStartKnown|halfStarted &&
		l.c.closed[l.d] == analysis.CloseNone && len(l.s.held) == 0 && (!l.answer.ok || o.is(halfStarted) && ahead(l.answer.ack, o.next) <= 0)
}

// plausible returns what of a segment may be taken for a part of the stream; its length is 0 when that is nothing.
func (l *lane) plausible(p stretch) stretch {
	h := l.h
	ends, fin := h.flags&(halfFIN|halfReset) != 0, l.c.fin[l.d]
	if l.c.closed[l.d] == analysis.CloseRST && !ends || ends && ahead(p.seq, fin) >= 0 {
		l.stats.AfterClose++
		return stretch{}
	}
	if ends && ahead(p.end(), fin) > 0 {
		p = p.head(max(0, int(ahead(fin, p.seq))))
	}
	early := ahead(p.seq, h.next)
	if early < -plausibleJump {
		l.stats.Implausible++
		return stretch{}
	}
	if early <= plausibleAhead || h.is(halfAcked) && ahead(p.seq, h.acked) <= plausibleAhead {
		return p
	}
	l.stats.Implausible++
	if on := ahead(p.seq, l.s.jump); l.s.jumped && on >= 0 && on <= plausibleAhead && early <= plausibleJump {
		l.s.jumped = false
		l.skipTo(p.seq)
		return p
	}
	l.s.jump, l.s.jumped = p.end(), true
	return stretch{}
}

// deliver tells the observer the next bytes in order, and when and where they were seen.
func (l *lane) deliver(p stretch, packet, at int64) {
	if p.length == 0 {
		return
	}
	l.s.waited = 0
	l.h.next += uint32(p.length)
	lost := int64(p.length - len(p.data))
	if l.h.is(halfDone) {
		l.s.passed += int64(len(p.data))
		if lost > 0 {
			l.out.Packet(packet)
			l.lost(moment(at), lost)
		}
		return
	}
	t := moment(at)
	l.out.Packet(packet)
	l.tellLateStart(t)
	l.keep(p)
	if skip := int(min(l.out.Skip(l.d), int64(p.length))); skip > 0 {
		l.pass(p.head(skip), t)
		p = p.tail(skip)
	}
	if len(p.data) > 0 {
		l.out.Data(l.d, t, p.data)
	}
	if lost := p.length - len(p.data); lost > 0 {
		l.lost(t, int64(lost))
	}
	l.noteDone()
}

// pass tells of bytes that the observer has no use for. Those that were not captured count as lost all the same.
func (l *lane) pass(p stretch, t time.Time) {
	if n := len(p.data); n > 0 {
		l.out.Pass(l.d, t, int64(n))
	}
	if lost := p.length - len(p.data); lost > 0 {
		l.lost(t, int64(lost))
	}
}

// noteDone gives the buffers back as soon as the observer wants no more.
func (l *lane) noteDone() {
	if l.out.Skip(l.d) == math.MaxInt64 {
		l.h.flags |= halfDone
		l.stopKeeping()
	}
}

// gap tells the observer of n lost bytes.
func (l *lane) gap(n int) {
	l.s.waited = 0
	l.s.keptEnded = true
	l.h.next += uint32(n)
	l.out.Packet(l.packet)
	t := moment(l.now)
	l.tellLateStart(t)
	l.lost(t, int64(n))
	if !l.h.is(halfDone) {
		l.noteDone()
	}
}

// lost tells the observer of lost bytes, and counts them.
func (l *lane) lost(t time.Time, n int64) {
	l.stats.Gaps++
	l.stats.MissedBytes += n
	l.out.Gap(l.d, t, n)
}

func (l *lane) tellLateStart(t time.Time) {
	if l.h.flags&(halfStartKnown|halfLateStart) == 0 {
		l.h.flags |= halfLateStart
		l.out.Gap(l.d, t, -1)
	}
}

// appear takes the sequence number of a segment. In mid-stream it says where the stream is, until the first data decides; a
// number that is one too low is a keep-alive's.
func (h *half) appear(seq uint32) {
	if h.flags&(halfStartKnown|halfData|halfFIN) == 0 {
		if on := ahead(seq, h.next); !h.is(halfStarted) || on > 0 || on < -1 && !h.is(halfSeen) {
			h.start, h.next = seq, seq
			h.flags |= halfStarted
		}
	}
	h.flags |= halfSeen
}

// end takes the FIN of d that stands at seq. closes says that it is what closed d.
func (c *connection) end(d analysis.Direction, seq uint32) (plausible, closes bool) {
	h := &c.half[d]
	if h.is(halfReset) && !h.is(halfToldClose) && c.fin[d] == seq+1 { // the RST came before its turn
		h.flags &^= halfReset
		c.closed[d] = analysis.CloseNone
	}
	if c.closed[d] != analysis.CloseNone {
		return true, false
	}
	if h.beginsAt(seq) && h.flags&halfData == 0 {
		h.startAt(seq) // what came before is the last acknowledgement
	}
	if late := ahead(h.next, seq); late > 0 || late < -plausibleAhead && !(h.is(halfAcked) && ahead(seq, h.acked) <= plausibleAhead) {
		return false, false
	}
	c.fin[d] = seq
	h.flags |= halfFIN
	c.closed[d] = analysis.CloseFIN
	return true, true
}

// acknowledge takes an acknowledgement by the other side.
func (h *half) acknowledge(ack uint32) (plausible bool) {
	if !h.is(halfAcked) {
		if !h.is(halfStarted) {
			h.start, h.next = ack, ack
		} else if d := ahead(ack, h.next); d > plausibleAhead || d < -plausibleJump || h.precedes(ack) {
			return false // what precedes the stream is of an earlier connection, which the receiver holds to be open (RFC 9293, Section 3.5.1)
		}
		h.acked = ack
		h.flags |= halfAcked | halfStarted
		h.recognizeKeepAlive()
		return true
	}
	d := ahead(ack, h.acked)
	if d <= 0 {
		return d >= -plausibleJump
	}
	if d > plausibleAhead && ahead(ack, h.next) > plausibleAhead {
		return false
	}
	h.acked = ack
	h.recognizeKeepAlive()
	return true
}

// precedes reports whether a number lies before the beginning of a stream that is known to begin there.
func (h *half) precedes(seq uint32) bool {
	d := ahead(seq, h.next)
	return h.is(halfStartKnown) && d < 0 && uint32(-d) > h.next-h.start
}

// unseen reports whether the other side has acknowledged so much more than was seen that nobody waits for it.
func (h *half) unseen() bool { return h.is(halfAcked) && ahead(h.acked, h.next) > unseenBytes }

// passedMark reports whether acked has gone over a multiple of 8 MiB since it was before. Who keeps no bulk data keeps these segments,
// so that a reader can follow the numbers: it takes no jump of more than plausibleAhead for true.
func (h *half) passedMark(before uint32) bool { return (h.acked^before)>>23 != 0 }

// recognizeKeepAlive corrects where a stream is that was met in mid-stream by a keep-alive, whose number is one too low: the
// answer acknowledges one more.
func (h *half) recognizeKeepAlive() {
	if h.flags&(halfSeen|halfStartKnown|halfData|halfFIN) == halfSeen && h.acked == h.next+1 {
		h.start, h.next = h.acked, h.acked
	}
}

// update notes whether there is a hole, and tells of the FIN when all before it was told.
func (l *lane) update() {
	h, fin := l.h, l.c.fin[l.d]
	l.h.flags &^= halfWaiting
	if len(l.s.held) > 0 || h.is(halfFIN) && ahead(fin, h.next) > 0 {
		l.h.flags |= halfWaiting
		return
	}
	if !h.unanchored() && (l.c.closed[l.d] == analysis.CloseFIN || h.is(halfReset|halfStarted) && ahead(fin, h.next) <= 0) {
		l.tellClose()
	}
}

func (l *lane) tellClose() {
	if how := l.c.closed[l.d]; how != analysis.CloseNone && !l.h.is(halfToldClose) {
		l.h.flags |= halfToldClose
		end := &l.m.closing[l.d]
		l.out.Packet(end.packet)
		l.out.Close(l.d, moment(end.at), how)
	}
}

// wait counts the packets since the other side acknowledged what is missing here, or since bytes came that answer what is missing
// there, and gives it up when they are enough.
func (l *lane) wait() {
	if !l.blocked() && (!l.h.is(halfAcked) || ahead(l.h.acked, l.h.next) <= 0) {
		l.s.waited = 0
		return
	}
	if l.s.waited == 0 {
		l.s.waitedAt = l.now
	}
	l.s.waited++
	if l.s.waited > holePackets || l.now-l.s.waitedAt >= holeTime {
		l.fillHole()
		l.update()
		l.told()
	}
}

// unseenEnd is how many bytes of d are known to have been sent and are not in the capture, by what the other side acknowledged, and by the
// number of a RST: whoever sends one is past what it has sent, or where the other side says that it is.
func (c *connection) unseenEnd(d analysis.Direction) int32 {
	h, n := &c.half[d], int32(0)
	if h.is(halfAcked) {
		n = ahead(h.acked, h.next)
	}
	if h.is(halfReset | halfStarted) {
		n = max(n, ahead(c.fin[d], h.next))
	}
	return n
}

// settle tells all that there is to tell: what is held, what is known to be missing, what was passed over, and how the
// stream was closed. An acknowledged FIN that is not in the capture counts as a lost byte: nobody can tell.
func (l *lane) settle() {
	for len(l.s.held) > 0 {
		l.fillHole()
	}
	l.told()
	h := l.h
	if h.is(halfFIN) {
		l.fillHole()
	} else if n := l.c.unseenEnd(l.d); n > 0 {
		l.gap(int(n))
	}
	if h.is(halfStarted) {
		l.tellLateStart(moment(l.now))
	}
	if l.s.passed > 0 {
		l.out.Packet(l.packet)
		l.out.Pass(l.d, moment(l.now), l.s.passed)
		l.s.passed = 0
	}
	l.stopKeeping()
	h.flags &^= halfWaiting
	l.tellClose()
}
