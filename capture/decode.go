package capture

import "encoding/binary"

// Verdict is what a packet turned out to be.
type Verdict uint8

const (
	TCP         Verdict = iota // the segment is valid
	NotTCP                     // decoded as far as needed, and it carries no TCP: UDP, ICMP, ARP and the like
	Held                       // a fragment, kept until the rest of its datagram arrives
	Undecodable                // malformed, or cut before the end of TCP's fixed header
	UnknownLink                // the link type is none that Decode knows
)

func (v Verdict) String() string {
	return [...]string{"tcp", "not tcp", "held", "undecodable", "unknown link"}[v]
}

// maxHeaders bounds how many VLAN tags, labels, extension headers and tunnels one packet may stack. Real ones stack fewer
// than ten (QinQ, MPLS, VXLAN, VLAN, extension headers); the bound is what keeps hostile ones from costing more than their bytes.
const maxHeaders = 32

// Decoder finds the TCP segment of a packet: through the link header, VLAN tags, tunnels, IPv4 or IPv6 with extension headers,
// and fragments put back together. The zero value is ready. It is reused from packet to packet, which allocates nothing, and is
// not for concurrent use.
//
// Checksums are not verified: on the host that sends, the network card fills them in after the capture point, so in captures from
// there nearly all of them are wrong.
//
// Of nested addresses and lengths the innermost count. A length that the IP header states is believed over the frame's: more bytes
// in the frame are Ethernet padding, fewer were cut by the snapshot length.
type Decoder struct {
	Stats DecodeStats

	headers   int  // stacked so far in this packet, see maxHeaders
	joined    bool // see Joined
	time      int64
	fragments fragmentTable
	tunnels   tunnelHeaders
}

// Decode decodes p into s. Iff the verdict is TCP, s is valid, until the next Decode; s.Payload aliases p.Data or a buffer of d.
func (d *Decoder) Decode(p *Packet, s *Segment) Verdict {
	d.Stats.Packets++
	d.Stats.number = p.Number
	d.headers, d.joined = 0, false
	d.time = p.Time
	b, wire := p.Data, max(p.Length, len(p.Data))
	switch p.Link {
	case LinkEthernet:
		return d.ethernet(b, wire, s)
	case LinkLinuxSLL:
		return d.linuxSLL(b, wire, s)
	case LinkLinuxSLL2:
		return d.linuxSLL2(b, wire, s)
	case LinkRaw, LinkRawBSD, LinkRawOpenBSD:
		return d.rawIP(b, wire, s)
	case LinkIPv4:
		return d.ipv4(b, wire, s)
	case LinkIPv6:
		return d.ipv6(b, wire, s)
	case LinkNull, LinkLoop:
		return d.loopback(b, wire, s)
	case LinkPPP, LinkPPPHDLC:
		return d.ppp(b, wire, s)
	case LinkPPPoE:
		return d.pppoe(b, wire, s)
	}
	d.Stats.UnknownLinks++
	d.Stats.unknownLinks.add(uint32(p.Link), p.Number)
	return UnknownLink
}

// Joined reports whether the last segment was put together from fragments: its payload is not in the packet.
func (d *Decoder) Joined() bool { return d.joined }

// EtherTypes (IEEE 802 numbers, also used by Linux SLL and GRE).
const (
	etherIPv4    = 0x0800
	etherTEB     = 0x6558 // transparent Ethernet bridging: a whole frame (RFC 1701)
	etherVLAN    = 0x8100 // IEEE 802.1Q
	etherIPv6    = 0x86dd
	etherPPP     = 0x880b // in GRE version 1 (RFC 2637)
	etherMPLS    = 0x8847
	etherMPLSUp  = 0x8848 // upstream-assigned label (RFC 5332)
	etherPPPoE   = 0x8864
	etherQinQ    = 0x88a8 // IEEE 802.1ad
	etherERSPAN  = 0x88be
	etherQinQOld = 0x9100
	etherERSPAN3 = 0x22eb

	maxEtherLength = 1500 // up to here the field is the frame's length (IEEE 802.3), and an LLC header follows
)

// ethernet decodes an Ethernet frame without its preamble and check sequence.
func (d *Decoder) ethernet(b []byte, wire int, s *Segment) Verdict {
	if len(b) < 14 {
		return d.undecodable(ethernetShort)
	}
	etherType := binary.BigEndian.Uint16(b[12:])
	if etherType == etherIPv4 {
		return d.ipv4(b[14:], wire-14, s)
	}
	if etherType <= maxEtherLength {
		return d.llc(b[14:], wire-14, s)
	}
	return d.network(etherType, b[14:], wire-14, s)
}

// network decodes what an EtherType announces.
func (d *Decoder) network(etherType uint16, b []byte, wire int, s *Segment) Verdict {
	for {
		switch etherType {
		case etherIPv4:
			return d.ipv4(b, wire, s)
		case etherIPv6:
			return d.ipv6(b, wire, s)
		case etherVLAN, etherQinQ, etherQinQOld:
		case etherMPLS, etherMPLSUp:
			return d.mpls(b, wire, s)
		case etherPPPoE:
			return d.pppoe(b, wire, s)
		case etherTEB:
			return d.tunnelled(tunnelBridged, (*Decoder).ethernet, b, wire, s)
		default:
			return d.notTCP(otherEtherType, etherType)
		}
		if len(b) < 4 {
			return d.undecodable(vlanShort)
		}
		if d.tooDeep() {
			return d.undecodable(tooManyHeaders)
		}
		etherType = binary.BigEndian.Uint16(b[2:])
		b, wire = b[4:], wire-4
		if etherType <= maxEtherLength {
			return d.llc(b, wire, s)
		}
	}
}

// llc decodes IEEE 802.2: only SNAP (RFC 1042) carries IP.
func (d *Decoder) llc(b []byte, wire int, s *Segment) Verdict {
	if len(b) < 3 {
		return d.undecodable(llcShort)
	}
	const snap = 0xaaaa
	sap := binary.BigEndian.Uint16(b)
	if sap != snap || b[2] != 3 {
		return d.notTCP(otherLLC, sap)
	}
	if len(b) < 8 {
		return d.undecodable(llcShort)
	}
	if b[3]|b[4]|b[5] != 0 { // a vendor's own protocol numbers
		return d.notTCP(otherLLC, sap)
	}
	if d.tooDeep() {
		return d.undecodable(tooManyHeaders)
	}
	etherType := binary.BigEndian.Uint16(b[6:])
	return d.network(etherType, b[8:], wire-8, s)
}

// Linux device types for which SLL's protocol field is no EtherType (libpcap, LINKTYPE_LINUX_SLL).
const (
	arphrdFRAD     = 770
	arphrdRadiotap = 803
	arphrdNetlink  = 824

	sllLLC        = 4      // an 802.2 header follows
	sllOtherBelow = 0x0600 // other Linux frame kinds
)

// linuxSLL decodes the "cooked" header of captures on Linux's any device, version 1.
func (d *Decoder) linuxSLL(b []byte, wire int, s *Segment) Verdict {
	if len(b) < 16 {
		return d.undecodable(sllShort)
	}
	return d.cooked(binary.BigEndian.Uint16(b[2:]), binary.BigEndian.Uint16(b[14:]), b[16:], wire-16, s)
}

// linuxSLL2 decodes version 2.
func (d *Decoder) linuxSLL2(b []byte, wire int, s *Segment) Verdict {
	if len(b) < 20 {
		return d.undecodable(sllShort)
	}
	return d.cooked(binary.BigEndian.Uint16(b[8:]), binary.BigEndian.Uint16(b), b[20:], wire-20, s)
}

func (d *Decoder) cooked(device, protocol uint16, b []byte, wire int, s *Segment) Verdict {
	switch device {
	case arphrdFRAD, arphrdRadiotap, arphrdNetlink:
		return d.notTCP(otherDevice, device)
	}
	if protocol == sllLLC {
		return d.llc(b, wire, s)
	}
	if protocol < sllOtherBelow {
		return d.notTCP(otherCooked, protocol)
	}
	return d.network(protocol, b, wire, s)
}

// rawIP decodes a packet that begins with an IP header of either version.
func (d *Decoder) rawIP(b []byte, wire int, s *Segment) Verdict {
	if len(b) == 0 {
		return d.undecodable(ipShort)
	}
	switch b[0] >> 4 {
	case 4:
		return d.ipv4(b, wire, s)
	case 6:
		return d.ipv6(b, wire, s)
	}
	return d.undecodable(ipVersion)
}

// loopback decodes BSD's loopback header: the address family of the capturing system in its own byte order (NULL) or in network
// byte order (LOOP). No family needs more than 16 bits, so the order shows in the bytes.
func (d *Decoder) loopback(b []byte, wire int, s *Segment) Verdict {
	if len(b) < 4 {
		return d.undecodable(loopbackShort)
	}
	family := binary.LittleEndian.Uint32(b)
	if family > 0xffff {
		family = binary.BigEndian.Uint32(b)
	}
	switch family {
	case 2: // AF_INET everywhere
		return d.ipv4(b[4:], wire-4, s)
	case 10, 23, 24, 28, 30: // AF_INET6: Linux, Windows, NetBSD and OpenBSD, FreeBSD, Darwin
		return d.ipv6(b[4:], wire-4, s)
	}
	return d.notTCP(otherFamily, uint16(family))
}

// tooDeep counts one more stacked header and says whether that is too many.
func (d *Decoder) tooDeep() bool {
	d.headers++
	return d.headers > maxHeaders
}
