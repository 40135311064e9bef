package report

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"math/big"
	"net"
	"net/netip"
	"testing"
	"time"

	"github.com/etcdtap/etcdtap/analysis"
	"github.com/etcdtap/etcdtap/analysis/tlswire"
)

// sampleStart is when all sample connections begin.
var sampleStart = time.Date(2026, 11, 23, 2, 56, 29, 148_000_000, time.UTC)

// sampleCertificate makes a certificate whose text fields are all name.
func sampleCertificate(t testing.TB, name string) *analysis.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	c := x509.Certificate{
		SerialNumber: big.NewInt(0xabc), Subject: pkix.Name{CommonName: name}, NotBefore: sampleStart.Add(-time.Hour), NotAfter: sampleStart.Add(time.Hour),
		DNSNames: []string{"localhost"}, IPAddresses: []net.IP{net.IPv4(10, 0, 0, 1)}, KeyUsage: x509.KeyUsageDigitalSignature,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, &c, &c, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	return analysis.ParseCertificate(der)
}

// fullConnection has something in every field that is rendered; text is in all those that come from the wire.
func fullConnection(certs []*analysis.Certificate, text string) *analysis.Connection {
	f := &analysis.Facts{
		Client: netip.MustParseAddrPort("10.0.0.7:41234"), Server: netip.MustParseAddrPort("10.0.0.1:2379"),
		Start: sampleStart, End: sampleStart.Add(12 * time.Millisecond), Ended: analysis.CloseEnd, RolesGuessed: true,
		TCP: analysis.TCPFacts{FirstPacket: 4, LastPacket: 19, Packets: [2]int64{9, 7}, Retransmitted: 1, OutOfOrder: 2, Conflicting: 3, Truncated: 4},
	}
	f.Stream[analysis.FromClient] = analysis.StreamFacts{Protocol: analysis.ProtocolProxyV1, Then: analysis.ProtocolTLS, Request: text, Bytes: 2475, Missed: 7, StartMissed: true, Close: analysis.CloseFIN}
	f.Stream[analysis.FromServer] = analysis.StreamFacts{Protocol: analysis.ProtocolTLS, Request: text, Bytes: 1343, Close: analysis.CloseRST}
	f.TLS = &analysis.TLSFacts{
		Version: tlswire.VersionTLS12, CipherSuite: 0xc02f, Group: 29, ALPN: text, HelloRetry: true,
		ClientHello: &tlswire.ClientHello{
			LegacyVersion: tlswire.VersionTLS12, ServerName: text, ALPN: []string{text, "h2"}, SupportedVersions: []tlswire.Version{0x2a2a, tlswire.VersionTLS13, tlswire.VersionTLS12},
			CipherSuites: []tlswire.CipherSuite{0x0a0a, 0xc02f, 0x1301, 0xfefe}, Groups: []tlswire.Group{29, 0xfe00},
			SignatureAlgorithms: []tlswire.SignatureScheme{0x0403, 0x0804}, KeyShares: []tlswire.KeyShare{{Group: 29, Length: 32}, {Group: 23, Length: 65}},
		},
		SSLv2:              &tlswire.SSLv2ClientHello{Version: tlswire.VersionTLS10, CipherSpecs: []uint32{0x2f, 0x0700c0}},
		ServerHello:        &tlswire.ServerHello{LegacyVersion: tlswire.VersionTLS12, CipherSuite: 0xc02f, ALPN: text, Group: 29},
		CertificateRequest: analysis.CertificateRequestFacts{Visibility: analysis.Seen, Authorities: []string{text}},
		Certificates: [2]analysis.CertificateFacts{
			{Visibility: analysis.Seen, Chain: certs, Packet: 8, At: sampleStart},
			{Visibility: analysis.Seen, Chain: certs, Packet: 6, At: sampleStart},
		},
		Alerts: []analysis.Alert{
			{From: analysis.FromServer, Level: tlswire.AlertLevelFatal, Code: 42, At: sampleStart, Packet: 9},
			{From: analysis.FromClient, Encrypted: true, Inferred: true, At: sampleStart, Packet: 10},
			{From: analysis.FromServer, Decrypted: true, Level: tlswire.AlertLevelFatal, Code: 48, At: sampleStart, Packet: 11},
		},
		Violations: []analysis.Violation{{From: analysis.FromClient, At: sampleStart, Packet: 3, Err: &tlswire.SyntaxError{Problem: text}}},
	}
	return &analysis.Connection{
		Facts: f, Endpoint: analysis.EndpointClient, Outcome: analysis.OutcomeRejectedByServer, Process: fullProcess(text),
		Findings: []analysis.Finding{{
			Code: analysis.CodeClientCertExpired, Severity: analysis.Error, Confidence: analysis.Certain, AtFault: analysis.FaultClient,
			Title: "Client certificate expired", Meaning: "the server refused " + analysis.Quote(text), Fix: []string{"Look at the dates: `openssl x509 -noout -dates`"},
			Evidence: []analysis.Evidence{
				{Text: "Certificate", Packet: 8, At: sampleStart, From: "client", Bytes: []byte{1, 2, 0xff}},
				{Text: text},
			},
		}},
	}
}

// fullProcess has text in every field.
func fullProcess(text string) *analysis.Process {
	return &analysis.Process{Known: true, PID: 4242, UIDKnown: true, UID: 1000, Command: text, Executable: text, Args: []string{text, "--cacert=ca.crt", text},
		Container: text, Pod: text, Unit: text}
}

// brokenCertificate does not parse.
func brokenCertificate() *analysis.Certificate {
	return &analysis.Certificate{Raw: []byte{0x30}, Err: errors.New("x509: malformed certificate")}
}

// fullSummary has something in every field.
func fullSummary(conns ...*analysis.Connection) *analysis.Summary {
	one := []analysis.Count{{Name: "some \x1b[31m name", N: 3}}
	s := &analysis.Summary{Input: analysis.Input{Files: 1, Packets: 113, Bytes: 21604, NotTCP: one, Undecodable: one, UnknownLinkTypes: one,
		TruncatedFiles: one, Drops: one, FragmentsLost: 1, OutOfScope: 2, Evicted: 3, SecretsKept: 4, Other: one}}
	for _, c := range conns {
		s.Add(c)
	}
	return s
}

// plaintextConnection is the same mistake each time, at seconds after sampleStart.
func plaintextConnection(packet int64, seconds float64, more ...analysis.Finding) *analysis.Connection {
	at := sampleStart.Add(time.Duration(seconds * 1e9))
	f := &analysis.Facts{
		Client: netip.AddrPortFrom(netip.MustParseAddr("10.0.0.7"), uint16(41234+packet)), Server: netip.MustParseAddrPort("10.0.0.1:2380"),
		Start: at, End: at.Add(time.Millisecond), TCP: analysis.TCPFacts{FirstPacket: packet, LastPacket: packet + 7, Packets: [2]int64{4, 4}, SYN: true, SYNACK: true},
	}
	f.Stream[analysis.FromClient] = analysis.StreamFacts{Protocol: analysis.ProtocolHTTP2, Request: "PRI * HTTP/2.0", Bytes: 24, Close: analysis.CloseFIN}
	f.Stream[analysis.FromServer] = analysis.StreamFacts{Close: analysis.CloseFIN}
	return &analysis.Connection{
		Facts: f, Endpoint: analysis.EndpointPeer, Outcome: analysis.OutcomePlaintextToTLS,
		Findings: append([]analysis.Finding{{
			Code: analysis.CodePlaintextToTLS, Severity: analysis.Error, Confidence: analysis.Certain, AtFault: analysis.FaultClient,
			Title: "gRPC without TLS to a TLS port", Meaning: `the client sent "PRI * HTTP/2.0" (gRPC's plaintext preface); etcd closed without a byte`,
			Fix:      []string{"drop -plaintext and give -cacert, -cert and -key; for etcd's API use port 2379, not 2380"},
			Evidence: []analysis.Evidence{{Text: "the preface", Packet: packet + 3, At: at, From: "client"}, {Text: "FIN from the server", Packet: packet + 5, At: at, From: "server"}},
		}}, more...),
	}
}

// hiddenConnection is TLS 1.3 in which an empty client certificate was refused.
func hiddenConnection() *analysis.Connection {
	c := fullConnection(nil, "text")
	c.TLS.Version, c.TLS.CipherSuite, c.Findings = tlswire.VersionTLS13, 0x1301, nil
	for d, lengths := range [2][]int{{25, 53}, {32, 110, 902, 281, 53, 19}} {
		for i, n := range lengths {
			r := analysis.RecordShape{Type: tlswire.ContentTypeApplicationData, Length: uint16(n), Ns: sampleStart.UnixNano(), Packet: int64(10 - 4*d + i)}
			c.TLS.Encrypted[d].Shape = append(c.TLS.Encrypted[d].Shape, r)
			c.TLS.Encrypted[d].Records++
		}
	}
	return c
}
