package analysis

import (
	"slices"

	"github.com/etcdtap/etcdtap/analysis/tlswire"
)

// Shape is what the lengths of TLS 1.3's encrypted handshake records give away. Go and OpenSSL put each message in a record of
// its own; stacks that do not are recognised by lengths that do not fit, and then nothing is claimed. All of it is inference.
type Shape struct {
	ServerFinished    int  // index in Encrypted[FromServer].Shape of the record with the server's Finished; -1: cannot tell
	ClientFinished    int  // the same for the client
	Requested         bool // a CertificateRequest was sent; valid iff ServerFinished >= 0
	ClientEmpty       bool // the client answered it with an empty Certificate
	ClientPresented   bool // the client presented a certificate
	ALPNLength        int  // bytes of the protocol name that the server chose, 0 for none; -1: cannot tell
	ClientAlertInLieu bool // the client sent an alert where its Finished was due
	Accepted          bool // after the client's Finished the server sent a ticket or data: it took the client's certificate
	RefusedAfter      bool // after the client's Finished the server sent an alert and nothing before it
}

// Lengths of inner plaintexts (RFC 8446, Section 5.2: content type, then padding, none here).
const (
	tagLength   = 16 // AES-GCM, ChaCha20-Poly1305
	innerType   = 1
	alertRecord = 2 + innerType + tagLength
	emptyCert   = tlswire.MessageHeaderLen + 1 + 3 + innerType + tagLength // Certificate with empty context and list (Section 4.4.2)
	shortestEE  = tlswire.MessageHeaderLen + 2 + innerType + tagLength     // EncryptedExtensions without extensions (Section 4.3.1)
)

// finishedRecord is the length of a record that holds a Finished message under the suite, 0 when its tag length is another.
func finishedRecord(s tlswire.CipherSuite) int {
	switch s {
	case 0x1301, 0x1303: // TLS_AES_128_GCM_SHA256, TLS_CHACHA20_POLY1305_SHA256
		return tlswire.MessageHeaderLen + 32 + innerType + tagLength
	case 0x1302: // TLS_AES_256_GCM_SHA384
		return tlswire.MessageHeaderLen + 48 + innerType + tagLength
	}
	return 0
}

// Shape reads the record lengths. Its zero-like answer, nothing inferred, is given for other versions and suites.
func (t *TLSFacts) Shape() Shape {
	s := Shape{ServerFinished: -1, ClientFinished: -1, ALPNLength: -1}
	fin := finishedRecord(t.CipherSuite)
	if t.Version != tlswire.VersionTLS13 || t.ServerHello == nil || fin == 0 {
		return s
	}
	server, client := t.Encrypted[FromServer].Shape, t.Encrypted[FromClient].Shape
	s.server(server, fin)
	if s.ServerFinished >= 0 && server[0].Length >= shortestEE {
		s.ALPNLength = t.alpnLength(server[0].Length - shortestEE)
	}
	s.client(client, fin)
	if s.ServerFinished < 0 {
		return s
	}
	if after := server[s.ServerFinished+1:]; len(after) > 0 && s.ClientFinished >= 0 {
		s.RefusedAfter = after[0].Length == alertRecord && !laterThanClose(after[0], client)
		s.Accepted = after[0].Length != alertRecord
	}
	return s
}

// server reads EncryptedExtensions, CertificateRequest, Certificate, CertificateVerify, Finished: the second is optional, and
// with a PSK all but the first and the last are left out (Section 2.2).
func (s *Shape) server(r []RecordShape, fin int) {
	for i := range min(len(r), 5) {
		if r[i].Length != fin || i == 2 {
			continue
		}
		if i == 1 || i == 3 || i == 4 {
			s.ServerFinished = i
			s.Requested = i == 4
		}
		break
	}
}

// alpnLength explains n bytes of extensions in EncryptedExtensions by the length of a name that the client offered, 0 for none,
// or -1 when nothing explains them. Servers of Go 1.24 and later also acknowledge a server_name (RFC 6066, Section 3).
func (t *TLSFacts) alpnLength(n int) int {
	const (
		acknowledged = 4 // an empty extension
		header       = 7 // extension header 4, list length 2, name length 1, then the name (RFC 7301, Section 3.1)
	)
	if t.ClientHello == nil {
		return -1
	}
	others := [2]int{0, acknowledged}
	for _, other := range others[:1+min(1, len(t.ClientHello.ServerName))] {
		if n == other {
			return 0
		}
		for _, name := range t.ClientHello.ALPN {
			if n == other+header+len(name) {
				return len(name)
			}
		}
	}
	return -1
}

// client reads Certificate, CertificateVerify, Finished, or what of them was sent.
func (s *Shape) client(r []RecordShape, fin int) {
	switch {
	case len(r) == 0:
	case r[0].Length == alertRecord:
		s.ClientAlertInLieu = true
	case r[0].Length == fin:
		s.ClientFinished = 0
	case len(r) > 1 && r[0].Length == emptyCert && r[1].Length == fin:
		s.ClientFinished, s.ClientEmpty = 1, true
	case len(r) > 2 && r[0].Length > emptyCert+64 && r[2].Length == fin:
		s.ClientFinished, s.ClientPresented = 2, true
	}
}

// laterThanClose reports whether the client had already sent an alert, its close_notify, when the server sent r.
func laterThanClose(r RecordShape, client []RecordShape) bool {
	for _, c := range client {
		if c.Length == alertRecord && earlier(&c, &r) { // by time where there are no packets
			return true
		}
	}
	return false
}

// H2 reports whether HTTP/2 was agreed on, and whether that was seen rather than inferred from EncryptedExtensions' length.
func (t *TLSFacts) H2(s Shape) (agreed, seen bool) {
	if t.ALPN != "" || t.Version != tlswire.VersionTLS13 {
		return t.ALPN == "h2", true
	}
	if t.ClientHello == nil {
		return false, false
	}
	return s.ALPNLength == len("h2") && slices.Contains(t.ClientHello.ALPN, "h2"), false
}

// inferAlerts adds TLS 1.3's encrypted alerts: a stream's last record, when it has an alert's length. Before the Finished
// message nothing else is as short; later it could be two bytes of data, so it stays an inference.
func (c *Conn) inferAlerts() {
	t := &c.tls
	if t.Version != tlswire.VersionTLS13 || finishedRecord(t.CipherSuite) == 0 {
		return
	}
	var found [2]*RecordShape
	for d := range t.Encrypted {
		if e := &t.Encrypted[d]; e.Records > 0 && e.Last.Length == alertRecord {
			found[d] = &e.Last
		}
	}
	order := [2]Direction{FromClient, FromServer}
	if found[0] != nil && found[1] != nil && earlier(found[1], found[0]) {
		order = [2]Direction{FromServer, FromClient}
	}
	for _, d := range order {
		if r := found[d]; r != nil {
			c.alert(Alert{From: d, Encrypted: true, Inferred: true, At: r.At, Packet: r.Packet})
		}
	}
}

func earlier(a, b *RecordShape) bool {
	return a.Packet < b.Packet || a.Packet == b.Packet && a.At.Before(b.At)
}
