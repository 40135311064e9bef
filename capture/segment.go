package capture

import (
	"encoding/binary"
	"net/netip"

	"github.com/etcdtap/etcdtap/analysis"
)

// TCP flag bits (RFC 9293, Section 3.1).
const (
	flagFIN = 1 << 0
	flagSYN = 1 << 1
	flagRST = 1 << 2
	flagPSH = 1 << 3
	flagACK = 1 << 4

	// flagsECN are ECE and CWR (RFC 3168), by which SYNs agree on ECN. They say nothing of the stream.
	flagsECN = 1<<6 | 1<<7
)

// Address is an IP address as a table key: IPv4 is IPv4-mapped (RFC 4291, Section 2.5.5.2).
type Address [16]byte

// Segment is one TCP segment, decoded from a packet. It is reused from packet to packet.
type Segment struct {
	Src, Dst         Address
	SrcPort, DstPort uint16
	Seq, Ack         uint32
	Flags            uint8
	Window           uint16
	Payload          []byte // the captured part of the payload; aliases the packet, or the fragment buffer; valid until the next Decode
	Length           int    // payload bytes on the wire; more than len(Payload) when the packet was cut by the snapshot length
}

// Opens reports whether the segment opens a connection: its sender is the client.
func (s *Segment) Opens() bool { return s.Flags&(flagSYN|flagACK|flagRST) == flagSYN }

// narrow gives the addresses as IPv4 has them, in network byte order; wide reports that one of them is no IPv4 address.
func (s *Segment) narrow() (src, dst uint32, wide bool) {
	const prefix = 0xffff // the end of "::ffff:", before the address
	a, b := binary.BigEndian.Uint64(s.Src[8:]), binary.BigEndian.Uint64(s.Dst[8:])
	high := binary.BigEndian.Uint64(s.Src[:]) | binary.BigEndian.Uint64(s.Dst[:]) | (a>>32 ^ prefix) | (b>>32 ^ prefix)
	return uint32(a), uint32(b), high != 0
}

// Source and Destination are the segment's endpoints.
func (s *Segment) Source() netip.AddrPort      { return addrPort(s.Src, s.SrcPort) }
func (s *Segment) Destination() netip.AddrPort { return addrPort(s.Dst, s.DstPort) }

// addrPort gives an address its field-wide form.
func addrPort(a Address, port uint16) netip.AddrPort {
	return netip.AddrPortFrom(netip.AddrFrom16(a).Unmap(), port)
}

// ConnectionSink receives each connection when it is finished, in the order in which connections finish. The facts are valid
// during the call only.
type ConnectionSink func(f *analysis.Facts)
