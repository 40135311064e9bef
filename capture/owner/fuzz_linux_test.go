package owner

import (
	"syscall"
	"testing"
)

// FuzzProc reads what /proc says of processes, whose names and command lines are theirs to choose.
func FuzzProc(f *testing.F) {
	f.Add([]byte("12 (a) b (c)) R 1 2"))
	f.Add([]byte("socket:[4294967295]"))
	f.Add([]byte("\x08\x00\x02\x00\x7f\x00\x00\x01"))
	f.Fuzz(func(t *testing.T, b []byte) {
		if n, ok := parentOf(b); n < 0 || !ok && n != 0 {
			t.Errorf("parent %d, %v", n, ok)
		}
		if n, ok := number(b); n < 0 || ok && len(b) > 10 {
			t.Errorf("number %d, %v", n, ok)
		}
		socketInode(b)
		m := &syscall.NetlinkMessage{Header: syscall.NlMsghdr{Type: syscall.RTM_NEWADDR}, Data: b}
		if ip, _, ok := parseInterfaceAddress(m); ok != ip.IsValid() {
			t.Errorf("address %v, %v", ip, ok)
		}
		if q, err := parseQuestion(b); err == nil {
			if again, err := parseQuestion(q.append(nil)); err != nil || again != q {
				t.Errorf("the question %v is %v when asked again: %v", q, again, err)
			}
		}
	})
}
