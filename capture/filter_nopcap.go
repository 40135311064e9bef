//go:build !cgo || nopcap

package capture

import "errors"

// HasPcap reports whether this build has libpcap, which filter expressions and live captures need.
const HasPcap = false

// Filter would select packets by a tcpdump filter expression; this build has none.
type Filter struct{}

// NewFilter fails: filter expressions are libpcap's, and this build is without it.
func NewFilter(expr string) (*Filter, error) {
	return nil, errors.New("filter expressions need libpcap, and this build is without it: " +
		"use --host and --port instead, or install libpcap-dev and build again with make")
}

// Match reports whether a packet is selected; here each is.
func (f *Filter) Match(p *Packet) bool { return true }

// Refused is nil.
func (f *Filter) Refused() error { return nil }
