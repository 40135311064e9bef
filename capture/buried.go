package capture

import "github.com/etcdtap/etcdtap/analysis"

// maxBuried bounds how many connections that were handed over before lingerTime had passed are remembered, so that trailing packets are not
// taken for connections of their own: at fifteen thousand connections a second for all of lingerTime, in 8 MB.
const maxBuried = 1 << 16

// buried is what is remembered of such a connection: between whom it was, where its streams were, and when it had closed itself.
type buried struct {
	at   int64
	addr [2]Address // by Direction
	half [2]half    // likewise
	port [2]uint16  // likewise
}

// graves are the buried connections. Where connections are short there are thousands, of which hardly one is ever looked at again: so they
// are not where the others are found, which then fit into the nearest cache, and nobody takes them out one by one. Those that were buried
// last fill one generation until its first is too old; by then the generation before it is forgotten as a whole.
type graves struct{ last, before generation }

// generation is some buried connections in their order. They are found by their indexes, which count from 1.
type generation struct {
	hashed
	list   []buried
	filter [1 << 10]uint64 // has the bit that the upper half of a tag says for each that is in the table: nearly all that is looked for is not
}

func newGraves() graves {
	return graves{generation{hashed: newHashed()}, generation{hashed: newHashed()}}
}

// find looks for the connection that a segment trails at a time, and who sent the segment; nil if there is none.
func (g *graves) find(tag uint32, s *Segment, now int64) (b *buried, from analysis.Direction) {
	if b, from = g.last.find(tag, s, now); b == nil {
		b, from = g.before.find(tag, s, now)
	}
	return b, from
}

func (x *generation) find(tag uint32, s *Segment, now int64) (*buried, analysis.Direction) {
	if x.used == 0 || x.filter[tag>>22]>>(tag>>16&63)&1 == 0 {
		return nil, analysis.FromClient
	}
	for at := x.home(tag); x.slots[at].index != 0; at = x.home(at + 1) {
		e := x.slots[at]
		if e.tag != tag {
			continue
		}
		b := &x.list[e.index-1]
		if from, same := senderOf(&b.addr, &b.port, s); same && distance(now, b.at) < lingerTime {
			return b, from
		}
	}
	return nil, analysis.FromClient
}

// add remembers one more.
func (x *generation) add(tag uint32, b buried) {
	x.list = append(x.list, b)
	x.filter[tag>>22] |= 1 << (tag >> 16 & 63)
	x.enter(tag, uint32(len(x.list)))
}

// empty forgets all.
func (x *generation) empty() {
	x.hashed.empty()
	x.list = x.list[:0]
	clear(x.filter[:])
}

// bury takes a connection that had closed itself at a time out of the table, gives its place back, and remembers what it has to.
func (t *table) bury(i uint32, at int64) {
	g := &t.buried
	if n := len(g.last.list); n == maxBuried/2 || n > 0 && distance(at, g.last.list[0].at) >= lingerTime {
		g.last, g.before = g.before, g.last
		g.last.empty()
	}
	c := t.at(i)
	b := buried{at: at, half: c.half, port: c.ends.port}
	if c.flags&connWide != 0 {
		b.addr = t.more(c).addr
	} else {
		for d := range b.addr {
			b.addr[d].setNarrow(c.ends.addr[d])
		}
	}
	g.last.add(c.tag, b)
	t.detach(i)
	t.release(i)
}

// replacedBy is what it is of the connection.
func (b *buried) replacedBy(d analysis.Direction, s *Segment) bool {
	c := connection{half: b.half, flags: connReset} // which says that it is over
	return c.replacedBy(d, s)
}
