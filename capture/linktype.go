package capture

import "strconv"

// LinkType says how a packet's bytes begin: the LINKTYPE_ number in capture files (https://www.tcpdump.org/linktypes.html,
// draft-ietf-opsawg-pcaplinktype). In a pcap file header it is the low 16 bits of the field; those above it describe frame
// check sequences and are not part of it.
type LinkType uint16

// The link types that etcdtap decodes.
const (
	LinkNull       LinkType = 0   // BSD loopback: address family in the byte order of the capturing host
	LinkEthernet   LinkType = 1   // Ethernet II or 802.3
	LinkPPP        LinkType = 9   // PPP, with or without HDLC framing
	LinkRawBSD     LinkType = 12  // IP header first; DLT_RAW, written to files by old libpcap
	LinkRawOpenBSD LinkType = 14  // IP header first; DLT_RAW of OpenBSD
	LinkPPPHDLC    LinkType = 50  // PPP in HDLC-like framing (RFC 1662)
	LinkPPPoE      LinkType = 51  // PPPoE session header first (RFC 2516)
	LinkRaw        LinkType = 101 // IPv4 or IPv6 header first
	LinkLoop       LinkType = 108 // OpenBSD loopback: address family in network byte order
	LinkLinuxSLL   LinkType = 113 // Linux "cooked" capture, 16-byte header (-i any)
	LinkIPv4       LinkType = 228 // IPv4 header first
	LinkIPv6       LinkType = 229 // IPv6 header first
	LinkLinuxSLL2  LinkType = 276 // Linux "cooked" capture v2, 20-byte header with the interface (-i any)
)

// Supported reports whether packets of this link type can be decoded. A file may hold others beside them (pcapng has a
// link type per interface), so that it is asked packet by packet and never when a file is opened.
func (t LinkType) Supported() bool {
	switch t {
	case LinkNull, LinkEthernet, LinkPPP, LinkRawBSD, LinkRawOpenBSD, LinkPPPHDLC, LinkPPPoE, LinkRaw, LinkLoop,
		LinkLinuxSLL, LinkIPv4, LinkIPv6, LinkLinuxSLL2:
		return true
	}
	return false
}

// String gives tcpdump's name and the number: "IEEE802_11_RADIO (127)".
func (t LinkType) String() string {
	number := strconv.Itoa(int(t))
	if name := t.name(); name != "" {
		return name + " (" + number + ")"
	}
	if t >= 147 && t <= 162 { // reserved for private use
		return "USER" + strconv.Itoa(int(t)-147) + " (" + number + ")"
	}
	return "unknown link type " + number
}
