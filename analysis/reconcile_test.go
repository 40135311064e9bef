package analysis

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestReconcile makes one judgement of packets and line.
func TestReconcile(t *testing.T) {
	for _, tt := range []struct {
		name  string
		found []Finding
		err   string
		want  []string // code and confidence, in order
		lines int      // pieces of evidence of the first that come from the log
		alone bool     // the first rests on the log alone
	}{
		{"the log gives the reason", []Finding{guess(CodeClientCertRefused)}, server120 + unknownCA, []string{"client-cert-untrusted certain"}, 1, false},
		{"of an empty certificate, too", []Finding{guess(CodeClientCertMissing)}, "tls: client didn't provide a certificate", []string{"client-cert-missing certain"}, 1, false},
		{"the log knows which of two guesses is right", []Finding{guess(CodeClientCertRefused), onPackets(CodePeerSANMismatch, Possible)}, `tls: \"127.0.0.1\" does not match any of DNSNames [\"a.test\"]`, []string{"peer-san-mismatch certain"}, 1, false},
		{"and that neither is", []Finding{guess(CodeClientCertRefused), onPackets(CodePeerSANMismatch, Possible)}, server120 + unknownCA, []string{"client-cert-untrusted certain"}, 1, false},
		{"a refusal is named", []Finding{sure(CodeClientCertRefused), onPackets(CodeClientCertNotAllowed, Possible)}, "tls: client certificate authentication failed", []string{"client-cert-not-allowed certain"}, 1, false},
		{"the log is not sure itself", []Finding{guess(CodeClientCertRefused)}, server120 + unknownCA + ` (possibly because of \"crypto/rsa: verification error\" while)`, []string{"ca-regenerated likely"}, 1, false},
		{"they agree", []Finding{guess(CodePlaintextToTLS)}, noRecord, []string{"plaintext-to-tls certain"}, 1, false},
		{"the packets know which", []Finding{guess(CodeProxyProtocolToTLS)}, noRecord, []string{"proxy-protocol-to-tls likely"}, 1, false},
		{"the packets know more, the line does not confirm that", []Finding{guess(CodeServerNameMismatch)}, "remote error: tls: bad certificate", []string{"server-name-mismatch likely"}, 1, false},
		{"a MAC failure is a refusal in clear", []Finding{sure(CodeServerCertRefused), guess(CodeServerCertUntrusted)}, "local error: tls: bad record MAC", []string{"server-cert-refused certain", "server-cert-untrusted likely"}, 1, false},
		{"the alternative fits", []Finding{sure(CodeGroupMismatch)}, "tls: no cipher suite supported by both client and server", []string{"group-mismatch certain"}, 1, false},
		{"nothing was seen", nil, server120 + unknownCA, []string{"client-cert-untrusted certain"}, 1, true},
		{"they disagree", []Finding{sure(CodePlaintextToTLS)}, server120 + unknownCA, []string{"plaintext-to-tls certain", "client-cert-untrusted certain", "log-disagrees certain"}, 0, false},
		{"a guess gives way", []Finding{guess(CodeALPNMismatch)}, server120 + unknownCA, []string{"client-cert-untrusted certain", "alpn-mismatch likely"}, 1, true},
		{"an expired server certificate stands beside", []Finding{sure(CodeServerCertExpired)}, "tls: client didn't provide a certificate", []string{"server-cert-expired certain", "client-cert-missing certain"}, 0, false},
		{"the text is not known", []Finding{guess(CodeClientCertRefused)}, "tls: a text of the future", []string{"client-cert-refused likely", "unrecognised-rejection certain"}, 0, false},
		{"an alert that the packets do not explain, for the hello was not captured", []Finding{sure(CodeServerAlert)}, "tls: client offered only unsupported versions: [302 301]", []string{"version-mismatch certain"}, 1, false},
		{"another", []Finding{sure(CodeServerAlert)}, "tls: no cipher suite supported by both client and server", []string{"cipher-mismatch certain"}, 1, false},
		{"a client's alert at a place that cannot be told", []Finding{sure(CodeClientAlert)}, "remote error: tls: bad certificate", []string{"server-cert-refused certain"}, 1, false},
		{"the packets say more exactly what is refused", []Finding{sure(CodeClientCertUntrusted)}, server120 + "x509: a text of the future", []string{"client-cert-untrusted certain"}, 1, false},
		{"abandoned is no EOF without data", []Finding{sure(CodeHandshakeAbandoned)}, "EOF", []string{"handshake-abandoned certain"}, 1, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			before := fmt.Sprint(tt.found)
			_, out := joining(t, connections(seenConn{port(1), 0, tt.found}), rejectionAt(testTime, port(1), tt.err))
			var got []string
			for _, f := range out[0].Findings {
				got = append(got, string(f.Code)+" "+f.Confidence.String())
			}
			if d := cmp.Diff(tt.want, got); d != "" {
				t.Errorf("(-want +got):\n%s", d)
			}
			fromLog, fromPackets := 0, 0
			for _, e := range out[0].Findings[0].Evidence {
				if strings.HasPrefix(e.Text, "log: ") {
					fromLog++
				} else {
					fromPackets++
				}
			}
			if fromLog != tt.lines || (fromPackets == 0) != tt.alone {
				t.Errorf("evidence: %d from the log, %d from packets", fromLog, fromPackets)
			}
			if after := fmt.Sprint(tt.found); after != before {
				t.Errorf("the findings of the packets were changed: %s", after)
			}
		})
	}
}

// TestConfirmedWeight: what was a warning while it was a guess weighs what the line says.
func TestConfirmedWeight(t *testing.T) {
	perhaps := onPackets(CodeClientCertRevoked, Possible)
	perhaps.Severity = Warning
	_, out := joining(t, connections(seenConn{port(1), 0, []Finding{perhaps}}), rejectionAt(testTime, port(1), "certificate serial 3f2a revoked"))
	if f := out[0].Findings[0]; f.Code != CodeClientCertRevoked || f.Severity != Error || f.Confidence != Certain {
		t.Errorf("%s %v %v", f.Code, f.Severity, f.Confidence)
	}
}

// TestOtherEnd: the line of a member's own client, its gateway's, about the very connection that etcd rejected is no other story.
func TestOtherEnd(t *testing.T) {
	reset := testTime.UTC().Format("2006/01/02 15:04:05") + ` WARNING: [core] [Channel #3 SubChannel #4] grpc: addrConn.createTransport failed to connect to {Addr: "127.0.0.1:2379", ServerName: "127.0.0.1:2379", }. Err: write tcp ` +
		port(1) + `->127.0.0.1:2379: write: connection reset by peer`
	_, out := joining(t, connections(seenConn{port(1), 0, []Finding{guess(CodeClientCertRefused)}}), rejectionAt(testTime, port(1), server120+"x509: certificate specifies an incompatible key usage"), reset)
	if len(out[0].Log) != 2 || len(out[0].Findings) != 1 || out[0].Findings[0].Code != CodeClientCertKeyUsage {
		t.Errorf("%d lines, %v", len(out[0].Log), out[0].Findings)
	}
}
