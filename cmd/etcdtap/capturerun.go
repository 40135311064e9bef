package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"slices"
	"strings"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/etcdtap/etcdtap/analysis"
	"github.com/etcdtap/etcdtap/capture"
	"github.com/etcdtap/etcdtap/capture/live"
	"github.com/etcdtap/etcdtap/capture/privilege"
	"github.com/etcdtap/etcdtap/capture/savefile"
	"github.com/etcdtap/etcdtap/metrics"
)

const (
	liveLinger = 200 * time.Millisecond // a closed connection waits so long for what trails it
	// liveHeld is in bytes: a million connections without data, or forty thousand that have sent a ClientHello, so that all bounds together are
	// within what deploy/etcdtap.service allows.
	liveHeld   = 192 << 20
	tickEvery  = 100 * time.Millisecond // logs are looked at, and what waits is reported
	countEvery = time.Second            // the kernel is asked for its drops
	timeEvery  = 64                     // packets between two looks at the clock, unless their own times say that one is due
	captureEnd = 15 * time.Second       // for all that is left to report: less than the TimeoutStopSec of deploy/etcdtap.service
	drainFor   = time.Second            // what the kernel holds back at the end is read for so long at the most: it takes 0.1 s where it keeps up
)

// capturer is a live capture: packets become connections, which a liveReporter reports.
type capturer struct {
	env     *environment
	flags   *captureFlags
	source  *live.Source
	writer  *savefile.Writer // nil without -w
	decoder capture.Decoder
	tracker *capture.Tracker
	live    *liveReporter
	finder  *processFinder   // nil without --processes
	metrics *metrics.Metrics // nil without --metrics

	packets, bytes int64
	dropped        uint64 // by kernel and interfaces, as of the last look
	handshakesOnly bool
	last           int64 // time of the last packet
	before         int64 // packets at the last tick
	ticked         time.Time
	due            int64 // when the next tick is, as packets have their times
	counted        time.Time
	told           time.Time // statistics
	until          time.Time // zero: no end
	user1          chan os.Signal
	down           atomic.Pointer[string] // interfaces that give no packets, for /healthz
}

// watch opens all, gives up what it does not need any more, captures, and closes all.
func (e *environment) watch(ctx context.Context, f *captureFlags, x analysis.Expectations, expression string) (err error) {
	c := &capturer{env: e, flags: f, handshakesOnly: f.write.handshakes}
	c.source, err = live.Open(live.Options{Interfaces: f.interfaces, Ports: allPorts(&x), Expression: expression, SnapLen: f.snapLen,
		Buffer: f.buffer << 10, NetNS: f.namespace(), Promiscuous: !f.noPromiscuous})
	if errors.Is(err, live.ErrAnyAmongOthers) {
		return &usageError{err, "for example -i any, or -i eth0 -i lo"}
	}
	if err != nil {
		return advised(err)
	}
	defer c.source.Close()
	keys, err := openKeys(f.keylogs, nil)
	if err != nil {
		return err
	}
	defer keys.close()
	if err := c.prepare(ctx, x, expression, keys); err != nil {
		return err
	}
	defer c.finder.close()
	if err := privilege.Drop(privilege.Options{User: f.user}); err != nil {
		return err
	}
	if err := f.write.checkLater(); err != nil {
		return err
	}
	if c.live.logs != nil {
		c.live.logs.mayReopen()
	}
	endsOrderly(ctx)
	defer context.AfterFunc(ctx, func() { endsWithin(ctx, captureEnd) })() // who reads our reports may have stopped to
	brokenPipe := make(chan os.Signal, 1)                                  // where it is asked for, a reader of ours that ends is an error of writing, and files are closed
	signal.Notify(brokenPipe, syscall.SIGPIPE)
	defer signal.Stop(brokenPipe)
	fmt.Fprintf(e.stderr, "etcdtap: capturing on %s: %s; Ctrl-C ends it\n", c.names(), filterText(&x, expression))
	c.user1 = make(chan os.Signal, 1)
	signal.Notify(c.user1, syscall.SIGUSR1)
	defer signal.Stop(c.user1)
	return c.finish(c.run(ctx))
}

// prepare opens what has to be open before privileges are given up: files, logs, the metrics' port, the finder of processes.
func (c *capturer) prepare(ctx context.Context, x analysis.Expectations, expression string, keys *keys) (err error) {
	f := c.flags
	out := c.env.stdout
	if f.write.name == "-" {
		out = c.env.stderr
	}
	if c.live, err = c.env.newLiveReporter(&f.out, out, c.names(), x); err != nil {
		return err
	}
	c.live.all = f.all
	if err := c.live.follow(f.logs); err != nil {
		return err
	}
	if f.metrics != "" {
		c.metrics = metrics.New(metrics.Build{Version: versionText(), Libpcap: capture.HasPcap})
		if _, err := c.metrics.Serve(ctx, f.metrics, metrics.Options{Ready: c.ready}); err != nil {
			return err
		}
		c.metrics.CertificateFiles(x.PKI)
		c.live.metrics = c.metrics
	}
	options := capture.TrackerOptions{IdleTimeout: f.idle, MaxConnections: f.maxConnections, MaxHeld: liveHeld, Linger: liveLinger, Early: c.early,
		ServerPorts: func(p uint16) bool { return slices.Contains(allPorts(&x), p) }}
	if len(f.keylogs) > 0 {
		options.Keys = keys
	}
	c.tracker = capture.NewTracker(options, c.live.watch.End)
	if f.processes {
		c.finder = c.env.startFinder(allPorts(&x), f.namespace())
		if c.finder != nil {
			c.live.about = func(a *analysis.Connection) { a.Process = c.finder.find(a.Client, a.Server, a.Start) }
		}
	}
	if f.write.name != "" {
		return c.openWriter(filterText(&x, expression))
	}
	return nil
}

// early shows a connection before its end.
func (c *capturer) early(f *analysis.Facts, why capture.Early) bool {
	return c.live.watch.Early(f, why == capture.EarlySettled, why == capture.EarlyStuck)
}

// run takes packets until something ends it; nil is an end that was asked for.
func (c *capturer) run(ctx context.Context) error {
	now := time.Now()
	c.ticked, c.told = now, now
	c.count(now) // the metrics are there from the start
	if c.flags.duration > 0 {
		c.until = now.Add(c.flags.duration)
	}
	var p capture.Packet
	var s capture.Segment
	for n := 0; ; n++ {
		err := c.source.Next(&p)
		if err == nil {
			if err := c.packet(&p, &s); err != nil {
				return err
			}
			if c.full() {
				return nil
			}
		} else if err := c.without(err); err != nil {
			return err
		}
		if err != nil || n%timeEvery == 0 || p.Time >= c.due {
			if done, err := c.tick(ctx, err != nil); err != nil {
				return err
			} else if done {
				return c.drain(&p, &s)
			}
		}
	}
}

// drain takes the packets from before the end that the kernel has not handed over yet.
func (c *capturer) drain(p *capture.Packet, s *capture.Segment) error {
	end := time.Now()
	for time.Since(end) < drainFor {
		var down *live.DownError
		switch err := c.source.Next(p); {
		case errors.As(err, &down):
			continue
		case err != nil: // ErrIdle: there are no more
			return nil
		case p.Time > end.UnixNano():
			return nil
		}
		if err := c.packet(p, s); err != nil {
			return err
		}
		if c.full() {
			return nil
		}
	}
	return nil
}

// full reports whether as many packets came as were asked for.
func (c *capturer) full() bool { return c.flags.count > 0 && c.packets >= c.flags.count }

// without judges why there is no packet; nil goes on.
func (c *capturer) without(err error) error {
	var down *live.DownError
	switch {
	case errors.Is(err, live.ErrIdle):
		return nil
	case errors.As(err, &down):
		c.env.log.Warn(err.Error())
		return nil
	case err == io.EOF:
		return fmt.Errorf("every interface of %s has vanished: what was captured until then is above; see what there is with etcdtap capture -D", c.names())
	}
	return err
}

// packet takes one packet.
func (c *capturer) packet(p *capture.Packet, s *capture.Segment) error {
	c.packets++
	c.last = p.Time
	c.bytes += int64(len(p.Data))
	if c.writer != nil && !c.handshakesOnly {
		if err := c.writer.Packet(p); err != nil {
			return err
		}
	}
	if c.decoder.Decode(p, s) != capture.TCP {
		return nil
	}
	if c.finder != nil && s.Opens() {
		c.finder.ask(p, s)
	}
	c.tracker.Segment(p, s)
	if c.handshakesOnly && c.tracker.Useful() {
		if err := c.writer.Packet(p); err != nil {
			return err
		}
	}
	return c.live.err
}

// tick does what time asks for. idle says that no packet is waiting.
func (c *capturer) tick(ctx context.Context, idle bool) (done bool, err error) {
	now := time.Now()
	if ctx.Err() != nil || !c.until.IsZero() && !now.Before(c.until) {
		return true, nil
	}
	select {
	case <-c.user1:
		c.count(now)
		c.statistics(now)
	default:
	}
	if now.Sub(c.ticked) < tickEvery {
		return false, nil
	}
	c.ticked, c.due = now, now.Add(tickEvery).UnixNano()
	if idle {
		c.tracker.Advance(now.UnixNano())
	} else {
		c.tracker.Advance(c.last) // segments do so, too, but not all packets are
	}
	c.live.tick(now)
	few := c.packets-c.before < timeEvery // an etcd's heartbeats alone come more often than every idle moment
	c.before = c.packets
	if (idle || few) && c.writer != nil {
		if err := c.writer.Flush(); err != nil {
			return false, err
		}
	}
	if now.Sub(c.counted) >= countEvery {
		c.count(now)
	}
	if every := c.flags.statistics; every > 0 && now.Sub(c.told) >= every {
		c.statistics(now)
	}
	return false, c.live.err
}

// finish reports what is pending, closes the file, and says what tcpdump says at its end. cause is why the capture ended.
func (c *capturer) finish(cause error) error {
	if errors.Is(cause, savefile.ErrFilesWritten) {
		cause = nil
	}
	c.tracker.Flush()
	stats := c.source.Stats()
	c.count(time.Now())
	if c.writer != nil {
		cause = firstOf(cause, c.writer.Close())
	}
	cause = firstOf(cause, c.live.close(c.input(&stats)))
	fmt.Fprintf(c.env.stderr, "%d packets captured\n%d packets received by filter\n%d packets dropped by kernel\n", c.packets, stats.Received, stats.Dropped)
	if stats.IfDropped > 0 {
		fmt.Fprintf(c.env.stderr, "%d packets dropped by interface\n", stats.IfDropped)
	}
	if cause == nil && c.flags.out.exitCode && c.live.summary.Failed > 0 {
		return errFindings
	}
	return cause
}

func firstOf(a, b error) error {
	if a != nil {
		return a
	}
	return b
}

// names are the interfaces, for people.
func (c *capturer) names() string {
	var names []string
	for _, i := range c.source.Interfaces() {
		names = append(names, i.Name)
	}
	return strings.Join(names, ", ")
}

// allPorts are etcd's.
func allPorts(x *analysis.Expectations) []uint16 {
	return slices.Concat(x.ClientPorts, x.PeerPorts, x.MetricsPorts)
}

// filterText is the filter as tcpdump would take it.
func filterText(x *analysis.Expectations, expression string) string {
	if expression != "" {
		return expression
	}
	return live.PortExpression(allPorts(x))
}

// advised adds to an error for want of privileges what to do. What takes another one than capturing says so by itself.
func advised(err error) error {
	var p *live.PermissionError
	if errors.As(err, &p) && p.Capability != privilege.NetRaw.String() {
		return err
	}
	return privilege.Advice(err)
}
