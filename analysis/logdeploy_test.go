package analysis

import (
	"strings"
	"testing"
	"time"

	"github.com/etcdtap/etcdtap/analysis/deploy"
	"github.com/etcdtap/etcdtap/analysis/pki"
)

// TestExplainDeployed: what stands in the configuration and in the files goes with what the line says, and changes neither cause nor
// certainty.
func TestExplainDeployed(t *testing.T) {
	p := testPKI()
	old := ParseCertificate(p.clientOld.Certificate[0]).X509
	x := DefaultExpectations()
	x.PKI = new(pki.Store)
	x.PKI.Add(pki.File{Name: etcdDir + "healthcheck-client.crt", Data: p.clientOld.Certificate[0]})
	config := strings.NewReplacer("advertise-client-urls: https", "advertise-client-urls: http", "peer.crt, ", "peer.crt, allowed-cn: [member], ").Replace(tlsConfig) +
		"tls-min-version: TLS1.3\ncipher-suites: [TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256]\n"
	var err error
	if x.Deployment, err = deploy.Parse("etcd.yaml", []byte(config)); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct{ name, err, says string }{
		{"the file that expired", server120 + "x509: certificate has expired or is not yet valid: current time 2026-11-23T07:43:09Z is after " + old.NotAfter.UTC().Format(time.RFC3339), etcdDir + "healthcheck-client.crt ends at that very second"},
		{"another time", server120 + "x509: certificate has expired or is not yet valid: current time 2026-11-23T07:43:09Z is after 2020-01-01T00:00:00Z", ""},
		{"the file that was revoked", "certificate serial 0" + old.SerialNumber.Text(16) + " revoked", "the serial number of the certificate in " + etcdDir + "healthcheck-client.crt"},
		{"another serial number", "certificate serial 3f2a revoked", ""},
		{"versions", "tls: client offered only unsupported versions: [303]", "etcd.yaml has --tls-min-version=TLS1.3"},
		{"suites", "tls: no cipher suite supported by both client and server", "has --cipher-suites=TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256"},
		{"announced without TLS", noRecord, "has http://127.0.0.1:2379 in --advertise-client-urls"},
		{"no matter", "tls: unsupported SSLv2 handshake received", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var plain, told LogEntry
			for _, e := range entriesOf(rejectionAt(testTime, port(1), tt.err)) {
				told = (&Explainer{Expectations: x}).Explain(&e.Entry, "-")
				plain = (&Explainer{}).Explain(&e.Entry, "-")
			}
			a, b := &plain.Findings[0], &told.Findings[0]
			if b.Code != a.Code || b.Confidence != a.Confidence || len(told.Findings) != len(plain.Findings) {
				t.Errorf("%s, %v became %s, %v", a.Code, a.Confidence, b.Code, b.Confidence)
			}
			more := strings.TrimPrefix(b.Meaning, a.Meaning)
			if tt.says == "" && more != "" || !strings.Contains(more, tt.says) {
				t.Errorf("added: %q", more)
			}
		})
	}
}

// TestProbeDeployed: a probed certificate is held against files and configuration, whatever the version hides on the wire.
func TestProbeDeployed(t *testing.T) {
	p := testPKI()
	for _, tt := range []struct {
		name  string
		files map[string][]byte
		code  Code // "" for nothing
	}{
		{"the configured one", map[string][]byte{"server.crt": p.server.Certificate[0]}, ""},
		{"another one", map[string][]byte{"server.crt": p.serverName.Certificate[0]}, CodeNotTheConfiguredCert},
		{"the peers'", map[string][]byte{"peer.crt": p.server.Certificate[0]}, CodeWrongCertForPort},
	} {
		t.Run(tt.name, func(t *testing.T) {
			row := deployRow{files: tt.files, config: tlsConfig}
			x := row.expectations(t)
			facts := feeding{}.facts(live("TLS 1.3 mTLS"))
			probe := &Probe{Server: testServer, Facts: facts, Chain: []*Certificate{ParseCertificate(p.server.Certificate[0])},
				Main: Attempt{Connected: true, Hello: true, Requested: true, Result: AttemptAccepted, At: testTime}}
			probe.Judge(x)
			got := 0
			for _, f := range probe.Findings {
				if f.Code == CodeNotTheConfiguredCert || f.Code == CodeWrongCertForPort {
					got++
					if f.Code != tt.code || !strings.HasPrefix(f.Evidence[0].Text, "probed: ") {
						t.Errorf("%s: %v", f.Code, f.Evidence)
					}
				}
			}
			if got != min(1, len(tt.code)) {
				t.Errorf("%v", probe.Findings)
			}
			if facts.TLS.Certificates[FromServer].Visibility != Hidden {
				t.Error("what passed on the wire was changed")
			}
		})
	}
}
