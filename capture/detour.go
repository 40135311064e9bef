package capture

import (
	"net/netip"
	"slices"
	"strings"

	"github.com/etcdtap/etcdtap/analysis"
)

// Detour is what `etcdtap proxy -w` says of a connection that its packets do not show, in a comment of the first of them. Packets bear
// the client's address and the server's; the server's log names the proxy's.
type Detour struct {
	Outgoing   netip.AddrPort    // the proxy's address towards the server; zero when it has none
	Dialed     netip.AddrPort    // the address that the client connected to; zero for a unix socket
	Role       analysis.Endpoint // of the server's port, as far as the proxy was told
	UnixClient bool              // the client came by a unix socket: its address is made up
	UnixServer bool              // so is the server's
	Unresolved bool              // the server is known by a name that had no address: that of the packets stands for none
	Failure    string            // why the proxy got no connection to the server, which did not refuse it; else ""
}

// The comment: its head, then fields separated by semicolons.
const (
	detourHead = "etcdtap proxy:"
	maxDetour  = 512 // bytes: twice what the longest addresses give, and a failure
	maxFailure = 192 // bytes: those that name an upstream and a name server have 150
)

// Comment is d as the file has it.
func (d *Detour) Comment() string {
	var b strings.Builder
	b.WriteString(detourHead)
	add := func(has bool, text string) {
		if has {
			if b.Len() > len(detourHead) {
				b.WriteByte(';')
			}
			b.WriteByte(' ')
			b.WriteString(text)
		}
	}
	add(d.Outgoing.IsValid(), "outgoing "+d.Outgoing.String())
	add(d.Dialed.IsValid(), "dialed "+d.Dialed.String())
	add(d.Role != analysis.EndpointOther, "role "+d.Role.String())
	add(d.UnixClient, "unix client")
	add(d.UnixServer, "unix server")
	add(d.Unresolved, "unresolved server")
	failure := fieldText(d.Failure)
	add(failure != "", "failed "+failure)
	return b.String()
}

// zones are those of the addresses in a file's comments, as many as a host has networks. Of each that it has ever met netip keeps a copy for
// long after the last address has gone: a file with a zone of its own in each comment would take memory as it is long.
type zones []string

const maxZones = 64

// has reports whether addresses of the zone are read.
func (z *zones) has(zone string) bool {
	if slices.Contains(*z, zone) {
		return true
	}
	if len(*z) == maxZones || !plausibleZone(zone) {
		return false
	}
	*z = append(*z, strings.Clone(zone))
	return true
}

// plausibleZone reports whether a zone looks like an interface's name or number: else it may be any text, and would be printed.
func plausibleZone(zone string) bool {
	const maxZone = 15 // IFNAMSIZ
	odd := func(c rune) bool {
		return !(c >= '0' && c <= '9' || c >= 'A' && c <= 'Z' || c >= 'a' && c <= 'z' || strings.ContainsRune("._-", c))
	}
	return len(zone) <= maxZone && !strings.ContainsFunc(zone, odd)
}

// parseDetour reads such a comment; nil for any other. What it does not know it passes over.
func parseDetour(comment []byte, z *zones) *Detour {
	if len(comment) > maxDetour {
		return nil
	}
	fields, ok := strings.CutPrefix(string(comment), detourHead)
	if !ok {
		return nil
	}
	d := new(Detour)
	for field := range strings.SplitSeq(fields, ";") {
		field = strings.TrimSpace(field)
		word, value, _ := strings.Cut(field, " ")
		switch {
		case word == "outgoing":
			d.Outgoing = parseAddr(value, z)
		case word == "dialed":
			d.Dialed = parseAddr(value, z)
		case field == "role client":
			d.Role = analysis.EndpointClient
		case field == "role peer":
			d.Role = analysis.EndpointPeer
		case field == "unix client":
			d.UnixClient = true
		case field == "unix server":
			d.UnixServer = true
		case field == "unresolved server":
			d.Unresolved = true
		case word == "failed":
			d.Failure = strings.Clone(fieldText(value))
		}
	}
	return d
}

// fieldText is a text as a field can have it.
func fieldText(s string) string {
	s = s[:min(len(s), maxFailure)]
	return strings.TrimSpace(strings.ReplaceAll(strings.ToValidUTF8(s, ""), ";", ","))
}

// parseAddr reads an address; the zero one stands for none.
func parseAddr(text string, z *zones) netip.AddrPort {
	if _, zone, found := strings.Cut(text, "%"); found {
		if zone, _, _ = strings.Cut(zone, "]"); !z.has(zone) {
			return netip.AddrPort{}
		}
	}
	addr, _ := netip.ParseAddrPort(text)
	return addr
}

// Apply tells the facts.
func (d *Detour) Apply(f *analysis.Facts) {
	f.Outgoing, f.Dialed, f.Role, f.DialError = d.Outgoing, d.Dialed, d.Role, d.Failure
	if d.UnixClient {
		f.Client = netip.AddrPort{}
	}
	switch {
	case d.UnixServer:
		f.Server = netip.AddrPort{}
	case d.Unresolved:
		f.Server = netip.AddrPortFrom(netip.Addr{}, f.Server.Port())
	}
}
