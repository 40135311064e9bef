package analysis

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"fmt"
	"strings"
	"testing"

	"github.com/etcdtap/etcdtap/analysis/tlswire"
)

// TestHostileTexts: names as long as the formats allow, full of control characters, make no finding long or unprintable.
func TestHostileTexts(t *testing.T) {
	const evil = "\x1b[2J\u202e\r\n"
	long := strings.Repeat(evil, 1200)
	key := must(ecdsa.GenerateKey(elliptic.P224(), rand.Reader))
	cert := testPKI().ca.issue(long, key, func(c *x509.Certificate) {
		c.NotAfter = testTime.AddDate(0, 0, -3)
		c.Subject.Organization = []string{long}
		for i := range 40 {
			c.DNSNames = append(c.DNSNames, fmt.Sprintf("%d%s.test", i, strings.Repeat("x", 400)))
			c.UnknownExtKeyUsage = append(c.UnknownExtKeyUsage, append(asn1.ObjectIdentifier{1, 2}, make([]int, 40+i)...))
		}
		c.ExtraExtensions = []pkix.Extension{{Id: append(asn1.ObjectIdentifier{1, 2}, make([]int, 500)...), Critical: true, Value: []byte{5, 0}}}
	}).Certificate[0]
	hello := modern
	hello.name = strings.Repeat("a", 3000) + evil
	hello.alpn, hello.suites, hello.groups = nil, nil, nil
	for i := range 60 {
		hello.alpn = append(hello.alpn, strings.Repeat(evil, 20))
		hello.suites = append(hello.suites, uint16(0x5000+i))
		hello.groups = append(hello.groups, uint16(0x6000+i))
	}
	names := make([][]byte, 300)
	for i := range names {
		names[i] = must(asn1.Marshal(pkix.Name{CommonName: fmt.Sprint(i, strings.Repeat(evil, 8))}.ToRDNSequence()))
	}
	names[0] = must(asn1.Marshal(pkix.Name{CommonName: long}.ToRDNSequence()))
	chained := func(c tlswire.AlertCode, from Direction) transcript {
		mutual := transcript{
			client(handshake(clientHello(hello))),
			server(handshake(serverHello12(v12, 0xc02b)), splitRecords(certificateMessage(cert), 16000), splitRecords(requestMessage(names...), 16000), handshake(done)),
		}
		if from == FromServer {
			mutual = append(mutual, client(splitRecords(certificateMessage(cert), 16000), handshake(cke)), server(alert(c)))
		} else {
			mutual = append(mutual, client(alert(c)))
		}
		return mutual.and(finBy(from)...)
	}
	for name, script := range map[string]transcript{
		"expired":    chained(alertCertExpired, FromServer),
		"untrusted":  chained(alertUnknownCA, FromServer),
		"bad":        chained(alertBadCertificate, FromServer),
		"usage":      chained(alertUnsupportedCert, FromServer),
		"refused":    chained(alertBadCertificate, FromClient),
		"unknown CA": chained(alertUnknownCA, FromClient),
		"alpn":       helloRefusedWith(hello, alertNoApplicationProtocol),
		"suites":     helloRefusedWith(hello, alertHandshakeFailure),
		"version":    helloRefusedWith(with(func(o *helloOptions) { o.versions = hello.suites }), alertProtocolVersion),
		"request":    transcript{client("GET /", long, " HTTP/1.1\r\n")}.and(finBy(FromServer)...),
		"banner":     transcript{client("SSH-2.0-", long)}.and(finBy(FromServer)...),
	} {
		t.Run(name, func(t *testing.T) {
			c := script.diagnosed(testServer)
			if len(c.Findings) == 0 {
				t.Errorf("%v: no finding", c.Outcome)
			}
			checkFindings(t, c.Findings)
			if c.TLS != nil && len(c.TLS.Certificates[FromServer].Chain) > 0 && c.TLS.Certificates[FromServer].Chain[0].X509 == nil {
				t.Errorf("the test's own fault: %.200v", c.TLS.Certificates[FromServer].Chain[0].Err)
			}
			if c.TLS != nil && len(c.TLS.Violations) > 0 {
				t.Errorf("the test's own fault: %v", c.TLS.Violations[0].Err)
			}
		})
	}
}

// TestBuffersAreBounded: messages and alerts without end make nothing grow.
func TestBuffersAreBounded(t *testing.T) {
	for name, part := range map[string]string{
		"a message of 64 KiB in small records": handshake("\x01\x01\x00\x00") + strings.Repeat(handshake("x"), 70000),
		"alerts":                               strings.Repeat(alert(alertUserCanceled), 1000),
		"bad messages":                         strings.Repeat(handshake("\x01\x00\x00\x01x"), 1000),
		"certificates":                         strings.Repeat(splitRecords(certificateMessage(make([][]byte, 3000)...), 16000), 3),
		"encrypted alerts":                     ccs + strings.Repeat(record(tlswire.ContentTypeAlert, v12, strings.Repeat("x", 26)), 1000),
	} {
		t.Run(name, func(t *testing.T) {
			c := NewConn(testClient, testServer, testTime)
			feeding{cut: pieces(4001)}.tellData(c, FromClient, testTime, []byte(part))
			checkConn(t, c)
			var d Diagnoser
			checkFindings(t, d.Diagnose(c.Facts()).Findings)
			c.Reset(testClient, testServer, testTime)
			for d := range c.stream {
				if s := &c.stream[d]; cap(s.buf) > keepBuffer || cap(s.message) > keepBuffer || cap(s.hello) > keepBuffer {
					t.Errorf("a reset keeps %d, %d and %d bytes", cap(s.buf), cap(s.message), cap(s.hello))
				}
			}
		})
	}
}
