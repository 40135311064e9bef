package owner

import (
	"encoding/binary"
	"errors"
	"net/netip"
	"testing"

	"golang.org/x/sys/unix"
)

var testLocal, testRemote = netip.MustParseAddrPort("10.0.0.7:41234"), netip.MustParseAddrPort("10.0.0.1:2379")

// diagMessage is a struct inet_diag_msg of a socket.
func diagMessage(family, state uint8, local, remote netip.AddrPort, uid, inode uint32) []byte {
	b := []byte{family, state, 0, 0}
	b = binary.BigEndian.AppendUint16(b, local.Port())
	b = binary.BigEndian.AppendUint16(b, remote.Port())
	for _, a := range []netip.Addr{local.Addr(), remote.Addr()} {
		if family == unix.AF_INET6 {
			ip := a.As16()
			b = append(b, ip[:]...)
			continue
		}
		b = appendAddress(b, a)
	}
	b = append(b, make([]byte, 4+8+12)...)
	b = binary.NativeEndian.AppendUint32(b, uid)
	return binary.NativeEndian.AppendUint32(b, inode)
}

func TestParseSocket(t *testing.T) {
	const established, synSent = 1, 2
	listener := netip.MustParseAddrPort("0.0.0.0:41234")
	for name, c := range map[string]struct {
		in   []byte
		want socket
		err  error
	}{
		"SYN sent":         {diagMessage(unix.AF_INET, synSent, testLocal, testRemote, 5, 77), socket{77, 5}, nil},
		"of IPv6's family": {diagMessage(unix.AF_INET6, established, testLocal, testRemote, 5, 77), socket{77, 5}, nil},
		"TIME_WAIT":        {diagMessage(unix.AF_INET, tcpTimeWait, testLocal, testRemote, 0, 0), socket{}, nil},
		"orphan":           {diagMessage(unix.AF_INET, 4, testLocal, testRemote, 9, 0), socket{}, nil},
		"a listener":       {diagMessage(unix.AF_INET, tcpListen, listener, netip.MustParseAddrPort("0.0.0.0:0"), 5, 77), socket{}, errNoSocket},
		"the other end":    {diagMessage(unix.AF_INET, established, testRemote, testLocal, 5, 77), socket{}, errNoSocket},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := parseSocket(c.in, testLocal, testRemote)
			if got != c.want || !errors.Is(err, c.err) {
				t.Errorf("got %+v, %v, want %+v, %v", got, err, c.want, c.err)
			}
			for n := range c.in {
				if _, err := parseSocket(c.in[:n], testLocal, testRemote); err == nil || errors.Is(err, errNoSocket) {
					t.Fatalf("%d bytes: got %v", n, err)
				}
			}
		})
	}
}

// The kernel is believed, and held to its framing all the same.
func FuzzNetlink(f *testing.F) {
	message := diagMessage(unix.AF_INET, 1, testLocal, testRemote, 5, 77)
	header := make([]byte, unix.SizeofNlMsghdr, unix.SizeofNlMsghdr+len(message))
	whole := append(header, message...)
	putHeader(whole, unix.SOCK_DIAG_BY_FAMILY, 0, 1)
	f.Add(whole)
	f.Add([]byte{20, 0, 0, 0, unix.NLMSG_ERROR, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xfe, 0xff, 0xff, 0xff})
	f.Fuzz(func(t *testing.T, b []byte) {
		_, _, body, err := parseMessage(b)
		if err != nil {
			return
		}
		if len(body) > len(b) {
			t.Fatal("more than there is")
		}
		_, _ = parseSocket(body, testLocal, testRemote)
		if parseError(body) == nil {
			t.Error("an error that is none")
		}
	})
}

func TestSocketInode(t *testing.T) {
	for in, want := range map[string]uint32{"socket:[1]": 1, "socket:[4294967295]": 4294967295} {
		if got, ok := socketInode([]byte(in)); !ok || got != want {
			t.Errorf("%s: got %d, %v", in, got, ok)
		}
	}
	for _, in := range []string{"", "socket:[]", "socket:[4294967296]", "socket:[-1]", "socket:[1", "pipe:[1]", "/tmp/socket:[1]", "socket:[1] (deleted)", "socket:[00000000001]"} {
		if got, ok := socketInode([]byte(in)); ok {
			t.Errorf("%s: got %d", in, got)
		}
	}
}

func TestParentOf(t *testing.T) {
	for in, want := range map[string]int{"12 (bash) S 7 12": 7, "12 (a) b (c)) R 1 2": 1, "12 () S) Z 33 1": 33} {
		if got, ok := parentOf([]byte(in)); !ok || got != want {
			t.Errorf("%s: got %d, %v", in, got, ok)
		}
	}
	for _, in := range []string{"", "12", "12 (bash", "12 (bash) S", "12 (bash) S x"} {
		if got, ok := parentOf([]byte(in)); ok {
			t.Errorf("%s: got %d", in, got)
		}
	}
}
