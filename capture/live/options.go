package live

import (
	"errors"
	"fmt"
	"slices"

	"github.com/etcdtap/etcdtap/capture"
)

// Any is the name of the interface that is all of them.
const Any = "any"

const (
	defaultSnapLen = 262144 // tcpdump's: more than any packet, also those that the network card is to split

	// defaultBuffer is libpcap's, times eight: 10 Gbit/s fill 2 MiB in under 2 ms, and a busy scheduler lets a process wait longer
	// than that. 16 MiB last for 13 ms.
	defaultBuffer = 16 << 20

	// MaxSnapLen bounds Options.SnapLen: a block of the kernel's buffer has to hold a packet.
	MaxSnapLen = 1 << 20
	// MaxBuffer bounds Options.Buffer: the kernel's buffer cannot be swapped out.
	MaxBuffer = 1 << 30

	maxPorts = 500 // the kernel takes programs of 4096 instructions, and a port is four
)

// Options says what to capture. The zero value is all TCP of this host.
type Options struct {
	Interfaces []string // names, or numbers in the order of Devices; "any" is all of the host; empty means any
	Ports      []uint16 // TCP from or to one of these; empty means all TCP. Counts iff Expression is empty

	// Expression is a tcpdump filter expression (pcap-filter(7)), used instead of Ports. It needs libpcap.
	Expression string

	SnapLen     int    // bytes kept of each packet; 0 means 262144, as tcpdump's
	Buffer      int    // bytes of the kernel's buffer for each interface; 0 means 16 MiB
	NetNS       string // path of the network namespace whose interfaces are meant (/run/netns/x, /proc/PID/ns/net); "" is our own
	Promiscuous bool   // also frames that are addressed to others; has no effect on "any"
}

// complete fills in the defaults and checks the rest.
func (o *Options) complete() error {
	if len(o.Interfaces) == 0 {
		o.Interfaces = []string{Any}
	}
	if o.SnapLen == 0 {
		o.SnapLen = defaultSnapLen
	}
	if o.Buffer == 0 {
		o.Buffer = defaultBuffer
	}
	switch {
	case o.SnapLen < 0 || o.SnapLen > MaxSnapLen:
		return fmt.Errorf("a snapshot length of %d bytes: expected 1 to %d", o.SnapLen, MaxSnapLen)
	case o.Buffer < 0 || o.Buffer > MaxBuffer:
		return fmt.Errorf("a buffer of %d bytes: expected 1 to %d", o.Buffer, MaxBuffer)
	case len(o.Ports) > maxPorts:
		return fmt.Errorf("%d ports: a filter takes %d at the most", len(o.Ports), maxPorts)
	}
	if o.Expression != "" {
		if !capture.HasPcap {
			return errors.New("filter expressions need libpcap, and this build is without it: " +
				"select ports instead, or install libpcap-dev and build again with make")
		}
		if _, err := capture.NewFilter(o.Expression); err != nil {
			return err
		}
	}
	names, err := interfaceNames(o.Interfaces, o.NetNS)
	o.Interfaces = names
	return err
}

// ErrAnyAmongOthers refuses Options.Interfaces that name "any" and others.
var ErrAnyAmongOthers = errors.New(`interface "any" is all of them: name it alone, or name the others only`)

// interfaceNames turns numbers into names and leaves out what was named twice.
func interfaceNames(asked []string, netns string) ([]string, error) {
	var names []string
	for _, name := range asked {
		name, err := byNumber(name, netns)
		if err != nil {
			return nil, err
		}
		if !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	if len(names) > 1 && slices.Contains(names, Any) {
		return nil, ErrAnyAmongOthers
	}
	return names, nil
}
