package proxy

import (
	"net"
	"net/netip"
	"strconv"
	"syscall"

	"golang.org/x/sys/unix"
)

func readSocket(fd int, p []byte) (int, error) {
	for {
		n, err := unix.Read(fd, p)
		if err != unix.EINTR {
			return max(n, 0), err
		}
	}
}

func writeSocket(fd int, p []byte) (int, error) {
	for {
		n, err := unix.Write(fd, p)
		if err != unix.EINTR {
			return max(n, 0), err
		}
	}
}

// socketError takes the error that is pending at a socket. nil if there is none.
func socketError(fd int) error {
	n, err := unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_ERROR)
	if err != nil {
		return err
	}
	if n != 0 {
		return unix.Errno(n)
	}
	return nil
}

// writable reports whether fd can be written to, without an error that is pending.
func writable(fd int) bool {
	p := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLOUT}}
	n, err := unix.Poll(p, 0)
	return n == 1 && err == nil && p[0].Revents == unix.POLLOUT
}

// resetOnClose makes closing fd send an RST. A unix socket has none, it just closes.
func resetOnClose(fd int) {
	if fd >= 0 {
		unix.SetsockoptLinger(fd, unix.SOL_SOCKET, unix.SO_LINGER, &unix.Linger{Onoff: 1})
	}
}

// setNoDelay makes a TCP socket send what it has at once. On others it does nothing.
func setNoDelay(fd int) { unix.SetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_NODELAY, 1) }

// setKeepAlive makes a TCP socket find out that its peer has vanished.
func setKeepAlive(fd int) {
	unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_KEEPALIVE, 1)
	setKeepAliveTimes(fd)
}

// sockaddr is the address for connect, and its family.
func sockaddr(a netip.AddrPort) (unix.Sockaddr, int) {
	ip := a.Addr()
	if ip.Is4() {
		return &unix.SockaddrInet4{Port: int(a.Port()), Addr: ip.As4()}, unix.AF_INET
	}
	return &unix.SockaddrInet6{Port: int(a.Port()), Addr: ip.As16(), ZoneId: zone(ip.Zone())}, unix.AF_INET6
}

// zone is the index of an interface named, or numbered, in an IPv6 address.
func zone(name string) uint32 {
	if n, err := strconv.ParseUint(name, 10, 32); err == nil {
		return uint32(n)
	}
	if i, err := net.InterfaceByName(name); err == nil {
		return uint32(i.Index)
	}
	return 0
}

// endpoint is the address in s; zero for a unix socket.
func endpoint(s syscall.Sockaddr) netip.AddrPort {
	switch s := s.(type) {
	case *syscall.SockaddrInet4:
		return netip.AddrPortFrom(netip.AddrFrom4(s.Addr), uint16(s.Port))
	case *syscall.SockaddrInet6:
		ip := netip.AddrFrom16(s.Addr).Unmap()
		if s.ZoneId != 0 && ip.Is6() {
			ip = ip.WithZone(strconv.Itoa(int(s.ZoneId)))
		}
		return netip.AddrPortFrom(ip, uint16(s.Port))
	}
	return netip.AddrPort{}
}

// localEndpoint is the address of our end of fd; zero for a unix socket.
func localEndpoint(fd int) netip.AddrPort {
	s, err := syscall.Getsockname(fd)
	if err != nil {
		return netip.AddrPort{}
	}
	return endpoint(s)
}
