package proxy

import (
	"context"
	"io"
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// roundTrip sends a byte and waits for it to come back.
func roundTrip(t *testing.T, c net.Conn) {
	t.Helper()
	c.SetDeadline(time.Now().Add(patience))
	io.WriteString(c, "x")
	if _, err := io.ReadFull(c, make([]byte, 1)); err != nil {
		t.Error(err)
	}
}

func TestIPv6(t *testing.T) {
	l, err := net.Listen("tcp", "[::1]:0")
	if err != nil {
		t.Skipf("SKIPPED: there is no IPv6 loopback here (%v)", err)
	}
	up := serveOn(t, l, echo)
	r := &recorder{}
	p := start(t, &Server{Observer: r, Maps: []Map{parsed(t, "[::1]:0="+up)}}, "")
	c := p.dial()
	roundTrip(t, c)
	c.Close()
	if info, f, _ := r.first(t, 1); info.Client != addrPort(c.LocalAddr()) || f.Server.String() != up || !info.Outgoing.Addr().Is6() {
		t.Errorf("%+v", info)
	}
}

// TestInherited takes a listener over that somebody else opened, and closes it at the end.
func TestInherited(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := start(t, &Server{Inherited: []net.Listener{l}, Maps: []Map{parsed(t, l.Addr().String()+"="+upstream(t, echo))}}, "")
	roundTrip(t, p.dial())
}

// TestAllowRemote listens on all addresses, when it may, and tells at which the client came.
func TestAllowRemote(t *testing.T) {
	r := &recorder{}
	p := start(t, &Server{AllowRemote: true, Observer: r, Maps: []Map{parsed(t, "0.0.0.0:0="+upstream(t, echo))}}, "")
	c, err := net.Dial("tcp", net.JoinHostPort("127.0.0.5", port(p)))
	if err != nil {
		t.Fatal(err)
	}
	roundTrip(t, c)
	c.Close()
	if info, _, _ := r.first(t, 1); info.Listen.Addr().String() != "127.0.0.5" {
		t.Errorf("came at %v", info.Listen)
	}
}

func port(p *running) string {
	_, port, _ := net.SplitHostPort(p.addr())
	return port
}

// TestStaleSocket replaces a socket file that nobody listens on, and nothing else.
func TestStaleSocket(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s")
	old, err := net.ListenUnix("unix", &net.UnixAddr{Name: path})
	if err != nil {
		t.Fatal(err)
	}
	m := parsed(t, "unix:"+path+"="+upstream(t, echo))
	if err := (&Server{Maps: []Map{m}}).Listen(); err == nil {
		t.Error("took a socket that somebody listens on")
	}
	old.SetUnlinkOnClose(false)
	old.Close()
	p := start(t, &Server{Maps: []Map{m}}, "")
	roundTrip(t, p.dial())
	p.stop()
	if err := os.WriteFile(path, []byte("precious"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := (&Server{Maps: []Map{m}}).Listen(); err == nil {
		t.Error("took a file for a socket")
	}
}

// TestShutdown waits for connections only as long as its context allows.
func TestShutdown(t *testing.T) {
	p := start(t, &Server{Limits: Limits{Drain: time.Hour}}, upstream(t, echo))
	c := p.dial()
	roundTrip(t, c)
	ctx, cancel := context.WithTimeout(context.Background(), 50*time.Millisecond)
	defer cancel()
	if err := p.Shutdown(ctx); err != context.DeadlineExceeded {
		t.Errorf("%v", err)
	}
	if _, err := c.Read(make([]byte, 1)); err == nil {
		t.Error("still open")
	}
	if err := p.Reload(p.Maps); err != ErrClosed {
		t.Errorf("reload after the end: %v", err)
	}
	unused := &Server{Maps: []Map{parsed(t, "127.0.0.1:0=127.0.0.1:1")}}
	if err := unused.Listen(); err != nil {
		t.Fatal(err)
	}
	if err := unused.Shutdown(context.Background()); err != nil {
		t.Error(err)
	}
}

func TestParse(t *testing.T) {
	for in, want := range map[string]string{
		"127.0.0.1:1": "127.0.0.1:1", "[::1]:1": "[::1]:1", ":1": ":1", "etcd-0.etcd:2379": "etcd-0.etcd:2379", "unix:/run/x": "unix:/run/x",
		"unix:///run/x": "unix:/run/x", "https://10.0.0.1:2379": "10.0.0.1:2379", "http://a:1/": "a:1",
	} {
		if a, err := ParseAddress(in); err != nil || a.String() != want {
			t.Errorf("%q: %v, %v", in, a, err)
		}
	}
	for _, in := range []string{"", "x", "1.2.3.4", "::1:1", "a:b", "a:70000", "a:-1", "unix:", "a b:1", "a/b:1", "unix:" + string(make([]byte, 200))} {
		if a, err := ParseAddress(in); err == nil {
			t.Errorf("%q: %v", in, a)
		}
	}
	for _, in := range []string{"", "127.0.0.1:1", "127.0.0.1:1=", "127.0.0.1:1=127.0.0.1:0", "127.0.0.1:1=:2", "=x:1"} {
		if m, err := ParseMap(in); err == nil {
			t.Errorf("%q: %v", in, m)
		}
	}
}

// TestBalance gives each loop as many connections as the others, whichever of them accepts.
func TestBalance(t *testing.T) {
	p := start(t, &Server{Loops: 4}, upstream(t, echo))
	for range 40 {
		roundTrip(t, p.dial())
	}
	for i, l := range p.loops {
		if n := l.open.Load(); n != 10 {
			t.Errorf("loop %d of 4 has %d of 40 connections", i, n)
		}
	}
}
