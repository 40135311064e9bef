//go:build cgo && !nopcap

package capture

import (
	"fmt"

	"github.com/gopacket/gopacket"
	"github.com/gopacket/gopacket/layers"
	"github.com/gopacket/gopacket/pcap"
)

// HasPcap reports whether this build has libpcap, which filter expressions and live captures need.
const HasPcap = true

// Filter selects packets by a tcpdump filter expression (pcap-filter(7)). It is compiled for each link type when the first
// packet of it comes. One goroutine uses it.
type Filter struct {
	expr    string
	link    LinkType  // of the last packet
	program *pcap.BPF // for link; nil when the expression is not possible for it
	all     map[LinkType]*pcap.BPF
	refused error
}

// NewFilter compiles an expression. The error is libpcap's; it means that the expression is valid for none of the usual link
// types.
func NewFilter(expr string) (*Filter, error) {
	f := &Filter{expr: expr, all: make(map[LinkType]*pcap.BPF)}
	var first error
	for _, link := range []LinkType{LinkEthernet, LinkLinuxSLL2, LinkLinuxSLL, LinkRaw, LinkNull} {
		program, err := compile(link, expr)
		if err == nil {
			f.link, f.program, f.all[link] = link, program, program
			return f, nil
		}
		if first == nil {
			first = err
		}
	}
	return nil, fmt.Errorf("filter expression %.512q: %w", expr, first)
}

// Match reports whether the packet is selected. Where the expression is not possible for the packet's link type (an Ethernet
// address on a link without), none is, and Refused says so.
func (f *Filter) Match(p *Packet) bool {
	if p.Link != f.link {
		f.selectLink(p.Link)
	}
	if f.program == nil || len(p.Data) == 0 {
		return false
	}
	return f.program.Matches(gopacket.CaptureInfo{CaptureLength: len(p.Data), Length: p.Length}, p.Data)
}

// Refused says for which link type in the capture the expression is not possible, the first one only; nil when for all it is.
func (f *Filter) Refused() error { return f.refused }

func (f *Filter) selectLink(link LinkType) {
	program, known := f.all[link]
	if !known {
		var err error
		if program, err = compile(link, f.expr); err != nil && f.refused == nil {
			f.refused = fmt.Errorf("filter expression %q selects no packet of link type %v: %w", f.expr, link, err)
		}
		f.all[link] = program
	}
	f.link, f.program = link, program
}

// compile compiles an expression for a link type of capture files.
func compile(link LinkType, expr string) (*pcap.BPF, error) {
	switch link {
	case LinkRaw, LinkRawOpenBSD:
		link = LinkRawBSD // libpcap's compiler knows it by the number of the system it runs on
	}
	return pcap.NewBPF(layers.LinkType(link), maxPacket, expr)
}
