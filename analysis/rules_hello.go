package analysis

import (
	"slices"
	"strings"

	"github.com/etcdtap/etcdtap/analysis/tlswire"
)

// violation returns the first violation of the kinds in direction d, nil if there is none.
func (v *view) violation(d Direction, kinds ...ViolationKind) *Violation {
	if v.f.TLS == nil {
		return nil
	}
	for i := range v.f.TLS.Violations {
		if w := &v.f.TLS.Violations[i]; w.From == d && slices.Contains(kinds, w.Kind) {
			return w
		}
	}
	return nil
}

func (f *Finding) sawViolation(w *Violation) *Finding {
	return f.saw(w.From, w.Packet, w.At, brief(w.Err.Error()))
}

func (v *view) sslv2Hello() {
	if v.f.Stream[FromClient].Protocol != ProtocolSSLv2 || v.result == OutcomeEstablished {
		return
	}
	c := &v.f.Stream[FromClient]
	f := v.add(CodeSSLv2Hello, Certain, "the client sent a ClientHello in the framing of SSL 2.0; "+v.serverAnswer())
	f.sawBytes(FromClient, c.FirstPacket, c.FirstAt, "first bytes of the client", c.FirstBytes[:min(len(c.FirstBytes), 5)])
	if a := v.sentAlert(FromServer); a != nil {
		f.sawAlert(a)
	}
}

func (v *view) oversizedRecord() {
	w := v.violation(FromClient, ViolationOversized)
	if w == nil {
		return
	}
	f := v.add(CodeOversizedRecord, Certain, "the client sent a TLS record whose header announces "+w.Err.Problem+"; "+v.serverAnswer()).sawViolation(w)
	if a := v.sentAlert(FromServer); a != nil {
		f.sawAlert(a)
	}
}

func (v *view) malformedHandshake() {
	c := &v.f.Stream[FromClient]
	if c.Protocol == ProtocolTLSBadVersion {
		v.add(CodeMalformedHandshake, Certain, "the client sent a handshake record of a version that no TLS has (hex "+hexBytes(c.FirstBytes[:min(len(c.FirstBytes), 5)])+"); "+v.serverAnswer()).
			sawBytes(FromClient, c.FirstPacket, c.FirstAt, "record header", c.FirstBytes[:min(len(c.FirstBytes), 5)])
		return
	}
	if w := v.violation(FromClient, ViolationTooLong, ViolationUnexpected); w != nil {
		v.add(CodeMalformedHandshake, Certain, "what the client sent inside a handshake record is no handshake message ("+brief(w.Err.Error())+"); "+v.serverAnswer()).sawViolation(w)
		return
	}
	w := v.violation(FromClient, ViolationMessage)
	if w == nil {
		return
	}
	code, what := CodeMalformedClientHello, "ClientHello"
	if !strings.HasPrefix(w.Err.Path, what) {
		code, what = CodeMalformedHandshake, "handshake message"
	}
	f := v.add(code, Certain, "the client's "+what+" does not parse ("+brief(w.Err.Error())+"); "+v.serverAnswer()).sawViolation(w)
	if a := v.sentAlert(FromServer); a != nil {
		f.sawAlert(a)
	} else if v.result == OutcomeEstablished {
		f.Severity, f.Meaning = Info, f.Meaning+", and did not mind"
	}
}

func (v *view) malformedServerHello() {
	if w := v.violation(FromServer, ViolationMessage, ViolationTooLong, ViolationUnexpected, ViolationOversized); w != nil {
		f := v.add(CodeMalformedServerHello, Certain, "what the server sent does not parse ("+brief(w.Err.Error())+")").sawViolation(w)
		if v.result == OutcomeEstablished {
			f.Severity = Info
		}
	}
}

func (v *view) recordDesync() {
	w := v.violation(FromClient, ViolationDesync)
	if w == nil {
		w = v.violation(FromServer, ViolationDesync)
	}
	if w == nil {
		return
	}
	v.add(CodeRecordDesync, Certain, "in the middle of TLS the "+w.From.String()+" sent something that is no record of this connection: "+brief(w.Err.Problem)).sawViolation(w)
}

// helloRefused is the ClientHello that the server refused with one of the alerts, before it had answered with a hello. nil if it did not.
func (v *view) helloRefused(codes ...tlswire.AlertCode) (*tlswire.ClientHello, *Alert) {
	a := v.rejection()
	if a == nil || v.f.TLS.ClientHello == nil || v.pastHello() || !slices.Contains(codes, a.Code) {
		return nil, nil
	}
	if v.violation(FromClient, ViolationMessage, ViolationDesync) != nil {
		return nil, nil
	}
	return v.f.TLS.ClientHello, a
}

// pastHello reports whether an alert of the server's comes too late to be about the ClientHello. Up to its ServerHelloDone the
// server of TLS 1.2 may still find that it cannot sign.
func (v *view) pastHello() bool {
	t := v.f.TLS
	if t.ServerHello == nil { // not sent, or not captured
		return t.ClientKeyExchange || t.Certificates[FromClient].seen || t.Certificates[FromServer].seen
	}
	return t.HelloDone || t.ClientKeyExchange || v.f.Stream[FromClient].EarlyGap || v.f.Stream[FromServer].EarlyGap
}

func (v *view) versionMismatch() {
	h, a := v.helloRefused(alertProtocolVersion)
	if h == nil || v.f.TLS.ServerHello != nil {
		return
	}
	offered := h.OfferedVersions()
	f := v.add(CodeVersionMismatch, Certain, "the client offers only "+names(offered)+", and the server takes none of these")
	switch {
	case slices.Contains(offered, tlswire.VersionTLS12) && slices.Contains(offered, tlswire.VersionTLS13):
		f.Confidence, f.AtFault = Likely, FaultServer
		f.Meaning = "the client offers " + names(offered) + ", all that etcd speaks, and the server refused the version all the same: it is no etcd of today, or something in between answered"
	case h.MaxVersion() == 0:
		f.Meaning = "the client offers no version of TLS that is known"
	case h.MaxVersion() < tlswire.VersionTLS12:
		f.AtFault, f.Meaning = FaultClient, f.Meaning+": Go's TLS, and so etcd, takes TLS 1.2 at the least"
	case !slices.Contains(offered, tlswire.VersionTLS12):
		f.AtFault, f.Meaning = FaultServer, f.Meaning+": etcd 3.5.0 to 3.5.7 speak no TLS 1.3, and --tls-max-version=TLS1.2 forbids it"
	case !slices.Contains(offered, tlswire.VersionTLS13):
		f.AtFault, f.Meaning = FaultServer, f.Meaning+": the server insists on TLS 1.3 (--tls-min-version=TLS1.3)"
	}
	f.saw(FromClient, v.f.TLS.ClientHelloAt.Packet, v.f.TLS.ClientHelloAt.At, "ClientHello offers "+names(offered)).sawAlert(a)
}

// names lists values by their names.
func names[T interface{ String() string }](list []T) string {
	const most = 12
	s := make([]string, 0, most+1)
	for i, x := range list {
		if i == most {
			s = append(s, "and "+itoa(len(list)-most)+" more")
			break
		}
		s = append(s, x.String())
	}
	if len(s) == 0 {
		return "none"
	}
	return strings.Join(s, ", ")
}

// noCommonParameters finds out which of cipher suite, group and signature algorithm a handshake_failure is about, by what
// crypto/tls would pick.
func (v *view) noCommonParameters() {
	h, a := v.helloRefused(alertHandshakeFailure, alertInsufficientSecurity, alertIllegalParameter)
	if h == nil {
		return
	}
	t := v.f.TLS
	o := offerOf(h)
	cipher := func(c Confidence, why string) {
		f := v.add(CodeCipherMismatch, c, "client and server have no cipher suite in common"+why)
		f.saw(FromClient, t.ClientHelloAt.Packet, t.ClientHelloAt.At, "ClientHello offers "+names(h.CipherSuites)).sawAlert(a)
	}
	group := func() {
		f := v.add(CodeGroupMismatch, Certain, "client and server have no key exchange group in common: the client offers "+names(h.Groups)+", Go knows X25519MLKEM768, x25519, secp256r1, secp384r1 and secp521r1")
		f.saw(FromClient, t.ClientHelloAt.Packet, t.ClientHelloAt.At, "supported_groups "+names(h.Groups)).sawAlert(a)
	}
	signature := func(c Confidence) {
		f := v.add(CodeSignatureAlgorithmMismatch, c, "the client takes none of the signature algorithms that the server's certificate can make: it offers "+names(h.SignatureAlgorithms))
		f.saw(FromClient, t.ClientHelloAt.Packet, t.ClientHelloAt.At, "signature_algorithms "+names(h.SignatureAlgorithms)).sawAlert(a)
	}
	switch {
	case t.ServerHello != nil && o.signatures == 0: // the suite and the group are agreed
		signature(Certain)
	case t.ServerHello != nil:
		signature(Likely)
	case o.suites13 == 0 && o.suitesRSA == 0 && o.suitesECDSA == 0:
		cipher(Certain, ": none of those that the client offers is known to Go's TLS")
	case len(h.Groups) > 0 && o.groups == 0 && o.tls13:
		group()
	case len(h.Groups) > 0 && o.groups == 0 && !o.keyTransport:
		group()
		cipher(Certain, ", because no key exchange group is shared: etcd's log calls that \"no cipher suite supported by both\"")
	case len(h.SignatureAlgorithms) > 0 && o.signatures == 0:
		signature(Certain)
	case !o.tls13 && o.suitesRSA == 0:
		cipher(Likely, ": the client offers only suites for ECDSA certificates, and the server's is probably RSA, as kubeadm makes them")
	case !o.tls13 && o.suitesECDSA == 0 && o.signaturesRSA > 0:
		cipher(Likely, ": the client offers only suites for RSA certificates; the server's is probably ECDSA, or --cipher-suites leaves none over")
	case o.signaturesRSA == 0 && len(h.SignatureAlgorithms) > 0:
		signature(Likely)
	case a.Code == alertIllegalParameter:
		// The offer suits, and something in the hello does not: serverAlert.
	default:
		cipher(Possible, " that the server's certificate and its --cipher-suites allow")
	}
}

func (v *view) alpnMismatch() {
	h, a := v.helloRefused(alertNoApplicationProtocol)
	if h == nil || slices.Contains(h.ALPN, "h2") || slices.Contains(h.ALPN, "http/1.1") {
		return // etcd speaks these: serverAlert
	}
	v.add(CodeALPNMismatch, Certain, "the client asks for the application protocols "+briefly(h.ALPN)+"; etcd speaks h2 and http/1.1").
		saw(FromClient, v.f.TLS.ClientHelloAt.Packet, v.f.TLS.ClientHelloAt.At, "ClientHello's ALPN "+briefly(h.ALPN)).sawAlert(a)
}

// serverAlert is for an alert that no other rule explains.
func (v *view) serverAlert() {
	if v.result != OutcomeRejectedByServer || v.f.TLS == nil || len(v.found) > 0 {
		return
	}
	a := v.rejection()
	if a == nil {
		if e := v.deciding(); e != nil {
			v.add(CodeServerAlert, Likely, "the server ended the handshake with an encrypted alert "+v.stage()).
				saw(e.From, e.Packet, e.At, "an encrypted alert")
		}
		return
	}
	if a.Code == alertBadRecordMAC {
		v.add(CodeRecordMACFailure, Certain, "the server could not decrypt what the client sent "+v.stage()+", and the client sent no alert in clear that would explain it: something on the way changed the bytes, or the two have different keys").sawAlert(a)
		return
	}
	if t := v.f.TLS; a.Code == alertInternalError && t.ClientHello != nil && t.ServerHello == nil {
		v.add(CodeServerCertUnreadable, Likely, "the ClientHello is well-formed, and the server answered with internal_error: it could not read or use its own certificate and key").sawAlert(a)
		return
	}
	if v.f.TLS.ClientHello == nil && v.lacksBegin(FromClient) && v.alertAlone(a) {
		return
	}
	v.add(CodeServerAlert, Certain, "the server ended the handshake with the alert "+a.Code.String()+" "+v.stage()).sawAlert(a)
}

func (v *view) legacyVersion() {
	t := v.f.TLS
	if t == nil || t.ServerHello == nil || t.Version >= tlswire.VersionTLS12 {
		return
	}
	v.add(CodeLegacyTLSVersion, Certain, "client and server agreed on "+t.Version.String()).
		saw(FromServer, t.ServerHelloAt.Packet, t.ServerHelloAt.At, "ServerHello chooses "+t.Version.String())
}
