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
	orderly := new(atomic.Bool)
	ctx, stop := signal.NotifyContext(context.WithValue(context.Background(), orderlyKey{}, orderly), os.Interrupt, syscall.SIGTERM)
	defer stop()
	status := make(chan int, 1)
	go func() { status <- run(ctx, os.Args[1:], os.Environ(), os.Stdin, os.Stdout, os.Stderr) }()
	select {
	case s := <-status:
		os.Exit(s)
	case <-ctx.Done():
	}
	stop() // a second signal ends the process at once
	hurry := time.After(grace)
	if orderly.Load() {
		hurry = nil
	}
	select {
	case s := <-status:
		os.Exit(s)
	case <-hurry:
		fmt.Fprintln(os.Stderr, "etcdtap: interrupted while waiting for input that did not come")
		os.Exit(exitFailure)
	}
}

// orderlyKey finds in a command's context what it sets once it ends by itself, in good order, however long that takes: a capture closes
// its files, a proxy drains its connections.
type orderlyKey struct{}

// endsOrderly says that the command obeys its context.
func endsOrderly(ctx context.Context) {
	if b, ok := ctx.Value(orderlyKey{}).(*atomic.Bool); ok {
		b.Store(true)
	}
}

// grace is how long an interrupted command may take to report what it has: reading from a pipe may block for ever.
const grace = 3 * time.Second
