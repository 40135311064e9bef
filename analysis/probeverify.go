package analysis

import (
	"bytes"
	"crypto/x509"
	"errors"
	"slices"
	"time"
)

// SetChain takes over the certificates that a server presented, in DER, leaf first.
func (p *Probe) SetChain(ders [][]byte) {
	p.Chain, p.More = nil, max(0, len(ders)-maxChain)
	for _, der := range ders[:min(len(ders), maxChain)] {
		p.Chain = append(p.Chain, ParseCertificate(der))
	}
}

// NewCertificateRequest takes over the acceptable CA names of a server, in DER.
func NewCertificateRequest(names [][]byte) *CertificateRequest {
	r := &CertificateRequest{More: max(0, len(names)-maxAuthorities)}
	for _, der := range names[:min(len(names), maxAuthorities)] {
		r.Authorities = append(r.Authorities, nameText(der))
	}
	return r
}

// VerifyServer checks a presented chain, each thing by itself so that each problem is named. Without roots the issuer is not
// checked. It does no I/O.
func VerifyServer(chain []*Certificate, roots *x509.CertPool, name string, at time.Time) []VerifyProblem {
	if len(chain) == 0 {
		return nil
	}
	leaf := chain[0].X509
	if leaf == nil {
		return []VerifyProblem{{"unreadable", "the certificate cannot be read: " + brief(chain[0].Err.Error())}}
	}
	var found []VerifyProblem
	if roots != nil {
		if p, ok := verifyIssuer(chain, roots, at); !ok {
			found = append(found, p)
		}
	}
	if leaf.VerifyHostname(name) != nil {
		found = append(found, VerifyProblem{"name", "it is valid for " + sans(leaf) + ", not for " + brief(name)})
	}
	if text := validity(leaf, at); text != "" {
		kind := "expired"
		if at.Before(leaf.NotBefore) {
			kind = "not_yet_valid"
		}
		found = append(found, VerifyProblem{kind, text})
	}
	if !allows(leaf, x509.ExtKeyUsageServerAuth) {
		found = append(found, VerifyProblem{"key_usage", "its extended key usage is " + usages(leaf) + ", and servers need serverAuth"})
	}
	return found
}

// verifyIssuer looks for a path to the roots as if the leaf were valid: its dates are judged apart.
func verifyIssuer(chain []*Certificate, roots *x509.CertPool, at time.Time) (VerifyProblem, bool) {
	leaf, between := *chain[0].X509, x509.NewCertPool()
	for _, c := range chain[1:] {
		if c.X509 != nil {
			between.AddCert(c.X509)
		}
	}
	leaf.NotBefore, leaf.NotAfter = at, at // crypto/x509 checks the signature over what was parsed, not over these
	_, err := leaf.Verify(x509.VerifyOptions{Roots: roots, Intermediates: between, CurrentTime: at, KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageAny}})
	var unknown x509.UnknownAuthorityError
	switch {
	case err == nil:
		return VerifyProblem{}, true
	case errors.As(err, &unknown):
		text := "no given CA issued it: its issuer is " + brief(nameOf(&leaf.Issuer, leaf.RawIssuer))
		if bytes.Equal(leaf.RawIssuer, leaf.RawSubject) {
			text = "it is self-signed, and not among the given CAs"
		} else if sameNamed(roots, leaf.RawIssuer) {
			text += "; a given CA has that name and another key: the CA was made anew"
		}
		return VerifyProblem{"unknown_authority", text}, false
	}
	var invalid x509.CertificateInvalidError
	if errors.As(err, &invalid) && invalid.Cert != nil {
		return VerifyProblem{"chain", "the certificate " + brief(nameOf(&invalid.Cert.Subject, invalid.Cert.RawSubject)) + " above it: " + brief(err.Error())}, false
	}
	return VerifyProblem{"chain", brief(err.Error())}, false
}

// sameNamed reports whether one of the roots has that name.
func sameNamed(roots *x509.CertPool, subject []byte) bool {
	//lint:ignore SA1019 deprecated for the system's pool only, and this one was made from a file
	return slices.ContainsFunc(roots.Subjects(), func(s []byte) bool { return bytes.Equal(s, subject) })
}

// CompareCertificates says how a presented certificate differs from the one that was expected.
func CompareCertificates(file string, want, got *Certificate) *ExpectedCompare {
	c := &ExpectedCompare{File: file, Certificate: want, Same: bytes.Equal(want.Raw, got.Raw)}
	if c.Same {
		return c
	}
	a, b := want.X509, got.X509
	if a == nil || b == nil {
		c.Differs = []string{"other"}
		return c
	}
	for _, f := range []struct {
		name string
		same bool
	}{
		{"subject", bytes.Equal(a.RawSubject, b.RawSubject)},
		{"issuer", bytes.Equal(a.RawIssuer, b.RawIssuer) && bytes.Equal(a.AuthorityKeyId, b.AuthorityKeyId)},
		{"serial", a.SerialNumber.Cmp(b.SerialNumber) == 0},
		{"not_before", a.NotBefore.Equal(b.NotBefore)},
		{"not_after", a.NotAfter.Equal(b.NotAfter)},
		{"dns_names", slices.Equal(a.DNSNames, b.DNSNames)},
		{"ip_addresses", sameAddresses(a, b)},
		{"key", bytes.Equal(a.RawSubjectPublicKeyInfo, b.RawSubjectPublicKeyInfo)},
	} {
		if !f.same {
			c.Differs = append(c.Differs, f.name)
		}
	}
	if c.Differs == nil {
		c.Differs = []string{"other"}
	}
	return c
}

func sameAddresses(a, b *x509.Certificate) bool {
	if len(a.IPAddresses) != len(b.IPAddresses) {
		return false
	}
	for i := range a.IPAddresses {
		if !a.IPAddresses[i].Equal(b.IPAddresses[i]) {
			return false
		}
	}
	return true
}
