package live

import (
	"bytes"
	"cmp"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"testing"
	"time"

	"github.com/etcdtap/etcdtap/capture"
	"golang.org/x/sys/unix"
)

// send puts frames on an interface of the namespace as they are.
func (n *namespace) send(t *testing.T, name string, frames ...[]byte) {
	t.Helper()
	var err error
	n.do(func() {
		var l *links
		if l, err = openLinks([]string{name}); err != nil {
			return
		}
		defer l.close()
		var fd int
		if fd, err = newSocket(ethernetFrame); err != nil {
			return
		}
		defer unix.Close(fd)
		for _, b := range frames {
			to := unix.SockaddrLinklayer{Ifindex: int(l.all[0].index), Halen: 6}
			if err = unix.Sendto(fd, b, 0, &to); err != nil {
				return
			}
		}
	})
	if err != nil {
		t.Fatalf("sending by %s: %v", name, err)
	}
}

// TestTags captures frames with VLAN tags at both ends of a wire: as they leave, with their tags in the frame, and as they come in, where
// the kernel has taken the outermost off. Both ends, and both ways to packets, have to give the frame as it was sent.
func TestTags(t *testing.T) {
	for _, w := range ways() {
		for _, name := range []string{"v0", "v1", Any} {
			t.Run(w.name+" "+name, func(t *testing.T) {
				t.Parallel()
				n := newNamespace(t)
				n.veth(t, "v0", "v1")
				s := w.start(t, Options{Interfaces: []string{name}, NetNS: n.path, Ports: []uint16{2379}})
				var want []string
				for _, f := range frames() {
					n.send(t, "v0", f.bytes())
					if !wanted(&f, []uint16{2379}) {
						continue
					}
					want = append(want, f.name)
					if name == Any { // at both ends
						want = append(want, f.name)
					}
				}
				var got []string
				for _, p := range drain(t, s) {
					got = append(got, recognise(t, &p))
				}
				slices.Sort(want)
				slices.Sort(got)
				if !slices.Equal(got, want) {
					t.Errorf("captured\n%q\nexpected\n%q", got, want)
				}
			})
		}
	}
}

// recognise gives the name of the frame that a packet is, of a cooked packet that of the frame with the same IP packet.
func recognise(t *testing.T, p *packet) string {
	t.Helper()
	for _, f := range frames() {
		b := f.bytes()
		ip := 14 + 4*len(f.tags)
		switch {
		case p.Link == capture.LinkEthernet && bytes.Equal(p.Data, b):
		case p.Link == capture.LinkLinuxSLL2 && bytes.HasSuffix(p.Data, b[ip:]):
			if p.verdict != capture.TCP && p.verdict != capture.Held {
				t.Errorf("%s: the decoder says %v of %s", f.name, p.verdict, hex.EncodeToString(p.Data))
			}
		default:
			continue
		}
		if p.Length != len(p.Data) {
			t.Errorf("%s: %d bytes of %d", f.name, len(p.Data), p.Length)
		}
		return f.name
	}
	t.Errorf("a packet that was not sent: %v, %s", p.Link, hex.EncodeToString(p.Data))
	return ""
}

// TestSnapLen captures a little of each packet.
func TestSnapLen(t *testing.T) {
	for _, w := range ways() {
		for _, name := range []string{"v1", Any} {
			t.Run(w.name+" "+name, func(t *testing.T) {
				t.Parallel()
				n := newNamespace(t)
				n.veth(t, "v0", "v1")
				s := w.start(t, Options{Interfaces: []string{name}, NetNS: n.path, SnapLen: 90})
				plain, tagged := frame{src: 2379, dst: 1, payload: 200}, frame{src: 2379, dst: 1, payload: 200, tags: []uint16{etherVLAN}}
				n.send(t, "v0", plain.bytes(), tagged.bytes())
				all := drain(t, s)
				for _, p := range all {
					if len(p.Data) > 90 || len(p.Data) < 60 || p.Length < 240 {
						t.Errorf("packet %d: %d bytes of %d", p.Number, len(p.Data), p.Length)
					}
					if p.verdict != capture.TCP || p.segment.Length != 200 {
						t.Errorf("packet %d: %v with %d bytes of payload", p.Number, p.verdict, p.segment.Length)
					}
				}
				if len(all) < 2 || s.Interfaces()[0].SnapLen != 90 {
					t.Errorf("%d packets, interfaces %+v", len(all), s.Interfaces())
				}
			})
		}
	}
}

// TestTunnel captures IP packets from an interface without a link header, alone and among all.
func TestTunnel(t *testing.T) {
	for _, w := range ways() {
		for name, link := range map[string]capture.LinkType{"t0": capture.LinkRaw, Any: capture.LinkLinuxSLL2} {
			t.Run(w.name+" "+name, func(t *testing.T) {
				t.Parallel()
				n := newNamespace(t)
				tun := n.tun(t, "t0")
				s := w.start(t, Options{Interfaces: []string{name}, NetNS: n.path, Ports: []uint16{2379}})
				yes4, no4 := frame{src: 2379, dst: 40000}, frame{src: 2378, dst: 40000}
				yes6, no6 := frame{v6: true, src: 40000, dst: 2379}, frame{v6: true, src: 40000, dst: 2378}
				for _, f := range []frame{yes4, no4, yes6, no6} {
					if _, err := tun.Write(f.bytes()[14:]); err != nil {
						t.Fatal(err)
					}
				}
				all := drain(t, s)
				if len(all) != 2 {
					t.Errorf("%d packets, expected 2", len(all))
				}
				for _, p := range all {
					if p.Link != link || p.verdict != capture.TCP || !ofPorts(p.segment.SrcPort, p.segment.DstPort, []uint16{2379}) {
						t.Errorf("%v, %v, port %d to %d", p.Link, p.verdict, p.segment.SrcPort, p.segment.DstPort)
					}
				}
			})
		}
	}
}

// tun makes an interface in the namespace that gets what is written to the file.
func (n *namespace) tun(t *testing.T, name string) *os.File {
	t.Helper()
	var file *os.File
	var err error
	n.do(func() {
		var fd int
		if fd, err = unix.Open("/dev/net/tun", unix.O_RDWR|unix.O_CLOEXEC, 0); err != nil {
			return
		}
		file = os.NewFile(uintptr(fd), "/dev/net/tun")
		request, _ := unix.NewIfreq(name)
		request.SetUint16(unix.IFF_TUN | unix.IFF_NO_PI)
		err = unix.IoctlIfreq(fd, unix.TUNSETIFF, request)
	})
	if err != nil {
		t.Skipf("SKIPPED: nothing is captured from a tunnel, for none can be made: %v", err)
	}
	t.Cleanup(func() { file.Close() })
	n.ip(t, "link set "+name+" addrgenmode none up")
	return file
}

// TestSeveral captures from several interfaces, and numbers packets over all of them.
func TestSeveral(t *testing.T) {
	for _, w := range ways() {
		t.Run(w.name, func(t *testing.T) {
			t.Parallel()
			n := newNamespace(t)
			n.veth(t, "v0", "v1")
			n.veth(t, "w0", "w1")
			s := w.start(t, Options{Interfaces: []string{"w1", "lo", "v1", "w1"}, NetNS: n.path, Ports: []uint16{2379}})
			if names := fmt.Sprint(s.Interfaces()); names != "[{w1 EN10MB (1) 262144} {lo EN10MB (1) 262144} {v1 EN10MB (1) 262144}]" {
				t.Errorf("interfaces %s", names)
			}
			f := frame{src: 2379, dst: 40000, payload: 1000}
			const rounds = 500
			n.send(t, "v0", slices.Repeat([][]byte{f.bytes()}, rounds)...)
			n.send(t, "w0", slices.Repeat([][]byte{f.bytes()}, 2*rounds)...)
			n.exchange(t, "127.0.0.1:2379", 100_000)
			all := drain(t, s)
			count := make([]int, 3)
			var looped []packet
			last := make([]int64, 3)
			for i, p := range all {
				if p.Number != int64(i+1) {
					t.Fatalf("packet %d of all has the number %d", i+1, p.Number)
				}
				if p.Time < last[p.Interface] {
					t.Errorf("packet %d of interface %d is earlier than the one before it", p.Number, p.Interface)
				}
				last[p.Interface] = p.Time
				count[p.Interface]++
				if p.Interface == 1 {
					looped = append(looped, p)
				}
			}
			if count[0] != 2*rounds || count[2] != rounds || payload(looped) != 100_000 {
				t.Errorf("packets by interface %v, expected %d, some and %d; %d bytes on loopback, expected 100000", count, 2*rounds, rounds, payload(looped))
			}
			stats := s.Stats()
			if stats.Interfaces[0].Received != 2*rounds || stats.Interfaces[2].Received != rounds || stats.Dropped != 0 {
				t.Errorf("counts %+v", stats)
			}
		})
	}
}

// TestDown sets an interface down, up again, and deletes it.
func TestDown(t *testing.T) {
	for _, w := range ways() {
		for _, names := range [][]string{{"v1"}, {"v1", "lo"}} {
			t.Run(fmt.Sprint(w.name, names), func(t *testing.T) {
				t.Parallel()
				n := newNamespace(t)
				n.veth(t, "v0", "v1")
				s := w.start(t, Options{Interfaces: names, NetNS: n.path})
				f := frame{src: 2379, dst: 40000}
				n.send(t, "v0", f.bytes())
				heard(t, s, 1)
				n.ip(t, "link set v1 down")
				if packets, err := readOn(t, s); packets != 1 || err.Error() != (&DownError{Interface: "v1"}).Error() {
					t.Errorf("down: %d packets, then %v", packets, err)
				}
				n.ip(t, "link set v1 up")
				for deadline := time.Now().Add(20 * time.Second); ; { // it takes the kernel a while to connect them again
					n.send(t, "v0", f.bytes())
					if len(drain(t, s)) > 0 {
						break
					}
					if time.Now().After(deadline) {
						t.Fatal("no packet comes though the interface is up again")
					}
				}
				before := s.Stats().Received
				n.send(t, "v0", f.bytes())
				heard(t, s, before+1)
				n.ip(t, "link del v1")
				packets, err := readOn(t, s)
				if gone := new(DownError); !errors.As(err, &gone) || !gone.Gone || gone.Interface != "v1" {
					t.Errorf("vanished: %v", err)
				}
				if len(names) > 1 {
					n.exchange(t, "127.0.0.1:2379", 1000)
					if more := drain(t, s); len(more) < 4 {
						t.Errorf("%d packets of the interface that is left", len(more))
					}
					return
				}
				for err != io.EOF {
					var more int
					more, err = readOn(t, s)
					packets += more
				}
				if packets == 0 {
					t.Errorf("%d packets from before the interface vanished, expected at least 1", packets)
				}
			})
		}
	}
}

// heard waits until the kernel has counted so many packets: a busy one takes its time between an interface and its listeners.
func heard(t *testing.T, s *Source, packets uint64) {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); s.Stats().Received < packets; time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("%d packets were heard, expected %d", s.Stats().Received, packets)
		}
	}
}

// readOn counts packets until something other than a packet or silence comes.
func readOn(t *testing.T, s *Source) (int, error) {
	t.Helper()
	packets := 0
	for deadline := time.Now().Add(20 * time.Second); time.Now().Before(deadline); {
		var p capture.Packet
		switch err := s.Next(&p); {
		case err == nil:
			packets++
		case !errors.Is(err, ErrIdle):
			return packets, err
		}
	}
	t.Fatal("nothing happened for 20 seconds")
	return 0, nil
}

// TestBothWays captures the same traffic by both ways at once: the segments have to be the same.
func TestBothWays(t *testing.T) {
	if len(ways()) < 2 {
		t.Skip("SKIPPED: this build is without libpcap, so that there is nothing to compare packet sockets with")
	}
	for _, names := range [][]string{{"lo"}, {Any}, {"lo", "v0"}} {
		t.Run(fmt.Sprint(names), func(t *testing.T) {
			t.Parallel()
			n := newNamespace(t)
			n.veth(t, "v0", "v1")
			var sources []*Source
			for _, w := range ways() {
				sources = append(sources, w.start(t, Options{Interfaces: names, NetNS: n.path, Ports: []uint16{2379}}))
			}
			for i := range 20 {
				n.exchange(t, "127.0.0.1:2379", 1000*i)
				n.exchange(t, "[::1]:2379", 100_000)
				f := frame{src: 2379, dst: uint16(i), tags: []uint16{etherVLAN}}
				n.send(t, "v0", f.bytes())
			}
			var all [2][]string
			for i, s := range sources {
				packets := drain(t, s)
				slices.SortStableFunc(packets, func(p, q packet) int { return cmp.Compare(p.Time, q.Time) })
				for _, p := range packets {
					all[i] = append(all[i], fmt.Sprint(p.Interface, p.Link, p.Length, p.Data))
				}
			}
			if len(all[0]) < 200 || len(all[0]) != len(all[1]) {
				t.Fatalf("%d packets by libpcap, %d by packet sockets", len(all[0]), len(all[1]))
			}
			slices.Sort(all[0])
			slices.Sort(all[1])
			for i := range all[0] {
				if all[0][i] != all[1][i] {
					t.Fatalf("by libpcap      %s\nby packet sockets %s", all[0][i], all[1][i])
				}
			}
		})
	}
}
