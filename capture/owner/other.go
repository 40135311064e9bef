//go:build !linux

package owner

import (
	"errors"
	"net/netip"
	"time"

	"github.com/etcdtap/etcdtap/analysis"
)

// Finder finds the owners of connections, on Linux. A nil Finder finds nothing.
type Finder struct{}

var errNotHere = errors.New("finding the owners of connections takes Linux: not on this system")

// Start always fails: there is no sock_diag on this system.
func Start(Options) (*Finder, error) { return nil, errNotHere }

// Serve always fails.
func Serve() error { return errNotHere }

// Ask does nothing.
func (*Finder) Ask(_, _ netip.AddrPort, _ time.Time) {}

// Answer has none.
func (*Finder) Answer(_, _ netip.AddrPort, _ time.Time, _ time.Duration) (p analysis.Process, ok bool) {
	return p, false
}

// Stats counts nothing.
func (*Finder) Stats() (s Stats) { return s }

// Close does nothing.
func (*Finder) Close() error { return nil }
