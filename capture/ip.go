package capture

import "encoding/binary"

// IP protocol numbers (IANA), which IPv6 also uses for its extension headers.
const (
	protoHopByHop    = 0
	protoIPIP        = 4
	protoTCP         = 6
	protoUDP         = 17
	protoIPv6        = 41 // 6in4, and IPv6 in IPv6
	protoRouting     = 43
	protoFragment    = 44
	protoGRE         = 47
	protoAH          = 51
	protoICMPv6      = 58
	protoDestination = 60
	protoMPLS        = 137 // RFC 4023
)

// maxBigTCP bounds the packet whose IP header states no length, in bytes. Linux lets a segment that the network card will split
// grow to 8 × 65536 (GSO_MAX_SIZE in include/linux/netdevice.h) and then leaves the length field at zero.
const maxBigTCP = 8 << 16

// ipv4 decodes from an IPv4 header on (RFC 791).
func (d *Decoder) ipv4(b []byte, wire int, s *Segment) Verdict {
	if len(b) < 20 {
		return d.undecodable(ipv4Short)
	}
	header := int(b[0]&0x0f) * 4
	if b[0]>>4 != 4 {
		return d.undecodable(ipVersion)
	}
	if header < 20 {
		return d.undecodable(ipv4HeaderLength)
	}
	if header > len(b) {
		return d.undecodable(ipv4Short)
	}
	total := int(binary.BigEndian.Uint16(b[2:]))
	if total == 0 {
		total = wire
	}
	if total < header {
		return d.undecodable(ipv4TotalLength)
	}
	if total > maxBigTCP {
		return d.undecodable(ipNoLength)
	}
	if total < len(b) {
		b = b[:total]
	}
	s.Src.setIPv4(b[12:])
	s.Dst.setIPv4(b[16:])
	body := b[header:]
	const offsetAndMore = 0x3fff
	if f := binary.BigEndian.Uint16(b[6:]); f&offsetAndMore != 0 {
		return d.fragment4(b, body, total-header, s)
	}
	if b[9] == protoTCP {
		return d.tcp(body, total-header, s)
	}
	return d.transport(b[9], body, total-header, s)
}

// setIPv4 sets a to the IPv4 address b, of four bytes. It writes in place: a copy that is read back whole right after it was written
// in halves makes the processor wait.
func (a *Address) setIPv4(b []byte) {
	a.setNarrow(binary.BigEndian.Uint32(b))
}

// setNarrow sets a to an IPv4 address.
func (a *Address) setNarrow(ipv4 uint32) {
	const prefix = 0xffff << 32 // the end of "::ffff:", before the address
	binary.BigEndian.PutUint64(a[:], 0)
	binary.BigEndian.PutUint64(a[8:], prefix|uint64(ipv4))
}

// ipv6 decodes from an IPv6 header on (RFC 8200). A payload length of zero is that of a jumbogram (RFC 2675), which Linux sends to
// its own network card for splitting: then the frame's length counts.
func (d *Decoder) ipv6(b []byte, wire int, s *Segment) Verdict {
	const header = 40
	if len(b) < header {
		return d.undecodable(ipv6Short)
	}
	if b[0]>>4 != 6 {
		return d.undecodable(ipVersion)
	}
	length := int(binary.BigEndian.Uint16(b[4:]))
	if length == 0 {
		length = wire - header
	}
	if length > maxBigTCP {
		return d.undecodable(ipNoLength)
	}
	body := b[header:]
	if length < len(body) {
		body = body[:length]
	}
	s.Src = Address(b[8:24])
	s.Dst = Address(b[24:40])
	if b[6] == protoTCP {
		return d.tcp(body, length, s)
	}
	return d.transport(b[6], body, length, s)
}

// transport decodes what an IP protocol number announces. Extension headers are passed over after IPv4 as well: AH occurs there,
// and for the others there is no reason to be strict.
func (d *Decoder) transport(proto uint8, b []byte, wire int, s *Segment) Verdict {
	for {
		header := 0
		switch proto {
		case protoTCP:
			return d.tcp(b, wire, s)
		case protoUDP:
			return d.udp(b, wire, s)
		case protoIPIP:
			return d.tunnelled(tunnelIPIP, (*Decoder).ipv4, b, wire, s)
		case protoIPv6:
			return d.tunnelled(tunnelIPv6, (*Decoder).ipv6, b, wire, s)
		case protoGRE:
			return d.tunnelled(tunnelGRE, (*Decoder).gre, b, wire, s)
		case protoMPLS:
			return d.mpls(b, wire, s)
		case protoICMPv6:
			return d.icmpv6(b)
		case protoFragment:
			return d.fragment6(b, wire, s)
		case protoHopByHop, protoRouting, protoDestination:
			if len(b) >= 2 {
				header = 8 + int(b[1])*8
			}
		case protoAH:
			if len(b) >= 2 {
				header = 8 + int(b[1])*4
			}
		default:
			d.Stats.NotTCP++
			d.Stats.notTCP[proto]++
			return NotTCP
		}
		if header == 0 || header > len(b) {
			return d.undecodable(extensionShort)
		}
		if d.tooDeep() {
			return d.undecodable(tooManyHeaders)
		}
		proto, b, wire = b[0], b[header:], wire-header
	}
}

// icmpv6 counts ICMPv6, and neighbour discovery (RFC 4861, Section 4) apart from it: every IPv6 link is full of that.
func (d *Decoder) icmpv6(b []byte) Verdict {
	d.Stats.NotTCP++
	if len(b) > 0 && b[0] >= 133 && b[0] <= 137 {
		d.Stats.neighbourDiscovery++
	} else {
		d.Stats.notTCP[protoICMPv6]++
	}
	return NotTCP
}

// tcp decodes a TCP header (RFC 9293, Section 3.1). Options are passed over, so that a segment whose options the snapshot length
// cut is still good: all that a Segment has is in the fixed header.
func (d *Decoder) tcp(b []byte, wire int, s *Segment) Verdict {
	if len(b) < 20 {
		if wire < 20 {
			return d.undecodable(tcpTooShort)
		}
		return d.undecodable(tcpShort)
	}
	header := int(b[12]>>4) * 4
	if header < 20 {
		return d.undecodable(tcpHeaderLength)
	}
	if header > wire {
		return d.undecodable(tcpHeaderTooLong)
	}
	s.SrcPort = binary.BigEndian.Uint16(b)
	s.DstPort = binary.BigEndian.Uint16(b[2:])
	s.Seq = binary.BigEndian.Uint32(b[4:])
	s.Ack = binary.BigEndian.Uint32(b[8:])
	s.Flags = b[13]
	s.Window = binary.BigEndian.Uint16(b[14:])
	s.Payload = b[min(header, len(b)):]
	s.Length = wire - header
	d.Stats.TCP++
	return TCP
}
