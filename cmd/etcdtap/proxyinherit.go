package main

import (
	"fmt"
	"net"
	"os"
	"strconv"
	"syscall"
)

// firstInherited is the descriptor of the first socket that systemd passes (sd_listen_fds(3)).
const firstInherited = 3

// maxInherited bounds how many are taken.
const maxInherited = 128

// inheritedListeners are the sockets that systemd passed.
func (e *environment) inheritedListeners() ([]net.Listener, error) {
	if e.getenv("LISTEN_PID") != strconv.Itoa(os.Getpid()) {
		return nil, nil
	}
	n, err := strconv.Atoi(e.getenv("LISTEN_FDS"))
	if err != nil || n < 0 || n > maxInherited {
		return nil, fmt.Errorf("LISTEN_FDS expects a number of sockets up to %d, got %q: see sd_listen_fds(3)", maxInherited, e.getenv("LISTEN_FDS"))
	}
	var list []net.Listener
	for fd := firstInherited; fd < firstInherited+n; fd++ {
		syscall.CloseOnExec(fd)
		if listens, err := syscall.GetsockoptInt(fd, syscall.SOL_SOCKET, syscall.SO_ACCEPTCONN); err == nil && listens == 0 {
			return nil, fmt.Errorf("descriptor %d from systemd is a socket that does not listen: want ListenStream= and Accept=no, see systemd.socket(5)", fd)
		}
		f := os.NewFile(uintptr(fd), "socket from systemd")
		l, err := net.FileListener(f)
		f.Close()
		if err != nil {
			return nil, fmt.Errorf("descriptor %d from systemd is no socket that listens: %w; see ListenStream= in systemd.socket(5)", fd, err)
		}
		list = append(list, l)
	}
	return list, nil
}
