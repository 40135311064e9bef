package capture

import (
	"time"
	"unsafe"

	"github.com/etcdtap/etcdtap/analysis"
)

const (
	// lingerTime is how long a finished connection waits for trailing packets: last acknowledgements, repeated FINs, RSTs.
	// It is in nanoseconds of capture time and longer than the first retransmission time-outs (RFC 6298: one second).
	lingerTime = int64(2 * time.Second)
	// maxLingering bounds how many do: each has an analysis.Conn and its buffers, five kilobytes, and more of them than the processor's second
	// cache holds make everything slower. Those beyond it are handed over, and packets that trail them are ignored; but for those that are not
	// settled, which go on to wait until they are more than maxUnsettled.
	maxLingering = 64
	maxUnsettled = 448
	// shortShift is the granularity, as a power of two of nanoseconds (67 ms), in which the active list is kept in order as long as it is
	// short: its neighbourhood is in the processor's cache then.
	shortShift = 26
	shortList  = 1 << 12
	// longFraction is the granularity of a list that is longer, as a power of two: a 128th of IdleTimeout, or less.
	longFraction = 7
	// maxSpareAttachments is how many are kept for use again: as many handshakes as go on at one time on a busy server.
	maxSpareAttachments = 1024
)

// begin makes the connection that a segment belongs to.
func (t *Tracker) begin(tag uint32, s *Segment) (uint32, analysis.Direction) {
	t.makeRoom()
	i := t.table.add(tag)
	c := t.table.at(i)
	d, known := t.begins(s)
	c.flags = known
	t.table.setEnds(c, d, s)
	c.first, c.start, c.seen = t.packet, t.now, t.now
	t.active.push(&t.table, i)
	t.held += heldByConnection
	if t.options.Early != nil && len(t.looks.queue) < maxLooks {
		t.looks.push(look{t.now + quietAfter, c.first, i})
	}
	t.begun()
	return i, d
}

// What an unfinished connection is counted with in Tracker.held, besides what its observer holds: its entry, with all that it may have.
const (
	heldByEmbryo     = int(unsafe.Sizeof(embryo{}))
	heldByConnection = int(unsafe.Sizeof(connection{}) + unsafe.Sizeof(more{}))
)

// makeRoom gives up the connection that was silent longest where there are too many for one more.
func (t *Tracker) makeRoom() {
	if t.active.length >= t.options.MaxConnections {
		t.evict()
	}
}

// holdLess gives up those that were silent longest until what is held is within its bound. The memory of those given up comes back as soon
// as they are handed over, which is next.
func (t *Tracker) holdLess() {
	for t.held > t.options.MaxHeld && t.active.length > 0 {
		t.evict()
	}
	t.expire()
}

// evict gives up the connection that was silent longest.
func (t *Tracker) evict() {
	i := t.whole(t.active.head)
	if c := t.table.at(i); c.attached() {
		x := t.attachments[c.stream]
		t.held -= x.held
		x.held = 0
	}
	t.stats.Evicted++
	t.giveUp(i, analysis.CloseEvicted)
}

// crowded reports whether so many connections more would make others be given up.
func (t *Tracker) crowded(more int) bool {
	return t.active.length > t.options.MaxConnections-more || t.held+more*heldByEmbryo > t.options.MaxHeld
}

// begun counts a connection that has begun.
func (t *Tracker) begun() {
	t.stats.Connections++
	t.stats.PeakConnections = max(t.stats.PeakConnections, t.active.length+t.waiting())
}

// whole is the index of the connection that i is, or becomes if it is an embryo.
func (t *Tracker) whole(i uint32) uint32 {
	if i&embryonic != 0 {
		return t.hatch(i)
	}
	return i
}

// touch notes that a connection is alive.
func (t *Tracker) touch(i uint32, c *connection) {
	c.last = t.packet
	if t.stale(c.seen) && c.flags&connFinished == 0 && t.active.tail != i {
		t.active.remove(&t.table, i)
		t.active.push(&t.table, i)
	}
	c.seen = t.now
}

// stale reports whether the last packet of a connection, at seen, is so long ago that its next one moves it to the end of the active list.
// Of many connections each moves only every few seconds (17 with the usual IdleTimeout): near enough to know who was silent longest, and
// it spares most packets the visits to both neighbours, which in a flood are in no cache.
func (t *Tracker) stale(seen int64) bool {
	shift := uint8(shortShift)
	if t.active.length > shortList {
		shift = t.longShift
	}
	return (t.now^seen)>>shift != 0
}

// Advance lets capture time pass without a packet, for sources that wait. ns is since the Unix epoch.
func (t *Tracker) Advance(ns int64) {
	t.now = ns
	t.expire()
	t.lookAround()
}

// expire gives up what was silent too long and hands over what has lingered. Time that runs backwards by as much counts as
// passed: a single wrong time stamp must not keep connections for ever.
func (t *Tracker) expire() {
	if t.now < t.calm.from || t.now >= t.calm.to || t.active.head != t.calm.oldest || t.waiting() != t.calm.lingering {
		t.expireDue()
	}
}

// expireDue is expire where there may be something to do.
func (t *Tracker) expireDue() {
	for i := t.active.head; i != 0; i = t.active.head {
		if distance(t.now, t.table.seen(i)) < int64(t.options.IdleTimeout) {
			break
		}
		t.stats.Idle++
		t.giveUp(t.whole(i), analysis.CloseIdle)
	}
	t.handOver(&t.unsettled, maxUnsettled) // first, for they finished before the others
	t.handOver(&t.lingering, maxLingering)
	t.calm = t.untilDue()
}

// handOver hands over those of the finished that need not wait any longer, from the first on, or are more than most.
func (t *Tracker) handOver(q *queue[uint32], most int) {
	for q.length() > 0 {
		i := *q.first()
		c := t.table.at(i)
		at := t.closedAt(c)
		rested := distance(t.now, at)
		over := c.gave != analysis.CloseNone || rested >= lingerTime // no more packets are to be expected
		waits := !over && rested < int64(t.options.Linger)
		if waits && q.length() <= most {
			break
		}
		q.pop()
		if waits && q == &t.lingering && !c.settled() {
			t.unsettled.push(i)
			continue
		}
		t.report(c)
		if over || c.flags&connDetached != 0 {
			t.forget(i)
		} else {
			t.table.bury(i, at)
		}
	}
}

// calm is a span of capture time in which nothing is to be expired, as long as the same connection is the one that was silent longest and
// as many linger. The zero value is no time at all.
type calm struct {
	from, to  int64
	oldest    uint32 // head of the active list
	lingering int
}

// untilDue says for how long there is nothing to expire. A packet of the connection that was silent longest, or of the first that lingers,
// moves the time that counts, but not out of the span: so this is half as long as it could be.
func (t *Tracker) untilDue() calm {
	room := min(int64(t.options.IdleTimeout), lingerTime)
	if t.active.head != 0 {
		room = min(room, int64(t.options.IdleTimeout)-distance(t.now, t.table.seen(t.active.head)))
	}
	for _, q := range [...]*queue[uint32]{&t.unsettled, &t.lingering} {
		if q.length() > 0 {
			at := t.closedAt(t.table.at(*q.first()))
			room = min(room, min(int64(t.options.Linger), lingerTime)-distance(t.now, at))
		}
	}
	return calm{t.now - room/2, t.now + room/2, t.active.head, t.waiting()}
}

// waiting is how many are finished and not handed over.
func (t *Tracker) waiting() int { return t.unsettled.length() + t.lingering.length() }

// closedAt is when a connection closed itself.
func (t *Tracker) closedAt(c *connection) int64 {
	m := t.table.more(c)
	return max(m.closing[0].at, m.closing[1].at)
}

func distance(a, b int64) int64 {
	if a < b {
		return b - a
	}
	return a - b
}

// finish puts a connection that closed itself among those that linger. What it kept for comparison is given back: thousands
// linger, and of one that is over repeated bytes are only counted.
func (t *Tracker) finish(i uint32) {
	t.active.remove(&t.table, i)
	t.held -= heldByConnection
	c := t.table.at(i)
	c.flags |= connFinished
	t.lingering.push(i)
	if c.attached() {
		for d := range c.half {
			l := t.lane(c, analysis.Direction(d))
			l.stopKeeping()
		}
	}
}

// giveUp ends an unfinished connection from our side. It is handed over in its turn, and found no more.
func (t *Tracker) giveUp(i uint32, why analysis.CloseKind) {
	c := t.table.at(i)
	c.gave = why
	c.flags |= connDetached
	t.table.detach(i)
	t.finish(i)
}

// replace makes room for a new connection between the same endpoints.
func (t *Tracker) replace(i uint32) {
	t.stats.Replaced++
	c := t.table.at(i)
	if c.flags&connFinished == 0 {
		t.giveUp(i, analysis.CloseIdle)
		return
	}
	c.flags |= connDetached
	t.table.detach(i)
}

// Flush finishes all connections, because the capture has ended: those that are finished in their order, then the others in the
// order of their first packets.
func (t *Tracker) Flush() {
	for _, q := range [...]*queue[uint32]{&t.unsettled, &t.lingering} {
		for ; q.length() > 0; q.pop() {
			i := *q.first()
			t.report(t.table.at(i))
			t.forget(i)
		}
	}
	t.active = list{}
	t.table.detachAll()
	for q := t.openRuns(); len(q) > 0; {
		i := q.pop(&t.table)
		if i&embryonic != 0 {
			t.held -= heldByEmbryo
			t.lastEmbryo(t.table.embryo(i))
			continue
		}
		t.held -= heldByConnection
		t.last(t.table.at(i))
	}
	t.table.empty()
}

// last reports a connection that was open when the capture ended.
func (t *Tracker) last(c *connection) {
	c.gave = analysis.CloseEnd
	c.flags |= connDetached | connFinished
	t.report(c)
}

// lastEmbryo is last for an embryo. A flood leaves a million of them, so no connection is made of one that is reported at once.
func (t *Tracker) lastEmbryo(e *embryo) {
	if t.later == nil {
		t.sink(t.closer.halfOpen(e))
		return
	}
	e.into(&t.hatched)
	t.last(&t.hatched)
}

// report gives a finished connection's facts to the sink, or to where they are to be handed over from.
func (t *Tracker) report(c *connection) {
	switch {
	case t.later != nil:
		t.reportLater(c)
	case !c.attached():
		t.sink(t.closer.facts(c, t.table.more(c)))
	default:
		x := t.attachments[c.stream]
		t.conclude(c, t.table.more(c), x)
		t.sink(x.conn.Facts())
		t.detach(c)
		t.keepSpare(x)
	}
}

// forget gives up a connection's place.
func (t *Tracker) forget(i uint32) {
	if t.table.at(i).flags&connDetached == 0 {
		t.table.detach(i)
	}
	t.table.release(i)
}

// attach gives a connection an observer, at its first data.
func (t *Tracker) attach(c *connection) {
	if n := len(t.vacant); n > 0 {
		c.stream = t.vacant[n-1]
		t.vacant = t.vacant[:n-1]
	} else {
		c.stream = uint32(len(t.attachments))
		t.attachments = append(t.attachments, nil)
	}
	x := t.newAttachment()
	c.flags |= connAttached
	t.attachments[c.stream] = x
	x.prepare(c, t.table.more(c))
}

// detach takes a finished connection's attachment from it, and the buffers of that back.
func (t *Tracker) detach(c *connection) {
	t.attachments[c.stream].empty(&t.buffers)
	t.unhook(c)
}

// unhook takes an attachment from its connection.
func (t *Tracker) unhook(c *connection) {
	t.held -= t.attachments[c.stream].held
	t.attachments[c.stream] = nil
	t.vacant = append(t.vacant, c.stream)
	c.flags &^= connAttached
}

// keepSpare keeps an attachment for use again.
func (t *Tracker) keepSpare(x *attachment) {
	if len(t.spare) < maxSpareAttachments {
		t.spare = append(t.spare, x)
	}
}

func (t *Tracker) newAttachment() *attachment {
	if n := len(t.spare); n > 0 {
		x := t.spare[n-1]
		t.spare = t.spare[:n-1]
		x.conn.Share(t.cache) // another may have concluded what it served last
		return x
	}
	x := &attachment{conn: new(analysis.Conn)}
	x.conn.Share(t.cache)
	x.conn.UseKeys(t.options.Keys)
	return x
}

// prepare makes an attachment ready for a connection.
func (x *attachment) prepare(c *connection, m *more) {
	x.conn.Reset(c.endpoint(analysis.FromClient, m), c.endpoint(analysis.FromServer, m), moment(c.start))
	*x = attachment{conn: x.conn, store: [2]store{{held: x.store[0].held[:0]}, {held: x.store[1].held[:0]}}}
}
