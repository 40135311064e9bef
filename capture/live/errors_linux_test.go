package live

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/etcdtap/etcdtap/capture"
)

// TestOpenErrors checks what is said when a capture cannot begin.
func TestOpenErrors(t *testing.T) {
	n := newNamespace(t)
	n.veth(t, "v0", "v1")
	n.ip(t, "link set v1 down")
	none := filepath.Join(t.TempDir(), "none")
	for _, w := range ways() {
		for _, tt := range []struct {
			name    string
			options Options
			want    []string
		}{
			{"no such interface", Options{Interfaces: []string{"eth77"}, NetNS: n.path}, []string{`no interface "eth77"`, "v0", "lo", "any", "capture -D"}},
			{"a name too long", Options{Interfaces: []string{strings.Repeat("x", 99)}, NetNS: n.path}, []string{"no interface"}},
			{"second of several", Options{Interfaces: []string{"lo", "eth77"}, NetNS: n.path}, []string{`no interface "eth77"`}},
			{"down", Options{Interfaces: []string{"v1"}, NetNS: n.path}, []string{"interface v1 is down", "ip link set v1 up"}},
			{"any and another", Options{Interfaces: []string{Any, "lo"}, NetNS: n.path}, []string{`"any" is all of them`}},
			{"no namespace", Options{NetNS: none}, []string{"no network namespace at " + none, "/run/netns/NAME"}},
			{"another kind of namespace", Options{NetNS: "/proc/self/ns/uts"}, []string{"is not a network namespace"}},
			{"snapshot length", Options{SnapLen: -1}, []string{"snapshot length of -1"}},
			{"buffer", Options{Buffer: 2 << 30}, []string{"buffer of 2147483648"}},
			{"ports", Options{Ports: make([]uint16, maxPorts+1)}, []string{"501 ports"}},
		} {
			s, err := openWith(tt.options, w.open)
			if err == nil {
				s.Close()
				t.Errorf("%s, %s: no error", w.name, tt.name)
				continue
			}
			for _, want := range tt.want {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("%s, %s: %q does not say %q", w.name, tt.name, err, want)
				}
			}
		}
	}
}

// TestExpression checks filter expressions, which one build has and the other has not.
func TestExpression(t *testing.T) {
	if !capture.HasPcap {
		if _, err := Open(Options{Expression: "tcp"}); err == nil || !strings.Contains(err.Error(), "libpcap") {
			t.Errorf("without libpcap: %v", err)
		}
		return
	}
	if _, err := Open(Options{Expression: "tcp port or"}); err == nil || !strings.Contains(err.Error(), "syntax error") {
		t.Errorf("a bad expression: %v", err)
	}
	n := newNamespace(t)
	s, err := Open(Options{Interfaces: []string{"lo"}, NetNS: n.path, Expression: "tcp[tcpflags] & tcp-syn != 0 and dst port 2379"})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	n.exchange(t, "127.0.0.1:2379", 100)
	n.exchange(t, "127.0.0.1:2380", 100)
	if all := drain(t, s); len(all) != 1 || all[0].segment.DstPort != 2379 {
		t.Errorf("%d packets, expected the SYN", len(all))
	}
}

// TestPermission opens a capture as a user who may not. The test runs itself as that user.
func TestPermission(t *testing.T) {
	if os.Getenv("LIVE_TEST_UNPRIVILEGED") != "" {
		for _, w := range ways() {
			_, err := openWith(Options{}, w.open)
			p, ok := errors.AsType[*PermissionError](err)
			if !ok || p.Capability != "CAP_NET_RAW" || !errors.Is(err, fs.ErrPermission) || !strings.Contains(err.Error(), "CAP_NET_RAW") {
				t.Errorf("%s: %v", w.name, err)
			}
			_, err = openWith(Options{NetNS: "/proc/1/ns/net"}, w.open)
			if p, ok := errors.AsType[*PermissionError](err); !ok || p.Capability != "CAP_SYS_PTRACE" {
				t.Errorf("%s: %v", w.name, err)
			}
		}
		return
	}
	if os.Geteuid() != 0 {
		t.Skipf("SKIPPED: only root can become a user without privileges, and this is user %d", os.Geteuid())
	}
	binary, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	dir, err := os.MkdirTemp("", "live")
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(dir)
	copied := filepath.Join(dir, "live.test")
	content, err := os.ReadFile(binary)
	if err == nil {
		err = errors.Join(os.Chmod(dir, 0o755), os.WriteFile(copied, content, 0o755))
	}
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(copied, "-test.run", "^TestPermission$", "-test.v")
	cmd.Env = append(os.Environ(), "LIVE_TEST_UNPRIVILEGED=1")
	cmd.Dir = "/"
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
	if out, err := cmd.CombinedOutput(); err != nil || !strings.Contains(string(out), "--- PASS: TestPermission") {
		t.Errorf("as nobody: %v\n%s", err, out)
	}
}

// TestClose opens and closes often, and nothing may be left behind.
func TestClose(t *testing.T) {
	n := newNamespace(t)
	n.veth(t, "v0", "v1")
	for _, w := range ways() {
		for _, names := range [][]string{{"lo"}, {"v0", "v1"}} {
			cycle := func() {
				s, err := openWith(Options{Interfaces: names, NetNS: n.path, Buffer: 1 << 20}, w.open)
				if err != nil {
					t.Fatal(err)
				}
				var p capture.Packet
				if err := s.Next(&p); err != ErrIdle && err != nil {
					t.Fatal(err)
				}
				if err := errors.Join(s.Close(), s.Close()); err != nil {
					t.Error(err)
				}
				if err := s.Next(&p); err != io.EOF {
					t.Errorf("after Close: %v", err)
				}
				s.Stats()
			}
			cycle()
			files, goroutines := descriptors(t), runtime.NumGoroutine()
			for range 5 {
				cycle()
			}
			for deadline := time.Now().Add(10 * time.Second); ; time.Sleep(10 * time.Millisecond) {
				f, g := descriptors(t), runtime.NumGoroutine()
				if f <= files && g <= goroutines {
					break
				}
				if time.Now().After(deadline) {
					t.Errorf("%s %v: %d descriptors became %d, %d goroutines %d", w.name, names, files, f, goroutines, g)
					break
				}
			}
		}
	}
}

func descriptors(t *testing.T) int {
	t.Helper()
	entries, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	return len(entries)
}

// TestDevices lists the interfaces of a namespace in tcpdump's order.
func TestDevices(t *testing.T) {
	n := newNamespace(t)
	n.veth(t, "eth1", "eth0")
	n.ip(t, "link add eth2 type veth peer name eth3")
	n.ip(t, "address add 10.9.8.7/24 dev eth1")
	var devices []Device
	running := func(name string) bool {
		return slices.ContainsFunc(devices, func(d Device) bool { return d.Name == name && d.Running })
	}
	for deadline := time.Now().Add(20 * time.Second); !running("eth0") || !running("eth1"); time.Sleep(time.Millisecond) { // the kernel connects them in its own time
		var err error
		if devices, err = DevicesIn(n.path); err != nil {
			t.Fatal(err)
		}
		if time.Now().After(deadline) {
			t.Fatalf("eth0 and eth1 do not run: %+v", devices)
		}
	}
	var names []string
	for _, d := range devices {
		names = append(names, d.Name)
		if d.Name == "eth1" && (!d.Up || d.Loopback || len(d.Addresses) != 1 || d.Addresses[0] != "10.9.8.7/24") {
			t.Errorf("%+v", d)
		}
		if d.Loopback != (d.Name == "lo") {
			t.Errorf("%+v", d)
		}
	}
	if got := strings.Join(names, " "); got != "eth0 eth1 any lo eth2 eth3" {
		t.Errorf("devices %s", got)
	}
	if name, err := byNumber("2", n.path); name != "eth1" || err != nil {
		t.Errorf("number 2 is %q, %v", name, err)
	}
}
