package owner

import (
	"errors"
	"fmt"
	"os"
	"os/signal"
	"runtime"
	"slices"
	"strconv"
	"sync"
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
	// maxBatch is how many questions one search answers.
	maxBatch = 64
	// maxWaiting is how many questions may wait for a search through all processes.
	maxWaiting = 1024
	// Looking through all processes takes tens of milliseconds on a large machine, and finds nothing for connections of containers with
	// a PID namespace that we do not see. So it may take fullShare of the time of one core, after a burst of fullBurst; the questions
	// wait for it. What is likely costs less, and has its own allowance.
	fullShare, fullBurst     = 0.10, 300 * time.Millisecond
	likelyShare, likelyBurst = 0.25, 500 * time.Millisecond
)

// server is the child process.
type server struct {
	parent, diagSocket int
	lock               sync.Mutex // of diag
	diag               *diag
	proc               *procFS
	privileged         bool
	uid                uint32
	found              chan lookup
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
	s := &server{parent: parentFD, diagSocket: diagFD, found: make(chan lookup, maxQueued)}
	if err := s.begin(); err != nil {
		s.send(&reply{Why: cut(err.Error(), maxWhy)})
		return err
	}
	s.send(&reply{Ready: true})
	go s.search()
	return s.read()
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
	if s.diag, err = newDiag(s.diagSocket); err != nil {
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

// read takes the parent's questions until it closes. Each is put to the kernel at once, for sockets are gone faster than processes; who
// holds them is searched for meanwhile.
func (s *server) read() error {
	var buf [questionLen + 1]byte
	for {
		n, err := unix.Read(s.parent, buf[:])
		switch {
		case errors.Is(err, unix.EINTR):
			continue
		case errors.Is(err, unix.ECONNRESET):
			return nil // it closed before it had read all
		case err != nil:
			return fmt.Errorf("reading from the parent: %w", err)
		case n == 0:
			return nil
		}
		q, err := parseQuestion(buf[:n])
		if err != nil {
			return err
		}
		switch k, err := s.ask(q); {
		case errors.Is(err, errNoSocket):
			s.answer(q.id, analysis.Process{Why: "its socket was gone before the kernel could be asked, or NAT on this host gave it another address"})
		case err != nil:
			s.answer(q.id, analysis.Process{Why: cut(err.Error(), maxWhy)})
		case k.inode == 0:
			s.answer(q.id, analysis.Process{Why: "it had closed its socket before the kernel could be asked"})
		case !s.privileged && k.uid != s.uid:
			s.answer(q.id, notAllowed(k.uid))
		default:
			s.found <- lookup{q, k}
		}
	}
}

func (s *server) ask(q question) (socket, error) {
	s.lock.Lock()
	defer s.lock.Unlock()
	return s.diag.find(q.client, q.server, q.link)
}

func notAllowed(uid uint32) analysis.Process {
	id := strconv.FormatUint(uint64(uid), 10)
	return analysis.Process{UIDKnown: true, UID: uid, Why: "its owner is uid " + id + ", naming processes of other users needs CAP_SYS_PTRACE and CAP_DAC_READ_SEARCH"}
}

// search looks for processes, of as many sockets at a time as there are. What is not where it is likely waits for a search through all.
func (s *server) search() {
	likely, full := newAllowance(likelyShare, likelyBurst), newAllowance(fullShare, fullBurst)
	var waiting []lookup
	for {
		batch := s.next(len(waiting) > 0, full)
		if len(batch) > 0 {
			likely.wait()
			begun := time.Now()
			s.proc.search(inodes(batch))
			s.proc.likely()
			waiting = s.keep(waiting, s.tell(batch))
			likely.spend(time.Since(begun))
		}
		if len(waiting) == 0 || !full.has() {
			continue
		}
		begun := time.Now()
		s.proc.search(inodes(waiting))
		s.proc.all()
		for _, l := range s.tell(waiting) {
			s.answer(l.id, s.whyNot(l))
		}
		waiting = waiting[:0]
		full.spend(time.Since(begun))
	}
}

// keep adds to those that wait, as far as there is room.
func (s *server) keep(waiting, others []lookup) []lookup {
	room := min(len(others), maxWaiting-len(waiting))
	for _, l := range others[room:] {
		s.answer(l.id, analysis.Process{UIDKnown: true, UID: l.uid, Why: whyTooMany})
	}
	return append(waiting, others[:room]...)
}

// next gives the lookups that are there. With others waiting it gives none at the latest when there may be a search through all.
func (s *server) next(waiting bool, full *allowance) (batch []lookup) {
	if waiting {
		timer := time.NewTimer(full.until())
		defer timer.Stop()
		select {
		case l := <-s.found:
			batch = append(batch, l)
		case <-timer.C:
			return nil
		}
	} else {
		batch = append(batch, <-s.found)
	}
	for len(batch) < maxBatch {
		select {
		case l := <-s.found:
			batch = append(batch, l)
		default:
			return batch
		}
	}
	return batch
}

func inodes(list []lookup) []uint32 {
	out := make([]uint32, len(list))
	for i, l := range list {
		out[i] = l.inode
	}
	return out
}

// tell answers those that the search found, and gives the others.
func (s *server) tell(list []lookup) (others []lookup) {
	for _, l := range list {
		if h, ok := s.proc.found(l.inode); ok {
			if p, alive := s.proc.describe(h.pid); alive {
				p.UID, p.UIDKnown = l.uid, true
				s.answer(l.id, p)
				continue
			}
		}
		others = append(others, l)
	}
	return slices.Clip(others)
}

// whyNot says why a socket's process was not found: it matters whether the socket is still there.
func (s *server) whyNot(l lookup) analysis.Process {
	p := analysis.Process{UIDKnown: true, UID: l.uid}
	again, err := s.ask(l.question)
	switch {
	case err != nil || again.inode != l.inode:
		p.Why = "it had ended before it could be named"
	case s.proc.exhausted():
		p.Why = "too many files are open on this host to look through them all"
	case s.proc.denied > 0 && !s.privileged:
		return notAllowed(l.uid)
	case s.proc.denied > 0:
		p.Why = "the kernel does not show us the open files of " + strconv.Itoa(s.proc.denied) + " processes"
	default:
		p.Why = "no process in our PID namespace holds its socket: it is in a container, or the kernel's own"
	}
	return p
}

func (s *server) answer(id uint64, p analysis.Process) { s.send(replyOf(id, &p)) }

// send gives the parent a message. One that cannot be sent means that the parent is gone, which read sees.
func (s *server) send(r *reply) {
	for {
		if _, err := unix.Write(s.parent, r.marshal()); !errors.Is(err, unix.EINTR) {
			return
		}
	}
}
