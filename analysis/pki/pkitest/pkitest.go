// Package pkitest makes certificates for tests. Keys are made anew in every run and never leave memory, but where a test asks.
package pkitest

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"testing"
	"time"
)

// Epoch is the time around which the certificates are valid: from a month before to eleven months after, CAs ten years.
var Epoch = time.Date(2026, time.March, 2, 10, 0, 0, 0, time.UTC)

// CA is a certificate authority.
type CA struct {
	Cert *x509.Certificate
	key  *ecdsa.PrivateKey
	next int64
}

// NewCA makes a CA with a key of its own.
func NewCA(t testing.TB, cn string) *CA {
	t.Helper()
	key := newKey(t)
	tmpl := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: cn}, NotBefore: Epoch.AddDate(0, -1, 0), NotAfter: Epoch.AddDate(10, 0, 0),
		KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign, IsCA: true, BasicConstraintsValid: true}
	return &CA{Cert: sign(t, tmpl, tmpl, key, key), key: key, next: 1 << 56}
}

// Leaf is what a certificate says. Zero fields take the usual values.
type Leaf struct {
	CN       string
	Names    []string // DNS names and addresses
	Usage    []x509.ExtKeyUsage
	From, To time.Time
}

// Both is the usage of kubeadm's server and peer certificates.
func Both() []x509.ExtKeyUsage {
	return []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth}
}

// Issue makes a certificate with a key of its own.
func (c *CA) Issue(t testing.TB, l Leaf) *x509.Certificate {
	t.Helper()
	c.next++
	tmpl := &x509.Certificate{SerialNumber: big.NewInt(c.next), Subject: pkix.Name{CommonName: l.CN}, NotBefore: l.From, NotAfter: l.To,
		KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageKeyEncipherment, ExtKeyUsage: l.Usage, BasicConstraintsValid: true}
	if l.From.IsZero() {
		tmpl.NotBefore = Epoch.AddDate(0, -1, 0)
	}
	if l.To.IsZero() {
		tmpl.NotAfter = Epoch.AddDate(0, 11, 0)
	}
	for _, n := range l.Names {
		if ip := net.ParseIP(n); ip != nil {
			tmpl.IPAddresses = append(tmpl.IPAddresses, ip)
		} else {
			tmpl.DNSNames = append(tmpl.DNSNames, n)
		}
	}
	return sign(t, tmpl, c.Cert, newKey(t), c.key)
}

// PEM writes certificates as a file holds them.
func PEM(certs ...*x509.Certificate) []byte {
	var out []byte
	for _, c := range certs {
		out = append(out, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: c.Raw})...)
	}
	return out
}

func newKey(t testing.TB) *ecdsa.PrivateKey {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func sign(t testing.TB, tmpl, parent *x509.Certificate, key, by *ecdsa.PrivateKey) *x509.Certificate {
	t.Helper()
	der, err := x509.CreateCertificate(rand.Reader, tmpl, parent, key.Public(), by)
	if err != nil {
		t.Fatal(err)
	}
	c, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return c
}
