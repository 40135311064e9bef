//go:build !linux

package live

import (
	"errors"
	"net/netip"
	"time"
)

// SYNs hears the SYNs that open connections. It is there on Linux only.
type SYNs struct{}

// OpenSYNs begins to hear the SYNs to the ports.
func OpenSYNs(ports []uint16, netns string) (*SYNs, error) {
	return nil, errors.New("listening for SYNs works on Linux only")
}

// Each gives every SYN to take, until Close.
func (s *SYNs) Each(take func(client, server netip.AddrPort, at time.Time)) error { return nil }

// Close ends Each.
func (s *SYNs) Close() error { return nil }
