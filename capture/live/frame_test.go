package live

import "encoding/binary"

// frame describes a made Ethernet frame with a TCP segment, or part of one.
type frame struct {
	name     string
	tags     []uint16 // EtherTypes of VLAN tags, from the outside; the identifiers are 100, 101, ...
	v6       bool
	options  int    // bytes of IPv4 options
	protocol uint8  // 0 is TCP
	fragment uint16 // IPv4: flags and offset. IPv6: offset and flags, of a fragment header that is there iff it is not 0
	extended bool   // IPv6 with a hop-by-hop header
	src, dst uint16
	payload  int
	id       uint16 // of the datagram: IPv4's, or the low bits of IPv6's flow label
}

const (
	moreFragments4 = 0x2000
	moreFragments6 = 1
)

// bytes makes the frame.
func (f *frame) bytes() []byte {
	b := []byte{2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1}
	for i, tag := range f.tags {
		b = binary.BigEndian.AppendUint16(b, tag)
		b = binary.BigEndian.AppendUint16(b, uint16(100+i)|f.priority(i)<<13)
	}
	if f.v6 {
		return append(binary.BigEndian.AppendUint16(b, etherIPv6), f.ipv6()...)
	}
	return append(binary.BigEndian.AppendUint16(b, etherIPv4), f.ipv4()...)
}

// priority makes tags differ in more than their identifiers.
func (f *frame) priority(tag int) uint16 { return uint16(5 + tag) }

func (f *frame) proto() uint8 {
	if f.protocol != 0 {
		return f.protocol
	}
	return protoTCP
}

func (f *frame) ipv4() []byte {
	body := f.tcp()
	header := 20 + f.options
	b := make([]byte, header, header+len(body))
	b[0] = 0x40 | byte(header/4)
	binary.BigEndian.PutUint16(b[2:], uint16(header+len(body)))
	binary.BigEndian.PutUint16(b[4:], f.id)
	binary.BigEndian.PutUint16(b[6:], f.fragment)
	b[8], b[9] = 64, f.proto()
	copy(b[12:], []byte{10, 1, 0, 1, 10, 1, 0, 2})
	for i := range f.options {
		b[20+i] = 1 // no operation
	}
	binary.BigEndian.PutUint16(b[10:], ^onesSum(b))
	return append(b, body...)
}

func onesSum(b []byte) uint16 {
	sum := uint32(0)
	for ; len(b) > 1; b = b[2:] {
		sum += uint32(binary.BigEndian.Uint16(b))
	}
	for sum > 0xffff {
		sum = sum&0xffff + sum>>16
	}
	return uint16(sum)
}

func (f *frame) ipv6() []byte {
	body := f.tcp()
	next := f.proto()
	if f.fragment != 0 {
		body = append([]byte{next, 0, byte(f.fragment >> 8), byte(f.fragment), 0, 0, byte(f.id >> 8), byte(f.id)}, body...)
		next = protoFragment
	}
	if f.extended {
		body = append([]byte{next, 0, 1, 4, 0, 0, 0, 0}, body...)
		next = 0
	}
	b := make([]byte, 40, 40+len(body))
	b[0] = 0x60
	binary.BigEndian.PutUint16(b[2:], f.id)
	binary.BigEndian.PutUint16(b[4:], uint16(len(body)))
	b[6], b[7] = next, 64
	b[8], b[23], b[24], b[39] = 0xfd, 1, 0xfd, 2
	return append(b, body...)
}

// tcp is the TCP header and the payload, or in a later fragment as many bytes of payload.
func (f *frame) tcp() []byte {
	b := make([]byte, 20+f.payload)
	for i := range b {
		b[i] = 0x17 // the ports of a later fragment, if one took them for ports
	}
	if f.later() {
		return b
	}
	binary.BigEndian.PutUint16(b, f.src)
	binary.BigEndian.PutUint16(b[2:], f.dst)
	b[12], b[13] = 5<<4, 1<<4
	return b
}

// later reports whether it is a fragment, and not the first.
func (f *frame) later() bool {
	if f.v6 {
		return f.fragment&0xfff8 != 0
	}
	return f.fragment&0x1fff != 0
}

// frames are made frames of all kinds that a filter has to tell apart, each of a datagram of its own.
func frames() []frame {
	all := kindsOfFrames()
	for i := range all {
		all[i].id = uint16(4711 + i)
	}
	return all
}

func kindsOfFrames() []frame {
	const q, ad, old = etherVLAN, etherQinQ, etherQinQOld
	return []frame{
		{name: "ipv4 to the port", src: 40000, dst: 2379},
		{name: "ipv4 from the port", src: 2379, dst: 40000},
		{name: "ipv4 to another port", src: 40000, dst: 2378},
		{name: "ipv4 with options", options: 40, src: 40000, dst: 2379, payload: 100},
		{name: "ipv4 udp", protocol: 17, src: 40000, dst: 2379},
		{name: "ipv4 first fragment", fragment: moreFragments4, src: 40000, dst: 2379, payload: 60},
		{name: "ipv4 first fragment, another port", fragment: moreFragments4, src: 40000, dst: 2378, payload: 60},
		{name: "ipv4 later fragment", fragment: 11, payload: 64},
		{name: "ipv4 later fragment of udp", protocol: 17, fragment: 11, payload: 64},
		{name: "ipv4 not to be fragmented", fragment: 0x4000, src: 2379, dst: 40000, payload: 1400},
		{name: "ipv6 to the port", v6: true, src: 40000, dst: 2379},
		{name: "ipv6 from the port", v6: true, src: 2379, dst: 40000},
		{name: "ipv6 to another port", v6: true, src: 40000, dst: 2380},
		{name: "ipv6 udp", v6: true, protocol: 17, src: 40000, dst: 2379},
		{name: "ipv6 first fragment", v6: true, fragment: moreFragments6, src: 2379, dst: 40000, payload: 60},
		{name: "ipv6 later fragment", v6: true, fragment: 88, payload: 64},
		{name: "ipv6 later fragment of udp", v6: true, protocol: 17, fragment: 88, payload: 64},
		{name: "one tag", tags: []uint16{q}, src: 40000, dst: 2379},
		{name: "one tag, another port", tags: []uint16{q}, src: 40000, dst: 2378},
		{name: "one tag, ipv6", tags: []uint16{q}, v6: true, src: 2379, dst: 40000},
		{name: "one service tag", tags: []uint16{ad}, src: 40000, dst: 2379},
		{name: "one tag of an old kind", tags: []uint16{old}, src: 40000, dst: 2379},
		{name: "one tag, later fragment", tags: []uint16{q}, fragment: 11},
		{name: "two tags", tags: []uint16{ad, q}, src: 40000, dst: 2379},
		{name: "two tags of one kind", tags: []uint16{q, q}, src: 2379, dst: 40000},
		{name: "two tags, ipv6", tags: []uint16{ad, q}, v6: true, src: 40000, dst: 2379},
		{name: "two tags, another port", tags: []uint16{ad, q}, src: 40000, dst: 2378},
		{name: "two tags, udp", tags: []uint16{ad, q}, protocol: 17, src: 40000, dst: 2379},
	}
}
