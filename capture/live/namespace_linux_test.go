package live

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// namespace is a network namespace of a test's own, with loopback up and nothing else in it.
type namespace struct {
	path string
	work chan func()
}

// newNamespace makes a namespace that lasts as long as the test.
func newNamespace(t *testing.T) *namespace {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skipf("SKIPPED: capturing from interfaces and making network namespaces needs root, and this is user %d", os.Geteuid())
	}
	if _, err := exec.LookPath("ip"); err != nil {
		t.Skipf("SKIPPED: nothing is captured from interfaces without ip of iproute2: %v", err)
	}
	n := &namespace{work: make(chan func())}
	entered, done := make(chan error), make(chan struct{})
	go func() {
		defer close(done)
		runtime.LockOSThread() // and never unlocked: the namespace ends with the thread
		if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
			entered <- err
			return
		}
		n.path = fmt.Sprintf("/proc/self/task/%d/ns/net", unix.Gettid())
		entered <- nil
		for f := range n.work {
			f()
		}
	}()
	if err := <-entered; err != nil {
		t.Skipf("SKIPPED: nothing is captured from interfaces, for no network namespace can be made here: %v", err)
	}
	t.Cleanup(func() {
		close(n.work)
		<-done
	})
	n.ip(t, "link set lo up")
	return n
}

// do runs f in the namespace.
func (n *namespace) do(f func()) {
	done := make(chan struct{})
	n.work <- func() {
		defer close(done)
		f()
	}
	<-done
}

// ip runs ip(8) in the namespace.
func (n *namespace) ip(t *testing.T, command string) {
	t.Helper()
	var out []byte
	var err error
	n.do(func() { out, err = exec.Command("ip", strings.Fields(command)...).CombinedOutput() })
	if err != nil {
		t.Fatalf("ip %s: %v: %s", command, err, out)
	}
}

// veth makes a pair of connected interfaces, both up, with IPv6 silent so that nothing else is on the wire.
func (n *namespace) veth(t *testing.T, a, b string) {
	t.Helper()
	n.ip(t, "link add "+a+" type veth peer name "+b)
	for _, name := range []string{a, b} {
		n.ip(t, "link set "+name+" addrgenmode none up")
	}
	for _, name := range []string{a, b} { // until then the kernel drops what is sent, without a word
		for end := time.Now().Add(30 * time.Second); !n.running(name); time.Sleep(5 * time.Millisecond) {
			if time.Now().After(end) {
				t.Fatalf("interface %s does not run", name)
			}
		}
		n.ip(t, "link set "+name+" up") // waits for whoever is about to have it run
	}
}

// running reports whether an interface can send.
func (n *namespace) running(name string) (running bool) {
	n.do(func() {
		i, err := net.InterfaceByName(name)
		running = err == nil && i.Flags&net.FlagRunning != 0
	})
	return running
}
