package capture

import (
	"math"

	"github.com/etcdtap/etcdtap/analysis"
)

// embryo is an embryonic connection: one of which nothing but a SYN and its answer came, as often as they may have come. A flood leaves a
// million of them, so each is one cache line, half of what other connections need. Whatever else comes makes a connection of it.
//
// Embryos are between IPv4 addresses. They have no flags: what those of a connection would be follows from how it was opened.
type embryo struct {
	ends         ends
	start        [2]uint32 // by Direction: number of the first byte; the server's is valid iff it has sent packets
	last         uint32    // number of the last packet, from first on
	first, began int64     // number and time of the first packet
	seen         int64     // time of the last packet
	packets      [2]uint16 // by Direction; the client has sent none iff the embryo is in no use
	links        links
	tag          uint32 // of the ends; finds the slot again
}

// embryonic marks indexes of embryos, in the table and in lists.
const embryonic = 1 << 31

// embryo is the embryo of an index that is in use and marked so.
func (t *table) embryo(i uint32) *embryo { return t.embryos.at(i &^ embryonic) }

// conceives reports whether an unknown segment begins an embryo. Who is shown connections early wants them whole.
func (t *Tracker) conceives(s *Segment) bool {
	return s.Flags&^flagsECN == flagSYN && s.Length == 0 && t.options.Early == nil
}

// conceive makes the embryo that a SYN begins.
func (t *Tracker) conceive(tag, src, dst uint32, s *Segment) {
	t.makeRoom()
	i := t.table.addEmbryo(tag)
	e := t.table.embryo(i)
	e.ends = ends{[2]uint32{src, dst}, [2]uint16{s.SrcPort, s.DstPort}}
	e.start[analysis.FromClient] = s.Seq + 1
	e.first, e.began, e.seen = t.packet, t.now, t.now
	e.packets[analysis.FromClient] = 1
	t.active.push(&t.table, i)
	t.held += heldByEmbryo
	t.begun()
}

// grows takes a segment from d, if an embryo can: the SYN again, or an answer to it. It does what a connection would do, of which
// nothing would change but who was seen, and how often. Of several answers the first counts, as there: SYN cookies number them anew.
func (t *Tracker) grows(i uint32, e *embryo, d analysis.Direction, s *Segment) bool {
	const server = analysis.FromServer
	distance, flags := t.packet-e.first, s.Flags&^flagsECN
	switch {
	case s.Length > 0 || e.packets[d] == math.MaxUint16 || uint64(distance) > math.MaxUint32:
		return false
	case d == analysis.FromClient:
		if flags != flagSYN || s.Seq+1 != e.start[d] {
			return false
		}
	case flags != flagSYN|flagACK || s.Ack != e.start[analysis.FromClient]:
		return false
	case e.packets[server] == 0:
		e.start[server] = s.Seq + 1
	}
	e.packets[d]++
	e.last = uint32(distance)
	if t.stale(e.seen) && t.active.tail != i {
		t.active.remove(&t.table, i)
		t.active.push(&t.table, i)
	}
	e.seen = t.now
	return true
}

// into makes c what the embryo would be if it had been a connection from the beginning.
func (e *embryo) into(c *connection) {
	*c = connection{ends: e.ends}
	c.flags = connSYN | connRolesKnown
	c.first, c.start, c.seen, c.last = e.first, e.began, e.seen, e.first+int64(e.last)
	c.tag = e.tag
	for d := range c.half {
		h := &c.half[d]
		if h.packets = e.packets[d]; h.packets > 0 {
			h.start, h.next = e.start[d], e.start[d]
			h.flags = halfSeen | halfStarted | halfStartKnown
		}
	}
	if e.packets[analysis.FromServer] > 0 {
		c.flags |= connSYNACK
		h := &c.half[analysis.FromClient]
		h.acked = h.start
		h.flags |= halfAcked
	}
}

// hatch makes a connection of an embryo, in its place.
func (t *Tracker) hatch(i uint32) uint32 {
	e := t.table.embryo(i)
	n := t.table.room()
	e.into(t.table.at(n))
	t.table.slots[t.table.slotOf(i, e.tag)].index = n
	t.active.replace(&t.table, i, n)
	t.held += heldByConnection - heldByEmbryo
	t.table.releaseEmbryo(i)
	return n
}

// addEmbryo makes an empty embryo and enters it under its tag.
func (t *table) addEmbryo(tag uint32) uint32 {
	i := t.embryoFree
	if i != 0 {
		t.embryoFree = t.embryos.at(i).links.next
		*t.embryos.at(i) = embryo{}
	} else {
		i = t.embryos.add()
	}
	t.embryos.at(i).tag = tag
	t.enter(tag, i|embryonic)
	return i | embryonic
}

// releaseEmbryo gives the place of an embryo back that is neither in the table nor in a list any more.
func (t *table) releaseEmbryo(i uint32) {
	i &^= embryonic
	*t.embryos.at(i) = embryo{links: links{next: t.embryoFree}}
	t.embryoFree = i
}
