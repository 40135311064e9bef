package probe

import (
	"context"
	"crypto/tls"
	"io"
	"net"
	"strconv"
	"sync"
	"testing"
)

// serve gives each connection to handle and returns the address as a target. All handlers are over when the test is.
func serve(t testing.TB, handle func(context.Context, net.Conn)) Target {
	t.Helper()
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			running.Go(func() {
				defer c.Close()
				defer context.AfterFunc(ctx, func() { c.Close() })()
				handle(ctx, c)
			})
		}
	})
	t.Cleanup(func() { cancel(); l.Close(); running.Wait() })
	return Target{"127.0.0.1", uint16(l.Addr().(*net.TCPAddr).Port)}
}

// serveTLS is a server that reads until the client has gone.
func serveTLS(t testing.TB, config *tls.Config) Target {
	return serve(t, func(ctx context.Context, c net.Conn) {
		s := tls.Server(c, config)
		if s.HandshakeContext(ctx) == nil {
			io.Copy(io.Discard, s)
		}
	})
}

// closedPort is one on which nobody listens.
func closedPort(t testing.TB) Target {
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	_, port, _ := net.SplitHostPort(l.Addr().String())
	n, _ := strconv.Atoi(port)
	return Target{"127.0.0.1", uint16(n)}
}
