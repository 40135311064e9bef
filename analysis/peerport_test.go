package analysis

import (
	"crypto/x509"
	"net"
	"slices"
	"strings"
	"testing"

	"github.com/etcdtap/etcdtap/analysis/tlswire"
)

// http2AtPeer is HTTP/2 over TLS 1.3 at the peer port, after the flight of a client that presents a certificate.
func http2AtPeer(tickets bool, then ...int) *Facts {
	e := encrypted{hello: tlswire.ClientHello{ALPN: []string{"h2"}}, lengths: asking(append([]int{-902, -281, -53}, then...)...)}
	if tickets {
		e.hello.PSKModes = []uint8{pskWithDHE}
	}
	f := e.facts()
	f.Client, f.Server, f.Start, f.End = testClient, testPeer, testTime, testTime
	for d := range f.Stream {
		s := &f.Stream[d]
		s.Protocol, s.Bytes, s.Close, s.ClosedAt = ProtocolTLS, 2000, CloseFIN, testTime.Add(1<<20)
		s.ClosePacket = int64(40 - d) // the server first
	}
	return f
}

// TestHTTP2AtPeerPort tells a refused certificate from a refused protocol, where a ticket is due or the server said more.
func TestHTTP2AtPeerPort(t *testing.T) {
	const ticket, preface, alert, badRequest = 1200, -41, 19, 120
	for _, tt := range []struct {
		name    string
		facts   *Facts
		outcome Outcome
		code    Code
		says    string
	}{
		{"a ticket, then close_notify", http2AtPeer(true, ticket, preface, alert), OutcomeEstablished, CodeGRPCToPeerPort, "wrong port"},
		{"a ticket was due: the alert is about the certificate", http2AtPeer(true, preface, alert), OutcomeRejectedByServer, CodeClientCertRefused, "refused the certificate"},
		{"no ticket is due: it may be either", http2AtPeer(false, preface, alert), OutcomeEstablished, CodeGRPCToPeerPort, "looks the same"},
		{"400 Bad Request", http2AtPeer(false, preface, badRequest, alert), OutcomeEstablished, CodeGRPCToPeerPort, "400 Bad Request"},
		{"the client has gone when that comes", resetBy(FromClient, http2AtPeer(false, preface, -19, badRequest)), OutcomeEstablished, CodeGRPCToPeerPort, "400 Bad Request"},
		{"the client resets when it has read that", resetBy(FromClient, http2AtPeer(false, preface, badRequest, alert)), OutcomeEstablished, CodeGRPCToPeerPort, "400 Bad Request"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var d Diagnoser
			c := d.Diagnose(tt.facts)
			if c.Outcome != tt.outcome {
				t.Errorf("outcome %v, want %v", c.Outcome, tt.outcome)
			}
			if len(c.Findings) == 0 || c.Findings[0].Code != tt.code {
				t.Fatalf("want %s, got %v", tt.code, c.Findings)
			}
			if f := &c.Findings[0]; !strings.Contains(f.Title+": "+f.Meaning, tt.says) || f.Confidence != Likely {
				t.Errorf("%v, want %q: %s", f.Confidence, tt.says, f.Meaning)
			}
		})
	}
}

// TestHTTP2WithAnotherMembersCertificate: where the certificate that the client showed (TLS 1.2) is not valid for its address, the peer port
// may have closed for that, and the line of the log that says so contradicts nothing.
func TestHTTP2WithAnotherMembersCertificate(t *testing.T) {
	for _, tt := range []struct {
		name       string
		leaf       x509.Certificate
		suite      tlswire.CipherSuite
		answer     []int
		confidence Confidence
		says       string
	}{
		{"of another address", x509.Certificate{IPAddresses: []net.IP{net.IPv4(192, 0, 2, 77)}}, 0xc02f, nil, Likely, "valid for 192.0.2.77, and it comes from 127.0.0.1. Etcd's log"},
		{"of another name", x509.Certificate{DNSNames: []string{"cp-9"}}, 0xc02f, nil, Likely, "which its names would have to lead to"},
		{"of another address, and etcd 3.6 answered", x509.Certificate{IPAddresses: []net.IP{net.IPv4(192, 0, 2, 77)}}, 0xc02f, []int{127}, Certain, "certificates are right"},
		{"and ChaCha20 has no nonce before it", x509.Certificate{IPAddresses: []net.IP{net.IPv4(192, 0, 2, 77)}}, 0xcca8, []int{119}, Certain, "certificates are right"},
		{"of this address", x509.Certificate{IPAddresses: []net.IP{testClient.Addr().AsSlice()}}, 0xc02f, nil, Certain, "certificates are right"},
		{"without names", x509.Certificate{}, 0xc02f, nil, Certain, "certificates are right"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			f := http2AtPeer(false)
			f.TLS.Version, f.TLS.CipherSuite, f.TLS.ALPN, f.TLS.ServerHello.ALPN = tlswire.VersionTLS12, tt.suite, "h2", "h2"
			f.TLS.Finished, f.TLS.Encrypted[FromServer] = [2]bool{true, true}, EncryptedFacts{Started: true}
			for i, n := range tt.answer {
				e := &f.TLS.Encrypted[FromServer]
				e.Shape = append(e.Shape, RecordShape{Type: tlswire.ContentTypeApplicationData, Length: uint16(n), Packet: int64(30 + i), told: int64(30 + i)})
				e.Records, e.Data = e.Records+1, e.Data+1
			}
			f.TLS.Certificates[FromClient] = CertificateFacts{Visibility: Seen, Chain: []*Certificate{{X509: &tt.leaf}}}
			var d Diagnoser
			c := d.Diagnose(f)
			i := slices.IndexFunc(c.Findings, func(f Finding) bool { return f.Code == CodeGRPCToPeerPort })
			if i < 0 {
				t.Fatalf("outcome %v, findings %v", c.Outcome, verdicts(c.Findings))
			}
			if g := &c.Findings[i]; g.Confidence != tt.confidence || !strings.Contains(g.Meaning, tt.says) {
				t.Errorf("%v, want %v and %q: %s", g.Confidence, tt.confidence, tt.says, g.Meaning)
			}
			if work := strings.Contains(strings.Join(c.Findings[i].Fix, " "), "they work"); work != (tt.confidence == Certain) {
				t.Errorf("says that the certificates work: %v: %q", work, c.Findings[i].Fix)
			}
			if tt.confidence == Certain {
				return
			}
			_, out := joining(t, []Connection{c}, rejectionAt(testTime, c.Client.String(), "x509: certificate is valid for 192.0.2.77, not 127.0.0.1"))
			if v := verdicts(out[0].Findings); len(v) == 0 || v[0].Code != CodePeerSANMismatch || slices.ContainsFunc(v, func(v verdict) bool { return v.Code == CodeLogDisagrees || v.Code == CodeGRPCToPeerPort }) {
				t.Errorf("with the log: %v", v)
			}
		})
	}
}

// resetBy has d's side reset the connection before the other could close.
func resetBy(d Direction, f *Facts) *Facts {
	f.Stream[d].Close, f.Stream[d.Other()].Close = CloseRST, CloseNone
	return f
}

// TestLogKnowsCertificate: where the lengths leave it open, the line decides, and the outcome follows.
func TestLogKnowsCertificate(t *testing.T) {
	for _, tt := range []struct {
		name    string
		guess   Code
		err     string
		outcome Outcome
		code    Code
	}{
		{"refused in the handshake", CodeGRPCToPeerPort, server120 + unknownCA, OutcomeRejectedByServer, CodeClientCertUntrusted},
		{"refused after it", CodeGRPCToPeerPort, `tls: \"127.0.0.1\" does not match any of DNSNames [\"a.test\"]`, OutcomeEstablished, CodePeerSANMismatch},
		{"not in the handshake, but after it", CodeClientCertRefused, "certificate serial 3f2a revoked", OutcomeEstablished, CodeClientCertRevoked},
		{"in the handshake indeed", CodeClientCertRefused, server120 + unknownCA, OutcomeRejectedByServer, CodeClientCertUntrusted},
		{"the protocol was refused", CodeGRPCToPeerPort, noRecord, OutcomeEstablished, CodeGRPCToPeerPort},
	} {
		t.Run(tt.name, func(t *testing.T) {
			list := connections(seenConn{port(1), 0, []Finding{guess(tt.guess)}})
			if tt.guess == CodeGRPCToPeerPort {
				list[0].Outcome = OutcomeEstablished
			}
			_, out := joining(t, list, rejectionAt(testTime, port(1), tt.err))
			c := out[0]
			has := func(code Code) bool {
				return slices.ContainsFunc(c.Findings, func(f Finding) bool { return f.Code == code })
			}
			if c.Outcome != tt.outcome || !has(tt.code) || tt.code != tt.guess && has(tt.guess) {
				t.Errorf("%v %v", c.Outcome, c.Findings)
			}
		})
	}
}
