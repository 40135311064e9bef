package capture

import (
	"math/rand/v2"
	"net/netip"
	"testing"
	"unsafe"

	"github.com/etcdtap/etcdtap/analysis"
)

// TestConnectionIsSmall: a million half-open connections have to fit into 256 MiB with the slots, and each is two cache lines, of
// which nearly every packet needs the first alone.
func TestConnectionIsSmall(t *testing.T) {
	const line = 64
	var c connection
	if size, rest := unsafe.Sizeof(c), unsafe.Offsetof(c.first); size != 2*line || rest != line {
		t.Errorf("a connection takes %d bytes, of which %d serve every packet", size, rest)
	}
	if size := unsafe.Sizeof(embryo{}); size != line {
		t.Errorf("an embryo takes %d bytes", size)
	}
	if size := unsafe.Sizeof(more{}); size != line {
		t.Errorf("and %d more with IPv6 or when it closes", size)
	}
}

// TestPacketsAreCounted: beyond what the first line has room for.
func TestPacketsAreCounted(t *testing.T) {
	var c connection
	for range 200_000 {
		c.count(analysis.FromServer)
	}
	if n, none := c.packets(analysis.FromServer), c.packets(analysis.FromClient); n != 200_000 || none != 0 {
		t.Errorf("%d packets of the server, %d of the client", n, none)
	}
	c.swap(new(more))
	if n := c.packets(analysis.FromClient); n != 200_000 {
		t.Errorf("%d packets of who is the client now", n)
	}
}

// TestTableAgainstMap does at random what a tracker does, and compares with a map.
func TestTableAgainstMap(t *testing.T) {
	type key struct {
		a, b uint16
		wide uint8 // which of the addresses are of IPv6
	}
	table, want := newTable(), map[key]uint32{}
	rnd := rand.New(rand.NewPCG(1, 2))
	segment := func(k key) *Segment {
		s := &Segment{Src: hosts[0], Dst: hosts[1], SrcPort: k.a, DstPort: k.b}
		if k.wide&1 != 0 {
			s.Src[0] = 0x20
		}
		if k.wide&2 != 0 {
			s.Dst[11] = 0
		}
		return s
	}
	hint := func() uint32 { return uint32(rnd.IntN(int(max(table.slabs.made, 1)))) } // mostly wrong, never beyond what was handed out
	for range 20_000 {
		k := key{uint16(rnd.IntN(30)), uint16(30 + rnd.IntN(30)), uint8(rnd.IntN(4))}
		s := segment(k)
		tag := table.hash(s) & 0xFFF0_00FF // collisions, of tags and of places
		i, d := table.find(tag, hint(), s)
		if i != want[k] || d != analysis.FromClient {
			t.Fatalf("%v is %d (%s), want %d", k, i, d, want[k])
		}
		s.Src, s.Dst, s.SrcPort, s.DstPort = s.Dst, s.Src, s.DstPort, s.SrcPort
		if back := table.hash(s) & 0xFFF0_00FF; back != tag {
			t.Fatalf("tags of the directions are %#x and %#x", tag, back)
		}
		if j, d := table.find(tag, hint(), s); j != i || i != 0 && d != analysis.FromServer {
			t.Fatalf("%v backwards is %d (%s), want %d", k, j, d, i)
		}
		if i != 0 {
			table.detach(i)
			table.release(i)
			delete(want, k)
			continue
		}
		i = table.add(tag)
		s.Src, s.Dst, s.SrcPort, s.DstPort = s.Dst, s.Src, s.DstPort, s.SrcPort
		c := table.at(i)
		table.setEnds(c, analysis.FromClient, s)
		for d, want := range []netip.AddrPort{s.Source(), s.Destination()} {
			if got := c.endpoint(analysis.Direction(d), table.more(c)); got != want {
				t.Fatalf("%v is at %v, want %v", k, got, want)
			}
		}
		want[k] = i
	}
	if table.used != len(want) {
		t.Errorf("%d in the table, want %d", table.used, len(want))
	}
}

func TestListKeepsOrder(t *testing.T) {
	table := newTable()
	var l list
	for i := range uint32(5) {
		l.push(&table, table.add(i))
	}
	for _, i := range []uint32{3, 1, 5} {
		l.remove(&table, i)
	}
	l.push(&table, 1)
	var got []uint32
	for i := l.head; i != 0; i = table.links(i).next {
		got = append(got, i)
	}
	if len(got) != 3 || got[0] != 2 || got[1] != 4 || got[2] != 1 || l.tail != 1 || l.length != 3 {
		t.Errorf("list is %v, tail %d, length %d", got, l.tail, l.length)
	}
}

func TestBuffersAreUsedAgain(t *testing.T) {
	var b buffers
	p := b.take(1000)
	b.give(p)
	if q := b.take(600); &q[0] != &p[0] || len(q) != 600 || b.lent != 1024 || b.spare != 0 {
		t.Errorf("another buffer, length %d, lent %d, spare %d", len(q), b.lent, b.spare)
	}
	if big := b.take(100_000); len(big) != 100_000 || b.lent != 101_024 {
		t.Errorf("length %d, lent %d", len(big), b.lent)
	} else {
		b.give(big)
	}
	if b.lent != 1024 || b.spare != 0 {
		t.Errorf("lent %d, spare %d", b.lent, b.spare)
	}
}
