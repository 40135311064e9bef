//go:build linux && !poll

package proxy

import (
	"encoding/binary"
	"fmt"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// poller waits for descriptors to become ready. Only wake may be called from other goroutines than the loop's.
type poller struct {
	epoll, event int // the latter an eventfd that wake writes to
	events       []unix.EpollEvent
	ready        []readiness
}

func newPoller() (*poller, error) {
	epoll, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err != nil {
		return nil, fmt.Errorf("opening an epoll: %w", err)
	}
	event, err := unix.Eventfd(0, unix.EFD_CLOEXEC|unix.EFD_NONBLOCK)
	if err != nil {
		unix.Close(epoll)
		return nil, fmt.Errorf("opening an eventfd: %w", err)
	}
	p := &poller{epoll: epoll, event: event, events: make([]unix.EpollEvent, maxReady)}
	if err := p.add(event, wakeToken, wantRead); err != nil {
		p.close()
		return nil, err
	}
	return p, nil
}

// add begins to watch fd. Errors and hang-ups are reported whatever is wanted.
func (p *poller) add(fd int, token uint64, want interest) error {
	return p.control(unix.EPOLL_CTL_ADD, fd, token, want)
}

// addListener watches a listener of which several pollers wait: one of them is woken for a connection, or a few.
func (p *poller) addListener(fd int, token uint64) error {
	e := unix.EpollEvent{Events: unix.EPOLLIN | unix.EPOLLEXCLUSIVE, Fd: int32(uint32(token)), Pad: int32(uint32(token >> 32))}
	if err := unix.EpollCtl(p.epoll, unix.EPOLL_CTL_ADD, fd, &e); err != nil {
		return fmt.Errorf("watching a listener: %w", err)
	}
	return nil
}

// modify changes what is wanted of fd.
func (p *poller) modify(fd int, token uint64, want interest) error {
	return p.control(unix.EPOLL_CTL_MOD, fd, token, want)
}

// remove ends to watch fd.
func (p *poller) remove(fd int) error { return p.control(unix.EPOLL_CTL_DEL, fd, 0, 0) }

// forget ends to watch fd, which is about to be closed. That is enough for epoll; only a child that is being started while it happens
// makes events come a little longer, which nobody takes for those of another connection (slot).
func (p *poller) forget(int) {}

func (p *poller) control(op, fd int, token uint64, want interest) error {
	e := unix.EpollEvent{Fd: int32(uint32(token)), Pad: int32(uint32(token >> 32))}
	if want&wantRead != 0 {
		e.Events |= unix.EPOLLIN
	}
	if want&wantWrite != 0 {
		e.Events |= unix.EPOLLOUT
	}
	if err := unix.EpollCtl(p.epoll, op, fd, &e); err != nil {
		return fmt.Errorf("watching a descriptor: %w", err)
	}
	return nil
}

// wait returns what is ready, after at most timeout; negative means no bound. The result is valid until the next call.
func (p *poller) wait(timeout time.Duration) ([]readiness, error) {
	ms := -1
	if timeout >= 0 {
		ms = int((timeout + time.Millisecond - 1) / time.Millisecond)
	}
	n, err := p.briefly(ms)
	if n == 0 && err == nil && (ms < 0 || ms > brief) {
		n, err = unix.EpollWait(p.epoll, p.events, ms)
	}
	if err != nil && err != unix.EINTR {
		return nil, fmt.Errorf("waiting for descriptors: %w", err)
	}
	p.ready = p.ready[:0]
	for _, e := range p.events[:max(n, 0)] {
		r := readiness{token: uint64(uint32(e.Pad))<<32 | uint64(uint32(e.Fd))}
		if r.token == wakeToken {
			var count [8]byte
			unix.Read(p.event, count[:])
			continue
		}
		r.read = e.Events&unix.EPOLLIN != 0
		r.write = e.Events&unix.EPOLLOUT != 0
		r.failed = e.Events&unix.EPOLLERR != 0
		r.hungUp = e.Events&unix.EPOLLHUP != 0
		p.ready = append(p.ready, r)
	}
	return p.ready, nil
}

// brief is how many milliseconds of waiting the scheduler does not hear of.
const brief = 2

// briefly waits without telling Go's scheduler, which would else take the processor away that the loop is about to need again, wake
// threads to look for work in the meantime, and look after all that every 20 µs: as much as half of what a busy loop costs. The
// processor is kept from the others for that long, which is why there should be more of them than loops (Server.Loops); a stop of the world interrupts
// the call by a signal.
func (p *poller) briefly(ms int) (int, error) {
	if ms < 0 || ms > brief {
		ms = brief
	}
	n, _, errno := unix.RawSyscall6(unix.SYS_EPOLL_PWAIT, uintptr(p.epoll), uintptr(unsafe.Pointer(&p.events[0])), uintptr(len(p.events)), uintptr(ms), 0, 0)
	if errno != 0 {
		return 0, errno
	}
	return int(n), nil
}

// wake makes wait return.
func (p *poller) wake() {
	var one [8]byte
	binary.NativeEndian.PutUint64(one[:], 1)
	unix.Write(p.event, one[:])
}

func (p *poller) close() {
	unix.Close(p.event)
	unix.Close(p.epoll)
}
