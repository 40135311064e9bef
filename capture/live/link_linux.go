package live

import (
	"encoding/binary"
	"errors"
	"fmt"

	"golang.org/x/sys/unix"
)

// link is a network interface as the kernel knows it. Index 0 is "any".
type link struct {
	index  int32
	name   string
	device uint16 // its kind: ARPHRD_ETHER and so on
	drops  uint64 // what ifDropped gave when the capture began
}

// links asks the kernel about interfaces of one network namespace, the one in which it was opened.
type links struct {
	fd  int // a netlink socket, which takes requests about interfaces of either kind
	all []link
}

// openLinks finds the interfaces of these names.
func openLinks(names []string) (*links, error) {
	fd, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW|unix.SOCK_CLOEXEC, unix.NETLINK_ROUTE)
	if err != nil {
		return nil, fmt.Errorf("asking about interfaces: %w", err)
	}
	l := &links{fd: fd}
	for _, name := range names {
		one, err := l.find(name)
		if err != nil {
			l.close()
			return nil, err
		}
		l.all = append(l.all, one)
	}
	return l, nil
}

func (l *links) close() { unix.Close(l.fd) }

// find looks an interface up. It has to be up.
func (l *links) find(name string) (link, error) {
	if name == Any {
		return link{name: Any}, nil
	}
	request, err := unix.NewIfreq(name)
	if err != nil {
		return link{}, noInterface(name)
	}
	if err := unix.IoctlIfreq(l.fd, unix.SIOCGIFINDEX, request); err != nil {
		return link{}, noInterface(name)
	}
	found := link{name: name, index: int32(request.Uint32())}
	if err := unix.IoctlIfreq(l.fd, unix.SIOCGIFHWADDR, request); err != nil {
		return link{}, fmt.Errorf("interface %s: %w", name, err)
	}
	found.device = request.Uint16()
	if l.state(found.index) != linkUp {
		return link{}, &DownError{Interface: name}
	}
	found.drops = l.ifDropped(found.index)
	return found, nil
}

// linkState is what has become of an interface.
type linkState uint8

const (
	linkUp       linkState = iota
	linkDoubtful           // seen down once, and not told yet
	linkDown
	linkGone
)

// state looks at an interface by its index, since it may have been renamed.
func (l *links) state(index int32) linkState {
	if index == 0 {
		return linkUp
	}
	request, _ := unix.NewIfreq("")
	request.SetUint32(uint32(index))
	if err := unix.IoctlIfreq(l.fd, unix.SIOCGIFNAME, request); err != nil {
		return gone(err)
	}
	if err := unix.IoctlIfreq(l.fd, unix.SIOCGIFFLAGS, request); err != nil {
		return gone(err)
	}
	if request.Uint16()&unix.IFF_UP == 0 {
		return linkDown
	}
	return linkUp
}

// down names the interfaces that give no packets.
func (l *links) down() (names []string) {
	for i := range l.all {
		if l.state(l.all[i].index) != linkUp {
			names = append(names, l.all[i].name)
		}
	}
	return names
}

func gone(err error) linkState {
	if errors.Is(err, unix.ENODEV) || errors.Is(err, unix.ENXIO) {
		return linkGone
	}
	return linkUp // not known; better no word than a wrong one
}

// ifDropped counts the packets that an interface or its driver lost for want of a place to put them, since it exists. It is what libpcap
// counts as dropped by the interface: rx_missed_errors and rx_fifo_errors.
func (l *links) ifDropped(index int32) uint64 {
	const (
		statsMessage = 12 // struct if_stats_msg
		fifo         = 14 // place in struct rtnl_link_stats64
		missed       = 15
	)
	if index == 0 {
		return 0
	}
	request := make([]byte, unix.SizeofNlMsghdr, unix.SizeofNlMsghdr+statsMessage)
	native := binary.NativeEndian
	native.PutUint32(request, unix.SizeofNlMsghdr+statsMessage)
	native.PutUint16(request[4:], unix.RTM_GETSTATS)
	native.PutUint16(request[6:], unix.NLM_F_REQUEST)
	request = native.AppendUint32(request, 0) // address family and padding
	request = native.AppendUint32(request, uint32(index))
	request = native.AppendUint32(request, 1<<(unix.IFLA_STATS_LINK_64-1))
	if unix.Sendto(l.fd, request, 0, &unix.SockaddrNetlink{Family: unix.AF_NETLINK}) != nil {
		return 0
	}
	reply := make([]byte, 1024)
	n, _, err := unix.Recvfrom(l.fd, reply, 0)
	if err != nil || n < unix.SizeofNlMsghdr+statsMessage || native.Uint16(reply[4:]) != unix.RTM_NEWSTATS {
		return 0
	}
	for b := reply[unix.SizeofNlMsghdr+statsMessage : n]; len(b) >= unix.SizeofNlAttr; {
		length := int(native.Uint16(b))
		if length < unix.SizeofNlAttr || length > len(b) {
			return 0
		}
		value := b[unix.SizeofNlAttr:length]
		if native.Uint16(b[2:]) == unix.IFLA_STATS_LINK_64 && len(value) >= 8*(missed+1) {
			return native.Uint64(value[8*fifo:]) + native.Uint64(value[8*missed:])
		}
		b = b[min(len(b), (length+3)&^3):]
	}
	return 0
}

// lost is what the interface has dropped since the capture began, and no less than what was known before: counters vanish with
// their interface.
func (l *links) lost(i int, known uint64) uint64 {
	if now := l.ifDropped(l.all[i].index); now > l.all[i].drops {
		return max(known, now-l.all[i].drops)
	}
	return known
}
