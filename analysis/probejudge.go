package analysis

import (
	"crypto/x509"
	"slices"
	"strings"

	"github.com/etcdtap/etcdtap/analysis/tlswire"
)

// Judge fills in Findings. Where the handshake never got to a ServerHello the rules on packets judge what passed; beyond it we were
// a party to the handshake, and know what a capture can only infer.
func (p *Probe) Judge(expect Expectations) {
	j := &probeJudge{Probe: p, view: view{f: p.Facts, endpoint: expect.Endpoint(p.Server), expect: &expect}}
	if p.Facts == nil {
		j.view.f = &Facts{Server: p.Server}
	}
	switch a := &p.Main; {
	case !a.Connected:
		j.unreachable()
	case !a.Hello:
		j.noHello(expect)
	default:
		j.clientCertificate()
		j.serverCertificate()
	}
	j.outdated()
	j.deployed(&expect)
	p.Findings = j.view.findings()
}

type probeJudge struct {
	*Probe
	view view
}

// add starts a finding whose first evidence is what was done and seen.
func (j *probeJudge) add(code Code, c Confidence, meaning string, a *Attempt) *Finding {
	f := j.view.add(code, c, meaning)
	f.Evidence = append(f.Evidence, Evidence{Text: a.story(), At: a.At})
	return f
}

// story says what was done in an attempt and what came of it.
func (a *Attempt) story() string {
	s := "probed: "
	switch {
	case !a.Connected:
		return s + "no connection: " + brief(a.Error)
	case a.Purpose == "listen":
		s += "connected and sent nothing"
	case a.Presented:
		s += "handshake with our certificate"
	default:
		s += "handshake without a client certificate"
	}
	if a.Offered != "" {
		s += ", offering " + brief(a.Offered)
	}
	return s + ": " + a.Outcome()
}

// Outcome says in a few words how an attempt ended, escaped.
func (a *Attempt) Outcome() string {
	when := ""
	switch {
	case a.Completed && a.Proof != "" && a.Result != AttemptAccepted:
		then := *a
		then.Completed, then.Proof = false, ""
		return "accepted" + a.proof() + ", then " + then.Outcome()
	case a.Completed:
		when = " on the first read after the handshake"
	}
	switch a.Result {
	case AttemptAccepted:
		return "accepted" + a.proof()
	case AttemptRefused:
		return "refused: alert " + a.Alert.String() + when
	case AttemptClosed:
		return "closed" + when
	case AttemptReset:
		return "reset" + when
	case AttemptNoAnswer:
		return "no answer in " + seconds(a.Took) + ", " + count(a.Bytes, "byte") + " received"
	case AttemptNotTLS:
		return "no TLS came back"
	}
	return brief(a.Error)
}

func (a *Attempt) proof() string {
	switch a.Proof {
	case "":
		return ""
	case proofSilence:
		return " (no refusal within " + seconds(a.Took) + ")"
	}
	return " (" + strings.ReplaceAll(a.Proof, "_", " ") + ")"
}

func (j *probeJudge) unreachable() {
	a := &j.Main
	if a.Result == AttemptConnectionRefused {
		j.add(CodeRefused, Certain, "nothing listens on "+j.Server.String()+", or a firewall rejects: the connection was refused", a)
		return
	}
	j.add(CodeUnanswered, Certain, "no connection to "+brief(j.Target)+" came about in "+seconds(a.Took)+": "+brief(a.Error), a)
}

// noHello judges a server that did not answer with a ServerHello.
func (j *probeJudge) noHello(expect Expectations) {
	a := &j.Main
	switch {
	case j.Listen != nil && j.Listen.Bytes > 0:
		j.add(CodeServerSpeaksFirst, Certain, "the server spoke before we did, which no server of TLS does", j.Listen)
		return
	case a.Result == AttemptNoAnswer && a.Bytes == 0:
		j.add(CodeNoReply, Certain, "the server accepted the connection and did not answer our ClientHello in "+seconds(a.Took), a)
		return
	case a.Result == AttemptNoAnswer:
		j.add(CodeHandshakeTimeout, Certain, "the server sent "+count(a.Bytes, "byte")+" in "+seconds(a.Took)+" and no whole answer", a)
		return
	case a.Result == AttemptFailed:
		j.add(CodeMalformedServerHello, Certain, "what the server sent cannot be used: "+brief(a.Error), a)
		return
	case a.Result == AttemptReset && a.Bytes == 0:
		f := j.add(CodeConnectionReset, Certain, "the connection was reset when we sent our ClientHello", a)
		f.Title, f.AtFault = "Server broke the connection off with RST", FaultUnknown
	}
	d := Diagnoser{Expectations: expect}
	for _, f := range d.Diagnose(j.Probe.Facts).Findings {
		if j.view.has(f.Code) {
			continue
		}
		f.Evidence = append([]Evidence{{Text: a.story(), At: a.At}}, f.Evidence[:min(len(f.Evidence), maxEvidence-1)]...)
		j.view.found = append(j.view.found, f)
	}
	if len(j.view.found) == 0 {
		j.add(CodeServerAlert, Possible, "the server did not take our ClientHello", a)
	}
}

// clientCertificate judges how the server took our certificate, or that there was none.
func (j *probeJudge) clientCertificate() {
	a := &j.Main
	switch {
	case a.Result == AttemptAccepted || a.Result == AttemptFailed && a.Completed:
	case a.Result == AttemptNoAnswer:
		j.add(CodeHandshakeTimeout, Certain, "the server began the handshake and did not finish it in "+seconds(a.Took), a)
	case a.Result == AttemptFailed:
		j.add(CodeMalformedServerHello, Certain, "the handshake could not be completed: "+brief(a.Error), a)
	case a.Requested && !a.Presented:
		j.certificateMissing(a)
	case a.Presented:
		j.certificateRefused(a)
	default:
		j.add(CodeServerAlert, Certain, "the server broke the handshake off: "+a.Outcome(), a)
	}
	if j.Own != nil && j.Own.X509 != nil && a.Presented {
		j.ownDates(a)
	}
}

func (j *probeJudge) certificateMissing(a *Attempt) {
	sure := Certain
	if a.Result != AttemptRefused {
		sure = Likely
	}
	f := j.add(CodeClientCertMissing, sure, "the server demands a client certificate, and the probe was given none (--cert and --key)", a)
	f.Severity = Info // that is how etcd should be; nothing failed but our curiosity
	f.Evidence = append(f.Evidence, Evidence{Text: "CertificateRequest: " + j.acceptable(), At: a.At, From: "server"})
}

// acceptable lists the CA names that the server accepts.
func (j *probeJudge) acceptable() string {
	switch {
	case j.Request == nil:
		return "not seen"
	case len(j.Request.Authorities) == 0:
		return "any CA"
	}
	return "CAs " + briefly(j.Request.Authorities)
}

// certificateRefused finds why our certificate was refused: the alert says it, or the certificate shows it.
func (j *probeJudge) certificateRefused(a *Attempt) {
	code, sure, why := j.refusal(a)
	f := j.add(code, sure, "the server refused our certificate "+brief(j.Own.Subject)+": "+why, a)
	if a.Completed && a.Proof != "" {
		f.Meaning = "the server accepted our certificate " + brief(j.Own.Subject) + " in TLS and closed at once: " + why
	}
	f.Evidence = append(f.Evidence, Evidence{Text: "our certificate: issuer " + brief(j.Own.Issuer), At: a.At, From: "client"},
		Evidence{Text: "CertificateRequest: " + j.acceptable(), At: a.At, From: "server"})
}

func (j *probeJudge) refusal(a *Attempt) (Code, Confidence, string) {
	if a.Completed && a.Proof != "" { // etcd's checks after the handshake (client/pkg/transport/listener_tls.go)
		if j.view.endpoint == EndpointPeer {
			return CodePeerSANMismatch, Likely, "its SANs lack the address we came from, or it is revoked, or the CRL cannot be read"
		}
		return CodeClientCertRefused, Possible, "it is revoked, or the CRL cannot be read, or the server ends what says nothing"
	}
	if a.Result != AttemptRefused {
		return CodeClientCertRefused, Likely, a.Outcome() + ", and no reason was given"
	}
	reason := "alert " + a.Alert.String()
	switch a.Alert {
	case alertUnknownCA:
		return CodeClientCertUntrusted, Certain, reason + ": it knows no CA that vouches for it"
	case alertCertExpired:
		return CodeClientCertExpired, Certain, reason
	case alertCertRevoked:
		return CodeClientCertRevoked, Certain, reason
	case alertDecryptError, alertDecodeError:
		return CodeClientCertInvalid, Certain, reason
	}
	return j.shownRefusal(a, reason)
}

// shownRefusal looks for the reason in our certificate, where the alert does not say it: Go says bad_certificate for most
// (crypto/tls, handshake_server.go).
func (j *probeJudge) shownRefusal(a *Attempt, reason string) (Code, Confidence, string) {
	own := j.Own.X509
	switch {
	case own == nil:
		return CodeClientCertRefused, Certain, reason
	case validity(own, a.At) != "":
		return CodeClientCertExpired, Certain, reason + ": " + validity(own, a.At)
	case !allows(own, x509.ExtKeyUsageClientAuth):
		return CodeClientCertKeyUsage, Likely, reason + ": its extended key usage is " + usages(own) + ", and clients need clientAuth"
	case j.Request != nil && len(j.Request.Authorities) > 0 && !slices.Contains(j.Request.Authorities, j.Own.Issuer):
		return CodeClientCertUntrusted, Likely, reason + ", and its issuer is not among the CAs that the server accepts"
	case a.Alert == alertBadCertificate:
		return CodeClientCertNotAllowed, Possible, reason + ", though its dates, its usage and its issuer's name are in order: a name that is not allowed, or a key that differs"
	}
	return CodeClientCertRefused, Certain, reason
}

// ownDates warns of our certificate's end.
func (j *probeJudge) ownDates(a *Attempt) {
	own := j.Own.X509
	if left := own.NotAfter.Sub(a.At); left > 0 && left < expiresSoon {
		j.add(CodeCertExpiresSoon, Certain, "our certificate "+brief(j.Own.Subject)+" expires on "+day(own.NotAfter)+", in "+span(left), a)
	}
	if accepted, known := j.Accepts(); known && accepted && validity(own, a.At) != "" {
		j.add(CodeClientCertExpired, Certain, "our certificate "+brief(j.Own.Subject)+": "+validity(own, a.At)+"; this server took it all the same", a).Severity = Warning
	}
}

// problemCode is the finding of a problem that verification names.
func problemCode(kind string) Code {
	switch kind {
	case "name":
		return CodeServerNameMismatch
	case "expired", "not_yet_valid":
		return CodeServerCertExpired
	case "key_usage":
		return CodeServerCertKeyUsage
	case "unreadable":
		return CodeMalformedServerHello
	}
	return CodeServerCertUntrusted
}

// serverCertificate judges what the server presented.
func (j *probeJudge) serverCertificate() {
	if len(j.Chain) == 0 {
		return
	}
	a, subject := &j.Main, "the server's certificate "+brief(j.Chain[0].Subject)
	seen := Evidence{Text: "SHA-256 " + hexBytes(j.Chain[0].SHA256[:]) + ", issuer " + brief(j.Chain[0].Issuer), At: a.At, From: "server"}
	for _, problem := range j.Verified.Problems {
		f := j.add(problemCode(problem.Kind), Certain, subject+" does not verify: "+problem.Text, a)
		f.Evidence = append(f.Evidence, seen)
	}
	leaf := j.Chain[0].X509
	if leaf == nil {
		return
	}
	if j.view.endpoint == EndpointPeer && !allows(leaf, x509.ExtKeyUsageClientAuth) && allows(leaf, x509.ExtKeyUsageServerAuth) {
		f := j.add(CodeServerCertKeyUsage, Likely, subject+" has the extended key usage "+usages(leaf)+"; members use it as clients, too, which needs clientAuth", a)
		f.Severity, f.Evidence = Warning, append(f.Evidence, seen)
	}
	if text := weakness(leaf); text != "" {
		f := j.add(CodeWeakCertificate, Certain, subject+" is weak: "+text, a)
		f.Evidence = append(f.Evidence, seen)
	}
	if left := leaf.NotAfter.Sub(a.At); left > 0 && left < expiresSoon {
		f := j.add(CodeCertExpiresSoon, Certain, subject+" expires on "+day(leaf.NotAfter)+", in "+span(left), a)
		f.Evidence = append(f.Evidence, seen)
	}
}

// outdated tells of versions that are accepted and should not be.
func (j *probeJudge) outdated() {
	var old []string
	var last *Attempt
	for i := range j.Versions {
		if v := &j.Versions[i]; v.Hello && v.Version < tlswire.VersionTLS12 {
			old, last = append(old, versionWords(v.Version)), v
		}
	}
	if last != nil {
		j.add(CodeLegacyTLSVersion, Certain, "the server still accepts "+strings.Join(old, " and "), last).AtFault = FaultServer
	}
}

// versionWords writes a version as people do: "TLS 1.3".
func versionWords(v tlswire.Version) string { return strings.Replace(v.String(), "v", " ", 1) }
