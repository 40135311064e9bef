package capturetest

import (
	"bytes"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"time"
)

// The two sides of a connection, as indexes.
const (
	client = iota
	server
)

// chunk is what one side wrote at once.
type chunk struct {
	from int
	data []byte
}

// exchange is a dialogue of two crypto/tls endpoints.
type exchange struct {
	version uint16
	cert    *tls.Certificate // the client's; nil for none
	fails   bool             // the handshake is meant to fail
}

// play makes the two endpoints talk in memory and returns what they wrote, in order, and how many chunks come before either
// side begins to close.
func (e *exchange) play(p *pki) (chunks []chunk, open int, err error) {
	w := newWire()
	now := func() time.Time { return epoch }
	sc := tls.Server(w.end(server), &tls.Config{Certificates: []tls.Certificate{p.server}, ClientCAs: p.roots, ClientAuth: tls.RequireAndVerifyClientCert,
		NextProtos: []string{"h2"}, MinVersion: tls.VersionTLS12, MaxVersion: e.version, Time: now})
	config := &tls.Config{RootCAs: p.roots, ServerName: "control-plane-1", NextProtos: []string{"h2"}, Time: now}
	if e.cert != nil { // whatever authorities the server names
		config.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return e.cert, nil }
	}
	cc := tls.Client(w.end(client), config)
	served := make(chan error, 1)
	go func() { served <- sc.Handshake() }()
	clientErr := cc.Handshake()
	serverErr := <-served
	if failed := errors.Join(clientErr, serverErr); e.fails {
		if failed == nil {
			return nil, 0, errors.New("handshake succeeded although it was meant to fail")
		}
		return w.chunks, len(w.chunks), nil
	} else if failed != nil {
		return nil, 0, fmt.Errorf("handshake: %w", failed)
	}
	for _, write := range []struct {
		from *tls.Conn
		to   *tls.Conn
		n    int
	}{{cc, sc, 160}, {sc, cc, 90}} { // a small Range request and its answer, with HTTP/2's frames
		if _, err := write.from.Write(make([]byte, write.n)); err != nil {
			return nil, 0, fmt.Errorf("writing application data: %w", err)
		}
		if _, err := io.ReadFull(write.to, make([]byte, write.n)); err != nil {
			return nil, 0, fmt.Errorf("reading application data: %w", err)
		}
	}
	open = len(w.chunks)
	return w.chunks, open, errors.Join(cc.CloseWrite(), sc.CloseWrite())
}

// wire is a connection in memory that remembers what was written, and never makes a writer wait.
type wire struct {
	mu      sync.Mutex
	arrived sync.Cond
	chunks  []chunk
	unread  [2]bytes.Buffer // by sender
}

func newWire() *wire {
	w := new(wire)
	w.arrived.L = &w.mu
	return w
}

func (w *wire) end(side int) net.Conn { return &wireEnd{wire: w, side: side} }

// wireEnd is one side's end of a wire. Of net.Conn it has what crypto/tls calls.
type wireEnd struct {
	net.Conn
	wire *wire
	side int
}

func (e *wireEnd) Write(p []byte) (int, error) {
	w := e.wire
	w.mu.Lock()
	defer w.mu.Unlock()
	w.chunks = append(w.chunks, chunk{e.side, bytes.Clone(p)})
	w.unread[e.side].Write(p)
	w.arrived.Broadcast()
	return len(p), nil
}

func (e *wireEnd) Read(p []byte) (int, error) {
	w := e.wire
	w.mu.Lock()
	defer w.mu.Unlock()
	for w.unread[1-e.side].Len() == 0 {
		w.arrived.Wait()
	}
	return w.unread[1-e.side].Read(p)
}

func (e *wireEnd) Close() error                     { return nil }
func (e *wireEnd) SetDeadline(time.Time) error      { return nil }
func (e *wireEnd) SetWriteDeadline(time.Time) error { return nil }
