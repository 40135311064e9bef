package main

import (
	"fmt"
	"os/exec"
	"strconv"
	"syscall"
)

// The ends of the wire.
const (
	nearName    = "near"
	nearAddress = "10.99.9.1"
	farAddress  = "10.99.9.2"
)

// network is a namespace at the other end of a wire, held by a process.
type network struct{ holder *exec.Cmd }

// newWire makes a wire whose packets are those of an Ethernet: 1500 bytes at the most, nothing split or joined by the network card.
func newWire() (*network, error) {
	n := &network{exec.Command("sleep", "3600")}
	n.holder.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNET, Pdeathsig: syscall.SIGKILL}
	if err := n.holder.Start(); err != nil {
		return nil, fmt.Errorf("making a network namespace: %w", err)
	}
	pid := strconv.Itoa(n.holder.Process.Pid)
	for _, args := range [][]string{
		{"ip", "link", "add", nearName, "type", "veth", "peer", "name", "far", "netns", pid},
		{"ip", "link", "set", nearName, "gso_max_segs", "1"},
		{"ip", "address", "add", nearAddress + "/24", "dev", nearName},
		{"ip", "link", "set", nearName, "up"},
		n.enter([]string{"ip", "link", "set", "far", "gso_max_segs", "1"}),
		n.enter([]string{"ip", "address", "add", farAddress + "/24", "dev", "far"}),
		n.enter([]string{"ip", "link", "set", "far", "up"}),
	} {
		if out, err := exec.Command(args[0], args[1:]...).CombinedOutput(); err != nil {
			n.close()
			return nil, fmt.Errorf("%v: %w\n%s", args, err, out)
		}
	}
	return n, nil
}

// enter makes a command one within the namespace.
func (n *network) enter(args []string) []string {
	return append([]string{"nsenter", fmt.Sprintf("--net=/proc/%d/ns/net", n.holder.Process.Pid), "--"}, args...)
}

func (n *network) close() {
	n.holder.Process.Kill()
	n.holder.Wait()
}
