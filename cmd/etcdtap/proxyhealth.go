package main

import (
	"bufio"
	"context"
	"encoding/binary"
	"fmt"
	"net"
	"net/netip"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/etcdtap/etcdtap/proxy"
)

// How long /healthz goes by what is known of an upstream. A try makes a line in the log of an etcd with TLS, so it is rare where all is well.
const (
	reachedFor = time.Minute     // since a connection last reached it
	failedFor  = time.Second     // since one last did not
	tryTime    = 2 * time.Second // for a try: whoever asks does not wait longer than that for each upstream
)

// upstreams is what is known of whether upstreams can be reached.
type upstreams struct {
	mu    sync.Mutex
	known map[proxy.Address]reached
}

// reached is how the last connection to an upstream went.
type reached struct {
	at  time.Time
	err error
}

// tell notes how a connection went. Clients that left before there was one say nothing.
func (u *upstreams) tell(c *proxy.Connection) {
	if c.DialError != nil && !c.Refused && !c.Unreached {
		return
	}
	u.note(c.Map.Upstream, reached{c.At.Add(c.Dialed), c.DialError})
}

func (u *upstreams) note(a proxy.Address, r reached) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.known == nil {
		u.known = make(map[proxy.Address]reached)
	}
	u.known[a] = r
}

// check says why a cannot be reached now, or nil. On this host the kernel knows who listens; else the last connection tells, and when
// there was none for a while, a try.
func (u *upstreams) check(ctx context.Context, a proxy.Address) error {
	if ip, err := netip.ParseAddr(a.Host); err == nil && ip.IsLoopback() {
		if listens, known := listening(netip.AddrPortFrom(ip, a.Port)); known {
			if listens {
				return nil
			}
			return fmt.Errorf("nothing listens at %s", a)
		}
	}
	u.mu.Lock()
	r, ok := u.known[a]
	u.mu.Unlock()
	fresh := reachedFor
	if r.err != nil {
		fresh = failedFor
	}
	if ok && time.Since(r.at) < fresh {
		return r.err
	}
	err := try(ctx, a)
	u.note(a, reached{time.Now(), err})
	return err
}

func try(ctx context.Context, a proxy.Address) error {
	network, address := "tcp", a.String()
	if a.Path != "" {
		network, address = "unix", a.Path
	}
	dialer := net.Dialer{Timeout: tryTime}
	c, err := dialer.DialContext(ctx, network, address)
	if err == nil {
		c.Close()
	}
	return err
}

// maxSockets bounds how many lines of /proc/net/tcp are read: those that listen come first.
const maxSockets = 4096

// listening reports whether a TCP socket of this network listens at a; known is false where there is no way to tell.
func listening(a netip.AddrPort) (listens, known bool) {
	ip := a.Addr().As16()
	want := []string{procText(ip[:], a.Port()), procText(make([]byte, 16), a.Port())}
	if a.Addr().Is4() {
		want = append(want, procText(ip[12:], a.Port()), procText(make([]byte, 4), a.Port()))
	}
	for _, file := range []string{"/proc/net/tcp", "/proc/net/tcp6"} {
		f, err := os.Open(file)
		if err != nil {
			continue
		}
		lines := bufio.NewScanner(f)
		lines.Scan() // the heading
		for n := 0; n < maxSockets && lines.Scan(); n++ {
			fields := strings.Fields(lines.Text()) // sl local_address rem_address st ...
			if len(fields) < 4 || fields[3] != "0A" {
				break
			}
			known = true
			listens = listens || slices.Contains(want, fields[1])
		}
		f.Close()
	}
	return listens, known
}

// procText is an address as /proc/net/tcp has it: words of four bytes in the machine's order.
func procText(ip []byte, port uint16) string {
	var b strings.Builder
	for ; len(ip) > 0; ip = ip[4:] {
		fmt.Fprintf(&b, "%08X", binary.NativeEndian.Uint32(ip))
	}
	fmt.Fprintf(&b, ":%04X", port)
	return b.String()
}
