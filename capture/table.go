package capture

import (
	"encoding/binary"
	"math/bits"
	"math/rand/v2"

	"github.com/etcdtap/etcdtap/analysis"
)

// table finds connections by their two endpoints, whichever of them sent. Slots are small and hold no pointers; connections
// live in slabs and never move. Index 0 means none.
type table struct {
	hashed
	seed  [3]uint64 // keeps senders from choosing addresses that collide
	slabs slabs[connection]
	free  uint32 // first of the connections given back, chained by next

	embryos    slabs[embryo]
	embryoFree uint32 // first of the embryos given back, likewise

	mores    slabs[more]
	moreFree []uint32 // those given back
	none     more     // of connections that have none; stays zero

	buried graves

	warmed uint32 // what warm has seen; it is kept so that the compiler lets it look
}

func newTable() table {
	return table{
		hashed: newHashed(),
		buried: newGraves(),
		seed:   [3]uint64{rand.Uint64(), rand.Uint64(), rand.Uint64()},
	}
}

// at is the connection of an index that is in use.
func (t *table) at(i uint32) *connection { return t.slabs.at(i) }

// more is what the connection has besides, for reading: zero if that is nothing.
func (t *table) more(c *connection) *more {
	if c.more == 0 {
		return &t.none
	}
	return t.mores.at(c.more)
}

// extend is more for writing.
func (t *table) extend(c *connection) *more {
	if c.more != 0 {
		return t.mores.at(c.more)
	}
	if n := len(t.moreFree); n > 0 {
		c.more = t.moreFree[n-1]
		t.moreFree = t.moreFree[:n-1]
		m := t.mores.at(c.more)
		*m = more{}
		return m
	}
	c.more = t.mores.add()
	return t.mores.at(c.more)
}

// hash is the same for both directions of a connection.
func (t *table) hash(s *Segment) uint32 {
	a := t.mix(&s.Src, s.SrcPort)
	b := t.mix(&s.Dst, s.DstPort)
	hi, lo := bits.Mul64((a+b)^t.seed[2], 0x9E3779B97F4A7C15)
	return uint32((hi ^ lo) >> 32)
}

func (t *table) mix(a *Address, port uint16) uint64 {
	hi, lo := bits.Mul64(
		binary.LittleEndian.Uint64(a[:8])^t.seed[0]^uint64(port)<<24,
		binary.LittleEndian.Uint64(a[8:])^t.seed[1]+uint64(port))
	return hi ^ lo
}

// find looks a segment's connection up by the hash of its endpoints: its index, 0 if there is none, and who sent the segment. hint is
// the index that warm found for it a while ago, or 0: mostly that is still right, and one look at the connection tells.
func (t *table) find(tag, hint uint32, s *Segment) (i uint32, from analysis.Direction) {
	mask := uint32(len(t.slots) - 1)
	src, dst, wide := s.narrow()
	switch {
	case hint == 0 || wide:
	case hint&embryonic != 0:
		e := t.embryo(hint)
		if from, same := e.ends.sender(src, dst, s); same && e.packets[analysis.FromClient] != 0 {
			return hint, from
		}
	default:
		c := t.at(hint)
		if from, same := c.ends.sender(src, dst, s); same && c.flags&(connDetached|connFree|connWide) == 0 {
			return hint, from
		}
	}
	for at := tag & mask; ; at = (at + 1) & mask {
		e := t.slots[at]
		if e.index == 0 {
			return 0, analysis.FromClient
		}
		if e.tag != tag {
			continue
		}
		if e.index&embryonic != 0 {
			if from, same := t.embryo(e.index).ends.sender(src, dst, s); same && !wide {
				return e.index, from
			}
			continue
		}
		c := t.at(e.index)
		if wide || c.flags&connWide != 0 {
			if from, same := t.findWide(c, s); same {
				return e.index, from
			}
			continue
		}
		if from, same := c.ends.sender(src, dst, s); same {
			return e.index, from
		}
	}
}

// findWide compares the endpoints of a connection and a segment of which one has IPv6 addresses, or both.
func (t *table) findWide(c *connection, s *Segment) (from analysis.Direction, same bool) {
	if c.flags&connWide == 0 {
		return 0, false
	}
	return senderOf(&t.more(c).addr, &c.ends.port, s)
}

// senderOf says who sends a segment, if it is between these ends, which are by Direction.
func senderOf(addr *[2]Address, port *[2]uint16, s *Segment) (from analysis.Direction, same bool) {
	switch {
	case port[0] == s.SrcPort && port[1] == s.DstPort && addr[0] == s.Src && addr[1] == s.Dst:
		return analysis.FromClient, true
	case port[1] == s.SrcPort && port[0] == s.DstPort && addr[1] == s.Src && addr[0] == s.Dst:
		return analysis.FromServer, true
	}
	return 0, false
}

// setEnds enters a segment's endpoints into a new connection. d is the direction in which it goes.
func (t *table) setEnds(c *connection, d analysis.Direction, s *Segment) {
	c.ends.port[d], c.ends.port[d^1] = s.SrcPort, s.DstPort
	src, dst, wide := s.narrow()
	if !wide {
		c.ends.addr[d], c.ends.addr[d^1] = src, dst
		return
	}
	c.flags |= connWide
	m := t.extend(c)
	m.addr[d], m.addr[d^1] = s.Src, s.Dst
}

// add makes an empty connection and enters it under its tag.
func (t *table) add(tag uint32) uint32 {
	i := t.room()
	t.at(i).tag = tag
	t.enter(tag, i)
	return i
}

// room is the place for a connection that is not in the table yet: empty.
func (t *table) room() uint32 {
	i := t.free
	if i == 0 {
		return t.slabs.add()
	}
	c := t.at(i)
	t.free = c.links.next
	*c = connection{}
	return i
}

// detach takes a connection out of the table; it stays in its slab until release.
func (t *table) detach(i uint32) { t.vacate(t.slotOf(i, t.at(i).tag)) }

// detachAll takes all connections out of the table.
func (t *table) detachAll() { t.hashed, t.buried = newHashed(), newGraves() }

// empty gives up all places, of whatever is in use.
func (t *table) empty() {
	t.slabs, t.free, t.embryos, t.embryoFree, t.mores, t.moreFree = slabs[connection]{}, 0, slabs[embryo]{}, 0, slabs[more]{}, nil
}

// release gives a detached connection's place back.
func (t *table) release(i uint32) {
	c := t.at(i)
	if c.more != 0 {
		t.moreFree = append(t.moreFree, c.more)
		c.more = 0
	}
	c.flags |= connFree
	c.links.next = t.free
	t.free = i
}

// list is a list of connections, chained by their indexes.
type list struct {
	head, tail uint32
	length     int
}

// links are the neighbours of a connection or embryo.
func (t *table) links(i uint32) *links {
	if i&embryonic != 0 {
		return &t.embryo(i).links
	}
	return &t.at(i).links
}

func (l *list) push(t *table, i uint32) {
	*t.links(i) = links{prev: l.tail}
	if l.tail == 0 {
		l.head = i
	} else {
		t.links(l.tail).next = i
	}
	l.tail = i
	l.length++
}

func (l *list) remove(t *table, i uint32) {
	k := t.links(i)
	l.join(t, k.prev, k.next, k.next, k.prev)
	*k = links{}
	l.length--
}

// replace puts another element into the place of i.
func (l *list) replace(t *table, i, by uint32) {
	k := *t.links(i)
	*t.links(by) = k
	l.join(t, k.prev, by, k.next, by)
}

// join makes next what follows prev, and before what precedes after. 0 is the list's own end.
func (l *list) join(t *table, prev, next, after, before uint32) {
	if prev == 0 {
		l.head = next
	} else {
		t.links(prev).next = next
	}
	if after == 0 {
		l.tail = before
	} else {
		t.links(after).prev = before
	}
}

// warm visits the memory that the segments of a batch will be looked up in. The processor fetches it for several of them at a time, as
// it cannot when each has to be found before the next one is looked at: of a million connections hardly one is in its caches. Where
// the visits go is worked out before the first of them, for the less there is between two of them the more are under way at a time.
// There are at most inlineBatch segments.
func (t *table) warm(segments []queued) {
	mask := uint32(len(t.slots) - 1)
	var lines [inlineBatch]*uint32
	n, seen := 0, uint32(0)
	for i := range segments {
		seen |= t.slots[segments[i].tag&mask].tag
	}
	for i := range segments {
		tag := segments[i].tag
		segments[i].hint = 0
		for at, most := tag&mask, mostWarmed; t.slots[at].index != 0 && most > 0; at, most = (at+1)&mask, most-1 {
			if e := t.slots[at]; e.tag == tag {
				segments[i].hint = e.index
				lines[n] = t.line(e.index)
				n++
				break
			}
		}
	}
	for _, line := range lines[:n] {
		seen |= *line
	}
	t.warmed = seen
}

// warmOldest visits what giving up the first connections of a list will need.
func (t *table) warmOldest(i uint32, most int) {
	for ; i != 0 && most > 0; most-- {
		t.warmed |= t.slots[t.home(t.tagOf(i))].tag
		i = t.links(i).next
	}
}

// line is within the cache line of a connection or embryo that its segments need first.
func (t *table) line(i uint32) *uint32 {
	if i&embryonic != 0 {
		return &t.embryo(i).last
	}
	return &t.at(i).half[0].next
}

// seen is when the last packet of a connection or embryo came.
func (t *table) seen(i uint32) int64 {
	if i&embryonic != 0 {
		return t.embryo(i).seen
	}
	return t.at(i).seen
}

// tagOf is the tag of a connection or embryo.
func (t *table) tagOf(i uint32) uint32 {
	if i&embryonic != 0 {
		return t.embryo(i).tag
	}
	return t.at(i).tag
}

// mostWarmed is how many slots are looked at for each segment: those in a line of the processor's cache.
const mostWarmed = 8
