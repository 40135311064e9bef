package owner

import (
	"errors"
	"fmt"
	"os"
	"os/signal"
	"runtime"
	"strconv"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/etcdtap/etcdtap/analysis"
	"github.com/etcdtap/etcdtap/capture/privilege"
)

// The child's descriptors.
const (
	parentFD = 3
	diagFD   = 4
)

// Bounds of what the child does.
const (
	// maxWaiting is how many questions may wait for a search through all processes.
	maxWaiting = 1024
	// fullStep is how many processes are looked through before new questions are taken, which takes about a millisecond.
	fullStep = 16
	// Looking through all processes takes tens of milliseconds on a large machine, and finds nothing for connections of containers with
	// a PID namespace that we do not see. So it may take fullShare of the time of one core, after a burst of fullBurst; the questions
	// wait for it. What is likely costs less, and has its own allowance.
	fullShare, fullBurst     = 0.10, 300 * time.Millisecond
	likelyShare, likelyBurst = 0.25, 500 * time.Millisecond
)

// server is the child process. It is one loop in one thread: on a busy machine each hand-over to another costs more than the work.
type server struct {
	parent       int
	diag         *diag
	proc         *procFS
	privileged   bool
	uid          uint32
	fresh        []lookup // whose holders are to be searched for where they are likely
	waiting      []lookup // were not there: for the search through all
	likely, full *allowance
}

// lookup is a question whose socket was found.
type lookup struct {
	question
	socket
}

// Serve answers the questions of the process that started this one, until that ends. Main calls it when the first argument is Argument,
// before anything else. An error is told to the parent, too.
func Serve() error {
	if kind, err := unix.GetsockoptInt(parentFD, unix.SOL_SOCKET, unix.SO_TYPE); err != nil || kind != unix.SOCK_SEQPACKET {
		return errors.New(Argument + " is for etcdtap itself: it expects a socket to the process that started it as descriptor 3, and found none")
	}
	unix.CloseOnExec(parentFD)
	unix.CloseOnExec(diagFD)
	s := &server{parent: parentFD, likely: newAllowance(likelyShare, likelyBurst), full: newAllowance(fullShare, fullBurst)}
	if err := s.begin(); err != nil {
		s.send(&reply{Why: cut(err.Error(), maxWhy)})
		return err
	}
	s.send(&reply{Ready: true})
	return s.serve()
}

// begin gives up what is not needed and opens what is. The terminal's signals are for the parent, whose end is ours.
func (s *server) begin() error {
	signal.Ignore(syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP, syscall.SIGUSR1, syscall.SIGUSR2, syscall.SIGPIPE)
	keep := []privilege.Capability{privilege.SysPtrace, privilege.DACReadSearch}
	if err := privilege.Drop(privilege.Options{Keep: keep}); err != nil {
		return err
	}
	runtime.LockOSThread() // the signal below comes when this thread's parent is gone, and belongs to the thread
	if err := unix.Prctl(unix.PR_SET_PDEATHSIG, uintptr(unix.SIGKILL), 0, 0, 0); err != nil {
		return fmt.Errorf("asking to end with the parent: %w", err)
	}
	var err error
	if s.diag, err = newDiag(diagFD); err != nil {
		return err
	}
	if err := s.diag.probe(); err != nil {
		return err
	}
	if s.proc, err = openProc("/proc"); err != nil {
		return fmt.Errorf("opening /proc: %w", err)
	}
	s.uid, s.privileged = uint32(os.Getuid()), privilege.Has(keep...)
	return nil
}

// serve is the loop, until the parent is gone.
func (s *server) serve() error {
	for {
		if err := s.take(s.patience()); err != nil {
			return ended(err)
		}
		if err := s.lookLikely(); err != nil {
			return ended(err)
		}
		if err := s.lookEverywhere(); err != nil {
			return ended(err)
		}
	}
}

// errParent is the orderly end: the parent has closed its socket.
var errParent = errors.New("the parent is gone")

func ended(err error) error {
	if errors.Is(err, errParent) {
		return nil
	}
	return err
}

// patience is how long to wait for a question, in milliseconds as poll(2) has them; -1 when there is nothing else to do.
func (s *server) patience() int {
	wait := time.Duration(-1)
	if len(s.fresh) > 0 {
		wait = s.likely.until()
	}
	if len(s.waiting) > 0 {
		if until := s.full.until(); wait < 0 || until < wait {
			wait = until
		}
	}
	if wait < 0 {
		return -1
	}
	return int((wait + time.Millisecond - 1) / time.Millisecond)
}

// take waits for questions and puts all that are there to the kernel at once, for sockets are gone faster than processes.
func (s *server) take(patience int) error {
	if patience != 0 {
		_, err := unix.Poll([]unix.PollFd{{Fd: int32(s.parent), Events: unix.POLLIN}}, patience)
		if err != nil && !errors.Is(err, unix.EINTR) {
			return fmt.Errorf("waiting for the parent: %w", err)
		}
	}
	var buf [questionLen + 1]byte
	for {
		n, _, err := unix.Recvfrom(s.parent, buf[:], unix.MSG_DONTWAIT)
		switch {
		case errors.Is(err, unix.EINTR):
			continue
		case errors.Is(err, unix.EAGAIN):
			return nil
		case errors.Is(err, unix.ECONNRESET), err == nil && n == 0: // the one when it had not read all
			return errParent
		case err != nil:
			return fmt.Errorf("reading from the parent: %w", err)
		}
		q, err := parseQuestion(buf[:n])
		if err != nil {
			return err
		}
		s.ask(q)
	}
}

// ask puts a question to the kernel. Without a socket that is its answer.
func (s *server) ask(q question) {
	switch k, err := s.diag.find(q.client, q.server, q.link); {
	case errors.Is(err, errNoSocket):
		s.answer(q.id, analysis.Process{Why: "its socket was gone before the kernel could be asked, or NAT on this host gave it another address"})
	case err != nil:
		s.answer(q.id, analysis.Process{Why: cut(err.Error(), maxWhy)})
	case k.inode == 0:
		s.answer(q.id, analysis.Process{Why: "it had closed its socket before the kernel could be asked"})
	case !s.privileged && k.uid != s.uid:
		s.answer(q.id, notAllowed(k.uid))
	case len(s.fresh) >= maxWaiting:
		s.answer(q.id, analysis.Process{UIDKnown: true, UID: k.uid, Why: whyTooMany})
	default:
		s.fresh = append(s.fresh, lookup{q, k})
	}
}

func notAllowed(uid uint32) analysis.Process {
	id := strconv.FormatUint(uint64(uid), 10)
	return analysis.Process{UIDKnown: true, UID: uid, Why: "its owner is uid " + id + ", naming processes of other users needs CAP_SYS_PTRACE and CAP_DAC_READ_SEARCH"}
}

// lookLikely looks for processes where they are likely, as far as the allowance goes. Others wait.
func (s *server) lookLikely() error {
	for len(s.fresh) > 0 && s.likely.has() {
		begun := time.Now()
		batch := s.fresh
		s.fresh = nil
		look := s.proc.search(inodes(batch))
		look.likely()
		others := s.tell(look, batch)
		room := min(len(others), maxWaiting-len(s.waiting))
		s.waiting = append(s.waiting, others[:room]...)
		for _, l := range others[room:] {
			s.answer(l.id, analysis.Process{UIDKnown: true, UID: l.uid, Why: whyTooMany})
		}
		s.likely.spend(time.Since(begun))
		if err := s.take(0); err != nil {
			return err
		}
	}
	return nil
}

// lookEverywhere looks through all processes for those that wait. New questions go before: who asks now is alive now.
func (s *server) lookEverywhere() error {
	if len(s.waiting) == 0 || !s.full.has() {
		return nil
	}
	batch := s.waiting
	s.waiting = nil
	look := s.proc.search(inodes(batch))
	for more := true; more; {
		begun := time.Now()
		more = look.step(fullStep)
		s.full.spend(time.Since(begun))
		if err := s.take(0); err != nil {
			return err
		}
		if err := s.lookLikely(); err != nil {
			return err
		}
	}
	for _, l := range s.tell(look, batch) {
		s.answer(l.id, s.whyNot(look, l))
	}
	return nil
}

func inodes(list []lookup) []uint32 {
	out := make([]uint32, len(list))
	for i, l := range list {
		out[i] = l.inode
	}
	return out
}

// tell answers those that a search found, and gives the others.
func (s *server) tell(look *search, list []lookup) (others []lookup) {
	for _, l := range list {
		if h, ok := look.found(l.inode); ok {
			if p, alive := s.proc.describe(h.pid); alive {
				p.UID, p.UIDKnown = l.uid, true
				s.answer(l.id, p)
				continue
			}
		}
		others = append(others, l)
	}
	return others
}

// whyNot says why a socket's process was not found: it matters whether the socket is still there.
func (s *server) whyNot(look *search, l lookup) analysis.Process {
	p := analysis.Process{UIDKnown: true, UID: l.uid}
	again, err := s.diag.find(l.client, l.server, l.link)
	switch {
	case err != nil || again.inode != l.inode:
		p.Why = "it had ended before it could be named"
	case look.budget <= 0:
		p.Why = "too many files are open on this host to look through them all"
	case look.denied > 0 && !s.privileged: // of our own user: others were not looked for
		p.Why = "its owner is uid " + strconv.FormatUint(uint64(l.uid), 10) + " as we are, but closed to look into (set-uid, file capabilities): naming it needs CAP_SYS_PTRACE and CAP_DAC_READ_SEARCH"
	case look.denied > 0:
		p.Why = "the kernel does not show us the open files of " + strconv.Itoa(look.denied) + " processes"
	default:
		p.Why = "no process in our PID namespace holds its socket: it is in a container, or the kernel's own"
	}
	return p
}

func (s *server) answer(id uint64, p analysis.Process) { s.send(replyOf(id, &p)) }

// send gives the parent a message. One that cannot be sent means that the parent is gone, which take sees.
func (s *server) send(r *reply) {
	for {
		if _, err := unix.Write(s.parent, r.marshal()); !errors.Is(err, unix.EINTR) {
			return
		}
	}
}
