package analysis

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/binary"
	"fmt"
	"runtime"
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

// TestHeldIsNoLess: what a Conn says that it holds is no less than the memory that it takes, whatever makes lists of few bytes or leaves
// buffers behind, and when it observes another connection nothing of that is left.
func TestHeldIsNoLess(t *testing.T) {
	const conns = 40
	vector := func(n int, s string) string {
		return string(binary.BigEndian.AppendUint32(nil, uint32(len(s)))[4-n:]) + s
	}
	message := func(kind, body string) string { return splitRecords(kind+vector(3, body), 16000) }
	hello := func(extensions string) string {
		return message("\x01", "\x03\x03"+strings.Repeat("r", 32)+"\x00"+vector(2, "\xc0\x2b")+"\x01\x00"+vector(2, extensions))
	}
	for name, sent := range map[string]string{
		"protocols":    hello("\x00\x10" + vector(2, vector(2, strings.Repeat("\x01x", 30_000)))),
		"extensions":   hello(strings.Repeat("\xfe\xed\x00\x00", 15_000)),
		"key shares":   hello("\x00\x33" + vector(2, vector(2, strings.Repeat("\x00\x1d\x00\x01k", 12_000)))),
		"groups":       hello("\x00\x0a" + vector(2, vector(2, strings.Repeat("\x00\x1d", 30_000)))),
		"name":         hello("\x00\x00" + vector(2, vector(2, "\x00"+vector(2, strings.Repeat("n", 60_000))))),
		"SSLv2":        "\xff\xf0\x01\x03\x03\x7f\xd7\x00\x00\x00\x10" + strings.Repeat("c", 0x7fe7),
		"certificates": message("\x0b", vector(3, strings.Repeat("\x00\x00\x00", 20_000))),
		"a message":    message("\x0f", strings.Repeat("x", 60_000)),
		"and a byte":   message("\x0f", strings.Repeat("x", 60_000)) + handshake("\x01"),
		"unfinished":   message("\x0f", strings.Repeat("x", 60_000))[:50_000],
	} {
		t.Run(name, func(t *testing.T) {
			for _, missed := range []bool{false, true} {
				all, held := make([]*Conn, conns), 0
				before := heap()
				for i := range all {
					all[i] = NewConn(testClient, testServer, testTime)
					all[i].Share(new(CertificateCache))
					if missed {
						all[i].Gap(FromClient, testTime, -1)
					}
					feeding{cut: pieces(1400)}.tellData(all[i], FromClient, testTime, []byte(sent))
					held += all[i].Held()
				}
				if taken := heap() - before; taken > held+held/4+conns*keepBuffer {
					t.Errorf("start missed %v: %d bytes are taken, %d said to be held", missed, taken, held)
				}
				for _, c := range all {
					c.Reset(testClient, testServer, testTime)
				}
				if left := heap() - before; left > conns*(2*bytesOfConn+3*keepBuffer) {
					t.Errorf("start missed %v: %d bytes are left", missed, left)
				}
				runtime.KeepAlive(all)
			}
		})
	}
}

// heap is how many bytes are in use.
func heap() int {
	var m runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&m)
	return int(m.HeapAlloc)
}
