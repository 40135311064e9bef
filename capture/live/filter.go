package live

import (
	"strconv"
	"strings"

	"golang.org/x/net/bpf"
)

// PortExpression is the tcpdump filter expression for TCP from or to one of the ports; without any it is "tcp". What Open selects by
// ports is this, and with it segments behind VLAN tags and in fragments.
func PortExpression(ports []uint16) string {
	if len(ports) == 0 {
		return "tcp"
	}
	var terms []string
	for _, p := range ports {
		terms = append(terms, "tcp port "+strconv.Itoa(int(p)))
	}
	return strings.Join(terms, " or ")
}

// framing says what a BPF program can know of a packet besides the network header and what is behind it.
type framing struct {
	kind   frameKind
	header uint32 // bytes before the network header

	// These load into A the protocol (of cookedFrame only), the packet type, and the kind of the device. A nil one is of no interest,
	// as on interfaces that cannot be loopback, or cannot be had.
	protocol, packetType, device bpf.Instruction
}

type frameKind int

const (
	ethernetFrame frameKind = iota
	rawFrame                // an IP header comes first
	cookedFrame             // the kernel tells the protocol apart from the packet
)

// Values in packets and in what the kernel knows of them.
const (
	etherIPv4    = 0x0800
	etherVLAN    = 0x8100 // IEEE 802.1Q
	etherIPv6    = 0x86dd
	etherQinQ    = 0x88a8 // IEEE 802.1ad
	etherQinQOld = 0x9100

	protoTCP      = 6
	protoFragment = 44 // IPv6 extension header

	packetOutgoing = 4   // PACKET_OUTGOING
	arpLoopback    = 772 // ARPHRD_LOOPBACK
)

// maxTags is how many VLAN tags within the frame the program passes over: two, and a third is usually not in the frame, because the
// kernel takes the outermost tag off before it shows a packet that came in.
const maxTags = 2

// portProgram makes the BPF program that selects TCP from or to one of the ports, all TCP if there are none, and keeps snapLen
// bytes of each packet.
//
// It selects TCP behind IPv4, with options, and IPv6. Of a fragmented datagram only the first fragment has ports, so that all others
// that carry TCP are selected, for the decoder to put together; in practice there are next to none. Behind IPv6 extension
// headers other than a fragment header it does not look (nor does tcpdump's "tcp port"), and not into tunnels: that is
// what filter expressions are for. On loopback it drops the copies of packets that leave, for the same packets arrive.
func portProgram(f framing, ports []uint16, snapLen int) ([]bpf.RawInstruction, error) {
	instructions, err := portInstructions(f, ports, snapLen)
	if err != nil {
		return nil, err
	}
	return bpf.Assemble(instructions)
}

func portInstructions(f framing, ports []uint16, snapLen int) ([]bpf.Instruction, error) {
	return instructions(f, snapLen, func(p *program) { p.ports(ports, snapLen) })
}

// openingProgram makes the program that selects the SYNs that open connections to one of the ports, and keeps snapLen bytes of each.
func openingProgram(f framing, ports []uint16, snapLen int) ([]bpf.RawInstruction, error) {
	code, err := instructions(f, snapLen, func(p *program) {
		p.add(p.load(13, 1), bpf.ALUOpConstant{Op: bpf.ALUOpAnd, Val: 0x16}) // SYN, RST, ACK (RFC 9293, Section 3.1)
		p.branch(bpf.JumpNotEqual, 0x02, "other")
		p.add(p.load(2, 2))
		for _, port := range ports {
			p.add(bpf.JumpIf{Cond: bpf.JumpNotEqual, Val: uint32(port), SkipTrue: 1}, bpf.RetConstant{Val: uint32(snapLen)})
		}
		p.label("other")
		p.add(bpf.RetConstant{Val: 0})
	})
	if err != nil {
		return nil, err
	}
	return bpf.Assemble(code)
}

// instructions makes a program that finds the TCP header, with where it begins in X, and goes on with tcp.
func instructions(f framing, snapLen int, tcp func(*program)) ([]bpf.Instruction, error) {
	p := program{header: f.header}
	if f.device != nil {
		p.add(f.packetType)
		p.branch(bpf.JumpNotEqual, packetOutgoing, "link")
		p.add(f.device)
		p.branch(bpf.JumpEqual, arpLoopback, "reject")
		p.label("link")
	}
	switch f.kind {
	case ethernetFrame:
		p.ethernet()
	case rawFrame:
		p.raw()
	case cookedFrame:
		p.cooked(&f)
	}
	p.ipv4()
	p.ipv6()
	p.label("reject")
	p.add(bpf.RetConstant{Val: 0})
	p.label("accept")
	p.add(bpf.RetConstant{Val: uint32(snapLen)})
	p.label("tcp")
	tcp(&p)
	return p.link()
}

// ethernet branches on the EtherType, with the length of VLAN tags in X.
func (p *program) ethernet() {
	for tags := range uint32(maxTags + 1) {
		p.add(bpf.LoadAbsolute{Off: 12 + 4*tags, Size: 2})
		p.protocol(tags, tags < maxTags)
	}
}

// protocol branches on the EtherType in A behind so many tags. Execution goes on behind it iff there is a further tag.
func (p *program) protocol(tags uint32, more bool) {
	p.add(bpf.LoadConstant{Dst: bpf.RegX, Val: 4 * tags})
	p.branch(bpf.JumpEqual, etherIPv4, "ipv4")
	p.branch(bpf.JumpEqual, etherIPv6, "ipv6")
	if more {
		next := "tag" + strconv.Itoa(int(tags))
		p.branch(bpf.JumpEqual, etherVLAN, next)
		p.branch(bpf.JumpEqual, etherQinQ, next)
		p.branch(bpf.JumpEqual, etherQinQOld, next)
		p.jump("reject")
		p.label(next)
		return
	}
	p.jump("reject")
}

// raw branches on the version of the IP header that comes first.
func (p *program) raw() {
	p.add(bpf.LoadConstant{Dst: bpf.RegX, Val: 0}, bpf.LoadAbsolute{Off: p.header, Size: 1}, bpf.ALUOpConstant{Op: bpf.ALUOpShiftRight, Val: 4})
	p.branch(bpf.JumpEqual, 4, "ipv4")
	p.branch(bpf.JumpEqual, 6, "ipv6")
	p.jump("reject")
}

// cooked branches on the protocol that the kernel tells, and on what the packet begins with, for the two may differ when there are VLAN
// tags. A packet that came in has lost its outer tag, and begins with the rest of an inner one if there is one; the protocol is that tag's, or for
// libpcap since Linux 6.11 the innermost one. A packet that goes out with tags begins with its IP header all the same.
func (p *program) cooked(f *framing) {
	p.add(f.protocol)
	p.branch(bpf.JumpEqual, etherIPv4, "version")
	p.branch(bpf.JumpEqual, etherIPv6, "version")
	p.branch(bpf.JumpEqual, etherVLAN, "tagged")
	p.branch(bpf.JumpEqual, etherQinQ, "tagged")
	p.branch(bpf.JumpEqual, etherQinQOld, "tagged")
	p.jump("reject")
	p.label("tagged")
	p.add(f.packetType)
	p.branch(bpf.JumpNotEqual, packetOutgoing, "tags")
	p.label("version")
	p.add(bpf.LoadConstant{Dst: bpf.RegX, Val: 0}, bpf.LoadAbsolute{Off: p.header, Size: 1}, bpf.ALUOpConstant{Op: bpf.ALUOpShiftRight, Val: 4})
	p.branch(bpf.JumpEqual, 4, "ipv4")
	p.branch(bpf.JumpEqual, 6, "ipv6")
	p.label("tags")
	for tags := range uint32(maxTags) {
		p.add(bpf.LoadAbsolute{Off: p.header + 2 + 4*tags, Size: 2})
		p.protocol(tags+1, tags+1 < maxTags)
	}
}

// ipv4 has in X where the header begins, and leaves in X where TCP's does (RFC 791).
func (p *program) ipv4() {
	p.label("ipv4")
	p.add(p.load(9, 1))
	p.branch(bpf.JumpNotEqual, protoTCP, "reject")
	p.add(p.load(6, 2))
	p.branch(bpf.JumpBitsSet, 0x1fff, "accept") // fragment offset
	p.add(
		p.load(0, 1),
		bpf.ALUOpConstant{Op: bpf.ALUOpAnd, Val: 0x0f},
		bpf.ALUOpConstant{Op: bpf.ALUOpShiftLeft, Val: 2},
		bpf.ALUOpX{Op: bpf.ALUOpAdd},
		bpf.TAX{},
	)
	p.jump("tcp")
}

// ipv6 does the same (RFC 8200, Section 4.5 for fragments).
func (p *program) ipv6() {
	const header, fragment = 40, 8
	p.label("ipv6")
	p.add(p.load(6, 1))
	p.branch(bpf.JumpEqual, protoFragment, "fragment")
	p.branch(bpf.JumpNotEqual, protoTCP, "reject")
	p.add(bpf.TXA{}, bpf.ALUOpConstant{Op: bpf.ALUOpAdd, Val: header}, bpf.TAX{})
	p.jump("tcp")
	p.label("fragment")
	p.add(p.load(header, 1))
	p.branch(bpf.JumpNotEqual, protoTCP, "reject")
	p.add(p.load(header+2, 2))
	p.branch(bpf.JumpBitsSet, 0xfff8, "accept") // fragment offset
	p.add(bpf.TXA{}, bpf.ALUOpConstant{Op: bpf.ALUOpAdd, Val: header + fragment}, bpf.TAX{})
	p.jump("tcp")
}

// ports compares both ports of the TCP header at X. Each comparison returns by itself, since jumps on a condition reach only 255
// instructions far.
func (p *program) ports(ports []uint16, snapLen int) {
	accept := bpf.RetConstant{Val: uint32(snapLen)}
	if len(ports) == 0 {
		p.add(accept)
		return
	}
	for _, offset := range []uint32{0, 2} {
		p.add(p.load(offset, 2))
		for _, port := range ports {
			p.add(bpf.JumpIf{Cond: bpf.JumpNotEqual, Val: uint32(port), SkipTrue: 1}, accept)
		}
	}
	p.add(bpf.RetConstant{Val: 0})
}
