package capturetest

import (
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"fmt"
	"math/big"
	"net"
	"time"
)

// epoch is when all captures begin. The certificates are valid around it.
var epoch = time.Date(2026, time.March, 2, 10, 0, 0, 0, time.UTC)

// pki is the certificates of a cluster that kubeadm has set up: one authority, leaves of RSA-2048 without intermediates.
type pki struct {
	roots   *x509.CertPool
	server  tls.Certificate
	clients []tls.Certificate
	stray   tls.Certificate // a client of another authority
}

func newPKI() (*pki, error) {
	ca, err := newAuthority("etcd-ca")
	if err != nil {
		return nil, err
	}
	other, err := newAuthority("kubernetes")
	if err != nil {
		return nil, err
	}
	p := &pki{roots: x509.NewCertPool()}
	p.roots.AddCert(ca.cert)
	server := &x509.Certificate{Subject: pkix.Name{CommonName: "control-plane-1"}, DNSNames: []string{"control-plane-1", "localhost"},
		IPAddresses: []net.IP{net.IPv4(10, 0, 0, 1), net.IPv4(127, 0, 0, 1), net.IPv6loopback}}
	if p.server, err = ca.issue(server); err != nil {
		return nil, err
	}
	for _, cn := range []string{"kube-apiserver-etcd-client", "kube-etcd-healthcheck-client"} {
		c, err := ca.issue(&x509.Certificate{Subject: pkix.Name{CommonName: cn}})
		if err != nil {
			return nil, err
		}
		p.clients = append(p.clients, c)
	}
	p.stray, err = other.issue(&x509.Certificate{Subject: pkix.Name{CommonName: "stray"}})
	return p, err
}

type authority struct {
	cert   *x509.Certificate
	key    crypto.Signer
	serial int64
}

func newAuthority(cn string) (*authority, error) {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		return nil, fmt.Errorf("generating the key of %s: %w", cn, err)
	}
	t := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: cn}, DNSNames: []string{cn}, NotBefore: epoch.AddDate(0, -1, 0), NotAfter: epoch.AddDate(10, 0, 0),
		KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageKeyEncipherment | x509.KeyUsageCertSign, IsCA: true, BasicConstraintsValid: true}
	der, err := x509.CreateCertificate(rand.Reader, t, t, key.Public(), key)
	if err != nil {
		return nil, fmt.Errorf("signing %s: %w", cn, err)
	}
	cert, err := x509.ParseCertificate(der)
	return &authority{cert, key, 1 << 56}, err
}

// issue signs a leaf for servers and clients alike. Serial numbers are of one length, so that the sizes of all handshakes are
// the same in every run.
func (a *authority) issue(t *x509.Certificate) (tls.Certificate, error) {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		return tls.Certificate{}, fmt.Errorf("generating the key of %s: %w", t.Subject.CommonName, err)
	}
	a.serial++
	t.SerialNumber = big.NewInt(a.serial)
	t.NotBefore, t.NotAfter = epoch.AddDate(0, -1, 0), epoch.AddDate(0, 11, 0)
	t.KeyUsage = x509.KeyUsageDigitalSignature | x509.KeyUsageKeyEncipherment
	t.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth}
	der, err := x509.CreateCertificate(rand.Reader, t, a.cert, key.Public(), a.key)
	if err != nil {
		return tls.Certificate{}, fmt.Errorf("signing %s: %w", t.Subject.CommonName, err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, nil
}
