package analysis

import (
	"crypto/x509"
	"slices"
	"strings"

	"github.com/etcdtap/etcdtap/analysis/tlswire"
)

// certificateAlerts are the alerts with which a client refuses a server's certificate.
var certificateAlerts = []tlswire.AlertCode{alertBadCertificate, alertUnsupportedCert, alertCertRevoked, alertCertExpired,
	alertCertUnknown, alertUnknownCA}

// serverLeaf is the server's certificate, nil when it was not seen or does not parse.
func (v *view) serverLeaf() *x509.Certificate {
	if v.f.TLS == nil || len(v.f.TLS.Certificates[FromServer].Chain) == 0 {
		return nil
	}
	return v.f.TLS.Certificates[FromServer].Chain[0].X509
}

// refusedByClient is the client's alert when it is about the server's certificate, in clear; inferred reports the same from the
// shape of TLS 1.3.
func (v *view) refusedByClient() (a *Alert, inferred bool) {
	if v.result != OutcomeRejectedByClient || v.f.TLS.ServerHello == nil && !v.lacksBegin(FromServer) {
		return nil, false
	}
	if a := v.sentAlert(FromClient); a != nil {
		if slices.Contains(certificateAlerts, a.Code) || a.Code == alertDecryptError && v.beforeClientsPart() {
			return a, false
		}
		return nil, false
	}
	return nil, v.shape.ClientAlertInLieu
}

// beforeClientsPart reports whether the client had sent none of its part of the handshake: the signatures that it can have found wrong are
// those of the server's certificate, and the server's proof that it has the key.
func (v *view) beforeClientsPart() bool {
	t := v.f.TLS
	if t.Version == tlswire.VersionTLS13 {
		return !t.Resumed && (t.Encrypted[FromClient].Records == 0 || v.shape.ClientAlertInLieu)
	}
	return !t.Resumed && !t.ClientKeyExchange
}

func (v *view) serverCertRefused() {
	a, inferred := v.refusedByClient()
	if a == nil && !inferred {
		return
	}
	if inferred {
		r := &v.f.TLS.Encrypted[FromClient].Shape[0]
		f := v.add(CodeServerCertRefused, Likely, "in TLS 1.3 this is encrypted and inferred from record lengths: after the server's certificate the client sent an alert where its Finished was due, so it refuses etcd's certificate, not the other way round")
		f.saw(FromClient, r.Packet, r.At(), "encrypted record of "+itoa(int(r.Length))+" bytes where at least "+itoa(finishedRecord(v.f.TLS.CipherSuite))+" were due: an alert")
		v.suspectsDetour(f)
		return
	}
	f := v.add(CodeServerCertRefused, Certain, "the client refused etcd's certificate with the alert "+a.Code.String()+", not the other way round"+v.whyRefused(a)).sawAlert(a)
	if a.Code != alertUnknownCA && v.f.proxied() && v.nameMismatch() != "" {
		v.sawDetour(f)
	}
	c := &v.f.TLS.Certificates[FromServer]
	if len(c.Chain) == 0 {
		if a.Code != alertUnknownCA {
			v.suspectsDetour(f)
		}
		return
	}
	seen := "Certificate " + brief(c.Chain[0].Subject) + ", issuer " + brief(c.Chain[0].Issuer) + ", SHA-256 " + hexBytes(c.Chain[0].SHA256[:])
	f.saw(FromServer, c.Packet, c.At, seen)
	switch a.Code {
	case alertUnknownCA:
		v.add(CodeServerCertUntrusted, Certain, "the client says that it does not know the CA of "+brief(c.Chain[0].Subject)+", which is "+brief(c.Chain[0].Issuer)).
			saw(FromServer, c.Packet, c.At, seen).sawAlert(a)
	case alertDecryptError: // OpenSSL, BoringSSL and rustls, measured
		v.add(CodeServerCertUntrusted, Likely, "the client knows a CA of the name "+brief(c.Chain[0].Issuer)+", and the signature on "+brief(c.Chain[0].Subject)+" is not by the key that it has for it: the CA was made anew under the same name, and one of the two has the old one").
			saw(FromServer, c.Packet, c.At, seen).sawAlert(a)
	}
}

// whyRefused adds what the alert and the certificate show of the reason.
func (v *view) whyRefused(a *Alert) string {
	leaf := v.serverLeaf()
	switch {
	case a.Code == alertUnknownCA:
		return ": it does not know the CA that issued it"
	case a.Code == alertDecryptError && leaf == nil:
		return ": a signature does not verify, most often because the client trusts a CA of the same name as the one that issued it, with another key"
	case a.Code == alertDecryptError:
		return ": a signature does not verify"
	case leaf == nil:
		return ""
	case validity(leaf, a.At) != "":
		return ": " + validity(leaf, a.At)
	case v.askedFor() != "" && v.nameMismatch() != "":
		return ": " + v.nameMismatch()
	}
	text := "; the alert does not say why, and the certificate is in its period"
	switch {
	case v.nameMismatch() != "":
		text += "; it lacks the address " + v.f.dialed().Addr().String() + v.ofProxy() + ", which matters if the client used that address, and its issuer is "
	case v.askedFor() == "" && !v.f.dialed().IsValid():
		text += ", which leaves the name that the client expects, and its issuer: "
	case v.askedFor() != "":
		text += " and valid for the name asked for, which leaves its issuer: "
	default:
		text += " and valid for this address, which leaves its issuer: "
	}
	return text + brief(nameOf(&leaf.Issuer, leaf.RawIssuer))
}

// askedFor is the name that the client asked for, "" when it asked for none.
func (v *view) askedFor() string {
	if h := v.f.TLS.ClientHello; h != nil {
		return h.ServerName
	}
	return ""
}

// nameMismatch says how the name or address that the client asked for differs from those of the certificate: "" when it does not.
func (v *view) nameMismatch() string {
	leaf, h := v.serverLeaf(), v.f.TLS.ClientHello
	if leaf == nil || h == nil {
		return ""
	}
	if h.ServerName != "" {
		if namesExactly(leaf, h.ServerName) || leaf.VerifyHostname(h.ServerName) == nil {
			return ""
		}
		return "the client asked for " + brief(h.ServerName) + ", and the certificate is valid for " + sans(leaf)
	}
	to := v.f.dialed()
	if !to.IsValid() || hasIP(leaf, to.Addr()) {
		return ""
	}
	return "the client asked for no name, so for the address " + to.Addr().String() + v.ofProxy() + ", and the certificate is valid for " + sans(leaf)
}

// namesExactly reports whether the certificate has the very name, and it is no address: those have no letters, or colons. Then
// VerifyHostname, which takes all names apart each time, has nothing to object.
func namesExactly(leaf *x509.Certificate, name string) bool {
	return slices.Contains(leaf.DNSNames, name) && hasLetter(name) && strings.IndexByte(name, ':') < 0
}

func hasLetter(s string) bool {
	for i := range len(s) {
		if c := s[i] | 0x20; c >= 'a' && c <= 'z' {
			return true
		}
	}
	return false
}

// serverName compares the certificate with the name asked for. Where the client did not refuse it, it does not matter to it, or
// it checks later: curl and OpenSSL compare names after the handshake.
func (v *view) serverName() {
	if v.serverLeaf() == nil {
		return
	}
	text := v.nameMismatch()
	if text == "" {
		return
	}
	a, _ := v.refusedByClient()
	c := &v.f.TLS.Certificates[FromServer]
	asked := v.f.TLS.ClientHello.ServerName != ""
	switch {
	case a != nil && (a.Code == alertBadCertificate || a.Code == alertCertUnknown):
		f := v.add(CodeServerNameMismatch, Likely, text)
		if asked {
			f.Confidence = Certain
		}
		v.blamesDetour(f.saw(FromServer, c.Packet, c.At, "certificate valid for "+sans(v.serverLeaf())).sawAlert(a))
	case v.result == OutcomeEstablished && v.unusedByClient():
		f := v.add(CodeServerNameMismatch, Likely, text+"; the client completed the handshake and closed without sending anything, as curl does when the name is wrong")
		if !asked { // or a probe, or a client behind NAT that used another address
			f.Severity, f.Confidence, f.AtFault = Warning, Possible, FaultUnknown
			f.Meaning += ", and as health checks do"
		}
		v.blamesDetour(f.saw(FromServer, c.Packet, c.At, "certificate valid for "+sans(v.serverLeaf())))
	case asked && v.result == OutcomeEstablished:
		f := v.add(CodeServerNameMismatch, Possible, text+"; this client did not mind")
		f.Severity = Info
	}
}

// unusedByClient reports whether the client was the first to take its leave, and sent no application data before (TLS 1.2).
func (v *view) unusedByClient() bool {
	return v.f.TLS.Version != tlswire.VersionTLS13 && v.f.TLS.Encrypted[FromClient].Data == 0 && v.clientEndedFirst()
}

// serverCertificate judges the server's certificate by itself.
func (v *view) serverCertificate() {
	leaf := v.serverLeaf()
	if leaf == nil {
		return
	}
	c := &v.f.TLS.Certificates[FromServer]
	refused, _ := v.refusedByClient()
	if text := validity(leaf, c.At); text != "" {
		f := v.add(CodeServerCertExpired, Certain, "the server's certificate "+brief(c.Chain[0].Subject)+": "+text)
		f.saw(FromServer, c.Packet, c.At, "certificate valid from "+day(leaf.NotBefore)+" to "+day(leaf.NotAfter))
		if refused == nil {
			f.Severity, f.Meaning = Warning, f.Meaning+"; this client did not refuse it for that"
		}
	}
	if !allows(leaf, x509.ExtKeyUsageServerAuth) {
		f := v.add(CodeServerCertKeyUsage, Certain, "the server's certificate "+brief(c.Chain[0].Subject)+" has the extended key usage "+usages(leaf)+", and servers need serverAuth")
		f.saw(FromServer, c.Packet, c.At, "extended key usage "+usages(leaf))
		if refused == nil {
			f.Severity = Warning
		}
	}
	v.certificateQuality(FromServer, "server")
}

// certificateQuality warns of what works now and will not for ever.
func (v *view) certificateQuality(d Direction, side string) {
	c := &v.f.TLS.Certificates[d]
	leaf := c.Chain[0].X509
	if leaf == nil {
		return
	}
	if text := weakness(leaf); text != "" {
		v.add(CodeWeakCertificate, Certain, "the "+side+"'s certificate "+brief(c.Chain[0].Subject)+" is weak: "+text).
			saw(d, c.Packet, c.At, "SHA-256 "+hexBytes(c.Chain[0].SHA256[:]))
	}
	if left := leaf.NotAfter.Sub(c.At); dated(c.At) && left > 0 && left < expiresSoon {
		v.add(CodeCertExpiresSoon, Certain, "the "+side+"'s certificate "+brief(c.Chain[0].Subject)+" expires on "+day(leaf.NotAfter)+", "+span(left)+" after this connection").
			saw(d, c.Packet, c.At, "not_after "+day(leaf.NotAfter))
	}
}

// clientAlert is for an alert of the client's that is not about the server's certificate.
func (v *view) clientAlert() {
	if v.result != OutcomeRejectedByClient || v.has(CodeServerCertRefused) {
		return
	}
	if a := v.sentAlert(FromClient); a != nil {
		v.add(CodeClientAlert, Certain, "the client ended the handshake with the alert "+a.Code.String()+" "+v.stage()).sawAlert(a)
		return
	}
	v.add(CodeClientAlert, Likely, "the client ended the handshake with an encrypted alert "+v.stage())
}
