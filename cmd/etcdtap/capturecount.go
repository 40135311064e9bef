package main

import (
	"fmt"
	"strings"
	"time"

	"github.com/etcdtap/etcdtap/analysis"
	"github.com/etcdtap/etcdtap/capture/live"
	"github.com/etcdtap/etcdtap/metrics"
)

// count asks the kernel what it dropped, and says so as soon as it happens.
func (c *capturer) count(now time.Time) {
	c.counted = now
	stats := c.source.Stats()
	dropped := stats.Dropped + stats.IfDropped
	if dropped > c.dropped {
		c.env.log.Warn(fmt.Sprintf("%d packets were dropped before they could be captured, %d in all: connections with gaps say so. Give the kernel more room, -B %d, or narrow the filter",
			dropped-c.dropped, dropped, min(4*c.flags.buffer, 1<<20)))
	}
	c.dropped = dropped
	if c.writer != nil {
		c.writeStats(&stats) // each file of a rotation tells its own share
	}
	if c.metrics != nil {
		c.measure(&stats)
	}
}

// measure hands the counts to the metrics.
func (c *capturer) measure(stats *live.Stats) {
	t, d := c.tracker.Stats(), &c.decoder.Stats
	s := metrics.CaptureStats{Received: c.packets, Decoded: t.Segments, NotTCP: d.NotTCP, Undecodable: d.Undecodable,
		KernelDrops: int64(stats.Dropped), InterfaceDrops: int64(stats.IfDropped), Evicted: t.Evicted, Tracked: int64(c.tracker.Active())}
	s.Gaps, s.MissedBytes = t.Gaps, t.MissedBytes
	if c.writer != nil {
		s.Written, s.WrittenBytes = c.writer.Packets(), c.writer.Bytes()
	}
	c.metrics.Capture(s)
	var down *string
	if names := strings.Join(c.source.Down(), ", "); names != "" {
		down = &names
	}
	c.down.Store(down)
}

// ready is the answer of /healthz.
func (c *capturer) ready() error {
	if down := c.down.Load(); down != nil {
		return fmt.Errorf("no packets come from %s: down, or vanished", *down)
	}
	return nil
}

func (c *capturer) statistics(now time.Time) {
	c.told = now
	c.live.statistics(analysis.Statistics{Packets: c.packets, Bytes: c.bytes, Dropped: int64(c.dropped), Open: int64(c.tracker.Active())})
}

// input tells the summary what was counted.
func (c *capturer) input(stats *live.Stats) analysis.Input {
	in := trackedInput(&c.decoder, c.tracker.Stats())
	in.Packets, in.Bytes = c.packets, c.bytes
	for i, s := range stats.Interfaces {
		note(&in.Drops, c.source.Interfaces()[i].Name+": dropped by the kernel, for want of buffer", int64(s.Dropped))
		note(&in.Drops, c.source.Interfaces()[i].Name+": dropped by the interface", int64(s.IfDropped))
	}
	if c.finder != nil {
		note(&in.Other, "clients whose process was not looked for: too many connections at once", c.finder.dropped())
	}
	return in
}
