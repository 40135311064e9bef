package main

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/binary"
	"fmt"
	"math/big"
	"net"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// Conversations that are made to cost more than they did: each must stay within the stated bounds in the output, and its work, as
// measured by what was allocated, must stay in proportion to its bytes. Time is not measured: a busy machine has none.
const (
	outputPerConnection = 4 << 20   // bytes: two chains of 64 KiB, all of whose bytes are escaped, and a hello
	workPerByte         = 300       // bytes allocated for each byte of the capture, all formats together: a usual certificate takes 40
	workAtRest          = 256 << 20 // of a run: tables, buffers, and the remembered texts
)

// anyConnections is where their number is not the point.
const anyConnections = -1

// checkBomb reads a capture as JSON and text, and holds both to their bounds.
func checkBomb(t *testing.T, b []byte, connections int) []byte {
	t.Helper()
	limits := documentedBounds(t)
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	out, text := readAs(t, b, "json"), readAs(t, b, "text")
	runtime.ReadMemStats(&after)
	limits.check(t, out)
	checkText(t, text)
	if n := bytes.Count(out, []byte(`"type":"connection"`)); n != connections && connections != anyConnections {
		t.Errorf("%d connections, want %d", n, connections)
	}
	connections = max(connections, 1)
	if len(out) > (connections+1)*outputPerConnection || len(text) > (connections+1)*outputPerConnection/8 {
		t.Errorf("%d bytes of JSON, %d of text from %d connections", len(out), len(text), connections)
	}
	if work := after.TotalAlloc - before.TotalAlloc; work > workAtRest+workPerByte*uint64(len(b)) {
		t.Errorf("%d MiB allocated for a capture of %d KiB", work>>20, len(b)>>10)
	}
	return out
}

// checkText looks for control characters.
func checkText(t testing.TB, text []byte) {
	t.Helper()
	for _, r := range string(text) {
		if r < 0x20 && r != '\n' || r >= 0x7f && r < 0xa0 {
			t.Fatalf("the control character %#x is in the text", r)
		}
	}
}

// hello is a ClientHello with these cipher suites and extensions.
func hello(suites int, extensions []byte) []byte {
	list := make([]byte, 0, 2*suites)
	for i := range suites {
		list = binary.BigEndian.AppendUint16(list, []uint16{0xc02c, 0xc030, 0x009f, 0xcca9, 0xff00}[i%5]+uint16(i/5*256%1024))
	}
	b := append([]byte{3, 3}, make([]byte, 33)...)
	b = append(b, vector(2, list)...)
	b = append(b, 1, 0)
	return message(1, append(b, vector(2, extensions)...))
}

func extension(kind uint16, body []byte) []byte {
	return append(binary.BigEndian.AppendUint16(nil, kind), vector(2, body)...)
}

var serverHello = message(2, append(append([]byte{3, 3}, make([]byte, 33)...), 0xc0, 0x2f, 0))

// TestEventBombs: many events in few bytes.
func TestEventBombs(t *testing.T) {
	twice := func(kind byte, body []byte) []byte { return bytes.Repeat(record(kind, body), 60_000/(5+len(body))) }
	first := records(22, hello(10, nil), 16000)
	numbers := make([]byte, 60_000)
	for i := range numbers {
		numbers[i] = byte(i >> 1 >> (8 * (1 - i&1)))
	}
	bombs := map[string][]byte{
		"alerts that warn":             twice(21, []byte{1, 90}),
		"alerts of all codes":          bytes.Repeat(slices.Concat(record(21, []byte{2, 42}), record(21, []byte{2, 48}), record(21, []byte{1, 0})), 2000),
		"many alerts in one record":    twice(21, bytes.Repeat([]byte{1, 90}, 8000)),
		"ChangeCipherSpec":             twice(20, []byte{1}),
		"empty handshake records":      twice(22, nil),
		"empty application data":       twice(23, nil),
		"empty alerts":                 twice(21, nil),
		"HelloRequests":                twice(22, make([]byte, 4)),
		"HelloRequests in one record":  twice(22, make([]byte, 16000)),
		"ClientHellos":                 twice(22, hello(2, nil)),
		"messages of one byte records": records(22, hello(2000, nil), 1),
		"unknown messages":             twice(22, message(77, nil)),
		"malformed messages":           twice(22, message(1, []byte{1})),
		"certificates without any":     twice(22, message(11, []byte{0, 0, 0})),
		"empty certificates":           twice(22, message(11, vector(3, bytes.Repeat([]byte{0, 0, 0}, 4000)))),
		"encrypted alerts":             append(record(20, []byte{1}), twice(21, make([]byte, 24))...),
		"cipher suites":                records(22, hello(30_000, nil), 16000),
		"groups":                       records(22, hello(1, extension(10, vector(2, numbers))), 16000),
		"signature algorithms":         records(22, hello(1, extension(13, vector(2, numbers))), 16000),
		"protocols":                    records(22, hello(1, extension(16, vector(2, bytes.Repeat([]byte{1, 0x1b}, 30_000)))), 16000),
		"key shares":                   records(22, hello(1, extension(51, vector(2, bytes.Repeat([]byte{0, 29, 0, 1, 7}, 12_000)))), 16000),
		"extensions":                   records(22, hello(1, bytes.Repeat(extension(0xfeed, nil), 15_000)), 16000),
		"a name":                       records(22, hello(1, extension(0, vector(2, append([]byte{0}, vector(2, bytes.Repeat([]byte{0x1b}, 60_000))...)))), 16000),
		"SSLv2 ciphers":                append([]byte{0x80 | 0x7f, 0xf0, 1, 3, 3, 0x7f, 0xd7, 0, 0, 0, 16}, numbers[:0x7fe7]...),
		"HTTP without an end":          bytes.Repeat([]byte("GET /\x1b[2J"), 6000),
		"authorities":                  records(22, message(13, append([]byte{1, 64, 0, 2, 4, 3}, vector(2, bytes.Repeat(vector(2, []byte{0x30, 0}), 15_000))...)), 16000),
		"a retry and again":            bytes.Repeat(records(22, serverHello, 16000), 700),
	}
	for name, bytes := range bombs {
		t.Run(name, func(t *testing.T) {
			c := newCraft()
			for _, size := range []int{60_000, 1400} {
				c.open().say(0, bytes, size).close()                     // of the client
				c.open().say(0, first, 1400).say(1, bytes, size).close() // of the server
				c.open().say(0, first, 1400).say(1, records(22, serverHello, 16000), 1400).say(0, bytes, size).say(1, bytes, size).close()
			}
			checkBomb(t, c.b, 6)
		})
	}
}

// caKey signs the certificates of the tests; making one takes a moment.
var caKey = sync.OnceValue(func() *ecdsa.PrivateKey {
	k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		panic(err)
	}
	return k
})

// certificate makes a certificate of a template, signed by itself, for a key that may be any.
func certificate(t *testing.T, c *x509.Certificate, public any) []byte {
	t.Helper()
	if c.SerialNumber == nil {
		c.SerialNumber = big.NewInt(1)
	}
	c.NotBefore, c.NotAfter = time.Unix(1_700_000_000, 0), time.Unix(1_800_000_000, 0)
	der, err := x509.CreateCertificate(rand.Reader, c, c, public, caKey())
	if err != nil {
		t.Fatal(err)
	}
	return der
}

// TestCertificateBombs: certificates that no CA would sign, and chains of them.
func TestCertificateBombs(t *testing.T) {
	evil := "\x1b[2J\u202e\r\n"
	usual := certificate(t, &x509.Certificate{Subject: pkix.Name{CommonName: "usual"}}, &caKey().PublicKey)
	var manyNames, parts []string
	var usages []asn1.ObjectIdentifier
	var addresses []net.IP
	for i := range 3000 {
		manyNames = append(manyNames, fmt.Sprintf("n%d.test", i))
		parts = append(parts, fmt.Sprint(i))
		usages = append(usages, asn1.ObjectIdentifier{1, 2, i})
		addresses = append(addresses, net.IPv4(10, 0, byte(i>>8), byte(i)))
	}
	quadratic := &x509.Certificate{Subject: pkix.Name{OrganizationalUnit: parts}}
	constrained := &x509.Certificate{IsCA: true, BasicConstraintsValid: true, DNSNames: manyNames, PermittedDNSDomains: manyNames, ExcludedDNSDomains: manyNames}
	hugeKey := &rsa.PublicKey{N: new(big.Int).SetBit(new(big.Int).Lsh(big.NewInt(1), 400_000), 0, 1), E: 3}
	chains := map[string][][]byte{
		"thousands of names":           {certificate(t, &x509.Certificate{DNSNames: manyNames}, &caKey().PublicKey)},
		"thousands of addresses":       {certificate(t, &x509.Certificate{IPAddresses: addresses}, &caKey().PublicKey)},
		"thousands of usages":          {certificate(t, &x509.Certificate{UnknownExtKeyUsage: usages}, &caKey().PublicKey)},
		"thousands of name parts":      {certificate(t, quadratic, &caKey().PublicKey)},
		"thousands of constraints":     {usual, certificate(t, constrained, &caKey().PublicKey)},
		"a name of escapes":            {certificate(t, &x509.Certificate{Subject: pkix.Name{CommonName: strings.Repeat(evil, 3000)}, DNSNames: []string{strings.Repeat("\x1b", 20_000)}}, &caKey().PublicKey)},
		"a key of 400,000 bits":        {certificate(t, &x509.Certificate{Subject: pkix.Name{CommonName: "huge"}}, hugeKey)},
		"a serial number of 30 KB":     {certificate(t, &x509.Certificate{SerialNumber: new(big.Int).Lsh(big.NewInt(1), 240_000)}, &caKey().PublicKey)},
		"the same one a hundred times": slices.Repeat([][]byte{usual}, 100),
		"thousands of empty ones":      slices.Repeat([][]byte{{}}, 20_000),
		"garbage":                      {bytes.Repeat([]byte{0x30, 0x80}, 30_000)},
		"deeply nested":                {nested(20_000)},
	}
	for name, chain := range chains {
		t.Run(name, func(t *testing.T) {
			c := newCraft()
			m := records(22, message(11, vector(3, joined(chain))), 16000)
			for range 3 {
				c.open().say(0, records(22, hello(10, nil), 16000), 1400)
				c.say(1, slices.Concat(records(22, serverHello, 16000), m), 60_000)
				c.say(0, slices.Concat(m, record(21, []byte{2, 48})), 1400).close()
			}
			checkBomb(t, c.b, 3)
		})
	}
}

// TestManyLargeCertificates: a hundred different certificates of 50 KiB, whose names have thousands of parts, cost what they take.
func TestManyLargeCertificates(t *testing.T) {
	c := newCraft()
	parts := slices.Repeat([]string{"a"}, 1900) // twice in each: subject and issuer
	for i := range 100 {
		der := certificate(t, &x509.Certificate{SerialNumber: big.NewInt(int64(i + 1)), Subject: pkix.Name{OrganizationalUnit: parts}}, &caKey().PublicKey)
		c.open().say(0, records(22, hello(10, nil), 16000), 1400)
		c.say(1, slices.Concat(records(22, serverHello, 16000), records(22, message(11, vector(3, vector(3, der))), 16000)), 60_000).close()
	}
	checkBomb(t, c.b, 100)
}

// joined is a certificate list of TLS 1.2.
func joined(chain [][]byte) []byte {
	var b []byte
	for _, der := range chain {
		b = append(b, vector(3, der)...)
	}
	return b
}

// nested is a sequence in a sequence in a sequence.
func nested(depth int) []byte {
	b := []byte{5, 0}
	for range depth {
		if len(b) > 60_000 {
			break
		}
		head := []byte{0x30, byte(len(b))}
		if len(b) >= 128 {
			head = []byte{0x30, 0x82, byte(len(b) >> 8), byte(len(b))}
		}
		b = append(head, b...)
	}
	return b
}
