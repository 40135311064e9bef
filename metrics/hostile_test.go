package metrics

import (
	"crypto/x509"
	"fmt"
	"net/netip"
	"time"

	"github.com/etcdtap/etcdtap/analysis"
	"github.com/etcdtap/etcdtap/analysis/tlswire"
)

// hostile counts ten thousand connections of which each is like no other.
func hostile(m *Metrics) {
	start := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	for i := range 10_000 {
		server := netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, byte(i >> 8), byte(i), 1}), uint16(i))
		at := start.Add(time.Duration(i) * time.Minute)
		f := &analysis.Facts{Client: server, Server: server, Start: at, TLS: &analysis.TLSFacts{
			Version: tlswire.Version(i), ALPN: fmt.Sprint("alpn", i), ServerHello: &tlswire.ServerHello{}, ClientHello: &tlswire.ClientHello{ServerName: fmt.Sprint("host", i)},
			ClientHelloAt: analysis.Moment{At: at},
		}}
		for d := range f.TLS.Certificates {
			f.TLS.Certificates[d].Chain = []*analysis.Certificate{{X509: &x509.Certificate{NotAfter: at.Add(time.Hour)}}, {}}
			f.TLS.Encrypted[d] = analysis.EncryptedFacts{Started: true, At: at.Add(time.Duration(i) * time.Second)}
		}
		m.Connection(&analysis.Connection{Facts: f, Endpoint: analysis.Endpoint(i % analysis.EndpointCount), Outcome: analysis.Outcome(i % analysis.OutcomeCount),
			Findings: []analysis.Finding{{Code: analysis.Code(fmt.Sprint("made-up-", i)), Severity: analysis.Severity(i % 3)}}})
		m.Dialed(0, fmt.Errorf("error %d", i))
	}
}
