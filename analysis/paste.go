package analysis

import (
	"net/netip"
	"slices"
	"strings"
)

// maxPasted bounds what is remembered of fixes with addresses in them: as many servers as a cluster has members, failing in a dozen ways
// each. With more it begins anew.
const maxPasted = 64

// pastedKey is what the fixes of a finding depend on besides the catalogue.
type pastedKey struct {
	code     Code
	server   netip.AddrPort
	endpoint Endpoint
}

// pasted are fixes before and after the server's address was put into them.
type pasted struct{ from, to []string }

// pastedFixes remember the fixes of findings. A failure rarely comes alone.
type pastedFixes map[pastedKey]pasted

// paste puts the server's address where the catalogue's commands say HOST, so that they can be pasted. A peer port's client port
// is the first one expected, on the same address; a server on another port is meant itself.
func (v *view) paste(code Code, fixes []string) []string {
	if !v.f.Server.IsValid() {
		return fixes
	}
	key := pastedKey{code, v.f.Server, v.endpoint}
	if p, found := v.pasted[key]; found && slices.Equal(p.from, fixes) {
		return p.to
	}
	if !slices.ContainsFunc(fixes, func(s string) bool { return strings.Contains(s, "HOST") }) {
		return fixes
	}
	host := v.f.Server.Addr().String()
	client, peer := v.at(EndpointClient, v.expect.ClientPorts, 2379), v.at(EndpointPeer, v.expect.PeerPorts, 2380)
	to := make([]string, len(fixes))
	for i, s := range fixes {
		to[i] = withHost(s, client, peer, host)
	}
	if v.pasted != nil {
		if len(v.pasted) >= maxPasted {
			clear(v.pasted)
		}
		v.pasted[key] = pasted{fixes, to}
	}
	return to
}

// withHost puts addresses into one fix.
func withHost(fix, client, peer, host string) string {
	var b strings.Builder
	for {
		before, after, found := strings.Cut(fix, "HOST")
		b.WriteString(before)
		if !found {
			return b.String()
		}
		if rest, ok := strings.CutPrefix(after, ":2379"); ok {
			b.WriteString(client)
			fix = rest
		} else if rest, ok := strings.CutPrefix(after, ":2380"); ok {
			b.WriteString(peer)
			fix = rest
		} else {
			b.WriteString(host)
			fix = after
		}
	}
}

// at is the server's address with the port of an endpoint: its own when it is one, else the first expected.
func (v *view) at(e Endpoint, ports []uint16, usual uint16) string {
	port := usual
	switch {
	case v.endpoint == e, v.endpoint == EndpointOther, v.endpoint == EndpointMetrics:
		port = v.f.Server.Port()
	case len(ports) > 0:
		port = ports[0]
	}
	return netip.AddrPortFrom(v.f.Server.Addr(), port).String()
}
