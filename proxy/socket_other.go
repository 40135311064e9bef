//go:build unix && !linux

package proxy

import (
	"syscall"

	"golang.org/x/sys/unix"
)

// acceptSocket accepts a connection.
func acceptSocket(listener int) (int, syscall.Sockaddr, error) {
	syscall.ForkLock.RLock()
	defer syscall.ForkLock.RUnlock()
	for {
		fd, from, err := syscall.Accept(listener)
		switch err {
		case unix.EINTR, unix.ECONNABORTED:
			continue
		case nil:
			unix.CloseOnExec(fd)
			unix.SetNonblock(fd, true)
			if _, ok := from.(*syscall.SockaddrUnix); !ok {
				setNoDelay(fd)
				setKeepAlive(fd)
			}
		}
		return fd, from, err
	}
}

func newSocket(family int) (int, error) {
	syscall.ForkLock.RLock()
	defer syscall.ForkLock.RUnlock()
	fd, err := unix.Socket(family, unix.SOCK_STREAM, 0)
	if err == nil {
		unix.CloseOnExec(fd)
		unix.SetNonblock(fd, true)
	}
	return fd, err
}

// setKeepAliveTimes leaves the times at the system's.
func setKeepAliveTimes(int) {}

// unsent is not known.
func unsent(int) int32 { return 0 }
