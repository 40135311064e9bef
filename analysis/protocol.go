package analysis

import (
	"bytes"
	"encoding/binary"

	"github.com/etcdtap/etcdtap/analysis/tlswire"
)

// Protocol is what the first bytes of a stream are.
type Protocol uint8

const (
	ProtocolNone          Protocol = iota // no byte was sent
	ProtocolUnknown                       // none of those below
	ProtocolTLS                           // a TLS record; what kind, the TLS facts say
	ProtocolTLSBadVersion                 // a handshake record whose version no TLS has
	ProtocolDTLS                          // a DTLS record, on TCP
	ProtocolSSLv2                         // a ClientHello in SSLv2's framing (RFC 5246, Appendix E.2)
	ProtocolHTTP1                         // a request or response of HTTP/1.x
	ProtocolHTTP2                         // the client's preface, or the server's SETTINGS (RFC 9113, Section 3.4)
	ProtocolRaftHTTP                      // etcd's rafthttp over plain HTTP/1.1
	ProtocolProxyV1                       // PROXY protocol header, text
	ProtocolProxyV2                       // PROXY protocol header, binary
	ProtocolSSH                           // RFC 4253, Section 4.2
	ProtocolSMTP                          // RFC 5321
	ProtocolPostgres                      // SSLRequest or StartupMessage
	ProtocolRDP                           // X.224 connection request
	ProtocolMemcached                     // text or binary
)

var protocolNames = [...]string{"none", "unknown", "tls", "tls-bad-version", "dtls", "sslv2", "http1", "http2", "raft-http",
	"proxy-v1", "proxy-v2", "ssh", "smtp", "postgresql", "rdp", "memcached"}

func (p Protocol) String() string { return protocolNames[p] }

// Plaintext reports whether the protocol carries its bytes in clear: anything but TLS in one of its framings, or silence.
func (p Protocol) Plaintext() bool {
	switch p {
	case ProtocolNone, ProtocolTLS, ProtocolTLSBadVersion, ProtocolSSLv2:
		return false
	}
	return true
}

// maxSniff bounds the bytes collected to recognise a protocol: the longest request line's beginning that is worth keeping.
const maxSniff = 256

// A signature recognises a protocol by the text that its first message begins with.
type signature struct {
	text     string
	protocol Protocol
}

var signatures = [...]signature{
	{"PRI * HTTP/2.0\r\n", ProtocolHTTP2},
	{"HTTP/1.", ProtocolHTTP1},
	{"GET ", ProtocolHTTP1}, {"POST ", ProtocolHTTP1}, {"PUT ", ProtocolHTTP1}, {"HEAD ", ProtocolHTTP1},
	{"DELETE ", ProtocolHTTP1}, {"OPTIONS ", ProtocolHTTP1}, {"CONNECT ", ProtocolHTTP1}, {"TRACE ", ProtocolHTTP1},
	{"PATCH ", ProtocolHTTP1},
	{"PROXY ", ProtocolProxyV1},
	{proxyV2Signature, ProtocolProxyV2},
	{"SSH-", ProtocolSSH},
	{"EHLO ", ProtocolSMTP}, {"HELO ", ProtocolSMTP}, {"220 ", ProtocolSMTP}, {"220-", ProtocolSMTP},
	{"get ", ProtocolMemcached}, {"set ", ProtocolMemcached}, {"stats", ProtocolMemcached}, {"version\r\n", ProtocolMemcached},
	{"\x00\x00\x00\x08\x04\xd2\x16\x2f", ProtocolPostgres},
}

const proxyV2Signature = "\r\n\r\n\x00\r\nQUIT\n"

// classify names the protocol that b, the beginning of a stream, belongs to. more means that further bytes could change
// the answer; the answer is then the best one if no more come.
func classify(b []byte) (p Protocol, more bool) {
	if len(b) == 0 {
		return ProtocolNone, true
	}
	if p, more, ok := classifyRecord(b); ok {
		return p, more
	}
	for _, s := range signatures {
		if n := min(len(b), len(s.text)); string(b[:n]) == s.text[:n] {
			if n < len(s.text) {
				return ProtocolUnknown, true
			}
			return classifyLine(s.protocol, b)
		}
	}
	if p, more := classifyBinary(b); p != ProtocolUnknown || more {
		return p, more
	}
	return ProtocolUnknown, false
}

// classifyRecord recognises TLS, DTLS and SSLv2 framing.
func classifyRecord(b []byte) (p Protocol, more, ok bool) {
	switch {
	case b[0] >= byte(tlswire.ContentTypeChangeCipherSpec) && b[0] <= byte(tlswire.ContentTypeApplicationData):
		if len(b) < tlswire.RecordHeaderLen {
			return ProtocolUnknown, true, len(b) < 2 || b[1] == 3 || b[1] == 0xfe || b[0] == byte(tlswire.ContentTypeHandshake)
		}
		if b[1] == 3 {
			return ProtocolTLS, false, true
		}
		if b[1] == 0xfe && (b[2] == 0xff || b[2] == 0xfd) {
			return ProtocolDTLS, false, true
		}
		// crypto/tls (conn.go, readRecordOrCCS) takes any version below 0x1000 for a handshake record.
		if b[0] == byte(tlswire.ContentTypeHandshake) && b[1] < 0x10 {
			return ProtocolTLSBadVersion, false, true
		}
	case b[0]&0x80 != 0:
		match, need := tlswire.LooksLikeSSLv2ClientHello(b)
		if match {
			return ProtocolSSLv2, false, true
		}
		return ProtocolUnknown, need, need
	}
	return ProtocolUnknown, false, false
}

// classifyLine waits for the end of the first line where more than its beginning is of interest, and tells raft's streams and
// messages from other HTTP/1 by their path (etcd server/etcdserver/api/rafthttp/http.go).
func classifyLine(p Protocol, b []byte) (Protocol, bool) {
	if p != ProtocolHTTP1 && p != ProtocolSSH {
		return p, false
	}
	more := bytes.IndexByte(b, '\n') < 0 && len(b) < maxSniff
	if method, path, ok := bytes.Cut(b, []byte(" ")); p == ProtocolHTTP1 && ok && bytes.HasPrefix(path, []byte("/raft")) && !bytes.HasPrefix(method, []byte("HTTP/")) {
		return ProtocolRaftHTTP, more
	}
	return p, more
}

// classifyBinary recognises protocols whose first message begins with a length.
func classifyBinary(b []byte) (p Protocol, more bool) {
	switch {
	case b[0] == 0x03 && (len(b) < 2 || b[1] == 0): // TPKT (RFC 1006), then X.224: length, CR 0xe0 or CC 0xd0
		if len(b) < 6 {
			return ProtocolUnknown, true
		}
		if b[5] == 0xe0 || b[5] == 0xd0 {
			return ProtocolRDP, false
		}
	case b[0] == 0x00: // HTTP/2 SETTINGS, or PostgreSQL's StartupMessage, protocol 3.0
		if len(b) < 9 {
			return ProtocolUnknown, true
		}
		if binary.BigEndian.Uint32(b[4:]) == 196608 {
			return ProtocolPostgres, false
		}
		if b[3] == 4 && b[4]&^1 == 0 && binary.BigEndian.Uint32(b[5:]) == 0 && b[2]%6 == 0 {
			return ProtocolHTTP2, false
		}
	case b[0] == 0x80 || b[0] == 0x81: // memcached binary: magic, opcode, key length, extras length, data type 0, vbucket 0
		if len(b) < 8 {
			return ProtocolUnknown, true
		}
		if b[1] < 0x40 && b[5] == 0 && b[6] == 0 && b[7] == 0 {
			return ProtocolMemcached, false
		}
	}
	return ProtocolUnknown, false
}

// requestLine is what identifies a plaintext message without quoting its contents: HTTP/1's method and path, HTTP's status
// line, SSH's banner. Nothing that follows is kept: headers may hold credentials.
func requestLine(p Protocol, b []byte) string {
	switch p {
	case ProtocolHTTP1, ProtocolRaftHTTP:
		line := b
		if i := bytes.IndexAny(line, "\r\n"); i >= 0 {
			line = line[:i]
		}
		if bytes.HasPrefix(line, []byte("HTTP/")) {
			return string(line[:min(len(line), maxRequest)])
		}
		method, path, _ := bytes.Cut(line, []byte(" "))
		path, _, _ = bytes.Cut(path, []byte(" "))
		path, _, _ = bytes.Cut(path, []byte("?")) // a query may hold a token
		if i := bytes.Index(path, []byte("://")); i >= 0 && bytes.IndexByte(path, '@') >= 0 {
			path = path[:i+len("://")] // a name and a password
		}
		s := string(method) + " " + string(path)
		return s[:min(len(s), maxRequest)]
	case ProtocolSSH:
		if i := bytes.IndexAny(b, "\r\n"); i >= 0 {
			b = b[:i]
		}
		return string(b[:min(len(b), maxRequest)])
	}
	return ""
}

const maxRequest = 200 // bytes of a request line: long enough for any path of etcd's

// Speaker tells from the first bytes of a stream whether a client or a server begins like this. ok is false when either may.
func Speaker(p []byte) (d Direction, ok bool) {
	if len(p) >= 6 && p[0] == byte(tlswire.ContentTypeHandshake) && p[1] == 3 {
		switch tlswire.HandshakeType(p[5]) {
		case tlswire.HandshakeClientHello, tlswire.HandshakeClientKeyExchange:
			return FromClient, true
		case tlswire.HandshakeServerHello, tlswire.HandshakeServerKeyExchange, tlswire.HandshakeServerHelloDone, tlswire.HandshakeCertificateRequest:
			return FromServer, true
		}
		return FromClient, false
	}
	proto, _ := classify(p)
	switch proto {
	case ProtocolHTTP1:
		if bytes.HasPrefix(p, []byte("HTTP/")) {
			return FromServer, true
		}
		return FromClient, true
	case ProtocolHTTP2:
		if p[0] == 'P' {
			return FromClient, true
		}
		return FromServer, true
	case ProtocolRaftHTTP, ProtocolSSLv2, ProtocolProxyV1, ProtocolProxyV2, ProtocolPostgres:
		return FromClient, true
	case ProtocolSMTP:
		if p[0] == '2' {
			return FromServer, true
		}
		return FromClient, true
	}
	return FromClient, false
}
