package live

import (
	"encoding/binary"
	"errors"
	"io"
	"path/filepath"
	"slices"
	"testing"

	"github.com/etcdtap/etcdtap/capture"
	"golang.org/x/net/bpf"
)

// known is what the kernel knows of a packet besides its bytes.
type known struct {
	protocol   uint32
	packetType uint32
	device     uint32
}

// socketProgram is the program of a packet socket, in instructions.
func socketProgram(t testing.TB, kind frameKind, ports []uint16) []bpf.Instruction {
	t.Helper()
	f := framing{
		kind:       kind,
		protocol:   bpf.LoadExtension{Num: bpf.ExtProto},
		packetType: bpf.LoadExtension{Num: bpf.ExtType},
		device:     bpf.LoadExtension{Num: bpf.ExtLinkLayerType},
	}
	if kind == ethernetFrame {
		f.header = 14
	}
	code, err := portInstructions(f, ports, 1000)
	if err != nil {
		t.Fatal(err)
	}
	return code
}

// selects runs a program as the kernel does. The virtual machine does not have the kernel's knowledge, so that loads of that become
// loads of constants.
func selects(t testing.TB, code []bpf.Instruction, k known, data []byte) bool {
	t.Helper()
	code = slices.Clone(code)
	for i, instruction := range code {
		if e, ok := instruction.(bpf.LoadExtension); ok {
			value := map[bpf.Extension]uint32{bpf.ExtProto: k.protocol, bpf.ExtType: k.packetType, bpf.ExtLinkLayerType: k.device}[e.Num]
			code[i] = bpf.LoadConstant{Dst: bpf.RegA, Val: value}
		}
	}
	vm, err := bpf.NewVM(code)
	if err != nil {
		t.Fatal(err)
	}
	n, err := vm.Run(data)
	if err != nil {
		t.Fatal(err)
	}
	return n > 0
}

// wanted is what the decoder says of an Ethernet frame: whether it is of one of the ports, or a fragment that needs others.
func wanted(f *frame, ports []uint16) bool {
	var d capture.Decoder
	var s capture.Segment
	b := f.bytes()
	if verdict := d.Decode(&capture.Packet{Data: b, Length: len(b), Link: capture.LinkEthernet, Time: 1}, &s); verdict != capture.TCP {
		return verdict == capture.Held && f.proto() == protoTCP && (f.later() || ofPorts(f.src, f.dst, ports))
	}
	return ofPorts(s.SrcPort, s.DstPort, ports)
}

func ofPorts(src, dst uint16, ports []uint16) bool {
	return len(ports) == 0 || slices.Contains(ports, src) || slices.Contains(ports, dst)
}

// manyPorts are as many as a filter takes, 2379 among them.
func manyPorts() []uint16 {
	var ports []uint16
	for i := range uint16(maxPorts) {
		ports = append(ports, 2379+3*i)
	}
	return ports
}

func TestPortProgram(t *testing.T) {
	const ethernet, loopback = 1, 772
	for _, ports := range [][]uint16{{2379}, {2380, 2379}, {}, manyPorts()} {
		onEthernet, onRaw, onCooked := socketProgram(t, ethernetFrame, ports), socketProgram(t, rawFrame, ports), socketProgram(t, cookedFrame, ports)
		for _, f := range frames() {
			want := wanted(&f, ports)
			b := f.bytes()
			if got := selects(t, onEthernet, known{device: ethernet}, b); got != want {
				t.Errorf("%s, %d ports: selected %v on Ethernet, expected %v", f.name, len(ports), got, want)
			}
			if selects(t, onEthernet, known{device: loopback, packetType: packetOutgoing}, b) {
				t.Errorf("%s: selected as it leaves by loopback", f.name)
			}
			if got := selects(t, onEthernet, known{device: loopback}, b); got != want {
				t.Errorf("%s: selected %v as it arrives by loopback, expected %v", f.name, got, want)
			}
			untagged := f
			untagged.tags = nil
			if got := selects(t, onRaw, known{}, untagged.bytes()[14:]); got != want {
				t.Errorf("%s: selected %v as an IP packet, expected %v", f.name, got, want)
			}
			for _, c := range cookedForms(&f) {
				if got := selects(t, onCooked, c.known, c.data); got != want {
					t.Errorf("%s, %s: selected %v, expected %v", f.name, c.name, got, want)
				}
			}
		}
	}
}

// cookedForm is how a cooked packet socket sees a frame.
type cookedForm struct {
	name  string
	known known
	data  []byte
}

// cookedForms are those that occur.
func cookedForms(f *frame) []cookedForm {
	b := f.bytes()
	etherType := func(at int) uint32 { return uint32(binary.BigEndian.Uint16(b[at:])) }
	ip := 14 + 4*len(f.tags)
	forms := []cookedForm{
		{"without its tags", known{protocol: etherType(ip - 2)}, b[ip:]},
		{"going out, with tags in the frame", known{protocol: etherType(12), packetType: packetOutgoing}, b[ip:]},
	}
	if len(f.tags) > 1 {
		forms = append(forms,
			cookedForm{"coming in, without the outer tag", known{protocol: etherType(16)}, b[18:]},
			cookedForm{"coming in, without the outer tag, by libpcap", known{protocol: etherType(ip - 2)}, b[18:]},
		)
	}
	return forms
}

// TestPortProgramCut runs programs over every beginning of the frames: none is selected that is cut before its ports.
func TestPortProgramCut(t *testing.T) {
	code := socketProgram(t, ethernetFrame, []uint16{2379})
	for _, f := range frames() {
		b := f.bytes()
		ports := len(b) - f.payload - 20 + 4
		for n := range b {
			if selects(t, code, known{}, b[:n]) && n < ports-2 && !f.later() {
				t.Errorf("%s: selected by %d bytes", f.name, n)
			}
		}
	}
}

// TestPortProgramTestdata runs programs over the captures of real etcds, with the decoder as the judge.
func TestPortProgramTestdata(t *testing.T) {
	files, err := filepath.Glob("../../testdata/pcaps/*.pcap*")
	if err != nil || len(files) == 0 {
		t.Fatalf("no captures: %v", err)
	}
	programs := map[uint16][3][]bpf.Instruction{}
	for _, port := range []uint16{2379, 2380, 9999} {
		ports := []uint16{port}
		programs[port] = [3][]bpf.Instruction{socketProgram(t, ethernetFrame, ports), socketProgram(t, rawFrame, ports), socketProgram(t, cookedFrame, ports)}
	}
	seen, selected := 0, 0
	for _, name := range files {
		file, err := capture.Open(name, nil)
		if err != nil {
			t.Fatal(err)
		}
		defer file.Close()
		for d := new(capture.Decoder); ; {
			var p capture.Packet
			if err := file.Next(&p); errors.Is(err, io.EOF) {
				break
			} else if err != nil {
				t.Fatal(err)
			}
			var s capture.Segment
			verdict := d.Decode(&p, &s)
			seen++
			for port, code := range programs {
				want := verdict == capture.TCP && ofPorts(s.SrcPort, s.DstPort, []uint16{port})
				if got := selectsPacket(t, code, &p); got != want {
					t.Errorf("%s, packet %d, port %d: selected %v, expected %v", name, p.Number, port, got, want)
				} else if got {
					selected++
				}
			}
		}
	}
	if selected < 100 {
		t.Errorf("of %d packets only %d were selected: nothing is proved", seen, selected)
	}
}

// selectsPacket runs the program for the link type of a packet.
func selectsPacket(t *testing.T, code [3][]bpf.Instruction, p *capture.Packet) bool {
	t.Helper()
	switch p.Link {
	case capture.LinkEthernet:
		return selects(t, code[ethernetFrame], known{}, p.Data)
	case capture.LinkRaw:
		return selects(t, code[rawFrame], known{}, p.Data)
	case capture.LinkLinuxSLL2:
		return selects(t, code[cookedFrame], known{protocol: uint32(binary.BigEndian.Uint16(p.Data))}, p.Data[20:])
	case capture.LinkLinuxSLL:
		return selects(t, code[cookedFrame], known{protocol: uint32(binary.BigEndian.Uint16(p.Data[14:]))}, p.Data[16:])
	}
	t.Fatalf("link type %v", p.Link)
	return false
}

func TestPortExpression(t *testing.T) {
	for want, ports := range map[string][]uint16{
		"tcp":                            nil,
		"tcp port 2379":                  {2379},
		"tcp port 2379 or tcp port 2380": {2379, 2380},
	} {
		if got := PortExpression(ports); got != want {
			t.Errorf("PortExpression(%v) = %q, expected %q", ports, got, want)
		}
	}
}
