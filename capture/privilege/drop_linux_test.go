package privilege

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"testing"
	"unsafe"

	"golang.org/x/sys/unix"
)

// childVariable makes the test binary a process that drops its privileges, shows what it can still do, and ends: what is dropped does not
// come back. Its value are the Options as JSON.
const childVariable = "ETCDTAP_TEST_PRIVILEGE"

// podVariable makes the child begin as root of a pod does whose container adds NET_RAW and drops all else.
const podVariable = "ETCDTAP_TEST_POD"

func TestMain(m *testing.M) {
	if o := os.Getenv(childVariable); o != "" {
		os.Exit(child(o))
	}
	os.Exit(m.Run())
}

// proof is what a process could do after Drop.
type proof struct {
	Error     string   // of Drop
	Can       []string // what it should not be able to do, and can
	Threads   int
	Statuses  []string // one line for each thread
	Caps      uint64   // effective, of the calling thread
	UID       int
	Readable  bool // a file of root's that only root may read
	OpenStill bool // a packet socket opened before
}

// busyThreads are held by goroutines while the child drops; so many Go would not have by itself on small machines.
const busyThreads = 12

func child(options string) int {
	var o Options
	if err := json.Unmarshal([]byte(options), &o); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	if os.Getenv(podVariable) != "" {
		if err := setCapabilities(setOf(NetRaw)); err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
	}
	early, _ := unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_CLOEXEC, 0)
	var p proof
	var ready, done, tried, end, all sync.WaitGroup
	var lock sync.Mutex
	ready.Add(busyThreads)
	tried.Add(busyThreads)
	done.Add(1)
	end.Add(1)
	for range busyThreads {
		all.Go(func() {
			runtime.LockOSThread()
			ready.Done()
			done.Wait()
			can := tryForbidden()
			lock.Lock()
			p.Can = append(p.Can, can...)
			lock.Unlock()
			tried.Done()
			end.Wait() // a locked thread ends with its goroutine
		})
	}
	ready.Wait()
	if err := Drop(o); err != nil {
		p.Error = err.Error()
	}
	done.Done()
	tried.Wait()
	fresh := make(chan []string)
	go func() {
		runtime.LockOSThread() // and never unlocked: a thread begun after the drop, or reused
		fresh <- tryForbidden()
	}()
	p.Can = append(p.Can, <-fresh...)
	p.look(early)
	end.Done()
	all.Wait()
	if err := json.NewEncoder(os.Stdout).Encode(&p); err != nil {
		return 1
	}
	return 0
}

// tryForbidden says what of all that is forbidden can be done in the calling thread.
func tryForbidden() (can []string) {
	if fd, err := unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_CLOEXEC, 0); err == nil {
		unix.Close(fd)
		can = append(can, "open a packet socket")
	}
	for name, try := range map[string]func() error{
		"setuid(0)":   func() error { return rawID(unix.SYS_SETUID) },
		"setgid(0)":   func() error { return rawID(unix.SYS_SETGID) },
		"setgroups":   func() error { return rawGroups() },
		"chroot":      func() error { return unix.Chroot("/") },
		"unshare net": func() error { return unix.Unshare(unix.CLONE_NEWNET) },
	} {
		if trivial := os.Getuid() == 0 && strings.HasPrefix(name, "set") && name != "setgroups"; try() == nil && !trivial {
			can = append(can, name)
		}
	}
	return can
}

func rawID(call uintptr) error {
	if _, _, e := unix.RawSyscall(call, 0, 0, 0); e != 0 {
		return e
	}
	return nil
}

func rawGroups() error {
	groups := [1]uint32{0}
	if _, _, e := unix.RawSyscall(unix.SYS_SETGROUPS, 1, uintptr(unsafe.Pointer(&groups[0])), 0); e != 0 {
		return e
	}
	return nil
}

func (p *proof) look(early int) {
	names, _ := filepath.Glob("/proc/self/task/[0-9]*/status")
	for _, name := range names {
		if s, err := statusOf(name); err == nil {
			p.Threads++
			p.Statuses = append(p.Statuses, fmt.Sprintf("uid %v gid %v groups %q inh %x prm %x eff %x amb %x nnp %v", s.uids, s.gids, s.groups, s.inheritable, s.permitted, s.effective, s.ambient, s.noNewPrivs))
			p.Caps = uint64(s.effective)
		}
	}
	p.UID = os.Getuid()
	if f, err := os.Open("/etc/shadow"); err == nil {
		f.Close()
		p.Readable = true
	}
	if early >= 0 {
		_, err := unix.Getsockname(early)
		p.OpenStill = err == nil
	}
}

// run starts the child as attr says and gives what it could do.
func run(t *testing.T, o Options, attr *syscall.SysProcAttr) *proof {
	t.Helper()
	return runBy(t, nil, o, attr)
}

// runBy has another program start it.
func runBy(t *testing.T, by []string, o Options, attr *syscall.SysProcAttr) *proof {
	t.Helper()
	options, err := json.Marshal(o)
	if err != nil {
		t.Fatal(err)
	}
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(exe)
	if attr != nil && attr.Credential != nil {
		cmd = exec.Command(copyFor(t, exe)) // the go command's directory may be closed to other users
	}
	if by != nil {
		cmd = exec.Command(by[0], append(by[1:], exe)...)
	}
	cmd.Env = append(os.Environ(), childVariable+"="+string(options))
	cmd.SysProcAttr = attr
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Run(); err != nil {
		t.Fatalf("the child: %v\n%s", err, stderr.Bytes())
	}
	var p proof
	if err := json.Unmarshal(stdout.Bytes(), &p); err != nil {
		t.Fatalf("%v in %s", err, stdout.Bytes())
	}
	return &p
}

// copyFor copies the test binary to where every user may execute it.
func copyFor(t *testing.T, exe string) string {
	t.Helper()
	dir, err := os.MkdirTemp("/tmp", "etcdtap-privilege-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	data, err := os.ReadFile(exe)
	if err != nil {
		t.Fatal(err)
	}
	name := filepath.Join(dir, "child")
	if err := os.WriteFile(name, data, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	return name
}

func needRoot(t *testing.T) {
	t.Helper()
	s, err := statusOf("/proc/thread-self/status")
	if err != nil {
		t.Skipf("SKIPPED: %v", err)
	}
	if !mapped("/proc/self/uid_map", 12345) || groupsFixed() {
		t.Skip("SKIPPED: that root's privileges are dropped was not tested, for this user namespace has no other user")
	}
	if os.Getuid() != 0 || !s.effective.has(NetRaw) || !s.effective.has(SetUID) || !s.effective.has(SetGID) {
		t.Skipf("SKIPPED: that root's privileges are dropped was not tested, for it needs root with CAP_NET_RAW, CAP_SETUID and CAP_SETGID")
	}
}

// same fails unless each of the child's threads has the status want.
func (p *proof) same(t *testing.T, want string) {
	t.Helper()
	if p.Error != "" {
		t.Fatalf("Drop: %s", p.Error)
	}
	if len(p.Can) > 0 {
		t.Errorf("it still can: %s", strings.Join(p.Can, ", "))
	}
	if p.Threads < busyThreads {
		t.Errorf("%d threads were looked at, expected %d at least: this test shows nothing", p.Threads, busyThreads)
	}
	for _, s := range p.Statuses {
		if s != want {
			t.Errorf("a thread has\n%s, want\n%s", s, want)
		}
	}
}

func TestRootBecomesNobody(t *testing.T) {
	needRoot(t)
	who, err := lookUp("", 0)
	if err != nil {
		t.Fatal(err)
	}
	p := run(t, Options{}, nil)
	p.same(t, fmt.Sprintf("uid [%[1]d %[1]d %[1]d %[1]d] gid [%[2]d %[2]d %[2]d %[2]d] groups \"\" inh 0 prm 0 eff 0 amb 0 nnp true", who.uid, who.gid))
	if p.Readable {
		t.Error("/etc/shadow can be read")
	}
	if !p.OpenStill {
		t.Error("a socket opened before is gone")
	}
}

func TestRootBecomesTheUserNamed(t *testing.T) {
	needRoot(t)
	run(t, Options{User: "12345"}, nil).same(t, `uid [12345 12345 12345 12345] gid [12345 12345 12345 12345] groups "" inh 0 prm 0 eff 0 amb 0 nnp true`)
	run(t, Options{User: "root"}, nil).same(t, `uid [0 0 0 0] gid [0 0 0 0] groups "" inh 0 prm 0 eff 0 amb 0 nnp true`)
}

func TestKeep(t *testing.T) {
	needRoot(t)
	s, _ := statusOf("/proc/thread-self/status")
	keep := setOf(SysPtrace, DACReadSearch) & s.permitted
	run(t, Options{User: "12345", Keep: []Capability{SysPtrace, DACReadSearch}}, nil).
		same(t, fmt.Sprintf(`uid [12345 12345 12345 12345] gid [12345 12345 12345 12345] groups "" inh 0 prm %[1]x eff %[1]x amb 0 nnp true`, uint64(keep)))
}

// A systemd unit with DynamicUser and AmbientCapabilities=CAP_NET_RAW: nothing but the capability to lose.
func TestAmbientCapabilityIsDropped(t *testing.T) {
	needRoot(t)
	unit := &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 12345, Gid: 12346, NoSetGroups: false}, AmbientCaps: []uintptr{uintptr(NetRaw)}}
	p := run(t, Options{}, unit)
	p.same(t, `uid [12345 12345 12345 12345] gid [12346 12346 12346 12346] groups "" inh 0 prm 0 eff 0 amb 0 nnp true`)
	if !p.OpenStill {
		t.Error("the unit's process could open no packet socket before: this test shows nothing")
	}
	if p := run(t, Options{User: "23456"}, unit); !strings.Contains(p.Error, "expected root, or CAP_SETGID") {
		t.Errorf("becoming another user without the right to: got %q", p.Error)
	}
}

// What the advice says a pod needs: root with NET_RAW alone, which cannot become another user, and so stays.
func TestRootOfPod(t *testing.T) {
	needRoot(t)
	t.Setenv(podVariable, "1")
	for _, user := range []string{"", "root"} {
		p := run(t, Options{User: user}, nil)
		if p.Error != "" || p.Caps != 0 || p.UID != 0 || !p.OpenStill {
			t.Errorf("user %q: got %+v", user, p)
		}
		for _, s := range p.Statuses {
			if !strings.Contains(s, "prm 0 eff 0 amb 0 nnp true") {
				t.Errorf("user %q: a thread has %s", user, s)
			}
		}
		for _, can := range p.Can {
			if !strings.HasPrefix(can, "set") || can == "setgroups" { // to what it is already
				t.Errorf("user %q: it still can: %s", user, can)
			}
		}
	}
	if p := run(t, Options{User: "12345"}, nil); !strings.Contains(p.Error, "expected root, or CAP_SETGID") {
		t.Errorf("becoming another user without the right to: got %q", p.Error)
	}
}

// A container of user 0 with nothing but CAP_NET_RAW cannot become nobody, and neither can root of a user namespace that has no other user.
func TestRootThatCannotBecomeNobody(t *testing.T) {
	needRoot(t)
	setpriv, err := exec.LookPath("setpriv")
	if err != nil {
		t.Skipf("SKIPPED: a root with CAP_NET_RAW alone was not tested: %v", err)
	}
	want := `uid [0 0 0 0] gid [0 0 0 0] groups "%s" inh 0 prm 0 eff 0 amb 0 nnp true`
	pod := []string{setpriv, "--clear-groups", "--inh-caps=-all,+net_raw", "--bounding-set=-all,+net_raw"}
	p := runBy(t, pod, Options{}, nil)
	p.same(t, fmt.Sprintf(want, ""))
	if !p.OpenStill {
		t.Error("it could open no packet socket before: this test shows nothing")
	}
	if p := runBy(t, pod, Options{User: "12345"}, nil); !strings.Contains(p.Error, "expected root, or CAP_SETGID") {
		t.Errorf("becoming another user without the right to: got %q", p.Error)
	}
	alone := &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWUSER, UidMappings: []syscall.SysProcIDMap{{HostID: 0, Size: 1}}, GidMappings: []syscall.SysProcIDMap{{HostID: 0, Size: 1}}}
	probe := exec.Command(setpriv, "--version")
	probe.SysProcAttr = alone
	if err := probe.Run(); err != nil {
		t.Skipf("SKIPPED: a user namespace was not tested: %v", err)
	}
	p = run(t, Options{}, alone)
	if p.Error != "" || len(p.Can) > 0 || p.Caps != 0 {
		t.Errorf("in a user namespace: got %+v", p)
	}
}

// Whoever has nothing gives up nothing, and is held to it all the same.
func TestDropWithoutRoot(t *testing.T) {
	var attr *syscall.SysProcAttr
	if os.Getuid() == 0 {
		needRoot(t)
		attr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 12345, Gid: 12345}}
	}
	p := run(t, Options{}, attr)
	if p.Error != "" || len(p.Can) > 0 || p.Caps != 0 {
		t.Errorf("got %+v", p)
	}
}

func TestUnknownUser(t *testing.T) {
	if p := run(t, Options{User: "no-such-user-here"}, nil); !strings.Contains(p.Error, "the user to become: unknown user no-such-user-here") || !strings.Contains(p.Error, "getent passwd") {
		t.Errorf("got %q", p.Error)
	}
}
