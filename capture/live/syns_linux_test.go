package live

import (
	"fmt"
	"net"
	"net/netip"
	"testing"
	"time"
)

// TestSYNs: each connection to one of the ports is heard once, with who opened it, and nothing else is.
func TestSYNs(t *testing.T) {
	n := newNamespace(t)
	s, err := OpenSYNs([]uint16{2379, 2380}, n.path)
	if err != nil {
		t.Fatal(err)
	}
	heard, ended := make(chan [2]netip.AddrPort, 100), make(chan error, 1)
	go func() {
		ended <- s.Each(func(client, server netip.AddrPort, at time.Time) {
			if d := time.Since(at).Abs(); d > time.Minute {
				t.Errorf("heard %v after it was sent", d)
			}
			heard <- [2]netip.AddrPort{client, server}
		})
	}()
	var want []netip.AddrPort
	n.do(func() {
		for _, address := range []string{"127.0.0.1:2379", "127.0.0.1:2381", "[::1]:2380"} {
			l, err := net.Listen("tcp", address)
			if err != nil {
				t.Error(err)
				return
			}
			defer l.Close()
			c, err := net.Dial("tcp", address)
			if err != nil {
				t.Error(err)
				return
			}
			c.Close()
			if address != "127.0.0.1:2381" {
				want = append(want, c.LocalAddr().(*net.TCPAddr).AddrPort())
			}
		}
	})
	for i, client := range want {
		select {
		case got := <-heard:
			if got[0] != client {
				t.Errorf("SYN %d came from %v, want %v", i+1, got[0], client)
			}
		case <-time.After(20 * time.Second):
			t.Fatalf("SYN %d of %v was not heard", i+1, client)
		}
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	if err := <-ended; err != nil {
		t.Error(err)
	}
	if len(heard) != 0 {
		t.Error(fmt.Sprint("also heard: ", <-heard))
	}
}
