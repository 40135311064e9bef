package live

import (
	"errors"
	"fmt"
	"io/fs"
	"math/bits"
	"time"

	"github.com/etcdtap/etcdtap/capture"
	"golang.org/x/net/bpf"
	"golang.org/x/sys/unix"
)

// socket is a packet socket (packet(7)) that captures from one interface.
type socket struct {
	fd       int
	place    int32 // of the interface among those captured
	kind     frameKind
	linkType capture.LinkType
	snapLen  int
	ring     *ring
}

// openSocket begins to capture from an interface. The socket hears nothing before it is bound, which comes last.
func openSocket(o *Options, l *link) (*socket, error) {
	s := &socket{fd: -1, snapLen: o.SnapLen}
	s.kind, s.linkType = linkOf(l)
	if err := s.open(o, l); err != nil {
		s.close()
		return nil, err
	}
	return s, nil
}

func (s *socket) open(o *Options, l *link) (err error) {
	if s.fd, err = newSocket(s.kind); err != nil {
		return err
	}
	code, err := portProgram(socketFraming(s.kind), o.Ports, s.snapLen)
	if err != nil {
		return err
	}
	if err := attach(s.fd, code); err != nil {
		return fmt.Errorf("attaching a filter: %w", err)
	}
	if err := unix.SetsockoptInt(s.fd, unix.SOL_PACKET, unix.PACKET_RESERVE, headerSpace); err != nil {
		return fmt.Errorf("reserving place for headers: %w", err)
	}
	if s.ring, err = newRing(s.fd, o.Buffer, s.snapLen); err != nil {
		return err
	}
	if o.Promiscuous && l.index != 0 {
		request := unix.PacketMreq{Ifindex: l.index, Type: unix.PACKET_MR_PROMISC}
		if err := unix.SetsockoptPacketMreq(s.fd, unix.SOL_PACKET, unix.PACKET_ADD_MEMBERSHIP, &request); err != nil {
			return fmt.Errorf("switching interface %s to promiscuous mode: %w", l.name, err)
		}
	}
	all := bits.ReverseBytes16(unix.ETH_P_ALL)
	if err := unix.Bind(s.fd, &unix.SockaddrLinklayer{Protocol: all, Ifindex: int(l.index)}); err != nil {
		return fmt.Errorf("capturing from interface %s: %w", l.name, err)
	}
	return nil
}

// newSocket opens a packet socket that does not hear anything yet: its protocol is none.
func newSocket(kind frameKind) (int, error) {
	how := unix.SOCK_RAW
	if kind == cookedFrame {
		how = unix.SOCK_DGRAM
	}
	fd, err := unix.Socket(unix.AF_PACKET, how|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
	switch {
	case errors.Is(err, fs.ErrPermission):
		return -1, &PermissionError{Doing: "capturing packets", Capability: "CAP_NET_RAW", Err: err}
	case err != nil:
		return -1, fmt.Errorf("opening a packet socket: %w", err)
	}
	return fd, nil
}

// socketFraming says what a program on a packet socket can know: the kernel answers loads from certain places itself.
func socketFraming(kind frameKind) framing {
	f := framing{
		kind:       kind,
		protocol:   bpf.LoadExtension{Num: bpf.ExtProto},
		packetType: bpf.LoadExtension{Num: bpf.ExtType},
		device:     bpf.LoadExtension{Num: bpf.ExtLinkLayerType},
	}
	if kind == ethernetFrame {
		f.header = ethernetHeader
	}
	return f
}

func attach(fd int, code []bpf.RawInstruction) error {
	filter := make([]unix.SockFilter, len(code))
	for i, c := range code {
		filter[i] = unix.SockFilter{Code: c.Op, Jt: c.Jt, Jf: c.Jf, K: c.K}
	}
	return unix.SetsockoptSockFprog(fd, unix.SOL_SOCKET, unix.SO_ATTACH_FILTER, &unix.SockFprog{Len: uint16(len(filter)), Filter: &filter[0]})
}

func (s *socket) close() error {
	var err error
	if s.ring != nil {
		err = s.ring.close()
	}
	if s.fd >= 0 {
		err = errors.Join(err, unix.Close(s.fd))
	}
	return err
}

// packetSockets captures from one or several interfaces with packet sockets alone. Of several interfaces the earliest packet comes
// first, as far as the kernel has handed packets over.
type packetSockets struct {
	sockets []*socket
	polled  []unix.PollFd
	links   *links
	watch   watch
	pace    pace
}

// openPacketSockets is the way to packets without libpcap.
func openPacketSockets(o *Options) (*Source, error) {
	r := &packetSockets{}
	if err := within(o.NetNS, func() error { return r.open(o) }); err != nil {
		r.close()
		return nil, err
	}
	s := &Source{reader: r}
	for i, socket := range r.sockets {
		s.interfaces = append(s.interfaces, Interface{Name: o.Interfaces[i], Link: socket.linkType, SnapLen: o.SnapLen})
	}
	return s, nil
}

func (r *packetSockets) open(o *Options) (err error) {
	if r.links, err = openLinks(o.Interfaces); err != nil {
		return err
	}
	for i := range r.links.all {
		s, err := openSocket(o, &r.links.all[i])
		if err != nil {
			return err
		}
		s.place = int32(i)
		r.sockets = append(r.sockets, s)
		r.polled = append(r.polled, unix.PollFd{Fd: int32(s.fd), Events: unix.POLLIN})
	}
	r.watch = newWatch(r.links)
	r.pace = newPace(o.Buffer)
	return nil
}

// down implements reader.
func (r *packetSockets) down() []string { return r.links.down() }

// close implements reader.
func (r *packetSockets) close() error {
	var err error
	for _, s := range r.sockets {
		err = errors.Join(err, s.close())
	}
	if r.links != nil {
		r.links.close()
	}
	return err
}

// next implements reader.
func (r *packetSockets) next(p *capture.Packet) error {
	for {
		if s := r.earliest(); s != nil {
			s.take(p)
			r.pace.wait(p)
			return nil
		}
		if err := r.wait(); err != nil {
			return err
		}
	}
}

// earliest is the socket with the earliest packet that is ready; nil when none is.
func (r *packetSockets) earliest() *socket {
	if len(r.sockets) == 1 {
		if s := r.sockets[0]; s.ring.ready() {
			return s
		}
		return nil
	}
	var first *socket
	var at int64
	for _, s := range r.sockets {
		if !s.ring.ready() {
			continue
		}
		h := s.ring.packet()
		if t := int64(h.Sec)*1e9 + int64(h.Nsec); first == nil || t < at {
			first, at = s, t
		}
	}
	return first
}

// wait waits until a packet may be there. It returns ErrIdle when for idleAfter none was.
func (r *packetSockets) wait() error {
	for begin := time.Now(); ; {
		now := time.Now()
		if err := r.watch.lookAfter(now); err != nil {
			return err
		}
		left := idleAfter - now.Sub(begin)
		if left <= 0 {
			return ErrIdle
		}
		n, err := unix.Poll(r.polled, int(left/time.Millisecond)+1)
		if err != nil && err != unix.EINTR {
			return fmt.Errorf("waiting for packets: %w", err)
		}
		if n > 0 {
			return r.failed()
		}
	}
}

// failed takes errors off the sockets, so that the next poll does not return for them again. That an interface is down is not an
// error here: the watch sees to that.
func (r *packetSockets) failed() error {
	for i, polled := range r.polled {
		if polled.Revents&unix.POLLERR == 0 {
			continue
		}
		code, err := unix.GetsockoptInt(r.sockets[i].fd, unix.SOL_SOCKET, unix.SO_ERROR)
		if err == nil && code != 0 && unix.Errno(code) != unix.ENETDOWN {
			err = unix.Errno(code)
		}
		if err != nil {
			return fmt.Errorf("capturing from interface %s: %w", r.links.all[i].name, err)
		}
	}
	return nil
}

// count implements reader. The kernel's counts begin anew each time they are read.
func (r *packetSockets) count(c []InterfaceStats) {
	for i, s := range r.sockets {
		if stats, err := unix.GetsockoptTpacketStatsV3(s.fd, unix.SOL_PACKET, unix.PACKET_STATISTICS); err == nil {
			c[i].Received += uint64(stats.Packets)
			c[i].Dropped += uint64(stats.Drops)
		}
		c[i].IfDropped = r.links.lost(i, c[i].IfDropped)
	}
}
