package live

import (
	"errors"
	"fmt"
	"io/fs"
	"runtime"

	"golang.org/x/sys/unix"
)

// within runs f in the network namespace at path; "" is our own. Sockets that f opens stay in that namespace.
//
// A thread enters a namespace for itself, so f runs on a thread that nothing else uses and that ends with f: a thread that failed to find
// its way back would leave other goroutines in the wrong namespace.
func within(path string, f func() error) error {
	if path == "" {
		return f()
	}
	fd, err := unix.Open(path, unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return cannotEnter(path, "CAP_SYS_PTRACE", err)
	}
	defer unix.Close(fd)
	if isOwn(fd) {
		return f() // also without the privilege to enter one, as for a pod on the host's network
	}
	done := make(chan error)
	go func() {
		runtime.LockOSThread() // and never unlocked: the thread ends here
		if err := unix.Setns(fd, unix.CLONE_NEWNET); err != nil {
			done <- cannotEnter(path, "CAP_SYS_ADMIN", err)
			return
		}
		done <- f()
	}()
	return <-done
}

// isOwn reports whether the descriptor is of the namespace that this process is in.
func isOwn(fd int) bool {
	var own, other unix.Stat_t
	return unix.Stat("/proc/thread-self/ns/net", &own) == nil && unix.Fstat(fd, &other) == nil &&
		own.Ino == other.Ino && own.Dev == other.Dev
}

func cannotEnter(path, capability string, err error) error {
	switch {
	case errors.Is(err, fs.ErrPermission):
		return &PermissionError{Doing: "entering the network namespace " + path, Capability: capability, Err: err}
	case errors.Is(err, fs.ErrNotExist):
		return fmt.Errorf("there is no network namespace at %s: expected /run/netns/NAME (ip netns list) or /proc/PID/ns/net", path)
	case errors.Is(err, unix.EINVAL):
		return fmt.Errorf("%s is not a network namespace: expected /run/netns/NAME (ip netns list) or /proc/PID/ns/net", path)
	}
	return fmt.Errorf("entering the network namespace %s: %w", path, err)
}
