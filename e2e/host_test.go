package e2e

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/etcdtap/etcdtap/e2e/lab"
)

// host is a network namespace, held by a process in it.
type host struct{ pid int }

// newHost makes a host whose loopback is up. It ends with the test.
func newHost(t *testing.T) *host {
	t.Helper()
	cmd := exec.Command("sleep", "3600")
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNET, Pdeathsig: syscall.SIGKILL}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		cmd.Process.Kill()
		cmd.Wait()
	})
	h := &host{pid: cmd.Process.Pid}
	// Neighbour discovery and router solicitation would be packets that nobody here sent.
	h.run(t, "sh", "-c", "echo 1 >/proc/sys/net/ipv6/conf/default/disable_ipv6 || true; echo 1 >/proc/sys/net/ipv6/conf/all/disable_ipv6 || true")
	h.run(t, "ip", "link", "set", "lo", "up")
	return h
}

// path is where the namespace can be entered.
func (h *host) path() string { return fmt.Sprintf("/proc/%d/ns/net", h.pid) }

// command is a command on this host.
func (h *host) command(args ...string) *exec.Cmd {
	cmd := exec.Command("nsenter", append([]string{"--net=" + h.path(), "--"}, args...)...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	return cmd
}

// run runs one to its end, which has to be a success.
func (h *host) run(t *testing.T, args ...string) string {
	t.Helper()
	out, err := h.command(args...).CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %v\n%s", args, err, out)
	}
	return string(out)
}

// wire connects two hosts: name@address on either side.
func wire(t *testing.T, a *host, nameA, addressA string, b *host, nameB, addressB string) {
	t.Helper()
	a.run(t, "ip", "link", "add", nameA, "type", "veth", "peer", "name", nameB, "netns", strconv.Itoa(b.pid))
	for _, end := range []struct {
		h             *host
		name, address string
	}{{a, nameA, addressA}, {b, nameB, addressB}} {
		end.h.run(t, "ip", "address", "add", end.address, "dev", end.name)
		end.h.run(t, "ip", "link", "set", end.name, "up")
	}
}

// etcd starts an etcd with TLS on this host, with unusual ports, and waits until it is healthy.
func (h *host) etcd(t *testing.T, l *lab.Lab, certificates, address string, client, peer int) *exec.Cmd {
	t.Helper()
	path := func(name string) string { return filepath.Join(certificates, name) }
	url := func(port int) string { return fmt.Sprintf("https://%s:%d", address, port) }
	log, err := os.Create(filepath.Join(t.TempDir(), "etcd.log"))
	if err != nil {
		t.Fatal(err)
	}
	defer log.Close()
	program := filepath.Join(t.TempDir(), "etcd") // --pid knows it by this name
	if err := os.Symlink(filepath.Join(l.Bin, string(lab.Etcd35)), program); err != nil {
		t.Fatal(err)
	}
	cmd := h.command(program, "--name=cp-1", "--data-dir="+t.TempDir(), "--logger=zap",
		"--listen-client-urls="+url(client), "--advertise-client-urls="+url(client),
		"--listen-peer-urls="+url(peer), "--initial-advertise-peer-urls="+url(peer), "--initial-cluster=cp-1="+url(peer),
		"--listen-metrics-urls=http://127.0.0.1:2381", "--enable-grpc-gateway=false",
		"--cert-file="+path("server.crt"), "--key-file="+path("server.key"), "--trusted-ca-file="+path("ca.crt"), "--client-cert-auth=true",
		"--peer-cert-file="+path("peer.crt"), "--peer-key-file="+path("peer.key"), "--peer-trusted-ca-file="+path("ca.crt"), "--peer-client-cert-auth=true")
	cmd.Stdout, cmd.Stderr = log, log
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		cmd.Process.Kill()
		cmd.Wait()
	})
	eventually(t, "etcd is not healthy", func() bool {
		out, err := h.command("curl", "-s", "-m", "5", "http://127.0.0.1:2381/health").Output()
		return err == nil && strings.Contains(string(out), "true")
	})
	return cmd
}
