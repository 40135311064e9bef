package analysis

import (
	"net/netip"
	"slices"
	"strings"

	"github.com/etcdtap/etcdtap/analysis/deploy"
	"github.com/etcdtap/etcdtap/analysis/pki"
)

// Endpoint is the role of the port that a connection goes to.
type Endpoint uint8

const (
	EndpointOther   Endpoint = iota
	EndpointClient           // etcd's API, --listen-client-urls, 2379
	EndpointPeer             // raft and the other members, --listen-peer-urls, 2380
	EndpointMetrics          // /metrics and /health, --listen-metrics-urls, 2381
)

func (e Endpoint) String() string { return [...]string{"other", "client", "peer", "metrics"}[e] }

// Expectations is what the deployment says should be seen.
type Expectations struct {
	ClientPorts, PeerPorts, MetricsPorts []uint16

	PKI        *pki.Store         // the certificates in files; nil when none were read
	Deployment *deploy.Deployment // the configuration of the member on this machine; nil when none was read
}

// DefaultExpectations are etcd's registered ports, and the metrics port that kubeadm uses.
func DefaultExpectations() Expectations {
	return Expectations{ClientPorts: []uint16{2379}, PeerPorts: []uint16{2380}, MetricsPorts: []uint16{2381}}
}

// Endpoint says which role a server's address has.
func (e *Expectations) Endpoint(server netip.AddrPort) Endpoint {
	switch p := server.Port(); {
	case slices.Contains(e.ClientPorts, p):
		return EndpointClient
	case slices.Contains(e.PeerPorts, p):
		return EndpointPeer
	case slices.Contains(e.MetricsPorts, p):
		return EndpointMetrics
	}
	return EndpointOther
}

// maxServers bounds the servers whose habits are remembered: an etcd cluster has at most a few dozen addresses.
const maxServers = 4096

// habits is what the connections seen so far showed a server to do.
type habits uint8

const (
	speaksTLS       habits = 1 << iota // it sent a TLS ServerHello
	speaksPlaintext                    // it answered without TLS
)

// servers remembers the habits of each server, in the order in which connections finish, so that the same capture gives the
// same verdicts on every run.
type servers map[netip.AddrPort]habits

// learn adds what f shows of its server's habits to what is known of them, and returns that.
func (s servers) learn(f *Facts) habits {
	var h habits
	switch p := f.Stream[FromServer].Protocol; {
	case f.TLS != nil && f.TLS.ServerHello != nil:
		h = speaksTLS
	case p.Plaintext() && p != ProtocolUnknown && !strings.Contains(f.Stream[FromServer].Request, " 400 "): // a TLS server's 400 is no habit
		h = speaksPlaintext
	}
	old, known := s[f.Server]
	if h&^old != 0 && (known || len(s) < maxServers) {
		old |= h
		s[f.Server] = old
	}
	return old
}
