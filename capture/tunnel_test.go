package capture

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/gopacket/gopacket"
	"github.com/gopacket/gopacket/layers"
)

type panicking struct{ layers.VXLAN }

func (panicking) DecodeFromBytes(b []byte, _ gopacket.DecodeFeedback) error {
	_ = b[len(b)]
	return nil
}

func TestDecodeLayerPanics(t *testing.T) {
	if decodeLayer(&panicking{}, nil) {
		t.Error("a layer that panicked counts as decoded")
	}
}

func TestTunnelNotTCP(t *testing.T) {
	udp := func(port layers.UDPPort, header ...byte) layerStack {
		return layerStack{&layers.UDP{DstPort: port}, raw(header...)}
	}
	gre := func(header ...byte) layerStack { return layerStack{raw(header...)} }
	tests := []struct {
		name  string
		proto layers.IPProtocol
		inner layerStack
		want  Verdict
		kinds []Count
		why   []Count
	}{
		{"geneve control message", protoUDP, udp(portGeneve, 0, 0x80, 8, 0, 0, 0, 0, 0), NotTCP, []Count{{Name: "udp", N: 1}}, nil},
		{"geneve of a later version", protoUDP, udp(portGeneve, 0x40, 0, 8, 0, 0, 0, 0, 0), NotTCP, []Count{{Name: "udp", N: 1}}, nil},
		{"geneve options cut", protoUDP, udp(portGeneve, 2, 0, 8, 0, 0, 0, 0, 0, 0), Undecodable, nil, []Count{{Name: "Geneve header cut short", N: 1}}},
		{"vxlan cut", protoUDP, udp(portVXLAN, 8, 0, 0), Undecodable, nil, []Count{{Name: "VXLAN header cut short", N: 1}}},
		{"gre cut", protoGRE, gre(0x20, 0, 8, 0, 0), Undecodable, nil, []Count{{Name: "GRE header cut short or malformed", N: 1}}},
		{"gre with another protocol", protoGRE, gre(0, 0, 0x12, 0x34), NotTCP, []Count{{Name: "ethertype 0x1234", N: 1}}, nil},
		{"gre endless routing", protoGRE, gre(0x40, 0, 8, 0, 0, 0, 0, 0, 0, 2, 0, 200), Undecodable, nil, []Count{{Name: "GRE header cut short or malformed", N: 1}}},
		{"erspan of another version", protoGRE, gre(0x10, 0, 0x88, 0xbe, 0, 0, 0, 1, 0x70, 0, 0, 0, 0, 0, 0, 0), Undecodable, nil,
			[]Count{{Name: "ERSPAN header cut short or malformed", N: 1}}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			b := append(layerStack{ipHeader(4, 1, test.proto)}, test.inner...).bytes(t)
			var d Decoder
			var s Segment
			if v := d.Decode(&Packet{Data: b, Length: len(b), Link: LinkRaw}, &s); v != test.want {
				t.Errorf("verdict %v, want %v", v, test.want)
			}
			if diff := cmp.Diff(test.kinds, d.Stats.NotTCPKinds()); diff != "" {
				t.Errorf("kinds (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(test.why, d.Stats.UndecodableReasons()); diff != "" {
				t.Errorf("reasons (-want +got):\n%s", diff)
			}
		})
	}
}
