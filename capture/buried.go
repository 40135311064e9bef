package capture

import "github.com/etcdtap/etcdtap/analysis"

// buried is what is remembered of a connection that was handed over, so that what trails it is known for that: between whom it was, where
// its streams were, and when it had closed itself.
type buried struct {
	at   int64
	addr [2]Address // by Direction
	half [2]half    // likewise
	port [2]uint16  // likewise
	tag  uint32
	gone bool // no longer to be found: another connection between the same endpoints has begun
}

// graves are the buried connections. Where connections are short there are thousands, and each is looked for twice, when another one begins
// between its endpoints or something trails it: so they are not where the others are found, which then fit into the nearest cache, and lie
// in the order in which they will be forgotten.
type graves struct {
	hashed
	list  queue[buried]
	first uint32 // number of the first in the list
}

// graveMark makes an index of a buried connection's number, which may be 0 and has the other bits.
const graveMark = 1 << 31

// at is the buried connection of an index.
func (g *graves) at(i uint32) *buried { return &g.list.items[g.list.head+int((i-g.first)&^graveMark)] }

// find looks for the connection that a segment trails: its index, 0 if there is none, and who sent the segment.
func (g *graves) find(tag uint32, s *Segment) (i uint32, from analysis.Direction) {
	if g.used == 0 {
		return 0, analysis.FromClient
	}
	for at := g.home(tag); g.slots[at].index != 0; at = g.home(at + 1) {
		e := g.slots[at]
		if e.tag != tag {
			continue
		}
		b := g.at(e.index)
		if from, same := senderOf(&b.addr, &b.port, s); same {
			return e.index, from
		}
	}
	return 0, analysis.FromClient
}

// bury takes a connection out of the table and gives its place back, and remembers what it has to.
func (t *table) bury(i uint32, at int64) {
	c, g := t.at(i), &t.buried
	b := buried{at: at, tag: c.tag, port: c.ends.port, half: c.half}
	if c.flags&connWide != 0 {
		b.addr = t.more(c).addr
	} else {
		for d := range b.addr {
			b.addr[d].setNarrow(c.ends.addr[d])
		}
	}
	g.enter(c.tag, (g.first+uint32(g.list.length()))|graveMark)
	g.list.push(b)
	t.detach(i)
	t.release(i)
}

// forget forgets the connection that was buried first.
func (g *graves) forget() {
	if b := g.list.first(); !b.gone {
		g.vacate(g.slotOf(g.first|graveMark, b.tag))
	}
	g.list.pop()
	g.first++
}

// remove makes a connection not to be found any more.
func (g *graves) remove(i uint32) {
	b := g.at(i)
	b.gone = true
	g.vacate(g.slotOf(i, b.tag))
}

// replacedBy is what it is of the connection.
func (b *buried) replacedBy(d analysis.Direction, s *Segment) bool {
	c := connection{half: b.half, flags: connReset} // which says that it is over
	return c.replacedBy(d, s)
}
