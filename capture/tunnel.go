package capture

import (
	"encoding/binary"

	"github.com/gopacket/gopacket"
	"github.com/gopacket/gopacket/layers"
)

// tunnelHeaders are gopacket's layers for the tunnels that it decodes in place, reused from packet to packet.
//
// The others are decoded by hand: gopacket's PPP, PPPoE and MPLS only decode into a new Packet, its PPPoE refuses what the
// snapshot length has cut, and its Geneve allocates for every option and loses its place after 255 bytes of them.
type tunnelHeaders struct {
	gre    layers.GRE
	vxlan  layers.VXLAN
	erspan layers.ERSPANII
}

// tunnelKind is a kind of encapsulation, as counted in DecodeStats.
type tunnelKind uint8

const (
	tunnelIPIP tunnelKind = iota
	tunnelIPv6
	tunnelGRE
	tunnelBridged
	tunnelERSPAN
	tunnelVXLAN
	tunnelGeneve
	tunnelPPPoE
	tunnelPPP
	tunnelMPLS
	tunnelKinds
)

func (k tunnelKind) String() string {
	return [...]string{
		tunnelIPIP:    "ipip",
		tunnelIPv6:    "ipv6 in ip",
		tunnelGRE:     "gre",
		tunnelBridged: "bridged ethernet",
		tunnelERSPAN:  "erspan",
		tunnelVXLAN:   "vxlan",
		tunnelGeneve:  "geneve",
		tunnelPPPoE:   "pppoe",
		tunnelPPP:     "ppp",
		tunnelMPLS:    "mpls",
	}[k]
}

// tunnelled counts a tunnel and decodes what it carries.
func (d *Decoder) tunnelled(k tunnelKind, inner func(*Decoder, []byte, int, *Segment) Verdict, b []byte, wire int, s *Segment) Verdict {
	if d.tooDeep() {
		return d.undecodable(tooManyHeaders)
	}
	d.Stats.tunnels[k]++
	return inner(d, b, wire, s)
}

// decodeLayer has gopacket decode one header. That code has panicked on hostile bytes before: here a panic is one more way to
// say malformed.
func decodeLayer(l gopacket.DecodingLayer, b []byte) (ok bool) {
	defer func() {
		if recover() != nil {
			ok = false
		}
	}()
	return l.DecodeFromBytes(b, gopacket.NilDecodeFeedback) == nil
}

// UDP ports of the overlay networks. Other ports are not tried: the headers have nothing to know them by.
const (
	portVXLAN      = 4789 // RFC 7348
	portVXLANLinux = 8472 // the Linux kernel's default, and flannel's
	portGeneve     = 6081 // RFC 8926
)

// udp looks for an overlay network by its destination port (the source port is a hash of the inner packet).
func (d *Decoder) udp(b []byte, wire int, s *Segment) Verdict {
	if len(b) >= 8 {
		switch binary.BigEndian.Uint16(b[2:]) {
		case portVXLAN, portVXLANLinux:
			return d.vxlan(b[8:], wire-8, s)
		case portGeneve:
			return d.geneve(b[8:], wire-8, s)
		}
	}
	return d.plainUDP()
}

func (d *Decoder) plainUDP() Verdict {
	d.Stats.NotTCP++
	d.Stats.notTCP[protoUDP]++
	return NotTCP
}

// vxlan decodes VXLAN (RFC 7348, Section 5). Without the flag that says that it has a network identifier it is none.
func (d *Decoder) vxlan(b []byte, wire int, s *Segment) Verdict {
	h := &d.tunnels.vxlan
	if !decodeLayer(h, b) {
		return d.undecodable(vxlanShort)
	}
	if !h.ValidIDFlag {
		return d.plainUDP()
	}
	return d.tunnelled(tunnelVXLAN, (*Decoder).ethernet, h.Payload, wire-len(h.Contents), s)
}

// geneve decodes Geneve (RFC 8926, Section 3.4).
func (d *Decoder) geneve(b []byte, wire int, s *Segment) Verdict {
	if len(b) < 8 {
		return d.undecodable(geneveShort)
	}
	header := 8 + int(b[0]&0x3f)*4
	if header > len(b) {
		return d.undecodable(geneveShort)
	}
	const version, control = 0xc0, 0x80
	if b[0]&version != 0 || b[1]&control != 0 {
		return d.plainUDP()
	}
	if d.tooDeep() {
		return d.undecodable(tooManyHeaders)
	}
	d.Stats.tunnels[tunnelGeneve]++
	return d.network(binary.BigEndian.Uint16(b[2:]), b[header:], wire-header, s)
}

// gre decodes GRE: RFC 2784, RFC 2890 and, as version 1, RFC 2637.
func (d *Decoder) gre(b []byte, wire int, s *Segment) Verdict {
	h := &d.tunnels.gre
	if !decodeLayer(h, b) {
		return d.undecodable(greMalformed)
	}
	sequence := h.SeqPresent
	b, wire = h.Payload, wire-len(h.Contents)
	switch h.Protocol {
	case etherPPP:
		return d.ppp(b, wire, s)
	case etherERSPAN:
		if !sequence { // type I has no header of its own
			return d.tunnelled(tunnelERSPAN, (*Decoder).ethernet, b, wire, s)
		}
		return d.erspan2(b, wire, s)
	case etherERSPAN3:
		return d.erspan3(b, wire, s)
	}
	return d.network(uint16(h.Protocol), b, wire, s)
}

// erspan2 decodes ERSPAN type II (draft-foschiano-erspan-03, Section 4.2).
func (d *Decoder) erspan2(b []byte, wire int, s *Segment) Verdict {
	h := &d.tunnels.erspan
	if !decodeLayer(h, b) {
		return d.undecodable(erspanMalformed)
	}
	return d.tunnelled(tunnelERSPAN, (*Decoder).ethernet, h.Payload, wire-len(h.Contents), s)
}

// erspan3 decodes ERSPAN type III (draft-foschiano-erspan-03, Section 4.3): 12 bytes, and 8 more if the last bit of them is set.
func (d *Decoder) erspan3(b []byte, wire int, s *Segment) Verdict {
	if len(b) < 12 {
		return d.undecodable(erspanMalformed)
	}
	header := 12 + int(b[11]&1)*8
	if header > len(b) {
		return d.undecodable(erspanMalformed)
	}
	return d.tunnelled(tunnelERSPAN, (*Decoder).ethernet, b[header:], wire-header, s)
}

// mpls passes over a label stack (RFC 3032). Nothing in it says what it carries; as routers do, the first four bits are taken for
// an IP version (RFC 4928), and anything else for an Ethernet pseudowire (RFC 4448), with its control word or without.
func (d *Decoder) mpls(b []byte, wire int, s *Segment) Verdict {
	d.Stats.tunnels[tunnelMPLS]++
	for bottom := false; !bottom; {
		if len(b) < 4 {
			return d.undecodable(mplsShort)
		}
		if d.tooDeep() {
			return d.undecodable(tooManyHeaders)
		}
		bottom = b[2]&1 != 0
		b, wire = b[4:], wire-4
	}
	if len(b) == 0 {
		return d.undecodable(mplsShort)
	}
	switch b[0] >> 4 {
	case 4:
		return d.ipv4(b, wire, s)
	case 6:
		return d.ipv6(b, wire, s)
	}
	const controlWord = 4
	if b[0]>>4 == 0 && len(b) >= controlWord && carriesIP(b[controlWord:]) {
		return d.ethernet(b[controlWord:], wire-controlWord, s)
	}
	if carriesIP(b) {
		return d.ethernet(b, wire, s)
	}
	d.Stats.NotTCP++
	d.Stats.otherMPLS++
	return NotTCP
}

// carriesIP says whether b, taken for an Ethernet frame, has an EtherType that may lead to IP.
func carriesIP(b []byte) bool {
	if len(b) < 14 {
		return false
	}
	switch binary.BigEndian.Uint16(b[12:]) {
	case etherIPv4, etherIPv6, etherVLAN, etherQinQ, etherQinQOld:
		return true
	}
	return false
}

// pppoe decodes the session stage of PPPoE (RFC 2516, Section 4). Its code is not looked at, nor do receivers.
func (d *Decoder) pppoe(b []byte, wire int, s *Segment) Verdict {
	if len(b) < 6 {
		return d.undecodable(pppoeShort)
	}
	if d.tooDeep() {
		return d.undecodable(tooManyHeaders)
	}
	d.Stats.tunnels[tunnelPPPoE]++
	return d.ppp(b[6:], wire-6, s)
}

// PPP protocol numbers (IANA).
const (
	pppIPv4     = 0x0021
	pppIPv6     = 0x0057
	pppMPLS     = 0x0281
	pppMPLSMany = 0x0283
)

// ppp decodes a PPP frame (RFC 1661, Section 2): address and control if present (RFC 1662), then a protocol number of one byte if
// that is odd, else of two.
func (d *Decoder) ppp(b []byte, wire int, s *Segment) Verdict {
	if len(b) >= 2 && b[0] == 0xff && b[1] == 0x03 {
		b, wire = b[2:], wire-2
	}
	if len(b) < 2 {
		return d.undecodable(pppShort)
	}
	if d.tooDeep() {
		return d.undecodable(tooManyHeaders)
	}
	protocol := uint16(b[0])
	if b[0]&1 != 0 {
		b, wire = b[1:], wire-1
	} else {
		protocol = binary.BigEndian.Uint16(b)
		b, wire = b[2:], wire-2
	}
	d.Stats.tunnels[tunnelPPP]++
	switch protocol {
	case pppIPv4:
		return d.ipv4(b, wire, s)
	case pppIPv6:
		return d.ipv6(b, wire, s)
	case pppMPLS, pppMPLSMany:
		return d.mpls(b, wire, s)
	}
	return d.notTCP(otherPPP, protocol)
}
