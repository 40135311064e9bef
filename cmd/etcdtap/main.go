// Command etcdtap says why a TLS connection to etcd failed: from captures, from etcd's log, or from both, and from the server itself.
//
//	etcdtap demo                             see what it does, on a real capture
//	etcdtap read incident.pcapng             read a capture
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
	"syscall"
	"time"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	status := make(chan int, 1)
	go func() { status <- run(ctx, os.Args[1:], os.Environ(), os.Stdin, os.Stdout, os.Stderr) }()
	select {
	case s := <-status:
		os.Exit(s)
	case <-ctx.Done():
	}
	stop() // a second signal ends the process at once
	select {
	case s := <-status:
		os.Exit(s)
	case <-time.After(grace):
		fmt.Fprintln(os.Stderr, "etcdtap: interrupted while waiting for input that did not come")
		os.Exit(exitFailure)
	}
}

// grace is how long an interrupted command may take to report what it has: reading from a pipe may block for ever.
const grace = 3 * time.Second
