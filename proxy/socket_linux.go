package proxy

import (
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// acceptSocket accepts a connection. Package unix would ask for the socket's protocol, too. Its options it inherits from its listener.
func acceptSocket(listener int) (int, syscall.Sockaddr, error) {
	for {
		fd, from, err := syscall.Accept4(listener, unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC)
		if err != syscall.EINTR && err != syscall.ECONNABORTED {
			return fd, from, err
		}
	}
}

func newSocket(family int) (int, error) {
	return unix.Socket(family, unix.SOCK_STREAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
}

func setKeepAliveTimes(fd int) {
	unix.SetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_KEEPIDLE, int(keepAliveIdle/time.Second))
	unix.SetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_KEEPINTVL, int(keepAliveInterval/time.Second))
	unix.SetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_KEEPCNT, keepAliveCount)
}

// unsent is how many bytes that were written to fd its other end has not taken.
func unsent(fd int) int32 {
	n, err := unix.IoctlGetInt(fd, unix.SIOCOUTQ)
	if err != nil {
		return 0
	}
	return int32(n)
}
