package proxy

import (
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/etcdtap/etcdtap/analysis"
	"golang.org/x/sys/unix"
)

// closedPort is a loopback address that nobody listens on.
func closedPort(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

// blackHole is a loopback address whose backlog is full: it answers no SYN.
func blackHole(t *testing.T) string {
	t.Helper()
	return fillBacklog(t, netip.MustParseAddrPort("127.0.0.1:0"))
}

// fillBacklog listens on an address of IPv4, accepts nothing, and fills the backlog up.
func fillBacklog(t *testing.T, at netip.AddrPort) string {
	t.Helper()
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { unix.Close(fd) })
	if err := unix.Bind(fd, &unix.SockaddrInet4{Addr: at.Addr().As4(), Port: int(at.Port())}); err != nil {
		t.Fatal(err)
	}
	unix.Listen(fd, 0)
	addr := localEndpoint(fd).String()
	for range 4 {
		c, err := net.DialTimeout("tcp", addr, 200*time.Millisecond)
		if err != nil {
			return addr
		}
		t.Cleanup(func() { c.Close() })
	}
	t.Skipf("SKIPPED: this kernel's backlogs do not fill up, so an upstream that does not answer cannot be had")
	return ""
}

func TestRefused(t *testing.T) {
	r := &recorder{}
	p := start(t, &Server{Observer: r}, closedPort(t))
	client, err := net.Dial("tcp", p.addr())
	if err == nil { // else it was reset so soon that dialing has seen it
		client.SetDeadline(time.Now().Add(patience))
		_, err = client.Read(make([]byte, 1))
		client.Close()
	}
	if !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("the client sees %v, want a reset", err)
	}
	c, f, e := r.first(t, 1)
	if !f.TCP.Refused || f.TCP.Established || !c.Refused || c.DialError == nil || e.Why != ByDial {
		t.Errorf("%+v, %+v, %+v", c, f.TCP, e)
	}
	if got := outcome(f); got != analysis.OutcomeRefused {
		t.Errorf("outcome %v", got)
	}
	if h := p.Health(); h[0].Failing == "" || p.Stats().DialErrors != 1 {
		t.Errorf("health %+v, %+v", h, p.Stats())
	}
}

func TestBlackHole(t *testing.T) {
	r := &recorder{}
	p := start(t, &Server{Observer: r, Limits: Limits{Dial: 100 * time.Millisecond}}, blackHole(t))
	if _, err := p.dial().Read(make([]byte, 1)); !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("the client sees %v, want a reset", err)
	}
	c, f, _ := r.first(t, 1)
	if !c.TimedOut || outcome(f) != analysis.OutcomeUnanswered {
		t.Errorf("%+v, %+v", c, f.TCP)
	}
}

// TestClientGoneWhileDialing: a client that resets is not kept until the dial is over.
func TestClientGoneWhileDialing(t *testing.T) {
	r := &recorder{}
	p := start(t, &Server{Observer: r, Limits: Limits{Dial: time.Hour}}, blackHole(t))
	c := p.dial()
	eventually(t, "it is accepted", func() bool { return p.Stats().Accepted == 1 })
	c.(*net.TCPConn).SetLinger(0)
	c.Close()
	if _, f, _ := r.first(t, 1); f.Stream[0].Close != analysis.CloseRST {
		t.Errorf("closed %v", f.Stream[0].Close)
	}
}

func TestName(t *testing.T) {
	if ips, err := net.LookupHost("localhost"); err != nil || len(ips) == 0 {
		t.Skipf("SKIPPED: localhost does not resolve here (%v)", err)
	}
	up := netip.MustParseAddrPort(upstream(t, echo))
	p := start(t, &Server{}, fmt.Sprintf("localhost:%d", up.Port()))
	c := p.dial()
	io.WriteString(c, "x")
	if _, err := io.ReadFull(c, make([]byte, 1)); err != nil {
		t.Fatal(err)
	}
}

// TestUnresolved: of a server whose name has no address the port is known, and it is no unix socket.
func TestUnresolved(t *testing.T) {
	r := &recorder{}
	p := start(t, &Server{Observer: r, Limits: Limits{Dial: time.Second}, Log: silent}, "no-such-name.invalid:2379")
	client, err := net.Dial("tcp", p.addr())
	if err == nil { // else it was reset so soon that dialing has seen it
		_, err = client.Read(make([]byte, 1))
		client.Close()
	}
	if !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("the client sees %v, want a reset", err)
	}
	c, f, _ := r.first(t, 1)
	if c.Upstream.IsValid() || c.Upstream.Port() != 2379 || f.Server != c.Upstream || !c.Unreached {
		t.Errorf("%+v, server %v", c, f.Server)
	}
}

// TestNeverReads: a client that does not read stops the upstream, in bounded memory, and nobody else.
func TestNeverReads(t *testing.T) {
	var mu sync.Mutex
	sent := 0
	p := start(t, &Server{}, upstream(t, func(c net.Conn) {
		b := make([]byte, 64<<10)
		for {
			n, err := c.Write(b)
			mu.Lock()
			sent += n
			mu.Unlock()
			if err != nil {
				return
			}
		}
	}))
	deaf := p.dial()
	last := -1
	eventually(t, "the upstream is stopped", func() bool {
		time.Sleep(100 * time.Millisecond)
		mu.Lock()
		defer mu.Unlock()
		stopped := sent > 0 && sent == last
		last = sent
		return stopped
	})
	c := p.dial()
	if _, err := io.ReadFull(c, make([]byte, 1<<20)); err != nil {
		t.Errorf("another client: %v", err)
	}
	c.Close()
	if _, err := io.ReadFull(deaf, make([]byte, last)); err != nil {
		t.Errorf("reading at last: %v", err)
	}
}

// TestResetUnderBackPressure: an RST is passed on although the other side takes nothing.
func TestResetUnderBackPressure(t *testing.T) {
	gone := make(chan error, 1)
	p := start(t, &Server{}, upstream(t, func(c net.Conn) {
		_, err := io.Copy(c, zeros{})
		gone <- err
	}))
	deaf := p.dial()
	eventually(t, "much is on its way", func() bool { return p.Stats().Bytes[1] > 1<<20 })
	deaf.(*net.TCPConn).SetLinger(0)
	deaf.Close()
	if err := <-gone; !errors.Is(err, syscall.ECONNRESET) && !errors.Is(err, syscall.EPIPE) {
		t.Errorf("the upstream sees %v", err)
	}
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) { return len(p), nil }

func TestTimeouts(t *testing.T) {
	t.Run("first byte", func(t *testing.T) {
		r := &recorder{}
		p := start(t, &Server{Observer: r, Limits: Limits{FirstByte: 50 * time.Millisecond}}, upstream(t, echo))
		if _, err := p.dial().Read(make([]byte, 1)); err == nil {
			t.Error("the client was answered")
		}
		if _, f, e := r.first(t, 1); e.Why != ByFirstByte || f.Ended != analysis.CloseIdle || p.Stats().FirstByte != 1 {
			t.Errorf("%+v, %v", e, f.Ended)
		}
	})
	flood := func(c net.Conn) { // without Go's own splice
		io.Copy(struct{ io.Writer }{c}, zeros{})
	}
	t.Run("slow is not idle", func(t *testing.T) {
		const idle = time.Second
		p := start(t, &Server{Limits: Limits{Idle: idle}}, upstream(t, flood))
		c := p.dial()
		c.(*net.TCPConn).SetReadBuffer(16 << 10)
		b := make([]byte, 64<<10)
		for begun := time.Now(); time.Since(begun) < 4*idle; time.Sleep(idle / 20) { // a full pipe takes longer than idle
			if _, err := io.ReadFull(c, b); err != nil {
				t.Fatalf("after %v: %v, %+v", time.Since(begun), err, p.Stats())
			}
		}
	})
	t.Run("idle amid bulk", func(t *testing.T) {
		p := start(t, &Server{Limits: Limits{Idle: 500 * time.Millisecond}}, upstream(t, flood))
		c := p.dial()
		eventually(t, "it is closed", func() bool { return p.Stats().Idle == 1 })
		if _, err := io.Copy(struct{ io.Writer }{io.Discard}, struct{ io.Reader }{c}); !errors.Is(err, syscall.ECONNRESET) {
			t.Errorf("%v: what was cut off looks whole", err)
		}
	})
	t.Run("idle", func(t *testing.T) {
		r := &recorder{}
		p := start(t, &Server{Observer: r, Limits: Limits{Idle: 500 * time.Millisecond}}, upstream(t, echo))
		c := p.dial()
		io.WriteString(c, "x")
		if got, _ := io.ReadAll(c); string(got) != "x" {
			t.Errorf("%q", got)
		}
		if _, f, e := r.first(t, 1); e.Why != ByIdle || f.Ended != analysis.CloseIdle || p.Stats().Idle != 1 {
			t.Errorf("%+v, %v", e, f.Ended)
		}
	})
}

// TestLimits: beyond the limit nobody is accepted, until one leaves; a client's further connections are closed at once.
func TestLimits(t *testing.T) {
	ping := func(c net.Conn) error {
		io.WriteString(c, "x")
		_, err := io.ReadFull(c, make([]byte, 1))
		return err
	}
	t.Run("in all", func(t *testing.T) {
		p := start(t, &Server{Limits: Limits{Connections: 2}}, upstream(t, echo))
		a, b, c := p.dial(), p.dial(), p.dial()
		if err := errors.Join(ping(a), ping(b)); err != nil {
			t.Fatal(err)
		}
		eventually(t, "accepting pauses", func() bool { return p.Stats().Pauses > 0 })
		if got := p.Stats(); got.Active != 2 || got.Accepted != 2 {
			t.Errorf("%+v", got)
		}
		a.Close()
		if err := ping(c); err != nil {
			t.Errorf("the third: %v", err)
		}
	})
	t.Run("per client", func(t *testing.T) {
		p := start(t, &Server{Limits: Limits{PerClient: 1}}, upstream(t, echo))
		a := p.dial()
		if err := ping(a); err != nil {
			t.Fatal(err)
		}
		if err := ping(p.dial()); err == nil {
			t.Error("a second connection is served")
		}
		if p.Stats().OverLimit != 1 {
			t.Errorf("%+v", p.Stats())
		}
		a.Close()
		eventually(t, "there is room again", func() bool { return ping(p.dial()) == nil })
	})
}

// TestTurns: where there is room for one connection only, a listener with many waiting clients does not keep it from another one.
func TestTurns(t *testing.T) {
	const many = 20
	var mu sync.Mutex
	var order []string
	named := func(name string) string {
		return upstream(t, func(c net.Conn) {
			mu.Lock()
			order = append(order, name)
			mu.Unlock()
			echo(c)
		})
	}
	p := start(t, &Server{Limits: Limits{Connections: 1}, Maps: []Map{parsed(t, "127.0.0.1:0="+named("busy")), parsed(t, "127.0.0.1:0="+named("quiet"))}}, "")
	first := p.dial()
	roundTrip(t, first)
	var clients sync.WaitGroup
	ask := func(at net.Addr) {
		c, err := net.Dial("tcp", at.String()) // the kernel accepts it
		if err != nil {
			t.Error(err)
			return
		}
		clients.Go(func() {
			defer c.Close()
			c.SetDeadline(time.Now().Add(patience))
			io.WriteString(c, "x")
			if _, err := io.ReadFull(c, make([]byte, 1)); err != nil {
				t.Error(err)
			}
		})
	}
	for range many {
		ask(p.Bound()[0].Addr)
	}
	ask(p.Bound()[1].Addr)
	first.Close()
	clients.Wait()
	if at := slices.Index(order, "quiet"); at < 0 || at > many/2 {
		t.Errorf("in the order %v", order)
	}
}

func TestListenErrors(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	_, port, _ := net.SplitHostPort(taken.Addr().String())
	for _, tt := range []struct{ maps, want string }{
		{taken.Addr().String() + "=127.0.0.1:1", "the port is taken"},
		{"0.0.0.0:0=127.0.0.1:1", "can be reached from other hosts"},
		{":0=127.0.0.1:1", "can be reached from other hosts"},
		{"127.0.0.1:0=127.0.0.1:1 127.0.0.3:" + port + "=127.0.0.1:1 127.0.0.3:" + port + "=127.0.0.1:2", "by two maps"},
		{"127.0.0.3:" + port + "=127.0.0.3:" + port, "this proxy itself"},
		{"127.0.0.1:0=127.0.0.3:" + port + " 127.0.0.3:" + port + "=127.0.0.1:1", "this proxy itself"},
		{"unix:" + t.TempDir() + "/none/x=127.0.0.1:1", "its directory does not exist; make it with: mkdir -p /"},
		{"", "nothing to forward"},
	} {
		var s Server
		for _, m := range strings.Fields(tt.maps) {
			s.Maps = append(s.Maps, parsed(t, m))
		}
		before := descriptors()
		if err := s.Listen(); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%q: %v, want %q", tt.maps, err, tt.want)
		}
		if after := descriptors(); after != before {
			t.Errorf("%q: %d descriptors, before %d", tt.maps, after, before)
		}
	}
}

func TestOwn(t *testing.T) {
	local, _ := net.InterfaceAddrs()
	o := newOwn([]*listener{{addr: netip.MustParseAddrPort("127.0.0.1:1")}, {addr: netip.MustParseAddrPort("[::]:2")}, {listen: Address{Path: "/run/../run/x"}}})
	for addr, want := range map[string]bool{
		"127.0.0.1:1": true, "127.0.0.1:3": false, "0.0.0.0:1": true, "[::ffff:127.0.0.1]:1": true, "127.0.0.2:1": false,
		"127.0.0.1:2": true, "127.9.9.9:2": true, "[::1]:2": true, "0.0.0.0:2": true, "192.0.2.1:2": false,
	} {
		if got := o.is(netip.MustParseAddrPort(addr)); got != want {
			t.Errorf("%s: %v", addr, got)
		}
	}
	for _, a := range local {
		if p, err := netip.ParsePrefix(a.String()); err == nil && !o.is(netip.AddrPortFrom(p.Addr(), 2)) {
			t.Errorf("%s is ours", p)
		}
	}
	if !o.isPath("/run/x") || o.isPath("/run/y") {
		t.Error("paths")
	}
}

// TestDrain: connections get their time, and not more.
func TestDrain(t *testing.T) {
	r := &recorder{}
	p := start(t, &Server{Observer: r, Limits: Limits{Drain: 3 * time.Second}}, upstream(t, echo))
	addr := p.addr()
	c := p.dial()
	io.WriteString(c, "x")
	io.ReadFull(c, make([]byte, 1))
	p.cancel()
	eventually(t, "it does not listen any more", func() bool {
		n, err := net.Dial("tcp", addr)
		if err == nil {
			n.Close()
		}
		return err != nil
	})
	io.WriteString(c, "y")
	if _, err := io.ReadFull(c, make([]byte, 1)); err != nil {
		t.Errorf("while it drains: %v", err)
	}
	if _, err := c.Read(make([]byte, 1)); err == nil {
		t.Error("open after the drain")
	}
	p.stop()
	for i, e := range r.ended {
		if e.Bytes[0] > 0 && (e.Why != ByDrain || r.facts[i].Ended != analysis.CloseEnd) {
			t.Errorf("%+v, %v", e, r.facts[i].Ended)
		}
	}
	if p.Stats().Drained != 1 {
		t.Errorf("%+v", p.Stats())
	}
}

// TestReload changes upstreams and listeners and touches no live connection.
func TestReload(t *testing.T) {
	name := func(name string) string {
		return upstream(t, func(c net.Conn) {
			for b := make([]byte, 1); ; {
				if _, err := c.Read(b); err != nil {
					return
				}
				io.WriteString(c, name)
			}
		})
	}
	ask := func(c net.Conn) string {
		io.WriteString(c, "?")
		b := make([]byte, 1)
		io.ReadFull(c, b)
		return string(b)
	}
	a, b := name("a"), name("b")
	listen := closedPort(t)
	p := start(t, &Server{Maps: []Map{parsed(t, listen+"="+a)}}, "")
	before := p.dial()
	if got := ask(before); got != "a" {
		t.Fatal(got)
	}
	for _, bad := range []string{listen + "=" + listen, "0.0.0.0:0=" + b} {
		if err := p.Reload([]Map{parsed(t, "127.0.0.1:0="+b), parsed(t, bad)}); err == nil {
			t.Errorf("%s: no error", bad)
		}
	}
	if got := p.Bound(); len(got) != 1 || ask(p.dial()) != "a" {
		t.Errorf("a failed reload has changed something: %v", got)
	}
	if err := p.Reload([]Map{parsed(t, listen+"="+b), parsed(t, "127.0.0.1:0="+a)}); err != nil {
		t.Fatal(err)
	}
	if got := ask(before) + ask(p.dial()); got != "ab" {
		t.Errorf("the old connection and a new one lead to %q", got)
	}
	if err := p.Reload([]Map{parsed(t, listen+"="+closedPort(t)), parsed(t, "127.0.0.1:0="+a)}); err != nil {
		t.Fatal(err)
	}
	if c, err := net.Dial("tcp", listen); err == nil { // else it was reset so soon that dialing has seen it
		c.Close()
	}
	eventually(t, "the upstream fails", func() bool { return p.Health()[0].Failing != "" })
	if err := p.Reload([]Map{parsed(t, listen+"="+closedPort(t)), parsed(t, "127.0.0.1:0="+a)}); err != nil {
		t.Fatal(err)
	}
	if got := p.Health()[0].Failing; got != "" {
		t.Errorf("of an upstream that was not tried yet: %s", got)
	}
	second := p.Bound()[1].Addr.String()
	if err := p.Reload([]Map{parsed(t, "127.0.0.1:0="+a)}); err != nil {
		t.Fatal(err)
	}
	if p.addr() != second || ask(p.dial()) != "a" || ask(before) != "a" {
		t.Error("what stays was touched")
	}
	if _, err := net.Dial("tcp", listen); err == nil {
		t.Error("what is removed still listens")
	}
}

// TestDescriptorsExhausted runs itself with few descriptors.
func TestDescriptorsExhausted(t *testing.T) {
	if os.Getenv("ETCDTAP_FEW_DESCRIPTORS") == "" {
		cmd := exec.Command(os.Args[0], "-test.run=^TestDescriptorsExhausted$", "-test.v")
		cmd.Env = append(os.Environ(), "ETCDTAP_FEW_DESCRIPTORS=1")
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
		return
	}
	p := start(t, &Server{}, upstream(t, echo))
	c := p.dial()
	io.WriteString(c, "x")
	io.ReadFull(c, make([]byte, 1))
	next, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM, 0)
	if err != nil {
		t.Fatal(err)
	}
	var limit syscall.Rlimit
	syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit)
	full := limit
	full.Cur = 8 // below what is open; poll(2) refuses more descriptors than the limit
	if err := syscall.Setrlimit(syscall.RLIMIT_NOFILE, &full); err != nil {
		t.Fatal(err)
	}
	to := netip.MustParseAddrPort(p.addr())
	unix.Connect(next, &unix.SockaddrInet4{Addr: to.Addr().As4(), Port: int(to.Port())})
	unix.Write(next, []byte("y"))
	eventually(t, "accepting pauses", func() bool { return p.Stats().Shortages > 0 })
	var before, after syscall.Rusage
	syscall.Getrusage(syscall.RUSAGE_SELF, &before)
	time.Sleep(500 * time.Millisecond)
	syscall.Getrusage(syscall.RUSAGE_SELF, &after)
	if used := time.Duration(after.Utime.Nano() + after.Stime.Nano() - before.Utime.Nano() - before.Stime.Nano()); used > 250*time.Millisecond {
		t.Errorf("%v of processor time in half a second of shortage", used)
	}
	io.WriteString(c, "z")
	if _, err := io.ReadFull(c, make([]byte, 1)); err != nil {
		t.Errorf("a live connection: %v", err)
	}
	syscall.Setrlimit(syscall.RLIMIT_NOFILE, &limit)
	if got, err := readByte(next); got != 'y' {
		t.Errorf("after the shortage: %q, %v", got, err)
	}
	unix.Close(next)
}

// TestShortWhileDialing runs itself with a descriptor for the client and none for the upstream: the client waits until there is one.
func TestShortWhileDialing(t *testing.T) {
	if os.Getenv("ETCDTAP_ONE_DESCRIPTOR") == "" {
		cmd := exec.Command(os.Args[0], "-test.run=^TestShortWhileDialing$", "-test.v")
		cmd.Env = append(os.Environ(), "ETCDTAP_ONE_DESCRIPTOR=1")
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
		return
	}
	p := start(t, &Server{}, upstream(t, echo))
	if err := pings(p); err != nil { // all goroutines are there
		t.Fatal(err)
	}
	eventually(t, "nothing is open", func() bool { return p.Stats().Active == 0 })
	c, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(c)
	unix.SetsockoptTimeval(c, unix.SOL_SOCKET, unix.SO_RCVTIMEO, &unix.Timeval{Sec: int64(patience / time.Second)})
	free, err := unix.Dup(c) // the lowest that is free
	if err != nil {
		t.Fatal(err)
	}
	unix.Close(free)
	var limit syscall.Rlimit
	syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit)
	one := limit
	one.Cur = uint64(free) + 1
	if err := syscall.Setrlimit(syscall.RLIMIT_NOFILE, &one); err != nil {
		t.Fatal(err)
	}
	to := netip.MustParseAddrPort(p.addr())
	unix.Connect(c, &unix.SockaddrInet4{Addr: to.Addr().As4(), Port: int(to.Port())})
	unix.Write(c, []byte("y"))
	eventually(t, "it is accepted", func() bool { return p.Stats().Accepted == 2 })
	time.Sleep(50 * time.Millisecond) // it would be reset by now
	syscall.Setrlimit(syscall.RLIMIT_NOFILE, &limit)
	if got, err := readByte(c); got != 'y' {
		t.Errorf("after the shortage: %q, %v", got, err)
	}
}

// readByte reads a byte from a socket. Go's scheduler sends its threads signals, and the kernel does not begin a read with a time-out
// again after one (signal(7)).
func readByte(fd int) (byte, error) {
	b := make([]byte, 1)
	for {
		if _, err := unix.Read(fd, b); err != unix.EINTR {
			return b[0], err
		}
	}
}
