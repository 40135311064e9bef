package proxy

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"runtime"
	"slices"
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
		closeAll(listeners)
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

// leastLoaded is the loop for the next connection.
func (s *Server) leastLoaded() *loop {
	best := s.loops[0]
	for _, l := range s.loops[1:] {
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
		n.start(s)
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
	closeAll(s.listeners)
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
			closeAll(s.listeners)
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

// Reload changes what is forwarded where. Listeners that both have live on, with their new upstream; live connections are not
// touched. When it fails nothing has changed.
func (s *Server) Reload(maps []Map) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ended || s.stop == nil {
		return ErrClosed
	}
	if len(maps) == 0 {
		return errors.New("nothing to forward: want at least one map of LISTEN to UPSTREAM")
	}
	listeners, err := s.listenersFor(maps)
	if err != nil {
		return err
	}
	kept := make(map[*listener]bool)
	for i, n := range listeners {
		kept[n] = true
		if before := n.m.Load(); before.Upstream != maps[i].Upstream || before.TLS != maps[i].TLS {
			n.tls.Store(maps[i].TLS)
		}
		n.m.Store(&maps[i])
	}
	for _, n := range s.listeners {
		if !kept[n] {
			n.close()
		}
	}
	s.listeners = listeners
	if s.serving {
		for _, n := range listeners {
			if n.done == nil {
				n.start(s)
			}
		}
	}
	return nil
}

// listenersFor gives a listener for each map: those that are open already, and new ones. It checks that no upstream is one of them.
func (s *Server) listenersFor(maps []Map) (listeners []*listener, err error) {
	var fresh []*listener
	defer func() {
		if err != nil {
			closeAll(fresh)
		}
	}()
	for _, m := range maps {
		n := s.listening(m.Listen, listeners)
		if n == nil && m.Listen.fixed() && slices.ContainsFunc(listeners, func(l *listener) bool { return l.listen == m.Listen }) {
			return nil, fmt.Errorf("%s is listened on by two maps: want each address once", m.Listen)
		}
		if n == nil {
			if n, err = s.openListener(m); err != nil {
				return nil, err
			}
			fresh = append(fresh, n)
		}
		listeners = append(listeners, n)
	}
	o := newOwn(listeners)
	for _, m := range maps {
		if err := o.check(m, s.log); err != nil {
			return nil, err
		}
	}
	s.own.Store(o)
	return listeners, nil
}

// listening is the listener that is already there for a and not among taken: there may be many with port 0.
func (s *Server) listening(a Address, taken []*listener) *listener {
	for _, n := range s.listeners {
		if n.listen == a && !slices.Contains(taken, n) {
			return n
		}
	}
	return nil
}

// check refuses an upstream that is one of our listeners.
func (o *own) check(m Map, log *zap.Logger) error {
	loop := false
	var ips []netip.Addr
	if a, ok := m.Upstream.literal(); m.Upstream.Path != "" {
		loop = o.isPath(m.Upstream.Path)
	} else if ok {
		ips = []netip.Addr{a.Addr()}
	} else {
		ctx, cancel := context.WithTimeout(context.Background(), DefaultDial)
		defer cancel()
		var err error
		if ips, err = net.DefaultResolver.LookupNetIP(ctx, "ip", m.Upstream.Host); err != nil {
			log.Warn("the upstream's name cannot be resolved now, it is tried again with each connection", zap.String("upstream", m.Upstream.String()), zap.Error(err))
		}
	}
	for _, ip := range ips {
		loop = loop || o.is(netip.AddrPortFrom(ip.Unmap(), m.Upstream.Port))
	}
	if loop {
		return fmt.Errorf("the upstream %s is this proxy itself: each connection would lead to the next; name the address that etcd listens on (--listen-client-urls)", m.Upstream)
	}
	return nil
}

// Bound is a map with the address that its listener is bound to: another than the map's when that has port 0.
type Bound struct {
	Map
	Addr net.Addr
}

// Bound lists what is listened on.
func (s *Server) Bound() []Bound {
	s.mu.Lock()
	defer s.mu.Unlock()
	var b []Bound
	for _, n := range s.listeners {
		b = append(b, Bound{Map: *n.m.Load(), Addr: n.socket.Addr()})
	}
	return b
}

// Health is the state of one map.
type Health struct {
	Map
	Failing string // why the last dial failed; "" when it worked, or none was tried yet
}

// Health says of each map whether its upstream could be reached when that was last tried.
func (s *Server) Health() []Health {
	s.mu.Lock()
	defer s.mu.Unlock()
	var all []Health
	for _, n := range s.listeners {
		h := Health{Map: *n.m.Load()}
		if text := n.failing.Load(); text != nil {
			h.Failing = *text
		}
		all = append(all, h)
	}
	return all
}

// Reach tries to connect to the upstream of each map, and closes at once. etcd's log has a line about each try, so it is not for every
// second; Health costs nothing.
func (s *Server) Reach(ctx context.Context) []Health {
	var all []Health
	for _, b := range s.Bound() {
		h := Health{Map: b.Map}
		network, address := "tcp", b.Upstream.String()
		if b.Upstream.Path != "" {
			network, address = "unix", b.Upstream.Path
		}
		dialer := net.Dialer{Timeout: s.limits.Dial}
		c, err := dialer.DialContext(ctx, network, address)
		if err != nil {
			h.Failing = err.Error()
		} else {
			c.Close()
		}
		all = append(all, h)
	}
	return all
}

func closeAll(listeners []*listener) {
	for _, n := range listeners {
		n.close()
	}
}
