package capture

import (
	"encoding/binary"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/gopacket/gopacket/layers"
)

// plainPacket is a TCP segment over IP over Ethernet.
func plainPacket(t testing.TB, version int) []byte {
	return append(layerStack{ethernetHeader(etherTypeOf(version)), ipHeader(version, 1, protoTCP)}, segmentLayers()...).bytes(t)
}

func TestDecodeLengths(t *testing.T) {
	const ip, tcp4 = 14, 14 + 20
	tests := []struct {
		name    string
		version int
		edit    func(b []byte) []byte
		length  int // on the wire, besides the captured bytes
		want    Verdict
		reason  string
		payload int // captured
		wire    int // Segment.Length
	}{
		{name: "as sent", version: 4, payload: 64, wire: 64},
		{name: "padded", version: 4, edit: func(b []byte) []byte { return append(b, make([]byte, 9)...) }, payload: 64, wire: 64},
		{name: "padded IPv6", version: 6, edit: func(b []byte) []byte { return append(b, make([]byte, 9)...) }, payload: 64, wire: 64},
		{name: "check sequence cut off again", version: 4, length: 4, payload: 64, wire: 64},
		{name: "cut by the snapshot length", version: 4, edit: func(b []byte) []byte { return b[:len(b)-60] }, length: 60, payload: 4, wire: 64},
		{name: "options cut", version: 4, edit: func(b []byte) []byte { return b[:tcp4+21] }, length: 75, payload: 0, wire: 64},
		{name: "header cut", version: 4, edit: func(b []byte) []byte { return b[:tcp4+19] }, length: 77, want: Undecodable, reason: "TCP header cut short"},
		{name: "cut by a writer that forgot the length", version: 4, edit: func(b []byte) []byte { return b[:len(b)-60] }, payload: 4, wire: 64},
		{name: "left to the network card", version: 4, edit: func(b []byte) []byte { return put16(b, ip+2, 0) }, length: 1 << 18, payload: 64, wire: 64 + 1<<18},
		{name: "jumbogram", version: 6, edit: func(b []byte) []byte { return put16(b, ip+4, 0) }, length: 1 << 18, payload: 64, wire: 64 + 1<<18},
		{name: "absurd frame", version: 4, edit: func(b []byte) []byte { return put16(b, ip+2, 0) }, length: 1 << 31, want: Undecodable, reason: "IP header without a length on a frame over 512 KiB"},
		{name: "absurd frame, IPv6", version: 6, edit: func(b []byte) []byte { return put16(b, ip+4, 0) }, length: 1 << 31, want: Undecodable, reason: "IP header without a length on a frame over 512 KiB"},
		{name: "total length too small", version: 4, edit: func(b []byte) []byte { return put16(b, ip+2, 19) }, want: Undecodable, reason: "IPv4 total length < header length"},
		{name: "total length ends in the TCP header", version: 4, edit: func(b []byte) []byte { return put16(b, ip+2, 39) }, want: Undecodable, reason: "IP payload too short for a TCP header"},
		{name: "total length ends in the TCP options", version: 4, edit: func(b []byte) []byte { return put16(b, ip+2, 51) }, want: Undecodable, reason: "TCP header length > IP payload"},
		{name: "TCP header length", version: 4, edit: func(b []byte) []byte { b[tcp4+12] = 0x40; return b }, want: Undecodable, reason: "TCP header length < 20"},
		{name: "IPv4 options", version: 4, edit: withOptions, payload: 64, wire: 64},
		{name: "IPv4 options cut", version: 4, edit: func(b []byte) []byte { return withOptions(b)[:ip+23] }, want: Undecodable, reason: "IPv4 header cut short"},
		{name: "IPv4 header length", version: 4, edit: func(b []byte) []byte { b[ip] = 0x44; return b }, want: Undecodable, reason: "IPv4 header length < 20"},
		{name: "IP version", version: 4, edit: func(b []byte) []byte { b[ip] = 0x65; return b }, want: Undecodable, reason: "IP version neither 4 nor 6, or not the one announced"},
		{name: "IPv6 header cut", version: 6, edit: func(b []byte) []byte { return b[:ip+39] }, want: Undecodable, reason: "IPv6 header cut short"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			b := plainPacket(t, test.version)
			if test.edit != nil {
				b = test.edit(b)
			}
			var d Decoder
			var s Segment
			v := d.Decode(&Packet{Number: 7, Data: b, Length: len(b) + test.length, Link: LinkEthernet}, &s)
			if v != test.want {
				t.Fatalf("verdict %v, want %v", v, test.want)
			}
			if v == TCP {
				if diff := cmp.Diff([]int{test.payload, test.wire}, []int{len(s.Payload), s.Length}); diff != "" {
					t.Errorf("payload captured, on the wire (-want +got):\n%s", diff)
				}
				return
			}
			if diff := cmp.Diff([]Count{{Name: test.reason, N: 1, First: 7}}, d.Stats.UndecodableReasons()); diff != "" {
				t.Errorf("reasons (-want +got):\n%s", diff)
			}
		})
	}
}

// withOptions puts eight bytes of options into an IPv4 header.
func withOptions(b []byte) []byte {
	const ip = 14
	b[ip] += 2
	put16(b, ip+2, binary.BigEndian.Uint16(b[ip+2:])+8)
	return slices.Insert(b, ip+20, 7, 7, 4, 10, 0, 0, 1, 0)
}

func put16(b []byte, at int, v uint16) []byte {
	binary.BigEndian.PutUint16(b[at:], v)
	return b
}

func TestDecodeNotTCP(t *testing.T) {
	tests := []struct {
		link LinkType
		data []byte
		want string
	}{
		{LinkEthernet, layerStack{ethernetHeader(0x0806), raw(make([]byte, 28)...)}.bytes(t), "arp"},
		{LinkEthernet, layerStack{ethernetHeader(0x88cc), raw(2)}.bytes(t), "lldp"},
		{LinkEthernet, layerStack{ethernetHeader(0x1234), raw(2)}.bytes(t), "ethertype 0x1234"},
		{LinkEthernet, layerStack{ethernetHeader(0), raw(0x42, 0x42, 3)}.bytes(t), "spanning tree"},
		{LinkEthernet, layerStack{ethernetHeader(0), raw(0xaa, 0xaa, 3, 0, 0, 0x0c, 0x20, 0)}.bytes(t), "llc 0xaaaa"},
		{LinkEthernet, layerStack{ethernetHeader(etherIPv4), ipHeader(4, 1, 1), raw(8, 0)}.bytes(t), "icmp"},
		{LinkEthernet, layerStack{ethernetHeader(etherIPv4), ipHeader(4, 1, 17), &layers.UDP{SrcPort: portVXLAN, DstPort: 53}}.bytes(t), "udp"},
		{LinkEthernet, layerStack{ethernetHeader(etherIPv4), ipHeader(4, 1, 17), &layers.UDP{DstPort: portVXLAN}, raw(make([]byte, 99)...)}.bytes(t), "udp"},
		{LinkEthernet, layerStack{ethernetHeader(etherIPv6), ipHeader(6, 1, 58), raw(135, 0)}.bytes(t), "ipv6 neighbour discovery"},
		{LinkEthernet, layerStack{ethernetHeader(etherIPv6), ipHeader(6, 1, 58), raw(128, 0)}.bytes(t), "icmpv6"},
		{LinkEthernet, layerStack{ethernetHeader(etherIPv6), ipHeader(6, 1, 200), raw(1)}.bytes(t), "ip protocol 200"},
		{LinkEthernet, layerStack{ethernetHeader(etherMPLS), &layers.MPLS{StackBottom: true}, raw(0x10, 0, 0, 0)}.bytes(t), "mpls payload"},
		{LinkPPP, []byte{0xff, 3, 0xc0, 0x21, 1}, "ppp protocol 0xc021"},
		{LinkNull, []byte{16, 0, 0, 0, 1}, "address family 16"},
		{LinkLinuxSLL, append(append([]byte{0, 0, 0x03, 0x38}, make([]byte, 10)...), 0, 0, 1), "linux device type 824"},
		{LinkLinuxSLL, append(make([]byte, 14), 0, 1, 1), "linux frame kind 0x0001"},
	}
	for _, test := range tests {
		t.Run(test.want, func(t *testing.T) {
			var d Decoder
			var s Segment
			if v := d.Decode(&Packet{Data: test.data, Length: len(test.data), Link: test.link}, &s); v != NotTCP {
				t.Errorf("verdict %v", v)
			}
			if diff := cmp.Diff([]Count{{Name: test.want, N: 1}}, d.Stats.NotTCPKinds()); diff != "" {
				t.Errorf("kinds (-want +got):\n%s", diff)
			}
		})
	}
}

func TestDecodeUnknownLink(t *testing.T) {
	var d Decoder
	var s Segment
	for link := range LinkType(300) {
		v := d.Decode(&Packet{Number: int64(link) + 1, Data: make([]byte, 64), Length: 64, Link: link}, &s)
		if (v == UnknownLink) == link.Supported() {
			t.Errorf("link type %v: %v", link, v)
		}
	}
	if n := len(d.Stats.UnknownLinkTypes()); n != 17 {
		t.Errorf("%d kinds of unknown links kept, want 16 and the rest together", n)
	}
	checkSums(t, &d.Stats)
}

// Stacks of headers come to an end, and decode up to it.
func TestDecodeNesting(t *testing.T) {
	stack := func(n int) map[string]layerStack {
		end := append(layerStack{ipHeader(4, 1, protoTCP)}, segmentLayers()...)
		vlans, labels, ips := layerStack{ethernetHeader(etherVLAN)}, layerStack{ethernetHeader(etherMPLS)}, layerStack{ethernetHeader(etherIPv4)}
		for i := range n {
			tag := &layers.Dot1Q{Type: etherVLAN}
			if i == n-1 {
				tag.Type = etherIPv4
			}
			vlans = append(vlans, tag)
			labels = append(labels, &layers.MPLS{StackBottom: i == n-1})
			ips = append(ips, ipHeader(4, 2, protoIPIP))
		}
		return map[string]layerStack{"vlan": append(vlans, end...), "mpls": append(labels, end...), "ipip": append(ips, end...)}
	}
	for n, want := range map[int]Verdict{maxHeaders: TCP, maxHeaders + 1: Undecodable, 1000: Undecodable} {
		for name, l := range stack(n) {
			b := l.bytes(t)
			var d Decoder
			var s Segment
			if v := d.Decode(&Packet{Data: b, Length: len(b), Link: LinkEthernet}, &s); v != want {
				t.Errorf("%d × %s: %v, want %v", n, name, v, want)
			}
		}
	}
}
