// Command etcdtap says why a TLS connection to etcd failed: from capture files, and without decrypting anything.
//
//	etcdtap demo                     see what it does, on a real capture
//	etcdtap read incident.pcapng     read a capture
//	etcdtap explain grpc-to-peer-port
//
// Findings go to standard output, diagnostics to standard error. Exit status: 0 clean, 1 a failure of our own, 2 wrong usage,
// 3 (only with --exit-code) at least one finding of severity error.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	os.Exit(run(ctx, os.Args[1:], os.Environ(), os.Stdin, os.Stdout, os.Stderr))
}
