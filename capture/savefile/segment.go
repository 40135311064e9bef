package savefile

import (
	"encoding/binary"
	"math/bits"
	"net/netip"
)

// TCP flag bits (RFC 9293, Section 3.1).
const (
	flagFIN = 1 << 0
	flagSYN = 1 << 1
	flagRST = 1 << 2
	flagPSH = 1 << 3
	flagACK = 1 << 4
)

// Sizes of headers in bytes.
const (
	ipv4Header = 20
	ipv6Header = 40
	tcpHeader  = 20
	mssOption  = 4
	maxHeaders = ipv6Header + tcpHeader + mssOption
)

// maxSegment is the payload of a made-up segment: a TLS record, and far from the 65,535 bytes that an IPv4 datagram can have.
const maxSegment = 16 << 10

// segment is what a made-up packet consists of, the payload left out.
type segment struct {
	src, dst netip.AddrPort // both of one family
	seq, ack uint32
	flags    uint8
	id       uint16 // IPv4's identification
}

// appendTo appends the packet, from the IP header on.
func (s *segment) appendTo(b, payload []byte) []byte {
	length := tcpHeader + len(payload)
	if s.flags&flagSYN != 0 {
		length += mssOption
	}
	if s.src.Addr().Is4() {
		b = s.ipv4(b, length)
	} else {
		b = s.ipv6(b, length)
	}
	at := len(b)
	b = append(s.tcp(b), payload...)
	body := b[at:]
	total := sum(s.dst.Addr().AsSlice(), sum(s.src.Addr().AsSlice(), 0))
	const protocolTCP = 6
	total = sum(body, total+uint64(bits.ReverseBytes16(protocolTCP))+uint64(bits.ReverseBytes16(uint16(length))))
	binary.BigEndian.PutUint16(body[16:], ^fold(total))
	return b
}

// ipv4 appends an IPv4 header (RFC 791, Section 3.1).
func (s *segment) ipv4(b []byte, length int) []byte {
	at := len(b)
	b = append(b, 0x45, 0)
	b = binary.BigEndian.AppendUint16(b, uint16(ipv4Header+length))
	b = binary.BigEndian.AppendUint16(b, s.id)
	b = append(b, 0x40, 0, 64, 6, 0, 0) // not to be fragmented, 64 hops, TCP
	src, dst := s.src.Addr().As4(), s.dst.Addr().As4()
	b = append(append(b, src[:]...), dst[:]...)
	binary.BigEndian.PutUint16(b[at+10:], ^fold(sum(b[at:], 0)))
	return b
}

// ipv6 appends an IPv6 header (RFC 8200, Section 3).
func (s *segment) ipv6(b []byte, length int) []byte {
	b = append(b, 0x60, 0, 0, 0)
	b = binary.BigEndian.AppendUint16(b, uint16(length))
	b = append(b, 6, 64)
	src, dst := s.src.Addr().As16(), s.dst.Addr().As16()
	return append(append(b, src[:]...), dst[:]...)
}

// tcp appends a TCP header without its checksum (RFC 9293, Section 3.1).
func (s *segment) tcp(b []byte) []byte {
	const window = 65_535
	b = binary.BigEndian.AppendUint16(b, s.src.Port())
	b = binary.BigEndian.AppendUint16(b, s.dst.Port())
	b = binary.BigEndian.AppendUint32(b, s.seq)
	b = binary.BigEndian.AppendUint32(b, s.ack)
	words := byte(tcpHeader / 4)
	if s.flags&flagSYN != 0 {
		words += mssOption / 4
	}
	b = append(b, words<<4, s.flags)
	b = binary.BigEndian.AppendUint16(b, window)
	b = append(b, 0, 0, 0, 0) // checksum, urgent pointer
	if s.flags&flagSYN != 0 {
		b = append(b, 2, mssOption)
		b = binary.BigEndian.AppendUint16(b, maxSegment)
	}
	return b
}

// sum adds b up for the Internet checksum (RFC 1071), in little-endian order.
func sum(b []byte, total uint64) uint64 {
	for len(b) >= 4 {
		total += uint64(binary.LittleEndian.Uint32(b))
		b = b[4:]
	}
	if len(b) >= 2 {
		total += uint64(binary.LittleEndian.Uint16(b))
		b = b[2:]
	}
	if len(b) == 1 {
		total += uint64(b[0])
	}
	return total
}

func fold(total uint64) uint16 {
	for total > 0xffff {
		total = total>>16 + total&0xffff
	}
	return bits.ReverseBytes16(uint16(total))
}
