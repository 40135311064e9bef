package proxy

import (
	"crypto/tls"
	"errors"
	"io"
	"math/rand/v2"
	"net"
	"syscall"
	"testing"

	"github.com/etcdtap/etcdtap/analysis"
)

// flights are the first flights of a TLS handshake: what the client sends, and what the server answers.
func flights(t *testing.T) (fromClient, fromServer []byte) {
	t.Helper()
	certificate, _ := testCertificate(t)
	fromClient = clientHello(t)
	ours, theirs := net.Pipe()
	go func() {
		tls.Server(theirs, &tls.Config{Certificates: []tls.Certificate{certificate}}).Handshake()
		theirs.Close()
	}()
	go ours.Write(fromClient)
	b := make([]byte, 64<<10)
	n, err := ours.Read(b)
	if err != nil {
		t.Fatal(err)
	}
	ours.Close()
	return fromClient, b[:n]
}

// ends are both ends of a connection through the proxy, in the test's hands, by the Direction of what they send.
type ends [2]*net.TCPConn

// passes sends b from d's end, and waits until the other has read it.
func (e ends) passes(t *testing.T, d analysis.Direction, b []byte) {
	t.Helper()
	if _, err := e[d].Write(b); err != nil {
		t.Fatal(err)
	}
	got := make([]byte, len(b))
	if _, err := io.ReadFull(e[1-d], got); err != nil || string(got) != string(b) {
		t.Fatalf("%d bytes from the %v did not arrive as they were sent: %v", len(b), d, err)
	}
}

// closes sends d's FIN, and waits until the other end has seen it.
func (e ends) closes(t *testing.T, d analysis.Direction) {
	t.Helper()
	e[d].CloseWrite()
	if n, err := e[1-d].Read(make([]byte, 1)); n != 0 || err != io.EOF {
		t.Fatalf("instead of the FIN of the %v came %d bytes, %v", d, n, err)
	}
}

// TestResetAtEachStage lets each side reset at each stage of a connection. The other sees all that was sent before, and then a reset.
func TestResetAtEachStage(t *testing.T) {
	hello, answer := flights(t)
	const client, server = analysis.FromClient, analysis.FromServer
	for _, stage := range []struct {
		name string
		to   func(*testing.T, ends) // brings the connection there
		fin  [2]bool                // whose FIN was sent by then
	}{
		{name: "after accept", to: func(*testing.T, ends) {}},
		{name: "after ClientHello", to: func(t *testing.T, e ends) { e.passes(t, client, hello) }},
		{name: "amid the ClientHello", to: func(t *testing.T, e ends) { e.passes(t, client, hello[:len(hello)/2]) }},
		{name: "after ServerHello", to: func(t *testing.T, e ends) {
			e.passes(t, client, hello)
			e.passes(t, server, answer)
		}},
		{name: "after the client's half-close", fin: [2]bool{client: true}, to: func(t *testing.T, e ends) {
			e.passes(t, client, hello)
			e.closes(t, client)
			e.passes(t, server, answer)
		}},
		{name: "after the server's half-close", fin: [2]bool{server: true}, to: func(t *testing.T, e ends) {
			e.passes(t, client, hello)
			e.passes(t, server, answer)
			e.closes(t, server)
		}},
	} {
		for _, who := range []analysis.Direction{client, server} {
			t.Run(stage.name+"/"+who.String(), func(t *testing.T) {
				r := &recorder{}
				p, e := connected(t, r)
				stage.to(t, e)
				e[who].SetLinger(0)
				e[who].Close()
				survivor := e[1-who]
				_, err := survivor.Read(make([]byte, 1))
				for stage.fin[who] && err == io.EOF { // it has read all: only writing shows that nobody is there
					if _, err = survivor.Write([]byte("x")); err == nil {
						err = io.EOF
					}
				}
				if !errors.Is(err, syscall.ECONNRESET) && !(stage.fin[who] && errors.Is(err, syscall.EPIPE)) {
					t.Errorf("the other side sees %v, want a reset", err)
				}
				_, f, ended := r.first(t, 1)
				how := analysis.CloseRST
				if stage.fin[who] { // the stream had ended before
					how = analysis.CloseFIN
				}
				if got := f.Stream[who].Close; got != how {
					t.Errorf("the %v closed by %v, want %v", who, got, how)
				}
				want := analysis.CloseNone
				if stage.fin[1-who] {
					want = analysis.CloseFIN
				}
				if got := f.Stream[1-who].Close; got != want {
					t.Errorf("the other side closed by %v, want %v", got, want)
				}
				if ended.Why != ByPeers {
					t.Errorf("ended by %v", ended.Why)
				}
				eventually(t, "it is no longer counted", func() bool { return p.Stats().Active == 0 })
			})
		}
	}
}

// connected is a connection through a new proxy that both sides have.
func connected(t *testing.T, o Observer) (*running, ends) {
	t.Helper()
	accepted, done := make(chan net.Conn, 1), make(chan struct{})
	p := start(t, &Server{Observer: o}, upstream(t, func(c net.Conn) {
		accepted <- c
		<-done
	}))
	t.Cleanup(func() { close(done) }) // before the upstream waits for it
	c := p.dial()
	return p, ends{c.(*net.TCPConn), (<-accepted).(*net.TCPConn)}
}

// TestResetAmidBulk lets each side reset while much flows both ways. What the other got until then is the beginning of what was sent.
func TestResetAmidBulk(t *testing.T) {
	for _, who := range []analysis.Direction{analysis.FromClient, analysis.FromServer} {
		t.Run(who.String(), func(t *testing.T) {
			r := &recorder{}
			p, e := connected(t, r)
			go io.CopyBuffer(struct{ io.Writer }{e[who]}, struct{ io.Reader }{stream(7)}, make([]byte, 32<<10))
			wrote := make(chan error, 1)
			go func() {
				_, err := io.CopyBuffer(struct{ io.Writer }{e[1-who]}, struct{ io.Reader }{stream(8)}, make([]byte, 32<<10))
				wrote <- err
			}()
			go func() { // it takes a while, and then resets
				io.CopyN(struct{ io.Writer }{io.Discard}, struct{ io.Reader }{e[who]}, 4<<20)
				eventually(t, "much flows both ways", func() bool { b := p.Stats().Bytes; return min(b[0], b[1]) > 2<<20 })
				e[who].SetLinger(0)
				e[who].Close()
			}()
			n, err := agrees(e[1-who], stream(7))
			writing := <-wrote
			// the kernel gives a socket's error once, to the reader or to the writer; then it looks like the end of a stream
			if seen := errors.Is(err, syscall.ECONNRESET) || err == io.EOF && errors.Is(writing, syscall.ECONNRESET); !seen || n == 0 {
				t.Errorf("after %d bytes reading ends by %v, and writing by %v; want a reset", n, err, writing)
			}
			if !errors.Is(writing, syscall.ECONNRESET) && !errors.Is(writing, syscall.EPIPE) {
				t.Errorf("writing ends by %v", writing)
			}
			if _, f, _ := r.first(t, 1); f.Stream[who].Close != analysis.CloseRST {
				t.Errorf("closed by %v", f.Stream[who].Close)
			}
		})
	}
}

// stream is an endless stream of bytes that look random, the same for each seed.
func stream(seed byte) io.Reader { return rand.NewChaCha8([32]byte{seed}) }

var errOther = errors.New("other bytes came than were sent")

// agrees reads until an error, and compares what comes with want.
func agrees(from, want io.Reader) (n int64, err error) {
	got, wanted := make([]byte, 32<<10), make([]byte, 32<<10)
	for {
		k, err := from.Read(got)
		io.ReadFull(want, wanted[:k])
		if n += int64(k); string(got[:k]) != string(wanted[:k]) {
			return n, errOther
		}
		if err != nil {
			return n, err
		}
	}
}
