package owner

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/etcdtap/etcdtap/analysis"
	"github.com/etcdtap/etcdtap/capture/privilege"
)

// patience is how long a test waits for what takes milliseconds on an idle machine.
const patience = 30 * time.Second

var roles = map[string]func() error{"parent": roleParent, "asker": roleAsker, "client": roleClient, "dropped": roleDropped}

func start(t *testing.T, o Options) *Finder {
	t.Helper()
	f, err := Start(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := f.Close(); err != nil {
			t.Error(err)
		}
	})
	return f
}

// connect gives both ends of a connection over loopback.
func connect(t *testing.T, address string) (client, server net.Conn) {
	t.Helper()
	l, err := net.Listen("tcp", address)
	if err != nil {
		t.Skipf("SKIPPED: connections of %s were not looked up, for one cannot listen there: %v", address, err)
	}
	defer l.Close()
	if client, err = net.Dial("tcp", l.Addr().String()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { client.Close() })
	if server, err = l.Accept(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { server.Close() })
	return client, server
}

func addrPort(t *testing.T, a net.Addr) netip.AddrPort {
	t.Helper()
	p, err := netip.ParseAddrPort(a.String())
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// isThisProcess checks an answer about a connection of the test's own.
func isThisProcess(t *testing.T, p analysis.Process, ok bool) {
	t.Helper()
	if !ok || !p.Known {
		t.Fatalf("not found: %+v", p)
	}
	comm, err := os.ReadFile("/proc/self/comm")
	if err != nil {
		t.Fatal(err)
	}
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	if p.PID != os.Getpid() || !p.UIDKnown || int(p.UID) != os.Getuid() || p.Command != strings.TrimSpace(string(comm)) || p.Executable != exe || len(p.Args) == 0 {
		t.Errorf("got %+v, want this process, %d", p, os.Getpid())
	}
}

func TestOwnProcessIsFound(t *testing.T) {
	f := start(t, Options{})
	for name, address := range map[string]string{"IPv4": "127.0.0.1:0", "another loopback address": "127.8.9.10:0", "IPv6": "[::1]:0"} {
		t.Run(name, func(t *testing.T) {
			c, _ := connect(t, address)
			client, server, at := addrPort(t, c.LocalAddr()), addrPort(t, c.RemoteAddr()), time.Now()
			f.Ask(client, server, at)
			p, ok := f.Answer(client, server, at, patience)
			isThisProcess(t, p, ok)
			if p, ok := f.Answer(client, server, at.Add(2*sameStart), 0); ok {
				t.Errorf("an answer about a connection of another time: %+v", p)
			}
		})
	}
	if s := f.Stats(); s.Known == 0 || s.Known != s.Asked || s.Unknown+s.Dropped+s.Foreign != 0 {
		t.Errorf("counted %+v", s)
	}
}

// A socket of IPv6 may speak IPv4, as most servers' and many clients' do: packets are of IPv4 then.
func TestMappedAddress(t *testing.T) {
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	server := addrPort(t, l.Addr())
	fd, err := unix.Socket(unix.AF_INET6, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Skipf("SKIPPED: IPv4 over a socket of IPv6 was not looked up, for there is no IPv6: %v", err)
	}
	defer unix.Close(fd)
	if err := unix.Connect(fd, &unix.SockaddrInet6{Port: int(server.Port()), Addr: server.Addr().As16()}); err != nil {
		t.Fatal(err)
	}
	c, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	f := start(t, Options{})
	client, at := addrPort(t, c.RemoteAddr()), time.Now()
	f.Ask(client, server, at)
	p, ok := f.Answer(client, server, at, patience)
	isThisProcess(t, p, ok)
	mapped := netip.AddrPortFrom(netip.AddrFrom16(client.Addr().As16()), client.Port())
	p, ok = f.Answer(mapped, server, at, patience)
	isThisProcess(t, p, ok)
}

func TestClosedSocket(t *testing.T) {
	f := start(t, Options{})
	c, s := connect(t, "127.0.0.1:0")
	client, server, at := addrPort(t, c.LocalAddr()), addrPort(t, c.RemoteAddr()), time.Now()
	c.Close()
	s.Close() // TIME_WAIT
	for range 2 {
		f.Ask(client, server, at)
		if p, ok := f.Answer(client, server, at, patience); !ok || p.Known || p.UIDKnown || !strings.Contains(p.Why, "socket") {
			t.Errorf("got %v, %+v", ok, p)
		}
		at = at.Add(time.Second)
	}
	never := netip.MustParseAddrPort("127.0.0.1:1")
	f.Ask(never, server, at)
	if p, ok := f.Answer(never, server, at, patience); !ok || p.Known || !strings.Contains(p.Why, "was gone before") {
		t.Errorf("of a socket that never was: got %v, %+v", ok, p)
	}
}

func TestForeignClientsAreNotAskedFor(t *testing.T) {
	f := start(t, Options{})
	f.addresses.read.Store(int64(time.Hour)) // the list stays fresh, however slow the machine
	server, at := netip.MustParseAddrPort("127.0.0.1:2379"), time.Now()
	for _, a := range []string{"203.0.113.77:4000", "[2001:db8:1:2:3:4:5:6]:4000", "[fe80::abcd%eth0]:4000"} {
		client := netip.MustParseAddrPort(a)
		for range 3 {
			f.Ask(client, server, at)
		}
		if p, ok := f.Answer(client, server, at, 0); ok && p.Why != whyNotYet {
			t.Errorf("%s: got %+v", a, p)
		}
	}
	if s := f.Stats(); s.Foreign != 9 || s.Asked != 0 {
		t.Errorf("counted %+v", s)
	}
	f.addresses.read.Store(-int64(time.Hour)) // the list has become old: it is read again, once
	client := netip.MustParseAddrPort("203.0.113.78:4000")
	f.Ask(client, server, at)
	if p, ok := f.Answer(client, server, at, patience); ok {
		t.Errorf("got %+v", p)
	}
	if s := f.Stats(); s.Foreign != 10 || s.Asked != 0 {
		t.Errorf("counted %+v", s)
	}
}

// A burst beyond what can wait is dropped and said to be, and what is asked afterwards is answered again.
func TestTooManyAtOnce(t *testing.T) {
	f := start(t, Options{})
	server := netip.MustParseAddrPort("127.0.0.1:2379")
	at := time.Now()
	const burst = 3 * maxAnswers
	for i := range burst {
		f.Ask(netip.AddrPortFrom(netip.MustParseAddr("127.0.0.1"), uint16(1+i)), server, at)
	}
	dropped := 0
	for i := range burst {
		if p, ok := f.Answer(netip.AddrPortFrom(netip.MustParseAddr("127.0.0.1"), uint16(1+i)), server, at, patience); ok && p.Why == whyTooMany {
			dropped++
		} else if ok && p.Why == "" {
			t.Fatalf("got %+v", p)
		}
	}
	s := f.Stats()
	if s.Asked != burst || s.Known != 0 || s.Unknown != burst || len(f.answers.byKey) > maxAnswers {
		t.Errorf("counted %+v, %d remembered", s, len(f.answers.byKey))
	}
	t.Logf("%d of %d dropped", s.Dropped, burst)
	c, _ := connect(t, "127.0.0.1:0")
	client, server := addrPort(t, c.LocalAddr()), addrPort(t, c.RemoteAddr())
	var p analysis.Process
	var ok bool
	waitFor(t, "the end of the burst", func() bool { // what is still in the queue goes first
		at = at.Add(time.Second)
		f.Ask(client, server, at)
		p, ok = f.Answer(client, server, at, patience)
		return !ok || p.Why != whyTooMany
	})
	isThisProcess(t, p, ok)
}

// The child gets nothing that is open in its parent, whoever opened it: libpcap does so without O_CLOEXEC.
func TestChildInheritsNothing(t *testing.T) {
	var fds [2]int
	if err := unix.Pipe2(fds[:], 0); err != nil {
		t.Fatal(err)
	}
	defer unix.Close(fds[0])
	start(t, Options{})
	unix.Close(fds[1])
	poll := []unix.PollFd{{Fd: int32(fds[0]), Events: unix.POLLIN}}
	for {
		if _, err := unix.Poll(poll, 0); err != unix.EINTR {
			break
		}
	}
	if poll[0].Revents&unix.POLLHUP == 0 {
		t.Error("the other end of a pipe is still open, in the child")
	}
}

func TestChildThatEndsIsSaid(t *testing.T) {
	f := start(t, Options{})
	if err := unix.Kill(f.pid, unix.SIGINT); err != nil { // Ctrl-C goes to the whole group: it is for the parent
		t.Fatal(err)
	}
	c, _ := connect(t, "127.0.0.1:0")
	client, server, at := addrPort(t, c.LocalAddr()), addrPort(t, c.RemoteAddr()), time.Now()
	f.Ask(client, server, at)
	p, ok := f.Answer(client, server, at, patience)
	isThisProcess(t, p, ok)
	if err := unix.Kill(f.pid, unix.SIGKILL); err != nil {
		t.Fatal(err)
	}
	<-f.ended
	for range 3 {
		at = at.Add(time.Second)
		f.Ask(client, server, at)
		if p, ok := f.Answer(client, server, at, patience); !ok || p.Why != whyNoChild {
			t.Errorf("got %v, %+v", ok, p)
		}
	}
}

// The shell opens a connection and hands it down to what it starts, which is younger; the shell is who connected.
func TestInheritedSocket(t *testing.T) {
	bash, err := exec.LookPath("bash")
	if err != nil {
		t.Skipf("SKIPPED: a socket that a shell hands down was not looked up: %v", err)
	}
	f := start(t, Options{})
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	cmd := exec.Command(bash, "-c", "exec 3<>/dev/tcp/127.0.0.1/$1; echo up >&3; sleep 60; :", "etcd-client", strconv.Itoa(int(addrPort(t, l.Addr()).Port())))
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = unix.Kill(-cmd.Process.Pid, unix.SIGKILL)
		_ = cmd.Wait()
	})
	c, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if _, err := bufio.NewReader(c).ReadString('\n'); err != nil {
		t.Fatal(err)
	}
	waitFor(t, "the shell's sleep", func() bool {
		children, _ := os.ReadFile(fmt.Sprintf("/proc/%[1]d/task/%[1]d/children", cmd.Process.Pid))
		return len(children) > 0
	})
	client, server, at := addrPort(t, c.RemoteAddr()), addrPort(t, c.LocalAddr()), time.Now()
	f.Ask(client, server, at)
	p, ok := f.Answer(client, server, at, patience)
	if !ok || p.PID != cmd.Process.Pid || p.Command != "bash" || len(p.Args) == 0 || filepath.Base(p.Args[0]) != "bash" {
		t.Errorf("got %+v, want bash, %d", p, cmd.Process.Pid)
	}
}

func waitFor(t *testing.T, what string, done func() bool) {
	t.Helper()
	for end := time.Now().Add(patience); !done(); {
		if time.Now().After(end) {
			t.Fatalf("waited %v for %s", patience, what)
		}
		time.Sleep(5 * time.Millisecond)
	}
}

// The child is gone when its parent is, however that ended.
func TestChildEndsWithItsParent(t *testing.T) {
	cmd, out := startRole(t, "parent", nil)
	line, err := out.ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	pid, err := strconv.Atoi(strings.TrimSpace(line))
	if err != nil {
		t.Fatal(err)
	}
	if err := unix.Kill(pid, 0); err != nil {
		t.Fatalf("the child is not there: %v", err)
	}
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait()
	waitFor(t, "the child's end", func() bool {
		stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
		return err != nil || strings.Contains(string(stat), ") Z ") // its new parent may take its time
	})
}

// roleParent starts a Finder, tells the child's id and waits to be killed.
func roleParent() error {
	f, err := Start(Options{})
	if err != nil {
		return err
	}
	fmt.Println(f.pid)
	_, err = io.Copy(io.Discard, os.Stdin)
	return errors.Join(err, f.Close())
}

// startRole starts the test binary as something else. Its standard input stays open until it ends.
func startRole(t *testing.T, role string, attr *syscall.SysProcAttr, env ...string) (*exec.Cmd, *bufio.Reader) {
	t.Helper()
	cmd := exec.Command("/proc/self/exe")
	if attr != nil && attr.Credential != nil {
		cmd = exec.Command(copyForAll(t))
	}
	cmd.Env = append(append(os.Environ(), roleVariable+"="+role), env...)
	cmd.Stderr, cmd.SysProcAttr = os.Stderr, attr
	stdin, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		if attr != nil {
			t.Skipf("SKIPPED: another user's view was not tested, for there is no other user here: %v", err)
		}
		t.Fatal(err)
	}
	t.Cleanup(func() {
		stdin.Close()
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	return cmd, bufio.NewReader(stdout)
}

// copyForAll copies the test binary to where every user may execute it: the go command's directory may be closed to others.
func copyForAll(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("/tmp", "etcdtap-owner-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	data, err := os.ReadFile("/proc/self/exe")
	if err != nil {
		t.Fatal(err)
	}
	name := filepath.Join(dir, "asker")
	if err := errors.Join(os.WriteFile(name, data, 0o755), os.Chmod(dir, 0o755)); err != nil {
		t.Fatal(err)
	}
	return name
}

func needRoot(t *testing.T, what string) {
	t.Helper()
	if os.Getuid() != 0 {
		t.Skipf("SKIPPED: %s, for it needs root", what)
	}
}

// What the child has is what it needs, and no more.
func TestChildHasTwoCapabilities(t *testing.T) {
	needRoot(t, "the child's capabilities were not looked at")
	f := start(t, Options{})
	own := lines(t, "/proc/self/status")
	if own["CapEff"] == "0000000000000000" {
		t.Skip("SKIPPED: root has no capabilities here, so that the child could keep none")
	}
	users, err := os.ReadFile("/proc/self/uid_map")
	others := err != nil || strings.Contains(string(users), "4294967295") // else this user namespace may have nobody but root
	tasks, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/status", f.pid))
	if err != nil || len(tasks) < 2 {
		t.Fatalf("%d threads, %v", len(tasks), err)
	}
	for _, name := range tasks {
		s := lines(t, name)
		if strings.Contains("\t"+s["Uid"]+"\t", "\t0\t") && others || s["CapInh"] != "0000000000000000" || s["NoNewPrivs"] != "1" || s["Groups"] != "" {
			t.Errorf("%s: users %s, groups %q, inheritable %s, no new privileges %s", name, s["Uid"], s["Groups"], s["CapInh"], s["NoNewPrivs"])
		}
		for _, c := range []string{"CapPrm", "CapEff"} {
			if s[c] != "0000000000080004" { // CAP_SYS_PTRACE, CAP_DAC_READ_SEARCH
				t.Errorf("%s: %s is %s", name, c, s[c])
			}
		}
	}
	environ, err := os.ReadFile(fmt.Sprintf("/proc/%d/environ", f.pid))
	if err != nil || strings.Contains(string(environ), "PATH=") {
		t.Errorf("its environment is %q, %v", environ, err)
	}
}

func lines(t *testing.T, name string) map[string]string {
	t.Helper()
	data, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]string{}
	for line := range strings.Lines(string(data)) {
		key, value, _ := strings.Cut(line, ":")
		out[key] = strings.TrimSpace(value)
	}
	return out
}

// A systemd unit with a user of its own names its own processes, and of others' says what is lacking.
func TestWithoutPrivileges(t *testing.T) {
	needRoot(t, "that another user's process is not named without capabilities was not tested")
	c, _ := connect(t, "127.0.0.1:0")
	unit := &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 12345, Gid: 12345}}
	_, out := startRole(t, "asker", unit, "ETCDTAP_TEST_CLIENT="+c.LocalAddr().String(), "ETCDTAP_TEST_SERVER="+c.RemoteAddr().String())
	var got [2]analysis.Process
	if err := json.NewDecoder(out).Decode(&got); err != nil {
		t.Fatal(err)
	}
	if p := got[0]; !p.Known || p.UID != 12345 || !strings.HasSuffix(p.Executable, "/asker") {
		t.Errorf("of its own process: %+v", p)
	}
	want := "its owner is uid 0, naming processes of other users needs CAP_SYS_PTRACE and CAP_DAC_READ_SEARCH"
	if p := got[1]; p.Known || p.Why != want || !p.UIDKnown || p.UID != 0 {
		t.Errorf("of root's: %+v", p)
	}
}

// roleAsker asks about a connection of its own and one of another user.
func roleAsker() error {
	f, err := Start(Options{})
	if err != nil {
		return err
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	c, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		return err
	}
	var got [2]analysis.Process
	for i, pair := range [2][2]string{{c.LocalAddr().String(), c.RemoteAddr().String()}, {os.Getenv("ETCDTAP_TEST_CLIENT"), os.Getenv("ETCDTAP_TEST_SERVER")}} {
		client, server := netip.MustParseAddrPort(pair[0]), netip.MustParseAddrPort(pair[1])
		f.Ask(client, server, time.Time{})
		got[i], _ = f.Answer(client, server, time.Time{}, patience)
	}
	return errors.Join(json.NewEncoder(os.Stdout).Encode(got), f.Close())
}

// The order of a capture: the finder is started, then all privileges go. What the child has is its own.
func TestAfterPrivilegesAreDropped(t *testing.T) {
	needRoot(t, "that owners are found after privileges were dropped was not tested")
	c, _ := connect(t, "127.0.0.1:0")
	_, out := startRole(t, "dropped", nil, "ETCDTAP_TEST_CLIENT="+c.LocalAddr().String(), "ETCDTAP_TEST_SERVER="+c.RemoteAddr().String())
	var p analysis.Process
	if err := json.NewDecoder(out).Decode(&p); err != nil {
		t.Fatal(err)
	}
	isThisProcess(t, p, true)
}

// roleDropped asks about a connection of root's, as nobody.
func roleDropped() error {
	f, err := Start(Options{})
	if err != nil {
		return err
	}
	if err := privilege.Drop(privilege.Options{}); err != nil {
		return err
	}
	client, server := netip.MustParseAddrPort(os.Getenv("ETCDTAP_TEST_CLIENT")), netip.MustParseAddrPort(os.Getenv("ETCDTAP_TEST_SERVER"))
	f.Ask(client, server, time.Time{})
	p, _ := f.Answer(client, server, time.Time{}, patience)
	return errors.Join(json.NewEncoder(os.Stdout).Encode(p), f.Close())
}

// Sockets are looked up in the namespace that is named, and addresses are that namespace's.
func TestNetworkNamespace(t *testing.T) {
	needRoot(t, "another network namespace was not looked into")
	type result struct {
		path string
		c    net.Conn
		err  error
	}
	inside, done := make(chan result), make(chan struct{})
	defer close(done)
	go func() {
		runtime.LockOSThread() // and never unlocked: the thread is in another namespace
		r := result{path: fmt.Sprintf("/proc/%d/task/%d/ns/net", os.Getpid(), unix.Gettid())}
		if r.err = unix.Unshare(unix.CLONE_NEWNET); r.err == nil {
			r.err = loopbackUp()
		}
		if r.err == nil {
			r.c, r.err = connectHere()
		}
		inside <- r
		<-done
	}()
	r := <-inside
	if r.err != nil {
		t.Skipf("SKIPPED: another network namespace was not looked into: %v", r.err)
	}
	defer r.c.Close()
	client, server, at := addrPort(t, r.c.LocalAddr()), addrPort(t, r.c.RemoteAddr()), time.Now()
	f := start(t, Options{NetNS: r.path})
	f.Ask(client, server, at)
	p, ok := f.Answer(client, server, at, patience)
	isThisProcess(t, p, ok)
	outside := start(t, Options{})
	outside.Ask(client, server, at)
	if p, ok := outside.Answer(client, server, at, patience); !ok || p.Known {
		t.Errorf("from outside: got %v, %+v", ok, p)
	}
	if _, err := Start(Options{NetNS: "/proc/self/status"}); err == nil || !strings.Contains(err.Error(), "/proc/self/status") {
		t.Errorf("a file that is no namespace: got %v", err)
	}
}

// loopbackUp switches lo on in the calling thread's namespace.
func loopbackUp() error {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	r, err := unix.NewIfreq("lo")
	if err != nil {
		return err
	}
	r.SetUint16(unix.IFF_UP | unix.IFF_RUNNING)
	return unix.IoctlIfreq(fd, unix.SIOCSIFFLAGS, r)
}

// connectHere connects without package net's goroutines, which may run in other threads.
func connectHere() (net.Conn, error) {
	l, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, err
	}
	if err := errors.Join(unix.Bind(l, &unix.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}), unix.Listen(l, 1)); err != nil {
		return nil, err
	}
	at, err := unix.Getsockname(l)
	if err != nil {
		return nil, err
	}
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, err
	}
	if err := unix.Connect(fd, at); err != nil {
		return nil, err
	}
	file := os.NewFile(uintptr(fd), "client")
	defer file.Close()
	return net.FileConn(file)
}

// A client that only connects and ends, as one that is refused: the server asks as soon as it sees it. How many are found depends on the
// machine and what else runs, so that the number is only told; that none is would be a defect.
func TestShortLivedClients(t *testing.T) {
	f := start(t, Options{})
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	const clients = 20
	known, why := 0, map[string]int{}
	for range clients {
		cmd := exec.Command("/proc/self/exe", "--password=hunter2", "get", "a")
		cmd.Env = append(os.Environ(), roleVariable+"=client", "ETCDTAP_TEST_SERVER="+l.Addr().String())
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		c, err := l.Accept()
		if err != nil {
			t.Fatal(err)
		}
		client, server, at := addrPort(t, c.RemoteAddr()), addrPort(t, c.LocalAddr()), time.Now()
		f.Ask(client, server, at)
		c.Close()
		_ = cmd.Wait()
		p, ok := f.Answer(client, server, at, patience)
		switch {
		case !ok:
			t.Fatal("not even asked for")
		case !p.Known:
			why[p.Why]++
		case p.PID != cmd.Process.Pid:
			t.Errorf("got %+v, want %d", p, cmd.Process.Pid)
		default:
			known++
			if args := strings.Join(p.Args, " "); strings.Contains(args, "hunter2") {
				t.Errorf("a password: %s", args)
			}
		}
	}
	t.Logf("%d of %d clients that live for some milliseconds found; others: %v", known, clients, why)
	if known == 0 {
		t.Errorf("none of %d found: %v", clients, why)
	}
}

// roleClient connects, waits for the server's end of the connection, and ends.
func roleClient() error {
	c, err := net.Dial("tcp4", os.Getenv("ETCDTAP_TEST_SERVER"))
	if err != nil {
		return err
	}
	_, _ = io.ReadAll(c)
	return nil
}
