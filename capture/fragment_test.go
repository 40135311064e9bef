package capture

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/gopacket/gopacket/layers"
)

// part is a fragment to be: a range of the datagram's payload.
type part struct{ start, end int }

// fragmented makes raw IP packets of the parts of an IP payload of the given protocol. That which ends where the payload does is the
// last fragment.
func fragmented(t testing.TB, version int, network byte, id uint16, proto layers.IPProtocol, payload []byte, parts ...part) []Packet {
	var out []Packet
	for _, p := range parts {
		more := p.end < len(payload)
		var l layerStack
		if version == 4 {
			h := ipHeader(4, network, proto).(*layers.IPv4)
			h.Id, h.FragOffset = id, uint16(p.start/8)
			if more {
				h.Flags = layers.IPv4MoreFragments
			}
			l = layerStack{h}
		} else {
			field := uint16(p.start)
			if more {
				field |= 1
			}
			header := binary.BigEndian.AppendUint32(binary.BigEndian.AppendUint16([]byte{byte(proto), 0}, field), uint32(id))
			l = layerStack{ipHeader(6, network, protoFragment), raw(header...)}
		}
		b := append(l, raw(payload[p.start:p.end]...)).bytes(t)
		out = append(out, Packet{Number: int64(len(out) + 1), Data: b, Length: len(b), Link: LinkRaw})
	}
	return out
}

func TestFragmentOrders(t *testing.T) {
	payload := segmentLayers().bytes(t) // 96 bytes
	parts := []part{{0, 16}, {16, 40}, {40, 88}, {88, 96}}
	for _, version := range []int{4, 6} {
		packets := fragmented(t, version, 1, 77, protoTCP, payload, parts...)
		permute(packets, func(order []Packet) {
			var d Decoder
			decodeAll(t, &d, order, wantSegment(version, 1))
			if diff := cmp.Diff(FragmentStats{Seen: 4, Reassembled: 1}, d.Stats.Fragments); diff != "" {
				t.Errorf("statistics (-want +got):\n%s", diff)
			}
			checkTable(t, &d.fragments)
		})
	}
}

// decodeAll expects all packets to be held but the last, which gives want.
func decodeAll(t *testing.T, d *Decoder, packets []Packet, want Segment) {
	t.Helper()
	var s Segment
	for i := range packets {
		v := d.Decode(&packets[i], &s)
		switch {
		case i < len(packets)-1 && v != Held:
			t.Fatalf("fragment %d: %v: %v", i, v, d.Stats.UndecodableReasons())
		case i == len(packets)-1 && v != TCP:
			t.Fatalf("last fragment: %v: %v", v, d.Stats.UndecodableReasons())
		}
	}
	if diff := cmp.Diff(want, s); diff != "" {
		t.Fatalf("segment (-want +got):\n%s", diff)
	}
	checkSums(t, &d.Stats)
}

func permute(p []Packet, f func([]Packet)) {
	var rec func(int)
	rec = func(i int) {
		if i == len(p) {
			f(p)
			return
		}
		for j := i; j < len(p); j++ {
			p[i], p[j] = p[j], p[i]
			rec(i + 1)
			p[i], p[j] = p[j], p[i]
		}
	}
	rec(0)
}

// checkTable holds the table to its bounds and its own accounts.
func checkTable(t *testing.T, f *fragmentTable) {
	t.Helper()
	held, listed := 0, 0
	for g := f.oldest; g != nil; g = g.newer {
		held += cap(g.buffer)
		listed++
		if f.byKey[g.key] != g {
			t.Fatalf("datagram %v is listed, but not in the map", g.key)
		}
		if len(g.pieces) > maxFragments || len(g.buffer) > maxDatagram {
			t.Fatalf("datagram of %d pieces, %d bytes", len(g.pieces), len(g.buffer))
		}
	}
	spare := 0
	for g := f.free; g != nil; g = g.newer {
		held += cap(g.buffer)
		spare++
	}
	if held != f.held || listed != len(f.byKey) {
		t.Fatalf("%d bytes counted, %d held; %d datagrams in the map, %d listed", f.held, held, len(f.byKey), listed)
	}
	if held > maxFragmentBytes || listed+spare > maxFragmentedDatagrams {
		t.Fatalf("%d bytes, %d datagrams and %d spare", held, listed, spare)
	}
}

func TestFragmentOverlaps(t *testing.T) {
	payload := segmentLayers().bytes(t)
	other := slices.Clone(payload)
	for i := 32; i < 96; i++ {
		other[i] = 'X'
	}
	first := func(parts ...part) []Packet { return fragmented(t, 4, 1, 5, protoTCP, payload, parts...) }
	second := func(parts ...part) []Packet { return fragmented(t, 4, 1, 5, protoTCP, other, parts...) }
	tests := []struct {
		name    string
		packets []Packet
		want    FragmentStats
	}{
		{"the whole again", slices.Concat(first(part{0, 64}), second(part{0, 64}), first(part{64, 96})), FragmentStats{Seen: 3, Reassembled: 1, Repeated: 1}},
		{"within an earlier one", slices.Concat(first(part{0, 64}), second(part{32, 48}), first(part{64, 96})), FragmentStats{Seen: 3, Reassembled: 1, Repeated: 1}},
		{"tail over head", slices.Concat(first(part{48, 96}), second(part{32, 64})[:1], first(part{0, 48})),
			FragmentStats{Seen: 3, Reassembled: 1, Overlapping: 2}},
		{"around earlier ones", slices.Concat(first(part{48, 56}, part{64, 72}, part{0, 40}, part{80, 96}, part{40, 80})),
			FragmentStats{Seen: 5, Reassembled: 1, Overlapping: 1}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			var d Decoder
			want := wantSegment(4, 1)
			if test.name == "tail over head" { // 32 to 48 came from the second sender first
				want.Payload = append(bytes.Repeat([]byte{'X'}, 16), want.Payload[16:]...)
			}
			decodeAll(t, &d, test.packets, want)
			if diff := cmp.Diff(test.want, d.Stats.Fragments); diff != "" {
				t.Errorf("statistics (-want +got):\n%s", diff)
			}
		})
	}
}

func TestFragmentRejected(t *testing.T) {
	payload := segmentLayers().bytes(t)
	shorter := payload[:80]
	huge := make([]byte, 65535+64)
	pieces := func(payload []byte, parts ...part) []Packet {
		return fragmented(t, 4, 1, 5, protoTCP, payload, parts...)
	}
	many := []part{}
	for i := range maxFragments + 1 {
		many = append(many, part{i * 16, i*16 + 8})
	}
	overlapping := []part{}
	for i := range 12 {
		overlapping = append(overlapping, part{i * 8, i*8 + 8000})
	}
	tests := []struct {
		name    string
		packets []Packet
		reason  string
	}{
		{"ping of death, IPv6", fragmented(t, 6, 1, 5, protoTCP, huge, part{65528, 65560}), "IP fragment beyond 65535 bytes"},
		{"two ends", slices.Concat(pieces(payload, part{88, 96}), pieces(shorter, part{72, 80})), "IP fragments disagree on where the datagram ends"},
		{"beyond the end", slices.Concat(pieces(shorter, part{72, 80}), pieces(payload, part{72, 88})), "IP fragments disagree on where the datagram ends"},
		{"end before", slices.Concat(pieces(payload, part{72, 88}), pieces(shorter, part{72, 80})), "IP fragments disagree on where the datagram ends"},
		{"ping of death", pieces(huge, part{65528, 65560}), "IP fragment beyond 65535 bytes"},
		{"header makes it too long", pieces(huge[:65528], part{65512, 65528}), "IP fragment beyond 65535 bytes"},
		{"odd length", pieces(payload, part{0, 15}), "IP fragment empty, or not the last and no multiple of 8 bytes long"},
		{"empty", pieces(payload, part{8, 8}), "IP fragment empty, or not the last and no multiple of 8 bytes long"},
		{"too many", pieces(huge, many...), "IP datagram in too many or too much overlapping fragments"},
		{"too much", pieces(huge, overlapping...), "IP datagram in too many or too much overlapping fragments"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			var d Decoder
			var s Segment
			var v Verdict
			for i := range test.packets {
				if v = d.Decode(&test.packets[i], &s); v == Undecodable {
					break
				}
			}
			if v != Undecodable {
				t.Fatalf("verdict %v", v)
			}
			if got := d.Stats.UndecodableReasons(); got[0].Name != test.reason {
				t.Errorf("reason %q, want %q", got[0].Name, test.reason)
			}
			if len(d.fragments.byKey) != 0 {
				t.Error("the datagram is still held")
			}
			checkTable(t, &d.fragments)
			checkSums(t, &d.Stats)
		})
	}
}

// Fragments cut by the snapshot length give what was captured up to the first cut.
func TestFragmentCut(t *testing.T) {
	payload := segmentLayers().bytes(t)
	for _, version := range []int{4, 6} {
		packets := fragmented(t, version, 1, 5, protoTCP, payload, part{0, 64}, part{64, 96})
		packets[0].Data = packets[0].Data[:len(packets[0].Data)-10]
		want := wantSegment(version, 1)
		want.Payload = want.Payload[:64-segmentHeader-10]
		var d Decoder
		decodeAll(t, &d, packets, want)
	}
}

func TestFragmentExpiry(t *testing.T) {
	packets := fragmented(t, 4, 1, 5, protoTCP, segmentLayers().bytes(t), part{0, 64}, part{64, 96})
	for _, test := range []struct {
		after time.Duration
		want  Verdict
		stats FragmentStats
	}{
		{fragmentTimeout, TCP, FragmentStats{Seen: 2, Reassembled: 1}},
		{fragmentTimeout + 1, Held, FragmentStats{Seen: 2, Expired: 1}},
		{-time.Hour, TCP, FragmentStats{Seen: 2, Reassembled: 1}},
	} {
		var d Decoder
		var s Segment
		packets[0].Time = 1e18
		packets[1].Time = 1e18 + int64(test.after)
		d.Decode(&packets[0], &s)
		if v := d.Decode(&packets[1], &s); v != test.want {
			t.Errorf("after %v: %v, want %v", test.after, v, test.want)
		}
		if diff := cmp.Diff(test.stats, d.Stats.Fragments); diff != "" {
			t.Errorf("after %v: statistics (-want +got):\n%s", test.after, diff)
		}
	}
}

// A flood of first fragments stays within the bounds, drops the oldest, and what comes last is still put together.
func TestFragmentFlood(t *testing.T) {
	for _, size := range []int{64, 1480, 64000} {
		t.Run(fmt.Sprint(size), func(t *testing.T) {
			var d Decoder
			var s Segment
			payload := make([]byte, size+8)
			packets := fragmented(t, 4, 1, 0, protoTCP, payload, part{0, size})
			for id := range uint16(3 * maxFragmentedDatagrams) {
				put16(packets[0].Data, 4, id)
				if v := d.Decode(&packets[0], &s); v != Held {
					t.Fatalf("datagram %d: %v", id, v)
				}
			}
			checkTable(t, &d.fragments)
			dropped := 3*maxFragmentedDatagrams - len(d.fragments.byKey)
			if got := d.Stats.Fragments.Dropped; got != int64(dropped) {
				t.Errorf("%d dropped, counted %d", dropped, got)
			}
			decodeAll(t, &d, fragmented(t, 6, 1, 9, protoTCP, segmentLayers().bytes(t), part{0, 64}, part{64, 96}), wantSegment(6, 1))
			checkTable(t, &d.fragments)
		})
	}
}

// tunnelFragments are the fragments of a VXLAN packet whose inner packets are themselves the fragments of one segment.
func tunnelFragments(t testing.TB) []Packet {
	var out []Packet
	for i, inner := range fragmented(t, 4, 1, 5, protoTCP, segmentLayers().bytes(t), part{0, 64}, part{64, 96}) {
		udp := layerStack{&layers.UDP{SrcPort: 50000, DstPort: portVXLAN}, &layers.VXLAN{ValidIDFlag: true}, ethernetHeader(etherIPv4), raw(inner.Data...)}.bytes(t)
		out = append(out, fragmented(t, 6, 9, uint16(i), protoUDP, udp, part{0, 24}, part{24, 48}, part{48, len(udp)})...)
	}
	return out
}

func TestFragmentTunnel(t *testing.T) {
	var d Decoder
	decodeAll(t, &d, tunnelFragments(t), wantSegment(4, 1))
	if diff := cmp.Diff(FragmentStats{Seen: 8, Reassembled: 3}, d.Stats.Fragments); diff != "" {
		t.Errorf("statistics (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]Count{{Name: "vxlan", N: 2}}, d.Stats.Tunnels()); diff != "" {
		t.Errorf("tunnels (-want +got):\n%s", diff)
	}
}

// Fragments of what carries no TCP take no place in the table.
func TestFragmentNotKept(t *testing.T) {
	var d Decoder
	var s Segment
	for _, p := range fragmented(t, 4, 1, 5, 1, make([]byte, 96), part{0, 64}, part{64, 96}) {
		if v := d.Decode(&p, &s); v != NotTCP {
			t.Errorf("verdict %v", v)
		}
	}
	if diff := cmp.Diff([]Count{{Name: "icmp", N: 2}}, d.Stats.NotTCPKinds()); diff != "" {
		t.Errorf("kinds (-want +got):\n%s", diff)
	}
	if len(d.fragments.byKey) != 0 {
		t.Error("fragments of ICMP are held")
	}
}

func TestFragmentsAllocateNothing(t *testing.T) {
	var d Decoder
	var s Segment
	packets := tunnelFragments(t)
	if n := testing.AllocsPerRun(100, func() {
		for i := range packets {
			d.Decode(&packets[i], &s)
		}
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

// FuzzFragments puts a script of fragments of one datagram through the table and compares with a plain model.
func FuzzFragments(f *testing.F) {
	f.Add([]byte{0, 1, 1, 1, 1, 1, 2, 1, 0})
	f.Add([]byte{2, 1, 0, 1, 1, 1, 0, 1, 1})
	f.Add([]byte{0, 3, 1, 2, 3, 1, 1, 9, 1, 4, 9, 0, 0, 4, 1})
	f.Fuzz(func(t *testing.T, script []byte) {
		var d Decoder
		var s Segment
		var model firstBytes
		for step := byte(1); len(script) >= 3 && step != 0; step++ {
			offset, blocks, more := int(script[0])*8, int(script[1]), script[2]&1 != 0
			script = script[3:]
			fr := fragment{proto: 200, offset: offset, length: blocks * 8, data: bytes.Repeat([]byte{step}, blocks*8), more: more}
			d.headers = 0
			d.Stats.Packets++
			switch v := d.reassemble(fragmentKey{}, fr, &s); v {
			case Held:
				model.add(fr)
			case NotTCP: // protocol 200: the datagram is whole
				model.add(fr)
				if want, got := model.bytes[:model.end], d.fragments.joined[:model.end]; !bytes.Equal(want, got) {
					t.Fatalf("datagram (-want +got):\n%s", cmp.Diff(want, got))
				}
				model = firstBytes{}
			default:
				if len(d.fragments.byKey) == 0 {
					model = firstBytes{}
				}
			}
			checkTable(t, &d.fragments)
		}
		checkSums(t, &d.Stats)
	})
}

// firstBytes keeps the first of every byte of a datagram; 0 stands for none yet.
type firstBytes struct {
	bytes [255*8 + 255*8]byte
	end   int
}

func (m *firstBytes) add(f fragment) {
	for i, b := range f.data {
		if m.bytes[f.offset+i] == 0 {
			m.bytes[f.offset+i] = b
		}
	}
	m.end = max(m.end, f.offset+f.length)
}

func BenchmarkFragments(b *testing.B) {
	packets := fragmented(b, 4, 1, 5, protoTCP, append(segmentLayers().bytes(b), make([]byte, 2904)...), part{0, 1480}, part{1480, 2960}, part{2960, 3000})
	var d Decoder
	var s Segment
	b.ReportAllocs()
	for b.Loop() {
		for i := range packets {
			d.Decode(&packets[i], &s)
		}
	}
}
