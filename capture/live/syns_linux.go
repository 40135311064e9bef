package live

import (
	"encoding/binary"
	"fmt"
	"math/bits"
	"net/netip"
	"os"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"

	"github.com/etcdtap/etcdtap/capture"
)

// SYNs hears the SYNs that open connections, of all interfaces, the moment they pass. A Source hands packets over a tenth of a second
// late, which spares the machine; who wants to know which process opened a connection that lives for milliseconds cannot wait.
type SYNs struct {
	file   *os.File // the socket
	closed atomic.Bool
}

const (
	synLength = 128     // bytes kept of a SYN: all headers
	synBuffer = 1 << 20 // bytes of the kernel's buffer: a thousand SYNs; those of a flood beyond it are not heard
	maxSYNs   = 200     // ports: the program is one jump over all of them
)

// OpenSYNs begins to hear the SYNs to the ports in the network namespace at a path; "" is our own.
func OpenSYNs(ports []uint16, netns string) (*SYNs, error) {
	fd := -1
	err := within(netns, func() (err error) {
		fd, err = openSYNs(ports[:min(len(ports), maxSYNs)])
		return err
	})
	if err != nil {
		return nil, err
	}
	return &SYNs{file: os.NewFile(uintptr(fd), "packet socket")}, nil
}

func openSYNs(ports []uint16) (fd int, err error) {
	if fd, err = newSocket(cookedFrame); err != nil {
		return -1, err
	}
	defer func() {
		if err != nil {
			unix.Close(fd)
		}
	}()
	code, err := openingProgram(socketFraming(cookedFrame), ports, synLength)
	if err == nil {
		err = attach(fd, code)
	}
	if err == nil {
		err = unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_TIMESTAMPNS, 1)
	}
	if err == nil {
		err = unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUF, synBuffer)
	}
	if err == nil {
		err = unix.Bind(fd, &unix.SockaddrLinklayer{Protocol: bits.ReverseBytes16(unix.ETH_P_ALL)})
	}
	if err != nil {
		return -1, fmt.Errorf("listening for SYNs: %w", err)
	}
	return fd, nil
}

// Each gives every SYN to take, until Close. The time is the one that a Source's packet of it has, or nearly.
func (s *SYNs) Each(take func(client, server netip.AddrPort, at time.Time)) error {
	raw, err := s.file.SyscallConn()
	if err != nil {
		return err
	}
	var data [synLength]byte
	var control [128]byte
	var decoder capture.Decoder
	var segment capture.Segment
	for {
		var n, c int
		var failed error
		err := raw.Read(func(fd uintptr) bool {
			n, c, _, _, failed = unix.Recvmsg(int(fd), data[:], control[:], 0)
			return failed != unix.EAGAIN
		})
		if s.closed.Load() {
			return nil
		}
		if err == nil && failed != nil && failed != unix.EINTR && failed != unix.ENETDOWN {
			err = failed
		}
		if err != nil {
			return fmt.Errorf("listening for SYNs: %w", err)
		}
		p := capture.Packet{Data: data[:max(n, 0)], Length: max(n, 0), Link: capture.LinkRaw}
		if failed == nil && decoder.Decode(&p, &segment) == capture.TCP && segment.Opens() {
			take(segment.Source(), segment.Destination(), stamp(control[:c]))
		}
	}
}

// stamp is the time in a message's control data; now when there is none.
func stamp(control []byte) time.Time {
	messages, err := unix.ParseSocketControlMessage(control)
	if err != nil {
		return time.Now()
	}
	for _, m := range messages {
		if m.Header.Level == unix.SOL_SOCKET && m.Header.Type == unix.SO_TIMESTAMPNS && len(m.Data) >= 16 {
			return time.Unix(int64(binary.NativeEndian.Uint64(m.Data)), int64(binary.NativeEndian.Uint64(m.Data[8:])))
		}
	}
	return time.Now()
}

// Close ends Each.
func (s *SYNs) Close() error {
	s.closed.Store(true)
	return s.file.Close()
}
