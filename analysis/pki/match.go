package pki

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"errors"
	"net"
	"path"
	"slices"
	"strings"
)

// ByFile is the certificates of the file that a configuration names, nil when it was not read. Inside a container the path may
// be another one: then the file must be the only one of that name, its directory included.
func (s *Store) ByFile(name string) []*Certificate {
	if s == nil || name == "" {
		return nil
	}
	if c := s.files[name]; c != nil {
		return c
	}
	var only []*Certificate
	for file, certs := range s.files {
		if !samePath(file, name) {
			continue
		}
		if only != nil {
			return nil
		}
		only = certs
	}
	return only
}

// samePath reports whether two names end in the same directory and file.
func samePath(a, b string) bool {
	a, b = path.Clean(strings.ReplaceAll(a, `\`, "/")), path.Clean(strings.ReplaceAll(b, `\`, "/"))
	return a == b || path.Base(a) == path.Base(b) && path.Base(path.Dir(a)) == path.Base(path.Dir(b))
}

// RenewalOf is the certificate in a file that took x's place: the same subject, issuer name, names and usages, and a later end.
// It is nil when no file holds one, or when a file still holds x itself. Of several it is the one that lasts longest.
func (s *Store) RenewalOf(x *x509.Certificate) *Certificate {
	if s == nil || s.sums[sha256.Sum256(x.Raw)] != nil {
		return nil
	}
	var best *Certificate
	for _, c := range s.subjects[string(x.RawSubject)] {
		n := c.X509
		if c.Index > 0 || c.Role.CA() || !n.NotAfter.After(x.NotAfter) || !bytes.Equal(n.RawIssuer, x.RawIssuer) ||
			!slices.Equal(n.ExtKeyUsage, x.ExtKeyUsage) || !sameNames(n, x) {
			continue
		}
		if best == nil || n.NotAfter.After(best.X509.NotAfter) {
			best = c
		}
	}
	return best
}

// sameNames compares the SANs, in whatever order they stand.
func sameNames(a, b *x509.Certificate) bool {
	if len(a.DNSNames) != len(b.DNSNames) || len(a.IPAddresses) != len(b.IPAddresses) || len(b.DNSNames)+len(b.IPAddresses) > maxSANs {
		return false
	}
	return slices.Equal(slices.Sorted(slices.Values(a.DNSNames)), slices.Sorted(slices.Values(b.DNSNames))) &&
		slices.Equal(sortedIPs(a.IPAddresses), sortedIPs(b.IPAddresses))
}

func sortedIPs(list []net.IP) []string {
	out := make([]string, len(list))
	for i, ip := range list {
		out[i] = ip.String()
	}
	slices.Sort(out)
	return out
}

// Issuer says how a certificate stands to the CAs in the files.
type Issuer uint8

const (
	IssuerUnknown     Issuer = iota // no file holds a CA of that name, or the signature could not be checked
	IssuerKnown                     // a CA in a file has signed it
	IssuerRegenerated               // a CA of that name is in a file, and another key has signed the certificate
)

func (i Issuer) String() string { return [...]string{"unknown", "known", "regenerated"}[i] }

// signature is what a check gave.
type signature struct {
	issuer Issuer
	ca     *Certificate
}

// IssuerOf looks for the CA of x and checks the signature itself. ca is the one that signed it, or the one of the same name that
// did not; nil when there is none.
func (s *Store) IssuerOf(x *x509.Certificate) (Issuer, *Certificate) {
	if s == nil || len(s.certs) == 0 {
		return IssuerUnknown, nil
	}
	key := sha256.Sum256(x.Raw)
	v, ok := s.verdicts[key]
	if !ok {
		if len(s.verdicts) >= maxVerdicts {
			clear(s.verdicts)
		}
		v = s.check(x)
		s.verdicts[key] = v
	}
	return v.issuer, v.ca
}

func (s *Store) check(x *x509.Certificate) signature {
	v := signature{}
	tried := 0
	for _, c := range s.subjects[string(x.RawIssuer)] {
		if !c.X509.IsCA || tried >= maxCandidates {
			continue
		}
		tried++
		signed, known := signedBy(x, c.X509)
		switch {
		case signed:
			return signature{IssuerKnown, c}
		case !known:
			return signature{IssuerUnknown, c} // it may be the one
		case v.ca == nil:
			v = signature{IssuerRegenerated, c}
		}
	}
	return v
}

// signedBy checks a signature; known is false where that is not possible: keys above the bound, algorithms that Go does not have
// or refuses.
func signedBy(x, ca *x509.Certificate) (signed, known bool) {
	switch k := ca.PublicKey.(type) {
	case *rsa.PublicKey:
		if k.N.BitLen() > maxRSABits {
			return false, false
		}
	case *ecdsa.PublicKey, ed25519.PublicKey:
	default:
		return false, false
	}
	err := ca.CheckSignature(x.SignatureAlgorithm, x.RawTBSCertificate, x.Signature)
	var insecure x509.InsecureAlgorithmError
	return err == nil, !errors.Is(err, x509.ErrUnsupportedAlgorithm) && !errors.As(err, &insecure)
}

// IssuerIn says how x stands to the CAs of one file, --trusted-ca-file for one: directly, or by way of the certificates that stand
// behind it in its own file.
func IssuerIn(cas []*Certificate, chain ...*x509.Certificate) Issuer {
	best := IssuerUnknown
	for _, x := range chain[:min(len(chain), maxCandidates)] {
		tried := 0
		for _, ca := range cas {
			if !bytes.Equal(ca.X509.RawSubject, x.RawIssuer) || tried >= maxCandidates {
				continue
			}
			tried++
			switch signed, known := signedBy(x, ca.X509); {
			case signed:
				return IssuerKnown
			case known:
				best = IssuerRegenerated
			}
		}
	}
	return best
}

// BySize is the first certificate of each file whose certificates, sent together, may be the chain of which only a size is known:
// der[i] is the bytes of DER if it has i+1 certificates, 0 if it cannot. CA files are left out: nobody presents one.
func (s *Store) BySize(der []int) []*Certificate {
	var out []*Certificate
	for _, c := range s.Certificates() {
		if c.Index > 0 || c.Role.CA() {
			continue
		}
		file, total := s.files[c.File], 0
		for _, x := range file {
			total += len(x.X509.Raw)
		}
		if len(file) <= len(der) && der[len(file)-1] == total {
			out = append(out, c)
		}
	}
	return out
}
