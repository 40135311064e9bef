package live

import (
	"encoding/binary"

	"github.com/etcdtap/etcdtap/capture"
	"golang.org/x/sys/unix"
)

const (
	ethernetHeader = 14 // bytes
	vlanTag        = 4  // bytes of a VLAN tag in a frame
	sll2           = 20 // bytes of a Linux cooked header, version 2
	sll1           = 16 // and version 1
	addresses      = 12 // bytes of the addresses that an Ethernet frame begins with
	headerSpace    = 32 // bytes kept free before each packet in the ring, for a tag or a cooked header
)

// linkOf says how packets of an interface begin when they are captured as libpcap does it (map_arphrd_to_dlt in its pcap-linux.c).
func linkOf(l *link) (frameKind, capture.LinkType) {
	switch l.device {
	case unix.ARPHRD_ETHER, unix.ARPHRD_LOOPBACK:
		return ethernetFrame, capture.LinkEthernet
	case unix.ARPHRD_NONE, unix.ARPHRD_RAWIP, unix.ARPHRD_TUNNEL, unix.ARPHRD_SIT:
		return rawFrame, capture.LinkRaw
	}
	return cookedFrame, capture.LinkLinuxSLL2
}

// take fills p with the packet that is ready in r.
func (s *socket) take(p *capture.Packet) {
	r := s.ring
	h := r.packet()
	start, length := r.at+int(h.Mac), int(h.Len)
	end := start + int(h.Snaplen)
	switch s.kind {
	case ethernetFrame:
		if h.Status&unix.TP_STATUS_VLAN_VALID != 0 && end-start >= addresses {
			start -= vlanTag
			length += vlanTag
			putTagBack(r.memory[start:end], h)
		}
	case cookedFrame:
		cook(r.memory[r.at+unix.SizeofTpacket3Hdr:], r.memory[start-sll2:end])
		start -= sll2
		length += sll2
	}
	end = min(end, start+s.snapLen)
	p.Time = int64(h.Sec)*1e9 + int64(h.Nsec)
	p.Data = r.memory[start:end:end]
	p.Length = length
	p.Link = s.linkType
	p.Interface = s.place
	r.skip()
}

// putTagBack puts a VLAN tag that the kernel holds beside the frame back into it. The frame begins vlanTag bytes into b.
func putTagBack(b []byte, h *unix.Tpacket3Hdr) {
	tpid := uint16(etherVLAN)
	if h.Status&unix.TP_STATUS_VLAN_TPID_VALID != 0 {
		tpid = h.Hv1.Vlan_tpid
	}
	copy(b, b[vlanTag:vlanTag+addresses])
	binary.BigEndian.PutUint16(b[addresses:], tpid)
	binary.BigEndian.PutUint16(b[addresses+2:], uint16(h.Hv1.Vlan_tci))
}

// cook writes the Linux cooked header, version 2, before a packet whose network header is sll2 bytes into b. What it says comes from
// the struct sockaddr_ll that the kernel has written.
func cook(sockaddr, b []byte) {
	protocol := binary.BigEndian.Uint16(sockaddr[2:])
	outgoing := sockaddr[10] == unix.PACKET_OUTGOING
	binary.BigEndian.PutUint16(b, networkProtocol(protocol, outgoing, b[sll2:]))
	b[2], b[3] = 0, 0
	binary.BigEndian.PutUint32(b[4:], binary.NativeEndian.Uint32(sockaddr[4:])) // interface
	binary.BigEndian.PutUint16(b[8:], binary.NativeEndian.Uint16(sockaddr[8:])) // kind of device
	copy(b[10:sll2], sockaddr[10:20])                                           // packet type, length of the address, address
}

// correctProtocol does for a packet with a cooked header what cook does when it makes one.
func correctProtocol(b []byte) {
	protocol := binary.BigEndian.Uint16(b)
	if correct := networkProtocol(protocol, b[10] == unix.PACKET_OUTGOING, b[sll2:]); correct != protocol {
		binary.BigEndian.PutUint16(b, correct)
	}
}

// networkProtocol corrects the protocol that the kernel tells of a cooked packet, where that is not what the packet begins with.
// Kernels since 6.11 tell the innermost one behind VLAN tags, also if a tag is left in the packet; older ones tell the tag's, also
// if the packet begins behind it.
func networkProtocol(protocol uint16, outgoing bool, b []byte) uint16 {
	if len(b) < vlanTag {
		return protocol
	}
	version := b[0] >> 4
	switch protocol {
	case etherIPv4, etherIPv6:
		expected := byte(4)
		if protocol == etherIPv6 {
			expected = 6
		}
		if inner := binary.BigEndian.Uint16(b[2:]); version != expected && (inner == protocol || isVLAN(inner)) {
			return etherVLAN
		}
	case etherVLAN, etherQinQ, etherQinQOld:
		if outgoing && version == 4 {
			return etherIPv4
		}
		if outgoing && version == 6 {
			return etherIPv6
		}
	}
	return protocol
}

func isVLAN(etherType uint16) bool {
	return etherType == etherVLAN || etherType == etherQinQ || etherType == etherQinQOld
}
