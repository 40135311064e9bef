package analysis

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/rsa"
	"crypto/x509"
	"errors"
	"net/netip"
	"slices"
	"time"
)

// expiresSoon is how long before its end a certificate is worth a word. kubeadm renews at every upgrade, so a month is time enough.
const expiresSoon = 30 * 24 * time.Hour

// dated reports whether a time can be that of a connection: pcapng's simple packets have none, and a file may say nonsense.
func dated(at time.Time) bool { return at.Unix() >= year2000 && at.Unix() < year2100 }

// The beginning of two years, in seconds since the Unix epoch.
const (
	year2000 = 946684800
	year2100 = 4102444800
)

// validity says how a certificate stands at a time: "" when it is valid.
func validity(c *x509.Certificate, at time.Time) string {
	switch {
	case !dated(at):
		return "" // the capture has no times
	case at.After(c.NotAfter):
		return "it expired on " + day(c.NotAfter) + ", " + span(at.Sub(c.NotAfter)) + " before this connection"
	case at.Before(c.NotBefore):
		return "it is valid only from " + c.NotBefore.UTC().Format(time.RFC3339) + ", " + span(c.NotBefore.Sub(at)) + " after this connection: a clock is wrong, or it is too new"
	}
	return ""
}

func day(t time.Time) string { return t.UTC().Format("2006-01-02 15:04:05 UTC") }

// span writes a long duration in days, a short one as it is.
func span(d time.Duration) string {
	if d >= 48*time.Hour {
		return itoa(int64(d/(24*time.Hour))) + " days"
	}
	return d.Round(time.Second).String()
}

// allows reports whether the certificate may be used for want. No extended key usage at all means any (RFC 5280, Section 4.2.1.12).
func allows(c *x509.Certificate, want x509.ExtKeyUsage) bool {
	return len(c.ExtKeyUsage)+len(c.UnknownExtKeyUsage) == 0 || slices.Contains(c.ExtKeyUsage, want) || slices.Contains(c.ExtKeyUsage, x509.ExtKeyUsageAny)
}

// usages names the extended key usages.
func usages(c *x509.Certificate) string {
	s := ExtKeyUsages(c)
	if len(s) == 0 {
		return "none"
	}
	return briefly(s)
}

// ExtKeyUsages names a certificate's extended key usages as OpenSSL's configuration does, unknown ones by their OID.
func ExtKeyUsages(c *x509.Certificate) []string {
	var s []string
	for _, u := range c.ExtKeyUsage {
		switch u {
		case x509.ExtKeyUsageAny:
			s = append(s, "any")
		case x509.ExtKeyUsageServerAuth:
			s = append(s, "serverAuth")
		case x509.ExtKeyUsageClientAuth:
			s = append(s, "clientAuth")
		case x509.ExtKeyUsageCodeSigning:
			s = append(s, "codeSigning")
		case x509.ExtKeyUsageEmailProtection:
			s = append(s, "emailProtection")
		case x509.ExtKeyUsageTimeStamping:
			s = append(s, "timeStamping")
		case x509.ExtKeyUsageOCSPSigning:
			s = append(s, "OCSPSigning")
		default:
			s = append(s, "usage-"+itoa(int(u)))
		}
	}
	for _, oid := range c.UnknownExtKeyUsage {
		s = append(s, oid.String())
	}
	return s
}

// weakness names what is too weak in a certificate by today's measure: "" when nothing is.
func weakness(c *x509.Certificate) string {
	switch k := c.PublicKey.(type) {
	case *rsa.PublicKey:
		if n := k.N.BitLen(); n < 2048 {
			return "its RSA key has " + itoa(n) + " bits, 2048 are the least"
		}
	case *ecdsa.PublicKey:
		if n := k.Curve.Params().BitSize; n < 256 {
			return "its ECDSA key has " + itoa(n) + " bits, 256 are the least"
		}
	}
	if insecureSignature(c) {
		return "it is signed with " + c.SignatureAlgorithm.String() + ", which Go refuses"
	}
	return ""
}

// insecureSignature reports whether crypto/x509 refuses the signature's hash. A self-signed root's is never looked at.
func insecureSignature(c *x509.Certificate) bool {
	switch c.SignatureAlgorithm {
	case x509.MD2WithRSA, x509.MD5WithRSA, x509.SHA1WithRSA, x509.ECDSAWithSHA1, x509.DSAWithSHA1:
		return !bytes.Equal(c.RawIssuer, c.RawSubject)
	}
	return false
}

// brokenChain names what makes a presented chain unusable whoever is trusted: "" when nothing does.
func brokenChain(chain []*Certificate) string {
	leaf := chain[0].X509
	if len(leaf.UnhandledCriticalExtensions) > 0 {
		return "it has the critical extension " + brief(leaf.UnhandledCriticalExtensions[0].String()) + ", which Go does not know and so must refuse"
	}
	for i, c := range chain {
		if c.X509 == nil {
			continue
		}
		if insecureSignature(c.X509) {
			return brief(c.Subject) + " is signed with " + c.X509.SignatureAlgorithm.String() + ", which Go refuses"
		}
		if i > 0 && bytes.Equal(c.X509.RawSubject, leaf.RawIssuer) && !mayIssue(c.X509) {
			return "its issuer " + brief(c.Subject) + " is presented with it and is no CA"
		}
	}
	return ""
}

// mayIssue reports whether the certificate may sign others (RFC 5280, Sections 4.2.1.9 and 4.2.1.3).
func mayIssue(c *x509.Certificate) bool {
	return c.BasicConstraintsValid && c.IsCA && (c.KeyUsage == 0 || c.KeyUsage&x509.KeyUsageCertSign != 0)
}

// namedIssuer reports whether the issuer of any certificate in the chain is among the names.
func namedIssuer(chain []*Certificate, names [][]byte) bool {
	for _, c := range chain {
		if c.X509 != nil && slices.ContainsFunc(names, func(n []byte) bool { return bytes.Equal(n, c.X509.RawIssuer) }) {
			return true
		}
	}
	return false
}

// otherIssuerKey reports whether two certificates name the same issuer but different keys of it: the CA was made anew under its
// old name. It cannot tell when either lacks the key identifier.
func otherIssuerKey(a, b *x509.Certificate) bool {
	return bytes.Equal(a.RawIssuer, b.RawIssuer) && len(a.AuthorityKeyId) > 0 && len(b.AuthorityKeyId) > 0 && !bytes.Equal(a.AuthorityKeyId, b.AuthorityKeyId)
}

// hasIP reports whether the certificate is valid for the address.
func hasIP(c *x509.Certificate, addr netip.Addr) bool {
	for _, ip := range c.IPAddresses {
		if a, ok := netip.AddrFromSlice(ip); ok && a.Unmap() == addr.Unmap() {
			return true
		}
	}
	return false
}

// sans lists the names and addresses that a certificate is valid for.
func sans(c *x509.Certificate) string {
	if len(c.DNSNames)+len(c.IPAddresses) == 0 {
		return "no name and no address"
	}
	list := slices.Clone(c.DNSNames)
	for _, ip := range c.IPAddresses {
		list = append(list, ip.String())
	}
	return briefly(list)
}

// maxVerifiedKey is the largest RSA key, in bits, whose signatures are checked: crypto/tls takes no larger one (handshake_client.go).
const maxVerifiedKey = 8192

// issuersProblem is what crypto/x509 finds wrong with the issuers that came with a client's certificate: their period, their
// usages, the length of the path, the names that they may sign for. The topmost of them stands for the CA, which nobody sends. It
// reports false when it finds nothing.
func issuersProblem(chain []*Certificate, at time.Time) (problem, bool) {
	leaf := chain[0].X509
	path := issuersOf(leaf, chain[1:])
	if len(path) == 0 || !dated(at) || slices.ContainsFunc(path, largeKey) {
		return problem{}, false
	}
	top := path[len(path)-1]
	o := x509.VerifyOptions{Roots: x509.NewCertPool(), Intermediates: x509.NewCertPool(), CurrentTime: at, KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}}
	o.Roots.AddCert(top)
	for _, c := range path[:len(path)-1] {
		o.Intermediates.AddCert(c)
	}
	_, err := leaf.Verify(o)
	var invalid x509.CertificateInvalidError
	if !errors.As(err, &invalid) || invalid.Cert == leaf && invalid.Reason == x509.Expired {
		return problem{}, false // unknown authority: the path is not one by its signatures
	}
	text := "among the issuers that came with it, up to " + brief(nameOf(&top.Subject, top.RawSubject)) + ", "
	switch invalid.Reason {
	case x509.Expired:
		return problem{CodeClientCertExpired, Certain, text + brief(nameOf(&invalid.Cert.Subject, invalid.Cert.RawSubject)) + " is not valid: " + validity(invalid.Cert, at)}, true
	case x509.IncompatibleUsage:
		return problem{CodeClientCertKeyUsage, Certain, text + "one has an extended key usage without clientAuth, and it holds for all below"}, true
	}
	return problem{CodeClientCertChainInvalid, Likely, text + "Go finds: " + brief(invalid.Error())}, true
}

// issuersOf follows the issuers' names from a certificate through those that came with it. Each name is used once: with two of one name
// there is more than one way up, and of fifteen there are so many that crypto/x509 checks a hundred signatures before it gives up.
func issuersOf(c *x509.Certificate, chain []*Certificate) []*x509.Certificate {
	var path []*x509.Certificate
	for range chain {
		i := slices.IndexFunc(chain, func(n *Certificate) bool { return n.X509 != nil && bytes.Equal(n.X509.RawSubject, c.RawIssuer) })
		if i < 0 || bytes.Equal(c.RawIssuer, c.RawSubject) || slices.Contains(path, chain[i].X509) {
			break
		}
		c = chain[i].X509
		path = append(path, c)
	}
	return path
}

func largeKey(c *x509.Certificate) bool {
	k, ok := c.PublicKey.(*rsa.PublicKey)
	return ok && k.N.BitLen() > maxVerifiedKey
}
