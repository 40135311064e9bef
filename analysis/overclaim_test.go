package analysis

import (
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/etcdtap/etcdtap/analysis/tlswire"
	"github.com/google/go-cmp/cmp"
)

// TestClaimsNoMore holds the judgement to what was seen: each row was once called something surer, or something else.
func TestClaimsNoMore(t *testing.T) {
	hello := handshake(clientHello(modern))
	late := func(d Direction, how CloseKind, after time.Duration) event { return closes(d, how).waiting(after) }
	for _, tt := range []struct {
		name   string
		script transcript
		to     string // "other" for a port that is not etcd's, "peer"
		want   Outcome
		code   Code // that the findings must have; "" for none of severity error
		never  Code // that they must not have
	}{
		{"two bytes of a record, the rest cut by the snapshot length", transcript{client(hello[:2]), loses(FromClient, int64(len(hello)-2)), server("\x16\x03"), loses(FromServer, 900)}.and(finBy(FromClient)...),
			"", OutcomePartial, CodeCaptureLoss, CodePlaintextEtcd},
		{"a whole hello, silence, the server closes after 5 s", transcript{client(hello), late(FromServer, CloseFIN, 5*time.Second)}, "", OutcomeNoReply, CodeNoReply, CodeHandshakeTimeout},
		{"a whole hello, silence, the server closes after 4 s", transcript{client(hello), late(FromServer, CloseFIN, 4*time.Second)}, "", OutcomeNoReply, CodeNoReply, CodeTLSToPlaintext},
		{"a whole hello, silence, the client gives up after 10 s", transcript{client(hello), late(FromClient, CloseFIN, 10*time.Second), closes(FromServer, CloseFIN)}, "", OutcomeNoReply, CodeNoReply, CodeHandshakeAbandoned},
		{"a request, silence, the client gives up after a minute", transcript{client("GET / HTTP/1.1\r\n\r\n"), late(FromClient, CloseFIN, time.Minute), closes(FromServer, CloseFIN)}, "", OutcomeNoReply, CodeNoReply, CodePlaintextToTLS},
		{"an answer 400 of a TLS server to plaintext", transcript{client("GET / HTTP/1.1\r\n\r\n"), server("HTTP/1.0 400 Bad Request\r\n\r\nno")}.and(finBy(FromServer)...), "", OutcomePlaintextToTLS, CodePlaintextToTLS, CodePlaintextEtcd},
		{"a server that speaks first, on another port", transcript{server("220 mail ESMTP\r\n"), client("EHLO a\r\n")}.and(finBy(FromClient)...), "other", OutcomePlaintext, "", CodeServerSpeaksFirst},
		{"a mid-stream start before any hello", transcript{loses(FromClient, -1), client(hello[40:])}.and(finBy(FromClient)...), "", OutcomePartial, "", CodeHandshakeAbandoned},
		{"an alert to a client that never spoke", transcript{closes(FromClient, CloseFIN), server(alert(alertUnexpectedMessage)), closes(FromServer, CloseFIN)}, "", OutcomeNoData, "", CodePlaintextEtcd},
		{"given up to bound memory", transcript{client(hello), closes(FromClient, CloseEvicted)}, "", OutcomePartial, "", CodeNoReply},
		{"application data first, and the client's FIN", transcript{client(data(40))}.and(finBy(FromClient)...), "", OutcomePlaintextToTLS, CodePlaintextToTLS, CodeHandshakeAbandoned},
		{"a ChangeCipherSpec first", transcript{client(ccs)}.and(finBy(FromClient)...), "", OutcomePlaintextToTLS, CodePlaintextToTLS, CodeHandshakeAbandoned},
		{"a fatal alert first", transcript{client(alert(alertBadCertificate))}.and(finBy(FromClient)...), "", OutcomeRejectedByClient, CodeClientAlert, CodeHandshakeAbandoned},
		{"an alert about a server that closed without a byte", transcript{client(hello), closes(FromServer, CloseFIN), client(alert(alertDecodeError)), closes(FromClient, CloseFIN)}, "", OutcomeTLSToPlaintext, CodeTLSToPlaintext, CodeClientAlert},
		{"three bytes and a reset", transcript{client("\x16\x03\x01"), closes(FromClient, CloseRST)}, "", OutcomeAborted, CodeConnectionReset, CodeHandshakeAbandoned},
		{"a second hello before the first is answered", twoHellos(tlswire.VersionTLS10), "", OutcomeRejectedByServer, CodeRecordDesync, CodeServerAlert},
		{"a second hello as after a HelloRetryRequest that is captured late", twoHellos(tlswire.VersionTLS12), "", OutcomeRejectedByServer, CodeServerAlert, CodeRecordDesync},
		{"the client says close_notify, the server closes", closedByNotify(), "", OutcomeEstablished, "", CodeClientCertRevoked},
		{"the same at the peer port", closedByNotify(), "peer", OutcomeEstablished, "", CodePeerSANMismatch},
		{"closed at once after the handshake, with a certificate for its address", closedAtOnce(), "peer", OutcomeEstablished, CodeClientCertRevoked, CodePeerSANMismatch},
		{"a client that finds a signature wrong only after its own part", slices.Concat(healthy12()[:2], transcript{client(handshake(cke)), client(alert(alertDecryptError))}).and(finBy(FromClient)...), "", OutcomeRejectedByClient, CodeClientAlert, CodeServerCertRefused},
		{"a server's alert about the suite after its certificate, in a capture that begins late", refusedByHalf(), "", OutcomeRejectedByServer, CodeServerAlert, CodeClientCertRefused},
		{"good ALPN, refused all the same", helloRefusedWith(modern, alertNoApplicationProtocol), "", OutcomeRejectedByServer, CodeServerAlert, CodeALPNMismatch},
	} {
		t.Run(tt.name, func(t *testing.T) {
			to := testServer
			switch tt.to {
			case "other":
				to = testOther
			case "peer":
				to = testPeer
			}
			c := tt.script.diagnosed(to)
			if c.Outcome != tt.want {
				t.Errorf("outcome %v, want %v", c.Outcome, tt.want)
			}
			has := tt.code == ""
			for _, f := range c.Findings {
				has = has || f.Code == tt.code
				if f.Code == tt.never || tt.code == "" && f.Severity == Error {
					t.Errorf("%s, %v: %s", f.Code, f.Confidence, f.Meaning)
				}
			}
			if !has {
				t.Errorf("no %s among %v", tt.code, c.Findings)
			}
		})
	}
}

// TestOneSidedCause: of a capture of one direction, what that shows of the cause is said.
func TestOneSidedCause(t *testing.T) {
	for _, tt := range []struct {
		side Direction
		says string
		want []Code
		in   string // the meaning of one-sided-capture
	}{
		{FromClient, "GET /health HTTP/1.1\r\n\r\n", []Code{CodeOneSidedCapture}, "GET /health"},
		{FromClient, handshake(clientHello(modern)), []Code{CodeOneSidedCapture}, "and so the cause, cannot be seen"},
		{FromClient, handshake(clientHello(modern)) + alert(alertBadCertificate), []Code{CodeServerCertRefused, CodeOneSidedCapture}, "bad_certificate in clear"},
		{FromServer, handshake(serverHello12(v12, 0xc02b)) + alert(alertUnknownCA), []Code{CodeClientCertRefused, CodeOneSidedCapture}, "unknown_ca in clear"},
		{FromServer, alert(alertProtocolVersion), []Code{CodeVersionMismatch, CodeOneSidedCapture}, "protocol_version in clear"},
		{FromServer, alert(alertHandshakeFailure), []Code{CodeOneSidedCapture}, "handshake_failure in clear"},
	} {
		one := NewConn(testClient, testServer, testTime)
		feeding{}.tell(one, transcript{says(tt.side, tt.says), closes(tt.side, CloseFIN)})
		one.facts.TCP.Packets[tt.side], one.facts.TCP.Packets[tt.side.Other()] = 5, 0
		var g Diagnoser
		c := g.Diagnose(one.Facts())
		if d := cmp.Diff(tt.want, codesOf(c.Findings)); d != "" || c.Outcome != OutcomePartial {
			t.Errorf("%v of the %v (-want +got):\n%s", c.Outcome, tt.side, d)
			continue
		}
		if last := c.Findings[len(c.Findings)-1]; !strings.Contains(last.Meaning, tt.in) || c.Findings[0].Code != last.Code && c.Findings[0].Confidence > Likely {
			t.Errorf("%v: %s", c.Findings[0].Confidence, last.Meaning)
		}
	}
}

// TestSpliced: who goes on with a connection that began elsewhere speaks TLS, and is not told to.
func TestSpliced(t *testing.T) {
	f := handmade()["data first"].diagnosed(testServer).Findings[0]
	if fix := strings.Join(f.Fix, " "); strings.Contains(fix, "Use https") || !strings.Contains(fix, "load balancer") {
		t.Errorf("%s: %s", f.Title, fix)
	}
	f = handmade()["plaintext after"].diagnosed(testServer).Findings[0]
	if !strings.Contains(f.Meaning, `("`) {
		t.Errorf("the text is not read: %s", f.Meaning)
	}
}

// refusedByHalf is a server that finds after its certificate that it cannot sign; the capture begins after the SYNs.
func refusedByHalf() transcript {
	return transcript{
		loses(FromClient, -1), client(handshake(clientHello(modern))), loses(FromServer, -1),
		server(handshake(serverHello12(v12, 0xc02f)), handshake(certificateMessage(testPKI().server.Certificate[0])), alert(alertHandshakeFailure)),
	}.and(finBy(FromServer)...)
}

// TestAlertAlone: where the capture has nothing of a handshake but the alert that ended it, as with a short snapshot length, what the alert
// can only mean is said.
func TestAlertAlone(t *testing.T) {
	for _, tt := range []struct {
		from     Direction
		alert    tlswire.AlertCode
		want     Code
		sureness Confidence
	}{
		{FromServer, alertProtocolVersion, CodeVersionMismatch, Likely},
		{FromServer, alertNoApplicationProtocol, CodeALPNMismatch, Likely},
		{FromServer, alertUnknownCA, CodeClientCertRefused, Likely},
		{FromServer, alertBadCertificate, CodeClientCertRefused, Likely},
		{FromServer, alertCertExpired, CodeClientCertRefused, Likely},
		{FromServer, alertHandshakeFailure, CodeServerAlert, Certain},
		{FromClient, alertUnknownCA, CodeServerCertRefused, Certain},
		{FromClient, alertBadCertificate, CodeServerCertRefused, Certain},
		{FromClient, alertInternalError, CodeClientAlert, Certain},
	} {
		script := transcript{
			client(handshake(clientHello(modern))[:30]), loses(FromClient, 300),
			server(handshake(serverHello12(v12, 0xc02b))[:30]), loses(FromServer, 1300),
			loses(FromClient, 1600), says(tt.from, alert(tt.alert)),
		}.and(finBy(tt.from)...)
		c := script.diagnosed(testServer)
		if f := c.Findings[0]; f.Code != tt.want || f.Confidence != tt.sureness {
			t.Errorf("%v of the %v: %s, %v", tt.alert, tt.from, f.Code, f.Confidence)
		}
	}
}

// twoHellos sends two at once, the second in a record of the version; the server takes the first.
func twoHellos(second tlswire.Version) transcript {
	first := healthy12()
	return transcript{client(handshake(clientHello(modern)), record(tlswire.ContentTypeHandshake, second, clientHello(modern))), first[1], server(alert(alertProtocolVersion))}.and(finBy(FromServer)...)
}

// closedByNotify is TLS 1.2 with a client that sends nothing and takes its leave; the server is the first to close its stream.
func closedByNotify() transcript {
	return slices.Concat(healthy12()[:4], transcript{client(record(tlswire.ContentTypeAlert, v12, strings.Repeat("a", 26)))}.and(finBy(FromServer)...))
}

// closedAtOnce is TLS 1.2 that the server ends after the handshake.
func closedAtOnce() transcript {
	return slices.Concat(healthy12()[:4], transcript{server(record(tlswire.ContentTypeAlert, v12, strings.Repeat("a", 26)))}.and(finBy(FromServer)...))
}

// TestNamesStay: wording for servers that are not etcd changes titles, never names from the wire. kubeadm's CA is called etcd-ca.
func TestNamesStay(t *testing.T) {
	p := testPKI()
	script := refusing(p.clientOther.Certificate[0], alertUnknownCA, p.ca.cert.RawSubject)
	c := script.diagnosed(testOther)
	if len(c.Findings) == 0 || !strings.Contains(c.Findings[0].Meaning, p.ca.cert.Subject.String()) {
		t.Errorf("the CA's name %s is not in %v", p.ca.cert.Subject, c.Findings)
	}
	c = clientRefuses(p.server, alertUnknownCA).diagnosed(testOther)
	if i := slices.IndexFunc(c.Findings, func(f Finding) bool { return f.Code == CodeServerCertRefused }); i < 0 || strings.Contains(c.Findings[i].Title, "etcd") {
		t.Errorf("a server on another port is called etcd: %v", c.Findings)
	}
}

// TestKnownTLS: where it is known from a log that a server speaks TLS, its port does not matter.
func TestKnownTLS(t *testing.T) {
	script := transcript{client("GET / HTTP/1.1\r\n\r\n")}.and(finBy(FromServer)...)
	var d Diagnoser
	if c := d.Diagnose(feeding{server: testOther}.facts(script)); c.Outcome != OutcomePlaintext {
		t.Errorf("without knowing: %v", c.Outcome)
	}
	d.SpeaksTLS(testOther)
	if c := d.Diagnose(feeding{server: testOther}.facts(script)); c.Outcome != OutcomePlaintextToTLS {
		t.Errorf("knowing: %v", c.Outcome)
	}
}

// TestPacketsRefute: a line with a healthy connection's address and time says nothing about it.
func TestPacketsRefute(t *testing.T) {
	healthy := live("TLS 1.2 mTLS").diagnosed(testServer)
	if healthy.Outcome != OutcomeEstablished {
		t.Fatalf("outcome %v", healthy.Outcome)
	}
	for _, code := range []Code{CodePlaintextToTLS, CodeClientCertMissing, CodeConnectionWithoutData} {
		c := healthy
		f := findingOf(code, Certain)
		f.Evidence = []Evidence{{Text: "log"}}
		c.Log = []*LogEntry{{Findings: []Finding{f}}}
		c.Findings = nil
		c.reconcile()
		if len(c.Findings) != 1 || c.Findings[0].Code != CodeLogDisagrees {
			t.Errorf("%s: %v", code, c.Findings)
		}
	}
	if healthy.refutes(CodePeerSANMismatch) {
		t.Error("what comes after the handshake is not refuted by it")
	}
}

// TestUndated: a capture without times has no expired certificates.
func TestUndated(t *testing.T) {
	leaf := testPKI().serverOld.Leaf
	if leaf == nil {
		leaf = ParseCertificate(testPKI().serverOld.Certificate[0]).X509
	}
	if s := validity(leaf, time.Unix(0, 0)); s != "" {
		t.Errorf("at 1970: %s", s)
	}
	if validity(leaf, testTime) == "" {
		t.Error("an expired certificate is not told")
	}
}

// TestProxyClosedSilentClient: etcd saw an end that was the proxy's doing.
func TestProxyClosedSilentClient(t *testing.T) {
	for _, proxied := range []bool{false, true} {
		f := &Facts{Client: testClient, Server: testServer, Ended: CloseIdle, TCP: TCPFacts{SYN: true, SYNACK: true, Established: true}}
		if proxied {
			f.Outgoing = testOther
		}
		eof := findingOf(CodeConnectionWithoutData, Likely)
		eof.Evidence = []Evidence{{Text: "log"}}
		c := Connection{Facts: f, Log: []*LogEntry{{Findings: []Finding{eof}}}}
		c.reconcile()
		if len(c.Findings) != 1 || strings.Contains(c.Findings[0].Meaning, "the proxy closed") != proxied {
			t.Errorf("through a proxy: %v; %v", proxied, c.Findings)
		}
	}
}

// TestProxyGotNoConnection: what the proxy knows of a failed dial is the finding.
func TestProxyGotNoConnection(t *testing.T) {
	for server, fix := range map[netip.AddrPort]string{testServer: "tcpdump", {}: "ss -lx", netip.AddrPortFrom(netip.Addr{}, 2379): "getent"} {
		var d Diagnoser
		c := d.Diagnose(&Facts{Client: testClient, Server: server, Dialed: testOther, DialError: "connecting to 203.0.113.9:2379: network is unreachable"})
		if c.Outcome != OutcomeUnanswered || len(c.Findings) != 1 || c.Findings[0].Code != CodeUnanswered || !strings.Contains(c.Findings[0].Meaning, "network is unreachable") || !strings.Contains(strings.Join(c.Findings[0].Fix, "\n"), fix) {
			t.Errorf("to %v: %v, %v", server, c.Outcome, c.Findings)
		}
	}
}
