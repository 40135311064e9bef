package tlswire

import (
	"golang.org/x/crypto/cryptobyte"
)

// SSLv2ClientHello is the ClientHello in SSLv2's format that old clients sent to reach any version up to TLS 1.2 (RFC
// 5246, Appendix E.2). Byte slices alias the record; CipherSpecs is valid until the next Unmarshal.
type SSLv2ClientHello struct {
	Version     Version  // the highest the client offers; VersionSSL20 from one that knows nothing else
	CipherSpecs []uint32 // 24-bit numbers; those under 0x10000 are TLS cipher suites
	SessionID   []byte
	Challenge   []byte
}

// Bounds of the fields, in bytes (RFC 5246, Appendix E.2; the challenge may be shorter in the SSLv2 specification).
const (
	sslv2HeaderLen    = 2
	sslv2FixedLen     = 9 // msg_type, version, three lengths
	sslv2ClientHello  = 1
	sslv2SessionIDLen = 16
	sslv2ChallengeMin = 8
	sslv2ChallengeMax = 32
)

// sslv2Lengths is the fixed part of the message.
type sslv2Lengths struct {
	record, specs, sessionID, challenge uint16
}

// LooksLikeSSLv2ClientHello reports whether a stream that begins with b begins with an SSLv2 ClientHello. The lengths in
// it must agree, so that chance hardly ever matches. needMore means that b is too short to tell, and match is false.
func LooksLikeSSLv2ClientHello(b []byte) (match, needMore bool) {
	var l sslv2Lengths
	var messageType, major, minor uint8
	s := cryptobyte.String(b)
	if !s.ReadUint16(&l.record) {
		return false, len(b) == 0 || b[0]&0x80 != 0
	}
	if l.record&0x8000 == 0 || l.record&0x7fff < sslv2FixedLen+3+sslv2ChallengeMin {
		return false, false
	}
	if !s.ReadUint8(&messageType) {
		return false, true
	}
	if messageType != sslv2ClientHello {
		return false, false
	}
	if !s.ReadUint8(&major) {
		return false, true
	}
	if major != 0 && major != 3 {
		return false, false
	}
	if !s.ReadUint8(&minor) {
		return false, true
	}
	if major == 0 && minor != 2 || major == 3 && minor > 4 {
		return false, false
	}
	if !l.read(&s) {
		return false, true
	}
	return l.agree(), false
}

func (l *sslv2Lengths) read(s *cryptobyte.String) bool {
	return s.ReadUint16(&l.specs) && s.ReadUint16(&l.sessionID) && s.ReadUint16(&l.challenge)
}

func (l *sslv2Lengths) agree() bool {
	return l.specs != 0 && l.specs%3 == 0 &&
		(l.sessionID == 0 || l.sessionID == sslv2SessionIDLen) &&
		l.challenge >= sslv2ChallengeMin && l.challenge <= sslv2ChallengeMax &&
		int(l.record&0x7fff) == sslv2FixedLen+int(l.specs)+int(l.sessionID)+int(l.challenge)
}

// SSLv2RecordLen is the length of an SSLv2 record with a two-byte header, header included, in bytes; ok is false iff b
// has fewer than two bytes or the header has another form.
func SSLv2RecordLen(b []byte) (n int, ok bool) {
	var header uint16
	s := cryptobyte.String(b)
	if !s.ReadUint16(&header) || header&0x8000 == 0 {
		return 0, false
	}
	return sslv2HeaderLen + int(header&0x7fff), true
}

// Unmarshal parses a whole record, its two-byte header included; offsets of errors count from that header. It overwrites
// h, reusing its slice. After an error h holds what could be parsed.
func (h *SSLv2ClientHello) Unmarshal(record []byte) *SyntaxError {
	d := newDecoder("SSLv2ClientHello", record)
	s := cryptobyte.String(record)
	*h = SSLv2ClientHello{CipherSpecs: reuse(h.CipherSpecs)}
	var l sslv2Lengths
	var messageType uint8
	d.field = "record_length"
	at := s
	if !d.uint16(&s, &l.record) {
		return d.first
	}
	if int(l.record&0x7fff) != len(s) || l.record&0x8000 == 0 {
		d.fail(at, "not the length of the record")
	}
	d.field = "msg_type"
	at = s
	if !d.uint8(&s, &messageType) {
		return d.first
	}
	if messageType != sslv2ClientHello {
		d.fail(at, "not client_hello")
	}
	d.field = "version"
	if !d.uint16(&s, (*uint16)(&h.Version)) {
		return d.first
	}
	d.field = "lengths"
	if !l.read(&s) {
		d.fail(s, cutShort)
		return d.first
	}
	h.unmarshalVectors(&d, &s, l)
	return d.first
}

// unmarshalVectors reads the three vectors whose lengths precede them all.
func (h *SSLv2ClientHello) unmarshalVectors(d *decoder, s *cryptobyte.String, l sslv2Lengths) {
	var specs []byte
	d.field = "cipher_specs"
	if !s.ReadBytes(&specs, int(l.specs)) {
		d.fail(*s, cutShort)
		return
	}
	list := cryptobyte.String(specs)
	if list.Empty() {
		d.fail(*s, emptyList)
	}
	for len(list) >= 3 {
		var spec uint32
		list.ReadUint24(&spec)
		h.CipherSpecs = append(h.CipherSpecs, spec)
	}
	if !list.Empty() {
		d.fail(list, "length not a multiple of 3")
	}
	d.field = "session_id"
	if !s.ReadBytes(&h.SessionID, int(l.sessionID)) {
		d.fail(*s, cutShort)
		return
	}
	d.field = "challenge"
	if !s.ReadBytes(&h.Challenge, int(l.challenge)) {
		d.fail(*s, cutShort)
		return
	}
	d.used(*s)
}

// AppendCipherSuites appends those of CipherSpecs that are TLS cipher suites.
func (h *SSLv2ClientHello) AppendCipherSuites(dst []CipherSuite) []CipherSuite {
	for _, spec := range h.CipherSpecs {
		if spec <= 0xffff {
			dst = append(dst, CipherSuite(spec))
		}
	}
	return dst
}
