package capture

import (
	"encoding/binary"
	"slices"
	"time"
)

// Bounds of the fragment table.
const (
	// maxFragmentedDatagrams that wait for their rest: on a healthy network that is a few, in a capture that lost packets a few per
	// second of fragmentTimeout.
	maxFragmentedDatagrams = 1024
	// maxFragmentBytes held in all of them, spare buffers included: the Linux default (net.ipv4.ipfrag_high_thresh). The account of
	// the pieces comes on top, at most 5 KiB a datagram.
	maxFragmentBytes = 4 << 20
	// fragmentTimeout in capture time: the Linux default (net.ipv4.ipfrag_time); RFC 8200, Section 4.5, says 60 s.
	fragmentTimeout = 30 * time.Second
	// maxFragments of one datagram: 65535 bytes over links with the smallest common MTU, 576, are 119.
	maxFragments = 128
	// maxDatagram is the most that an IP length field can say, in bytes.
	maxDatagram = 65535
	// minFragmentBuffer is the first buffer of a datagram, in bytes: one full Ethernet frame.
	minFragmentBuffer = 1536
)

// fragmentKey is what fragments of one datagram share (RFC 791, Section 3.2; RFC 8200, Section 4.5: there without the protocol).
type fragmentKey struct {
	src, dst Address
	id       uint32
	proto    uint8
}

// fragment is one part of a datagram's payload.
type fragment struct {
	proto  uint8
	offset int    // in bytes
	length int    // on the wire, in bytes
	data   []byte // what was captured of it
	more   bool   // it is not the last
}

// fragment4 takes the fragment of the IPv4 packet b with the given body.
func (d *Decoder) fragment4(b, body []byte, wire int, s *Segment) Verdict {
	if !mayCarryTCP(b[9]) {
		d.Stats.Fragments.Seen++
		return d.transport(b[9], nil, 0, s)
	}
	const more = 0x2000
	field := binary.BigEndian.Uint16(b[6:])
	k := fragmentKey{src: s.Src, dst: s.Dst, id: uint32(binary.BigEndian.Uint16(b[4:])), proto: b[9]}
	offset := int(field&0x1fff) * 8
	if len(b)-len(body)+offset+wire > maxDatagram {
		d.Stats.Fragments.Seen++
		return d.undecodable(fragmentBeyond)
	}
	return d.reassemble(k, fragment{proto: b[9], offset: offset, length: wire, data: body, more: field&more != 0}, s)
}

// mayCarryTCP says whether fragments of an IP protocol are worth keeping.
func mayCarryTCP(proto uint8) bool {
	switch proto {
	case protoTCP, protoUDP, protoIPIP, protoIPv6, protoGRE, protoAH, protoMPLS:
		return true
	}
	return false
}

// fragment6 takes an IPv6 fragment from its fragment header on (RFC 8200, Section 4.5).
func (d *Decoder) fragment6(b []byte, wire int, s *Segment) Verdict {
	const header = 8
	if len(b) < header {
		return d.undecodable(extensionShort)
	}
	field := binary.BigEndian.Uint16(b[2:])
	body := b[header:]
	f := fragment{proto: b[0], offset: int(field &^ 7), length: wire - header, data: body, more: field&1 != 0}
	if f.offset == 0 && !f.more { // a whole datagram all the same (RFC 6946)
		if d.tooDeep() {
			return d.undecodable(tooManyHeaders)
		}
		return d.transport(f.proto, body, f.length, s)
	}
	return d.reassemble(fragmentKey{src: s.Src, dst: s.Dst, id: binary.BigEndian.Uint32(b[4:]), proto: protoFragment}, f, s)
}

// reassemble puts f to its datagram, and decodes that once it is whole.
func (d *Decoder) reassemble(k fragmentKey, f fragment, s *Segment) Verdict {
	st := &d.Stats.Fragments
	st.Seen++
	if f.offset+f.length > maxDatagram {
		return d.undecodable(fragmentBeyond)
	}
	if f.length == 0 || f.more && f.length%8 != 0 {
		return d.undecodable(fragmentLength)
	}
	if d.tooDeep() {
		return d.undecodable(tooManyHeaders)
	}
	t := &d.fragments
	t.expire(d.time, st)
	g := t.find(k, d.time, st)
	if r, ok := g.check(f); !ok {
		t.remove(g)
		st.Rejected++
		return d.undecodable(r)
	}
	t.add(g, f, st)
	if !g.whole() {
		d.Stats.Held++
		return Held
	}
	proto, wire := g.proto, g.total
	data := t.join(g)
	t.remove(g)
	st.Reassembled++
	d.joined = true
	return d.transport(proto, data, wire, s)
}

// fragmentTable holds the datagrams of which fragments are missing. The zero value is ready.
type fragmentTable struct {
	byKey          map[fragmentKey]*datagram
	oldest, newest *datagram // by first fragment
	free           *datagram // spare, linked by newer
	held           int       // bytes of all buffers, spare ones too
	joined         []byte    // the last datagram that became whole
}

// datagram is what has come of one datagram so far.
type datagram struct {
	key          fragmentKey
	older, newer *datagram
	since        int64   // capture time of the first fragment to come
	proto        uint8   // of the fragment with offset 0; of the first to come until that is there
	total        int     // length on the wire, in bytes; 0 until the last fragment is there
	seen         []span  // what of it was on the wire: sorted, neither overlapping nor touching
	pieces       []piece // what was captured, in order of arrival
	buffer       []byte  // the bytes of pieces, in order of arrival
}

// span is a range of bytes of a datagram.
type span struct{ start, end int }

// piece is the place of a fragment's bytes.
type piece struct{ offset, length, captured int }

// find returns the datagram of k, made if needed.
func (t *fragmentTable) find(k fragmentKey, now int64, st *FragmentStats) *datagram {
	if g := t.byKey[k]; g != nil {
		return g
	}
	if t.byKey == nil {
		t.byKey = make(map[fragmentKey]*datagram)
	}
	if len(t.byKey) >= maxFragmentedDatagrams {
		t.remove(t.oldest)
		st.Dropped++
	}
	g := t.free
	if g == nil {
		g = new(datagram)
	} else {
		t.free = g.newer
	}
	*g = datagram{key: k, older: t.newest, since: now, seen: g.seen[:0], pieces: g.pieces[:0], buffer: g.buffer[:0]}
	if t.newest == nil {
		t.oldest = g
	} else {
		t.newest.newer = g
	}
	t.newest = g
	t.byKey[k] = g
	return g
}

// remove takes g out of the table and keeps it for the next one.
func (t *fragmentTable) remove(g *datagram) {
	if g.older == nil {
		t.oldest = g.newer
	} else {
		g.older.newer = g.newer
	}
	if g.newer == nil {
		t.newest = g.older
	} else {
		g.newer.older = g.older
	}
	delete(t.byKey, g.key)
	g.older, g.newer = nil, t.free
	t.free = g
}

// expire gives up the datagrams that have waited too long. Time that runs backwards expires nothing.
func (t *fragmentTable) expire(now int64, st *FragmentStats) {
	for t.oldest != nil && now-t.oldest.since > int64(fragmentTimeout) {
		t.remove(t.oldest)
		st.Expired++
	}
}

// check says whether f can belong to g, and if not, why.
func (g *datagram) check(f fragment) (reason, bool) {
	end := f.offset + f.length
	if g.total != 0 && (end > g.total || !f.more && end != g.total) {
		return fragmentContradiction, false
	}
	if n := len(g.seen); !f.more && n > 0 && g.seen[n-1].end > end {
		return fragmentContradiction, false
	}
	if len(g.pieces) == maxFragments || len(g.buffer)+len(f.data) > maxDatagram {
		return fragmentTooMany, false
	}
	return 0, true
}

// add puts f to g, which checked it.
func (t *fragmentTable) add(g *datagram, f fragment, st *FragmentStats) {
	if f.offset == 0 || len(g.pieces) == 0 {
		g.proto = f.proto
	}
	if !f.more {
		g.total = f.offset + f.length
	}
	switch known := g.mark(span{f.offset, f.offset + f.length}); {
	case known == f.length:
		st.Repeated++
		return
	case known > 0:
		st.Overlapping++
	}
	t.grow(g, len(f.data), st)
	g.buffer = append(g.buffer, f.data...)
	g.pieces = append(g.pieces, piece{offset: f.offset, length: f.length, captured: len(f.data)})
}

// mark notes that the bytes of n were on the wire, and returns how many of them were already.
func (g *datagram) mark(n span) (known int) {
	first := 0
	for first < len(g.seen) && g.seen[first].end < n.start {
		first++
	}
	last := first
	merged := n
	for ; last < len(g.seen) && g.seen[last].start <= n.end; last++ {
		o := g.seen[last]
		known += min(o.end, n.end) - max(o.start, n.start)
		merged.start, merged.end = min(o.start, merged.start), max(o.end, merged.end)
	}
	g.seen = slices.Replace(g.seen, first, last, merged)
	return known
}

// grow makes room for n more bytes in g's buffer. The bound is kept by letting go of spare buffers, then of the oldest datagrams.
func (t *fragmentTable) grow(g *datagram, n int, st *FragmentStats) {
	need := len(g.buffer) + n
	if need <= cap(g.buffer) {
		return
	}
	size := max(need, min(2*cap(g.buffer), maxDatagram), minFragmentBuffer)
	more := size - cap(g.buffer)
	for t.held+more > maxFragmentBytes {
		if t.free == nil {
			if t.oldest != g {
				t.remove(t.oldest)
			} else {
				t.remove(g.newer)
			}
			st.Dropped++
		}
		t.held -= cap(t.free.buffer)
		t.free = t.free.newer
	}
	t.held += more
	buffer := make([]byte, len(g.buffer), size)
	copy(buffer, g.buffer)
	g.buffer = buffer
}

func (g *datagram) whole() bool {
	return g.total != 0 && len(g.seen) == 1 && g.seen[0] == span{0, g.total}
}

// join copies what was captured of the whole datagram g together, up to the first byte that the snapshot length cut. The result is
// valid until the next join.
func (t *fragmentTable) join(g *datagram) []byte {
	if t.joined == nil {
		t.joined = make([]byte, maxDatagram)
	}
	captured := g.total
	start := len(g.buffer)
	for _, p := range slices.Backward(g.pieces) { // so that of bytes that came twice the first ones stay
		start -= p.captured
		copy(t.joined[p.offset:], g.buffer[start:start+p.captured])
		if p.captured < p.length {
			captured = min(captured, p.offset+p.captured)
		}
	}
	return t.joined[:captured]
}
