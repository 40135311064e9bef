// Package pki makes certificates like those that kubeadm gives etcd, and the broken ones that make TLS to etcd fail.
//
// [Write] makes the whole directory; [Authority] issues single certificates.
package pki

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"time"
)

// KeyKind is the kind of key a certificate gets.
type KeyKind int

const (
	RSA2048   KeyKind = iota // what kubeadm makes by default
	ECDSAP256                // what kubeadm makes with encryptionAlgorithm: ECDSA-P256
)

func (k KeyKind) generate() (crypto.Signer, error) {
	if k == ECDSAP256 {
		return ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	}
	return rsa.GenerateKey(rand.Reader, 2048)
}

// Request is what a leaf certificate shall say.
type Request struct {
	CommonName string
	DNSNames   []string
	Addresses  []net.IP
	Usages     []x509.ExtKeyUsage
	NotBefore  time.Time
	NotAfter   time.Time
	Key        KeyKind
}

// Pair is a certificate and its private key.
type Pair struct {
	Certificate *x509.Certificate
	Key         crypto.Signer
}

// Authority is a certificate authority: a Pair whose certificate may sign others.
type Authority Pair

// NewAuthority makes a self-signed authority, valid for ten years from notBefore as kubeadm's are.
func NewAuthority(commonName string, key KeyKind, notBefore time.Time) (*Authority, error) {
	template := authorityTemplate(commonName, notBefore)
	signer, err := key.generate()
	if err != nil {
		return nil, fmt.Errorf("making the key of %s: %w", commonName, err)
	}
	pair, err := sign(template, template, signer, signer)
	return (*Authority)(pair), err
}

// Intermediate makes an authority below a.
func (a *Authority) Intermediate(commonName string, key KeyKind) (*Authority, error) {
	template := authorityTemplate(commonName, a.Certificate.NotBefore)
	signer, err := key.generate()
	if err != nil {
		return nil, fmt.Errorf("making the key of %s: %w", commonName, err)
	}
	pair, err := sign(template, a.Certificate, signer, a.Key)
	return (*Authority)(pair), err
}

// Issue makes a leaf certificate as kubeadm does: digitalSignature and keyEncipherment, no basic constraints.
func (a *Authority) Issue(r Request) (*Pair, error) {
	serial, err := serialNumber()
	if err != nil {
		return nil, err
	}
	template := &x509.Certificate{
		SerialNumber: serial,
		Subject:      pkix.Name{CommonName: r.CommonName},
		NotBefore:    r.NotBefore,
		NotAfter:     r.NotAfter,
		KeyUsage:     x509.KeyUsageDigitalSignature | x509.KeyUsageKeyEncipherment,
		ExtKeyUsage:  r.Usages,
		DNSNames:     r.DNSNames,
		IPAddresses:  r.Addresses,
	}
	signer, err := r.Key.generate()
	if err != nil {
		return nil, fmt.Errorf("making the key of %s: %w", r.CommonName, err)
	}
	return sign(template, a.Certificate, signer, a.Key)
}

func authorityTemplate(commonName string, notBefore time.Time) *x509.Certificate {
	return &x509.Certificate{
		SerialNumber:          big.NewInt(0), // kubeadm's authorities have serial 0
		Subject:               pkix.Name{CommonName: commonName},
		DNSNames:              []string{commonName},
		NotBefore:             notBefore,
		NotAfter:              notBefore.AddDate(10, 0, 0),
		KeyUsage:              x509.KeyUsageDigitalSignature | x509.KeyUsageKeyEncipherment | x509.KeyUsageCertSign,
		BasicConstraintsValid: true,
		IsCA:                  true,
	}
}

func serialNumber() (*big.Int, error) {
	n, err := rand.Int(rand.Reader, big.NewInt(1<<62))
	if err != nil {
		return nil, fmt.Errorf("making a serial number: %w", err)
	}
	return n.Add(n, big.NewInt(1)), nil
}

func sign(template, parent *x509.Certificate, subject, issuer crypto.Signer) (*Pair, error) {
	der, err := x509.CreateCertificate(rand.Reader, template, parent, subject.Public(), issuer)
	if err != nil {
		return nil, fmt.Errorf("signing %s: %w", template.Subject, err)
	}
	c, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, fmt.Errorf("reading back %s: %w", template.Subject, err)
	}
	return &Pair{Certificate: c, Key: subject}, nil
}

// write puts name.crt and name.key into dir.
func (p *Pair) write(dir, name string) error {
	key, err := x509.MarshalPKCS8PrivateKey(p.Key)
	if err != nil {
		return fmt.Errorf("encoding the key of %s: %w", name, err)
	}
	base := filepath.Join(dir, name)
	if err := os.MkdirAll(filepath.Dir(base), 0o755); err != nil {
		return err
	}
	crt := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: p.Certificate.Raw})
	if err := os.WriteFile(base+".crt", crt, 0o644); err != nil {
		return err
	}
	return os.WriteFile(base+".key", pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: key}), 0o600)
}
