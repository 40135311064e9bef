package owner

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"

	"golang.org/x/sys/unix"
)

// diag asks the kernel for sockets, over a netlink socket whose namespace is the one that is meant (sock_diag(7)). It is not safe for
// concurrent use.
type diag struct {
	fd       int
	sequence uint32
	buf      [8 << 10]byte // a reply without extensions has 88 bytes, an end of dump 20
}

// Sizes of the kernel's structures, in bytes (<linux/inet_diag.h>).
const (
	socketIDLen  = 2 + 2 + 16 + 16 + 4 + 8
	diagReqLen   = 8 + socketIDLen
	diagMsgLen   = 4 + socketIDLen + 20
	tcpTimeWait  = 6
	tcpListen    = 10
	allTCPStates = 0xffffffff
)

// diagTimeout is how long an answer of the kernel is waited for, which comes within microseconds; in seconds.
const diagTimeout = 2

// maxStale is how many messages are passed over that do not answer the last question.
const maxStale = 16

// openDiag opens the netlink socket in the calling thread's network namespace.
func openDiag() (int, error) {
	fd, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, unix.NETLINK_SOCK_DIAG)
	if err != nil {
		return -1, fmt.Errorf("opening a socket of NETLINK_SOCK_DIAG: %w", err)
	}
	return fd, nil
}

func newDiag(fd int) (*diag, error) {
	if err := unix.SetsockoptTimeval(fd, unix.SOL_SOCKET, unix.SO_RCVTIMEO, &unix.Timeval{Sec: diagTimeout}); err != nil {
		return nil, fmt.Errorf("the socket of NETLINK_SOCK_DIAG: %w", err)
	}
	return &diag{fd: fd}, nil
}

// socket is what the kernel says of one.
type socket struct {
	inode uint32 // 0: no process has it open
	uid   uint32 // who made it; valid iff inode is not 0
}

var errNoSocket = errors.New("there is no such socket")

// find gives the socket that is local on this host and connected with remote. link is the interface of link-local addresses, else 0.
func (d *diag) find(local, remote netip.AddrPort, link uint32) (socket, error) {
	b := d.begin(0, family(local.Addr()))
	b = binary.BigEndian.AppendUint16(b, local.Port())
	b = binary.BigEndian.AppendUint16(b, remote.Port())
	b = appendAddress(appendAddress(b, local.Addr()), remote.Addr())
	b = binary.NativeEndian.AppendUint32(b, link)
	b = append(b, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff) // INET_DIAG_NOCOOKIE
	kind, body, err := d.ask(b)
	if err != nil {
		return socket{}, err
	}
	if kind != unix.SOCK_DIAG_BY_FAMILY {
		return socket{}, fmt.Errorf("sock_diag answered with a message of type %d, expected %d", kind, unix.SOCK_DIAG_BY_FAMILY)
	}
	return parseSocket(body, local, remote)
}

// probe asks whether the kernel can look TCP sockets up at all: with the handler (tcp_diag, a module often) missing it says of each
// socket that there is none.
func (d *diag) probe() error {
	b := append(d.begin(unix.NLM_F_DUMP, unix.AF_INET), make([]byte, socketIDLen)...)
	binary.NativeEndian.PutUint32(b[unix.SizeofNlMsghdr+4:], 0) // of no state: an empty dump
	_, _, err := d.ask(b)
	if errors.Is(err, errNoSocket) {
		return errors.New("this kernel cannot look sockets up: it lacks the module tcp_diag (CONFIG_INET_TCP_DIAG); try: sudo modprobe tcp_diag")
	}
	return err
}

// begin begins a request.
func (d *diag) begin(flags uint16, family uint8) []byte {
	d.sequence++
	b := make([]byte, 0, unix.SizeofNlMsghdr+diagReqLen)
	b = binary.NativeEndian.AppendUint32(b, unix.SizeofNlMsghdr+diagReqLen)
	b = binary.NativeEndian.AppendUint16(b, unix.SOCK_DIAG_BY_FAMILY)
	b = binary.NativeEndian.AppendUint16(b, unix.NLM_F_REQUEST|flags)
	b = binary.NativeEndian.AppendUint32(b, d.sequence)
	b = binary.NativeEndian.AppendUint32(b, 0)
	b = append(b, family, unix.IPPROTO_TCP, 0, 0)
	return binary.NativeEndian.AppendUint32(b, allTCPStates)
}

// ask sends a request and gives the first message of its answer, which is valid until the next call.
func (d *diag) ask(request []byte) (kind uint16, body []byte, err error) {
	if err := unix.Sendto(d.fd, request, 0, &unix.SockaddrNetlink{Family: unix.AF_NETLINK}); err != nil {
		return 0, nil, fmt.Errorf("asking sock_diag: %w", err)
	}
	for range maxStale {
		n, from, err := unix.Recvfrom(d.fd, d.buf[:], 0)
		if errors.Is(err, unix.EINTR) {
			continue
		}
		if err != nil {
			return 0, nil, fmt.Errorf("waiting for sock_diag: %w", err)
		}
		if a, ok := from.(*unix.SockaddrNetlink); !ok || a.Pid != 0 {
			continue // not the kernel's
		}
		kind, sequence, body, err := parseMessage(d.buf[:n])
		if err != nil {
			return 0, nil, err
		}
		if sequence != d.sequence {
			continue // the answer to a question that was given up
		}
		if kind == unix.NLMSG_ERROR {
			return 0, nil, parseError(body)
		}
		return kind, body, nil
	}
	return 0, nil, errors.New("sock_diag does not answer what it is asked")
}

// parseMessage takes the first netlink message of b apart.
func parseMessage(b []byte) (kind uint16, sequence uint32, body []byte, err error) {
	if len(b) < unix.SizeofNlMsghdr {
		return 0, 0, nil, fmt.Errorf("a netlink message has %d bytes, expected %d at least", len(b), unix.SizeofNlMsghdr)
	}
	n := binary.NativeEndian.Uint32(b)
	if n < unix.SizeofNlMsghdr || uint64(n) > uint64(len(b)) {
		return 0, 0, nil, fmt.Errorf("a netlink message claims %d bytes, there are %d", n, len(b))
	}
	return binary.NativeEndian.Uint16(b[4:]), binary.NativeEndian.Uint32(b[8:]), b[unix.SizeofNlMsghdr:n], nil
}

func parseError(body []byte) error {
	if len(body) < 4 {
		return errors.New("sock_diag gives an error without a number")
	}
	switch errno := unix.Errno(-int32(binary.NativeEndian.Uint32(body))); errno {
	case unix.ENOENT:
		return errNoSocket
	default:
		return fmt.Errorf("sock_diag: %w", errno)
	}
}

// parseSocket reads a struct inet_diag_msg. The kernel may answer with a listener when the connection is gone: that is another socket.
func parseSocket(b []byte, local, remote netip.AddrPort) (socket, error) {
	if len(b) < diagMsgLen {
		return socket{}, fmt.Errorf("sock_diag's answer has %d bytes, expected %d", len(b), diagMsgLen)
	}
	id, tail := b[4:4+socketIDLen], b[4+socketIDLen:]
	src := netip.AddrPortFrom(parseAddress(b[0], id[4:20]), binary.BigEndian.Uint16(id))
	dst := netip.AddrPortFrom(parseAddress(b[0], id[20:36]), binary.BigEndian.Uint16(id[2:]))
	if src != local || dst != remote || b[1] == tcpListen {
		return socket{}, errNoSocket
	}
	s := socket{uid: binary.NativeEndian.Uint32(tail[12:]), inode: binary.NativeEndian.Uint32(tail[16:])}
	if b[1] == tcpTimeWait || s.inode == 0 {
		return socket{}, nil // closed; what it says of its user means nothing then
	}
	return s, nil
}

func family(a netip.Addr) uint8 {
	if a.Is4() {
		return unix.AF_INET
	}
	return unix.AF_INET6
}

// appendAddress appends a in the 16 bytes that both families have.
func appendAddress(b []byte, a netip.Addr) []byte {
	if a.Is4() {
		ip := a.As4()
		return append(append(b, ip[:]...), make([]byte, 12)...)
	}
	ip := a.As16()
	return append(b, ip[:]...)
}

// parseAddress reads one; those of IPv6 sockets that speak IPv4 come out as IPv4.
func parseAddress(family uint8, b []byte) netip.Addr {
	if family == unix.AF_INET {
		return netip.AddrFrom4([4]byte(b[:4]))
	}
	return netip.AddrFrom16([16]byte(b[:16])).Unmap()
}

// putHeader fills in the header of a request that is one message.
func putHeader(b []byte, kind, flags uint16, sequence uint32) {
	binary.NativeEndian.PutUint32(b, uint32(len(b)))
	binary.NativeEndian.PutUint16(b[4:], kind)
	binary.NativeEndian.PutUint16(b[6:], flags)
	binary.NativeEndian.PutUint32(b[8:], sequence)
}
