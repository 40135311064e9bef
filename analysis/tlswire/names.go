package tlswire

import (
	"slices"
	"strconv"
)

// Version is a protocol version as on the wire.
type Version uint16

const (
	VersionSSL20 Version = 0x0002 // only in an SSLv2ClientHello
	VersionSSL30 Version = 0x0300
	VersionTLS10 Version = 0x0301
	VersionTLS11 Version = 0x0302
	VersionTLS12 Version = 0x0303
	VersionTLS13 Version = 0x0304
)

// CipherSuite is a number of the IANA registry "TLS Cipher Suites".
type CipherSuite uint16

const (
	// CipherSuiteEmptyRenegotiationInfo is TLS_EMPTY_RENEGOTIATION_INFO_SCSV, a signal and no suite (RFC 5746).
	CipherSuiteEmptyRenegotiationInfo CipherSuite = 0x00ff
	// CipherSuiteFallback is TLS_FALLBACK_SCSV, a signal and no suite (RFC 7507).
	CipherSuiteFallback CipherSuite = 0x5600
)

// Group is a number of the IANA registry "TLS Supported Groups" (named curves, before TLS 1.3).
type Group uint16

const (
	GroupSecp256r1      Group = 23
	GroupSecp384r1      Group = 24
	GroupSecp521r1      Group = 25
	GroupX25519         Group = 29
	GroupX25519MLKEM768 Group = 0x11ec
)

// SignatureScheme is a number of the IANA registry "TLS SignatureScheme".
type SignatureScheme uint16

// HandshakeType is the type of a handshake message (RFC 8446, Section 4).
type HandshakeType uint8

const (
	HandshakeHelloRequest        HandshakeType = 0
	HandshakeClientHello         HandshakeType = 1
	HandshakeServerHello         HandshakeType = 2
	HandshakeNewSessionTicket    HandshakeType = 4
	HandshakeEndOfEarlyData      HandshakeType = 5
	HandshakeEncryptedExtensions HandshakeType = 8
	HandshakeCertificate         HandshakeType = 11
	HandshakeServerKeyExchange   HandshakeType = 12
	HandshakeCertificateRequest  HandshakeType = 13
	HandshakeServerHelloDone     HandshakeType = 14
	HandshakeCertificateVerify   HandshakeType = 15
	HandshakeClientKeyExchange   HandshakeType = 16
	HandshakeFinished            HandshakeType = 20
	HandshakeCertificateStatus   HandshakeType = 22
	HandshakeKeyUpdate           HandshakeType = 24
	HandshakeMessageHash         HandshakeType = 254
)

// ExtensionType is a number of the IANA registry "TLS ExtensionType Values".
type ExtensionType uint16

const (
	ExtensionServerName              ExtensionType = 0
	ExtensionMaxFragmentLength       ExtensionType = 1
	ExtensionStatusRequest           ExtensionType = 5
	ExtensionSupportedGroups         ExtensionType = 10
	ExtensionPointFormats            ExtensionType = 11
	ExtensionSignatureAlgorithms     ExtensionType = 13
	ExtensionALPN                    ExtensionType = 16
	ExtensionSCT                     ExtensionType = 18
	ExtensionEncryptThenMAC          ExtensionType = 22
	ExtensionExtendedMasterSecret    ExtensionType = 23
	ExtensionSessionTicket           ExtensionType = 35
	ExtensionPreSharedKey            ExtensionType = 41
	ExtensionEarlyData               ExtensionType = 42
	ExtensionSupportedVersions       ExtensionType = 43
	ExtensionCookie                  ExtensionType = 44
	ExtensionPSKModes                ExtensionType = 45
	ExtensionCertificateAuthorities  ExtensionType = 47
	ExtensionPostHandshakeAuth       ExtensionType = 49
	ExtensionSignatureAlgorithmsCert ExtensionType = 50
	ExtensionKeyShare                ExtensionType = 51
	ExtensionEncryptedClientHello    ExtensionType = 0xfe0d
	ExtensionRenegotiationInfo       ExtensionType = 0xff01
)

// IsGREASE reports whether v is one of the sixteen numbers that clients send at random so that servers learn to ignore
// the unknown (RFC 8701, Section 2).
func IsGREASE(v uint16) bool { return v&0x0f0f == 0x0a0a && v>>8 == v&0xff }

const grease = "GREASE"

func (t ContentType) String() string {
	switch t {
	case ContentTypeChangeCipherSpec:
		return "change_cipher_spec"
	case ContentTypeAlert:
		return "alert"
	case ContentTypeHandshake:
		return "handshake"
	case ContentTypeApplicationData:
		return "application_data"
	case ContentTypeHeartbeat:
		return "heartbeat"
	}
	return "content_type_" + strconv.Itoa(int(t))
}

// String is "SSLv3", "TLSv1.0" … "TLSv1.3", "GREASE", or the number as in "0x7f1c".
func (v Version) String() string {
	switch v {
	case VersionSSL20:
		return "SSLv2"
	case VersionSSL30:
		return "SSLv3"
	case VersionTLS10:
		return "TLSv1.0"
	case VersionTLS11:
		return "TLSv1.1"
	case VersionTLS12:
		return "TLSv1.2"
	case VersionTLS13:
		return "TLSv1.3"
	}
	return number(nil, uint16(v))
}

// String is the IANA name, "GREASE", or the number as in "0x1301".
func (c CipherSuite) String() string { return number(cipherSuiteNames[:], uint16(c)) }

// String is the IANA name, "GREASE", or the number as in "0x001d".
func (g Group) String() string { return number(groupNames[:], uint16(g)) }

// String is the IANA name, "GREASE", or the number as in "0x0402".
func (s SignatureScheme) String() string { return number(signatureSchemeNames[:], uint16(s)) }

// String is the IANA name, "GREASE", or the number as in "0x1234".
func (t ExtensionType) String() string { return number(extensionTypeNames[:], uint16(t)) }

// String is the name of the RFCs, such as "client_hello", or "handshake_99".
func (t HandshakeType) String() string {
	if name, ok := lookup(handshakeTypeNames[:], uint16(t)); ok {
		return name
	}
	return "handshake_" + strconv.Itoa(int(t))
}

// String is "warning", "fatal", or "level_7".
func (l AlertLevel) String() string {
	switch l {
	case AlertLevelWarning:
		return "warning"
	case AlertLevelFatal:
		return "fatal"
	}
	return "level_" + strconv.Itoa(int(l))
}

// String is the name of the RFCs, such as "bad_certificate", or "alert_200".
func (c AlertCode) String() string {
	if name, ok := lookup(alertNames[:], uint16(c)); ok {
		return name
	}
	return "alert_" + strconv.Itoa(int(c))
}

// AppendText appends String; the error is always nil (encoding.TextAppender).
func (v Version) AppendText(dst []byte) ([]byte, error) { return append(dst, v.String()...), nil }

// AppendText appends String; the error is always nil (encoding.TextAppender).
func (c CipherSuite) AppendText(dst []byte) ([]byte, error) { return append(dst, c.String()...), nil }

// AppendText appends String; the error is always nil (encoding.TextAppender).
func (g Group) AppendText(dst []byte) ([]byte, error) { return append(dst, g.String()...), nil }

// AppendText appends String; the error is always nil (encoding.TextAppender).
func (s SignatureScheme) AppendText(dst []byte) ([]byte, error) {
	return append(dst, s.String()...), nil
}

// numberName is a row of a registry.
type numberName struct {
	number uint16
	name   string
}

func lookup(table []numberName, v uint16) (name string, ok bool) {
	i, ok := slices.BinarySearchFunc(table, v, func(row numberName, v uint16) int { return int(row.number) - int(v) })
	if !ok {
		return "", false
	}
	return table[i].name, true
}

// number is the name of v in table, "GREASE", or "0x" and four hexadecimal digits.
func number(table []numberName, v uint16) string {
	if name, ok := lookup(table, v); ok {
		return name
	}
	if IsGREASE(v) {
		return grease
	}
	text := [...]byte{'0', 'x', hexDigits[v>>12], hexDigits[v>>8&15], hexDigits[v>>4&15], hexDigits[v&15]}
	return string(text[:])
}

const hexDigits = "0123456789abcdef"
