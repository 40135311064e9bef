package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/signal"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"go.uber.org/zap"

	"github.com/etcdtap/etcdtap/analysis"
	"github.com/etcdtap/etcdtap/capture"
	"github.com/etcdtap/etcdtap/metrics"
	"github.com/etcdtap/etcdtap/proxy"
)

// forwarder is a running proxy: it implements proxy.Observer and makes reports of what that is told.
type forwarder struct {
	env       *environment
	flags     *proxyFlags
	server    *proxy.Server
	said      *messages // what forwarding has to say, to standard error
	tap       *proxyTap // nil without -w
	finder    *processFinder
	metrics   *metrics.Metrics // nil without --metrics
	upstreams upstreams
	expect    analysis.Expectations                 // after the start it is reload's
	reloaded  atomic.Pointer[analysis.Expectations] // what the next report is to be judged by; nil: as the last

	mu   sync.Mutex // guards what follows: the watcher reports, and a ticker lets time pass
	live *liveReporter
	told time.Time // statistics
	mute bool      // reports cannot be written any more, and that was said

	respite respite // the ticker's
}

// forward opens all, forwards until ctx is done and the connections have drained, and closes all.
func (e *environment) forward(ctx context.Context, f *proxyFlags, s *proxy.Server, x analysis.Expectations) error {
	p := &forwarder{env: e, flags: f, server: s, expect: x}
	s.Observer = p
	defer spareProcessors(s)()
	p.said = newMessages(e.stderr)
	defer p.said.close()
	s.Log = newLogger(p.said, e.verbose)
	keys, err := openKeys(f.keylogs, nil)
	if err != nil {
		return err
	}
	defer keys.close()
	if len(f.keylogs) > 0 {
		s.Observe = func(c *analysis.Conn) { c.UseKeys(keys) }
	}
	if err := p.prepare(ctx); err != nil {
		return err
	}
	if err := s.Listen(); err != nil {
		return listenError(err)
	}
	p.announce()
	endsOrderly(ctx)
	brokenPipe := make(chan os.Signal, 1) // where it is asked for, a reader of ours that ends does not end the connections with it
	signal.Notify(brokenPipe, syscall.SIGPIPE)
	defer signal.Stop(brokenPipe)
	stop := p.attend()
	if err = s.Serve(ctx); err == nil {
		endsWithin(ctx, finishTime)
	} else {
		endsWithin(ctx, grace) // what observes hangs, in writing to us mostly
	}
	stop()
	return p.finish(err)
}

// finishTime is how long the last reports may take: much less than the 90 s after which systemd kills.
const finishTime = 30 * time.Second

// spareProcessors gives the scheduler more processors than there are loops. Loops wait in system calls; without an idle processor
// beside them the scheduler takes theirs away after 20 µs of that and starts a thread to look for work (Go 1.26, runtime/proc.go, retake
// and handoffp), twice for each new connection. restore undoes it.
func spareProcessors(s *proxy.Server) (restore func()) {
	s.Loops = runtime.GOMAXPROCS(0)
	runtime.GOMAXPROCS(s.Loops + 2)
	return func() { runtime.GOMAXPROCS(s.Loops) }
}

// listenError tells errors of the flags from the system's.
func listenError(err error) error {
	var maps *proxy.MapError
	switch {
	case errors.Is(err, proxy.ErrRemote):
		return &usageError{err, "other addresses than loopback take --allow-remote"}
	case errors.As(err, &maps):
		return &usageError{err, "for example --listen 127.0.0.1:12379 --upstream 127.0.0.1:2379"}
	}
	return err
}

// prepare opens files, logs and the metrics' port.
func (p *forwarder) prepare(ctx context.Context) (err error) {
	f, out := p.flags, p.env.stdout
	if f.write.name == "-" {
		out = p.env.stderr
	}
	if p.live, err = p.env.newLiveReporter(&f.out, out, "proxy", p.expect); err != nil {
		return err
	}
	p.live.all = true // it was asked for by name
	if err := p.live.follow(f.logs); err != nil {
		return err
	}
	if f.processes {
		p.finder = p.env.startFinder(nil, "")
	}
	if f.write.name != "" {
		if p.tap, err = p.env.newProxyTap(&f.write); err != nil {
			return err
		}
		p.server.Tap = p.tap
	}
	if f.metrics == "" {
		return nil
	}
	p.metrics = metrics.New(metrics.Build{Version: versionText(), Libpcap: capture.HasPcap})
	p.metrics.Proxy(p.stats)
	p.metrics.CertificateFiles(p.expect.PKI)
	p.live.metrics = p.metrics
	_, err = p.metrics.Serve(ctx, f.metrics, metrics.Options{Ready: p.ready, Pprof: f.pprof})
	return err
}

// announce says what is forwarded where.
func (p *forwarder) announce() {
	for _, b := range p.server.Bound() {
		text := ""
		if b.Role != analysis.EndpointOther {
			text = " (" + b.Role.String() + " port)"
		}
		fmt.Fprintf(p.said, "etcdtap: forwarding %s to %s%s\n", listenText(b.Addr), b.Upstream, text)
	}
	if p.flags.answerPlaintext {
		fmt.Fprintln(p.said, "etcdtap: --answer-plaintext is on: clients without TLS get an answer from etcdtap where the upstream speaks TLS; all else passes unaltered")
	}
}

// listenText is a listener's address as flags take it.
func listenText(a net.Addr) string {
	if a.Network() == "unix" {
		return "unix:" + a.String()
	}
	return a.String()
}

// Opened implements proxy.Observer.
func (p *forwarder) Opened(c *proxy.Connection) {
	for _, err := range c.Passed {
		p.metrics.Dialed(0, err)
	}
	p.metrics.Dialed(c.Dialed, c.DialError)
	p.upstreams.tell(c)
	if p.finder != nil {
		p.finder.finder.Ask(c.Peer, c.Listen, c.At)
	}
}

// Settled implements proxy.Observer.
func (p *forwarder) Settled(c *proxy.Connection, f *analysis.Facts) {
	p.report(c, f, false, func() { p.live.watch.Early(f, true, false) })
}

// Quiet implements proxy.Observer.
func (p *forwarder) Quiet(c *proxy.Connection, f *analysis.Facts, stuck bool) (enough bool) {
	p.report(c, f, false, func() { enough = p.live.watch.Early(f, false, stuck) })
	return enough
}

// Ended implements proxy.Observer.
func (p *forwarder) Ended(c *proxy.Connection, f *analysis.Facts, e proxy.Ended) {
	p.metrics.Closed(e.At.Sub(c.At))
	p.report(c, f, e.Answered, func() { p.live.watch.End(f) })
}

// report lets say judge a connection, and adds what only the proxy knows of it.
func (p *forwarder) report(c *proxy.Connection, f *analysis.Facts, answered bool, say func()) {
	f.Outgoing, f.Dialed, f.Role = c.Outgoing, c.ConnectedTo(), c.Map.Role
	if c.Unreached {
		f.DialError = c.DialError.Error()
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.adopt()
	p.live.about = func(a *analysis.Connection) {
		a.Answered = answered
		if p.finder != nil {
			a.Process = p.finder.find(c.Peer, c.Listen, c.At)
		}
	}
	say()
}

// attend lets time pass and obeys signals, beside the forwarding. stop ends it.
func (p *forwarder) attend() (stop func()) {
	hangUp, user1 := make(chan os.Signal, 1), make(chan os.Signal, 1)
	signal.Notify(hangUp, syscall.SIGHUP)
	signal.Notify(user1, syscall.SIGUSR1)
	done := make(chan struct{})
	var wait sync.WaitGroup
	wait.Go(func() {
		every := time.NewTicker(tickEvery)
		defer every.Stop()
		for {
			select {
			case <-done:
				return
			case now := <-every.C:
				p.tick(now)
			case <-user1:
				p.statistics(time.Now())
			}
		}
	})
	wait.Go(func() { // by itself: reports may have to wait for their reader, and forwarding does not wait for them
		for {
			select {
			case <-done:
				return
			case <-hangUp:
				p.reload()
			}
		}
	})
	return func() {
		signal.Stop(hangUp)
		signal.Stop(user1)
		close(done)
		wait.Wait()
	}
}

func (p *forwarder) tick(now time.Time) {
	p.mu.Lock()
	p.adopt()
	p.live.tick(now)
	if err := p.live.err; err != nil && !p.mute {
		p.mute = true
		p.env.log.Error("nothing more can be reported; forwarding goes on", zap.Error(err))
	}
	due := p.flags.statistics > 0 && now.Sub(p.told) >= p.flags.statistics
	if p.told.IsZero() {
		p.told, due = now, false
	}
	p.mu.Unlock()
	p.respite.tick(now, p.server.Stats().Accepted)
	if p.tap != nil {
		p.tap.flush()
	}
	if due {
		p.statistics(now)
	}
}

func (p *forwarder) statistics(now time.Time) {
	s := p.server.Stats()
	p.mu.Lock()
	defer p.mu.Unlock()
	p.told, p.live.now = now, now
	p.live.statistics(analysis.Statistics{Bytes: s.Bytes[0] + s.Bytes[1], Dropped: s.Unobserved, Open: s.Active})
}

// reload reads the file of maps again. What fails changes nothing.
func (p *forwarder) reload() {
	if p.flags.mapFile == "" {
		p.env.log.Warn("SIGHUP reads --map-file again, and there is none: nothing has changed")
		return
	}
	x := p.expect
	maps, err := p.flags.allMaps(p.server, &x)
	if err == nil {
		err = p.server.Reload(maps)
	}
	if err != nil {
		p.env.log.Warn("the maps were not changed", zap.Error(err))
		return
	}
	p.expect = x
	p.reloaded.Store(&x)
	p.announce()
}

// adopt lets what is reported from here on be judged by the maps that were read last. mu is held.
func (p *forwarder) adopt() {
	if x := p.reloaded.Swap(nil); x != nil {
		d := &p.live.watch.Diagnoser.Expectations
		d.ClientPorts, d.PeerPorts = x.ClientPorts, x.PeerPorts
	}
}

// ready says why an upstream cannot be reached.
func (p *forwarder) ready() error {
	ctx, cancel := context.WithTimeout(context.Background(), 2*tryTime)
	defer cancel()
	for _, b := range p.server.Bound() {
		if err := p.upstreams.check(ctx, b.Upstream); err != nil {
			return fmt.Errorf("%s cannot be reached: %w", b.Upstream, err)
		}
	}
	return nil
}

// finish reports what is pending and says what passed. cause is why the proxy ended.
func (p *forwarder) finish(cause error) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.adopt()
	p.finder.close()
	if p.tap != nil {
		cause = firstOf(cause, p.tap.close())
	}
	s := p.server.Stats()
	cause = firstOf(cause, p.live.close(proxyInput(&s)))
	fmt.Fprintf(p.said, "%d connections, %d bytes to servers, %d bytes to clients\n", s.Accepted, s.Bytes[analysis.FromClient], s.Bytes[analysis.FromServer])
	if cause == nil && p.flags.out.exitCode && p.live.summary.Failed > 0 {
		return errFindings
	}
	return cause
}

// with and without are sets of ports.
func with(list []uint16, p uint16) []uint16 {
	if p == 0 || slices.Contains(list, p) {
		return list
	}
	return append(slices.Clone(list), p)
}

func without(list []uint16, p uint16) []uint16 {
	return slices.DeleteFunc(slices.Clone(list), func(x uint16) bool { return x == p })
}
