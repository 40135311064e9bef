package analysis

import (
	"crypto/tls"
	"net/netip"
	"testing"

	"github.com/etcdtap/etcdtap/analysis/tlswire"
	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

// gist is what the facts of a handshake come to; the random and the lengths of signatures are left out.
type gist struct {
	Version              tlswire.Version
	ALPN                 string
	Resumed, Retry       bool
	Request              Visibility
	Server, Client       Visibility
	ServerChain          int
	ClientChain          int
	Alerts               []alertGist
	Violations           int
	Incomplete, EarlyGap [2]bool
	Outcome              Outcome
	Findings             []verdict
}

type alertGist struct {
	From      Direction
	Code      tlswire.AlertCode
	Encrypted bool
}

func gistOf(c Connection) gist {
	g := gist{Outcome: c.Outcome, Findings: verdicts(c.Findings)}
	for d := range c.Stream {
		g.Incomplete[d], g.EarlyGap[d] = c.Stream[d].Incomplete, c.Stream[d].EarlyGap
	}
	t := c.TLS
	if t == nil {
		return g
	}
	g.Version, g.ALPN, g.Resumed, g.Retry = t.Version, t.ALPN, t.Resumed, t.HelloRetry
	g.Request, g.Server, g.Client = t.CertificateRequest.Visibility, t.Certificates[FromServer].Visibility, t.Certificates[FromClient].Visibility
	g.ServerChain, g.ClientChain = len(t.Certificates[FromServer].Chain), len(t.Certificates[FromClient].Chain)
	for _, a := range t.Alerts {
		g.Alerts = append(g.Alerts, alertGist{a.From, a.Code, a.Encrypted})
	}
	g.Violations = len(t.Violations)
	return g
}

const (
	v12 = tlswire.VersionTLS12
	v13 = tlswire.VersionTLS13
)

// only12 keeps a side to TLS 1.2.
func only12(c *tls.Config) { c.MaxVersion = tls.VersionTLS12 }

// presents makes the client present a certificate whatever the server asks for.
func presents(cert func(*testCerts) tls.Certificate, more ...func(*tls.Config)) func(*tls.Config) {
	return func(c *tls.Config) {
		chosen := cert(testPKI())
		c.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return &chosen, nil }
		for _, m := range more {
			m(c)
		}
	}
}

// shows makes the server use a certificate.
func shows(cert func(*testCerts) tls.Certificate, more ...func(*tls.Config)) func(*tls.Config) {
	return func(c *tls.Config) {
		c.Certificates = []tls.Certificate{cert(testPKI())}
		for _, m := range more {
			m(c)
		}
	}
}

func nobody(*testCerts) tls.Certificate { return tls.Certificate{} }

var closeNotify = alertGist{From: FromClient, Encrypted: true}

// liveScenario is a scenario and what is to be made of it.
type liveScenario struct {
	name string
	scenario
	to   netip.AddrPort // testServer when not valid
	want gist
}

var liveScenarios = []liveScenario{
	{name: "TLS 1.3", want: gist{Version: v13, Request: Hidden, Server: Hidden, Client: Hidden, Alerts: []alertGist{closeNotify}, Outcome: OutcomeEstablished}},
	{name: "TLS 1.3 mTLS", scenario: scenario{mtls: true},
		want: gist{Version: v13, Request: Hidden, Server: Hidden, Client: Hidden, Alerts: []alertGist{closeNotify}, Outcome: OutcomeEstablished}},
	{name: "TLS 1.3 RSA mTLS", scenario: scenario{mtls: true, server: shows(func(p *testCerts) tls.Certificate { return p.serverRSA }), client: presents(func(p *testCerts) tls.Certificate { return p.clientRSA })},
		want: gist{Version: v13, Request: Hidden, Server: Hidden, Client: Hidden, Alerts: []alertGist{closeNotify}, Outcome: OutcomeEstablished}},
	{name: "TLS 1.2", scenario: scenario{client: only12},
		want: gist{Version: v12, ALPN: "h2", Request: Absent, Server: Seen, Client: Absent, ServerChain: 1, Alerts: []alertGist{closeNotify}, Outcome: OutcomeEstablished}},
	{name: "TLS 1.2 mTLS", scenario: scenario{mtls: true, client: only12},
		want: gist{Version: v12, ALPN: "h2", Request: Seen, Server: Seen, Client: Seen, ServerChain: 1, ClientChain: 1, Alerts: []alertGist{closeNotify}, Outcome: OutcomeEstablished}},
	{name: "TLS 1.2 RSA mTLS", scenario: scenario{mtls: true, server: shows(func(p *testCerts) tls.Certificate { return p.serverRSA }, only12), client: presents(func(p *testCerts) tls.Certificate { return p.clientRSA })},
		want: gist{Version: v12, ALPN: "h2", Request: Seen, Server: Seen, Client: Seen, ServerChain: 1, ClientChain: 1, Alerts: []alertGist{closeNotify}, Outcome: OutcomeEstablished}},
	{name: "TLS 1.3 no client certificate", scenario: scenario{mtls: true, client: presents(nobody)},
		want: gist{Version: v13, Request: Hidden, Server: Hidden, Client: Hidden, Alerts: []alertGist{{From: FromServer, Encrypted: true}}, Outcome: OutcomeRejectedByServer,
			Findings: []verdict{{CodeClientCertMissing, Likely, Error, FaultClient}}}},
	{name: "TLS 1.2 no client certificate", scenario: scenario{mtls: true, client: presents(nobody, only12)},
		want: gist{Version: v12, ALPN: "h2", Request: Seen, Server: Seen, Client: Seen, ServerChain: 1, Alerts: []alertGist{{From: FromServer, Code: alertHandshakeFailure}}, Outcome: OutcomeRejectedByServer,
			Findings: []verdict{{CodeClientCertMissing, Certain, Error, FaultClient}}}},
	{name: "TLS 1.3 client of another CA", scenario: scenario{mtls: true, client: presents(func(p *testCerts) tls.Certificate { return p.clientOther })},
		want: gist{Version: v13, Request: Hidden, Server: Hidden, Client: Hidden, Alerts: []alertGist{{From: FromServer, Encrypted: true}}, Outcome: OutcomeRejectedByServer,
			Findings: []verdict{{CodeClientCertRefused, Likely, Error, FaultClient}}}},
	{name: "TLS 1.2 client of another CA", scenario: scenario{mtls: true, client: presents(func(p *testCerts) tls.Certificate { return p.clientOther }, only12)},
		want: gist{Version: v12, ALPN: "h2", Request: Seen, Server: Seen, Client: Seen, ServerChain: 1, ClientChain: 1, Alerts: []alertGist{{From: FromServer, Code: alertUnknownCA}}, Outcome: OutcomeRejectedByServer,
			Findings: []verdict{{CodeClientCertUntrusted, Certain, Error, FaultClient}}}},
	{name: "TLS 1.2 client of a CA made anew", scenario: scenario{mtls: true, client: presents(func(p *testCerts) tls.Certificate { return p.clientRemade }, only12)},
		want: gist{Version: v12, ALPN: "h2", Request: Seen, Server: Seen, Client: Seen, ServerChain: 1, ClientChain: 1, Alerts: []alertGist{{From: FromServer, Code: alertUnknownCA}}, Outcome: OutcomeRejectedByServer,
			Findings: []verdict{{CodeCARegenerated, Likely, Error, FaultUnknown}}}},
	{name: "TLS 1.2 client expired", scenario: scenario{mtls: true, client: presents(func(p *testCerts) tls.Certificate { return p.clientOld }, only12)},
		want: gist{Version: v12, ALPN: "h2", Request: Seen, Server: Seen, Client: Seen, ServerChain: 1, ClientChain: 1, Alerts: []alertGist{{From: FromServer, Code: alertCertExpired}}, Outcome: OutcomeRejectedByServer,
			Findings: []verdict{{CodeClientCertExpired, Certain, Error, FaultClient}}}},
	{name: "TLS 1.2 client's key usage", scenario: scenario{mtls: true, client: presents(func(p *testCerts) tls.Certificate { return p.clientUsage }, only12)},
		want: gist{Version: v12, ALPN: "h2", Request: Seen, Server: Seen, Client: Seen, ServerChain: 1, ClientChain: 1, Alerts: []alertGist{{From: FromServer, Code: alertBadCertificate}}, Outcome: OutcomeRejectedByServer,
			Findings: []verdict{{CodeClientCertKeyUsage, Certain, Error, FaultClient}}}},
	{name: "TLS 1.2 client's critical extension", scenario: scenario{mtls: true, client: presents(func(p *testCerts) tls.Certificate { return p.clientCritical }, only12)},
		want: gist{Version: v12, ALPN: "h2", Request: Seen, Server: Seen, Client: Seen, ServerChain: 1, ClientChain: 1, Alerts: []alertGist{{From: FromServer, Code: alertBadCertificate}}, Outcome: OutcomeRejectedByServer,
			Findings: []verdict{{CodeClientCertChainInvalid, Certain, Error, FaultClient}}}},
	{name: "HelloRetryRequest", scenario: scenario{server: func(c *tls.Config) { c.CurvePreferences = []tls.CurveID{tls.CurveP384} }},
		want: gist{Version: v13, Retry: true, Request: Hidden, Server: Hidden, Client: Hidden, Alerts: []alertGist{closeNotify}, Outcome: OutcomeEstablished}},
	{name: "TLS 1.3 resumed", scenario: scenario{twice: true, client: func(c *tls.Config) { c.ClientSessionCache = tls.NewLRUClientSessionCache(4) }},
		want: gist{Version: v13, Resumed: true, Request: Absent, Server: Absent, Client: Absent, Alerts: []alertGist{closeNotify}, Outcome: OutcomeEstablished}},
	{name: "TLS 1.2 resumed", scenario: scenario{twice: true, client: func(c *tls.Config) { only12(c); c.ClientSessionCache = tls.NewLRUClientSessionCache(4) }},
		want: gist{Version: v12, ALPN: "h2", Resumed: true, Request: Absent, Server: Absent, Client: Absent, Alerts: []alertGist{closeNotify}, Outcome: OutcomeEstablished}},
	{name: "ALPN mismatch", scenario: scenario{client: func(c *tls.Config) { c.NextProtos = []string{"acme-tls/1"} }},
		want: gist{Request: Absent, Server: Absent, Client: Absent, Alerts: []alertGist{{From: FromServer, Code: alertNoApplicationProtocol}}, Outcome: OutcomeRejectedByServer,
			Findings: []verdict{{CodeALPNMismatch, Certain, Error, FaultClient}}}},
	{name: "version mismatch, old client", scenario: scenario{client: func(c *tls.Config) { c.MinVersion, c.MaxVersion = tls.VersionTLS10, tls.VersionTLS11 }},
		want: gist{Request: Absent, Server: Absent, Client: Absent, Alerts: []alertGist{{From: FromServer, Code: alertProtocolVersion}}, Outcome: OutcomeRejectedByServer,
			Findings: []verdict{{CodeVersionMismatch, Certain, Error, FaultClient}}}},
	{name: "version mismatch, capped server", scenario: scenario{client: func(c *tls.Config) { c.MinVersion = tls.VersionTLS13 }, server: only12},
		want: gist{Request: Absent, Server: Absent, Client: Absent, Alerts: []alertGist{{From: FromServer, Code: alertProtocolVersion}}, Outcome: OutcomeRejectedByServer,
			Findings: []verdict{{CodeVersionMismatch, Certain, Error, FaultServer}}}},
	{name: "TLS 1.0 agreed", scenario: scenario{client: func(c *tls.Config) { c.MinVersion, c.MaxVersion = tls.VersionTLS10, tls.VersionTLS10 }, server: func(c *tls.Config) { c.MinVersion = tls.VersionTLS10 }},
		want: gist{Version: tlswire.VersionTLS10, ALPN: "h2", Request: Absent, Server: Seen, Client: Absent, ServerChain: 1, Alerts: []alertGist{closeNotify}, Outcome: OutcomeEstablished,
			Findings: []verdict{{CodeLegacyTLSVersion, Certain, Info, FaultClient}}}},
	{name: "no suite in common", scenario: scenario{client: func(c *tls.Config) { only12(c); c.CipherSuites = []uint16{tls.TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256} }},
		want: gist{Request: Absent, Server: Absent, Client: Absent, Alerts: []alertGist{{From: FromServer, Code: alertHandshakeFailure}}, Outcome: OutcomeRejectedByServer,
			Findings: []verdict{{CodeCipherMismatch, Likely, Error, FaultUnknown}}}},
	{name: "server without a certificate", scenario: scenario{server: func(c *tls.Config) {
		c.Certificates = nil
		c.GetCertificate = func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return nil, nil }
	}}, want: gist{Request: Absent, Server: Absent, Client: Absent, Alerts: []alertGist{{From: FromServer, Code: alertUnrecognizedName}}, Outcome: OutcomeRejectedByServer,
		Findings: []verdict{{CodeServerAlert, Certain, Error, FaultUnknown}}}},
	{name: "TLS 1.2 client refuses the server's CA", scenario: scenario{client: func(c *tls.Config) { only12(c); c.RootCAs = testPKI().other.pool() }},
		want: gist{Version: v12, ALPN: "h2", Request: Absent, Server: Seen, Client: Absent, ServerChain: 1, Alerts: []alertGist{{From: FromClient, Code: alertBadCertificate}}, Outcome: OutcomeRejectedByClient,
			Findings: []verdict{{CodeServerCertRefused, Certain, Error, FaultUnknown}}}},
	{name: "TLS 1.3 client refuses the server's CA", scenario: scenario{client: func(c *tls.Config) { c.RootCAs = testPKI().other.pool() }},
		want: gist{Version: v13, Request: Hidden, Server: Hidden, Client: Hidden, Alerts: []alertGist{{From: FromClient, Encrypted: true}}, Outcome: OutcomeRejectedByClient,
			Findings: []verdict{{CodeServerCertRefused, Likely, Error, FaultUnknown}}}},
	{name: "TLS 1.2 server expired", scenario: scenario{client: only12, server: shows(func(p *testCerts) tls.Certificate { return p.serverOld })},
		want: gist{Version: v12, ALPN: "h2", Request: Absent, Server: Seen, Client: Absent, ServerChain: 1, Alerts: []alertGist{{From: FromClient, Code: alertBadCertificate}}, Outcome: OutcomeRejectedByClient,
			Findings: []verdict{{CodeServerCertExpired, Certain, Error, FaultServer}, {CodeServerCertRefused, Certain, Error, FaultUnknown}}}},
	{name: "TLS 1.2 server's name", scenario: scenario{client: only12, server: shows(func(p *testCerts) tls.Certificate { return p.serverName })},
		want: gist{Version: v12, ALPN: "h2", Request: Absent, Server: Seen, Client: Absent, ServerChain: 1, Alerts: []alertGist{{From: FromClient, Code: alertBadCertificate}}, Outcome: OutcomeRejectedByClient,
			Findings: []verdict{{CodeServerNameMismatch, Certain, Error, FaultServer}, {CodeServerCertRefused, Certain, Error, FaultUnknown}}}},
	{name: "TLS 1.2 server's key usage", scenario: scenario{client: only12, server: shows(func(p *testCerts) tls.Certificate { return p.serverUsage })},
		want: gist{Version: v12, ALPN: "h2", Request: Absent, Server: Seen, Client: Absent, ServerChain: 1, Alerts: []alertGist{{From: FromClient, Code: alertBadCertificate}}, Outcome: OutcomeRejectedByClient,
			Findings: []verdict{{CodeServerCertKeyUsage, Certain, Error, FaultServer}, {CodeServerCertRefused, Certain, Error, FaultUnknown}}}},
	{name: "TLS 1.2 server expires soon", scenario: scenario{client: func(c *tls.Config) { only12(c); c.InsecureSkipVerify = true; c.ServerName = "etcd.test" }, server: shows(func(p *testCerts) tls.Certificate { return p.serverSoon })},
		want: gist{Version: v12, ALPN: "h2", Request: Absent, Server: Seen, Client: Absent, ServerChain: 1, Alerts: []alertGist{closeNotify}, Outcome: OutcomeEstablished,
			Findings: []verdict{{CodeCertExpiresSoon, Certain, Warning, FaultUnknown}}}},
	{name: "TLS 1.3 HTTP/2 to the peer port", to: testPeer, scenario: scenario{mtls: true, preface: true},
		want: gist{Version: v13, Request: Hidden, Server: Hidden, Client: Hidden, Alerts: []alertGist{{From: FromServer, Encrypted: true}}, Outcome: OutcomeEstablished,
			Findings: []verdict{{CodeGRPCToPeerPort, Likely, Error, FaultClient}}}},
	{name: "TLS 1.2 HTTP/2 to the peer port", to: testPeer, scenario: scenario{mtls: true, preface: true, client: only12},
		want: gist{Version: v12, ALPN: "h2", Request: Seen, Server: Seen, Client: Seen, ServerChain: 1, ClientChain: 1, Alerts: []alertGist{{From: FromServer, Encrypted: true}}, Outcome: OutcomeEstablished,
			Findings: []verdict{{CodeGRPCToPeerPort, Certain, Error, FaultClient}}}},
	{name: "TLS 1.2 peer's address", to: testPeer, scenario: scenario{mtls: true, rudeServer: true, client: presents(func(p *testCerts) tls.Certificate { return p.clientFaraway }, only12)},
		want: gist{Version: v12, ALPN: "h2", Request: Seen, Server: Seen, Client: Seen, ServerChain: 1, ClientChain: 1, Alerts: []alertGist{{From: FromServer, Encrypted: true}}, Outcome: OutcomeEstablished,
			Findings: []verdict{{CodePeerSANMismatch, Certain, Error, FaultClient}}}},
	{name: "TLS 1.3 peer's address, client without tickets", to: testPeer, scenario: scenario{mtls: true, rudeServer: true, client: func(c *tls.Config) { c.NextProtos = nil }},
		want: gist{Version: v13, Request: Hidden, Server: Hidden, Client: Hidden, Alerts: []alertGist{{From: FromServer, Encrypted: true}}, Outcome: OutcomeRejectedByServer,
			Findings: []verdict{{CodeClientCertRefused, Likely, Error, FaultClient}, {CodePeerSANMismatch, Possible, Error, FaultClient}}}},
	{name: "TLS 1.3 peer's address, client with tickets", to: testPeer, scenario: scenario{mtls: true, rudeServer: true, client: func(c *tls.Config) {
		c.NextProtos, c.ClientSessionCache = nil, tls.NewLRUClientSessionCache(4)
	}},
		want: gist{Version: v13, Request: Hidden, Server: Hidden, Client: Hidden, Alerts: []alertGist{{From: FromServer, Encrypted: true}}, Outcome: OutcomeEstablished,
			Findings: []verdict{{CodePeerSANMismatch, Likely, Error, FaultClient}}}},
	{name: "TLS 1.2 revoked", scenario: scenario{mtls: true, rudeServer: true, client: only12},
		want: gist{Version: v12, ALPN: "h2", Request: Seen, Server: Seen, Client: Seen, ServerChain: 1, ClientChain: 1, Alerts: []alertGist{{From: FromServer, Encrypted: true}}, Outcome: OutcomeEstablished,
			Findings: []verdict{{CodeClientCertRevoked, Possible, Warning, FaultClient}}}},
	{name: "healthy TLS 1.3 on the peer port", to: testPeer, scenario: scenario{mtls: true, client: func(c *tls.Config) { c.NextProtos = []string{"http/1.1"} }},
		want: gist{Version: v13, Request: Hidden, Server: Hidden, Client: Hidden, Alerts: []alertGist{closeNotify}, Outcome: OutcomeEstablished}},
	{name: "healthy TLS 1.2 on the peer port", to: testPeer, scenario: scenario{mtls: true, client: func(c *tls.Config) { only12(c); c.NextProtos = []string{"http/1.1"} }},
		want: gist{Version: v12, ALPN: "http/1.1", Request: Seen, Server: Seen, Client: Seen, ServerChain: 1, ClientChain: 1, Alerts: []alertGist{closeNotify}, Outcome: OutcomeEstablished}},
}

func TestLiveHandshakes(t *testing.T) {
	for _, tt := range liveScenarios {
		t.Run(tt.name, func(t *testing.T) {
			to := tt.to
			if !to.IsValid() {
				to = testServer
			}
			c := tt.record(t).diagnosed(to)
			if diff := cmp.Diff(tt.want, gistOf(c), cmpopts.EquateEmpty()); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
				for _, f := range c.Findings {
					t.Logf("%s: %s", f.Code, f.Meaning)
				}
			}
		})
	}
}
