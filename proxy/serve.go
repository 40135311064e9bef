package proxy

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"runtime"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"go.uber.org/zap"
)

// reserve is how many descriptors are not for connections: listeners, loops, logs, pipes.
const reserve = 128

// watcherTime is how long an Observer gets to take what is left when all connections are closed.
const watcherTime = 10 * time.Second

// state is what a Server has besides its options.
type state struct {
	limits   Limits // with defaults
	log      *zap.Logger
	counters counters
	gate     gate
	queue    *queue // nil: nobody observes
	loops    []*loop
	names    names
	own      atomic.Pointer[own]
	lastID   atomic.Uint64
	told     told
	stopping atomic.Bool // all is accepted that will be: loops end when they are empty
	answers  sync.WaitGroup

	mu        sync.Mutex // guards listeners and serving
	listeners []*listener
	serving   bool
	ended     bool

	stop  chan struct{} // closed by Shutdown
	hurry chan struct{} // closed when Shutdown's ctx is done
	done  chan struct{} // closed when Serve has ended
	once  [2]sync.Once  // of stop and hurry
}

// ErrClosed is what Reload and Serve return after the end.
var ErrClosed = errors.New("the proxy has been shut down")

// Run listens and serves until ctx is done.
func (s *Server) Run(ctx context.Context) error {
	if err := s.Listen(); err != nil {
		return err
	}
	return s.Serve(ctx)
}

// Listen opens the listeners of all maps, or none. Connections wait in the kernel until Serve.
func (s *Server) Listen() error {
	if s.log = s.Log; s.log == nil {
		s.log = zap.NewNop()
	}
	switch {
	case len(s.Maps) == 0:
		return errors.New("nothing to forward: want at least one map of LISTEN to UPSTREAM")
	case s.SendProxy < 0 || s.SendProxy > 2:
		return fmt.Errorf("there is no PROXY protocol version %d: want 1 or 2", s.SendProxy)
	}
	s.limits = s.Limits.withDefaults()
	s.boundConnections()
	s.gate.limit, s.gate.counters = s.limits.Connections, &s.counters
	s.stop, s.hurry, s.done = make(chan struct{}), make(chan struct{}), make(chan struct{})
	s.mu.Lock()
	defer s.mu.Unlock()
	listeners, err := s.listenersFor(s.Maps)
	if err != nil {
		return err
	}
	if err := s.newLoops(); err != nil {
		s.closeAll(listeners)
		return err
	}
	if s.Observer != nil || s.Tap != nil || s.AnswerPlaintext {
		s.queue = newQueue(s.limits.QueueBytes)
	}
	s.listeners = listeners
	return nil
}

// boundConnections keeps the limit within what descriptors allow: two for each connection.
func (s *Server) boundConnections() {
	var r syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &r); err != nil {
		return
	}
	most := int(min(uint64(r.Cur), 1<<30)) // the field's type differs between systems
	if most = max((most-reserve)/2, 1); s.limits.Connections <= most {
		return
	}
	if s.Limits.Connections > 0 {
		s.log.Warn("fewer connections than asked for: each needs two descriptors; raise their limit (ulimit -n, LimitNOFILE=)",
			zap.Int("asked", s.limits.Connections), zap.Int("limit", most), zap.Uint64("descriptors", uint64(r.Cur)))
	}
	s.limits.Connections = most
}

func (s *Server) newLoops() error {
	n := s.Loops
	if n <= 0 {
		n = runtime.GOMAXPROCS(0)
	}
	for range n {
		l, err := newLoop(s)
		if err != nil {
			for _, l := range s.loops {
				l.poll.close()
			}
			s.loops = nil
			return err
		}
		s.loops = append(s.loops, l)
	}
	return nil
}

// leave gives a connection's place back.
func (s *Server) leave(client netip.Addr) {
	if s.gate.leave(client) {
		s.room()
	}
}

// leastLoaded is the loop for the next connection: l itself unless others have fewer.
func (s *Server) leastLoaded(l *loop) *loop {
	best := l
	for _, l := range s.loops {
		if l.open.Load() < best.open.Load() {
			best = l
		}
	}
	return best
}

// Serve forwards until ctx is done or Shutdown is called. Then it stops accepting, lets connections end for Limits.Drain, and closes
// those that are left. It returns nil then; its errors are our own failures.
func (s *Server) Serve(ctx context.Context) error {
	s.mu.Lock()
	if s.serving || s.ended {
		s.mu.Unlock()
		return ErrClosed
	}
	s.serving = true
	watching := make(chan struct{})
	if s.queue != nil {
		go func() {
			defer close(watching)
			s.watchAll()
		}()
	} else {
		close(watching)
	}
	var loops sync.WaitGroup
	for _, l := range s.loops {
		loops.Go(l.run)
	}
	for _, n := range s.listeners {
		s.serve(n)
	}
	s.mu.Unlock()

	select {
	case <-ctx.Done():
	case <-s.stop:
	}
	s.stopAccepting()
	s.drain()
	s.stopping.Store(true)
	for _, l := range s.loops {
		l.poll.wake()
	}
	loops.Wait()
	s.answers.Wait()
	s.names.wait.Wait()
	return s.endWatch(watching)
}

func (s *Server) stopAccepting() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.ended = true
	s.closeAll(s.listeners)
}

// drain waits for the connections, then closes what is left.
func (s *Server) drain() {
	timer := time.NewTimer(s.limits.Drain)
	defer timer.Stop()
	select {
	case <-s.gate.idle():
		return
	case <-timer.C:
	case <-s.hurry:
	}
	for _, l := range s.loops {
		l.post(func() {
			l.each(func(c *conn) {
				s.counters.drained.Add(1)
				c.end(ByDrain)
			})
		})
	}
}

// endWatch waits for the watcher, though not for ever: an Observer may hang.
func (s *Server) endWatch(watching <-chan struct{}) error {
	defer close(s.done)
	if s.queue == nil {
		return nil
	}
	s.queue.close()
	select {
	case <-watching:
		return nil
	case <-time.After(watcherTime):
		return fmt.Errorf("what observes did not take the last events within %s: they are lost", watcherTime)
	}
}

// Shutdown makes Serve stop accepting and waits for it. When ctx is done it closes the connections that are left.
func (s *Server) Shutdown(ctx context.Context) error {
	s.mu.Lock()
	if !s.serving {
		defer s.mu.Unlock()
		if !s.ended && s.stop != nil {
			s.ended = true
			s.closeAll(s.listeners)
			for _, l := range s.loops {
				l.poll.close()
			}
		}
		return nil
	}
	s.mu.Unlock()
	s.once[0].Do(func() { close(s.stop) })
	select {
	case <-s.done:
		return nil
	case <-ctx.Done():
		s.once[1].Do(func() { close(s.hurry) })
		<-s.done
		return ctx.Err()
	}
}

func (s *Server) closeAll(listeners []*listener) {
	for _, n := range listeners {
		n.close(s)
	}
}
