package report

import (
	"io"

	"github.com/etcdtap/etcdtap/analysis"
)

// ProbeReport shows what handshakes of our own showed, one server after the other. ProbeJSON and ProbeText are its implementations.
// What holds for a Report holds for it.
type ProbeReport interface {
	// Probe shows one server, and flushes.
	Probe(p *analysis.Probe) error
}

// ProbeJSON writes a line of type "probe" for each server; docs/json.md describes each field.
type ProbeJSON struct {
	lines
	certs certTexts
}

// NewProbeJSON makes a ProbeReport that writes to w.
func NewProbeJSON(w io.Writer) *ProbeJSON { return &ProbeJSON{lines: newLines(w)} }

// Probe writes one line.
func (j *ProbeJSON) Probe(p *analysis.Probe) error {
	if j.err != nil {
		return j.err
	}
	b := append(j.buf, `{"type":"probe","schema":1`...)
	b = appendString(append(b, `,"target":`...), p.Target)
	b = appendAddrPort(append(b, `,"server":`...), p.Server)
	b = appendString(append(b, `,"server_name":`...), p.Name)
	b = appendTime(append(b, `,"start":`...), p.Start)
	b = appendTime(append(b, `,"end":`...), p.End)
	b = appendSeconds(append(b, `,"timeout":`...), p.Timeout)
	b = appendString(append(b, `,"answer":`...), p.Answer())
	b = appendName(append(b, `,"result":`...), p.Main.Result.String())
	b = append(b, `,"tls":`...)
	if p.Main.Hello {
		b = j.appendProbeTLS(b, p)
	} else {
		b = append(b, "null"...)
	}
	b = appendProbeCertificate(append(b, `,"client_certificate":`...), p)
	b = appendVerification(append(b, `,"verification":`...), p)
	b = appendAttempts(append(b, `,"attempts":`...), p)
	b = append(b, `,"requests":[`...)
	for i := range p.Requests {
		if i > 0 {
			b = append(b, ',')
		}
		b = appendProbeRequest(b, &p.Requests[i])
	}
	b = j.appendExpected(append(b, `],"expected":`...), p.Expected)
	b = appendFindings(append(b, `,"findings":`...), p.Findings)
	j.buf = append(b, '}', '\n')
	return j.Flush()
}

// appendProbeTLS appends what was agreed and presented, in the words of a connection's "tls".
func (j *ProbeJSON) appendProbeTLS(b []byte, p *analysis.Probe) []byte {
	b = appendName(append(b, `{"version":`...), p.Main.Version.String())
	b = appendName(append(b, `,"cipher_suite":`...), p.Main.Suite.String())
	b = appendString(append(b, `,"alpn":`...), p.Main.ALPN)
	b = appendName(append(b, `,"certificate_request":{"visibility":`...), probed(p.Request != nil, p.Main.Completed))
	var r analysis.CertificateRequest
	if p.Request != nil {
		r = *p.Request
	}
	b = appendStrings(append(b, `,"authorities":`...), r.Authorities)
	b = appendInt(append(b, `,"more":`...), int64(r.More))
	b = appendName(append(b, `},"server_certificates":{"visibility":`...), probed(len(p.Chain) > 0, false))
	b = append(b, `,"chain":[`...)
	for i, c := range p.Chain {
		if i > 0 {
			b = append(b, ',')
		}
		b = j.certs.append(b, c)
	}
	b = appendInt(append(b, `],"more":`...), int64(p.More))
	b = appendName(append(b, `},"client_certificates":{"visibility":`...), probed(p.Main.Presented, true))
	b = append(b, `,"chain":[`...)
	if p.Main.Presented && p.Own != nil {
		b = j.certs.append(b, p.Own)
	}
	return append(b, `],"more":0}}`...)
}

// probed is the visibility of what a handshake of ours showed: what did not come was not sent, if the handshake went far enough.
func probed(seen, farEnough bool) string {
	switch {
	case seen:
		return "probed"
	case farEnough:
		return "absent"
	}
	return "missed"
}

func appendProbeCertificate(b []byte, p *analysis.Probe) []byte {
	demanded, known := p.Demands()
	b = appendBool(append(b, `{"requested":`...), p.Main.Requested)
	b = appendTold(append(b, `,"demanded":`...), demanded, known)
	b = appendBool(append(b, `,"presented":`...), p.Main.Presented)
	accepted, known := p.Accepts()
	b = appendTold(append(b, `,"accepted":`...), accepted, known)
	held := ""
	if p.Request != nil && p.Own != nil {
		held = p.Request.Unsuitable
	}
	return append(appendString(append(b, `,"held_back_by_go":`...), held), '}')
}

// appendTold appends true or false, or null when it could not be told.
func appendTold(b []byte, v, known bool) []byte {
	if !known {
		return append(b, "null"...)
	}
	return appendBool(b, v)
}

func appendVerification(b []byte, p *analysis.Probe) []byte {
	b = appendBool(append(b, `{"checked":`...), len(p.Chain) > 0)
	b = appendString(append(b, `,"authority":`...), p.Verified.Authority)
	b = append(b, `,"problems":[`...)
	for i, problem := range p.Verified.Problems {
		if i > 0 {
			b = append(b, ',')
		}
		b = appendName(append(b, `{"kind":`...), problem.Kind)
		b = append(appendString(append(b, `,"text":`...), problem.Text), '}')
	}
	return append(b, ']', '}')
}

// attempts lists every connection that was made, in order; requests apart.
func attempts(p *analysis.Probe) []*analysis.Attempt {
	all := []*analysis.Attempt{&p.Main}
	for _, a := range [...]*analysis.Attempt{p.Bare, p.Listen} {
		if a != nil {
			all = append(all, a)
		}
	}
	for _, list := range [...][]analysis.Attempt{p.Versions, p.ALPN, p.Suites} {
		for i := range list {
			all = append(all, &list[i])
		}
	}
	return all
}

func appendAttempts(b []byte, p *analysis.Probe) []byte {
	b = append(b, '[')
	for i, a := range attempts(p) {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(appendAttempt(append(b, '{'), a), '}')
	}
	return append(b, ']')
}

// appendAttempt appends the fields of an attempt.
func appendAttempt(b []byte, a *analysis.Attempt) []byte {
	b = appendName(append(b, `"purpose":`...), a.Purpose)
	b = appendString(append(b, `,"offered":`...), a.Offered)
	b = appendTime(append(b, `,"at":`...), a.At)
	b = appendSeconds(append(b, `,"seconds":`...), a.Took)
	b = appendName(append(b, `,"result":`...), a.Result.String())
	b = appendBool(append(b, `,"completed":`...), a.Completed)
	version, suite := "", ""
	if a.Hello {
		version, suite = a.Version.String(), a.Suite.String()
	}
	b = appendName(append(b, `,"version":`...), version)
	b = appendName(append(b, `,"cipher_suite":`...), suite)
	b = appendString(append(b, `,"alpn":`...), a.ALPN)
	b = append(b, `,"alert":`...)
	if a.Result == analysis.AttemptRefused {
		b = appendInt(append(b, `{"code":`...), int64(a.Alert))
		b = append(appendName(append(b, `,"name":`...), a.Alert.String()), '}')
	} else {
		b = append(b, "null"...)
	}
	b = appendName(append(b, `,"proof":`...), a.Proof)
	b = appendInt(append(b, `,"bytes":`...), a.Bytes)
	return appendString(append(b, `,"error":`...), a.Error)
}

func appendProbeRequest(b []byte, r *analysis.ProbeRequest) []byte {
	b = appendString(append(b, `{"path":`...), r.Path)
	b = appendInt(append(b, `,"status":`...), int64(r.Status))
	b = appendString(append(b, `,"etcdserver":`...), r.Server)
	b = appendString(append(b, `,"etcdcluster":`...), r.Cluster)
	b = appendString(append(b, `,"health":`...), r.Health)
	b = appendString(append(b, `,"body":`...), r.BodyPrefix)
	b = appendName(append(b, `,"result":`...), r.Result.String())
	return append(appendString(append(b, `,"error":`...), r.Error), '}')
}

func (j *ProbeJSON) appendExpected(b []byte, e *analysis.ExpectedCompare) []byte {
	if e == nil {
		return append(b, "null"...)
	}
	b = appendString(append(b, `{"file":`...), e.File)
	b = appendBool(append(b, `,"same":`...), e.Same)
	b = appendStrings(append(b, `,"differs":`...), e.Differs)
	return append(j.certs.append(append(b, `,"certificate":`...), e.Certificate), '}')
}
