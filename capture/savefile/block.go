package savefile

import (
	"encoding/binary"
	"strings"

	"github.com/etcdtap/etcdtap/capture"
)

// pcapng block types (draft-ietf-opsawg-pcapng, Section 11.1).
const (
	blockInterface      = 0x00000001
	blockStatistics     = 0x00000005
	blockEnhancedPacket = 0x00000006
	blockSection        = 0x0a0d0d0a
)

// Options of blocks (draft-ietf-opsawg-pcapng, Sections 3.5, 4.1, 4.2 and 4.6).
const (
	optionEnd     = 0
	optionComment = 1

	sectionHardware    = 2
	sectionSystem      = 3
	sectionApplication = 4

	interfaceName        = 2
	interfaceDescription = 3
	interfaceResolution  = 9
	interfaceFilter      = 11

	statisticsStart      = 2
	statisticsEnd        = 3
	statisticsDrops      = 5 // by the interface
	statisticsAccepted   = 6 // by the filter
	statisticsSystemDrop = 7
)

const (
	// maxOption bounds an option's value in bytes: its length has 16 bits, and with the padding it must still fit.
	maxOption = 65_532
	// maxPacket is what is kept of a packet: libpcap and Wireshark take files with larger ones for damaged.
	maxPacket = 256 << 10
	// packetOverhead is a packet block's bytes besides the packet and its padding.
	packetOverhead = 32
)

var le = binary.LittleEndian

// begin appends the head of a block, whose length end fills in. start is where the block lies in b.
func begin(b []byte, kind uint32) (_ []byte, start int) {
	return le.AppendUint32(le.AppendUint32(b, kind), 0), len(b)
}

// end completes the block that lies in b from start on.
func end(b []byte, start int) []byte {
	size := uint32(len(b) - start + 4)
	le.PutUint32(b[start+4:], size)
	return le.AppendUint32(b, size)
}

// option appends an option; none if there is nothing to say.
func option(b []byte, code uint16, value string) []byte {
	if value == "" {
		return b
	}
	value = strings.ToValidUTF8(value[:min(len(value), maxOption)], "") // the cut may go through a character
	b = le.AppendUint16(le.AppendUint16(b, code), uint16(len(value)))
	b = append(b, value...)
	return append(b, make([]byte, -len(value)&3)...)
}

func counter(b []byte, code uint16, n uint64) []byte {
	b = le.AppendUint16(le.AppendUint16(b, code), 8)
	return le.AppendUint64(b, n)
}

func endOfOptions(b []byte) []byte { return le.AppendUint32(b, optionEnd) }

// timestamp appends nanoseconds since the epoch in the halves that pcapng wants. Times before 1970 have no form there.
func timestamp(b []byte, ns int64) []byte {
	t := uint64(max(ns, 0))
	return le.AppendUint32(le.AppendUint32(b, uint32(t>>32)), uint32(t))
}

// section appends the Section Header Block and the Interface Description Blocks that a file begins with.
func section(b []byte, o *Options) []byte {
	const magic, major, unknownLength = 0x1a2b3c4d, 1, 1<<64 - 1
	b, start := begin(b, blockSection)
	b = le.AppendUint32(b, magic)
	b = le.AppendUint32(b, major) // and a minor version of 0
	b = le.AppendUint64(b, unknownLength)
	if o.HandshakesOnly {
		b = option(b, optionComment, capture.HandshakesOnly)
	}
	b = option(b, optionComment, o.Comment)
	b = option(b, sectionHardware, o.Hardware)
	b = option(b, sectionSystem, o.Host)
	b = option(b, sectionApplication, o.Tool)
	b = end(endOfOptions(b), start)
	for i := range o.Interfaces {
		b = description(b, &o.Interfaces[i])
	}
	return b
}

// description appends an Interface Description Block.
func description(b []byte, i *Interface) []byte {
	const nanoseconds, filterText = "\x09", "\x00"
	b, start := begin(b, blockInterface)
	b = le.AppendUint32(b, uint32(i.Link))
	b = le.AppendUint32(b, uint32(max(i.SnapLength, 0)))
	b = option(b, interfaceName, i.Name)
	b = option(b, interfaceDescription, i.Description)
	b = option(b, interfaceResolution, nanoseconds)
	if i.Filter != "" {
		b = option(b, interfaceFilter, filterText+i.Filter)
	}
	return end(endOfOptions(b), start)
}

// packet appends an Enhanced Packet Block. It has no options but the comment that is the packet's Detour.
func packet(b []byte, p *capture.Packet) []byte {
	data := p.Data[:min(len(p.Data), maxPacket)]
	b, start := begin(b, blockEnhancedPacket)
	b = le.AppendUint32(b, uint32(p.Interface))
	b = timestamp(b, p.Time)
	b = le.AppendUint32(b, uint32(len(data)))
	b = le.AppendUint32(b, uint32(max(p.Length, len(p.Data))))
	b = append(b, data...)
	var padding [3]byte
	b = append(b, padding[:-len(data)&3]...)
	if p.Detour != nil {
		b = endOfOptions(option(b, optionComment, p.Detour.Comment()))
	}
	return end(b, start)
}

// statistics appends an Interface Statistics Block of what came between two moments, in nanoseconds.
func statistics(b []byte, index int, from, to int64, s *Stats) []byte {
	b, start := begin(b, blockStatistics)
	b = le.AppendUint32(b, uint32(index))
	b = timestamp(b, to)
	b = timestamp(le.AppendUint16(le.AppendUint16(b, statisticsStart), 8), from)
	b = timestamp(le.AppendUint16(le.AppendUint16(b, statisticsEnd), 8), to)
	b = counter(b, statisticsDrops, s.InterfaceDropped)
	b = counter(b, statisticsAccepted, s.Received)
	b = counter(b, statisticsSystemDrop, s.Dropped)
	return end(endOfOptions(b), start)
}

// wholeBlocks says how many of the n first bytes of b, which holds whole blocks, are whole blocks, and how many packets are in them.
func wholeBlocks(b []byte, n int) (whole int, packets int64) {
	for n-whole >= 8 {
		size := int(le.Uint32(b[whole+4:]))
		if size > n-whole {
			break
		}
		if le.Uint32(b[whole:]) == blockEnhancedPacket {
			packets++
		}
		whole += size
	}
	return whole, packets
}
