package capture

import (
	"encoding/binary"
	"math/bits"
	"math/rand/v2"

	"github.com/etcdtap/etcdtap/analysis"
)

const (
	// slabSize is how many connections are in a slab: 192 KiB, so that a small capture stays small.
	slabSize = 1024
	// slabsAtOnce is how many slabs are made at once when there are twice as many: 50 MiB, so two dozen huge pages.
	slabsAtOnce = 256
)

// minSlots is the table's first size; it doubles when three quarters are used.
const minSlots = 1024

// connection is the state of one connection in the table. It holds no pointers, so the collector never looks at a slab, and it
// is all that a connection costs until its first data byte comes.
//
// It is three cache lines, in the order of their use: the first two serve nearly every packet.
type connection struct {
	ends   [2]endpoint        // by Direction
	flags  uint16             // see connSYN
	gave   analysis.CloseKind // why we gave up; CloseNone when the connection closed itself
	tag    uint32             // of the ends; finds the slot again
	stream uint32             // index of the attachment; 0 until the first data byte
	seen   int64              // time of the last packet
	last   int64              // its number

	half [2]half // by Direction

	first, start int64      // number and time of the first packet
	prev, next   uint32     // neighbours in the list that it is in: active, lingering, buried or (next only) free
	closing      [2]closing // by Direction
	_            [8]byte
}

// closing is where a FIN or RST was seen.
type closing struct {
	packet int64 // valid iff the half is closed
	at     int64 // its time; of a half that is not closed, when the other's RST after its FIN finished the connection
}

// Flags of a connection.
const (
	connSYN           = 1 << iota // a SYN was seen
	connSYNACK                    // a SYN-ACK was seen
	connEstablished               // something showed that the handshake was completed
	connRolesKnown                // by SYN or SYN-ACK
	connRolesPort                 // guessed by server port: first bytes do not change it
	connFinished                  // in the lingering list
	connDetached                  // no longer in the table
	connReset                     // a RST was heeded
	connBuried                    // in the buried list: handed over, but packets may trail
	connTold                      // the EarlySink knows enough of it
	connClosesSwapped             // the FIN that came second was sent first
	connFree                      // in no use
)

// endpoint is an address and a port, as the table compares them.
type endpoint struct {
	addr Address
	port uint16
}

// table finds connections by their two endpoints, whichever of them sent. Slots are small and hold no pointers; connections
// live in slabs and never move. Index 0 means none.
type table struct {
	slots []slot // open addressing with linear probing; the length is a power of two
	used  int
	seed  [3]uint64 // keeps senders from choosing addresses that collide
	slabs [][]connection
	made  uint32 // indexes handed out so far, with 0, which is never used
	free  uint32 // first of the connections given back, chained by next

	warmed uint32 // what warm has seen; it is kept so that the compiler lets it look
}

// slot is one place of the table. The tag is the whole hash, so growing never looks at a connection.
type slot struct{ tag, index uint32 }

func newTable() table {
	return table{
		slots: make([]slot, minSlots),
		seed:  [3]uint64{rand.Uint64(), rand.Uint64(), rand.Uint64()},
		made:  1,
	}
}

// at is the connection of an index that is in use.
func (t *table) at(i uint32) *connection { return &t.slabs[i/slabSize][i%slabSize] }

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

// find looks a segment's connection up: its index, 0 if there is none, and who sent the segment.
func (t *table) find(tag uint32, s *Segment) (i uint32, from analysis.Direction) {
	mask := uint32(len(t.slots) - 1)
	for at := tag & mask; ; at = (at + 1) & mask {
		e := t.slots[at]
		if e.index == 0 {
			return 0, analysis.FromClient
		}
		if e.tag != tag {
			continue
		}
		c := t.at(e.index)
		if c.ends[0].is(&s.Src, s.SrcPort) && c.ends[1].is(&s.Dst, s.DstPort) {
			return e.index, analysis.FromClient
		}
		if c.ends[1].is(&s.Src, s.SrcPort) && c.ends[0].is(&s.Dst, s.DstPort) {
			return e.index, analysis.FromServer
		}
	}
}

func (e *endpoint) is(a *Address, port uint16) bool { return e.port == port && e.addr == *a }

// add makes an empty connection and enters it under its tag.
func (t *table) add(tag uint32) uint32 {
	i := t.free
	if i != 0 {
		c := t.at(i)
		t.free = c.next
		*c = connection{}
	} else {
		i = t.made
		t.made++
		if int(i/slabSize) == len(t.slabs) {
			t.addSlabs()
		}
	}
	t.at(i).tag = tag
	if (t.used+1)*4 > len(t.slots)*3 {
		t.grow()
	}
	t.place(slot{tag, i})
	t.used++
	return i
}

// addSlabs makes room for more connections: a little in the beginning, and a lot at a time when there are many.
func (t *table) addSlabs() {
	n := min(max(1, len(t.slabs)/2), slabsAtOnce)
	room := make([]connection, n*slabSize)
	adviseHugePages(room)
	for ; len(room) > 0; room = room[slabSize:] {
		t.slabs = append(t.slabs, room[:slabSize:slabSize])
	}
}

func (t *table) place(e slot) {
	mask := uint32(len(t.slots) - 1)
	at := e.tag & mask
	for t.slots[at].index != 0 {
		at = (at + 1) & mask
	}
	t.slots[at] = e
}

func (t *table) grow() {
	old := t.slots
	t.slots = make([]slot, 2*len(old))
	adviseHugePages(t.slots)
	for _, e := range old {
		if e.index != 0 {
			t.place(e)
		}
	}
}

// detach takes a connection out of the table; it stays in its slab until release.
func (t *table) detach(i uint32) {
	mask := uint32(len(t.slots) - 1)
	hole := t.at(i).tag & mask
	for t.slots[hole].index != i {
		hole = (hole + 1) & mask
	}
	// Close the hole: move back what had been pushed past it.
	for at := (hole + 1) & mask; t.slots[at].index != 0; at = (at + 1) & mask {
		home := t.slots[at].tag & mask
		if (at-home)&mask >= (at-hole)&mask {
			t.slots[hole] = t.slots[at]
			hole = at
		}
	}
	t.slots[hole] = slot{}
	t.used--
}

// detachAll takes all connections out of the table.
func (t *table) detachAll() {
	clear(t.slots)
	t.used = 0
}

// release gives a detached connection's place back.
func (t *table) release(i uint32) {
	c := t.at(i)
	c.flags |= connFree
	c.next = t.free
	t.free = i
}

// list is a list of connections, chained by their indexes.
type list struct {
	head, tail uint32
	length     int
}

func (l *list) push(t *table, i uint32) {
	c := t.at(i)
	c.prev, c.next = l.tail, 0
	if l.tail == 0 {
		l.head = i
	} else {
		t.at(l.tail).next = i
	}
	l.tail = i
	l.length++
}

func (l *list) remove(t *table, i uint32) {
	c := t.at(i)
	if c.prev == 0 {
		l.head = c.next
	} else {
		t.at(c.prev).next = c.next
	}
	if c.next == 0 {
		l.tail = c.prev
	} else {
		t.at(c.next).prev = c.prev
	}
	c.prev, c.next = 0, 0
	l.length--
}

// warm visits the memory that the segments of a batch will be looked up in. The processor fetches it for several of them at a time, as
// it cannot when each has to be found before the next one is looked at: of a million connections hardly one is in its caches.
func (t *table) warm(segments []queued) {
	mask := uint32(len(t.slots) - 1)
	var seen uint32
	for i := range segments {
		seen |= t.slots[segments[i].tag&mask].tag
	}
	for i := range segments {
		tag := segments[i].tag
		for at, most := tag&mask, mostWarmed; t.slots[at].index != 0 && most > 0; at, most = (at+1)&mask, most-1 {
			if e := t.slots[at]; e.tag == tag {
				c := t.at(e.index)
				seen |= uint32(c.flags | c.half[1].flags)
				break
			}
		}
	}
	t.warmed = seen
}

// mostWarmed is how many slots are looked at for each segment: those in a line of the processor's cache.
const mostWarmed = 8
