package main

import (
	"errors"
	"net"
	"net/netip"
	"strconv"
	"syscall"
	"testing"
	"time"

	"github.com/etcdtap/etcdtap/proxy"
)

// TestUpstreams: who listens is known without a connection where the kernel tells, and by a try elsewhere.
func TestUpstreams(t *testing.T) {
	for _, at := range []string{"127.0.0.1:0", "[::1]:0", ":0"} {
		l, err := net.Listen("tcp", at)
		if err != nil {
			t.Logf("SKIPPED %s: %v", at, err)
			continue
		}
		port := l.Addr().(*net.TCPAddr).AddrPort().Port()
		host, _, _ := net.SplitHostPort(at)
		if host == "" {
			host = "127.0.0.1"
		}
		a, err := proxy.ParseAddress(net.JoinHostPort(host, strconv.Itoa(int(port))))
		if err != nil {
			t.Fatal(err)
		}
		if _, known := listening(netip.AddrPortFrom(netip.MustParseAddr(host), port)); !known {
			t.Log("the kernel does not tell who listens: it is tried")
		}
		var u upstreams
		if err := u.check(t.Context(), a); err != nil {
			t.Errorf("%s: %v", at, err)
		}
		l.Close()
		u = upstreams{}
		if err := u.check(t.Context(), a); err == nil {
			t.Errorf("%s: nobody listens any more, and it is fine", at)
		}
	}
}

// TestUpstreamsFailing: the last connection tells, whatever kept it from its server; one whose client left tells nothing.
func TestUpstreamsFailing(t *testing.T) {
	a, err := proxy.ParseAddress("192.0.2.1:2379")
	if err != nil {
		t.Fatal(err)
	}
	at := netip.MustParseAddrPort("192.0.2.1:2379")
	var u upstreams
	u.tell(&proxy.Connection{Map: proxy.Map{Upstream: a}, At: time.Now(), Upstream: at})
	u.tell(&proxy.Connection{Map: proxy.Map{Upstream: a}, At: time.Now(), Upstream: at, DialError: errors.New("the client was gone")})
	if err := u.check(t.Context(), a); err != nil {
		t.Errorf("after one that reached it: %v", err)
	}
	u.tell(&proxy.Connection{Map: proxy.Map{Upstream: a}, At: time.Now(), Upstream: at, DialError: syscall.EHOSTUNREACH, Unreached: true})
	if err := u.check(t.Context(), a); !errors.Is(err, syscall.EHOSTUNREACH) {
		t.Errorf("after one that did not: %v", err)
	}
}

// TestUpstreamsKnow: only a connection that got as far as the upstream tells whether it can be reached.
func TestUpstreamsKnow(t *testing.T) {
	err := errors.New("failed")
	for _, test := range []struct {
		name  string
		c     proxy.Connection
		known bool
	}{
		{"a client that left before its upstream was chosen", proxy.Connection{DialError: err}, false},
		{"a client that left while it was dialled", proxy.Connection{DialError: err, Upstream: netip.MustParseAddrPort("127.0.0.1:2379")}, false},
		{"refused", proxy.Connection{DialError: err, Refused: true}, true},
		{"no answer", proxy.Connection{DialError: err, Unreached: true, TimedOut: true}, true},
		{"no such name", proxy.Connection{DialError: err, Unreached: true}, true},
		{"connected", proxy.Connection{}, true},
	} {
		var u upstreams
		u.tell(&test.c)
		if known := len(u.known) > 0; known != test.known {
			t.Errorf("%s: known is %v", test.name, known)
		}
	}
}
