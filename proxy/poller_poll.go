//go:build unix && (!linux || poll)

package proxy

import (
	"fmt"
	"time"

	"golang.org/x/sys/unix"
)

// poller waits for descriptors to become ready. Only wake may be called from other goroutines than the loop's. This one is for systems
// without epoll: poll(2) looks at all of its descriptors each time, which is fine for hundreds.
type poller struct {
	pipe   [2]int // wake writes to it
	fds    []unix.PollFd
	tokens []uint64 // of fds
	index  map[int]int
	ready  []readiness
}

func newPoller() (*poller, error) {
	p := &poller{index: make(map[int]int)}
	if err := unix.Pipe(p.pipe[:]); err != nil {
		return nil, fmt.Errorf("opening a pipe: %w", err)
	}
	for _, fd := range p.pipe {
		unix.CloseOnExec(fd)
		unix.SetNonblock(fd, true)
	}
	return p, p.add(p.pipe[0], wakeToken, wantRead)
}

// add begins to watch fd. Errors and hang-ups are reported whatever is wanted.
func (p *poller) add(fd int, token uint64, want interest) error {
	p.index[fd] = len(p.fds)
	p.fds = append(p.fds, unix.PollFd{Fd: int32(fd)})
	p.tokens = append(p.tokens, token)
	return p.modify(fd, token, want)
}

// addListener watches a listener of which several pollers wait. All are woken for a connection.
func (p *poller) addListener(fd int, token uint64) error { return p.add(fd, token, wantRead) }

// modify changes what is wanted of fd.
func (p *poller) modify(fd int, token uint64, want interest) error {
	i, ok := p.index[fd]
	if !ok {
		return fmt.Errorf("watching a descriptor: %w", unix.ENOENT)
	}
	var events int16
	if want&wantRead != 0 {
		events |= unix.POLLIN
	}
	if want&wantWrite != 0 {
		events |= unix.POLLOUT
	}
	p.fds[i].Events, p.tokens[i] = events, token
	return nil
}

// forget ends to watch fd, which is about to be closed.
func (p *poller) forget(fd int) { p.remove(fd) }

// remove ends to watch fd.
func (p *poller) remove(fd int) error {
	i, ok := p.index[fd]
	if !ok {
		return fmt.Errorf("watching a descriptor: %w", unix.ENOENT)
	}
	last := len(p.fds) - 1
	p.fds[i], p.tokens[i] = p.fds[last], p.tokens[last]
	p.index[int(p.fds[i].Fd)] = i
	p.fds, p.tokens = p.fds[:last], p.tokens[:last]
	delete(p.index, fd)
	return nil
}

// wait returns what is ready, after at most timeout; negative means no bound. The result is valid until the next call.
func (p *poller) wait(timeout time.Duration) ([]readiness, error) {
	ms := -1
	if timeout >= 0 {
		ms = int((timeout + time.Millisecond - 1) / time.Millisecond)
	}
	n, err := unix.Poll(p.fds, ms)
	if err != nil && err != unix.EINTR && err != unix.EAGAIN {
		return nil, fmt.Errorf("waiting for descriptors: %w", err)
	}
	p.ready = p.ready[:0]
	for i := range p.fds {
		if n <= 0 || len(p.ready) == maxReady {
			break
		}
		e := p.fds[i].Revents
		switch {
		case e == 0:
			continue
		case p.tokens[i] == wakeToken:
			var some [64]byte
			unix.Read(p.pipe[0], some[:])
			continue
		}
		p.ready = append(p.ready, readiness{
			token: p.tokens[i], read: e&unix.POLLIN != 0, write: e&unix.POLLOUT != 0, failed: e&(unix.POLLERR|unix.POLLNVAL) != 0, hungUp: e&unix.POLLHUP != 0,
		})
	}
	return p.ready, nil
}

// wake makes wait return.
func (p *poller) wake() { unix.Write(p.pipe[1], []byte{1}) }

func (p *poller) close() {
	unix.Close(p.pipe[0])
	unix.Close(p.pipe[1])
}
