package analysis

import (
	"net/netip"
	"slices"
	"strings"

	"github.com/etcdtap/etcdtap/analysis/etcdlog"
)

// LogEntry is one line about a failed connection, with the judgement on it.
type LogEntry struct {
	etcdlog.Entry
	File     string    // where the line stands; "-" for standard input
	Endpoint Endpoint  // from the message, the error or the listener's port; EndpointOther when nothing tells
	Gateway  bool      // the client's address is etcd's own: its grpc-gateway, or something else on the same machine
	Findings []Finding // ranked: the most probable cause first, with what would confirm the others in their Fix

	Connection string // AppendID of the connection that it was joined to; "" when none was
	NotJoined  string // why it was not; "" when it was, or when there is no capture
	told       bool   // to the receiver of a LiveJoin
}

// Explainer judges log entries. It remembers, within bounds, the addresses that etcd was seen to have. The zero value judges by
// etcd's usual ports. It is not safe for concurrent use.
type Explainer struct {
	Expectations Expectations // no ports at all means DefaultExpectations
	local        map[localKey]bool
	known        map[textKey]*textRule
	pasted       pastedFixes
}

// localKey is an address that a log shows to be its own etcd's. Logs of several members may be read together, and to each the
// others are clients.
type localKey struct {
	file string
	addr netip.Addr
}

// textKey finds the rule for an error text that came before: most logs repeat a handful.
type textKey struct {
	kind etcdlog.Kind
	text string
}

const (
	maxKnownTexts = 1024 // error texts whose rule is remembered; those with addresses in them never repeat
	maxLocal      = 256  // addresses of etcd's own that are remembered
)

// Explain judges e. The result owns its findings.
func (x *Explainer) Explain(e *etcdlog.Entry, file string) LogEntry {
	if x.local == nil {
		x.local, x.known, x.pasted = make(map[localKey]bool), make(map[textKey]*textRule), make(pastedFixes)
		if p := &x.Expectations; len(p.ClientPorts)+len(p.PeerPorts)+len(p.MetricsPorts) == 0 {
			*p = DefaultExpectations()
		}
	}
	if e.Local.IsValid() && len(x.local) < maxLocal && (e.Kind == etcdlog.KindRejected || e.Kind == etcdlog.KindServerHandshake) {
		x.local[localKey{file, e.Local.Addr()}] = true
	}
	le := LogEntry{Entry: *e, File: file, Endpoint: x.endpoint(e)}
	le.Gateway = byServer&(1<<e.Kind) != 0 && (own(e) || e.Remote.IsValid() && x.local[localKey{file, e.Remote.Addr()}])
	le.Findings = x.findings(&le)
	if c := le.Findings[0].Code; le.Endpoint == EndpointOther && byServer&(1<<e.Kind) != 0 && (c == CodePeerSANMismatch || c == CodeGRPCToPeerPort) {
		le.Endpoint = EndpointPeer // the error itself says so: no other listener gives it
	}
	if le.Endpoint == EndpointPeer {
		le.Gateway = false // the gateway uses the client port
		x.peerCommands(le.Findings)
	}
	return le
}

// endpoint says which of etcd's ports a line is about.
func (x *Explainer) endpoint(e *etcdlog.Entry) Endpoint {
	switch e.Endpoint {
	case etcdlog.EndpointClient:
		return EndpointClient
	case etcdlog.EndpointPeer:
		return EndpointPeer
	}
	if e.Local.IsValid() && byServer&(1<<e.Kind) != 0 {
		return x.Expectations.Endpoint(e.Local)
	}
	if e.Kind == etcdlog.KindPeerDial {
		return EndpointPeer
	}
	if e.Kind == etcdlog.KindClient && e.Remote.IsValid() {
		return x.Expectations.Endpoint(e.Remote)
	}
	return EndpointOther
}

// findings draws the causes from the text.
func (x *Explainer) findings(e *LogEntry) []Finding {
	r, said := x.saying(e)
	if r == nil {
		return []Finding{unrecognised(e)}
	}
	if e.rulesOut(r.code) && len(r.also) > 0 {
		r = r.next()
	}
	f := findingOf(r.code, r.confidence)
	if r.fault != FaultUnknown {
		f.AtFault = r.fault
	}
	if r.note != "" {
		f.add(r.note)
	}
	f.sawLine(e)
	var others []Finding
	if r.refine != nil {
		others = r.refine(&f, said)
	}
	f.hedge(r, e)
	x.context(&f, e)
	x.deployed(&f, e)
	out := append(make([]Finding, 0, 1+len(others)+len(r.also)), f)
	out = append(out, others...)
	for _, a := range r.also {
		if e.rulesOut(a.code) || slices.ContainsFunc(out, func(f Finding) bool { return f.Code == a.code }) {
			continue
		}
		g := findingOf(a.code, Possible)
		g.Fix = append([]string{a.confirm}, g.Fix...)
		out = append(out, g)
	}
	for i := range out[1:] {
		out[i+1].sawLine(e)
	}
	return out
}

// saying finds the rule for an entry, with its error as the rule is to read it: of a line that was cut or whose form is not known, by what of
// its words is there.
func (x *Explainer) saying(e *LogEntry) (*textRule, *etcdlog.Entry) {
	r := x.rule(e)
	switch {
	case r != nil:
	case e.Kind == etcdlog.KindUnrecognised:
		said := e.Entry
		r, said.Error = within(e.Text)
		return r, &said
	case e.Broken:
		r = begun(e)
	}
	return r, &e.Entry
}

// hedge says of a finding that it does not rest on the whole of an error.
func (f *Finding) hedge(r *textRule, e *LogEntry) {
	switch {
	case e.Kind == etcdlog.KindUnrecognised:
		f.add("the line is of a form that is not known, and its error was found by its words")
	case !r.fits(e.Error):
		f.add("the line is cut in the middle of its error")
	default:
		return
	}
	f.Confidence = min(f.Confidence, Likely)
}

// unrecognised is for a line whose reason is not in the catalogue, or not in the line.
func unrecognised(e *LogEntry) Finding {
	f := findingOf(CodeUnrecognisedRejection, Certain)
	if e.Broken {
		f.Meaning = "This log line says that a connection was rejected, and it was cut before it had said why"
		f.Fix = append([]string{"Get the line whole: `journalctl -u etcd --no-pager | grep 'rejected connection'`, for pods `kubectl logs`; systemctl status and journalctl's pager cut lines"}, f.Fix[1:]...)
	}
	return *f.sawLine(e)
}

// rule finds the rule for the entry's text; nil when none fits.
func (x *Explainer) rule(e *LogEntry) *textRule {
	if e.Kind == etcdlog.KindUnrecognised || e.Error == "" {
		return nil
	}
	k := textKey{e.Kind, e.Error}
	if r, ok := x.known[k]; ok {
		return r
	}
	rules := serverTexts[:]
	if byClient&(1<<e.Kind) != 0 {
		rules = clientTexts[:]
	}
	var found *textRule
	for i := range rules {
		if r := &rules[i]; r.kinds&(1<<e.Kind) != 0 && r.fits(e.Error) {
			found = r
			break
		}
	}
	if len(x.known) < maxKnownTexts {
		x.known[k] = found
	}
	return found
}

// context adds what the rest of the line says: the endpoint, whether the certificate had verified, whose address it is.
func (x *Explainer) context(f *Finding, e *LogEntry) {
	switch {
	case f.Code == CodeGRPCToPeerPort && f.Confidence == Likely && e.Endpoint == EndpointPeer && !strings.HasSuffix(e.Error, "EOF"):
		// An end without a word is what a client without TLS gets, too.
		f.Confidence = Certain
	case f.Code == CodePlaintextToTLS && e.Kind == etcdlog.KindRejected && e.Endpoint == EndpointPeer:
		f.add("on the peer port it may be another member whose URL for this one begins with http://")
	case f.Code == CodeClientCertKeyUsage && e.Gateway:
		f.presentsItself(e.Remote.Addr())
	}
	if e.Names && e.Kind == etcdlog.KindRejected && afterVerification(f.Code) {
		f.add("the line names the certificate's addresses, so its CA, dates and key usage were right")
	}
}

// afterVerification reports whether the cause lies after the certificate's verification.
func afterVerification(c Code) bool {
	switch c {
	case CodePeerSANMismatch, CodeClientCertNotAllowed, CodeClientCertRevoked, CodeCRLUnreadable:
		return true
	}
	return false
}

// peerCommands turns the commands of fixes to the peer port, where the line is about it.
func (x *Explainer) peerCommands(findings []Finding) {
	for i := range findings {
		f := &findings[i]
		key := pastedKey{code: f.Code, endpoint: EndpointPeer}
		fix := x.pasted.find(key, f.Fix)
		if fix == nil {
			fix = x.pasted.put(key, f.Fix, &atPeerPort)
		}
		f.Fix = fix
	}
}

// rulesOut reports whether the line excludes a cause that its error alone allows.
func (e *LogEntry) rulesOut(c Code) bool {
	client := byClient&(1<<e.Kind) != 0
	switch c {
	case CodePlaintextToTLS:
		return e.Kind == etcdlog.KindServerHandshake && e.Endpoint == EndpointPeer || client && strings.Contains(e.Error, `"https://`)
	case CodeGRPCToPeerPort:
		return client && e.Endpoint == EndpointClient
	}
	return false
}

// maxEvidenceText bounds the quoted part of a line, in bytes.
const maxEvidenceText = 512

// sawLine adds the line as evidence.
func (f *Finding) sawLine(e *LogEntry) *Finding {
	text := e.Error
	if text == "" {
		text = e.Text
	}
	who := ""
	switch e.Kind {
	case etcdlog.KindRejected, etcdlog.KindServerHandshake:
		who = "server"
	case etcdlog.KindClient, etcdlog.KindPeerDial:
		who = "client"
	}
	f.Evidence = append(f.Evidence, Evidence{Text: "log: " + Quote(text[:min(len(text), maxEvidenceText)]), At: e.Time, From: who})
	return f
}
