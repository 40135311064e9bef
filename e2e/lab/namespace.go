package lab

import (
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"os/signal"
	"syscall"

	"golang.org/x/sys/unix"
)

// insideVariable marks the program that Enter started; its value says whether the network is its own.
const insideVariable = "ETCDTAP_LAB"

const (
	ownNetwork    = "own"
	sharedNetwork = "shared"
)

// Ports are where an etcd of the lab listens.
type Ports struct {
	Client, Peer, Metrics uint16
}

// usualPorts are etcd's and kubeadm's own.
func usualPorts() Ports {
	return Ports{Client: 2379, Peer: 2380, Metrics: 2381}
}

// Isolated says whether the network namespace is the lab's own.
func Isolated() bool { return os.Getenv(insideVariable) == ownNetwork }

// Enter runs the program again in a network namespace of its own and returns its exit code and false. In the program
// that it started it returns true. Where namespaces are forbidden it returns true at once: the network is then shared.
func Enter() (code int, inside bool) {
	switch os.Getenv(insideVariable) {
	case ownNetwork:
		if err := loopbackUp(); err != nil {
			fmt.Fprintf(os.Stderr, "lab: %v\n", err)
			return 1, false
		}
		return 0, true
	case sharedNetwork:
		return 0, true
	}
	cmd := exec.Command("/proc/self/exe", os.Args[1:]...)
	cmd.Args[0] = os.Args[0]
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	cmd.Env = append(os.Environ(), insideVariable+"="+ownNetwork)
	cmd.SysProcAttr = namespaceAttributes()
	if err := cmd.Start(); err != nil {
		fmt.Fprintf(os.Stderr, "lab: no network namespace of our own (%v): using free ports of the shared one\n", err)
		os.Setenv(insideVariable, sharedNetwork)
		return 0, true
	}
	return wait(cmd), false
}

// namespaceAttributes asks for a network namespace, and for a user namespace first where we are not root.
func namespaceAttributes() *syscall.SysProcAttr {
	attr := &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNET, Pdeathsig: syscall.SIGKILL}
	if os.Geteuid() != 0 {
		attr.Cloneflags |= syscall.CLONE_NEWUSER
		attr.UidMappings = []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getuid(), Size: 1}}
		attr.GidMappings = []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getgid(), Size: 1}}
	}
	return attr
}

// wait waits for the program, leaving it to handle the interrupts that the terminal sends to both of us.
func wait(cmd *exec.Cmd) int {
	signal.Ignore(os.Interrupt)
	err := cmd.Wait()
	var exit *exec.ExitError
	switch {
	case err == nil:
		return 0
	case errors.As(err, &exit) && exit.ExitCode() >= 0:
		return exit.ExitCode()
	}
	fmt.Fprintf(os.Stderr, "lab: %v\n", err)
	return 1
}

// loopbackUp switches the namespace's loopback interface on: it starts down.
func loopbackUp() error {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return fmt.Errorf("opening a socket: %w", err)
	}
	defer unix.Close(fd)
	request, err := unix.NewIfreq("lo")
	if err != nil {
		return err
	}
	if err := unix.IoctlIfreq(fd, unix.SIOCGIFFLAGS, request); err != nil {
		return fmt.Errorf("reading the flags of lo: %w", err)
	}
	request.SetUint16(request.Uint16() | unix.IFF_UP)
	if err := unix.IoctlIfreq(fd, unix.SIOCSIFFLAGS, request); err != nil {
		return fmt.Errorf("switching lo on: %w", err)
	}
	return nil
}

// choosePorts gives etcd's usual ports where the network is ours and free ones where it is not.
func choosePorts() (Ports, error) {
	if Isolated() {
		return usualPorts(), nil
	}
	var free [3]uint16
	for i := range free {
		l, err := net.Listen("tcp4", "127.0.0.1:0")
		if err != nil {
			return Ports{}, fmt.Errorf("looking for a free port: %w", err)
		}
		defer l.Close() // held until all are chosen, so that they differ
		free[i] = uint16(l.Addr().(*net.TCPAddr).Port)
	}
	return Ports{free[0], free[1], free[2]}, nil
}
