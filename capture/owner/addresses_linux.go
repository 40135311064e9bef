package owner

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
	"sync/atomic"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// refreshAfter is how old the list of addresses may be before an address that is not in it makes it be read again: addresses come
// (a container network starts, a virtual IP moves here), and a reading costs some 50 µs.
const refreshAfter = 3 * time.Second

// maxAddresses bounds the list. Hosts with a thousand pods have as many routes, but not as many addresses.
const maxAddresses = 65536

// addresses knows which addresses are this host's, in the namespace of its netlink socket. has may be called while refresh runs;
// refresh from one goroutine only.
type addresses struct {
	fd   int
	last uint32                                // sequence number of the last request
	list atomic.Pointer[map[netip.Addr]uint32] // to the interface's index
	read atomic.Int64                          // when, or is being, in nanoseconds of the monotonic clock since begun
	from time.Time
}

// openRoute opens the netlink socket in the calling thread's network namespace.
func openRoute() (int, error) {
	fd, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW|unix.SOCK_CLOEXEC, unix.NETLINK_ROUTE)
	if err != nil {
		return -1, fmt.Errorf("opening a socket of NETLINK_ROUTE: %w", err)
	}
	if err := unix.SetsockoptTimeval(fd, unix.SOL_SOCKET, unix.SO_RCVTIMEO, &unix.Timeval{Sec: diagTimeout}); err != nil {
		unix.Close(fd)
		return -1, fmt.Errorf("the socket of NETLINK_ROUTE: %w", err)
	}
	return fd, nil
}

// newAddresses reads the list for the first time.
func newAddresses(fd int) (*addresses, error) {
	a := &addresses{fd: fd, from: time.Now()}
	a.list.Store(&map[netip.Addr]uint32{})
	return a, a.refresh()
}

// has says whether ip is this host's, and on which interface. When it is not, and the list is old, unsure is true for one caller, who
// has to see to it that refresh is called.
func (a *addresses) has(ip netip.Addr) (link uint32, local, unsure bool) {
	if ip.IsLoopback() {
		return 0, true, false
	}
	if link, local = (*a.list.Load())[ip]; local {
		return link, true, false
	}
	read, now := a.read.Load(), int64(time.Since(a.from))
	return 0, false, now-read > int64(refreshAfter) && a.read.CompareAndSwap(read, now)
}

// refresh reads the list again. After an error the old one stays.
func (a *addresses) refresh() error {
	request := make([]byte, unix.SizeofNlMsghdr+unix.SizeofIfAddrmsg)
	a.last++
	putHeader(request, unix.RTM_GETADDR, unix.NLM_F_REQUEST|unix.NLM_F_DUMP, a.last)
	if err := unix.Sendto(a.fd, request, 0, &unix.SockaddrNetlink{Family: unix.AF_NETLINK}); err != nil {
		return fmt.Errorf("asking for this host's addresses: %w", err)
	}
	list := make(map[netip.Addr]uint32)
	buf := make([]byte, 64<<10) // the kernel's dumps come in 32 KiB at the most
	for {
		n, from, err := unix.Recvfrom(a.fd, buf, 0)
		if errors.Is(err, unix.EINTR) {
			continue
		}
		if err != nil {
			return fmt.Errorf("waiting for this host's addresses: %w", err)
		}
		if k, ok := from.(*unix.SockaddrNetlink); !ok || k.Pid != 0 {
			continue
		}
		messages, err := syscall.ParseNetlinkMessage(buf[:n])
		if err != nil {
			return fmt.Errorf("reading this host's addresses: %w", err)
		}
		for i := range messages {
			m := &messages[i]
			if m.Header.Seq != a.last {
				continue // the rest of a reading that failed
			}
			switch m.Header.Type {
			case unix.NLMSG_DONE:
				a.list.Store(&list)
				a.read.Store(int64(time.Since(a.from)))
				return nil
			case unix.NLMSG_ERROR:
				return fmt.Errorf("asking for this host's addresses: %w", parseError(m.Data))
			case unix.RTM_NEWADDR:
				if ip, link, ok := parseInterfaceAddress(m); ok && len(list) < maxAddresses {
					list[ip] = link
				}
			}
		}
	}
}

// parseInterfaceAddress reads a struct ifaddrmsg and its attributes. syscall.ParseNetlinkRouteAttr would panic where the last of them is
// not padded.
func parseInterfaceAddress(m *syscall.NetlinkMessage) (ip netip.Addr, link uint32, ok bool) {
	if len(m.Data) < unix.SizeofIfAddrmsg {
		return ip, 0, false
	}
	for b := m.Data[unix.SizeofIfAddrmsg:]; len(b) >= unix.SizeofRtAttr; {
		length, kind := int(binary.NativeEndian.Uint16(b)), binary.NativeEndian.Uint16(b[2:])
		if length < unix.SizeofRtAttr || length > len(b) {
			return netip.Addr{}, 0, false
		}
		// On a link from point to point IFA_ADDRESS is the other end.
		if kind == unix.IFA_LOCAL || kind == unix.IFA_ADDRESS && !ip.IsValid() {
			if parsed, isAddress := netip.AddrFromSlice(b[unix.SizeofRtAttr:length]); isAddress {
				ip = parsed
			}
		}
		b = b[min(len(b), (length+unix.RTA_ALIGNTO-1)&^(unix.RTA_ALIGNTO-1)):]
	}
	return ip, binary.NativeEndian.Uint32(m.Data[4:]), ip.IsValid()
}
