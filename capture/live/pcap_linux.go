//go:build cgo && !nopcap

package live

import (
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/etcdtap/etcdtap/capture"
	"github.com/gopacket/gopacket/layers"
	"github.com/gopacket/gopacket/pcap"
	"golang.org/x/net/bpf"
	"golang.org/x/sys/unix"
)

// open opens the way to packets that suits: libpcap where it is to compile an expression, and packet sockets for ports. Both get their
// packets in the same way from the kernel, but libpcap's are a call into C each, which makes bulk traffic cost almost twice as much.
func open(o *Options) (*Source, error) {
	if o.Expression != "" {
		return openPcap(o)
	}
	return openPacketSockets(o)
}

// handle captures from one interface by libpcap.
type handle struct {
	pcap     *pcap.Handle
	links    *links
	place    int32 // of the interface in links, and among those captured
	linkType capture.LinkType
	counted  pcap.Stats // as read last

	lastReads int // in vain, since the interface vanished
}

func (h *handle) name() string { return h.links.all[h.place].name }

// openHandle begins to capture from an interface, filter and all.
func openHandle(o *Options, l *links, place int) (*handle, error) {
	h := &handle{links: l, place: int32(place)}
	if err := h.activate(o); err != nil {
		return nil, fmt.Errorf("capturing from interface %s: %w", h.name(), err)
	}
	if err := h.filter(o); err != nil {
		h.pcap.Close()
		return nil, err
	}
	return h, nil
}

func (h *handle) activate(o *Options) error {
	inactive, err := pcap.NewInactiveHandle(h.name())
	if err != nil {
		return err
	}
	defer inactive.CleanUp()
	err = errors.Join(
		inactive.SetSnapLen(o.SnapLen),
		inactive.SetPromisc(o.Promiscuous && h.name() != Any), // for which libpcap has a warning, and gopacket makes an error of that
		inactive.SetBufferSize(o.Buffer),
		inactive.SetTimeout(retireAfter),
	)
	if err != nil {
		return err
	}
	h.pcap, err = inactive.Activate()
	return err
}

// filter sets the link type, on which the filter depends, and the filter.
func (h *handle) filter(o *Options) error {
	if h.name() == Any {
		if err := h.pcap.SetLinkType(layers.LinkType(capture.LinkLinuxSLL2)); err != nil {
			return fmt.Errorf("capturing from interface any: %w", err)
		}
	}
	h.linkType = capture.LinkType(h.pcap.LinkType())
	if h.linkType == capture.LinkRawBSD {
		h.linkType = capture.LinkRaw // DLT_RAW, whose number in files is another
	}
	frame, ok := pcapFraming(h.linkType)
	expression := o.Expression
	if expression == "" && !ok {
		expression = PortExpression(o.Ports)
	}
	if expression != "" {
		if err := h.pcap.SetBPFFilter(expression); err != nil {
			return fmt.Errorf("filter expression %q on interface %s: %w", expression, h.name(), err)
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
		return fmt.Errorf("attaching a filter to interface %s: %w", h.name(), err)
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

// read fills p with the next packet. It returns ErrIdle when there was none for retireAfter, and io.EOF when the interface has vanished.
func (h *handle) read(p *capture.Packet) error {
	data, info, err := h.pcap.ZeroCopyReadPacketData()
	if err != nil {
		return h.failed(err)
	}
	if h.linkType == capture.LinkLinuxSLL2 && len(data) >= sll2 {
		correctProtocol(data)
	}
	p.Time = info.Timestamp.UnixNano()
	p.Data = data
	p.Length = info.Length
	p.Link = h.linkType
	p.Interface = h.place
	return nil
}

// failed says what a failure to read means. Where the interface is down, libpcap before 1.10 says so again and again.
func (h *handle) failed(err error) error {
	if err == pcap.NextErrorTimeoutExpired {
		return ErrIdle
	}
	if err == pcap.NextErrorReadError {
		err = h.pcap.Error()
	}
	switch h.links.state(h.links.all[h.place].index) {
	case linkGone:
		time.Sleep(retireAfter)
		if h.lastReads++; h.lastReads > int(idleAfter/retireAfter) {
			return io.EOF
		}
		return ErrIdle // what came before it vanished may not have been handed over yet
	case linkDown:
		time.Sleep(retireAfter)
		return ErrIdle
	}
	return fmt.Errorf("capturing from interface %s: %w", h.name(), err)
}

// count adds what libpcap has counted since it was asked last. Its counters are of 32 bits and wrap around. It may be called while
// another goroutine reads: libpcap keeps its statistics apart from all else.
func (h *handle) count(c *InterfaceStats) {
	c.IfDropped = h.links.lost(int(h.place), c.IfDropped)
	now, err := h.pcap.Stats()
	if err != nil {
		return
	}
	c.Received += uint64(uint32(now.PacketsReceived) - uint32(h.counted.PacketsReceived))
	c.Dropped += uint64(uint32(now.PacketsDropped) - uint32(h.counted.PacketsDropped))
	h.counted = *now
}

// onePcap captures from a single interface.
type onePcap struct {
	*handle
	watch watch
	pace  pace
}

// next implements reader.
func (r *onePcap) next(p *capture.Packet) error {
	for range idleAfter / retireAfter {
		switch err := r.read(p); err {
		case nil:
			r.pace.wait(p)
			return nil
		case ErrIdle, io.EOF:
		default:
			return err
		}
	}
	if err := r.watch.look(); err != nil {
		return err
	}
	return ErrIdle
}

// count implements reader.
func (r *onePcap) count(c []InterfaceStats) { r.handle.count(&c[0]) }

// down implements reader.
func (r *onePcap) down() []string { return r.links.down() }

// close implements reader.
func (r *onePcap) close() error {
	r.pcap.Close()
	r.links.close()
	return nil
}

// openPcap is the way to packets by libpcap.
func openPcap(o *Options) (*Source, error) {
	s := &Source{}
	err := within(o.NetNS, func() (err error) {
		s.reader, err = openHandles(o)
		return err
	})
	if err != nil {
		return nil, err
	}
	switch r := s.reader.(type) {
	case *onePcap:
		s.interfaces = []Interface{r.describe(o)}
	case *manyPcaps:
		for _, h := range r.handles {
			s.interfaces = append(s.interfaces, h.describe(o))
		}
		r.start()
	}
	return s, nil
}

func (h *handle) describe(o *Options) Interface {
	return Interface{Name: h.name(), Link: h.linkType, SnapLen: o.SnapLen}
}

// openHandles opens all interfaces, and none if one fails.
func openHandles(o *Options) (reader, error) {
	fd, err := newSocket(rawFrame) // what libpcap says of a missing privilege is hard to tell from all else
	if err != nil {
		return nil, err
	}
	unix.Close(fd)
	l, err := openLinks(o.Interfaces)
	if err != nil {
		return nil, err
	}
	var handles []*handle
	for i := range l.all {
		h, err := openHandle(o, l, i)
		if err != nil {
			for _, h := range handles {
				h.pcap.Close()
			}
			l.close()
			return nil, err
		}
		handles = append(handles, h)
	}
	if len(handles) == 1 {
		return &onePcap{handles[0], newWatch(l), newPace(o.Buffer)}, nil
	}
	return newManyPcaps(handles, l, o.SnapLen), nil
}
