package capture

import (
	"math"
	"math/bits"
)

// HandshakesOnly is the comment in the section header of a file whose bulk data was left out by intent. It is for programs: it never
// changes, and stands alone in an option of its own, beside whatever other comments there are.
const HandshakesOnly = "etcdtap: handshakes, first bytes and ends of connections only"

// optionComment is opt_comment, which any block may have (draft-ietf-opsawg-pcapng, Section 3.5.1).
const optionComment = 1

// iface is a capture interface of the current section.
type iface struct {
	link     LinkType
	snapshot uint32 // most bytes captured of a packet; 0: no limit
	clock    clock
	drops    uint64 // isb_ifdrop and
	osDrops  uint64 // isb_osdrop of its last statistics block: counters that only grow
}

// describingBlock reads the blocks that tell about what follows or about interfaces. They are short: one beyond maxRecord is taken
// for damage, because what follows cannot be understood without it.
func (r *pcapngReader) describingBlock(f *File) error {
	if r.block.size > maxRecord {
		return r.malformed(f, "is longer than such a block can be")
	}
	body, err := r.body(f)
	if err != nil {
		return err
	}
	switch r.block.kind {
	case blockSection:
		return r.sectionHeader(f, body)
	case blockInterface:
		return r.interfaceDescription(f, body)
	default:
		return r.interfaceStatistics(f, body)
	}
}

// sectionHeader begins a section (draft-ietf-opsawg-pcapng, Section 4.1). Its interfaces are numbered from 0 again. The length it
// gives is not needed: a section ends where the next one begins.
func (r *pcapngReader) sectionHeader(f *File, body []byte) error {
	const fixed = 16 // byte-order magic, version (major, minor), section length
	const supported = 1
	if len(body) < fixed {
		return r.malformed(f, "is too short for a section header")
	}
	if major := r.uint16(body[4:6]); major != supported {
		return r.malformed(f, "is of a pcapng version that is not 1")
	}
	if r.base < math.MaxInt32-2*maxInterfaces { // which takes a file of 40 GB with nothing but interfaces
		r.base += int32(len(r.interfaces))
	}
	r.interfaces = r.interfaces[:0]
	f.handshakesOnly = false
	for o := (options{r: r, rest: body[fixed:]}); o.next(); {
		if o.code == optionComment && string(o.value) == HandshakesOnly {
			f.handshakesOnly = true
		}
	}
	return nil
}

// interfaceDescription adds an interface (draft-ietf-opsawg-pcapng, Section 4.2).
func (r *pcapngReader) interfaceDescription(f *File, body []byte) error {
	const fixed = 8 // link type, reserved, snapshot length
	const resolution, offset = 9, 14
	if len(body) < fixed {
		return r.malformed(f, "is too short for an interface")
	}
	f.stats.Interfaces++
	if len(r.interfaces) == maxInterfaces {
		return nil // its packets are counted
	}
	on := iface{link: LinkType(r.uint16(body)), snapshot: r.uint32(body[4:8]), clock: newClock(6)}
	for o := (options{r: r, rest: body[fixed:]}); o.next(); {
		switch {
		case o.code == resolution && len(o.value) == 1:
			on.clock.resolution(o.value[0])
		case o.code == offset && len(o.value) == 8:
			on.clock.offset = int64(r.uint64(o.value))
		}
	}
	r.interfaces = append(r.interfaces, on)
	return nil
}

// interfaceStatistics keeps the drops that an Interface Statistics Block tells (draft-ietf-opsawg-pcapng, Section 4.6).
func (r *pcapngReader) interfaceStatistics(f *File, body []byte) error {
	const fixed = 12 // interface, time
	const interfaceDrops, systemDrops = 5, 7
	if len(body) < fixed {
		return r.malformed(f, "is too short for statistics")
	}
	index := r.uint32(body)
	if uint64(index) >= uint64(len(r.interfaces)) {
		return nil
	}
	on := &r.interfaces[index]
	for o := (options{r: r, rest: body[fixed:]}); o.next(); {
		if len(o.value) != 8 {
			continue
		}
		switch value := r.uint64(o.value); o.code {
		case interfaceDrops:
			f.stats.InterfaceDrops += value - on.drops
			on.drops = value
		case systemDrops:
			f.stats.SystemDrops += value - on.osDrops
			on.osDrops = value
		}
	}
	return nil
}

// options walks the options at the end of a block (draft-ietf-opsawg-pcapng, Section 3.5). It stops at the end of options, and at an
// option that is longer than what is left of the block.
type options struct {
	r     *pcapngReader
	rest  []byte
	code  uint16
	value []byte
}

// next moves to the next option, and reports whether there is one.
func (o *options) next() bool {
	if len(o.rest) < 4 {
		return false
	}
	o.code = o.r.uint16(o.rest)
	length := int(o.r.uint16(o.rest[2:4]))
	if o.code == 0 || length > len(o.rest)-4 {
		return false
	}
	o.value = o.rest[4 : 4+length]
	o.rest = o.rest[min(len(o.rest), 4+(length+3)&^3):]
	return true
}

// uint64 reads an option's number, or a counter, in the section's byte order.
func (r *pcapngReader) uint64(b []byte) uint64 {
	low, high := uint64(r.uint32(b)), uint64(r.uint32(b[4:8]))
	if r.bigEndian {
		low, high = high, low
	}
	return high<<32 | low
}

// clock turns an interface's time stamps into nanoseconds since the Unix epoch.
type clock struct {
	times  uint64 // nanoseconds in a tick, or
	over   uint64 // ticks in a nanosecond, or
	shift  uint8  // a tick is 2^-shift seconds; valid iff times and over are 0
	offset int64  // seconds to add (if_tsoffset)
}

// newClock returns a clock with ticks of 10^-digits seconds.
func newClock(digits int) clock {
	var c clock
	switch ten := uint64(10); {
	case digits <= 9:
		c.times = 1
		for range 9 - digits {
			c.times *= ten
		}
	case digits <= 9+19: // 10^19 is the largest power of ten in 64 bits
		c.over = 1
		for range digits - 9 {
			c.over *= ten
		}
	default:
		c.over = math.MaxUint64 // finer than a 64-bit count can reach a nanosecond
	}
	return c
}

// resolution sets the length of a tick from if_tsresol: a negative power of 2 if the highest bit is set, of 10 if not.
func (c *clock) resolution(b byte) {
	offset := c.offset
	if power := b & 0x7f; b&0x80 != 0 {
		*c = clock{shift: power}
	} else {
		*c = newClock(int(power))
	}
	c.offset = offset
}

// nanoseconds converts a time stamp. Times outside the years 1677 to 2262, which only damage gives, become the nearest bound.
func (c *clock) nanoseconds(ticks uint64) int64 {
	var high, low uint64
	switch {
	case c.times != 0:
		high, low = bits.Mul64(ticks, c.times)
	case c.over != 0:
		low = ticks / c.over
	default:
		high, low = bits.Mul64(ticks, nanosecondsPerSecond)
		if c.shift >= 64 {
			high, low = 0, high>>(c.shift-64)
		} else if c.shift > 0 {
			high, low = high>>c.shift, high<<(64-c.shift)|low>>c.shift
		}
	}
	at := int64(min(low, math.MaxInt64))
	if high != 0 {
		at = math.MaxInt64
	}
	if c.offset == 0 {
		return at
	}
	return addSeconds(at, c.offset)
}

// addSeconds adds seconds to nanoseconds; what does not fit becomes the nearest bound.
func addSeconds(at, seconds int64) int64 {
	const most = math.MaxInt64 / nanosecondsPerSecond
	add := min(max(seconds, -most), most) * nanosecondsPerSecond
	sum := at + add
	switch {
	case add > 0 && sum < at:
		return math.MaxInt64
	case add < 0 && sum > at:
		return math.MinInt64
	}
	return sum
}
