package proxy

import (
	"io"
	"net"
	"testing"
	"time"
)

// benchTargets runs f against the upstream directly and through the proxy.
func benchTargets(b *testing.B, serve func(net.Conn), f func(b *testing.B, addr string)) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	defer l.Close()
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer c.Close()
				serve(c)
			}()
		}
	}()
	b.Run("direct", func(b *testing.B) { f(b, l.Addr().String()) })
	m, err := ParseMap("127.0.0.1:0=" + l.Addr().String())
	if err != nil {
		b.Fatal(err)
	}
	s := &Server{Maps: []Map{m}, Observer: &recorder{}, Limits: Limits{Drain: -1}}
	if err := s.Listen(); err != nil {
		b.Fatal(err)
	}
	done := make(chan error, 1)
	go func() { done <- s.Serve(b.Context()) }()
	b.Run("proxy", func(b *testing.B) { f(b, s.Bound()[0].Addr.String()) })
	s.Shutdown(b.Context())
	<-done
}

func benchDial(b *testing.B, addr string) net.Conn {
	c, err := net.Dial("tcp", addr)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { c.Close() })
	return c
}

// BenchmarkThroughput is bulk from the upstream over one connection.
func BenchmarkThroughput(b *testing.B) {
	const block = 1 << 20
	benchTargets(b, func(c net.Conn) { io.Copy(struct{ io.Writer }{c}, zeros{}) }, func(b *testing.B, addr string) {
		c := benchDial(b, addr)
		buf := make([]byte, block)
		b.SetBytes(block)
		for b.Loop() {
			if _, err := io.ReadFull(c, buf); err != nil {
				b.Fatal(err)
			}
		}
	})
}

// BenchmarkRoundTrip is a small request and its answer.
func BenchmarkRoundTrip(b *testing.B) {
	benchTargets(b, echo, func(b *testing.B, addr string) {
		c := benchDial(b, addr)
		buf := make([]byte, 256)
		for b.Loop() {
			c.Write(buf)
			if _, err := io.ReadFull(c, buf); err != nil {
				b.Fatal(err)
			}
		}
	})
}

// BenchmarkConnect is a connection with one round trip.
func BenchmarkConnect(b *testing.B) {
	benchTargets(b, echo, func(b *testing.B, addr string) {
		buf := make([]byte, 256)
		for b.Loop() {
			c, err := net.Dial("tcp", addr)
			if err != nil {
				b.Fatal(err)
			}
			c.SetDeadline(time.Now().Add(patience))
			c.Write(buf)
			if _, err := io.ReadFull(c, buf); err != nil {
				b.Fatal(err)
			}
			c.(*net.TCPConn).SetLinger(0) // ports are few
			c.Close()
		}
	})
}
