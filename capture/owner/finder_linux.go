package owner

import (
	"errors"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"sync"
	"syscall"
	"time"

	"go.uber.org/zap"
	"golang.org/x/sys/unix"

	"github.com/etcdtap/etcdtap/analysis"
)

// Finder finds the owners of connections. Its methods may be called from any goroutine. A nil Finder finds nothing.
type Finder struct {
	log       *zap.Logger
	answers   answers
	addresses *addresses
	unsure    chan question // whether the client is on this host is to be looked up first
	child     *os.File      // the socket to it
	socket    syscall.RawConn
	pid       int // the child's
	stderr    tail
	ended     chan struct{} // the child has
	stop      chan struct{} // Close was called
	once      sync.Once
	all       sync.WaitGroup
}

// Start starts the process that looks owners up and waits until it is ready. It is to be called before privileges are dropped, and needs
// none: what is missing then, each answer says.
func Start(o Options) (*Finder, error) {
	f := &Finder{log: o.Log, unsure: make(chan question, 1), ended: make(chan struct{}), stop: make(chan struct{})}
	f.answers.byKey = make(map[key]*answer)
	if f.log == nil {
		f.log = zap.NewNop()
	}
	diagSocket, route, err := openIn(o.NetNS)
	if err != nil {
		return nil, fmt.Errorf("finding the owners of connections: %w", err)
	}
	defer unix.Close(diagSocket)
	if f.addresses, err = newAddresses(route); err == nil {
		err = f.spawn(diagSocket)
	}
	if err != nil {
		unix.Close(route)
		return nil, fmt.Errorf("finding the owners of connections: %w", err)
	}
	f.all.Add(2)
	go f.locate()
	go f.receive()
	return f, nil
}

// openIn opens both netlink sockets in a network namespace, "" being the caller's.
func openIn(path string) (diagSocket, route int, err error) {
	if path == "" {
		return openBoth()
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		runtime.LockOSThread() // and never unlocked: the thread ends with the goroutine, for it is in another namespace
		var ns *os.File
		if ns, err = os.Open(path); err != nil {
			return
		}
		defer ns.Close()
		if e := unix.Setns(int(ns.Fd()), unix.CLONE_NEWNET); e != nil {
			err = fmt.Errorf("entering the network namespace %s: %w; expected root, or CAP_SYS_ADMIN", path, e)
			return
		}
		diagSocket, route, err = openBoth()
	}()
	<-done
	return diagSocket, route, err
}

func openBoth() (diagSocket, route int, err error) {
	if diagSocket, err = openDiag(); err != nil {
		return -1, -1, err
	}
	if route, err = openRoute(); err != nil {
		unix.Close(diagSocket)
		return -1, -1, err
	}
	return diagSocket, route, nil
}

// spawn starts the child and reads its first message.
func (f *Finder) spawn(diagSocket int) error {
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_SEQPACKET|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
	if err != nil {
		return fmt.Errorf("opening a socket pair: %w", err)
	}
	f.child = os.NewFile(uintptr(pair[0]), "owners")
	if err := unix.SetsockoptInt(pair[0], unix.SOL_SOCKET, unix.SO_SNDBUF, queueBytes/2); err != nil { // the kernel doubles it
		return fmt.Errorf("the socket pair: %w", err)
	}
	if f.socket, err = f.child.SyscallConn(); err != nil {
		return fmt.Errorf("the socket pair: %w", err)
	}
	theirs := os.NewFile(uintptr(pair[1]), "parent")
	defer theirs.Close()
	if err := unix.SetNonblock(pair[1], false); err != nil {
		return fmt.Errorf("the socket pair: %w", err)
	}
	duplicate, err := unix.FcntlInt(uintptr(diagSocket), unix.F_DUPFD_CLOEXEC, 0)
	if err != nil {
		return fmt.Errorf("the netlink socket: %w", err)
	}
	netlink := os.NewFile(uintptr(duplicate), "netlink")
	defer netlink.Close()
	if err := withhold(); err != nil {
		return err
	}
	started := make(chan error, 1)
	go f.attend(theirs, netlink, started)
	if err := <-started; err != nil {
		f.child.Close()
		return fmt.Errorf("starting etcdtap again as a process of its own: %w", err)
	}
	if err := f.ready(); err != nil {
		f.child.Close()
		<-f.ended
		return err
	}
	return nil
}

// withhold keeps from the child what is open and would stay so in it: libpcap's sockets, which hear and may send everything, and what our
// own parent has left open.
func withhold() error {
	entries, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		return fmt.Errorf("looking for what the process that looks owners up must not have: %w", err)
	}
	for _, e := range entries {
		if fd, err := strconv.Atoi(e.Name()); err == nil && fd > unix.Stderr {
			unix.CloseOnExec(fd)
		}
	}
	return nil
}

// attend starts the child and waits for its end, all in one thread: the child is killed when the thread that started it ends.
func (f *Finder) attend(theirs, netlink *os.File, started chan<- error) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	cmd := exec.Command("/proc/self/exe", Argument)
	cmd.Args[0] = os.Args[0] // for ps
	cmd.Dir = "/"
	cmd.Env = []string{"GOMAXPROCS=1", "GOMEMLIMIT=32MiB"} // and nothing of ours: it may hold secrets
	cmd.ExtraFiles = []*os.File{theirs, netlink}
	cmd.Stderr = &f.stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := startNicely(cmd); err != nil {
		started <- err
		return
	}
	f.pid = cmd.Process.Pid
	started <- nil
	err := cmd.Wait()
	select {
	case <-f.stop:
	default:
		f.log.Warn("the process that looks owners up has ended; connections are shown without their process from now on", zap.Error(err), zap.String("stderr", analysis.Quote(f.stderr.String())))
	}
	close(f.ended)
}

// startNicely starts a process with childPriority where that can be had: whoever lives for milliseconds has to be looked at before it ends,
// on busy machines, too, and what the child may do is bounded. It takes its priority from this thread, which takes its own back.
func startNicely(cmd *exec.Cmd) error {
	old, err := unix.Getpriority(unix.PRIO_PROCESS, 0)
	if err != nil || unix.Setpriority(unix.PRIO_PROCESS, 0, childPriority) != nil {
		return cmd.Start()
	}
	err = cmd.Start()
	if restore := unix.Setpriority(unix.PRIO_PROCESS, 0, 20-old); err == nil && restore != nil { // the kernel gives 20 minus it
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
		return fmt.Errorf("going back to the usual priority: %w", restore)
	}
	return err
}

// ready reads the child's first message.
func (f *Finder) ready() error {
	if err := f.child.SetReadDeadline(time.Now().Add(startTimeout)); err != nil {
		return fmt.Errorf("the socket pair: %w", err)
	}
	r, err := f.read(make([]byte, maxReply+1))
	switch {
	case errors.Is(err, os.ErrDeadlineExceeded):
		return fmt.Errorf("the process that looks owners up was not ready after %v", startTimeout)
	case err != nil:
		return fmt.Errorf("the process that looks owners up ended at once: %s", analysis.Quote(f.stderr.String()))
	case !r.Ready:
		return fmt.Errorf("the process that looks owners up: %s", analysis.Quote(cut(r.Why, maxWhy)))
	}
	return f.child.SetReadDeadline(time.Time{})
}

// read reads a message of the child.
func (f *Finder) read(buf []byte) (reply, error) {
	n, err := f.child.Read(buf)
	if err != nil {
		return reply{}, err
	}
	return parseReply(buf[:n])
}

// Ask begins to look for the process that opened a connection. It is to be called at its first packet, with the time of that; a second
// time for the same SYN does nothing. It never blocks. Clients that are not on this host are not asked about.
func (f *Finder) Ask(client, server netip.AddrPort, start time.Time) {
	if f == nil {
		return
	}
	k := keyOf(client, server)
	link, local, unsure := f.addresses.has(k.client.Addr())
	if !local && !unsure {
		f.answers.foreign.Add(1)
		return
	}
	if !k.client.Addr().IsLinkLocalUnicast() {
		link = 0
	}
	id, asked := f.answers.begin(k, start)
	if asked {
		return
	}
	a := question{id, k.client, k.server, link}
	if !unsure {
		f.put(a)
		return
	}
	select {
	case f.unsure <- a:
	default: // somebody else's address is being looked up
		f.answers.drop(id)
	}
}

// put hands a question to the child, unless it has more than enough. It does not wait, and takes a few microseconds, as handing it to
// another goroutine would.
func (f *Finder) put(q question) {
	if !f.answers.affordable() {
		f.answers.drop(q.id)
		return
	}
	var sent error
	err := f.socket.Write(func(fd uintptr) bool {
		var buf [questionLen]byte
		for {
			if sent = unix.Sendto(int(fd), q.append(buf[:0]), unix.MSG_DONTWAIT|unix.MSG_NOSIGNAL, nil); !errors.Is(sent, unix.EINTR) {
				return true
			}
		}
	})
	switch {
	case err == nil && errors.Is(sent, unix.EAGAIN):
		f.answers.drop(q.id)
	case err != nil || sent != nil:
		f.answers.give(q.id, analysis.Process{Why: whyNoChild})
	}
	select {
	case <-f.ended: // after receive has given up
		f.answers.give(q.id, analysis.Process{Why: whyNoChild})
	default:
	}
}

// Answer is what Ask found; ok is false when there is nothing to say: the client is not on this host, or Ask was not called, or so long ago
// that the answer is forgotten. It waits for a look-up under way, for at most as long as wait says: 0 is not at all.
func (f *Finder) Answer(client, server netip.AddrPort, start time.Time, wait time.Duration) (p analysis.Process, ok bool) {
	if f == nil {
		return p, false
	}
	return f.answers.find(keyOf(client, server), start, wait)
}

// Stats is what was counted so far.
func (f *Finder) Stats() Stats {
	if f == nil {
		return Stats{}
	}
	return f.answers.count()
}

// locate looks up whether clients with unknown addresses are on this host, which changes now and then.
func (f *Finder) locate() {
	defer f.all.Done()
	for {
		select {
		case q := <-f.unsure:
			if f.sure(&q) {
				f.put(q)
			}
		case <-f.stop:
			return
		case <-f.ended:
			return
		}
	}
}

// sure reads this host's addresses again and says whether the client has one of them.
func (f *Finder) sure(q *question) bool {
	if err := f.addresses.refresh(); err != nil {
		f.log.Warn("this host's addresses were not read again", zap.Error(err))
	}
	link, local, _ := f.addresses.has(q.client.Addr())
	if !local {
		f.answers.forget(q.id)
		return false
	}
	if q.client.Addr().IsLinkLocalUnicast() {
		q.link = link
	}
	return true
}

// receive takes the child's answers until it ends.
func (f *Finder) receive() {
	defer f.all.Done()
	buf := make([]byte, maxReply+1)
	for {
		switch r, err := f.read(buf); {
		case err == nil:
			f.answers.give(r.ID, r.process())
		case errors.Is(err, errReply):
			f.log.Warn("the process that looks owners up gave no sense", zap.Error(err))
		default:
			<-f.ended
			f.answers.giveUp(whyNoChild)
			return
		}
	}
}

// Close ends the child and waits for its end. Answers stay.
func (f *Finder) Close() error {
	if f == nil {
		return nil
	}
	var err error
	f.once.Do(func() {
		close(f.stop)
		f.child.Close()
		select {
		case <-f.ended:
		case <-time.After(closeTimeout):
			err = fmt.Errorf("the process that looks owners up did not end within %v", closeTimeout)
			return
		}
		f.all.Wait()
		unix.Close(f.addresses.fd)
	})
	return err
}

// tail keeps the last bytes that were written, for messages of the child when it fails.
type tail struct {
	lock sync.Mutex
	text []byte
}

// maxTail is how much of them: the last lines of a panic.
const maxTail = 2 << 10

func (t *tail) Write(p []byte) (int, error) {
	t.lock.Lock()
	defer t.lock.Unlock()
	t.text = append(t.text, p...)
	if over := len(t.text) - maxTail; over > 0 {
		t.text = append(t.text[:0], t.text[over:]...)
	}
	return len(p), nil
}

func (t *tail) String() string {
	t.lock.Lock()
	defer t.lock.Unlock()
	return string(t.text)
}
