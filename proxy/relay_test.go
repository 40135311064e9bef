package proxy

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"io"
	"math/rand/v2"
	"net"
	"path/filepath"
	"sync"
	"syscall"
	"testing"

	"github.com/etcdtap/etcdtap/analysis"
)

// TestTransparent sends random bytes in random chunks both ways at once, closes one half after the other, and compares checksums.
func TestTransparent(t *testing.T) {
	sizes := []int{0, 1, 100, 64 << 10, 3 << 20}
	for _, observed := range []bool{true, false} {
		s := &Server{}
		if observed {
			s.Observer = &recorder{}
		}
		type sum struct {
			n   int64
			sum [32]byte
		}
		sums := make(chan sum, 100)
		p := start(t, s, upstream(t, func(c net.Conn) {
			var wait sync.WaitGroup
			wait.Go(func() {
				h := sha256.New()
				n, err := io.Copy(h, c)
				if err != nil {
					t.Errorf("upstream reads: %v", err)
				}
				sums <- sum{n, [32]byte(h.Sum(nil))}
			})
			rnd := rand.New(rand.NewPCG(1, 2))
			sendRandom(t, c, rnd, 2<<20)
			wait.Wait()
		}))
		want := sha256.New()
		sendRandom(nil, discard{want}, rand.New(rand.NewPCG(1, 2)), 2<<20)
		for i, size := range sizes {
			c := p.dial()
			h := sha256.New()
			var wait sync.WaitGroup
			wait.Go(func() {
				if _, err := io.Copy(h, c); err != nil {
					t.Errorf("client reads: %v", err)
				}
			})
			sent := sha256.New()
			rnd := rand.New(rand.NewPCG(3, uint64(i)))
			sendRandom(t, tee{c, sent}, rnd, size)
			wait.Wait()
			got := <-sums
			if got.n != int64(size) || got.sum != [32]byte(sent.Sum(nil)) {
				t.Errorf("observed %v, %d bytes: %d came, or others", observed, size, got.n)
			}
			if !bytes.Equal(h.Sum(nil), want.Sum(nil)) {
				t.Errorf("observed %v: what the client got is not what was sent", observed)
			}
			c.Close()
		}
	}
}

type discard struct{ io.Writer }

func (discard) CloseWrite() error { return nil }

type tee struct {
	net.Conn
	also io.Writer
}

func (w tee) Write(p []byte) (int, error) {
	w.also.Write(p)
	return w.Conn.Write(p)
}

func (w tee) CloseWrite() error { return w.Conn.(*net.TCPConn).CloseWrite() }

// sendRandom writes n random bytes in random pieces and closes the half.
func sendRandom(t *testing.T, w io.Writer, rnd *rand.Rand, n int) {
	for n > 0 {
		p := make([]byte, min(n, 1+rnd.IntN(1<<uint(rnd.IntN(18)))))
		for i := range p {
			p[i] = byte(rnd.Uint32())
		}
		if _, err := w.Write(p); err != nil {
			if t != nil {
				t.Errorf("writing: %v", err)
			}
			return
		}
		n -= len(p)
	}
	w.(interface{ CloseWrite() error }).CloseWrite()
}

// TestServerFirst lets the upstream speak first, and the client answer.
func TestServerFirst(t *testing.T) {
	r := &recorder{}
	p := start(t, &Server{Observer: r}, upstream(t, func(c net.Conn) {
		io.WriteString(c, "220 ready\r\n")
		io.Copy(io.Discard, c)
	}))
	c := p.dial()
	b := make([]byte, 11)
	if _, err := io.ReadFull(c, b); err != nil || string(b) != "220 ready\r\n" {
		t.Fatalf("%q, %v", b, err)
	}
	io.WriteString(c, "QUIT\r\n")
	c.Close()
	_, f, _ := r.first(t, 1)
	if got := [2]int64{f.Stream[0].Bytes, f.Stream[1].Bytes}; got != [2]int64{6, 11} {
		t.Errorf("%v bytes, want 6 and 11", got)
	}
	if f.Stream[0].Close != analysis.CloseFIN || f.Stream[1].Close != analysis.CloseFIN || !f.TCP.Established {
		t.Errorf("closed %v and %v, established %v", f.Stream[0].Close, f.Stream[1].Close, f.TCP.Established)
	}
}

// TestHalfClose: the client's FIN reaches the server, which answers at leisure.
func TestHalfClose(t *testing.T) {
	p := start(t, &Server{}, upstream(t, func(c net.Conn) {
		got, _ := io.ReadAll(c)
		c.Write(append([]byte("got "), got...))
	}))
	c := p.dial()
	io.WriteString(c, "all")
	c.(*net.TCPConn).CloseWrite()
	if got, err := io.ReadAll(c); err != nil || string(got) != "got all" {
		t.Errorf("%q, %v", got, err)
	}
}

// TestUnix passes through unix sockets on both sides.
func TestUnix(t *testing.T) {
	dir := t.TempDir()
	l, err := net.Listen("unix", filepath.Join(dir, "up"))
	if err != nil {
		t.Fatal(err)
	}
	r := &recorder{}
	up := serveOn(t, l, echo)
	p := start(t, &Server{Observer: r, Maps: []Map{parsed(t, "unix:"+filepath.Join(dir, "down")+"="+up)}}, "")
	c := p.dial()
	io.WriteString(c, "hello")
	c.(*net.UnixConn).CloseWrite()
	if got, err := io.ReadAll(c); err != nil || string(got) != "hello" {
		t.Errorf("%q, %v", got, err)
	}
	info, f, _ := r.first(t, 1)
	if info.Client.IsValid() || info.Outgoing.IsValid() || f.Client.IsValid() || f.Stream[1].Bytes != 5 {
		t.Errorf("%+v, %+v: want no invented addresses", info, f.Stream)
	}
}

// TestReset passes an RST on, whoever sends it and whenever.
func TestReset(t *testing.T) {
	for _, said := range []string{"", "some bytes first"} {
		t.Run("client/"+said, func(t *testing.T) {
			r := &recorder{}
			result := make(chan error, 1)
			p := start(t, &Server{Observer: r}, upstream(t, func(c net.Conn) {
				got, err := io.ReadAll(c)
				if string(got) != said {
					t.Errorf("upstream got %q before the reset, want %q", got, said)
				}
				result <- err
			}))
			c := p.dial()
			io.WriteString(c, said)
			eventually(t, "the bytes are through", func() bool { return p.Stats().Bytes[0] == int64(len(said)) })
			eventually(t, "the upstream is connected", func() bool { r.mu.Lock(); defer r.mu.Unlock(); return len(r.opened) > 0 })
			c.(*net.TCPConn).SetLinger(0)
			c.Close()
			if err := <-result; !errors.Is(err, syscall.ECONNRESET) {
				t.Errorf("upstream sees %v, want a reset", err)
			}
			if _, f, _ := r.first(t, 1); f.Stream[0].Close != analysis.CloseRST || f.Stream[1].Close != analysis.CloseNone {
				t.Errorf("closed %v and %v", f.Stream[0].Close, f.Stream[1].Close)
			}
		})
		t.Run("server/"+said, func(t *testing.T) {
			r := &recorder{}
			p := start(t, &Server{Observer: r}, upstream(t, func(c net.Conn) {
				io.ReadFull(c, make([]byte, 1))
				io.WriteString(c, said)
				c.(*net.TCPConn).SetLinger(0)
			}))
			c := p.dial()
			io.WriteString(c, "x")
			got, err := io.ReadAll(c)
			if string(got) != said || !errors.Is(err, syscall.ECONNRESET) {
				t.Errorf("client gets %q and %v, want %q and a reset", got, err, said)
			}
			if _, f, _ := r.first(t, 1); f.Stream[1].Close != analysis.CloseRST {
				t.Errorf("closed %v and %v", f.Stream[0].Close, f.Stream[1].Close)
			}
		})
	}
}
