package proxy

import (
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"path/filepath"
	"runtime"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/etcdtap/etcdtap/analysis"
	"golang.org/x/sys/unix"
)

// dribbling writes byte by byte.
type dribbling struct{ net.Conn }

func (d dribbling) Write(p []byte) (int, error) {
	for i := range p {
		if _, err := d.Conn.Write(p[i : i+1]); err != nil {
			return i, err
		}
		if i%64 == 0 {
			time.Sleep(100 * time.Microsecond) // so that they come alone
		}
	}
	return len(p), nil
}

// TestTrickle: a whole TLS connection whose bytes come one by one, from either side or both, is passed on and understood.
func TestTrickle(t *testing.T) {
	certificate, pool := testCertificate(t)
	for _, slow := range [][2]bool{{true, false}, {false, true}, {true, true}} {
		t.Run(fmt.Sprintf("client %v, server %v", slow[0], slow[1]), func(t *testing.T) {
			r := &recorder{}
			p := start(t, &Server{Observer: r}, upstream(t, func(c net.Conn) {
				if slow[1] {
					c = dribbling{c}
				}
				s := tls.Server(c, &tls.Config{Certificates: []tls.Certificate{certificate}})
				io.Copy(s, s)
				s.CloseWrite()
			}))
			raw := p.dial()
			if slow[0] {
				raw = dribbling{raw}
			}
			c := tls.Client(raw, &tls.Config{RootCAs: pool, ServerName: "etcd"})
			const size = 8 << 10
			if _, err := io.CopyN(c, stream(1), size); err != nil {
				t.Fatal(err)
			}
			if n, err := agrees(io.LimitReader(c, size), stream(1)); n != size || err != io.EOF {
				t.Errorf("%d bytes came back: %v", n, err)
			}
			c.Close()
			_, f, _ := r.first(t, 1)
			if f.TLS == nil || f.TLS.ClientHello == nil || f.TLS.ServerHello == nil || outcome(f) != analysis.OutcomeEstablished || f.Stream[0].Missed+f.Stream[1].Missed != 0 {
				t.Errorf("%v, %+v", outcome(f), f.TLS)
			}
		})
	}
}

// TestBackPressure: a side that does not read stops the other, in bounded memory, while its own bytes still flow; when it reads at last
// nothing is missing.
func TestBackPressure(t *testing.T) {
	const (
		kernel = 100 << 20 // more than all socket buffers on the way may hold
		heap   = 16 << 20
		other  = 8 << 20
	)
	for _, deaf := range []analysis.Direction{analysis.FromClient, analysis.FromServer} {
		t.Run(deaf.String(), func(t *testing.T) {
			_, e := connected(t, &recorder{})
			loud := e[1-deaf]
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			var sent atomic.Int64
			finished := make(chan struct{})
			go func() {
				defer close(finished)
				from, b := stream(2), make([]byte, 64<<10)
				for sent.Load() < kernel {
					io.ReadFull(from, b)
					n, err := loud.Write(b)
					sent.Add(int64(n))
					if err != nil {
						return
					}
				}
			}()
			last, since := int64(0), time.Now()
			eventually(t, "who is not heard has to stop", func() bool {
				if n := sent.Load(); n != last {
					last, since = n, time.Now()
				}
				return last > 0 && time.Since(since) > 200*time.Millisecond
			})
			if last >= kernel {
				t.Fatalf("%d bytes were taken although nobody reads", last)
			}
			go io.CopyN(struct{ io.Writer }{e[deaf]}, stream(3), other)
			if n, err := agrees(io.LimitReader(loud, other), stream(3)); n != other || err != io.EOF {
				t.Errorf("the other way: %d bytes, %v", n, err)
			}
			runtime.ReadMemStats(&after)
			if grown := int64(after.HeapInuse) - int64(before.HeapInuse); grown > heap {
				t.Errorf("the heap has grown by %d bytes while %d wait", grown, last)
			}
			if n, err := agrees(io.LimitReader(e[deaf], last), stream(2)); n != last || err != io.EOF {
				t.Errorf("read at last: %d bytes of %d, %v", n, last, err)
			}
			e[deaf].SetLinger(0)
			e[deaf].Close()
			<-finished
		})
	}
}

// TestAddressesInTurn: of a name's addresses those are passed over that refuse or do not answer.
func TestAddressesInTurn(t *testing.T) {
	up := netip.MustParseAddrPort(upstream(t, echo))
	refuses, silent := netip.MustParseAddr("127.0.0.2"), netip.MustParseAddr("127.0.0.3")
	fillBacklog(t, netip.AddrPortFrom(silent, up.Port()))
	for _, tt := range []struct {
		name     string
		addrs    []netip.Addr
		works    bool
		timedOut bool
		passed   []error
	}{
		{"the first refuses", []netip.Addr{refuses, up.Addr()}, true, false, []error{unix.ECONNREFUSED}},
		{"the first does not answer", []netip.Addr{silent, up.Addr()}, true, false, []error{unix.ETIMEDOUT}},
		{"two fail, each in its way", []netip.Addr{silent, refuses, up.Addr()}, true, false, []error{unix.ETIMEDOUT, unix.ECONNREFUSED}},
		{"as IPv4 in IPv6", []netip.Addr{netip.AddrFrom16(up.Addr().As16())}, true, false, nil},
		{"all fail, the last refuses", []netip.Addr{silent, refuses}, false, false, []error{unix.ETIMEDOUT}},
		{"all fail, the last does not answer", []netip.Addr{refuses, silent}, false, true, []error{unix.ECONNREFUSED}},
		{"it has none", nil, false, false, nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := &recorder{}
			p := start(t, &Server{Observer: r, Limits: Limits{Dial: 300 * time.Millisecond}}, fmt.Sprintf("etcd.invalid:%d", up.Port()))
			p.names.mu.Lock()
			p.names.known = map[string]resolved{"etcd.invalid": {at: time.Now().Add(time.Hour), ips: tt.addrs}}
			p.names.mu.Unlock()
			if err := pings(p); (err == nil) != tt.works {
				t.Errorf("answered: %v, want %v", err, tt.works)
			}
			info, f, _ := r.first(t, 1)
			if tt.works && (info.Upstream != up || f.Server != up || info.DialError != nil) {
				t.Errorf("reached %v, want %v: %v", info.Upstream, up, info.DialError)
			}
			if !slices.Equal(info.Passed, tt.passed) {
				t.Errorf("passed over for %v, want %v", info.Passed, tt.passed)
			}
			if !tt.works && (info.DialError == nil || info.TimedOut != tt.timedOut) {
				t.Errorf("%+v", info)
			}
		})
	}
}

// TestUnixUpstreamGone: an upstream's socket that is not there, or that nobody listens on, resets the client, and is found again.
func TestUnixUpstreamGone(t *testing.T) {
	path := filepath.Join(t.TempDir(), "up")
	r := &recorder{}
	p := start(t, &Server{Observer: r}, "unix:"+path)
	if pings(p) == nil {
		t.Error("an answer from nobody")
	}
	if c, _, e := r.first(t, 1); c.DialError == nil || e.Why != ByDial {
		t.Errorf("no socket: %+v, %v", c, e.Why)
	}
	abandoned, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	abandoned.SetUnlinkOnClose(false)
	abandoned.Close()
	if pings(p) == nil {
		t.Error("an answer from nobody")
	}
	r.first(t, 2)
	r.mu.Lock()
	second := r.opened[1]
	r.mu.Unlock()
	if second.DialError == nil || !second.Refused {
		t.Errorf("nobody listens: %+v", second)
	}
	unix.Unlink(path)
	l, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	serveOn(t, l, echo)
	if err := pings(p); err != nil {
		t.Errorf("it is there now: %v", err)
	}
	if h := p.Health(); h[0].Failing != "" {
		t.Errorf("%+v", h)
	}
}

// TestUnixBlackHole: an upstream at a unix socket that listens and accepts nobody is given up after the time for a dial, as at an address.
func TestUnixBlackHole(t *testing.T) {
	path := filepath.Join(t.TempDir(), "up")
	fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(fd)
	if err := errors.Join(unix.Bind(fd, &unix.SockaddrUnix{Name: path}), unix.Listen(fd, 0)); err != nil {
		t.Fatal(err)
	}
	r := &recorder{}
	p := start(t, &Server{Observer: r, Limits: Limits{Dial: 200 * time.Millisecond}}, "unix:"+path)
	for range 4 { // the backlog takes one or two
		p.dial()
	}
	if _, _, e := r.first(t, 1); e.Why != ByDial {
		t.Errorf("ended by %v", e.Why)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	timedOut := false
	for _, c := range r.opened {
		timedOut = timedOut || c.TimedOut
		if c.Dialed < 0 {
			t.Errorf("it took %v to connect", c.Dialed)
		}
	}
	if !timedOut {
		t.Errorf("%d connections, and no dial has timed out", len(r.opened))
	}
}

// TestUnixHangUpBehindBacklog: an upstream at a unix socket that will read no more ends the connection, although what is on its way to it
// has no room there. The poller says that it has hung up and not that it can be written to.
func TestUnixHangUpBehindBacklog(t *testing.T) {
	deaf := make(chan struct{})
	l, err := net.Listen("unix", filepath.Join(t.TempDir(), "up"))
	if err != nil {
		t.Fatal(err)
	}
	over := make(chan struct{})
	up := serveOn(t, l, func(c net.Conn) {
		c.(*net.UnixConn).CloseWrite()
		<-deaf
		c.(*net.UnixConn).CloseRead()
		<-over
	})
	defer close(over)
	p := start(t, &Server{}, up)
	c := p.dial()
	if n, err := c.Read(make([]byte, 1)); n != 0 || err != io.EOF {
		t.Fatalf("%d, %v", n, err)
	}
	for { // until all buffers are full
		c.SetWriteDeadline(time.Now().Add(200 * time.Millisecond))
		if _, err := c.Write(make([]byte, 64<<10)); err != nil {
			break
		}
	}
	close(deaf)
	eventually(t, "the connection ends", func() bool { return p.Stats().Active == 0 })
}

// pings opens a connection, which may be reset at once, and has a byte sent back.
func pings(p *running) error {
	c, err := net.Dial("tcp", p.addr())
	if err != nil {
		return err
	}
	defer c.Close()
	c.SetDeadline(time.Now().Add(patience))
	io.WriteString(c, "x")
	_, err = io.ReadFull(c, make([]byte, 1))
	return err
}

// TestKeepAlive: a connection that lives has keep-alives on both sides, so that a peer that vanished is found out.
func TestKeepAlive(t *testing.T) {
	p := start(t, &Server{Loops: 1, Limits: Limits{Dial: time.Second}}, upstream(t, echo))
	roundTrip(t, p.dial())
	eventually(t, "keep-alives are set", func() bool {
		both := make(chan bool, 1)
		p.loops[0].post(func() {
			all := true
			p.loops[0].each(func(c *conn) {
				for d := range c.side {
					on, err := unix.GetsockoptInt(c.side[d].fd, unix.SOL_SOCKET, unix.SO_KEEPALIVE)
					all = all && err == nil && on != 0
				}
			})
			both <- all
		})
		return <-both
	})
}
