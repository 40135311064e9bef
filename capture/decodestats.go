package capture

import (
	"cmp"
	"fmt"
	"slices"
)

// DecodeStats counts what the packets were, for the summary. Packets is the sum of TCP, NotTCP, Undecodable, UnknownLinks and of
// the fragments that gave the verdict Held. It is of fixed size, whatever comes.
type DecodeStats struct {
	Packets      int64
	TCP          int64 // segments
	NotTCP       int64
	Held         int64 // fragments that did not complete a datagram
	Undecodable  int64
	UnknownLinks int64
	Fragments    FragmentStats

	number             int64 // of the packet that is being decoded
	notTCP             [256]int64
	neighbourDiscovery int64
	otherMPLS          int64
	others             [otherKinds]codeCounts
	undecodable        [reasons]tally
	tunnels            [tunnelKinds]int64
	unknownLinks       codeCounts
}

// FragmentStats counts IP fragments.
type FragmentStats struct {
	Seen        int64 // fragments
	Reassembled int64 // datagrams
	Repeated    int64 // fragments that brought nothing new, as captures on several interfaces have them
	Overlapping int64 // fragments that overlapped earlier ones in part; the earlier bytes were kept
	Expired     int64 // datagrams of which parts were still missing after fragmentTimeout
	Dropped     int64 // datagrams given up early, to bound memory
	Rejected    int64 // datagrams given up because their fragments contradicted each other
}

// Count is one line of the summary.
type Count struct {
	Name  string
	N     int64
	First int64 // number of the first packet counted; 0 where that is not kept
}

// NotTCPKinds says what the packets without TCP were, most frequent first.
func (s *DecodeStats) NotTCPKinds() []Count {
	var out []Count
	for proto, n := range s.notTCP {
		out = appendCount(out, protocolName(uint8(proto)), n, 0)
	}
	out = appendCount(out, "ipv6 neighbour discovery", s.neighbourDiscovery, 0)
	out = appendCount(out, "mpls payload", s.otherMPLS, 0)
	for kind := range s.others {
		c := &s.others[kind]
		for _, e := range c.codes {
			out = appendCount(out, otherKind(kind).name(uint16(e.code)), e.n, e.first)
		}
		out = appendCount(out, otherKind(kind).rest(), c.rest.n, c.rest.first)
	}
	return sorted(out)
}

// UndecodableReasons says why packets could not be decoded, most frequent first.
func (s *DecodeStats) UndecodableReasons() []Count {
	var out []Count
	for r, t := range s.undecodable {
		out = appendCount(out, reason(r).String(), t.n, t.first)
	}
	return sorted(out)
}

// Tunnels counts the encapsulations passed through, most frequent first.
func (s *DecodeStats) Tunnels() []Count {
	var out []Count
	for k, n := range s.tunnels {
		out = appendCount(out, tunnelKind(k).String(), n, 0)
	}
	return sorted(out)
}

// UnknownLinkTypes names the link types of the packets with the verdict UnknownLink, most frequent first.
func (s *DecodeStats) UnknownLinkTypes() []Count {
	var out []Count
	for _, e := range s.unknownLinks.codes {
		out = appendCount(out, LinkType(e.code).String(), e.n, e.first)
	}
	out = appendCount(out, "other link types", s.unknownLinks.rest.n, s.unknownLinks.rest.first)
	return sorted(out)
}

func appendCount(to []Count, name string, n, first int64) []Count {
	if n == 0 {
		return to
	}
	return append(to, Count{Name: name, N: n, First: first})
}

func sorted(counts []Count) []Count {
	slices.SortStableFunc(counts, func(a, b Count) int { return cmp.Compare(b.N, a.N) })
	return counts
}

// tally is a count with the packet that was first.
type tally struct{ n, first int64 }

func (t *tally) add(packet int64) {
	if t.n == 0 {
		t.first = packet
	}
	t.n++
}

// codeCounts counts by code: the first ones by themselves, the rest together. A capture holds a handful of kinds; only noise
// holds more.
type codeCounts struct {
	codes [16]struct {
		tally
		code uint32
	}
	rest tally
}

func (c *codeCounts) add(code uint32, packet int64) {
	for i := range c.codes {
		if e := &c.codes[i]; e.n == 0 || e.code == code {
			e.code = code
			e.tally.add(packet)
			return
		}
	}
	c.rest.add(packet)
}

// otherKind is a number space for payloads that are not IP.
type otherKind uint8

const (
	otherEtherType otherKind = iota
	otherLLC                 // destination and source access point
	otherPPP                 // protocol
	otherFamily              // address family of a loopback header
	otherCooked              // Linux frame kind, of SLL
	otherDevice              // Linux device type, of SLL
	otherKinds
)

func (k otherKind) name(code uint16) string {
	switch k {
	case otherEtherType:
		return etherTypeName(code)
	case otherLLC:
		if code == 0x4242 {
			return "spanning tree"
		}
		return fmt.Sprintf("llc 0x%04x", code)
	case otherPPP:
		return fmt.Sprintf("ppp protocol 0x%04x", code)
	case otherFamily:
		return fmt.Sprintf("address family %d", code)
	case otherCooked:
		return fmt.Sprintf("linux frame kind 0x%04x", code)
	}
	return fmt.Sprintf("linux device type %d", code)
}

func (k otherKind) rest() string {
	return "other " + [...]string{
		"ethertypes", "llc", "ppp protocols", "address families", "linux frame kinds", "linux device types",
	}[k]
}

func etherTypeName(t uint16) string {
	switch t {
	case 0x0806:
		return "arp"
	case 0x8035:
		return "rarp"
	case 0x8863:
		return "pppoe discovery"
	case 0x888e:
		return "802.1x"
	case 0x88cc:
		return "lldp"
	case 0x88e5:
		return "macsec"
	}
	return fmt.Sprintf("ethertype 0x%04x", t)
}

func protocolName(proto uint8) string {
	switch proto {
	case 1:
		return "icmp"
	case 2:
		return "igmp"
	case protoUDP:
		return "udp"
	case 50:
		return "esp"
	case protoICMPv6:
		return "icmpv6"
	case 59:
		return "ipv6 without payload"
	case 89:
		return "ospf"
	case 112:
		return "vrrp"
	case 132:
		return "sctp"
	}
	return fmt.Sprintf("ip protocol %d", proto)
}

// reason is why a packet could not be decoded.
type reason uint8

const (
	ethernetShort reason = iota
	vlanShort
	llcShort
	sllShort
	loopbackShort
	pppShort
	pppoeShort
	mplsShort
	ipShort
	ipVersion
	ipNoLength
	ipv4Short
	ipv4HeaderLength
	ipv4TotalLength
	ipv6Short
	extensionShort
	tcpShort
	tcpTooShort
	tcpHeaderLength
	tcpHeaderTooLong
	greMalformed
	erspanMalformed
	vxlanShort
	geneveShort
	fragmentLength
	fragmentBeyond
	fragmentContradiction
	fragmentTooMany
	tooManyHeaders
	reasons
)

func (r reason) String() string {
	return [...]string{
		ethernetShort:         "Ethernet header cut short",
		vlanShort:             "VLAN tag cut short",
		llcShort:              "802.2 header cut short",
		sllShort:              "Linux cooked header cut short",
		loopbackShort:         "loopback header cut short",
		pppShort:              "PPP header cut short",
		pppoeShort:            "PPPoE header cut short",
		mplsShort:             "MPLS label stack cut short",
		ipShort:               "no IP header",
		ipVersion:             "IP version neither 4 nor 6, or not the one announced",
		ipNoLength:            "IP header without a length on a frame over 512 KiB",
		ipv4Short:             "IPv4 header cut short",
		ipv4HeaderLength:      "IPv4 header length < 20",
		ipv4TotalLength:       "IPv4 total length < header length",
		ipv6Short:             "IPv6 header cut short",
		extensionShort:        "IP extension header cut short",
		tcpShort:              "TCP header cut short",
		tcpTooShort:           "IP payload too short for a TCP header",
		tcpHeaderLength:       "TCP header length < 20",
		tcpHeaderTooLong:      "TCP header length > IP payload",
		greMalformed:          "GRE header cut short or malformed",
		erspanMalformed:       "ERSPAN header cut short or malformed",
		vxlanShort:            "VXLAN header cut short",
		geneveShort:           "Geneve header cut short",
		fragmentLength:        "IP fragment empty, or not the last and no multiple of 8 bytes long",
		fragmentBeyond:        "IP fragment beyond 65535 bytes",
		fragmentContradiction: "IP fragments disagree on where the datagram ends",
		fragmentTooMany:       "IP datagram in too many or too much overlapping fragments",
		tooManyHeaders:        "more than 32 stacked headers",
	}[r]
}

func (d *Decoder) undecodable(r reason) Verdict {
	d.Stats.Undecodable++
	d.Stats.undecodable[r].add(d.Stats.number)
	return Undecodable
}

func (d *Decoder) notTCP(k otherKind, code uint16) Verdict {
	d.Stats.NotTCP++
	d.Stats.others[k].add(uint32(code), d.Stats.number)
	return NotTCP
}
