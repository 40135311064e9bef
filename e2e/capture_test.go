package e2e

import (
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/etcdtap/etcdtap/e2e/lab"
	"github.com/etcdtap/etcdtap/e2e/scenario"
)

// site is a real etcd on loopback that clients talk to while etcdtap captures.
type site struct {
	lab  *lab.Lab
	pki  string
	etcd *lab.Etcd
}

// TestCapture runs `etcdtap capture` beside one etcd, as people run it, with what goes wrong then.
func TestCapture(t *testing.T) {
	l := newLab(t)
	s := &site{lab: l, pki: writePKI(t, l)}
	var err error
	if s.etcd, err = l.Start(t.Context(), scenario.Secure.Member(lab.Etcd35, s.pki)); err != nil {
		t.Fatal(err)
	}
	defer s.etcd.Stop()
	for _, test := range []struct {
		name string
		run  func(*testing.T, *site)
	}{
		{"log in both orders, rotated, cut short, gone", captureLog},
		{"log on standard input", captureLogPiped},
		{"write", captureWrite},
		{"write to standard output", captureWriteStdout},
		{"write handshakes", captureWriteHandshakes},
		{"rotate by size", captureRotateSize},
		{"rotate by time", captureRotateTime},
		{"rotate where one may not", captureRotateDenied},
		{"count and duration", captureCount},
		{"statistics", captureStatistics},
		{"nothing lost at the end", captureEnd},
		{"a trickle", captureTrickle},
		{"kill -9", captureKilled},
		{"disk full", captureDiskFull},
		{"reader gone", captureReaderGone},
		{"reader stalls", captureReaderStalls},
		{"metrics", captureMetrics},
		{"processes", captureProcesses},
		{"privileges", capturePrivileges},
		{"without the privilege", captureUnprivileged},
		{"soak", captureSoak},
	} {
		t.Run(test.name, func(t *testing.T) { test.run(t, s) })
	}
}

// capturing captures from loopback, with the lab's ports.
func (s *site) capturing(t *testing.T, args ...string) *tap {
	t.Helper()
	return capturing(t, s.arguments(args...)...)
}

func (s *site) arguments(args ...string) []string {
	return append(append([]string{"-i", "lo"}, portArguments(s.lab.Ports)...), args...)
}

func (s *site) address() string { return fmt.Sprintf("127.0.0.1:%d", s.lab.Ports.Client) }

// reject makes a connection that etcd rejects: a client without TLS. It returns the client's address when etcd has closed.
func (s *site) reject(t *testing.T) netip.AddrPort {
	t.Helper()
	return talk(t, s.address())
}

// talk sends a request without TLS, waits for the server to close, and returns the client's address.
func talk(t *testing.T, server string) netip.AddrPort {
	t.Helper()
	c, err := net.DialTimeout("tcp", server, patience)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	c.SetDeadline(time.Now().Add(patience))
	io.WriteString(c, "GET /health HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
	io.Copy(io.Discard, c)
	return c.LocalAddr().(*net.TCPAddr).AddrPort()
}

// servePlaintext answers connections without TLS, until the test ends.
func servePlaintext(t *testing.T, address string) string {
	t.Helper()
	return serve(t, address, func(c net.Conn) {
		io.ReadFull(c, make([]byte, 16))
		io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
	})
}

// serve gives each connection to f and closes it then, until the test ends. It returns where it listens.
func serve(t *testing.T, address string, f func(net.Conn)) string {
	t.Helper()
	l, err := net.Listen("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer c.Close()
				f(c)
			}()
		}
	}()
	return l.Addr().String()
}

// clientArguments are what a client of this etcd needs.
func (s *site) clientArguments() []string {
	path := func(name string) string { return filepath.Join(s.pki, name) }
	return []string{"--cacert", path("ca.crt"), "--cert", path("healthcheck-client.crt"), "--key", path("healthcheck-client.key")}
}

// put stores a value of so many bytes, which both cross the wire.
func (s *site) put(t *testing.T, size int) {
	t.Helper()
	cmd := exec.Command(filepath.Join(s.lab.Bin, string(lab.Etcdctl)), append(s.clientArguments(), "--endpoints", s.address(), "put", "bulk")...)
	cmd.Stdin = strings.NewReader(strings.Repeat("x", size))
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("etcdctl put: %v\n%s", err, out)
	}
}

// last is the last report of a client's connection; nil when there is none.
func last(reports []object, client netip.AddrPort) (found object) {
	for _, r := range reports {
		if c := r["client"].(object); c["port"] == float64(client.Port()) {
			found = r
		}
	}
	return found
}

// expectCode waits for the report of a client's connection and holds it to a finding.
func (c *tap) expectCode(t *testing.T, client netip.AddrPort, code string) object {
	t.Helper()
	var found object
	eventually(t, fmt.Sprintf("no report of %v with %s", client, code), func() bool {
		found = last(c.objects(t, "connection"), client)
		return found != nil && strings.Contains(fmt.Sprint(codes(found)), code)
	})
	return found
}

// readable reads a capture file with etcdtap and with tcpdump, and returns the connections.
func (s *site) readable(t *testing.T, file string) []object {
	t.Helper()
	if out, err := exec.Command("tcpdump", "-n", "-r", file).CombinedOutput(); err != nil {
		t.Errorf("tcpdump -r %s: %v\n%.1000s", filepath.Base(file), err, out)
	}
	return readObjects(t, file, s.lab.Ports)
}

// openDirectory is a directory that everyone may write to.
func openDirectory(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "etcdtap-e2e-open-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	if err := os.Chmod(dir, 0o777); err != nil {
		t.Fatal(err)
	}
	return dir
}
