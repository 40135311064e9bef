package analysis

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/etcdtap/etcdtap/analysis/deploy"
	"github.com/etcdtap/etcdtap/analysis/pki"
)

// etcdDir is where the files of these tests are.
const etcdDir = "/etc/kubernetes/pki/etcd/"

// deployRow is one connection with what the deployment says of it.
type deployRow struct {
	name       string
	script     transcript
	to         netip.AddrPort
	files      map[string][]byte // base name to DER
	changed    time.Time         // when the files were written
	config     string            // etcd's YAML; "" for none
	version    deploy.Version
	code       Code
	none       bool // the code must not be given
	confidence Confidence
	fault      Fault
	says       string // what the finding's meaning has in it
}

func (r *deployRow) expectations(t testing.TB) Expectations {
	x := DefaultExpectations()
	x.PKI = new(pki.Store)
	for name, data := range r.files {
		x.PKI.Add(pki.File{Name: etcdDir + name, ModTime: r.changed, Data: data})
	}
	if r.config != "" {
		d, err := deploy.Parse("etcd.yaml", []byte(r.config))
		if err != nil {
			t.Fatal(err)
		}
		d.Version = r.version
		x.Deployment = d
	}
	return x
}

const tlsConfig = `listen-client-urls: https://127.0.0.1:2379
advertise-client-urls: https://127.0.0.1:2379
listen-peer-urls: https://127.0.0.1:2380
initial-advertise-peer-urls: https://127.0.0.1:2380
client-transport-security: {cert-file: /etc/kubernetes/pki/etcd/server.crt, client-cert-auth: true, client-crl-file: /etc/kubernetes/pki/etcd/list.crl}
peer-transport-security: {cert-file: /etc/kubernetes/pki/etcd/peer.crt, client-cert-auth: true}
`

func deployRows(t testing.TB) []deployRow {
	p := testPKI()
	der := func(c [][]byte) []byte { return c[0] }
	serverDER, clientDER := der(p.server.Certificate), der(p.client.Certificate)
	renewed := der(p.ca.issueLike(t, serverDER, testTime.AddDate(2, 0, 0)))
	renewedClient := der(p.ca.issueLike(t, clientDER, testTime.AddDate(2, 0, 0)))
	elsewhere := strings.NewReplacer("127.0.0.1", "10.7.7.7").Replace(tlsConfig)
	here := map[string][]byte{"server.crt": serverDER, "ca.crt": p.ca.cert.Raw}
	mtls12, mtls13 := live("TLS 1.2 mTLS"), live("TLS 1.3 mTLS")
	remade := live("TLS 1.2 client of a CA made anew")
	crl := pem.EncodeToMemory(&pem.Block{Type: "X509 CRL", Bytes: []byte("any")})
	noRequest := live("TLS 1.3")
	return []deployRow{
		{name: "peer.crt on the client port", script: mtls12, files: map[string][]byte{"peer.crt": serverDER}, code: CodeWrongCertForPort, confidence: Certain, fault: FaultServer, says: "peer.crt"},
		{name: "server.crt on the client port", script: mtls12, files: here, code: CodeWrongCertForPort, none: true},
		{name: "one certificate in both files", script: mtls12, files: map[string][]byte{"peer.crt": serverDER, "server.crt": serverDER}, code: CodeWrongCertForPort, none: true},
		{name: "health check on the peer port", script: live("healthy TLS 1.2 on the peer port"), to: testPeer, files: map[string][]byte{"healthcheck-client.crt": clientDER}, code: CodeWrongCertForPort, confidence: Certain, fault: FaultClient, says: "only members"},

		{name: "server renewed", script: mtls12, files: map[string][]byte{"server.crt": renewed}, code: CodeRenewedCertNotLoaded, confidence: Likely, fault: FaultServer, says: "server.crt holds its renewal"},
		{name: "client renewed", script: mtls12, files: map[string][]byte{"apiserver-etcd-client.crt": renewedClient}, code: CodeRenewedCertNotLoaded, confidence: Likely, fault: FaultClient, says: "apiserver-etcd-client.crt"},
		{name: "renewed later", script: mtls12, files: map[string][]byte{"server.crt": renewed}, changed: testTime.Add(time.Hour), code: CodeRenewedCertNotLoaded, confidence: Possible, fault: FaultServer, says: "after this connection"},
		{name: "not renewed", script: mtls12, files: here, code: CodeRenewedCertNotLoaded, none: true},
		{name: "another member's", script: mtls12, to: netip.MustParseAddrPort("10.0.0.9:2379"), files: map[string][]byte{"server.crt": renewed}, config: elsewhere, code: CodeRenewedCertNotLoaded, none: true},

		{name: "checked with the CA", script: remade, files: here, code: CodeCARegenerated, confidence: Certain, fault: FaultUnknown, says: "did not sign it"},
		{name: "another cluster's PKI", script: remade, files: map[string][]byte{"ca.crt": newAuthority("etcd-ca").cert.Raw}, code: CodeCARegenerated, confidence: Likely, fault: FaultUnknown},
		{name: "another CA", script: live("TLS 1.2 client of another CA"), files: here, code: CodeCARegenerated, none: true},
		{name: "the client's CA is old", script: live("TLS 1.2 client refuses the server's CA"), files: map[string][]byte{"ca.crt": newAuthority("etcd-ca").cert.Raw}, code: CodeCARegenerated, confidence: Likely, fault: FaultUnknown, says: "the server's certificate"},

		{name: "another file", script: mtls12, files: map[string][]byte{"server.crt": der(p.serverName.Certificate)}, config: tlsConfig, code: CodeNotTheConfiguredCert, confidence: Likely, fault: FaultServer, says: "--cert-file is"},
		{name: "the file", script: mtls12, files: here, config: tlsConfig, code: CodeNotTheConfiguredCert, none: true},
		{name: "another member", script: mtls12, to: netip.MustParseAddrPort("10.0.0.9:2379"), files: map[string][]byte{"server.crt": der(p.serverName.Certificate)}, config: elsewhere, code: CodeNotTheConfiguredCert, none: true},

		{name: "without a request", script: noRequest, config: tlsConfig, code: CodeClientAuthNotRequested, confidence: Likely, fault: FaultServer, says: "demands client certificates"},
		{name: "asked", script: mtls13, config: tlsConfig, code: CodeClientAuthNotRequested, none: true},
		{name: "asked in TLS 1.2", script: mtls12, config: tlsConfig, code: CodeClientAuthNotRequested, none: true},

		{name: "http announced", script: handmade()["http1"], config: strings.Replace(tlsConfig, "advertise-client-urls: https", "advertise-client-urls: http", 1), code: CodeHTTPURLOnTLSPort, confidence: Likely, fault: FaultServer, says: "http://127.0.0.1:2379 in --advertise-client-urls"},
		{name: "https announced", script: handmade()["http1"], config: tlsConfig, code: CodeHTTPURLOnTLSPort, none: true},

		{name: "announced address", script: mtls12, files: here, config: strings.Replace(tlsConfig, "advertise-client-urls: https://127.0.0.1", "advertise-client-urls: https://10.0.0.8", 1), code: CodeMemberMissingFromSANs, confidence: Certain, fault: FaultServer, says: "not for 10.0.0.8"},
		{name: "all there", script: mtls12, files: here, config: tlsConfig, code: CodeMemberMissingFromSANs, none: true},

		{name: "gateway", script: live("TLS 1.2 server's key usage"), config: tlsConfig, code: CodeServerCertNoClientAuth, none: true}, // clientAuth only
		{name: "gateway refused", script: transcript{client(handshake(clientHello(modern))), server(handshake(serverHello12(v12, 0xc02b)), handshake(certificateMessage(der(p.clientUsage.Certificate))))}, config: tlsConfig + "enable-grpc-gateway: true\n", code: CodeServerCertNoClientAuth, confidence: Certain, fault: FaultServer, says: "grpc-gateway"},
		{name: "gateway refused, if there is one", script: transcript{client(handshake(clientHello(modern))), server(handshake(serverHello12(v12, 0xc02b)), handshake(certificateMessage(der(p.clientUsage.Certificate))))}, config: tlsConfig, code: CodeServerCertNoClientAuth, confidence: Likely, fault: FaultServer, says: "Before 3.5"},

		{name: "PEM list", script: live("TLS 1.3 client of another CA"), files: map[string][]byte{"list.crl": crl}, config: tlsConfig, version: deploy.Version{Major: 3, Minor: 6}, code: CodeCRLUnreadable, confidence: Likely, fault: FaultServer, says: "PEM"},
		{name: "PEM list, 3.5", script: live("TLS 1.3 client of another CA"), files: map[string][]byte{"list.crl": crl}, config: tlsConfig, version: deploy.Version{Major: 3, Minor: 5}, code: CodeCRLUnreadable, none: true},

		{name: "by the configuration", script: refusing(p.client.Certificate[0], alertBadCertificate), to: testPeer, config: strings.Replace(tlsConfig, "peer.crt, ", "peer.crt, allowed-cn: [member], ", 1), code: CodeClientCertNotAllowed, confidence: Likely, fault: FaultClient, says: "allows the common name member"},

		{name: "by the configuration", script: helloRefusedWith(with(func(o *helloOptions) { o.versions = nil }), alertProtocolVersion), config: tlsConfig + "tls-min-version: TLS1.3\n", code: CodeVersionMismatch, confidence: Certain, fault: FaultServer, says: "etcd.yaml has --tls-min-version=TLS1.3"},
		{name: "by the configuration", script: helloRefusedWith(with(func(o *helloOptions) { o.suites, o.versions = []uint16{0xc02b, 0xc02f}, nil }), alertHandshakeFailure), config: tlsConfig + "cipher-suites: [TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384]\n", code: CodeCipherMismatch, confidence: Certain, fault: FaultServer, says: "offers none of those. The configuration etcd.yaml has --cipher-suites=TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384"},
		{name: "by another reason", script: helloRefusedWith(with(func(o *helloOptions) { o.suites, o.versions = []uint16{0xc02b, 0xc02f}, nil }), alertHandshakeFailure), config: tlsConfig + "cipher-suites: [TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256]\n", code: CodeCipherMismatch, confidence: Possible, fault: FaultUnknown, says: "has --cipher-suites="},

		{name: "file in the meaning", script: live("TLS 1.2 client expired"), files: map[string][]byte{"healthcheck-client.crt": der(p.clientOld.Certificate)}, code: CodeClientCertExpired, confidence: Certain, fault: FaultClient, says: "is the file /etc/kubernetes/pki/etcd/healthcheck-client.crt"},
		{name: "file by size", script: live("TLS 1.3 client of another CA"), files: map[string][]byte{"client.crt": der(p.clientOther.Certificate)}, code: CodeClientCertRefused, confidence: Likely, fault: FaultClient, says: "bytes of DER, fits /etc/kubernetes/pki/etcd/client.crt"},
	}
}

// issueLike renews a certificate: a new key and serial number, and another end.
func (a *authority) issueLike(t testing.TB, der []byte, until time.Time) [][]byte {
	old := ParseCertificate(der)
	if old.Err != nil {
		t.Fatal(old.Err)
	}
	return a.issue(old.X509.Subject.CommonName, must(ecdsa.GenerateKey(elliptic.P256(), rand.Reader)), func(c *x509.Certificate) {
		c.ExtKeyUsage, c.DNSNames, c.IPAddresses, c.NotAfter = old.X509.ExtKeyUsage, old.X509.DNSNames, old.X509.IPAddresses, until
	}).Certificate
}

// TestDeployRules: what files and configuration add to a connection, and what they must not.
func TestDeployRules(t *testing.T) {
	for _, r := range deployRows(t) {
		t.Run(string(r.code)+" "+r.name, func(t *testing.T) {
			to := r.to
			if !to.IsValid() {
				to = testServer
			}
			d := Diagnoser{Expectations: r.expectations(t)}
			c := d.Diagnose(feeding{server: to}.facts(r.script))
			checkFindings(t, c.Findings)
			i := slices.IndexFunc(c.Findings, func(f Finding) bool { return f.Code == r.code })
			if (i < 0) != r.none {
				t.Fatalf("found %v", codesOf(c.Findings))
			}
			if r.none {
				return
			}
			f := c.Findings[i]
			if diff := cmp.Diff([]any{r.confidence, r.fault}, []any{f.Confidence, f.AtFault}); diff != "" {
				t.Errorf("-want +got:\n%s%s", diff, f.Meaning)
			}
			if !strings.Contains(f.Meaning, r.says) {
				t.Errorf("%q is not in %q", r.says, f.Meaning)
			}
			if len(f.Evidence) == 0 {
				t.Error("no evidence")
			}
		})
	}
}

// BenchmarkDeployRules is what files and configuration cost a connection.
func BenchmarkDeployRules(b *testing.B) {
	p := testPKI()
	f := feeding{}.facts(live("TLS 1.2 mTLS"))
	for _, r := range []deployRow{{name: "without"}, {name: "with", config: tlsConfig, files: map[string][]byte{"ca.crt": p.ca.cert.Raw, "server.crt": p.server.Certificate[0]}}} {
		b.Run(r.name, func(b *testing.B) {
			d := Diagnoser{Expectations: r.expectations(b)}
			for b.Loop() {
				d.Diagnose(f)
			}
		})
	}
}

// TestManyNames: a certificate with more names than are compared takes no time.
func TestManyNames(t *testing.T) {
	p := testPKI()
	many := p.ca.issue("many", must(ecdsa.GenerateKey(elliptic.P256(), rand.Reader)), func(c *x509.Certificate) {
		for i := range 4000 {
			c.DNSNames = append(c.DNSNames, "n"+itoa(i))
		}
	}).Certificate[0]
	script := transcript{client(handshake(clientHello(modern))), server(handshake(serverHello12(v12, 0xc02b)), handshake(certificateMessage(many)))}
	r := deployRow{config: strings.Replace(tlsConfig, "advertise-client-urls: https://127.0.0.1", "advertise-client-urls: https://10.0.0.8", 1), files: map[string][]byte{"server.crt": many}}
	d := Diagnoser{Expectations: r.expectations(t)}
	c := d.Diagnose(feeding{}.facts(script))
	checkFindings(t, c.Findings)
	if slices.ContainsFunc(c.Findings, func(f Finding) bool { return f.Code == CodeMemberMissingFromSANs }) {
		t.Error("names were compared beyond the bound")
	}
}

// TestDeployLeavesHealthyAlone: the right files and configuration add nothing to a connection that works.
func TestDeployLeavesHealthyAlone(t *testing.T) {
	p := testPKI()
	r := deployRow{config: tlsConfig, files: map[string][]byte{"ca.crt": p.ca.cert.Raw, "server.crt": p.server.Certificate[0], "client.crt": p.client.Certificate[0]}}
	for _, name := range []string{"TLS 1.2 mTLS", "TLS 1.3 mTLS"} {
		d := Diagnoser{Expectations: r.expectations(t)}
		if c := d.Diagnose(feeding{}.facts(live(name))); len(c.Findings) > 0 {
			t.Errorf("%s: %v", name, c.Findings)
		}
	}
}
