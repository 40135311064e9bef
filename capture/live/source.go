// Package live captures packets from network interfaces: of this host, of one interface or of all, or of another network
// namespace.
//
// There are two ways to the packets. Libpcap, which alone can compile tcpdump's filter expressions, is taken for them; a build without it
// (build tag nopcap, or no cgo) has none. A set of ports takes packet sockets with a ring in shared memory (TPACKET_V3, the same that
// libpcap uses underneath), because libpcap costs a call into C for each packet: under bulk load that was 2.4 times tcpdump's processor
// time, against 1.4. Both ways can run the same BPF program in the kernel, and tests hold them to the same packets.
//
// # What is captured
//
// Packets come and go as the interface sees them, once each: on loopback, where the kernel shows every packet both as it leaves and as
// it arrives, the leaving copy is dropped. Interfaces with Ethernet headers (loopback is one) give Ethernet frames, tunnels without a
// header give IP packets, and "any" and all other kinds give Linux cooked packets, version 2. A VLAN tag that the network card or the
// kernel has taken off is put back into Ethernet frames; cooked packets have no place for it. Times are the kernel's, in nanoseconds.
//
// # When an interface fails
//
// An interface that goes down or vanishes is told once, by a *DownError from Next, a fraction of a second later. Nothing else
// changes: other interfaces go on, packets from before may still follow, and an interface that merely was down gives packets again
// when it is up again. When all have vanished, Next returns io.EOF.
//
// To end without losing what the kernel still holds back, call Next until it returns ErrIdle, or a packet later than the end.
//
// Nothing is ever sent.
package live

import (
	"io"
	"slices"
	"sync"

	"github.com/etcdtap/etcdtap/capture"
)

// Interface is one interface that is captured.
type Interface struct {
	Name    string
	Link    capture.LinkType // of all its packets
	SnapLen int              // bytes kept of each packet
}

// Source captures packets. It is used by one goroutine; Stats and Down alone may be called by others. It implements capture.Source.
type Source struct {
	interfaces []Interface
	reader     reader
	number     int64 // of the last packet

	mu     sync.Mutex // for what follows, and between counting and closing
	counts []InterfaceStats
	closed bool
}

// reader is one of the two ways to packets.
type reader interface {
	// next fills p, all but its number. Its errors are those of Source.Next.
	next(p *capture.Packet) error
	// count brings the counts up to date, one for each interface.
	count(c []InterfaceStats)
	// down names the interfaces that are down or gone.
	down() []string
	close() error
}

// Open begins to capture; no packet of a later time is missed, and none that the filter does not select is seen. The error is
// a *PermissionError where a privilege is missing, and a *DownError for an interface that is not up.
func Open(o Options) (*Source, error) { return openWith(o, open) }

// openWith is Open by one of the ways to packets.
func openWith(o Options, open func(*Options) (*Source, error)) (*Source, error) {
	if err := o.complete(); err != nil {
		return nil, err
	}
	s, err := open(&o)
	if err != nil {
		return nil, err
	}
	s.counts = make([]InterfaceStats, len(s.interfaces))
	return s, nil
}

// Next implements capture.Source. p.Data stays valid until the next Next or Close. Next returns ErrIdle when nothing came for
// about 100 ms: every packet of before has then been handed over. It returns a *DownError once for each time that an interface goes
// down or vanishes, and may be called again after it; after any other error it may not. It returns io.EOF after Close, and when all
// interfaces have vanished.
func (s *Source) Next(p *capture.Packet) error {
	if err := s.reader.next(p); err != nil {
		return err
	}
	s.number++
	p.Number = s.number
	return nil
}

// Interfaces are the interfaces that are captured, in the order of Packet.Interface.
func (s *Source) Interfaces() []Interface { return slices.Clone(s.interfaces) }

// Down are the interfaces that are down or have vanished, by name. As Stats it may be called by any goroutine; after Close there are none.
func (s *Source) Down() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return nil
	}
	return s.reader.down()
}

// Close ends the capture and gives the kernel's buffers back. It waits for what it has started. The data of the last packet is
// not valid any more.
func (s *Source) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return nil
	}
	s.reader.count(s.counts)
	s.closed = true
	err := s.reader.close()
	s.reader = ended{}
	return err
}

// ended is the reader of a source that was closed.
type ended struct{}

func (ended) next(*capture.Packet) error { return io.EOF }
func (ended) count([]InterfaceStats)     {}
func (ended) down() []string             { return nil }
func (ended) close() error               { return nil }
