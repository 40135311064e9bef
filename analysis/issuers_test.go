package analysis

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"net"
	"strings"
	"testing"
	"time"
)

// below makes an authority that a has signed.
func (a *authority) below(name string, change func(*x509.Certificate)) *authority {
	key := must(ecdsa.GenerateKey(elliptic.P256(), rand.Reader))
	pair := a.issue(name, key, func(c *x509.Certificate) {
		c.IsCA, c.BasicConstraintsValid, c.KeyUsage, c.MaxPathLen = true, true, x509.KeyUsageCertSign, -1
		change(c)
	})
	return &authority{must(x509.ParseCertificate(pair.Certificate[0])), key}
}

// TestIssuersProblem: what is wrong with the issuers that a client sends along is the reason why it is refused.
func TestIssuersProblem(t *testing.T) {
	ca := testPKI().ca
	as := func(change func(*x509.Certificate)) func(*x509.Certificate) { return change }
	plain := as(func(*x509.Certificate) {})
	good := ca.below("intermediate", plain)
	short := ca.below("no further", as(func(c *x509.Certificate) { c.MaxPathLen, c.MaxPathLenZero = 0, true }))
	for _, tt := range []struct {
		name  string
		chain []*authority // the issuer first
		leaf  func(*x509.Certificate)
		code  Code // "" for nothing
		says  string
	}{
		{"nothing", []*authority{good}, plain, "", ""},
		{"only the leaf", nil, plain, "", ""},
		{"the leaf itself, which others judge", []*authority{good}, as(func(c *x509.Certificate) { c.NotAfter = testTime.Add(-time.Hour) }), "", ""},
		{"for servers only", []*authority{ca.below("servers", as(func(c *x509.Certificate) { c.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth} }))}, plain,
			CodeClientCertKeyUsage, "without clientAuth"},
		{"too deep", []*authority{short.below("deeper", plain), short}, plain, CodeClientCertChainInvalid, "too many intermediates"},
		{"for other names", []*authority{ca.below("named", as(func(c *x509.Certificate) {
			c.PermittedDNSDomains, c.PermittedDNSDomainsCritical = []string{"example.org"}, true
		}))},
			as(func(c *x509.Certificate) { c.DNSNames = []string{"etcd.test"} }), CodeClientCertChainInvalid, "not authorized to sign for this name"},
		{"expired", []*authority{ca.below("old", as(func(c *x509.Certificate) { c.NotAfter = testTime.Add(-time.Hour) }))}, plain, CodeClientCertExpired, "old is not valid"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			issuer := ca
			if len(tt.chain) > 0 {
				issuer = tt.chain[0]
			}
			pair := issuer.issue("client", must(ecdsa.GenerateKey(elliptic.P256(), rand.Reader)), as(func(c *x509.Certificate) {
				c.ExtKeyUsage, c.IPAddresses = []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}, []net.IP{net.IPv4(127, 0, 0, 1)}
				tt.leaf(c)
			}))
			chain := []*Certificate{{X509: must(x509.ParseCertificate(pair.Certificate[0]))}}
			for _, a := range tt.chain {
				chain = append(chain, &Certificate{X509: a.cert})
			}
			p, found := issuersProblem(chain, testTime)
			if found != (tt.code != "") || p.code != tt.code || !strings.Contains(p.text, tt.says) {
				t.Errorf("got %s %q", p.code, p.text)
			}
		})
	}
}

// TestIssuersBounded: neither a circle of issuers nor a chain out of order holds it up, and there is one way up at the most.
func TestIssuersBounded(t *testing.T) {
	key := must(ecdsa.GenerateKey(elliptic.P256(), rand.Reader))
	named := func(subject, issuer string) *Certificate {
		a := newAuthority(issuer)
		return &Certificate{X509: must(x509.ParseCertificate(a.issue(subject, crypto.Signer(key), func(*x509.Certificate) {}).Certificate[0]))}
	}
	chain := []*Certificate{named("leaf", "a"), named("b", "a"), named("a", "b"), named("a", "b"), named("c", "c")}
	if path := issuersOf(chain[0].X509, chain[1:]); len(path) != 2 {
		t.Errorf("a path of %d issuers", len(path))
	}
	if p, found := issuersProblem(chain, testTime); found {
		t.Errorf("%v", p)
	}
}
