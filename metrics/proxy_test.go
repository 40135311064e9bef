package metrics

import (
	"context"
	"fmt"
	"net"
	"os"
	"slices"
	"syscall"
	"testing"
)

// Errors as net.Dialer gives them.
func TestDialErrorKind(t *testing.T) {
	dial := func(err error) error { return &net.OpError{Op: "dial", Net: "tcp", Err: err} }
	for want, errs := range map[string][]error{
		"refused":     {dial(os.NewSyscallError("connect", syscall.ECONNREFUSED))},
		"timeout":     {dial(os.ErrDeadlineExceeded), dial(context.DeadlineExceeded), dial(os.NewSyscallError("connect", syscall.ETIMEDOUT))},
		"unreachable": {dial(os.NewSyscallError("connect", syscall.EHOSTUNREACH)), dial(os.NewSyscallError("connect", syscall.ENETUNREACH)), dial(os.NewSyscallError("connect", syscall.ENOENT))},
		"name":        {dial(&net.DNSError{Err: "no such host", Name: "etcd", IsNotFound: true}), dial(&net.DNSError{Err: "i/o timeout", IsTimeout: true})},
		"descriptors": {dial(os.NewSyscallError("socket", syscall.EMFILE))},
		"cancelled":   {dial(context.Canceled)},
		"other":       {fmt.Errorf("something else")},
	} {
		for _, err := range errs {
			if got := DialErrorKind(err); got != want {
				t.Errorf("%v is %q, expected %q", err, got, want)
			}
		}
		if !slices.Contains(dialErrors[:], want) {
			t.Errorf("%q is not in the list", want)
		}
	}
}
