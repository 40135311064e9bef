package proxy

import (
	"github.com/etcdtap/etcdtap/analysis"
	"golang.org/x/sys/unix"
)

const (
	pipeSize     = 1 << 20  // bytes, all that users may have; measured: 0.23 s of the processor for a GB, with the default of 64 KiB 0.4 s
	smallPipe    = 64 << 10 // bytes put into one when many connections hold theirs because the other side does not read
	manyPipes    = 64       // of a loop: 64 MiB that wait in them
	smallSplice  = 8 << 10  // bytes; below it copying is as cheap
	smallSplices = 8        // so many in a row, and the stream is no longer called bulk
)

// pipe is what splice moves bytes through. A connection has one only as long as there is something in it.
type pipe struct {
	read, write int
	bytes       int
}

func newPipe() (*pipe, error) {
	var fds [2]int
	if err := unix.Pipe2(fds[:], unix.O_CLOEXEC|unix.O_NONBLOCK); err != nil {
		return nil, err
	}
	unix.FcntlInt(uintptr(fds[1]), unix.F_SETPIPE_SZ, pipeSize) // fails for users with many pipes: then it is a small one
	return &pipe{read: fds[0], write: fds[1]}, nil
}

func (p *pipe) close() {
	unix.Close(p.read)
	unix.Close(p.write)
}

// takePipe gives an empty pipe.
func (l *loop) takePipe() (*pipe, error) {
	if n := len(l.pipes); n > 0 {
		p := l.pipes[n-1]
		l.pipes = l.pipes[:n-1]
		l.held++
		return p, nil
	}
	p, err := newPipe()
	if err == nil {
		l.held++
	}
	return p, err
}

// givePipe takes an empty pipe back.
func (l *loop) givePipe(p *pipe) {
	l.held--
	if len(l.pipes) < keepPipes {
		l.pipes = append(l.pipes, p)
		return
	}
	p.close()
}

// splice moves what side d has to the other side, without copying it.
func (c *conn) splice(d analysis.Direction) {
	s := &c.side[d]
	p, err := c.l.takePipe()
	if err != nil {
		s.bulk = false // descriptors are short: go on without
		return
	}
	most := pipeSize
	if c.l.held > manyPipes {
		most = smallPipe
	}
	n, err := spliceSome(s.fd, p.write, most)
	switch {
	case n > 0:
		s.pipe, p.bytes = p, n
		c.count(d, n)
		c.l.s.counters.spliced.Add(int64(n))
		if c.watch != nil {
			c.watch.count(d, c.l.now, int64(n))
		}
		if s.small++; n >= smallSplice {
			s.small = 0
		} else if s.small >= smallSplices {
			s.bulk, s.small = false, 0
		}
		c.drain(d)
		return
	}
	c.l.givePipe(p)
	switch err {
	case nil:
		c.eof(d)
	case unix.EAGAIN:
	case unix.EINVAL, unix.ENOSYS:
		s.bulk = false // a socket that cannot
	default:
		c.broken(d, err)
	}
}

// drain empties the pipe of side d into the other side, as far as that takes it.
func (c *conn) drain(d analysis.Direction) {
	s := &c.side[d]
	for s.pipe.bytes > 0 {
		n, err := spliceSome(s.pipe.read, c.side[d.Other()].fd, s.pipe.bytes)
		switch {
		case err == unix.EAGAIN:
			return
		case err != nil || n == 0:
			c.broken(d.Other(), err)
			return
		}
		s.pipe.bytes -= n
		c.active = c.l.now
	}
	c.l.givePipe(s.pipe)
	s.pipe = nil
}

func spliceSome(from, to, n int) (int, error) {
	for {
		m, err := unix.Splice(from, nil, to, nil, n, unix.SPLICE_F_MOVE|unix.SPLICE_F_NONBLOCK)
		if err != unix.EINTR {
			return int(max(m, 0)), err
		}
	}
}
