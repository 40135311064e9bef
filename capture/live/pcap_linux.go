//go:build cgo && !nopcap

package live

import (
	"errors"
	"fmt"
	"io"

	"github.com/etcdtap/etcdtap/capture"
	"github.com/gopacket/gopacket"
	"github.com/gopacket/gopacket/layers"
	"github.com/gopacket/gopacket/pcap"
	"golang.org/x/net/bpf"
	"golang.org/x/sys/unix"
)

// open opens the way to packets that this build has: libpcap.
func open(o *Options) (*Source, error) { return openPcap(o) }

// handle captures from one interface by libpcap.
type handle struct {
	pcap  *pcap.Handle
	place int32
	link  capture.LinkType
	stats pcap.Stats // as read last
}

// openHandle begins to capture from an interface, filter and all.
func openHandle(o *Options, name string) (*handle, error) {
	inactive, err := pcap.NewInactiveHandle(name)
	if err != nil {
		return nil, fmt.Errorf("capturing from interface %s: %w", name, err)
	}
	defer inactive.CleanUp()
	err = errors.Join(
		inactive.SetSnapLen(o.SnapLen),
		inactive.SetPromisc(o.Promiscuous),
		inactive.SetBufferSize(o.Buffer),
		inactive.SetTimeout(retireAfter),
	)
	if err != nil {
		return nil, fmt.Errorf("capturing from interface %s: %w", name, err)
	}
	active, err := inactive.Activate()
	if err != nil {
		return nil, fmt.Errorf("capturing from interface %s: %w", name, err)
	}
	h := &handle{pcap: active}
	if err := h.filter(o, name); err != nil {
		active.Close()
		return nil, err
	}
	return h, nil
}

// filter sets the link type, on which the filter depends, and the filter.
func (h *handle) filter(o *Options, name string) error {
	if name == Any {
		if err := h.pcap.SetLinkType(layers.LinkType(capture.LinkLinuxSLL2)); err != nil {
			return fmt.Errorf("capturing from interface any: %w", err)
		}
	}
	h.link = capture.LinkType(h.pcap.LinkType())
	if h.link == capture.LinkRawBSD {
		h.link = capture.LinkRaw // DLT_RAW, whose number in files is another
	}
	frame, ok := pcapFraming(h.link)
	expression := o.Expression
	if expression == "" && !ok {
		expression = PortExpression(o.Ports)
	}
	if expression != "" {
		if err := h.pcap.SetBPFFilter(expression); err != nil {
			return fmt.Errorf("filter expression %q on interface %s: %w", expression, name, err)
		}
		return nil
	}
	code, err := portProgram(frame, o.Ports, o.SnapLen)
	if err != nil {
		return err
	}
	instructions := make([]pcap.BPFInstruction, len(code))
	for i, c := range code {
		instructions[i] = pcap.BPFInstruction{Code: c.Op, Jt: c.Jt, Jf: c.Jf, K: c.K}
	}
	if err := h.pcap.SetBPFInstructionFilter(instructions); err != nil {
		return fmt.Errorf("attaching a filter to interface %s: %w", name, err)
	}
	return nil
}

// pcapFraming says what a program for libpcap can know. libpcap runs it not only in the kernel but at first also by itself, and then there is
// only what it shows: of cooked packets the header, with places that it rewrites for the kernel (fix_program in pcap-linux.c). The
// second copies of packets on loopback it drops by itself.
func pcapFraming(link capture.LinkType) (framing, bool) {
	switch link {
	case capture.LinkEthernet:
		return framing{kind: ethernetFrame, header: ethernetHeader}, true
	case capture.LinkRaw:
		return framing{kind: rawFrame}, true
	case capture.LinkLinuxSLL:
		return framing{
			kind: cookedFrame, header: sll1,
			protocol:   bpf.LoadAbsolute{Off: 14, Size: 2},
			packetType: bpf.LoadAbsolute{Off: 0, Size: 2},
		}, true
	case capture.LinkLinuxSLL2:
		return framing{
			kind: cookedFrame, header: sll2,
			protocol:   bpf.LoadAbsolute{Off: 0, Size: 2},
			packetType: bpf.LoadAbsolute{Off: 10, Size: 1},
			device:     bpf.LoadAbsolute{Off: 8, Size: 2},
		}, true
	}
	return framing{}, false
}

// read fills p with the next packet. The error is one of package pcap.
func (h *handle) read(p *capture.Packet) error {
	data, info, err := h.pcap.ZeroCopyReadPacketData()
	if err != nil {
		return err
	}
	h.fill(p, data, &info)
	return nil
}

func (h *handle) fill(p *capture.Packet, data []byte, info *gopacket.CaptureInfo) {
	p.Time = info.Timestamp.UnixNano()
	p.Data = data
	p.Length = info.Length
	p.Link = h.link
	p.Interface = h.place
}

// onePcap captures from a single interface.
type onePcap struct {
	handle *handle
	links  *links
	watch  watch
	ended  bool
}

func openPcap(o *Options) (*Source, error) {
	s := &Source{}
	err := within(o.NetNS, func() error {
		if len(o.Interfaces) > 1 {
			return errors.New("several interfaces by libpcap: not yet")
		}
		fd, err := newSocket(rawFrame) // tells a missing privilege apart from all else
		if err != nil {
			return err
		}
		unix.Close(fd)
		l, err := openLinks(o.Interfaces)
		if err != nil {
			return err
		}
		h, err := openHandle(o, o.Interfaces[0])
		if err != nil {
			l.close()
			return err
		}
		s.reader = &onePcap{handle: h, links: l, watch: newWatch(l)}
		s.interfaces = []Interface{{o.Interfaces[0], h.link, o.SnapLen}}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return s, nil
}

// next implements reader.
func (r *onePcap) next(p *capture.Packet) error {
	if r.ended {
		return io.EOF
	}
	var err error
	for range idleAfter / retireAfter { // libpcap waits for one retireAfter
		if err = r.handle.read(p); err == nil {
			return nil
		}
		if err != pcap.NextErrorTimeoutExpired {
			break
		}
	}
	down := r.watch.look()
	r.ended = r.watch.ended()
	if down != nil {
		return down
	}
	if err == pcap.NextErrorTimeoutExpired {
		return ErrIdle
	}
	if err == pcap.NextErrorReadError {
		err = r.handle.pcap.Error()
	}
	return fmt.Errorf("capturing from interface %s: %w", r.links.all[0].name, err)
}

func (r *onePcap) count(c []InterfaceStats) {
	r.handle.count(&c[0])
	c[0].IfDropped = r.links.lost(0, c[0].IfDropped)
}

// count adds what libpcap has counted since it was asked last. Its counters are of 32 bits and wrap around.
func (h *handle) count(c *InterfaceStats) {
	now, err := h.pcap.Stats()
	if err != nil {
		return
	}
	c.Received += uint64(uint32(now.PacketsReceived) - uint32(h.stats.PacketsReceived))
	c.Dropped += uint64(uint32(now.PacketsDropped) - uint32(h.stats.PacketsDropped))
	h.stats = *now
}

func (r *onePcap) close() error {
	r.handle.pcap.Close()
	r.links.close()
	return nil
}
