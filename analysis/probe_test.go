package analysis

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"math/big"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// TestVerifyServer: each problem is named, and none hides or makes another.
func TestVerifyServer(t *testing.T) {
	now := time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
	day := 24 * time.Hour
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	other, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	issue := func(template, parent *x509.Certificate, by *ecdsa.PrivateKey) *x509.Certificate {
		der, err := x509.CreateCertificate(rand.Reader, template, parent, &key.PublicKey, by)
		if err != nil {
			t.Fatal(err)
		}
		c, err := x509.ParseCertificate(der)
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	authority := func(from, to time.Time) *x509.Certificate {
		return &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "etcd-ca"}, NotBefore: from, NotAfter: to,
			KeyUsage: x509.KeyUsageCertSign, BasicConstraintsValid: true, IsCA: true}
	}
	leaf := func(from, to time.Time) *x509.Certificate {
		return &x509.Certificate{SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: "etcd"}, NotBefore: from, NotAfter: to,
			ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}, DNSNames: []string{"etcd"}}
	}
	young, old := authority(now.Add(-time.Hour), now.Add(day)), authority(now.Add(-20*day), now.Add(-day))
	for _, tt := range []struct {
		name string
		root *x509.Certificate
		by   *ecdsa.PrivateKey
		leaf *x509.Certificate
		host string
		want []string
	}{
		{"in order", young, key, leaf(now.Add(-time.Hour), now.Add(day)), "etcd", nil},
		{"expired before its CA began", young, key, leaf(now.Add(-9*day), now.Add(-day)), "etcd", []string{"expired"}},
		{"not yet valid", young, key, leaf(now.Add(time.Hour), now.Add(day)), "etcd", []string{"not_yet_valid"}},
		{"CA expired", old, key, leaf(now.Add(-time.Hour), now.Add(day)), "etcd", []string{"chain"}},
		{"CA of the same name", young, other, leaf(now.Add(-time.Hour), now.Add(day)), "etcd", []string{"unknown_authority"}},
		{"another name", young, key, leaf(now.Add(-time.Hour), now.Add(day)), "192.0.2.1", []string{"name"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			roots := x509.NewCertPool()
			roots.AddCert(issue(tt.root, tt.root, key))
			// The presented certificate is signed with the CA's name and perhaps with another key.
			template := *tt.root
			template.PublicKey = tt.by.Public()
			var got []string
			for _, p := range VerifyServer([]*Certificate{ParseCertificate(issue(tt.leaf, &template, tt.by).Raw)}, roots, tt.host, now) {
				got = append(got, p.Kind)
			}
			if d := cmp.Diff(tt.want, got); d != "" {
				t.Errorf("(-want +got):\n%s", d)
			}
		})
	}
	unreadable := VerifyServer([]*Certificate{ParseCertificate([]byte("no DER"))}, nil, "etcd", now)
	if len(unreadable) != 1 || unreadable[0].Kind != "unreadable" {
		t.Errorf("got %v", unreadable)
	}
}
