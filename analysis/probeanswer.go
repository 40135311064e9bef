package analysis

import "strings"

// Answer is the probe in one sentence, escaped.
func (p *Probe) Answer() string {
	who, a := brief(p.Target), &p.Main
	switch {
	case a.Result == AttemptConnectionRefused:
		return who + " refuses connections: nothing listens there"
	case !a.Connected:
		return who + " cannot be reached: " + brief(a.Error)
	case a.Hello:
		return who + " speaks " + versionWords(a.Version) + p.clientCertificate() + p.afterwards() + p.trust()
	case p.Listen != nil && p.Listen.Bytes > 0:
		return who + " is not etcd: it speaks first" + p.firstWords()
	case a.Result == AttemptNotTLS:
		return who + " does not speak TLS" + p.firstWords()
	case a.Result == AttemptRefused:
		return who + " speaks TLS and refused the handshake: alert " + a.Alert.String()
	case a.Result == AttemptClosed:
		return who + " closed the connection without an answer to TLS"
	case a.Result == AttemptReset:
		return who + " reset the connection without an answer to TLS"
	case a.Result == AttemptNoAnswer && a.Bytes == 0:
		return who + " accepts the connection and says nothing to TLS"
	}
	return who + " did not complete a handshake: " + a.Outcome()
}

// firstWords quotes what a server says that does not speak TLS.
func (p *Probe) firstWords() string {
	if p.Facts == nil {
		return ""
	}
	s := &p.Facts.Stream[FromServer]
	switch {
	case s.Request != "":
		return ": it answers \"" + brief(s.Request) + "\""
	case len(s.FirstBytes) > 0:
		return ": its first bytes are " + hexBytes(s.FirstBytes[:min(len(s.FirstBytes), 16)])
	}
	return ""
}

// clientCertificate says whether one is demanded and ours accepted.
func (p *Probe) clientCertificate() string {
	a := &p.Main
	demanded, known := p.Demands()
	var s string
	switch {
	case demanded:
		s = ", demands a client certificate"
	case known && (a.Requested || p.Bare != nil && p.Bare.Requested):
		s = ", asks for a client certificate without demanding it"
	case a.Requested:
		s = ", asks for a client certificate"
	case a.Completed:
		return " and asks for no client certificate"
	default:
		return ", and " + a.Outcome()
	}
	if !a.Presented {
		if p.Own == nil {
			s += "; none was given (--cert and --key)"
		}
		return s
	}
	subject := " (" + brief(p.Own.Subject) + ")"
	accepted, known := p.Accepts()
	switch {
	case known && accepted:
		return s + ", and accepts ours" + subject
	case known:
		return s + ", and refuses ours" + subject + ": alert " + a.Alert.String()
	}
	return s + ", and did not say whether it accepts ours" + subject + ": " + a.Outcome()
}

// afterwards tells of a server that closes although it accepted.
func (p *Probe) afterwards() string {
	if a := &p.Main; a.Completed && a.Proof != "" && a.Result != AttemptAccepted {
		return "; after the handshake it " + map[AttemptResult]string{AttemptClosed: "closed at once", AttemptReset: "reset the connection",
			AttemptRefused: "sent the alert " + a.Alert.String()}[a.Result]
	}
	return ""
}

// trust tells of a certificate that does not verify.
func (p *Probe) trust() string {
	var kinds []string
	for _, problem := range p.Verified.Problems {
		kinds = append(kinds, strings.ReplaceAll(problem.Kind, "_", " "))
	}
	if kinds == nil {
		return ""
	}
	return "; its certificate does not verify: " + strings.Join(kinds, ", ")
}
