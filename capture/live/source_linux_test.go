package live

import (
	"errors"
	"io"
	"net"
	"testing"
	"time"

	"github.com/etcdtap/etcdtap/capture"
)

// opener is one of the ways to packets.
type opener struct {
	name string
	open func(*Options) (*Source, error)
}

// start opens a source by one way, as Open does by the way of the build.
func (w *opener) start(t *testing.T, o Options) *Source {
	t.Helper()
	s, err := openWith(o, w.open)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

// packet is what a test keeps of a packet.
type packet struct {
	capture.Packet
	verdict capture.Verdict
	segment capture.Segment
}

// drain reads until nothing comes, twice for the sake of busy machines.
func drain(t *testing.T, s *Source) []packet {
	t.Helper()
	var all []packet
	var d capture.Decoder
	for idle := 0; idle < 2; {
		var p packet
		switch err := s.Next(&p.Packet); {
		case errors.Is(err, ErrIdle):
			idle++
			continue
		case err != nil:
			t.Fatal(err)
		}
		p.Data = append([]byte(nil), p.Data...)
		p.verdict = d.Decode(&p.Packet, &p.segment)
		all = append(all, p)
	}
	return all
}

// payload counts the bytes of the streams in packets, those that were sent again once.
func payload(packets []packet) int {
	type direction struct {
		src, dst         capture.Address
		srcPort, dstPort uint16
	}
	first, last := map[direction]uint32{}, map[direction]uint32{}
	for _, p := range packets {
		s := &p.segment
		if p.verdict != capture.TCP || s.Length == 0 {
			continue
		}
		d := direction{s.Src, s.Dst, s.SrcPort, s.DstPort}
		if _, known := first[d]; !known || int32(s.Seq-first[d]) < 0 {
			first[d] = s.Seq
		}
		if end := s.Seq + uint32(s.Length); last[d] == 0 || int32(end-last[d]) > 0 {
			last[d] = end
		}
	}
	total := 0
	for d := range first {
		total += int(last[d] - first[d])
	}
	return total
}

// exchange makes a TCP connection in the namespace that carries n bytes to a server at address.
func (n *namespace) exchange(t *testing.T, address string, bytes int) {
	t.Helper()
	var listener net.Listener
	var client net.Conn
	var err error
	received := make(chan int64, 1)
	n.do(func() {
		if listener, err = net.Listen("tcp", address); err != nil {
			return
		}
		go func() {
			server, err := listener.Accept()
			if err != nil {
				received <- -1
				return
			}
			total, _ := io.Copy(io.Discard, server)
			server.Close()
			received <- total
		}()
		client, err = net.DialTimeout("tcp", listener.Addr().String(), 10*time.Second)
	})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := client.Write(make([]byte, bytes)); err != nil {
		t.Fatal(err)
	}
	client.Close()
	if got := <-received; got != int64(bytes) {
		t.Fatalf("the server received %d of %d bytes", got, bytes)
	}
	listener.Close()
}

func TestLoopback(t *testing.T) {
	for _, w := range ways() {
		for _, name := range []string{"lo", Any} {
			t.Run(w.name+" "+name, func(t *testing.T) {
				t.Parallel()
				n := newNamespace(t)
				s := w.start(t, Options{Interfaces: []string{name}, NetNS: n.path, Ports: []uint16{2379}})
				n.exchange(t, "127.0.0.1:2379", 300_000)
				n.exchange(t, "127.0.0.1:2380", 1000)
				n.exchange(t, "[::1]:2379", 300_000)
				all := drain(t, s)
				for _, p := range all {
					if p.verdict != capture.TCP || p.segment.SrcPort != 2379 && p.segment.DstPort != 2379 {
						t.Errorf("packet %d: %v, port %d to %d", p.Number, p.verdict, p.segment.SrcPort, p.segment.DstPort)
					}
					if age := time.Since(time.Unix(0, p.Time)); age < 0 || age > time.Minute {
						t.Errorf("packet %d is %v old", p.Number, age)
					}
				}
				if bytes := payload(all); bytes != 600_000 {
					t.Errorf("%d bytes of payload in %d packets, expected 600000", bytes, len(all))
				}
				if stats := s.Stats(); stats.Received < uint64(len(all)) || stats.Dropped != 0 {
					t.Errorf("%d packets came, and the counts are %+v", len(all), stats)
				}
			})
		}
	}
}
