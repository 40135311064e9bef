package capture

import (
	"math"
	"math/bits"
	"time"

	"github.com/etcdtap/etcdtap/analysis"
)

// TrackerOptions says how a Tracker keeps connections. The zero value means the defaults.
type TrackerOptions struct {
	// IdleTimeout is how long a connection may be silent, in capture time, before it is given up. The default is an hour: a
	// watch without events may be silent that long where keep-alives are off, and what it costs is bounded by the two that follow.
	IdleTimeout time.Duration
	// MaxConnections is how many unfinished connections are kept; the one that was silent longest is given up for a new one.
	// The default is a million and a half.
	MaxConnections int
	// MaxHeld is how many bytes unfinished connections may take together, with their places in the table and what was seen of them. Beyond
	// them those that were silent longest are given up. The default is 256 MiB: 1.4 million connections without data, or fifty thousand that have
	// sent no more than a ClientHello.
	MaxHeld int
	// ServerPorts reports whether servers listen on a port, to tell who is who when no SYN was seen. Nil means that none
	// is known.
	ServerPorts func(port uint16) bool
	// Linger is how long a connection that closed itself waits, in capture time, for what trails it before it is handed over.
	// The default is lingerTime; live capture is in more of a hurry, and what comes later is not heeded.
	Linger time.Duration
	// Early gets connections before their end. Nil means that nobody wants them.
	Early EarlySink
	// Keys has secrets to decrypt connections with. Nil is none.
	Keys analysis.KeySource
}

const (
	defaultIdleTimeout    = time.Hour
	defaultMaxConnections = 1_500_000
	defaultMaxHeld        = 256 << 20
)

// TrackerStats counts what a Tracker has seen.
type TrackerStats struct {
	Segments        int64 // given to the tracker
	Connections     int64 // begun
	PeakConnections int   // most of them at one time, lingering ones included
	Idle            int64 // given up after IdleTimeout
	Evicted         int64 // given up for MaxConnections or MaxHeld
	Replaced        int64 // given up for a new connection between the same endpoints
	Implausible     int64 // segments with sequence numbers that cannot belong to their connection; ignored
	IgnoredResets   int64 // RSTs that no receiver would heed
	AfterClose      int64 // segments with data beyond the sender's FIN or RST; ignored
	Late            int64 // segments of connections that had been handed over; ignored
	KeepAlives      int64 // keep-alives that carry a byte
	Uncompared      int64 // streams whose bytes were not kept for comparison, for want of memory
	Gaps            int64 // places in streams where bytes were not captured
	MissedBytes     int64 // bytes that were not captured there
}

// Tracker makes connections of segments: it finds each segment's connection, puts its bytes in order, shows them to an
// analysis.Conn, and hands the facts over when the connection is finished. It is not safe for concurrent use.
//
// Memory: 64 bytes and a table slot or two for a half-open connection, 128 for others without data, 64 more with IPv6 or when it
// closes. One with data has an analysis.Conn, and for each direction at most maxHeldBytes out of order and keptForComparison delivered, both bounded by maxLent over all connections.
type Tracker struct {
	reassembler
	options     TrackerOptions
	sink        ConnectionSink
	table       table
	active      list          // unfinished, the longest silent first (nearly: see stale)
	longShift   uint8         // see stale
	lingering   queue[uint32] // finished, in the order of finishing
	unsettled   queue[uint32] // those of them that go on to wait, in that order
	calm        calm          // when there is nothing to expire
	attachments []*attachment // by connection.stream; 0 is never used
	held        int           // bytes that unfinished connections take, as far as they were counted: see MaxHeld
	vacant      []uint32      // indexes of attachments not in use
	spare       []*attachment // to be used again
	closer      closer        // concludes connections without data
	hatched     connection    // of an embryo that is reported
	later       *laterReports // where finished connections go whose facts another goroutine hands over; nil: the tracker does
	cache       *analysis.CertificateCache
	looks       looks // connections to be shown early; empty where nobody wants them
	useful      bool  // see Useful
	stats       TrackerStats
}

// NewTracker makes a tracker that hands finished connections to sink.
func NewTracker(o TrackerOptions, sink ConnectionSink) *Tracker {
	if o.IdleTimeout <= 0 {
		o.IdleTimeout = defaultIdleTimeout
	}
	if o.MaxConnections <= 0 {
		o.MaxConnections = defaultMaxConnections
	}
	if o.MaxHeld <= 0 {
		o.MaxHeld = defaultMaxHeld
	}
	if o.Linger <= 0 {
		o.Linger = time.Duration(lingerTime)
	}
	if o.ServerPorts == nil {
		o.ServerPorts = func(uint16) bool { return false }
	}
	t := &Tracker{options: o, sink: sink, table: newTable(), attachments: make([]*attachment, 1)}
	t.longShift = uint8(max(shortShift, bits.Len64(uint64(o.IdleTimeout))-1-longFraction))
	t.reassembler.stats, t.closer.stats = &t.stats, &t.stats
	t.cache = new(analysis.CertificateCache)
	t.closer.scratch = t.newAttachment()
	return t
}

// Active is how many connections are unfinished.
func (t *Tracker) Active() int { return t.active.length }

// Stats is what was counted so far.
func (t *Tracker) Stats() TrackerStats { return t.stats }

// Segment takes the next segment, of packet p. Neither is kept.
func (t *Tracker) Segment(p *Packet, s *Segment) {
	t.packet, t.now = p.Number, p.Time
	t.segment(t.table.hash(s), 0, s)
}

// segment takes the segment of the current packet. For tag and hint see table.find.
func (t *Tracker) segment(tag, hint uint32, s *Segment) {
	t.stats.Segments++
	t.expire()
	if t.held > t.options.MaxHeld {
		t.holdLess()
	}
	if t.looks.head < len(t.looks.queue) {
		t.lookAround()
	}
	i, d := t.table.find(tag, hint, s)
	if i&embryonic != 0 {
		if t.grows(i, t.table.embryo(i), d, s) {
			return
		}
		i = t.hatch(i)
	}
	if i != 0 && s.Flags&(flagSYN|flagRST) == flagSYN {
		switch c := t.table.at(i); {
		case t.options.Early == nil && c.repeats(d, s):
			t.touch(i, c)
			c.count(d)
			return
		case c.replacedBy(d, s):
			t.replace(i)
			i = 0
		}
	}
	if i == 0 {
		if t.trails(tag, s) {
			return
		}
		if src, dst, wide := s.narrow(); !wide && t.conceives(s) {
			t.conceive(tag, src, dst, s)
			return
		}
		i, d = t.begin(tag, s)
	}
	c := t.table.at(i)
	t.touch(i, c)
	h, o := &c.half[d], &c.half[d^1]
	c.count(d)
	if s.Flags&^flagPSH == flagACK && s.Seq == h.next && h.flags&halfWaiting == 0 && len(s.Payload) == s.Length && c.closed[d] == analysis.CloseNone &&
		(h.is(halfDone) || t.inRecord(c, d, s.Length)) {
		t.bulk(c, d, s)
		return
	}
	if t.options.Early == nil {
		t.follow(c, d, s)
	} else {
		was, before := c.attached() && t.attachments[c.stream].settled, o.acked
		t.follow(c, d, s)
		t.useful = !was || s.Flags&(flagSYN|flagFIN|flagRST) != 0 || o.passedMark(before)
		t.settle(c)
	}
	if c.flags&connFinished == 0 && c.over() {
		t.finish(i)
	}
}

// trails reports whether a segment trails a connection that was handed over. A connection that a new one replaces is no longer remembered.
func (t *Tracker) trails(tag uint32, s *Segment) bool {
	b, d := t.table.buried.find(tag, s, t.now)
	switch {
	case b == nil:
		return false
	case s.Flags&(flagSYN|flagRST) == flagSYN && b.replacedBy(d, s):
		t.stats.Replaced++
		*b = buried{} // which nothing trails
		return false
	}
	t.stats.Late++
	t.useful = s.Flags&(flagSYN|flagFIN|flagRST) != 0
	return true
}

// inRecord reports whether the next n bytes lie in a record that the observer passes over, so far into the stream that nothing waits
// for what it answers, and that nothing is kept any more.
func (t *Tracker) inRecord(c *connection, d analysis.Direction, n int) bool {
	h := &c.half[d]
	if n == 0 || h.flags&(halfSeen|halfData) != halfSeen|halfData || h.flags&(halfStartKnown|halfLateStart) == 0 || h.next-h.start <= causalBytes {
		return false
	}
	x := t.attachments[c.stream]
	if !x.store[d].keptEnded || len(x.store[d^1].held) > 0 {
		return false
	}
	skip := x.conn.Skip(d)
	return skip >= int64(n) && skip < math.MaxInt64
}

// bulk takes a segment in order whose bytes nobody wants. It does what follow would do, in a tenth of the time.
func (t *Tracker) bulk(c *connection, d analysis.Direction, s *Segment) {
	h, o, x := &c.half[d], &c.half[d^1], t.attachments[c.stream]
	t.useful = !x.settled
	if s.Ack != o.acked {
		before := o.acked
		if !o.acknowledge(s.Ack) {
			t.stats.Implausible++
		}
		t.useful = t.useful || o.passedMark(before)
	}
	if o.unseen() {
		t.giveUpUnseen(c, d^1)
	}
	h.next += uint32(s.Length)
	if h.is(halfDone) {
		x.store[d].passed += int64(s.Length)
		if t.options.Early != nil {
			t.settle(c)
		}
	} else {
		c.flags |= connEstablished
		x.store[d].waited = 0
		x.conn.Packet(t.packet)
		x.conn.Pass(d, moment(t.now), int64(s.Length))
		if t.options.Early != nil {
			t.settle(c)
		}
	}
	if o.is(halfWaiting) {
		t.wait(c)
	}
}

// follow takes a segment that is not mere bulk.
func (t *Tracker) follow(c *connection, d analysis.Direction, s *Segment) {
	if s.Flags&flagRST != 0 {
		t.reset(c, d, s)
		return
	}
	seq := s.Seq
	if s.Flags&flagSYN != 0 {
		if c.attached() && c.misjudged(d, s) {
			t.turnRound(c)
			d = d.Other()
		}
		d = t.synchronize(c, d, s)
		seq++
		if c.attached() {
			t.anchored(c)
		}
	}
	h, o := &c.half[d], &c.half[d^1]
	if c.completes(d, s) {
		o.startAt(s.Ack)
		o.flags |= halfStartKnown
	}
	h.appear(seq)
	if s.Flags&flagACK != 0 && !o.acknowledge(s.Ack) {
		t.stats.Implausible++
	}
	if o.unseen() {
		t.giveUpUnseen(c, d^1)
	}
	if s.Flags&(flagSYN|flagACK) == flagACK && (d == analysis.FromClient || s.Length > 0) {
		c.flags |= connEstablished // who has not seen the SYN-ACK, or its acknowledgement, cannot send this
	}
	if s.Length > 0 {
		d = t.data(c, d, s, seq)
	}
	if s.Flags&flagFIN != 0 {
		plausible, closes := c.end(d, seq+uint32(s.Length))
		if !plausible {
			t.stats.Implausible++
		}
		if closes {
			t.table.extend(c).closing[d] = closing{t.packet, t.now}
			if c.answered(d, s) {
				c.flags |= connClosesSwapped
			}
		}
		if c.attached() {
			l := t.lane(c, d)
			l.update()
		}
	}
	t.wait(c)
}

// data gives a segment's payload to its stream. The direction that it returns is the right one: the first data may have
// shown that client and server had been taken for each other.
func (t *Tracker) data(c *connection, d analysis.Direction, s *Segment, seq uint32) analysis.Direction {
	if !c.attached() {
		d = t.judgeRoles(c, d, s.Payload)
		t.attach(c)
	}
	l := t.lane(c, d)
	if len(s.Payload) < s.Length {
		l.x.truncated++
	}
	l.answers(s)
	l.arrive(stretch{seq, s.Length, s.Payload})
	held := l.x.conn.Held() + l.x.listed
	t.held += held - l.x.held
	l.x.held = held
	return d
}

// giveUpUnseen tells the observer of bytes that are acknowledged and will not be seen: of a capture with one side only, or of a file
// without bulk data. Numbers go round every 4 GiB; who waits for the end cannot count what is missing.
func (t *Tracker) giveUpUnseen(c *connection, d analysis.Direction) {
	if !c.attached() {
		t.attach(c)
	}
	l := t.lane(c, d)
	to := l.h.acked
	if fin := c.fin[d]; l.h.is(halfFIN) && ahead(to, fin) > 0 {
		to = fin
	}
	l.skipTo(to)
	l.update()
}

// wait looks after the connection's holes.
func (t *Tracker) wait(c *connection) {
	if (c.half[0].flags|c.half[1].flags)&halfWaiting == 0 || !c.attached() {
		return
	}
	for d := range c.half {
		if c.half[d].is(halfWaiting) {
			l := t.lane(c, analysis.Direction(d))
			l.wait()
		}
	}
}

// reset takes a RST. Its payload, if any, is no part of the stream (RFC 9293, Section 3.5.3).
func (t *Tracker) reset(c *connection, d analysis.Direction, s *Segment) {
	if !c.heeds(d, s) {
		t.stats.IgnoredResets++
		return
	}
	m := t.table.extend(c)
	if c.closed[d] == analysis.CloseNone {
		c.closed[d], m.closing[d] = analysis.CloseRST, closing{t.packet, t.now}
		if s.Flags&flagACK != 0 {
			c.half[d^1].acknowledge(s.Ack) // what it answers may be captured after it, or not at all
		}
	} else if c.closed[d^1] == analysis.CloseNone {
		m.closing[d^1].at = t.now
	}
	c.flags |= connReset
	waits := c.endAt(d, s.Seq)
	if c.attached() && !waits {
		l := t.lane(c, d)
		l.settle()
	}
}

func (t *Tracker) lane(c *connection, d analysis.Direction) lane {
	x := t.attachments[c.stream]
	return lane{reassembler: &t.reassembler, out: x.conn, d: d, c: c, m: t.table.more(c), h: &c.half[d], x: x, s: &x.store[d]}
}
