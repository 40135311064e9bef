package e2e

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/etcdtap/etcdtap/e2e/lab"
)

// TestProxyRaft puts a proxy before the peer port of each of two members: they find each other through them, stay healthy, and recover
// when a proxy is stopped and started.
func TestProxyRaft(t *testing.T) {
	l := newLab(t)
	if !lab.Isolated() {
		t.Skip("SKIPPED, raft does not go through proxies: two members need etcd's ports on two addresses, and the network is shared")
	}
	certificates := writePKI(t, l)
	at := [2]string{"127.0.0.1:12380", "127.0.0.2:12380"}
	var proxies [2]*forwarder
	proxy := func(i int) *forwarder {
		return proxying(t, fmt.Sprintf("--map=%s=127.0.0.%d:%d,role=peer", at[i], i+1, l.Ports.Peer), "-o", "json", "--drain-timeout=0")
	}
	for i := range proxies {
		proxies[i] = proxy(i)
	}
	cluster := "cp-1=https://" + at[0] + ",cp-2=https://" + at[1]
	var members [2]*lab.Etcd
	for i, name := range []string{"cp-1", "cp-2"} {
		keys := "" // of the second member
		if i > 0 {
			keys = "cp-2/"
		}
		e, err := l.Start(t.Context(), lab.Member{Program: lab.Etcd37, Name: name, Host: fmt.Sprintf("127.0.0.%d", i+1), Cluster: cluster, PKI: certificates, NotReady: true,
			Client: &lab.Keys{Authority: "ca", Pair: keys + "server"}, Peer: &lab.Keys{Authority: "ca", Pair: keys + "peer"},
			Flags: []string{"--initial-advertise-peer-urls=https://" + at[i]}})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(e.Stop)
		members[i] = e
	}
	s := &site{lab: l, pki: certificates, etcd: members[0]}
	healthy := func() {
		t.Helper()
		for _, m := range members {
			if err := m.WaitHealthy(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		s.through(t, fmt.Sprintf("127.0.0.2:%d", l.Ports.Client), "etcdctl put raft works")
	}
	healthy()
	for i := range proxies {
		c := proxies[i].expectReport(t, "raft", func(c *watched) bool { return c.Outcome == "established" && c.Endpoint == "peer" })
		if hasErrors(c.Findings) {
			t.Errorf("%s > %s: %v", c.Client, c.Server, c.codes())
		}
		proxies[i].end(t)
		proxies[i] = proxy(i)
		healthy()
	}
}

// serveStream answers each connection with what it sent, until the test ends.
func serveStream(t *testing.T) string {
	t.Helper()
	return serve(t, "127.0.0.1:0", func(c net.Conn) {
		io.CopyBuffer(struct{ io.Writer }{c}, struct{ io.Reader }{c}, make([]byte, 4<<10)) // no pipe and little memory
	})
}

// fewMore is how many descriptors or goroutines a process may have more than before without leaking: those of a scrape.
const fewMore = 8

// usage is what a process holds.
type usage struct {
	descriptors int   // without those of pipes
	pipes       int   // descriptors of pipes: each loop keeps some empty ones for the next bytes, and how many have had to is chance
	memory      int64 // resident, in KiB
}

// keptPipes is how many descriptors of pipes a proxy has at the most when it has nothing to move: four pipes for each loop, and what it was
// started with.
func keptPipes() int { return 2*4*runtime.GOMAXPROCS(0) + 3 }

func (p *forwarder) usage(t *testing.T) (u usage) {
	t.Helper()
	dir := fmt.Sprintf("/proc/%d", p.cmd.Process.Pid)
	list, err := os.ReadDir(filepath.Join(dir, "fd"))
	if err != nil {
		t.Fatal(err)
	}
	status, err := os.ReadFile(filepath.Join(dir, "status"))
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(status)) {
		fmt.Sscanf(line, "VmRSS: %d kB", &u.memory)
	}
	for _, fd := range list {
		if what, err := os.Readlink(filepath.Join(dir, "fd", fd.Name())); err != nil {
			continue // closed since
		} else if strings.HasPrefix(what, "pipe:") {
			u.pipes++
		} else {
			u.descriptors++
		}
	}
	return u
}

// TestProxyMany holds 10,000 connections open at once, each of which gets its bytes back, and looks at what they cost and leave behind.
func TestProxyMany(t *testing.T) {
	const want, perConnection = 10_000, 24 // KiB a connection at the most, with what a busy machine has not yet given back
	var r syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &r); err != nil {
		t.Fatal(err)
	}
	if needed := uint64(2*want + 1000); r.Max < needed { // root may raise it
		if higher := (syscall.Rlimit{Cur: needed, Max: needed}); syscall.Setrlimit(syscall.RLIMIT_NOFILE, &higher) == nil {
			r = higher
		}
	}
	connections := min(want, int(r.Max)/2-500) // two descriptors for each, here and in the proxy
	if connections < want {
		t.Logf("LEFT OUT: %d connections instead of %d, for %d descriptors are allowed (ulimit -n)", connections, want, r.Max)
	}
	r.Cur = r.Max
	if err := syscall.Setrlimit(syscall.RLIMIT_NOFILE, &r); err != nil {
		t.Fatal(err)
	}
	metrics := freeAddress(t)
	p := proxying(t, "--map=127.0.0.1:0="+serveStream(t), "-o", "json", "--processes=false", "--metrics="+metrics, "--first-byte-timeout=0")
	before := p.usage(t)
	open := make([]net.Conn, connections)
	defer func() {
		for _, c := range open {
			if c != nil {
				c.Close()
			}
		}
	}()
	var failed atomic.Int64
	echo := func(c net.Conn, i int) {
		text := fmt.Sprintf("connection %d", i)
		c.SetDeadline(time.Now().Add(patience))
		io.WriteString(c, text)
		got := make([]byte, len(text))
		if _, err := io.ReadFull(c, got); err != nil || string(got) != text {
			if failed.Add(1) == 1 {
				t.Errorf("connection %d: %q, %v", i, got, err)
			}
		}
	}
	inParallel(connections, func(i int) {
		c, err := net.DialTimeout("tcp", p.at[0], patience)
		if err != nil {
			if failed.Add(1) == 1 {
				t.Errorf("connection %d: %v", i, err)
			}
			return
		}
		open[i] = c
		echo(c, i)
	})
	if n := metric(t, metrics, "etcdtap_proxy_active_connections"); int(n) != connections {
		t.Errorf("%v connections are open, want %d", n, connections)
	}
	during := p.usage(t)
	per := float64(during.memory-before.memory) / float64(connections)
	t.Logf("%d connections: %.1f KiB each, %d descriptors", connections, per, during.descriptors)
	if per > perConnection {
		t.Errorf("%.1f KiB for each connection, want %d at the most", per, perConnection)
	}
	inParallel(connections, func(i int) {
		if open[i] != nil {
			echo(open[i], i)
			open[i].Close()
		}
	})
	eventually(t, "descriptors are not given back", func() bool {
		after := p.usage(t)
		return after.descriptors <= before.descriptors+fewMore && after.pipes <= keptPipes()
	})
	p.end(t)
}

// inParallel does f for each of n, some at a time.
func inParallel(n int, f func(int)) {
	var next atomic.Int64
	var wait sync.WaitGroup
	for range 64 {
		wait.Go(func() {
			for i := int(next.Add(1)) - 1; i < n; i = int(next.Add(1)) - 1 {
				f(i)
			}
		})
	}
	wait.Wait()
}

// TestProxySoak lets connections of every kind come and go for a while: nothing leaks, and no byte is lost or changed.
func TestProxySoak(t *testing.T) {
	const rounds, each = 6, 60
	metrics := freeAddress(t)
	p := proxying(t, "--map=127.0.0.1:0="+serveStream(t), "--map=127.0.0.1:0="+freeAddress(t), "-o", "json", "--processes=false", "--metrics="+metrics)
	block := bytes.Repeat([]byte("0123456789abcdef"), 64<<10) // 1 MiB
	want := sha256.Sum256(block)
	var first usage
	var goroutines float64
	for round := range rounds {
		inParallel(each, func(i int) {
			c, err := net.DialTimeout("tcp", p.at[b2i(i%6 == 5)], patience)
			if err != nil {
				if i%6 != 5 { // the reset may come that soon
					t.Error(err)
				}
				return
			}
			defer c.Close()
			tcp := c.(*net.TCPConn)
			c.SetDeadline(time.Now().Add(patience))
			switch i % 6 {
			case 0: // all and a half-close
				go func() {
					c.Write(block)
					tcp.CloseWrite()
				}()
				sum := sha256.New()
				if n, err := io.Copy(sum, c); err != nil || !bytes.Equal(sum.Sum(nil), want[:]) {
					t.Errorf("%d bytes of %d came back, or others: %v", n, len(block), err)
				}
			case 1: // byte by byte
				for j := range 50 {
					c.Write(block[j : j+1])
				}
				got := make([]byte, 50)
				if _, err := io.ReadFull(c, got); err != nil || !bytes.Equal(got, block[:50]) {
					t.Errorf("%q, %v", got, err)
				}
			case 2: // never reads
				c.SetWriteDeadline(time.Now().Add(50 * time.Millisecond))
				for range 16 {
					if _, err := c.Write(block); err != nil {
						break
					}
				}
			case 3: // resets in the middle
				c.Write(block[:1000])
				tcp.SetLinger(0)
			case 4: // says nothing
			case 5: // nobody there
				io.Copy(io.Discard, c)
			}
		})
		eventually(t, "connections stay open", func() bool { return metric(t, metrics, "etcdtap_proxy_active_connections") == 0 })
		if round == 1 { // what is kept for good is there by now
			first, goroutines = p.usage(t), metric(t, metrics, "go_goroutines")
		}
	}
	last := p.usage(t)
	if last.descriptors > first.descriptors+fewMore || last.pipes > keptPipes() || last.memory > first.memory+32<<10 {
		t.Errorf("after two rounds %+v, after %d %+v", first, rounds, last)
	}
	if n := metric(t, metrics, "go_goroutines"); n > goroutines+fewMore {
		t.Errorf("%v goroutines after two rounds, %v after %d", goroutines, n, rounds)
	}
	p.end(t)
	if n := strings.Count(p.stdout.String(), `"type":"connection"`); n < rounds*each {
		t.Errorf("%d connections reported, %d made", n, rounds*each)
	}
}

func b2i(b bool) int {
	if b {
		return 1
	}
	return 0
}

// TestProxyFewDescriptors: at the limit accepting pauses, and goes on when connections end.
func TestProxyFewDescriptors(t *testing.T) {
	if err := lab.Missing("prlimit"); err != nil {
		t.Skipf("SKIPPED, descriptors are not exhausted: %v", err)
	}
	upstream := serveStream(t)
	p := proxyingWith(t, exec.Command("prlimit", "--nofile=160:160", etcdtap(), "proxy", "--map=127.0.0.1:0="+upstream, "-o", "json", "--processes=false"))
	var open []net.Conn
	for range 100 { // beyond what it can hold they wait in the kernel
		c, err := net.DialTimeout("tcp", p.at[0], patience)
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		open = append(open, c)
	}
	p.says(t, "accepting pauses")
	for _, c := range open {
		c.SetDeadline(time.Now().Add(patience))
		io.WriteString(c, "hello")
		if _, err := io.ReadFull(c, make([]byte, 5)); err != nil {
			t.Fatalf("one of those who had to wait: %v", err)
		}
		c.Close()
	}
	p.end(t)
}
