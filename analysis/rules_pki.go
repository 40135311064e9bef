package analysis

import (
	"crypto/x509"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/etcdtap/etcdtap/analysis/pki"
)

// place says whether an address is this deployment's own. A capture of one member holds connections to all the others, which
// have certificates and clients of their own.
type place uint8

const (
	placeUnknown place = iota // the configuration names no address, or there is none
	placeHome
	placeElsewhere
)

// placeOf judges by what the configuration announces and listens on; loopback is home.
func (v *view) placeOf(d Direction) place {
	addr := v.f.Server.Addr()
	if d == FromClient {
		addr = v.f.Client.Addr()
	}
	if addr.IsLoopback() {
		return placeHome
	}
	if v.expect.Deployment == nil {
		return placeUnknown
	}
	switch has, known := v.expect.Deployment.Has(addr.Unmap()); {
	case has:
		return placeHome
	case known:
		return placeElsewhere
	}
	return placeUnknown
}

// leafOf is the certificate that d's side presented, nil when it is not visible or does not parse.
func (v *view) leafOf(d Direction) *Certificate {
	if v.f.TLS == nil || len(v.f.TLS.Certificates[d].Chain) == 0 || v.f.TLS.Certificates[d].Chain[0].X509 == nil {
		return nil
	}
	return v.f.TLS.Certificates[d].Chain[0]
}

// sawCertificate adds the presented certificate as evidence.
func (v *view) sawCertificate(f *Finding, d Direction) *Finding {
	c := &v.f.TLS.Certificates[d]
	return f.saw(d, c.Packet, c.At, "Certificate "+brief(c.Chain[0].Subject)+", SHA-256 "+hexBytes(c.Chain[0].SHA256[:]))
}

// wrongCertificateForPort: the certificate's file belongs to another role than the port's.
func (v *view) wrongCertificateForPort() {
	if v.expect.PKI == nil || v.endpoint != EndpointClient && v.endpoint != EndpointPeer {
		return
	}
	if leaf := v.leafOf(FromServer); leaf != nil {
		if c := wrongFor(v.endpoint, v.expect.PKI.Find(leaf.SHA256)); c != nil {
			f := v.add(CodeWrongCertForPort, Certain, "the server presents "+brief(c.File)+", which is the "+c.Role.String()+"'s certificate, on the "+v.endpoint.String()+" port")
			v.sawCertificate(f, FromServer)
		}
	}
	if leaf := v.leafOf(FromClient); leaf != nil && v.endpoint == EndpointPeer && !v.has(CodeGRPCToPeerPort) { // which says it better
		found := v.expect.PKI.Find(leaf.SHA256)
		if len(found) > 0 && !slices.ContainsFunc(found, func(c *pki.Certificate) bool { return !c.Role.Client() }) {
			f := v.add(CodeWrongCertForPort, Certain, "the client presents "+brief(found[0].File)+" on the peer port, where only members come, and those present the peer certificate")
			f.AtFault = FaultClient
			f.Fix = []string{useClientPort, "A member presents the certificate of `--peer-cert-file`: see that it is the peers' one"}
			v.sawCertificate(f, FromClient)
		}
	}
}

// wrongFor is the first of some files with the same certificate when none of them is meant for the port. Files of no known role say
// nothing.
func wrongFor(e Endpoint, files []*pki.Certificate) *pki.Certificate {
	right := pki.RoleServer
	if e == EndpointPeer {
		right = pki.RolePeer
	}
	for _, c := range files {
		if c.Role == right || c.Role == pki.RoleOther || c.Role.CA() {
			return nil
		}
	}
	if len(files) == 0 {
		return nil
	}
	return files[0]
}

// renewedCertificateNotLoaded: a file has a newer one than was presented.
func (v *view) renewedCertificateNotLoaded() {
	if v.expect.PKI == nil {
		return
	}
	for _, d := range [...]Direction{FromServer, FromClient} {
		leaf, where := v.leafOf(d), v.placeOf(d)
		if leaf == nil || where == placeElsewhere {
			continue
		}
		at := v.f.TLS.Certificates[d].At
		renewal := v.expect.PKI.RenewalOf(leaf.X509)
		if renewal == nil || dated(at) && at.Before(renewal.X509.NotBefore) {
			continue // it did not exist yet
		}
		confidence := Likely
		text := "the " + d.String() + " presents " + brief(leaf.Subject) + ", valid until " + day(leaf.X509.NotAfter) + "; " + brief(renewal.File) +
			" holds its renewal, valid until " + day(renewal.X509.NotAfter)
		switch {
		case changedSince(renewal, at):
			confidence, text = Possible, text+"; that file was changed on "+day(renewal.ModTime)+", after this connection, so the renewal may not have been there yet"
		case where == placeUnknown && len(leaf.X509.DNSNames)+len(leaf.X509.IPAddresses) == 0:
			confidence, text = Possible, text+"; unless the "+d.String()+" runs on another machine, which has files of its own"
		}
		f := v.add(CodeRenewedCertNotLoaded, confidence, text)
		f.AtFault = FaultServer
		if d == FromClient {
			f.AtFault = FaultClient
		}
		v.sawCertificate(f, d)
	}
}

// changedSince reports whether the file was written after a connection, as far as both times are known.
func changedSince(c *pki.Certificate, at time.Time) bool {
	return dated(at) && dated(c.ModTime) && c.ModTime.After(at)
}

// caRegenerated: with the CA's certificate at hand the signature itself tells whether the issuer is the CA of that name.
func (v *view) caRegenerated() {
	s := v.expect.PKI
	if s == nil || v.result != OutcomeRejectedByServer && v.result != OutcomeRejectedByClient {
		return
	}
	d := FromClient
	if v.result == OutcomeRejectedByClient {
		d = FromServer
	}
	leaf := v.leafOf(d)
	if leaf == nil || d == FromServer && !v.has(CodeServerCertRefused) || d == FromClient && !v.hasAny(untrustedCodes[:]) {
		return
	}
	issuer, ca := s.IssuerOf(leaf.X509)
	if issuer != pki.IssuerRegenerated {
		return
	}
	confidence := Likely
	if v.ourCA(d) {
		confidence = Certain
	}
	text := "the " + d.String() + "'s certificate " + brief(leaf.Subject) + " names the issuer " + brief(leaf.Issuer) + ", and the key of " + brief(ca.File) +
		", a CA of that very name, did not sign it: the CA was made anew, or the certificate comes from another cluster"
	for i := range v.found {
		if f := &v.found[i]; f.Code == CodeCARegenerated {
			f.Confidence, f.Meaning = max(f.Confidence, confidence), f.Meaning+"; "+text
			f.saw(d, 0, time.Time{}, "signature checked with "+brief(ca.File)+": it does not fit")
			return
		}
	}
	f := v.add(CodeCARegenerated, confidence, text)
	v.sawCertificate(f, d).saw(d, 0, time.Time{}, "signature checked with "+brief(ca.File)+": it does not fit")
}

// untrustedCodes are the findings that a CA made anew explains.
var untrustedCodes = [...]Code{CodeClientCertUntrusted, CodeClientCertRefused, CodeCARegenerated}

func (v *view) hasAny(codes []Code) bool { return slices.ContainsFunc(codes, v.has) }

// ourCA reports whether the PKI is that of this cluster: the other side's certificate is signed by one of its CAs, or the server
// is the one that the configuration is about. All of kubeadm's clusters name their CA "etcd-ca".
func (v *view) ourCA(d Direction) bool {
	if other := v.leafOf(d.Other()); other != nil {
		issuer, _ := v.expect.PKI.IssuerOf(other.X509)
		return issuer == pki.IssuerKnown
	}
	return v.expect.Deployment != nil && v.placeOf(FromServer) == placeHome
}

// certificateFiles names, in the findings that are about a certificate, the file that holds it; where TLS 1.3 hides it, the files
// whose size fits.
func (v *view) certificateFiles() {
	if v.expect.PKI == nil || v.f.TLS == nil {
		return
	}
	for i := range v.found {
		f := &v.found[i]
		d, about := aboutCertificate(f.Code)
		if !about {
			continue
		}
		if text := v.fileText(d); text != "" && !strings.Contains(f.Meaning, text) {
			f.Meaning += "; " + text
			f.saw(d, 0, time.Time{}, text)
		}
	}
}

// fileText says which file a presented certificate is: "" when nothing is known.
func (v *view) fileText(d Direction) string {
	if leaf := v.leafOf(d); leaf != nil {
		found := v.expect.PKI.Find(leaf.SHA256)
		if len(found) == 0 {
			return ""
		}
		return "the " + d.String() + "'s certificate is the file " + fileNames(found)
	}
	sizes := v.shape.DER[d]
	fits := v.expect.PKI.BySize(sizes[:])
	if len(fits) == 0 {
		return ""
	}
	n := 0
	for _, c := range v.expect.PKI.ByFile(fits[0].File) {
		n += len(c.X509.Raw)
	}
	return "the size of the encrypted certificate, " + itoa(n) + " bytes of DER, fits " + fileNames(fits)
}

// fileNames joins the names of files with "and".
func fileNames(list []*pki.Certificate) string {
	const most = 4
	var s strings.Builder
	for i, c := range list {
		switch {
		case i == most:
			return s.String() + " and " + itoa(len(list)-most) + " more"
		case i > 0 && i == len(list)-1:
			s.WriteString(" and ")
		case i > 0:
			s.WriteString(", ")
		}
		s.WriteString(brief(c.File))
	}
	return s.String()
}

// aboutCertificate says whose certificate a finding is about.
func aboutCertificate(c Code) (d Direction, about bool) {
	switch c {
	case CodeClientCertChainInvalid, CodeClientCertExpired, CodeClientCertInvalid, CodeClientCertKeyUsage, CodeClientCertNotAllowed,
		CodeClientCertRefused, CodeClientCertRevoked, CodeClientCertUntrusted, CodePeerSANMismatch:
		return FromClient, true
	case CodeServerCertExpired, CodeServerCertKeyUsage, CodeServerCertRefused, CodeServerCertUntrusted, CodeServerNameMismatch,
		CodeMemberMissingFromSANs, CodeServerCertNoClientAuth:
		return FromServer, true
	}
	return 0, false
}

// validFor reports whether a certificate is valid for a host: a name or an address.
func validFor(c *x509.Certificate, host string) bool {
	if a, err := netip.ParseAddr(host); err == nil {
		return hasIP(c, a)
	}
	return c.VerifyHostname(host) == nil
}
