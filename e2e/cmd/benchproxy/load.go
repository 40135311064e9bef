package main

import (
	"context"
	"io"
	"net"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

const (
	bulkConnections = 4
	newAtOnce       = 8                      // clients that make new connections
	warmUp          = 200 * time.Millisecond // of bulk, until every proxy does what it does for long
	warmRequests    = 500
	settle          = 500 * time.Millisecond // until memory is what it is
)

// bulk reads as fast as it can.
func (b *bench) bulk(ctx context.Context, t *target) error {
	var conns []net.Conn
	defer func() {
		for _, c := range conns {
			c.Close()
		}
	}()
	var bytes atomic.Int64
	for range bulkConnections {
		c, err := b.backend.dial(t.addr, wantBulk)
		if err != nil {
			return err
		}
		conns = append(conns, c)
		go func() {
			p := make([]byte, bulkWrite)
			for {
				n, err := c.Read(p)
				bytes.Add(int64(n))
				if err != nil {
					return
				}
			}
		}()
	}
	pause(ctx, warmUp)
	begun, before, cpu := time.Now(), bytes.Load(), t.cpu()
	pause(ctx, b.each)
	passed, took := float64(bytes.Load()-before)/1e9, time.Since(begun)
	b.add(t, bulkRate, passed/took.Seconds())
	if t.cmd != nil {
		b.add(t, bulkCPU, (t.cpu()-cpu).Seconds()/passed)
	}
	return nil
}

// small sends one request after the other.
func (b *bench) small(ctx context.Context, t *target) error {
	c, err := b.backend.dial(t.addr, wantEcho)
	if err != nil {
		return err
	}
	defer c.Close()
	request := dataRecords(recordHeader + smallBody)
	answer := make([]byte, len(request))
	var took []float64
	end := time.Now().Add(b.each)
	for n := 0; ctx.Err() == nil; n++ {
		begun := time.Now()
		if begun.After(end) && n > warmRequests {
			break
		}
		if _, err := c.Write(request); err != nil {
			return err
		}
		if _, err := io.ReadFull(c, answer); err != nil {
			return err
		}
		if n >= warmRequests {
			took = append(took, float64(time.Since(begun).Nanoseconds())/1000)
		}
	}
	slices.Sort(took)
	b.add(t, smallMedian, took[len(took)/2])
	b.add(t, smallTail, took[len(took)*99/100])
	return nil
}

// fresh makes connections, with one request each.
func (b *bench) fresh(ctx context.Context, t *target) error {
	var made atomic.Int64
	var failed atomic.Pointer[error]
	var wait sync.WaitGroup
	begun, cpu := time.Now(), t.cpu()
	end := begun.Add(b.each)
	request := dataRecords(recordHeader + smallBody)
	for range newAtOnce {
		wait.Go(func() {
			answer := make([]byte, len(request))
			for ctx.Err() == nil && time.Now().Before(end) {
				c, err := b.backend.dial(t.addr, wantEcho)
				if err == nil {
					c.Write(request)
					_, err = io.ReadFull(c, answer)
					c.Close()
				}
				if err != nil {
					failed.Store(&err)
					return
				}
				made.Add(1)
			}
		})
	}
	wait.Wait()
	if err := failed.Load(); err != nil {
		return *err
	}
	b.add(t, newRate, float64(made.Load())/time.Since(begun).Seconds())
	if t.cmd != nil {
		b.add(t, newCPU, float64((t.cpu()-cpu).Microseconds())/float64(made.Load()))
	}
	return nil
}

// memory opens connections that say nothing after their handshake.
func (b *bench) memory(ctx context.Context, t *target) error {
	if t.cmd == nil {
		return nil
	}
	first, err := b.backend.dial(t.addr, wantIdle) // what the first one costs is not asked
	if err != nil {
		return err
	}
	defer first.Close()
	pause(ctx, settle)
	before := t.memory()
	var conns []net.Conn
	defer func() {
		for _, c := range conns {
			c.Close()
		}
		pause(ctx, settle)
	}()
	for range b.idle {
		c, err := b.backend.dial(t.addr, wantIdle)
		if err != nil {
			return err
		}
		conns = append(conns, c)
	}
	pause(ctx, 4*settle)
	b.add(t, idleMemory, float64(t.memory()-before)/1024/float64(len(conns)))
	return nil
}

func pause(ctx context.Context, d time.Duration) {
	select {
	case <-ctx.Done():
	case <-time.After(d):
	}
}
