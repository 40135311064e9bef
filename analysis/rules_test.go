package analysis

import (
	"crypto/tls"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/etcdtap/etcdtap/analysis/tlswire"
	"github.com/google/go-cmp/cmp"
)

// notFromPackets are the codes that no rule on packets gives, and why.
var notFromPackets = map[Code]string{
	CodeCRLUnreadable:         "the server closes after the handshake as for a revoked certificate; only its log has the reason",
	CodeFIPSRefused:           "the alert is the one of other causes",
	CodeLogDisagrees:          "it takes a log",
	CodeLogSampled:            "it is about the log",
	CodeServerShutdown:        "a server that stops closes like any other",
	CodeUnrecognisedRejection: "it is a log line that no pattern knows",
}

// ruleRow is one finding and how it comes about.
type ruleRow struct {
	name       string
	code       Code
	script     transcript
	facts      *Facts // instead of script
	to         netip.AddrPort
	confidence Confidence
	severity   Severity
	fault      Fault
	bare       bool // no evidence: the finding is about what is not there
}

func finBy(first Direction) []event {
	return []event{closes(first, CloseFIN), closes(first.Other(), CloseFIN)}
}

// refusing is a TLS 1.2 handshake in which the server answers the client's certificate with an alert.
func refusing(der []byte, c tlswire.AlertCode, names ...[]byte) transcript {
	p := testPKI()
	return transcript{
		client(handshake(clientHello(modern))),
		server(handshake(serverHello12(v12, 0xc02b)), handshake(certificateMessage(p.server.Certificate[0])), handshake(ske), handshake(requestMessage(names...)), handshake(done)),
		client(handshake(certificateMessage(der)), handshake(cke), ccs, finished12),
		server(alert(c)),
	}.and(finBy(FromServer)...)
}

// helloRefusedWith is a ClientHello answered by an alert.
func helloRefusedWith(o helloOptions, c tlswire.AlertCode) transcript {
	return transcript{client(handshake(clientHello(o))), server(alert(c))}.and(finBy(FromServer)...)
}

func with(change func(*helloOptions)) helloOptions {
	o := modern
	change(&o)
	return o
}

// clientRefuses is a TLS 1.2 handshake in which the client answers the server's certificate with an alert.
func clientRefuses(cert tls.Certificate, c tlswire.AlertCode) transcript {
	return transcript{
		client(handshake(clientHello(modern))),
		server(handshake(serverHello12(v12, 0xc02b)), handshake(certificateMessage(cert.Certificate[0])), handshake(ske), handshake(done)),
		client(alert(c)),
	}.and(finBy(FromClient)...)
}

// withoutLast leaves out the last thing that d's side sent.
func withoutLast(t transcript, d Direction) transcript {
	for i := len(t) - 1; i >= 0; i-- {
		if t[i].d == d && len(t[i].data) > 0 {
			return slices.Concat(t[:i], t[i+1:])
		}
	}
	return t
}

// live returns a recorded scenario by its name.
func live(name string) transcript {
	t, ok := allTranscripts()["live "+name]
	if !ok {
		panic("no scenario " + name)
	}
	return t
}

func tcpOnly(tcp TCPFacts) *Facts {
	tcp.FirstPacket, tcp.LastPacket = 1, 2
	return &Facts{Client: testClient, Server: testServer, Start: testTime, End: testTime.Add(3 * time.Second), TCP: tcp}
}

func ruleRows() []ruleRow {
	p := testPKI()
	hello := handshake(clientHello(modern))
	h := handmade()
	oneSided := feeding{}.facts(transcript{client(hello), closes(FromClient, CloseFIN)})
	oneSided.TCP.Packets = [2]int64{5, 0}
	conflicting := feeding{}.facts(live("TLS 1.3"))
	conflicting.TCP.Conflicting, conflicting.TCP.ConflictPacket = 7, 5
	slow := closes(FromServer, CloseFIN).waiting(5 * time.Second)
	return []ruleRow{
		{code: CodeALPNMismatch, script: live("ALPN mismatch"), confidence: Certain, severity: Error, fault: FaultClient},
		{code: CodeCARegenerated, script: live("TLS 1.2 client of a CA made anew"), confidence: Likely, severity: Error, fault: FaultUnknown},
		{code: CodeCaptureLoss, script: healthy12().without(FromServer, 60, 80, true), confidence: Certain, severity: Warning, fault: FaultNone, bare: true},
		{code: CodeCertExpiresSoon, script: live("TLS 1.2 server expires soon"), confidence: Certain, severity: Warning, fault: FaultUnknown},
		{code: CodeCipherMismatch, script: helloRefusedWith(with(func(o *helloOptions) { o.suites = []uint16{0x0033}; o.versions = nil }), alertHandshakeFailure), confidence: Certain, severity: Error, fault: FaultUnknown},
		{name: "ECDSA only", code: CodeCipherMismatch, script: helloRefusedWith(with(func(o *helloOptions) { o.suites = []uint16{0xc02b}; o.versions = nil }), alertHandshakeFailure), confidence: Likely, severity: Error, fault: FaultUnknown},
		{name: "any", code: CodeCipherMismatch, script: helloRefusedWith(modern, alertHandshakeFailure), confidence: Possible, severity: Error, fault: FaultUnknown},
		{code: CodeClientAlert, script: transcript{client(hello), client(alert(alertInternalError))}.and(server(alert(alertCloseNotify))).and(finBy(FromClient)...), confidence: Certain, severity: Error, fault: FaultUnknown},
		{code: CodeClientCertChainInvalid, script: live("TLS 1.2 client's critical extension"), confidence: Certain, severity: Error, fault: FaultClient},
		{code: CodeClientCertExpired, script: live("TLS 1.2 client expired"), confidence: Certain, severity: Error, fault: FaultClient},
		{name: "old server", code: CodeClientCertExpired, script: refusing(p.clientOld.Certificate[0], alertBadCertificate), confidence: Certain, severity: Error, fault: FaultClient},
		{name: "clock", code: CodeClientCertExpired, script: refusing(p.client.Certificate[0], alertCertExpired), confidence: Likely, severity: Error, fault: FaultClient},
		{code: CodeClientCertInvalid, script: refusing([]byte("no certificate"), alertDecodeError), confidence: Certain, severity: Error, fault: FaultClient},
		{code: CodeClientCertKeyUsage, script: live("TLS 1.2 client's key usage"), confidence: Certain, severity: Error, fault: FaultClient},
		{code: CodeClientCertMissing, script: live("TLS 1.2 no client certificate"), confidence: Certain, severity: Error, fault: FaultClient},
		{name: "TLS 1.3", code: CodeClientCertMissing, script: live("TLS 1.3 no client certificate"), confidence: Likely, severity: Error, fault: FaultClient},
		{code: CodeClientCertNotAllowed, script: refusing(p.client.Certificate[0], alertBadCertificate), confidence: Possible, severity: Error, fault: FaultClient},
		{code: CodeClientCertRefused, script: live("TLS 1.3 client of another CA"), confidence: Likely, severity: Error, fault: FaultClient},
		{name: "TLS 1.2", code: CodeClientCertRefused, script: refusing(p.client.Certificate[0], alertBadCertificate), confidence: Certain, severity: Error, fault: FaultClient},
		{name: "TLS 1.3, the alert was lost", code: CodeClientCertRefused, script: withoutLast(live("TLS 1.3 client of another CA"), FromServer), confidence: Likely, severity: Error, fault: FaultClient},
		{code: CodeClientCertRevoked, script: refusing(p.client.Certificate[0], alertCertRevoked), confidence: Certain, severity: Error, fault: FaultClient},
		{code: CodeClientCertUntrusted, script: live("TLS 1.2 client of another CA"), confidence: Certain, severity: Error, fault: FaultClient},
		{name: "by names", code: CodeClientCertUntrusted, script: refusing(p.clientOther.Certificate[0], alertBadCertificate, p.ca.cert.RawSubject), confidence: Certain, severity: Error, fault: FaultClient},
		{code: CodeConflictingRetransmission, facts: conflicting, confidence: Certain, severity: Warning, fault: FaultNetwork},
		{code: CodeConnectionReset, script: transcript{client(hello), closes(FromClient, CloseRST)}, confidence: Certain, severity: Warning, fault: FaultUnknown},
		{name: "without a byte", code: CodeConnectionReset, script: transcript{closes(FromClient, CloseRST)}, confidence: Certain, severity: Warning, fault: FaultUnknown},
		{name: "by the server", code: CodeConnectionReset, script: healthy12()[:2].and(closes(FromServer, CloseRST)), confidence: Certain, severity: Warning, fault: FaultUnknown},
		{code: CodeConnectionWithoutData, script: finBy(FromClient), confidence: Certain, severity: Info, fault: FaultNone},
		{code: CodeGroupMismatch, script: helloRefusedWith(with(func(o *helloOptions) { o.groups = []uint16{256, 257} }), alertHandshakeFailure), confidence: Certain, severity: Error, fault: FaultUnknown},
		{code: CodeGRPCToPeerPort, script: live("TLS 1.3 HTTP/2 to the peer port"), to: testPeer, confidence: Likely, severity: Error, fault: FaultClient},
		{code: CodeHandshakeAbandoned, script: transcript{client(hello)}.and(finBy(FromClient)...), confidence: Certain, severity: Error, fault: FaultUnknown},
		{code: CodeHandshakeCut, script: transcript{client(hello[:50])}.and(finBy(FromClient)...), confidence: Certain, severity: Error, fault: FaultClient},
		{name: "in the header", code: CodeHandshakeCut, script: transcript{client(hello[:3])}.and(finBy(FromClient)...), confidence: Certain, severity: Error, fault: FaultClient},
		{code: CodeHandshakeTimeout, script: transcript{client(hello[:50]), slow, closes(FromClient, CloseFIN)}, confidence: Certain, severity: Error, fault: FaultUnknown},
		{name: "no byte", code: CodeHandshakeTimeout, script: transcript{slow, closes(FromClient, CloseFIN)}, confidence: Certain, severity: Error, fault: FaultUnknown},
		{code: CodeLegacyTLSVersion, script: live("TLS 1.0 agreed"), confidence: Certain, severity: Info, fault: FaultClient},
		{code: CodeMalformedClientHello, script: h["malformed hello"], confidence: Certain, severity: Error, fault: FaultClient},
		{code: CodeMalformedHandshake, script: h["random handshake"], confidence: Certain, severity: Error, fault: FaultClient},
		{name: "too long", code: CodeMalformedHandshake, script: h["long message"], confidence: Certain, severity: Error, fault: FaultClient},
		{name: "bad version", code: CodeMalformedHandshake, script: h["bad version"], confidence: Certain, severity: Error, fault: FaultClient},
		{name: "empty record", code: CodeMalformedHandshake, script: h["empty record"], confidence: Certain, severity: Error, fault: FaultClient},
		{name: "the server's hello", code: CodeMalformedHandshake, script: h["wrong side"], confidence: Certain, severity: Error, fault: FaultClient},
		{code: CodeMalformedServerHello, script: transcript{client(hello), server(handshake(message(tlswire.HandshakeServerHello, "\x03\x03short"))), client(alert(alertDecodeError))}.and(finBy(FromClient)...), confidence: Certain, severity: Error, fault: FaultServer},
		{code: CodeNoReply, script: transcript{client(hello), {d: FromClient, close: CloseEnd, after: 3 * time.Second}}, confidence: Likely, severity: Warning, fault: FaultUnknown},
		{name: "end of capture", code: CodeNoReply, script: transcript{client(hello), closes(FromClient, CloseEnd)}, confidence: Possible, severity: Warning, fault: FaultUnknown},
		{code: CodeOneSidedCapture, facts: oneSided, confidence: Certain, severity: Warning, fault: FaultNone, bare: true},
		{code: CodeOversizedRecord, script: h["oversized"], confidence: Certain, severity: Error, fault: FaultClient},
		{code: CodePeerSANMismatch, script: live("TLS 1.2 peer's address"), to: testPeer, confidence: Certain, severity: Error, fault: FaultClient},
		{code: CodePlaintextEtcd, script: h["http1 answered"], confidence: Certain, severity: Warning, fault: FaultServer},
		{code: CodePlaintextToTLS, script: h["http1"], confidence: Certain, severity: Error, fault: FaultClient},
		{name: "gRPC", code: CodePlaintextToTLS, script: h["h2"][:1].and(finBy(FromServer)...), confidence: Certain, severity: Error, fault: FaultClient},
		{name: "spliced", code: CodePlaintextToTLS, script: h["data first"], confidence: Certain, severity: Error, fault: FaultClient},
		{name: "other port", code: CodePlaintextToTLS, script: transcript{client("GET / HTTP/1.1\r\n\r\n"), server(alert(alertUnexpectedMessage))}.and(finBy(FromServer)...), to: testOther, confidence: Likely, severity: Error, fault: FaultClient},
		{code: CodeProxyProtocolToTLS, script: h["proxy v1 then tls"], confidence: Certain, severity: Error, fault: FaultClient},
		{name: "v2", code: CodeProxyProtocolToTLS, script: h["proxy v2 then tls"], confidence: Certain, severity: Error, fault: FaultClient},
		{code: CodeRecordDesync, script: h["plaintext after"], confidence: Certain, severity: Error, fault: FaultClient},
		{name: "second hello", code: CodeRecordDesync, script: h["second hello"], confidence: Certain, severity: Error, fault: FaultClient},
		{code: CodeRecordMACFailure, script: refusing(p.client.Certificate[0], alertBadRecordMAC), confidence: Certain, severity: Error, fault: FaultUnknown},
		{code: CodeRefused, facts: tcpOnly(TCPFacts{SYN: true, Refused: true, Packets: [2]int64{1, 1}}), confidence: Certain, severity: Error, fault: FaultServer},
		{code: CodeServerAlert, script: helloRefusedWith(modern, alertUnrecognizedName), confidence: Certain, severity: Error, fault: FaultUnknown},
		{name: "after the certificate", code: CodeServerAlert, script: refusing(p.client.Certificate[0], alertUnexpectedMessage), confidence: Certain, severity: Error, fault: FaultUnknown},
		{code: CodeServerCertExpired, script: live("TLS 1.2 server expired"), confidence: Certain, severity: Error, fault: FaultServer},
		{code: CodeServerCertKeyUsage, script: live("TLS 1.2 server's key usage"), confidence: Certain, severity: Error, fault: FaultServer},
		{code: CodeServerCertRefused, script: live("TLS 1.2 client refuses the server's CA"), confidence: Certain, severity: Error, fault: FaultUnknown},
		{name: "TLS 1.3", code: CodeServerCertRefused, script: live("TLS 1.3 client refuses the server's CA"), confidence: Likely, severity: Error, fault: FaultUnknown},
		{code: CodeServerCertUnreadable, script: helloRefusedWith(modern, alertInternalError), confidence: Likely, severity: Error, fault: FaultServer},
		{code: CodeServerCertUntrusted, script: clientRefuses(p.server, alertUnknownCA), confidence: Certain, severity: Error, fault: FaultUnknown},
		{code: CodeServerCertUntrusted, script: clientRefuses(p.server, alertDecryptError), confidence: Likely, severity: Error, fault: FaultUnknown},
		{code: CodeServerCertRefused, script: clientRefuses(p.server, alertDecryptError), confidence: Certain, severity: Error, fault: FaultUnknown},
		{code: CodeServerNameMismatch, script: live("TLS 1.2 server's name"), confidence: Certain, severity: Error, fault: FaultServer},
		{code: CodeServerSpeaksFirst, script: h["ssh server first"], confidence: Certain, severity: Error, fault: FaultClient},
		{code: CodeSignatureAlgorithmMismatch, script: helloRefusedWith(with(func(o *helloOptions) { o.signatures = []uint16{0x0201} }), alertHandshakeFailure), confidence: Certain, severity: Error, fault: FaultUnknown},
		{name: "after the ServerHello", code: CodeSignatureAlgorithmMismatch, script: transcript{
			client(handshake(clientHello(with(func(o *helloOptions) { o.signatures = []uint16{0x0201} })))),
			server(handshake(serverHello12(v12, 0xc02b)), handshake(certificateMessage(p.server.Certificate[0])), alert(alertHandshakeFailure)),
		}.and(finBy(FromServer)...), confidence: Certain, severity: Error, fault: FaultUnknown},
		{code: CodeSSLv2Hello, script: h["sslv2"], confidence: Certain, severity: Error, fault: FaultClient},
		{code: CodeTLSAfterPlaintext, script: h["smtp then tls"], confidence: Certain, severity: Info, fault: FaultNone},
		{code: CodeTLSToPlaintext, script: h["tls answered http"], confidence: Certain, severity: Error, fault: FaultUnknown},
		{name: "silent", code: CodeTLSToPlaintext, script: transcript{client(hello)}.and(finBy(FromServer)...), confidence: Likely, severity: Error, fault: FaultUnknown},
		{code: CodeUnanswered, facts: tcpOnly(TCPFacts{SYN: true, Packets: [2]int64{4, 0}}), confidence: Likely, severity: Error, fault: FaultNetwork},
		{code: CodeVersionMismatch, script: live("version mismatch, old client"), confidence: Certain, severity: Error, fault: FaultClient},
		{name: "old and GREASE", code: CodeVersionMismatch, script: helloRefusedWith(with(func(o *helloOptions) { o.versions = []uint16{0x7a7a, 0x0302, 0x0301} }), alertProtocolVersion), confidence: Certain, severity: Error, fault: FaultClient},
		{name: "only GREASE", code: CodeVersionMismatch, script: helloRefusedWith(with(func(o *helloOptions) { o.versions = []uint16{0x7a7a} }), alertProtocolVersion), confidence: Certain, severity: Error, fault: FaultUnknown},
		{name: "capped", code: CodeVersionMismatch, script: live("version mismatch, capped server"), confidence: Certain, severity: Error, fault: FaultServer},
		{code: CodeWeakCertificate, script: transcript{client(hello), server(handshake(serverHello12(v12, 0xc02b)), handshake(certificateMessage(p.serverWeak.Certificate[0])))}, confidence: Certain, severity: Warning, fault: FaultUnknown},
	}
}

func (r *ruleRow) diagnose() Connection {
	if r.facts != nil {
		var d Diagnoser
		return d.Diagnose(r.facts)
	}
	to := r.to
	if !to.IsValid() {
		to = testServer
	}
	return r.script.diagnosed(to)
}

func TestRules(t *testing.T) {
	tested := map[Code]bool{CodeGRPCBackoff: true, CodeRaftReconnect: true, CodePeriodicProbe: true} // series_test.go
	for _, r := range ruleRows() {
		tested[r.code] = true
		t.Run(strings.TrimSpace(string(r.code)+" "+r.name), func(t *testing.T) {
			c := r.diagnose()
			i := slices.IndexFunc(c.Findings, func(f Finding) bool { return f.Code == r.code })
			if i < 0 {
				t.Fatalf("%v, %v: not found", c.Outcome, codesOf(c.Findings))
			}
			f := c.Findings[i]
			if diff := cmp.Diff(verdict{r.code, r.confidence, r.severity, r.fault}, verdicts(c.Findings[i : i+1])[0]); diff != "" {
				t.Errorf("-want +got:\n%s%s", diff, f.Meaning)
			}
			if len(f.Evidence) == 0 != r.bare {
				t.Errorf("%d pieces of evidence", len(f.Evidence))
			}
			for _, e := range f.Evidence {
				if e.Text == "" || e.Packet == 0 {
					t.Errorf("evidence without text or packet: %+v", e)
				}
			}
			checkFindings(t, c.Findings)
		})
	}
	for _, r := range deployRows(t) { // rules_pki_test.go
		tested[r.code] = tested[r.code] || !r.none && notFromPackets[r.code] == ""
	}
	for _, code := range declaredCodes(t) {
		why := notFromPackets[code]
		switch {
		case tested[code] && why != "":
			t.Errorf("%s is said not to come from packets (%s), and does", code, why)
		case !tested[code] && why == "":
			t.Errorf("%s has no test: add a row, or say in notFromPackets why packets cannot give it", code)
		}
	}
}

// checkFindings holds findings to their bounds, and their texts to what may be printed.
func checkFindings(t testing.TB, found []Finding) {
	t.Helper()
	const maxText = 8 << 10
	if len(found) > len(rules)+2 {
		t.Errorf("%d findings", len(found))
	}
	for i, f := range found {
		if i > 0 && (f.Severity > found[i-1].Severity || f.Severity == found[i-1].Severity && f.Confidence > found[i-1].Confidence) {
			t.Errorf("%s stands behind a lighter finding", f.Code)
		}
		if _, ok := CauseOf(f.Code); !ok {
			t.Errorf("%q has no cause", f.Code)
		}
		texts := slices.Concat([]string{f.Title, f.Meaning}, f.Fix)
		if len(f.Evidence) > maxEvidence {
			t.Errorf("%s: %d pieces of evidence", f.Code, len(f.Evidence))
		}
		for _, e := range f.Evidence {
			texts = append(texts, e.Text)
			if len(e.Bytes) > maxEvidenceBytes {
				t.Errorf("%s: %d bytes of evidence", f.Code, len(e.Bytes))
			}
		}
		for _, s := range texts {
			if s == "" || len(s) > maxText {
				t.Errorf("%s: a text of %d bytes", f.Code, len(s))
			}
			if r := unprintable(s); r >= 0 {
				t.Errorf("%s: %U in %q", f.Code, r, s)
			}
		}
	}
}

// TestHealthy: connections with nothing wrong get no finding of weight.
func TestHealthy(t *testing.T) {
	h := handmade()
	for _, tt := range []struct {
		name    string
		script  transcript
		to      netip.AddrPort
		outcome Outcome
	}{
		{"TLS 1.3", live("TLS 1.3 mTLS"), testServer, OutcomeEstablished},
		{"TLS 1.2", live("TLS 1.2 mTLS"), testServer, OutcomeEstablished},
		{"TLS 1.2 by hand", healthy12(), testServer, OutcomeEstablished},
		{"TLS 1.3 peer", live("healthy TLS 1.3 on the peer port"), testPeer, OutcomeEstablished},
		{"TLS 1.2 peer", live("healthy TLS 1.2 on the peer port"), testPeer, OutcomeEstablished},
		{"resumed 1.3", live("TLS 1.3 resumed"), testServer, OutcomeEstablished},
		{"resumed 1.2", live("TLS 1.2 resumed"), testServer, OutcomeEstablished},
		{"plaintext elsewhere", h["http1 answered"], testOther, OutcomePlaintext},
		{"plaintext h2 elsewhere", h["h2"], testOther, OutcomePlaintext},
		{"bulk", h["bulk"], testServer, OutcomeEstablished},
		{"still going on", live("TLS 1.3 mTLS")[:2].and(closes(FromClient, CloseEnd)), testServer, OutcomePartial},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c := tt.script.diagnosed(tt.to)
			if c.Outcome != tt.outcome || len(c.Findings) > 0 {
				t.Errorf("%v with %v", c.Outcome, codesOf(c.Findings))
				for _, f := range c.Findings {
					t.Log(f.Meaning)
				}
			}
		})
	}
}

// TestEveryFailureIsExplained: whoever is turned away gets a finding.
func TestEveryFailureIsExplained(t *testing.T) {
	everyTranscript(t, func(t *testing.T, script transcript) {
		for _, to := range []netip.AddrPort{testServer, testPeer} {
			c := script.diagnosed(to)
			checkFindings(t, c.Findings)
			if text := c.Stream[FromClient].Request + fmt.Sprint(c.Findings) + quotedBytes(c.Findings); strings.Contains(text, "secret") || strings.Contains(text, "c2VjcmV0") {
				t.Errorf("a secret in %s", text)
			}
			if _, found := c.Severity(); !found && c.Outcome != OutcomeEstablished && c.Outcome != OutcomePartial {
				t.Errorf("%v to %v: no finding", c.Outcome, to)
			}
		}
	})
}

func quotedBytes(found []Finding) string {
	s := ""
	for _, f := range found {
		for _, e := range f.Evidence {
			s += string(e.Bytes)
		}
	}
	return s
}

// TestHabits: what a server did counts more than its port.
func TestHabits(t *testing.T) {
	h := handmade()
	var d Diagnoser
	judge := func(script transcript) Connection { return d.Diagnose(feeding{server: testOther}.facts(script)) }
	get := transcript{client("GET / HTTP/1.1\r\n\r\n")}.and(finBy(FromServer)...)
	if c := judge(get); c.Outcome != OutcomePlaintext {
		t.Errorf("unknown server: %v", c.Outcome)
	}
	judge(healthy12())
	if c := judge(get); c.Outcome != OutcomePlaintextToTLS || c.Findings[0].Confidence != Certain {
		t.Errorf("a server that speaks TLS: %v, %v", c.Outcome, verdicts(c.Findings))
	}
	var plain Diagnoser
	plain.Diagnose(feeding{}.facts(h["http1 answered"]))
	if c := plain.Diagnose(feeding{}.facts(get)); c.Outcome != OutcomePlaintext {
		t.Errorf("a server that speaks plaintext: %v", c.Outcome)
	}
}
