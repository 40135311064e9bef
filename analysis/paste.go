package analysis

import (
	"net/netip"
	"slices"
	"strconv"
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
	if to := v.pasted.find(key, fixes); to != nil {
		return to
	}
	return v.pasted.put(key, fixes, &places{
		host: v.f.Server.Addr().String(), here: v.f.Server.String(), port: strconv.Itoa(int(v.f.Server.Port())),
		client: v.at(EndpointClient, v.expect.ClientPorts, 2379), peer: v.at(EndpointPeer, v.expect.PeerPorts, 2380),
	})
}

// find returns what was made of fixes before; nil when nothing was.
func (m pastedFixes) find(key pastedKey, fixes []string) []string {
	if p, found := m[key]; found && slices.Equal(p.from, fixes) {
		return p.to
	}
	return nil
}

// put puts places into fixes, and remembers it.
func (m pastedFixes) put(key pastedKey, fixes []string, p *places) []string {
	if !slices.ContainsFunc(fixes, func(s string) bool { return strings.Contains(s, "HOST") }) {
		return fixes
	}
	to := make([]string, len(fixes))
	for i, s := range fixes {
		to[i] = p.putInto(s)
	}
	if m != nil {
		if len(m) >= maxPasted {
			clear(m)
		}
		m[key] = pasted{fixes, to}
	}
	return to
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

// places are what the catalogue's commands are to say: it calls the server HOST, and the finding's port 2379.
type places struct {
	host, here, port string // the server, its address and its port in the finding
	client, peer     string // where its clients and where its peers are served
}

// atPeerPort is the peer port of a server that a log does not name.
var atPeerPort = places{host: "HOST", here: "HOST:2380", port: "2380", client: "HOST:2379", peer: "HOST:2380"}

// putInto puts the places into one fix.
func (p *places) putInto(fix string) string {
	var b strings.Builder
	program := "" // of the command that is being read
	for fix != "" {
		i := strings.IndexAny(fix, "`Ht")
		if i < 0 {
			break
		}
		b.WriteString(fix[:i])
		fix = fix[i:]
		from, to := fix[:1], fix[:1]
		switch {
		case fix[0] == '`':
			program, _, _ = strings.Cut(fix[1:], " ")
		case strings.HasPrefix(fix, "HOST:2379"):
			from, to = "HOST:2379", p.here
			if program == "etcdctl" || program == "grpcurl" {
				to = p.client // gRPC is spoken nowhere else
			}
		case strings.HasPrefix(fix, "HOST:2380"):
			from, to = "HOST:2380", p.peer
		case strings.HasPrefix(fix, "HOST 2379"):
			from, to = "HOST 2379", p.host+" "+p.port
		case strings.HasPrefix(fix, "HOST"):
			from, to = "HOST", p.host
		case strings.HasPrefix(fix, onPort) && !strings.HasPrefix(fix[len(onPort):], " or"):
			from, to = onPort, strings.TrimSuffix(onPort, "2379")+p.port
		}
		b.WriteString(to)
		fix = fix[len(from):]
	}
	b.WriteString(fix)
	return b.String()
}

// onPort is the filter of a capture of the finding's port only.
const onPort = "tcp port 2379"
