//go:build cgo && !nopcap

package capture

import (
	"encoding/hex"
	"strings"
	"testing"
)

// TCP from 127.0.0.1:43210 to 127.0.0.1:2379, 44 bytes with the IPv4 header.
const sampleIPv4 = "4500002c00004000400600007f0000017f000001a8ca094b00000000000000006002ffff000000000204ffd7"

func filterPacket(t *testing.T, link LinkType, header string) *Packet {
	data, err := hex.DecodeString(header + sampleIPv4)
	if err != nil {
		t.Fatal(err)
	}
	return &Packet{Data: data, Length: 2000, Link: link}
}

func TestFilter(t *testing.T) {
	packets := map[string]*Packet{
		"ethernet": filterPacket(t, LinkEthernet, "0000000000000000000000000800"),
		"sll2":     filterPacket(t, LinkLinuxSLL2, "0800000000000001030400060000000000000000"),
		"raw":      filterPacket(t, LinkRaw, ""),
		"raw bsd":  filterPacket(t, LinkRawOpenBSD, ""),
		"ipv4":     filterPacket(t, LinkIPv4, ""),
		"null":     filterPacket(t, LinkNull, "02000000"),
		"loop":     filterPacket(t, LinkLoop, "00000002"),
		"sll":      filterPacket(t, LinkLinuxSLL, "00000304000600000000000000000800"),
	}
	for _, tt := range []struct {
		expr string
		want bool
	}{
		{"tcp port 2379", true},
		{"tcp port 2380", false},
		{"host 127.0.0.1 and not udp", true},
		{"tcp[tcpflags] & tcp-syn != 0", true},
		{"greater 1900", true}, // the length on the wire, not the captured one
		{"ip6", false},
		{"", true},
	} {
		f, err := NewFilter(tt.expr)
		if err != nil {
			t.Fatal(err)
		}
		for name, p := range packets {
			if got := f.Match(p); got != tt.want {
				t.Errorf("%q on %s gives %v", tt.expr, name, got)
			}
		}
		if f.Refused() != nil && !strings.Contains(f.Refused().Error(), "rejects all packets") { // ip6 of LinkIPv4
			t.Errorf("%q: %v", tt.expr, f.Refused())
		}
	}
}

func TestFilterErrors(t *testing.T) {
	if _, err := NewFilter("port http or or"); err == nil || !strings.Contains(err.Error(), "syntax error") {
		t.Errorf("got %v", err)
	}
	f, err := NewFilter("ether host 00:00:00:00:00:00")
	if err != nil {
		t.Fatal(err)
	}
	if f.Match(filterPacket(t, LinkRaw, "")) {
		t.Error("a packet without Ethernet has an Ethernet address")
	}
	if f.Refused() == nil || !strings.Contains(f.Refused().Error(), "RAW (101)") {
		t.Errorf("Refused() = %v", f.Refused())
	}
	if f.Match(&Packet{Link: LinkType(60000), Data: []byte{1}}) {
		t.Error("matches on an unknown link type")
	}
}

func BenchmarkFilter(b *testing.B) {
	f, err := NewFilter("tcp port 2379 or tcp port 2380")
	if err != nil {
		b.Fatal(err)
	}
	data, _ := hex.DecodeString("0000000000000000000000000800" + sampleIPv4)
	p := &Packet{Data: data, Length: len(data), Link: LinkEthernet}
	b.ReportAllocs()
	for b.Loop() {
		if !f.Match(p) {
			b.Fatal("no match")
		}
	}
}
