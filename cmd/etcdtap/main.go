// Command etcdtap says why a TLS connection to etcd failed: from captures, from etcd's log, or from both, and from the server itself.
//
//	etcdtap demo                             see what it does, on a real capture
//	etcdtap read incident.pcapng             read a capture
//	etcdtap capture                          watch live traffic
//	journalctl -u etcd | etcdtap explain     explain a log
//	etcdtap probe 10.0.0.1:2379              ask a server
//	etcdtap check                            compare configuration and certificates
//	etcdtap explain grpc-to-peer-port        what a finding means
//
// Findings go to standard output, diagnostics to standard error. Exit status: 0 clean, 1 a failure of our own, 2 wrong usage,
// 3 (only with --exit-code) at least one finding of severity error.
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"sync/atomic"
	"syscall"
	"time"
)

func main() {
	o := &order{over: make(chan time.Duration, 1)}
	ctx, stop := signal.NotifyContext(context.WithValue(context.Background(), orderKey{}, o), os.Interrupt, syscall.SIGTERM)
	defer stop()
	status := make(chan int, 1)
	go func() { status <- run(ctx, os.Args[1:], os.Environ(), os.Stdin, os.Stdout, os.Stderr) }()
	select {
	case s := <-status:
		os.Exit(s)
	case <-ctx.Done():
	}
	same := time.After(sameOrder)
	hurry, why := time.After(grace), "interrupted while waiting for input that did not come"
	if o.orderly.Load() {
		hurry = nil
	}
	for {
		select {
		case s := <-status:
			os.Exit(s)
		case <-same:
			stop() // a second signal ends the process at once
		case d := <-o.over:
			hurry, why = time.After(d), "ended before all was reported: nobody takes it; read what etcdtap writes, or send it to a file"
		case <-hurry:
			complain(why)
			os.Exit(exitFailure)
		}
	}
}

// sameOrder is how long after a signal another one is no second order: timeout(1) sends its own twice, to the process and to its group.
// Nobody presses a key twice as fast.
const sameOrder = 100 * time.Millisecond

// complain says why on standard error, unless that takes nothing either.
func complain(why string) {
	said := make(chan struct{})
	go func() {
		fmt.Fprintln(os.Stderr, "etcdtap: "+why)
		close(said)
	}()
	select {
	case <-said:
	case <-time.After(grace):
	}
}

// order is what a command tells of its end. It is in its context, under orderKey.
type order struct {
	orderly atomic.Bool
	over    chan time.Duration // holds one
}

type orderKey struct{}

// endsOrderly says that the command obeys its context, and ends by itself, in good order, however long that takes: a capture closes its
// files, a proxy drains its connections.
func endsOrderly(ctx context.Context) {
	if o, ok := ctx.Value(orderKey{}).(*order); ok {
		o.orderly.Store(true)
	}
}

// endsWithin says that the work is done, and that what is left to say takes no longer than d, unless nobody listens.
func endsWithin(ctx context.Context, d time.Duration) {
	if o, ok := ctx.Value(orderKey{}).(*order); ok {
		o.over <- d
	}
}

// grace is how long an interrupted command may take to report what it has: reading from a pipe may block for ever.
const grace = 3 * time.Second
