package proxy

import (
	"bytes"
	"fmt"
	"io"
	"net"
	"net/netip"
	"strings"
	"testing"
	"time"

	proxyproto "github.com/pires/go-proxyproto"
)

var loopback = []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}

// headers are PROXY headers that name 192.0.2.7:5678, or none.
func headers(t testing.TB) map[string][]byte {
	from, to := &net.TCPAddr{IP: net.ParseIP("192.0.2.7"), Port: 5678}, &net.TCPAddr{IP: net.ParseIP("192.0.2.1"), Port: 2379}
	all := map[string][]byte{"none": nil}
	for version := range byte(2) {
		h := proxyproto.HeaderProxyFromAddrs(version+1, from, to)
		b, err := h.Format()
		if err != nil {
			t.Fatal(err)
		}
		all[fmt.Sprintf("v%d", version+1)] = b
	}
	return all
}

// TestAcceptProxy takes headers of trusted senders, in one piece or byte by byte, and passes those of others on.
func TestAcceptProxy(t *testing.T) {
	for name, header := range headers(t) {
		for _, tt := range []struct {
			trusted  []netip.Prefix
			bytewise bool
		}{{loopback, false}, {loopback, true}, {nil, false}, {[]netip.Prefix{netip.MustParsePrefix("192.0.2.0/24")}, true}} {
			t.Run(fmt.Sprintf("%s/%v/%v", name, tt.trusted, tt.bytewise), func(t *testing.T) {
				r := &recorder{}
				p := start(t, &Server{Observer: r, TrustedProxies: tt.trusted}, upstream(t, echo))
				c := p.dial()
				sent := append(bytes.Clone(header), "hello"...)
				if tt.bytewise {
					for i := range sent {
						c.Write(sent[i : i+1])
						time.Sleep(100 * time.Microsecond)
					}
				} else {
					c.Write(sent)
				}
				c.(*net.TCPConn).CloseWrite()
				trusted := len(tt.trusted) > 0 && tt.trusted[0] == loopback[0]
				want := string(sent)
				if trusted {
					want = "hello"
				}
				if got, err := io.ReadAll(c); err != nil || string(got) != want {
					t.Errorf("%q, %v, want %q", got, err, want)
				}
				info, f, _ := r.first(t, 1)
				client, dialed := info.Peer, netip.MustParseAddrPort(p.addr())
				if trusted && header != nil {
					client, dialed = netip.MustParseAddrPort("192.0.2.7:5678"), netip.MustParseAddrPort("192.0.2.1:2379")
				}
				if got := info.ConnectedTo(); got != dialed {
					t.Errorf("the client connected to %v, want %v", got, dialed)
				}
				if info.Client != client || f.Client != client || info.Peer != addrPort(c.LocalAddr()) || f.Stream[0].Bytes != int64(len(want)) {
					t.Errorf("%+v, %v", info, f.Client)
				}
			})
		}
	}
}

func TestBadProxyHeader(t *testing.T) {
	for _, header := range []string{"PROXY TCP4 nonsense\r\n", "PROXY " + strings.Repeat("x", 200), string(proxyproto.SIGV2) + "\x21\x11\xff\xff", string(proxyproto.SIGV2) + "\x99\x11\x00\x00"} {
		p := start(t, &Server{TrustedProxies: loopback, Log: silent}, upstream(t, echo))
		c := p.dial()
		io.WriteString(c, header)
		if got, _ := io.ReadAll(c); len(got) > 0 || p.Stats().BadHeaders != 1 {
			t.Errorf("%q: got %q, %+v", header, got, p.Stats())
		}
	}
}

// TestSendProxy: what the upstream gets is a header that the library reads, and then the client's bytes.
func TestSendProxy(t *testing.T) {
	for version := 1; version <= 2; version++ {
		p := start(t, &Server{SendProxy: version, TrustedProxies: loopback}, upstream(t, echo))
		for name, header := range headers(t) {
			c := p.dial()
			c.Write(append(bytes.Clone(header), "hello"...))
			c.(*net.TCPConn).CloseWrite()
			got, err := io.ReadAll(c)
			if err != nil {
				t.Fatal(err)
			}
			state, n, h, err := parseHeader(got)
			if state != headerWhole || int(h.Version) != version || string(got[n:]) != "hello" {
				t.Fatalf("version %d: %q, %v", version, got, err)
			}
			want := addrPort(c.LocalAddr())
			if name != "none" {
				want = netip.MustParseAddrPort("192.0.2.7:5678")
			}
			if from, _, ok := h.TCPAddrs(); !ok || addrPort(from) != want {
				t.Errorf("version %d after %s: from %v, want %v", version, name, h.SourceAddr, want)
			}
		}
	}
}

// FuzzHeader: whatever comes, the verdict on a prefix is never taken back, and the length is within the input and its bound.
func FuzzHeader(f *testing.F) {
	for _, h := range headers(f) {
		f.Add(append(h, "hello"...))
	}
	f.Add([]byte("PROXY UNKNOWN\r\n"))
	f.Add([]byte("PROXY TCP6 ::1 ::1 1 2\r\n"))
	f.Add(append(proxyproto.SIGV2, 0x20, 0, 0, 3, 1, 2, 3))
	f.Fuzz(func(t *testing.T, p []byte) {
		state, n, h, err := parseHeader(p)
		if n > len(p) || n > maxHeaderV2 || (state == headerWhole) != (h != nil) || (state == headerBroken) != (err != nil) {
			t.Fatalf("%d, %d bytes, %v, %v", state, n, h, err)
		}
		for i := range min(len(p), 300) {
			before, m, _, _ := parseHeader(p[:i])
			if before != headerMore && (before != state || m != n) {
				t.Fatalf("after %d bytes %d of %d bytes, after %d %d of %d", i, before, m, len(p), state, n)
			}
		}
	})
}
