package analysis

import (
	"crypto/x509"
	"slices"

	"github.com/etcdtap/etcdtap/analysis/tlswire"
)

// afterCertificate lists the alerts with which servers refuse a client's certificate or its absence.
var afterCertificate = []tlswire.AlertCode{alertHandshakeFailure, alertBadCertificate, alertUnsupportedCert, alertCertRevoked,
	alertCertExpired, alertCertUnknown, alertUnknownCA, alertDecodeError, alertDecryptError, alertCertificateRequired}

// clientCertMissing: an empty Certificate message and an alert, in clear (TLS 1.2) or decrypted.
func (v *view) clientCertMissing() {
	a := v.rejection()
	if a == nil || !v.f.TLS.Certificates[FromClient].Visibility.Shown() || len(v.f.TLS.Certificates[FromClient].Chain) > 0 {
		return
	}
	c, r := &v.f.TLS.Certificates[FromClient], &v.f.TLS.CertificateRequest
	f := v.add(CodeClientCertMissing, Certain, "the server asked for a client certificate, the client sent none, and the server refused it")
	if len(r.Authorities) > 0 {
		f.Meaning += "; either none is configured, or the client withheld one whose issuer is not among those the server named (" + authorities(r) + ")"
		f.saw(FromServer, r.Packet, v.f.TLS.ServerHelloAt.At, "CertificateRequest names "+authorities(r))
	}
	f.saw(FromClient, c.Packet, c.At, "an empty Certificate message").sawAlert(a)
}

// authorities lists the acceptable CA names.
func authorities(r *CertificateRequestFacts) string {
	const most = 4
	if len(r.Authorities) == 0 {
		return "no CA: any will do"
	}
	s := ""
	for i, n := range r.Authorities {
		if i == most {
			return s + " and " + itoa(len(r.Authorities)+r.More-most) + " more"
		}
		if i > 0 {
			s += "; "
		}
		s += brief(n)
	}
	return s
}

// problem is something wrong with a certificate, found by looking at it.
type problem struct {
	code       Code
	confidence Confidence
	text       string
}

// clientCertProblems looks at the presented chain as crypto/x509 does, in its order: critical extensions and validity of the
// leaf, then the chain, then the key usage (verify.go, Certificate.Verify).
func (v *view) clientCertProblems() []problem {
	t := v.f.TLS
	chain, at := t.Certificates[FromClient].Chain, t.Certificates[FromClient].At
	leaf := chain[0].X509
	if leaf == nil {
		return []problem{{CodeClientCertInvalid, Certain, "it does not parse (" + brief(chain[0].Err.Error()) + ")"}}
	}
	var out []problem
	if s := brokenChain(chain); s != "" {
		out = append(out, problem{CodeClientCertChainInvalid, Certain, s})
	}
	if s := validity(leaf, at); s != "" {
		out = append(out, problem{CodeClientCertExpired, Certain, s})
	}
	if r := &t.CertificateRequest; r.Visibility.Shown() && len(r.RawAuthorities) > 0 && r.More == 0 && !namedIssuer(chain, r.RawAuthorities) {
		out = append(out, problem{CodeClientCertUntrusted, Certain, "its issuer " + brief(chain[0].Issuer) + " is not among the CAs that the server accepts (" + authorities(r) + ")"})
	}
	if s := t.Certificates[FromServer].Chain; len(s) > 0 && s[0].X509 != nil && otherIssuerKey(leaf, s[0].X509) {
		out = append(out, problem{CodeCARegenerated, Likely, "its issuer has the same name as the server certificate's issuer (" + brief(chain[0].Issuer) + ") but another key (key identifier " + hexBytes(short(leaf.AuthorityKeyId)) + ", the server's " + hexBytes(short(s[0].X509.AuthorityKeyId)) + "): the CA was made anew"})
	}
	if !allows(leaf, x509.ExtKeyUsageClientAuth) {
		out = append(out, problem{CodeClientCertKeyUsage, Certain, "its extended key usage is " + usages(leaf) + ", and clients need clientAuth"})
	}
	if p, found := issuersProblem(chain, at); found && !slices.ContainsFunc(out, func(o problem) bool { return o.code == p.code }) {
		out = append(out, p)
	}
	return out
}

func short(b []byte) []byte { return b[:min(len(b), 8)] }

// refusalCodes are the causes that an alert code allows. Go 1.21 and later are specific; before, all was bad_certificate
// (crypto/tls, handshake_server.go, processCertsFromClient).
func refusalCodes(a tlswire.AlertCode) []Code {
	switch a {
	case alertCertExpired:
		return []Code{CodeClientCertExpired}
	case alertUnknownCA:
		return []Code{CodeClientCertChainInvalid, CodeCARegenerated, CodeClientCertUntrusted}
	case alertCertRevoked:
		return []Code{CodeClientCertRevoked}
	case alertDecodeError, alertDecryptError:
		return []Code{CodeClientCertInvalid}
	}
	return []Code{CodeClientCertInvalid, CodeClientCertChainInvalid, CodeClientCertExpired, CodeClientCertUntrusted, CodeCARegenerated, CodeClientCertKeyUsage}
}

// clientCertRefused: TLS 1.2, the client's certificate is visible and the server answered it with an alert.
func (v *view) clientCertRefused() {
	a := v.rejection()
	if a == nil || v.f.TLS.Certificates[FromClient].Visibility == Absent && !v.f.TLS.ClientKeyExchange || !slices.Contains(afterCertificate, a.Code) {
		return
	}
	c := &v.f.TLS.Certificates[FromClient]
	if len(c.Chain) == 0 {
		if c.Visibility == Missed && v.maybeOfCertificate(a) {
			v.add(CodeClientCertRefused, Likely, "the server refused the client's certificate with the alert "+a.Code.String()+"; the certificate itself is not in the capture").sawAlert(a)
		}
		return
	}
	problems := v.clientCertProblems()
	for _, code := range refusalCodes(a.Code) {
		if i := slices.IndexFunc(problems, func(p problem) bool { return p.code == code }); i >= 0 {
			v.refusedFor(problems[i], a)
			return
		}
	}
	v.refusedUnseen(a)
}

// certificateOnly lists the alerts that servers send for nothing but a client's certificate.
var certificateOnly = []tlswire.AlertCode{alertBadCertificate, alertUnsupportedCert, alertCertRevoked, alertCertExpired, alertCertUnknown, alertUnknownCA}

// maybeOfCertificate reports whether a server's alert in clear can be its answer to a client's certificate that is not in the capture: some
// say so themselves, others may be about the ClientHello as long as the server has not ended its part.
func (v *view) maybeOfCertificate(a *Alert) bool {
	t, s := v.f.TLS, &v.f.Stream[FromServer]
	sure := slices.Contains(certificateOnly, a.Code)
	if t.ServerHello == nil {
		return sure && v.lacksBegin(FromServer)
	}
	whole := s.Missed == 0 && (s.StartMissed || !s.EarlyGap) // since its hello
	return t.Version < tlswire.VersionTLS13 && (sure || t.HelloDone || t.ClientKeyExchange || !whole)
}

// clientSubject names the client's certificate for a sentence.
func (v *view) clientSubject() string {
	leaf := v.f.TLS.Certificates[FromClient].Chain[0]
	if leaf.X509 == nil {
		return "the client's certificate"
	}
	return "the client's certificate " + brief(leaf.Subject)
}

func (v *view) refusedFor(p problem, a *Alert) {
	c := &v.f.TLS.Certificates[FromClient]
	f := v.add(p.code, p.confidence, "the server refused "+v.clientSubject()+": "+p.text)
	f.saw(FromClient, c.Packet, c.At, "Certificate of "+itoa(len(c.Chain)+c.More)+": SHA-256 "+hexBytes(c.Chain[0].SHA256[:])).sawAlert(a)
}

// refusedUnseen is for a refusal whose reason the certificate does not show.
func (v *view) refusedUnseen(a *Alert) {
	c := &v.f.TLS.Certificates[FromClient]
	code, confidence, why := CodeClientCertRefused, Certain, "the certificate itself shows no reason"
	switch a.Code {
	case alertUnknownCA:
		code, confidence, why = CodeClientCertUntrusted, Certain, "no chain leads from it to a CA that the server trusts (etcd: --trusted-ca-file)"
		if r := &v.f.TLS.CertificateRequest; namedIssuer(c.Chain, r.RawAuthorities) {
			why = "its issuer " + brief(c.Chain[0].Issuer) + " is named among the CAs that the server accepts, but its signature is not by that CA's key: a CA of the same name was made anew, or an intermediate is missing"
		}
	case alertCertExpired:
		code, confidence, why = CodeClientCertExpired, Likely, "the server takes it, or a certificate above it, for expired or not yet valid; at this capture's time the leaf is in its period: compare the clocks"
	case alertCertRevoked:
		code, why = CodeClientCertRevoked, "the server says that it was revoked"
	case alertDecodeError, alertDecryptError:
		code, why = CodeClientCertInvalid, "the server could not use it or the signature made with its key"
	}
	f := v.add(code, confidence, "the server refused "+v.clientSubject()+": "+why)
	f.saw(FromClient, c.Packet, c.At, "Certificate of "+itoa(len(c.Chain)+c.More)+": SHA-256 "+hexBytes(c.Chain[0].SHA256[:])).sawAlert(a)
	if code == CodeClientCertRefused {
		v.add(CodeClientCertNotAllowed, Possible, "issuer, period and key usage of "+v.clientSubject()+" look right: --client-cert-allowed-hostname, --peer-cert-allowed-cn or --peer-cert-allowed-hostname may forbid its name").sawAlert(a)
	}
}

// clientCertHidden: TLS 1.3, where the refusal comes after the client's handshake is over and is encrypted.
func (v *view) clientCertHidden() {
	if v.result != OutcomeRejectedByServer || v.f.TLS == nil || v.rejection() != nil || !v.refusedAfter() {
		return
	}
	client, server := &v.f.TLS.Encrypted[FromClient], &v.f.TLS.Encrypted[FromServer]
	end := "closed"
	if v.shape.RefusedAfter {
		end = "sent an alert"
	}
	var f *Finding
	if v.shape.Client == PresentedEmpty {
		f = v.add(CodeClientCertMissing, Likely, "in TLS 1.3 this is encrypted and inferred from record lengths: the server asked for a client certificate, the client sent an empty one, and the server "+end+" at once")
		f.saw(FromClient, client.Shape[0].Packet, client.Shape[0].At(), "encrypted record of "+itoa(int(client.Shape[0].Length))+" bytes: an empty Certificate message")
	} else if v.shape.Client == PresentedUnknown {
		f = v.add(CodeClientCertRefused, Possible, "in TLS 1.3 this is encrypted and inferred from record lengths: the server asked for a client certificate and "+end+" at once after the client's answer, before any ticket or data: it refused a certificate or that there was none; the client's lengths do not tell which, etcd's log does")
		f.saw(FromClient, client.Shape[0].Packet, client.Shape[0].At(), "encrypted record of "+itoa(int(client.Shape[0].Length))+" bytes: the client's answer")
	} else {
		f = v.add(CodeClientCertRefused, Likely, "in TLS 1.3 this is encrypted and inferred from record lengths: the client presented a certificate, and the server "+end+" at once, before any ticket or data: it refused the certificate; etcd's log says why")
		f.saw(FromClient, client.Shape[0].Packet, client.Shape[0].At(), "encrypted record of "+itoa(int(client.Shape[0].Length))+" bytes: the client's certificate")
	}
	if v.shape.RefusedAfter {
		r := &server.Shape[v.shape.Answered]
		f.saw(FromServer, r.Packet, r.At(), "encrypted record of "+itoa(int(r.Length))+" bytes: an alert")
	}
	v.sawClose(f, FromServer)
	if v.endpoint == EndpointPeer && v.shape.Client != PresentedEmpty && v.f.TLS.ClientHello != nil && !slices.Contains(v.f.TLS.ClientHello.PSKModes, pskWithDHE) {
		f := v.add(CodePeerSANMismatch, Possible, "this client takes no tickets, as etcd's members do not, so the end of a handshake that failed looks like that of one that succeeded: the peer port may have closed because the certificate is not valid for "+HostText(v.f.KnownAs().Addr())+", or is on the revocation list")
		v.sawClose(f, FromServer)
	}
}

// pskWithDHE is the PSK mode without which Go's server sends no ticket (crypto/tls, handshake_server_tls13.go,
// shouldSendSessionTickets); Go's client offers it only when it has a cache for them.
const pskWithDHE = 1

// clientCertificate judges a client certificate that was presented and not refused.
func (v *view) clientCertificate() {
	if v.f.TLS == nil || len(v.f.TLS.Certificates[FromClient].Chain) == 0 {
		return
	}
	v.certificateQuality(FromClient, "client")
}
