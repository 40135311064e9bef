package analysis

import (
	"crypto/x509"
	"testing"
	"unicode/utf8"

	"github.com/etcdtap/etcdtap/analysis/tlswire"
)

// FuzzCertificates has both sides present certificates of any bytes, and refuse each other's with any alert: what is made of their
// fields stays within bounds, and the same bytes are the same certificate.
func FuzzCertificates(f *testing.F) {
	p := testPKI()
	leaf, ca := p.client.Certificate[0], p.ca.cert.Raw
	for _, code := range []tlswire.AlertCode{alertBadCertificate, alertUnknownCA, alertCertExpired, alertUnsupportedCert, alertHandshakeFailure} {
		f.Add(leaf, ca, uint8(code), true)
		f.Add(p.server.Certificate[0], ca, uint8(code), false)
	}
	f.Fuzz(func(t *testing.T, leaf, issuer []byte, code uint8, byServer bool) {
		if len(leaf)+len(issuer) > 60_000 {
			return // no message is as long
		}
		chain := splitRecords(certificateMessage(leaf, issuer), 16000)
		script := transcript{
			client(handshake(clientHello(modern))),
			server(handshake(serverHello12(v12, 0xc02b)), chain, splitRecords(requestMessage(issuer), 16000), handshake(done)),
		}
		if byServer {
			script = append(script, client(chain, handshake(cke)), server(alert(tlswire.AlertCode(code))))
		} else {
			script = append(script, client(alert(tlswire.AlertCode(code))))
		}
		for _, to := range []feeding{{server: testServer}, {server: testPeer}} {
			c := (&Diagnoser{}).Diagnose(to.facts(script.and(finBy(FromServer)...)))
			checkFindings(t, c.Findings)
		}
		for _, der := range [][]byte{leaf, issuer} {
			checkCertificate(t, der)
		}
	})
}

// checkCertificate holds a certificate to what it promises.
func checkCertificate(t *testing.T, der []byte) {
	t.Helper()
	var cache CertificateCache
	c := cache.Certificate(der)
	if (c.X509 == nil) != (c.Err != nil) || c.Key() == "" || string(c.Raw) != string(der) {
		t.Errorf("%+v of %x", c, der)
	}
	if cache.Certificate(der) != c {
		t.Error("the same bytes are another certificate")
	}
	if _, text := cache.Name(der); !utf8.ValidString(text) || len(text) > 16*maxName {
		t.Errorf("a name of %d bytes from %d: %q", len(text), len(der), text)
	}
	if c.X509 != nil {
		for _, check := range []func(*x509.Certificate) string{weakness, usages, sans} {
			if text := check(c.X509); len(text) > 4<<10 {
				t.Errorf("%d bytes: %q", len(text), text)
			}
		}
	}
}
