package capturetest

import (
	"encoding/binary"
	"math/bits"
)

// endpoint is one side's addresses.
type endpoint struct {
	ip   [16]byte // IPv4 in the last four bytes
	port uint16
}

// Sizes of headers in bytes.
const (
	ethernetHeader = 14
	vlanTag        = 4
	ipv4Header     = 20
	ipv6Header     = 40
	tcpHeader      = 32 // with time stamps
	maxFrame       = ethernetHeader + vlanTag + ipv6Header + tcpHeader + mss
)

// segment is what a frame is made of.
type segment struct {
	src, dst *endpoint
	ipv6     bool
	vlan     bool
	seq, ack uint32
	flags    uint8
	time     int64 // nanoseconds; becomes the time stamp
	id       uint16
}

// begin appends the headers of a frame whose TCP payload has n bytes. The payload comes behind them, and finish after it.
func (s *segment) begin(b []byte, n int) []byte {
	b = append(b, 2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1)
	if s.vlan {
		b = append(b, 0x81, 0, 0, 100)
	}
	if s.ipv6 {
		b = append(b, 0x86, 0xdd, 0x60, 0, 0, 0)
		b = binary.BigEndian.AppendUint16(b, uint16(tcpHeader+n))
		b = append(b, 6, 64)
		b = append(b, s.src.ip[:]...)
		b = append(b, s.dst.ip[:]...)
	} else {
		at := len(b) + 2
		b = append(b, 0x08, 0x00, 0x45, 0)
		b = binary.BigEndian.AppendUint16(b, uint16(ipv4Header+tcpHeader+n))
		b = binary.BigEndian.AppendUint16(b, s.id)
		b = append(b, 0x40, 0, 64, 6, 0, 0)
		b = append(b, s.src.ip[12:]...)
		b = append(b, s.dst.ip[12:]...)
		binary.BigEndian.PutUint16(b[at+10:], ^fold(sum(b[at:], 0)))
	}
	return s.tcp(b)
}

func (s *segment) tcp(b []byte) []byte {
	b = binary.BigEndian.AppendUint16(b, s.src.port)
	b = binary.BigEndian.AppendUint16(b, s.dst.port)
	b = binary.BigEndian.AppendUint32(b, s.seq)
	ack := s.ack
	if s.flags&flagACK == 0 {
		ack = 0
	}
	b = binary.BigEndian.AppendUint32(b, ack)
	b = append(b, tcpHeader/4<<4, s.flags, 0x01, 0xf5, 0, 0, 0, 0)
	if s.flags&flagSYN != 0 {
		return append(b, 2, 4, mss>>8, mss&0xff, 4, 2, 1, 1, 1, 3, 3, 7) // segment size, SACK, window scale
	}
	b = append(b, 1, 1, 8, 10)
	b = binary.BigEndian.AppendUint32(b, uint32(s.time/1e6))
	return append(b, 0, 0, 0, 1)
}

// finish fills in the TCP checksum of the frame that ends with b; its TCP part begins at tcp.
func (s *segment) finish(b []byte, tcp int) {
	body := b[tcp:]
	from := 12
	if s.ipv6 {
		from = 0
	}
	total := sum(s.src.ip[from:], 0)
	total = sum(s.dst.ip[from:], total)
	total = sum(body, total+uint64(bits.ReverseBytes16(6))+uint64(bits.ReverseBytes16(uint16(len(body)))))
	binary.BigEndian.PutUint16(body[16:], ^fold(total))
}

// sum adds up b for the Internet checksum (RFC 1071), in little-endian order, whole words first.
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

// noise are frames that carry no TCP.
var noise = [...]string{
	// ARP: who has 10.0.0.1?
	"\xff\xff\xff\xff\xff\xff\x02\x00\x00\x00\x00\x01\x08\x06\x00\x01\x08\x00\x06\x04\x00\x01\x02\x00\x00\x00\x00\x01\x0a\x00\x00\x07\x00\x00\x00\x00\x00\x00\x0a\x00\x00\x01",
	// UDP: a DNS query for etcd
	"\x02\x00\x00\x00\x00\x02\x02\x00\x00\x00\x00\x01\x08\x00\x45\x00\x00\x32\x00\x01\x40\x00\x40\x11\x26\xb1\x0a\x00\x00\x07\x0a\x00\x00\x0a" +
		"\xc0\x00\x00\x35\x00\x1e\x00\x00\x12\x34\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00\x04etcd\x00\x00\x01\x00\x01",
	// IPv6 neighbour solicitation
	"\x33\x33\xff\x00\x00\x01\x02\x00\x00\x00\x00\x01\x86\xdd\x60\x00\x00\x00\x00\x18\x3a\xff\xfd\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x07" +
		"\xff\x02\x00\x00\x00\x00\x00\x00\x00\x00\x00\x01\xff\x00\x00\x01\x87\x00\x00\x00\x00\x00\x00\x00\xfd\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x01",
}
