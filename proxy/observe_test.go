package proxy

import (
	"bytes"
	"crypto/tls"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/etcdtap/etcdtap/analysis"
	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

// fed is a connection whose reads and writes are shown to an analysis.Conn, as seen by the client.
type fed struct {
	net.Conn
	mu   *sync.Mutex
	conn *analysis.Conn
}

func (f fed) Read(p []byte) (int, error) {
	n, err := f.Conn.Read(p)
	f.mu.Lock()
	defer f.mu.Unlock()
	f.conn.Data(analysis.FromServer, time.Now(), p[:n])
	return n, err
}

func (f fed) Write(p []byte) (int, error) {
	f.mu.Lock()
	f.conn.Data(analysis.FromClient, time.Now(), p)
	f.mu.Unlock()
	return f.Conn.Write(p)
}

// TestFacts: what the proxy sees of a handshake is what an analysis.Conn sees that gets its bytes directly.
func TestFacts(t *testing.T) {
	certificate, pool := testCertificate(t)
	for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
		t.Run(tls.VersionName(version), func(t *testing.T) {
			r := &recorder{}
			p := start(t, &Server{Observer: r}, upstream(t, func(c net.Conn) {
				s := tls.Server(c, &tls.Config{Certificates: []tls.Certificate{certificate}, MaxVersion: version, ClientAuth: tls.RequireAnyClientCert})
				io.Copy(s, s)
				s.Close()
			}))
			raw := p.dial()
			conn := analysis.NewConn(addrPort(raw.LocalAddr()), addrPort(raw.RemoteAddr()), time.Now())
			c := tls.Client(fed{raw, new(sync.Mutex), conn}, &tls.Config{RootCAs: pool, ServerName: "etcd", Certificates: []tls.Certificate{certificate}})
			for range 40 {
				io.WriteString(c, "ping")
				if _, err := io.ReadFull(c, make([]byte, 4)); err != nil {
					t.Fatal(err)
				}
			}
			c.Close()
			info, got, _ := r.first(t, 1)
			want := conn.Facts()
			ignore := cmp.Options{
				cmpopts.IgnoreUnexported(analysis.TLSFacts{}, analysis.CertificateFacts{}, analysis.RecordShape{}),
				cmpopts.IgnoreTypes(time.Time{}),
				cmp.Comparer(func(a, b *analysis.Certificate) bool { return bytes.Equal(a.Raw, b.Raw) }),
				// the proxy stops looking when the handshake's fate is known
				cmpopts.IgnoreFields(analysis.RecordShape{}, "Ns"),
				cmpopts.IgnoreFields(analysis.EncryptedFacts{}, "Records", "Data", "Last"),
				cmpopts.IgnoreFields(analysis.TLSFacts{}, "Alerts"),
			}
			if d := cmp.Diff(want.TLS, got.TLS, ignore); d != "" {
				t.Errorf("through the proxy (+) and directly (-):\n%s", d)
			}
			if len(r.settled) != 1 || cmp.Diff(want.TLS, r.settled[0].TLS, ignore) != "" {
				t.Errorf("%d times settled, or with other facts", len(r.settled))
			}
			if got.Stream[0].Missed+got.Stream[1].Missed != 0 || got.Client != addrPort(raw.LocalAddr()) || got.Server != info.Upstream {
				t.Errorf("%v > %v, missed %d and %d", got.Client, got.Server, got.Stream[0].Missed, got.Stream[1].Missed)
			}
			if got.Stream[0].Bytes < want.Stream[0].Bytes || got.Stream[1].Bytes < want.Stream[1].Bytes {
				t.Errorf("%d and %d bytes, want at least %d and %d", got.Stream[0].Bytes, got.Stream[1].Bytes, want.Stream[0].Bytes, want.Stream[1].Bytes)
			}
		})
	}
}

// hostile is an Observer and Tap that panics, or blocks until it is let go.
type hostile struct {
	recorder
	panics bool
	let    chan struct{} // nil: does not block
	calls  atomic.Int64
	gaps   atomic.Int64
}

func (h *hostile) Open(*Connection) {}
func (h *hostile) Data(*Connection, analysis.Direction, time.Time, []byte) {
	h.calls.Add(1)
	if h.let != nil {
		<-h.let
	}
	if h.panics {
		panic("hostile")
	}
}
func (h *hostile) Gap(_ *Connection, _ analysis.Direction, _ time.Time, n int64)        { h.gaps.Add(n) }
func (h *hostile) Close(*Connection, analysis.Direction, time.Time, analysis.CloseKind) {}
func (h *hostile) End(*Connection)                                                      {}

func TestObserverPanics(t *testing.T) {
	h := &hostile{panics: true}
	p := start(t, &Server{Observer: h, Tap: h, Log: silent}, upstream(t, echo))
	c := p.dial()
	io.WriteString(c, "hello")
	c.(*net.TCPConn).CloseWrite()
	if got, err := io.ReadAll(c); err != nil || string(got) != "hello" {
		t.Errorf("%q, %v", got, err)
	}
	if _, f, _ := h.first(t, 1); f.Stream[0].Bytes != 5 || p.Stats().Panics == 0 {
		t.Errorf("%+v, %+v", f.Stream, p.Stats())
	}
}

// TestAnalysisPanics: the analysis begins anew after a gap.
func TestAnalysisPanics(t *testing.T) {
	r := &recorder{}
	s := &Server{Observer: r, Log: silent}
	p := start(t, s, upstream(t, echo))
	w := &watch{c: &Connection{}, tls: new(atomic.Bool)}
	wt := &watcher{s: p.Server}
	wt.event(&event{w: w, kind: eventOpen}, nil)
	wt.event(&event{w: w, kind: eventData, n: 3}, []byte("abc"))
	wt.guard(&event{w: w, kind: eventData}, func() { panic("analysis") })
	if f := w.conn.Facts(); !f.Stream[0].StartMissed || !f.Stream[1].StartMissed || p.Stats().Panics != 1 {
		t.Errorf("%+v", f.Stream)
	}
}

// TestObserverBlocks: while the observer hangs bytes pass, and what it misses is a gap of just as many bytes.
func TestObserverBlocks(t *testing.T) {
	h := &hostile{let: make(chan struct{})}
	const size = 300 << 10
	p := start(t, &Server{Observer: h, Tap: h, Limits: Limits{QueueBytes: 8 << 10}}, upstream(t, echo))
	c := p.dial()
	go func() {
		c.Write(make([]byte, size))
		c.(*net.TCPConn).CloseWrite()
	}()
	if n, err := io.Copy(io.Discard, c); err != nil || n != size {
		t.Errorf("%d, %v", n, err)
	}
	if p.Stats().Lost == 0 {
		t.Error("nothing lost: the observer was not behind")
	}
	close(h.let)
	_, f, e := h.first(t, 1)
	if f.Stream[0].Bytes != size || f.Stream[1].Bytes != size || e.Bytes != [2]int64{size, size} {
		t.Errorf("%d and %d bytes, want %d", f.Stream[0].Bytes, f.Stream[1].Bytes, size)
	}
	if f.Stream[0].Missed+f.Stream[1].Missed == 0 || h.gaps.Load() == 0 {
		t.Error("no gap")
	}
}

// TestSpliced proves that bulk is spliced once its fate is known, and small messages are not.
func TestSpliced(t *testing.T) {
	if !canSplice {
		t.Skip("SKIPPED: there is no splice on this system")
	}
	p := start(t, &Server{Observer: &recorder{}}, upstream(t, echo))
	c := p.dial()
	const size = 64 << 20
	go func() {
		b := make([]byte, 256<<10)
		for range size / len(b) {
			c.Write(b)
		}
	}()
	if n, err := io.CopyN(io.Discard, c, size); err != nil {
		t.Fatalf("%d, %v", n, err)
	}
	if got := p.Stats(); got.Spliced < size {
		t.Errorf("%d of %d bytes spliced, want at least half", got.Spliced, got.Bytes[0]+got.Bytes[1])
	}
	before := p.Stats().Spliced
	for range 100 {
		io.WriteString(c, "ping")
		io.ReadFull(c, make([]byte, 4))
	}
	if got := p.Stats().Spliced - before; got > 100*4 {
		t.Errorf("%d bytes of small messages spliced: the stream is still called bulk", got)
	}
}

// TestManyConnections holds thousands open at once, and none keeps a pipe.
func TestManyConnections(t *testing.T) {
	const n = 2000
	r := &recorder{}
	p := start(t, &Server{Observer: r}, upstream(t, echo))
	if p.limits.Connections < n || descriptorLimit() < 4*n+500 {
		t.Skipf("SKIPPED: %d descriptors are not enough for %d connections with both ends in one process", descriptorLimit(), n)
	}
	conns := make([]net.Conn, n)
	var wait sync.WaitGroup
	for w := range 8 {
		wait.Go(func() {
			for i := w; i < n; i += 8 {
				c, err := net.Dial("tcp", p.addr())
				if err != nil {
					t.Errorf("connection %d: %v", i, err)
					return
				}
				conns[i] = c
				c.SetDeadline(time.Now().Add(3 * patience))
			}
		})
	}
	wait.Wait()
	if t.Failed() {
		return
	}
	for i, c := range conns {
		c.Write([]byte{byte(i), byte(i >> 8)})
	}
	for i, c := range conns {
		b := make([]byte, 2)
		if _, err := io.ReadFull(c, b); err != nil || b[0] != byte(i) || b[1] != byte(i>>8) {
			t.Fatalf("connection %d: %v, %v", i, b, err)
		}
	}
	if got := p.Stats().Active; got < n {
		t.Errorf("%d active", got)
	}
	for _, c := range conns {
		c.Close()
	}
	r.first(t, n)
	if got := p.Stats(); got.Bytes != [2]int64{2 * n, 2 * n} || got.Lost != 0 {
		t.Errorf("%+v", got)
	}
}

// TestByteByByte: a client that sends a ClientHello byte by byte is observed all the same.
func TestByteByByte(t *testing.T) {
	r := &recorder{}
	p := start(t, &Server{Observer: r}, upstream(t, func(c net.Conn) { io.Copy(io.Discard, c) }))
	c := p.dial()
	for _, b := range clientHello(t) {
		c.Write([]byte{b})
	}
	c.Close()
	if _, f, _ := r.first(t, 1); f.TLS == nil || f.TLS.ClientHello == nil || f.TLS.ClientHello.ServerName != "etcd" {
		t.Errorf("%+v", f.TLS)
	}
}
