package owner

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/binary"
	"fmt"
	"math/big"
	"net"
	"net/netip"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// What the capture does, with real clients: packets are read off lo, the owner is asked for at the SYN, and curl is refused. How many are
// found is measured and told (nearly all on an idle machine); one in ten is what even a busy one must give. Where nobody listens on
// loopback the kernel has closed the socket before connect returns: that there is an answer is all that can be asked.
func TestCurlIsFoundAtItsSYN(t *testing.T) {
	needRoot(t, "that curl's process is found at its SYN was not tested")
	curl, err := exec.LookPath("curl")
	if err != nil {
		t.Skipf("SKIPPED: that curl's process is found at its SYN was not tested: %v", err)
	}
	server := refusingServer(t)
	closed := closedPort(t)
	for name, c := range map[string]struct {
		url      string
		port     uint16
		clients  int
		parallel int
		least    int
	}{
		"client certificate required, one after the other": {"https://" + server.String(), server.Port(), 24, 1, 2},
		"client certificate required, eight at a time":     {"https://" + server.String(), server.Port(), 48, 8, 4},
		"connection refused, one after the other":          {"https://" + closed.String(), closed.Port(), 10, 1, 0},
		"plaintext to TLS, one after the other":            {"http://" + server.String(), server.Port(), 24, 1, 2},
	} {
		t.Run(name, func(t *testing.T) {
			f := start(t, Options{})
			known, why := 0, map[string]int{}
			for round := 0; round < rounds && (round == 0 || known < c.least); round++ { // a busy machine looks late
				seen, stop := watchSYNs(t, f, c.port)
				pids := runAll(t, curl, c.url, c.clients, c.parallel)
				time.Sleep(50 * time.Millisecond) // what is left in the packet socket
				stop()
				for _, s := range *seen {
					switch p, ok := f.Answer(s.client, s.server, s.at, patience); {
					case !ok:
						t.Fatal("not even asked for")
					case !p.Known:
						why[p.Why]++
					case !pids[p.PID] || filepath.Base(p.Executable) != filepath.Base(curl) && p.Executable != "":
						t.Errorf("process %d is not ours", p.PID)
					default:
						known++
					}
				}
				t.Logf("%d processes of curl found of %d in each of %d rounds; others: %v", known, c.clients, round+1, why)
			}
			if known < c.least {
				t.Errorf("only %d were found in %d rounds: %v", known, rounds, why)
			}
		})
	}
}

// rounds is how often the clients are run until enough of them were found.
const rounds = 10

// runAll runs curl, and gives the process ids.
func runAll(t *testing.T, curl, url string, clients, parallel int) map[int]bool {
	t.Helper()
	pids, jobs := map[int]bool{}, make(chan int)
	var lock sync.Mutex
	var all sync.WaitGroup
	for range parallel {
		all.Go(func() {
			for range jobs {
				cmd := exec.Command(curl, "-sk", "-m", "10", "-o", "/dev/null", url)
				if err := cmd.Start(); err != nil {
					t.Error(err)
					continue
				}
				lock.Lock()
				pids[cmd.Process.Pid] = true
				lock.Unlock()
				_ = cmd.Wait() // it fails: that is what it is for
			}
		})
	}
	for i := range clients {
		jobs <- i
	}
	close(jobs)
	all.Wait()
	return pids
}

// refusingServer demands a client certificate.
func refusingServer(t *testing.T) netip.AddrPort {
	t.Helper()
	l, err := tls.Listen("tcp4", "127.0.0.1:0", &tls.Config{Certificates: []tls.Certificate{selfSigned(t)}, ClientAuth: tls.RequireAnyClientCert})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				_ = c.(*tls.Conn).Handshake()
				c.Close()
			}()
		}
	}()
	return addrPort(t, l.Addr())
}

// closedPort is one on which nobody listens.
func closedPort(t *testing.T) netip.AddrPort {
	t.Helper()
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return addrPort(t, l.Addr())
}

type syn struct {
	client, server netip.AddrPort
	at             time.Time
}

// watchSYNs asks f about each connection to port whose SYN comes by on lo, until stop is called.
func watchSYNs(t *testing.T, f *Finder, port uint16) (seen *[]syn, stop func()) {
	t.Helper()
	proto := binary.NativeEndian.Uint16(binary.BigEndian.AppendUint16(nil, unix.ETH_P_IP))
	fd, err := unix.Socket(unix.AF_PACKET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Skipf("SKIPPED: %v", err)
	}
	lo, err := net.InterfaceByName("lo")
	if err != nil {
		t.Fatal(err)
	}
	if err := unix.Bind(fd, &unix.SockaddrLinklayer{Protocol: proto, Ifindex: lo.Index}); err != nil {
		t.Fatal(err)
	}
	if err := unix.SetsockoptTimeval(fd, unix.SOL_SOCKET, unix.SO_RCVTIMEO, &unix.Timeval{Usec: 20_000}); err != nil {
		t.Fatal(err)
	}
	seen = new([]syn)
	known := map[string]bool{} // lo shows each packet twice
	end := make(chan struct{})
	var done sync.WaitGroup
	done.Go(func() {
		buf := make([]byte, 2048)
		for {
			n, _, err := unix.Recvfrom(fd, buf, 0)
			select {
			case <-end:
				return
			default:
			}
			if err != nil || n < 40 || buf[0]>>4 != 4 || buf[9] != unix.IPPROTO_TCP {
				continue
			}
			ip, tcp := buf[:20], buf[int(buf[0]&15)*4:n]
			if len(tcp) < 20 || tcp[13]&0x12 != 2 || binary.BigEndian.Uint16(tcp[2:]) != port {
				continue
			}
			s := syn{netip.AddrPortFrom(netip.AddrFrom4([4]byte(ip[12:16])), binary.BigEndian.Uint16(tcp)), netip.AddrPortFrom(netip.AddrFrom4([4]byte(ip[16:20])), port), time.Now()}
			if k := fmt.Sprint(s.client, binary.BigEndian.Uint32(tcp[4:])); !known[k] {
				known[k] = true
				f.Ask(s.client, s.server, s.at)
				*seen = append(*seen, s)
			}
		}
	})
	return seen, sync.OnceFunc(func() {
		close(end)
		done.Wait()
		unix.Close(fd)
	})
}

// selfSigned is a certificate of nobody.
func selfSigned(t *testing.T) tls.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}
