package capture

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"reflect"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/gopacket/gopacket"
	"github.com/gopacket/gopacket/layers"
	"github.com/gopacket/gopacket/pcapgo"
)

// layerStack is a packet, outermost header first.
type layerStack []gopacket.SerializableLayer

func (l layerStack) bytes(t testing.TB) []byte {
	t.Helper()
	buf := gopacket.NewSerializeBuffer()
	if err := gopacket.SerializeLayers(buf, gopacket.SerializeOptions{FixLengths: true}, l...); err != nil {
		t.Fatalf("serializing: %v", err)
	}
	return bytes.Clone(buf.Bytes())
}

var (
	hardware1 = net.HardwareAddr{2, 0, 0, 0, 0, 1}
	hardware2 = net.HardwareAddr{2, 0, 0, 0, 0, 2}
)

func ethernetHeader(next layers.EthernetType) *layers.Ethernet {
	return &layers.Ethernet{SrcMAC: hardware1, DstMAC: hardware2, EthernetType: next}
}

// ipHeader is the IP header of the given version; network tells the headers of one packet apart.
func ipHeader(version int, network byte, proto layers.IPProtocol) gopacket.SerializableLayer {
	if version == 4 {
		return &layers.IPv4{Version: 4, TTL: 64, Protocol: proto, SrcIP: net.IP{10, network, 0, 1}, DstIP: net.IP{10, network, 0, 2}}
	}
	return &layers.IPv6{Version: 6, HopLimit: 64, NextHeader: proto,
		SrcIP: net.IP{0xfd, network, 15: 1}, DstIP: net.IP{0xfd, network, 15: 2}}
}

func etherTypeOf(version int) layers.EthernetType {
	if version == 4 {
		return etherIPv4
	}
	return etherIPv6
}

// raw is a header given as bytes.
func raw(b ...byte) gopacket.Payload { return b }

func be16(v layers.EthernetType) []byte { return binary.BigEndian.AppendUint16(nil, uint16(v)) }

const segmentPayload = "what the segment carries, long enough to be above every padding."

// segmentLayers is the innermost part of the test packets: a TCP segment with options.
func segmentLayers() layerStack {
	return layerStack{
		&layers.TCP{SrcPort: 40000, DstPort: 2379, Seq: 0xfffffff0, Ack: 0x01020304, Window: 512, PSH: true, ACK: true,
			Options: []layers.TCPOption{{OptionType: layers.TCPOptionKindTimestamps, OptionLength: 10, OptionData: make([]byte, 8)}}},
		gopacket.Payload(segmentPayload),
	}
}

const segmentHeader = 32 // bytes

func wantSegment(version int, network byte) Segment {
	s := Segment{SrcPort: 40000, DstPort: 2379, Seq: 0xfffffff0, Ack: 0x01020304, Flags: flagPSH | flagACK, Window: 512,
		Payload: []byte(segmentPayload), Length: len(segmentPayload)}
	a, b := netip.AddrFrom4([4]byte{10, network, 0, 1}), netip.AddrFrom4([4]byte{10, network, 0, 2})
	if version == 6 {
		a, b = netip.AddrFrom16([16]byte{0xfd, network, 15: 1}), netip.AddrFrom16([16]byte{0xfd, network, 15: 2})
	}
	s.Src, s.Dst = a.As16(), b.As16()
	return s
}

// linkShape is a way for a packet to begin.
type linkShape struct {
	name    string
	link    LinkType
	version int // the only IP version it can carry; 0 for both
	layers  func(next layers.EthernetType) layerStack
}

func linkShapes() []linkShape {
	pppType := func(next layers.EthernetType) []byte {
		if next == etherIPv4 {
			return []byte{0x00, 0x21}
		}
		return []byte{0x00, 0x57}
	}
	family := func(order binary.AppendByteOrder, six uint32) func(layers.EthernetType) layerStack {
		return func(next layers.EthernetType) layerStack {
			if next == etherIPv4 {
				return layerStack{raw(order.AppendUint32(nil, 2)...)}
			}
			return layerStack{raw(order.AppendUint32(nil, six)...)}
		}
	}
	vlans := func(tags ...layers.EthernetType) func(layers.EthernetType) layerStack {
		return func(next layers.EthernetType) layerStack {
			l := layerStack{ethernetHeader(tags[0])}
			for i := range tags {
				inner := next
				if i+1 < len(tags) {
					inner = tags[i+1]
				}
				l = append(l, &layers.Dot1Q{VLANIdentifier: uint16(i + 1), Type: inner})
			}
			return l
		}
	}
	none := func(layers.EthernetType) layerStack { return nil }
	sll := append([]byte{0, 4, 0, 1, 0, 6}, make([]byte, 8)...)
	sll2 := append([]byte{0, 0, 0, 0, 0, 7, 0, 1, 4, 6}, make([]byte, 8)...)
	return []linkShape{
		{"ethernet", LinkEthernet, 0, func(n layers.EthernetType) layerStack { return layerStack{ethernetHeader(n)} }},
		{"vlan", LinkEthernet, 0, vlans(etherVLAN)},
		{"qinq", LinkEthernet, 0, vlans(etherQinQ, etherVLAN)},
		{"old qinq", LinkEthernet, 0, vlans(etherQinQOld, etherVLAN)},
		{"five vlans", LinkEthernet, 0, vlans(etherVLAN, etherVLAN, etherVLAN, etherVLAN, etherVLAN)},
		{"snap", LinkEthernet, 0, func(n layers.EthernetType) layerStack {
			return layerStack{ethernetHeader(0), raw(append([]byte{0xaa, 0xaa, 3, 0, 0, 0}, be16(n)...)...)}
		}},
		{"mpls", LinkEthernet, 0, func(layers.EthernetType) layerStack {
			return layerStack{ethernetHeader(etherMPLS), &layers.MPLS{Label: 16}, &layers.MPLS{Label: 17, StackBottom: true}}
		}},
		{"mpls pseudowire", LinkEthernet, 0, func(n layers.EthernetType) layerStack {
			return layerStack{ethernetHeader(etherMPLS), &layers.MPLS{Label: 17, StackBottom: true}, ethernetHeader(n)}
		}},
		{"mpls pseudowire with control word", LinkEthernet, 0, func(n layers.EthernetType) layerStack {
			return layerStack{ethernetHeader(etherMPLS), &layers.MPLS{Label: 17, StackBottom: true}, raw(0, 0, 0, 9), ethernetHeader(n)}
		}},
		{"pppoe over ethernet", LinkEthernet, 0, func(n layers.EthernetType) layerStack {
			return layerStack{ethernetHeader(etherPPPoE), &layers.PPPoE{Version: 1, Type: 1, SessionId: 5}, raw(pppType(n)...)}
		}},
		{"pppoe", LinkPPPoE, 0, func(n layers.EthernetType) layerStack {
			return layerStack{&layers.PPPoE{Version: 1, Type: 1, SessionId: 5}, raw(pppType(n)...)}
		}},
		{"ppp", LinkPPP, 0, func(n layers.EthernetType) layerStack { return layerStack{raw(pppType(n)...)} }},
		{"ppp compressed", LinkPPP, 0, func(n layers.EthernetType) layerStack { return layerStack{raw(pppType(n)[1])} }},
		{"ppp hdlc", LinkPPPHDLC, 0, func(n layers.EthernetType) layerStack {
			return layerStack{raw(append([]byte{0xff, 3}, pppType(n)...)...)}
		}},
		{"sll", LinkLinuxSLL, 0, func(n layers.EthernetType) layerStack { return layerStack{raw(append(sll, be16(n)...)...)} }},
		{"sll2", LinkLinuxSLL2, 0, func(n layers.EthernetType) layerStack { return layerStack{raw(append(be16(n), sll2...)...)} }},
		{"null little-endian openbsd", LinkNull, 0, family(binary.LittleEndian, 24)},
		{"null little-endian freebsd", LinkNull, 0, family(binary.LittleEndian, 28)},
		{"null little-endian darwin", LinkNull, 0, family(binary.LittleEndian, 30)},
		{"null big-endian", LinkNull, 0, family(binary.BigEndian, 30)},
		{"loop", LinkLoop, 0, family(binary.BigEndian, 24)},
		{"raw", LinkRaw, 0, none},
		{"raw bsd", LinkRawBSD, 0, none},
		{"raw openbsd", LinkRawOpenBSD, 0, none},
		{"ipv4", LinkIPv4, 4, none},
		{"ipv6", LinkIPv6, 6, none},
	}
}

// tunnelShape is what may stand between the link header and the innermost IP header.
type tunnelShape struct {
	name   string
	layers func(outer, inner int) layerStack
	hidden bool // gopacket does not decode it
}

func tunnelShapes() []tunnelShape {
	gre := func(header layers.GRE, more ...gopacket.SerializableLayer) func(outer, inner int) layerStack {
		return func(outer, inner int) layerStack {
			h := header
			if h.Protocol == 0 {
				h.Protocol = etherTypeOf(inner)
			}
			l := layerStack{ipHeader(outer, 9, protoGRE), &h}
			l = append(l, more...)
			switch h.Protocol {
			case etherTEB, etherERSPAN, etherERSPAN3:
				l = append(l, ethernetHeader(etherTypeOf(inner)))
			}
			return l
		}
	}
	udp := func(port layers.UDPPort, header func(inner int) layerStack) func(outer, inner int) layerStack {
		return func(outer, inner int) layerStack {
			return append(layerStack{ipHeader(outer, 9, protoUDP), &layers.UDP{SrcPort: 51000, DstPort: port}}, header(inner)...)
		}
	}
	vxlan := func(inner int) layerStack {
		return layerStack{&layers.VXLAN{ValidIDFlag: true, VNI: 77}, ethernetHeader(etherTypeOf(inner))}
	}
	manyOptions := []*layers.GeneveOption{}
	for range 2 {
		manyOptions = append(manyOptions, &layers.GeneveOption{Class: 1, Data: make([]byte, 120)})
	}
	return []tunnelShape{
		{"plain", func(int, int) layerStack { return nil }, false},
		{"ip in ip", func(outer, inner int) layerStack {
			if inner == 4 {
				return layerStack{ipHeader(outer, 9, protoIPIP)}
			}
			return layerStack{ipHeader(outer, 9, protoIPv6)}
		}, false},
		{"gre", gre(layers.GRE{}), false},
		{"gre key and sequence", gre(layers.GRE{KeyPresent: true, Key: 1, SeqPresent: true, Seq: 2, ChecksumPresent: true}), false},
		{"gre bridged", gre(layers.GRE{Protocol: etherTEB}), false},
		{"gre mpls", gre(layers.GRE{Protocol: etherMPLS}, &layers.MPLS{Label: 5, StackBottom: true}), false},
		{"erspan i", gre(layers.GRE{Protocol: etherERSPAN}), true},
		{"erspan ii", gre(layers.GRE{Protocol: etherERSPAN, SeqPresent: true}, &layers.ERSPANII{Version: 1, SessionID: 3}), false},
		{"erspan iii", gre(layers.GRE{Protocol: etherERSPAN3, SeqPresent: true}, raw(0x20, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0)), true},
		{"erspan iii subheader", gre(layers.GRE{Protocol: etherERSPAN3, SeqPresent: true},
			raw(0x20, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0)), true},
		{"vxlan", udp(portVXLAN, vxlan), false},
		{"vxlan linux", udp(portVXLANLinux, vxlan), true},
		{"geneve bridged", udp(portGeneve, func(inner int) layerStack {
			return layerStack{&layers.Geneve{Protocol: etherTEB, VNI: 4}, ethernetHeader(etherTypeOf(inner))}
		}), false},
		{"geneve ip with option", udp(portGeneve, func(inner int) layerStack {
			return layerStack{&layers.Geneve{Protocol: etherTypeOf(inner), Options: []*layers.GeneveOption{{Class: 1, Data: []byte{1, 2, 3, 4}}}}}
		}), false},
		{"geneve with most options", udp(portGeneve, func(inner int) layerStack {
			return layerStack{&layers.Geneve{Protocol: etherTypeOf(inner), Options: manyOptions}}
		}), false},
		{"mpls in ip", func(outer, _ int) layerStack {
			return layerStack{ipHeader(outer, 9, protoMPLS), &layers.MPLS{Label: 5, StackBottom: true}}
		}, false},
		{"pptp", func(outer, inner int) layerStack {
			protocol := byte(0x21)
			if inner == 6 {
				protocol = 0x57
			}
			return layerStack{ipHeader(outer, 9, protoGRE), raw(0x30, 0x81, 0x88, 0x0b, 0, 9, 0, 1, 0, 0, 0, 1, 0, 0, 0, 2, 0xff, 3, 0, protocol)}
		}, false},
		{"vxlan in vxlan", func(outer, inner int) layerStack {
			l := udp(portVXLAN, func(int) layerStack { return vxlan(outer) })(outer, outer)
			return append(l, udp(portVXLAN, vxlan)(outer, inner)...)
		}, false},
	}
}

// extensions are headers between IP and TCP. An IP protocol number leads to the first, and each to the next.
func extensions(version int) (layerStack, layers.IPProtocol) {
	ah := raw(protoTCP, 4, 0, 0, 0, 0, 0, 1, 0, 0, 0, 1, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12)
	if version == 4 {
		return layerStack{ah}, protoAH
	}
	return layerStack{
		raw(protoDestination, 0, 1, 4, 0, 0, 0, 0),
		raw(protoRouting, 1, 1, 12, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0),
		raw(protoFragment, 0, 4, 0, 0, 0, 0, 0),
		raw(protoAH, 0, 0, 0, 0, 0, 0, 1),
		ah,
	}, protoHopByHop
}

// shape is a whole test packet.
type shape struct {
	name   string
	packet Packet
	want   Segment
	hidden bool // from gopacket
}

// shapes are all combinations of link headers, tunnels, IP versions and extension headers.
func shapes(t testing.TB) []shape {
	var out []shape
	for _, link := range linkShapes() {
		for _, tunnel := range tunnelShapes() {
			for _, versions := range [][2]int{{4, 4}, {4, 6}, {6, 4}, {6, 6}} {
				outer, inner := versions[0], versions[1]
				between := tunnel.layers(outer, inner)
				if between == nil && outer != inner || link.version != 0 && link.version != outer {
					continue
				}
				for _, extended := range []bool{false, true} {
					l := append(link.layers(etherTypeOf(outer)), between...)
					name := fmt.Sprintf("%s/%s/%d/%d", link.name, tunnel.name, outer, inner)
					if extended {
						name += "/extended"
						more, proto := extensions(inner)
						l = append(append(l, ipHeader(inner, 1, proto)), more...)
					} else {
						l = append(l, ipHeader(inner, 1, protoTCP))
					}
					data := append(l, segmentLayers()...).bytes(t)
					out = append(out, shape{
						name:   name,
						packet: Packet{Number: 1, Data: data, Length: len(data), Link: link.link},
						want:   wantSegment(inner, 1),
						hidden: tunnel.hidden || extended,
					})
				}
			}
		}
	}
	return out
}

func TestDecodeShapes(t *testing.T) {
	var d Decoder
	compared := map[string]bool{}
	for _, sh := range shapes(t) {
		var got Segment
		if v := d.Decode(&sh.packet, &got); v != TCP {
			t.Errorf("%s: %v: %v", sh.name, v, d.Stats.UndecodableReasons())
			continue
		}
		if diff := cmp.Diff(sh.want, got); diff != "" {
			t.Errorf("%s: segment (-want +got):\n%s", sh.name, diff)
		}
		if sh.hidden {
			continue
		}
		if theirs, ok := oracle(&sh.packet); ok {
			compared[sh.name] = true
			if diff := cmp.Diff(theirs, got); diff != "" {
				t.Errorf("%s: segment (-gopacket +ours):\n%s", sh.name, diff)
			}
		}
	}
	if len(compared) < 500 {
		t.Errorf("gopacket found TCP in only %d of the packets: the comparison is hollow", len(compared))
	}
	checkSums(t, &d.Stats)
}

// oracle is what gopacket makes of p: its innermost TCP segment.
func oracle(p *Packet) (s Segment, ok bool) {
	var first gopacket.Decoder = layers.LinkType(p.Link)
	switch p.Link {
	case LinkPPPoE:
		first = layers.LayerTypePPPoE
	case LinkPPPHDLC:
		first = layers.LayerTypePPP
	case LinkIPv4:
		first = layers.LayerTypeIPv4
	case LinkIPv6:
		first = layers.LayerTypeIPv6
	}
	for _, l := range gopacket.NewPacket(p.Data, first, gopacket.NoCopy).Layers() {
		switch l := l.(type) {
		case *layers.IPv4:
			s.Src, s.Dst = netip.AddrFrom4([4]byte(l.SrcIP)).As16(), netip.AddrFrom4([4]byte(l.DstIP)).As16()
		case *layers.IPv6:
			s.Src, s.Dst = Address(l.SrcIP), Address(l.DstIP)
		case *layers.TCP:
			ok = true
			s.SrcPort, s.DstPort = uint16(l.SrcPort), uint16(l.DstPort)
			s.Seq, s.Ack, s.Window = l.Seq, l.Ack, l.Window
			s.Flags = l.Contents[13]
			s.Payload, s.Length = l.Payload, len(l.Payload)
		}
	}
	return s, ok
}

func checkSums(t *testing.T, s *DecodeStats) {
	t.Helper()
	if sum := s.TCP + s.NotTCP + s.Held + s.Undecodable + s.UnknownLinks; sum != s.Packets {
		t.Errorf("verdicts counted %d, packets %d", sum, s.Packets)
	}
	total := func(counts []Count) (n int64) {
		for _, c := range counts {
			n += c.N
		}
		return n
	}
	got := []int64{total(s.NotTCPKinds()), total(s.UndecodableReasons()), total(s.UnknownLinkTypes())}
	if diff := cmp.Diff([]int64{s.NotTCP, s.Undecodable, s.UnknownLinks}, got); diff != "" {
		t.Errorf("not TCP, undecodable, unknown link types: sums of the kinds (-want +got):\n%s", diff)
	}
}

// A packet cut by the snapshot length gives its segment as soon as TCP's fixed header is there, with the length that was on the
// wire.
func TestDecodeCut(t *testing.T) {
	var d Decoder
	for _, sh := range shapes(t) {
		header := bytes.Index(sh.packet.Data, []byte(segmentPayload)) - segmentHeader
		for n := range len(sh.packet.Data) {
			p := sh.packet
			p.Data = bytes.Clone(p.Data[:n])
			var got Segment
			v := d.Decode(&p, &got)
			if v != TCP {
				if n >= header+20 {
					t.Errorf("%s cut to %d: %v", sh.name, n, v)
				}
				if v != Undecodable && v != NotTCP {
					t.Errorf("%s cut to %d: %v", sh.name, n, v)
				}
				continue
			}
			want := sh.want
			want.Payload = p.Data[min(n, header+segmentHeader):min(n, header+segmentHeader+len(segmentPayload))]
			if !same(want, got) { // cmp takes too long for half a million of them
				t.Fatalf("%s cut to %d (-want +got):\n%s", sh.name, n, cmp.Diff(want, got))
			}
		}
	}
	checkSums(t, &d.Stats)
}

func same(a, b Segment) bool {
	payload := bytes.Equal(a.Payload, b.Payload)
	a.Payload, b.Payload = nil, nil
	return payload && reflect.DeepEqual(a, b)
}

// A packet that ends too early without the capture having cut it is malformed or short, never a panic.
func TestDecodeShortened(t *testing.T) {
	var d Decoder
	for _, sh := range shapes(t) {
		for n := range len(sh.packet.Data) {
			p := sh.packet
			p.Data = bytes.Clone(p.Data[:n])
			p.Length = n
			var got Segment
			if d.Decode(&p, &got) == TCP && len(got.Payload) > got.Length {
				t.Fatalf("%s shortened to %d: payload %d > length %d", sh.name, n, len(got.Payload), got.Length)
			}
		}
	}
	checkSums(t, &d.Stats)
}

func TestDecodeCases(t *testing.T) {
	files, err := filepath.Glob("../../shared/cases/*/*.pcap")
	if err != nil {
		t.Fatal(err)
	}
	more, err := filepath.Glob("../testdata/pcaps/*.pcap")
	if err != nil {
		t.Fatal(err)
	}
	files = append(files, more...)
	if len(files) == 0 {
		t.Skip("LEFT OUT: no real captures under ../../shared/cases or ../testdata/pcaps to compare with gopacket")
	}
	var d Decoder
	for _, name := range files {
		compareFile(t, &d, name)
	}
	checkSums(t, &d.Stats)
	t.Logf("%d files, %d packets, %d TCP; %v %v", len(files), d.Stats.Packets, d.Stats.TCP, d.Stats.NotTCPKinds(), d.Stats.UndecodableReasons())
}

func compareFile(t *testing.T, d *Decoder, name string) {
	f, err := os.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	r, err := pcapgo.NewReader(f)
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	for number := int64(1); ; number++ {
		data, info, err := r.ReadPacketData()
		if err != nil {
			return
		}
		p := Packet{Number: number, Time: info.Timestamp.UnixNano(), Data: data, Length: info.Length, Link: LinkType(r.LinkType())}
		var got Segment
		v := d.Decode(&p, &got)
		want, ok := oracle(&p)
		if (v == TCP) != ok {
			t.Errorf("%s packet %d: %v, gopacket found TCP: %v", name, number, v, ok)
			continue
		}
		if info.CaptureLength < info.Length {
			want.Length = got.Length
		}
		if ok && !cmp.Equal(want, got) {
			t.Errorf("%s packet %d (-gopacket +ours):\n%s", name, number, cmp.Diff(want, got))
		}
	}
}

func TestDecodeAllocatesNothing(t *testing.T) {
	var d Decoder
	var s Segment
	all := shapes(t)
	if n := testing.AllocsPerRun(5, func() {
		for i := range all {
			d.Decode(&all[i].packet, &s)
		}
	}); n != 0 {
		t.Errorf("%v allocations for %d packets", n, len(all))
	}
}

func FuzzDecode(f *testing.F) {
	for i, sh := range shapes(f) {
		if i%16 == 0 {
			f.Add(uint16(sh.packet.Link), sh.packet.Data, 0, int64(0))
		}
	}
	f.Fuzz(func(t *testing.T, link uint16, data []byte, more int, time int64) {
		var d Decoder
		p := Packet{Number: 1, Time: time, Data: data, Length: len(data) + more, Link: LinkType(link)}
		for range 2 { // again, for what the first left in the fragment table
			var s Segment
			v := d.Decode(&p, &s)
			if v == TCP && (len(s.Payload) > s.Length || s.Length > maxBigTCP) {
				t.Errorf("payload %d of %d bytes", len(s.Payload), s.Length)
			}
			if (v == UnknownLink) == p.Link.Supported() {
				t.Errorf("link type %v: %v", p.Link, v)
			}
		}
		checkSums(t, &d.Stats)
	})
}

func BenchmarkDecode(b *testing.B) {
	for _, sh := range shapes(b) {
		switch sh.name {
		case "ethernet/plain/4/4", "ethernet/plain/6/6", "vlan/plain/4/4", "sll2/plain/4/4", "ethernet/vxlan/4/4",
			"ethernet/geneve bridged/4/4", "ethernet/gre/4/4":
			b.Run(sh.name, func(b *testing.B) {
				var d Decoder
				var s Segment
				b.ReportAllocs()
				for b.Loop() {
					d.Decode(&sh.packet, &s)
				}
			})
		}
	}
}
