package analysis

import (
	"net/netip"
	"strings"
	"time"

	"github.com/etcdtap/etcdtap/analysis/tlswire"
)

// Connection is one connection with the judgement on it. Facts is valid as long as its Conn is not reset.
type Connection struct {
	*Facts
	Endpoint Endpoint
	Outcome  Outcome
	Findings []Finding // most severe first; then the more certain, then in the order of the rules

	Log    []*LogEntry // the log entries joined to it
	ByTime bool        // they were joined by their time alone: NAT or a proxy changed the address
	NoLog  string      // why the log has none, where it should; "" when there is no log, or nothing to say

	Process *Process // who opened it; nil where that was not asked: not live, or the client is not on this host

	Stage    Stage // which of the reports of a live connection this is
	Answered bool  // proxy: it answered the client itself, and the server got no byte
}

// Severity is that of the worst finding; found is false when there is none.
func (c *Connection) Severity() (s Severity, found bool) {
	if len(c.Findings) == 0 {
		return Info, false
	}
	return c.Findings[0].Severity, true
}

// Diagnoser judges connections one after the other. It remembers, within bounds, what each server did with other clients and
// when each client came before, and nothing else: a connection's own findings are a function of its facts and the expectations.
// The zero value judges by etcd's usual ports. It is not safe for concurrent use.
type Diagnoser struct {
	Expectations Expectations // no ports at all means DefaultExpectations
	servers      servers
	series       series
	pasted       pastedFixes
	view         view
}

// SpeaksTLS says that a server is known to, from elsewhere than packets.
func (d *Diagnoser) SpeaksTLS(server netip.AddrPort) {
	d.begin()
	if old, known := d.servers[server]; known || len(d.servers) < maxServers {
		d.servers[server] = old | speaksTLS
	}
}

// begin readies the zero value.
func (d *Diagnoser) begin() {
	if d.servers != nil {
		return
	}
	d.servers, d.series, d.pasted = make(servers), newSeries(), make(pastedFixes)
	if e := &d.Expectations; len(e.ClientPorts)+len(e.PeerPorts)+len(e.MetricsPorts) == 0 {
		p := DefaultExpectations()
		e.ClientPorts, e.PeerPorts, e.MetricsPorts = p.ClientPorts, p.PeerPorts, p.MetricsPorts
	}
}

// Diagnose judges f. The Connection's Findings stay valid; its Facts belong to their Conn.
func (d *Diagnoser) Diagnose(f *Facts) (c Connection) {
	d.DiagnoseInto(&c, f)
	return c
}

// DiagnoseInto is Diagnose for who judges a million connections: what is written to its place need not be copied there.
func (d *Diagnoser) DiagnoseInto(c *Connection, f *Facts) {
	v := d.judge(f)
	v.judgeSeries(&d.series)
	v.into(c)
}

// Preview is the outcome that Diagnose would find. It counts nothing as an attempt.
func (d *Diagnoser) Preview(f *Facts) Outcome { return d.look(f).result }

// again judges f anew at the connection's end, after Diagnose judged it before. What its attempt showed of a series stands; an attempt
// counts once.
func (d *Diagnoser) again(f *Facts, counted bool, series []Finding) Connection {
	v := d.judge(f)
	if counted {
		v.found = append(v.found, series...)
	} else {
		v.judgeSeries(&d.series)
	}
	return v.connection()
}

// look draws the outcome.
func (d *Diagnoser) look(f *Facts) *view {
	d.begin()
	v := &d.view
	endpoint := f.Role
	if endpoint == EndpointOther {
		endpoint = d.Expectations.Endpoint(f.Server)
	}
	v.f, v.endpoint, v.expect, v.found, v.silent, v.known = f, endpoint, &d.Expectations, v.found[:0], f.Silent(), 0
	v.pasted = d.pasted
	switch {
	case f.TLS != nil:
		v.known, v.shape = d.servers.learn(f), f.Shape()
	case !v.silent:
		v.known, v.shape = d.servers.learn(f), Shape{}
	}
	v.result = v.outcome()
	return v
}

// judge draws the outcome and applies the rules.
func (d *Diagnoser) judge(f *Facts) *view {
	v := d.look(f)
	applied := rules[:]
	switch {
	case v.silent && v.open():
		applied = nil
	case v.silent:
		applied = silentRules[:]
	case v.ordinary():
		applied = ordinaryRules[:]
	}
	for _, r := range applied {
		r(v)
	}
	return v
}

func (v *view) connection() (c Connection) {
	v.into(&c)
	return c
}

func (v *view) into(c *Connection) {
	*c = Connection{}
	c.Facts, c.Endpoint, c.Outcome, c.Findings = v.f, v.endpoint, v.result, v.findings()
}

// rules are all the rules on packets. Each adds a finding when its condition holds; where two exclude each other, their
// conditions say so. The order is that of findings of equal weight.
var rules = [...]func(*view){
	(*view).refused,
	(*view).unanswered,
	(*view).noReply,
	(*view).plaintextToTLS,
	(*view).proxyHeaderToTLS,
	(*view).tlsToPlaintext,
	(*view).plaintextEtcd,
	(*view).serverSpeaksFirst,
	(*view).tlsAfterPlaintext,
	(*view).sslv2Hello,
	(*view).oversizedRecord,
	(*view).malformedHandshake,
	(*view).malformedServerHello,
	(*view).recordDesync,
	(*view).versionMismatch,
	(*view).noCommonParameters,
	(*view).alpnMismatch,
	(*view).clientCertMissing,
	(*view).clientCertRefused,
	(*view).clientCertHidden,
	(*view).serverAlert,
	(*view).serverCertificate, // what is wrong with the certificate comes before that it was refused
	(*view).serverName,
	(*view).serverCertRefused,
	(*view).clientAlert,
	(*view).clientCertificate,
	(*view).grpcToPeerPort,
	(*view).peerSANMismatch,
	(*view).leftAfterHandshake,
	(*view).connectionWithoutData,
	(*view).connectionReset,
	(*view).handshakeCut,
	(*view).handshakeAbandoned,
	(*view).handshakeTimeout,
	(*view).handshakeEnded,
	(*view).legacyVersion,
	(*view).oneSidedCapture,
	(*view).captureLoss,
	(*view).conflictingRetransmission,
	(*view).wrongCertificateForPort,
	(*view).renewedCertificateNotLoaded,
	(*view).caRegenerated,
	(*view).notTheConfiguredCertificate,
	(*view).clientAuthNotRequested,
	(*view).httpURLOnTLSPort,
	(*view).memberMissingFromSANs,
	(*view).serverCertWithoutClientAuth,
	(*view).crlUnreadable,
	(*view).notAllowed,
	(*view).configuredParameters,
	(*view).certificateFiles, // names files in what the others have found
}

// view is one connection under judgement: the facts and what the rules have drawn from them.
type view struct {
	f        *Facts
	endpoint Endpoint
	silent   bool   // nobody sent a byte
	known    habits // of the server, this connection included; not looked up for a silent one
	expect   *Expectations
	pasted   pastedFixes // nil: nothing is remembered
	shape    Shape       // of a silent connection it says nothing
	result   Outcome
	found    []Finding
}

// timeoutFloor is the shortest wait that can be one of etcd's handshake time-outs: 5 s for each read on the peer port
// (pkg/transport, timeout_listener.go), 10 s on the client port from 3.5.33, 3.6.14 and 3.7.1 on.
const timeoutFloor = 4500 * time.Millisecond

// expectTLS reports whether the server ought to speak TLS: what it did counts more than its port.
func (v *view) expectTLS() bool {
	switch {
	case v.known&speaksTLS != 0:
		return true
	case v.known&speaksPlaintext != 0:
		return false
	}
	return v.endpoint == EndpointClient || v.endpoint == EndpointPeer
}

// fromCapture reports whether packets were seen; the proxy has none.
func (v *view) fromCapture() bool { return v.f.TCP.FirstPacket > 0 }

// waited is how long the server waited for the client before it closed.
func (v *view) waited() time.Duration {
	s := &v.f.Stream[FromServer]
	if s.Close == CloseNone {
		return 0
	}
	since := v.f.Start
	for d := range v.f.Stream {
		if at := v.f.Stream[d].LastAt; at.After(since) && !at.After(s.ClosedAt) {
			since = at
		}
	}
	return s.ClosedAt.Sub(since)
}

// sentAlert returns the first alert in clear from d that is not close_notify.
func (v *view) sentAlert(d Direction) *Alert {
	if v.f.TLS == nil {
		return nil
	}
	for i := range v.f.TLS.Alerts {
		if a := &v.f.TLS.Alerts[i]; a.From == d && !a.Encrypted && a.fatal() {
			return a
		}
	}
	return nil
}

// lacksBegin reports whether the capture lacks bytes of the side's part of the handshake.
func (v *view) lacksBegin(d Direction) bool {
	return v.f.Stream[d].StartMissed || v.f.Stream[d].EarlyGap
}

// rejection is the server's alert when it decided the connection, before any of the client's.
func (v *view) rejection() *Alert {
	if v.result != OutcomeRejectedByServer {
		return nil
	}
	return v.sentAlert(FromServer)
}

// add starts a finding from its page in the catalogue; the rule fills in what it knows better.
func (v *view) add(code Code, c Confidence, meaning string) *Finding {
	cause, _ := CauseOf(code)
	v.found = append(v.found, Finding{Code: code, Severity: cause.Severity, Confidence: c, AtFault: cause.AtFault,
		Title: cause.Title, Meaning: meaning, Fix: cause.Fixes})
	return &v.found[len(v.found)-1]
}

// has reports whether a finding with the code was added.
func (v *view) has(code Code) bool {
	for i := range v.found {
		if v.found[i].Code == code {
			return true
		}
	}
	return false
}

// usualEvidence is how many pieces of evidence few findings have more than.
const usualEvidence = 3

// saw adds evidence to a finding.
func (f *Finding) saw(from Direction, packet int64, at time.Time, text string) *Finding {
	return f.sawBytes(from, packet, at, text, nil)
}

func (f *Finding) sawBytes(from Direction, packet int64, at time.Time, text string, b []byte) *Finding {
	if len(f.Evidence) < maxEvidence {
		if f.Evidence == nil {
			f.Evidence = make([]Evidence, 0, usualEvidence)
		}
		b = append([]byte(nil), b[:min(len(b), maxEvidenceBytes)]...)
		f.Evidence = append(f.Evidence, Evidence{Text: text, Packet: packet, At: at, From: from.String(), Bytes: b})
	}
	return f
}

// sawAlert adds an alert in clear.
func (f *Finding) sawAlert(a *Alert) *Finding {
	text := "alert " + itoa(int(a.Code)) + " " + a.Code.String() + " from the " + a.From.String()
	if a.Decrypted {
		text += ", decrypted with the key log"
	}
	return f.saw(a.From, a.Packet, a.At, text)
}

// sawClose adds the end of d's stream.
func (v *view) sawClose(f *Finding, d Direction) *Finding {
	if s := &v.f.Stream[d]; s.Close != CloseNone {
		f.saw(d, s.ClosePacket, s.ClosedAt, s.Close.verb()+" from the "+d.String())
	}
	return f
}

func (k CloseKind) verb() string {
	if k == CloseRST {
		return "RST"
	}
	return "FIN"
}

// findings hands the findings over, in the order of their weight. The order of the rules decides between equals.
func (v *view) findings() []Finding {
	if len(v.found) == 0 {
		return nil
	}
	out := make([]Finding, 0, len(v.found))
	for s := int(Error); s >= int(Info); s-- {
		for c := int(Certain); c >= int(Possible); c-- {
			for i := range v.found {
				if f := &v.found[i]; int(f.Severity) == s && int(f.Confidence) == c {
					f.Fix = v.paste(f.Code, f.Fix)
					if v.endpoint == EndpointOther {
						f.Title = otherServer.Replace(f.Title)
					}
					if out = append(out, *f); len(out) == maxFindings {
						return out
					}
				}
			}
		}
	}
	return out
}

// otherServer words a title for a server that is not on one of etcd's ports. Meanings hold names from the wire, kubeadm's CA is called
// etcd-ca, so they stay as they are.
var otherServer = strings.NewReplacer("etcd's", "the server's", "etcd", "the server")

// The alert codes that the rules speak of (RFC 8446, Section 6; RFC 5246, Section 7.2).
const (
	alertCloseNotify           = tlswire.AlertCloseNotify
	alertUnexpectedMessage     = tlswire.AlertCode(10)
	alertBadRecordMAC          = tlswire.AlertCode(20)
	alertRecordOverflow        = tlswire.AlertCode(22)
	alertHandshakeFailure      = tlswire.AlertCode(40)
	alertBadCertificate        = tlswire.AlertCode(42)
	alertUnsupportedCert       = tlswire.AlertCode(43)
	alertCertRevoked           = tlswire.AlertCode(44)
	alertCertExpired           = tlswire.AlertCode(45)
	alertCertUnknown           = tlswire.AlertCode(46)
	alertIllegalParameter      = tlswire.AlertCode(47)
	alertUnknownCA             = tlswire.AlertCode(48)
	alertDecodeError           = tlswire.AlertCode(50)
	alertDecryptError          = tlswire.AlertCode(51)
	alertProtocolVersion       = tlswire.AlertCode(70)
	alertInsufficientSecurity  = tlswire.AlertCode(71)
	alertInternalError         = tlswire.AlertCode(80)
	alertUserCanceled          = tlswire.AlertCode(90)
	alertNoRenegotiation       = tlswire.AlertCode(100)
	alertUnrecognizedName      = tlswire.AlertCode(112)
	alertCertificateRequired   = tlswire.AlertCode(116)
	alertNoApplicationProtocol = tlswire.AlertCode(120)
)
