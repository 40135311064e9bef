// Package tlswire reads TLS records and handshake messages from bytes. It does no I/O, keeps no state between calls and
// takes every byte to be hostile.
//
// A stream of records is walked with ParseRecordHeader; the payloads of handshake records, put together, are a stream of
// messages walked with ParseMessageHeader; the body of a message goes to the Unmarshal method or Parse function that
// is named for it. Whoever calls keeps the bytes until they are whole: "more is needed" is the caller's business, and
// a body that is cut short is malformed.
//
// Parsed structs alias the bytes they were parsed from: every []byte is valid as long as the body is.
package tlswire

import (
	"encoding/binary"

	"golang.org/x/crypto/cryptobyte"
)

// ContentType is the type of a record (RFC 8446, Section 5.1).
type ContentType uint8

const (
	ContentTypeChangeCipherSpec ContentType = 20
	ContentTypeAlert            ContentType = 21
	ContentTypeHandshake        ContentType = 22
	ContentTypeApplicationData  ContentType = 23
	ContentTypeHeartbeat        ContentType = 24 // RFC 6520
)

// RecordHeaderLen is the length of a record's header in bytes.
const RecordHeaderLen = 5

// MaxPlaintext is the largest fragment before protection, in bytes (RFC 8446, Section 5.1).
const MaxPlaintext = 16384

// MaxCiphertext is the largest protected fragment, in bytes: RFC 5246, Section 6.2.3 allows 2048 bytes of expansion
// (TLS 1.3 only 256, RFC 8446, Section 5.2).
const MaxCiphertext = MaxPlaintext + 2048

// RecordHeader is what precedes each record.
type RecordHeader struct {
	Type    ContentType
	Version Version // frozen at TLS 1.2 in TLS 1.3; may be TLS 1.0 in a first ClientHello
	Length  int     // bytes of the fragment that follows, 0 … 65535
}

// ParseRecordHeader reads a header; ok is false iff b has fewer than RecordHeaderLen bytes. Any five bytes make a
// header: see Plausible.
func ParseRecordHeader(b []byte) (h RecordHeader, ok bool) {
	if len(b) < RecordHeaderLen { // without cryptobyte, so that it is inlined: bulk data is nothing but this
		return RecordHeader{}, false
	}
	return RecordHeader{ContentType(b[0]), Version(binary.BigEndian.Uint16(b[1:])), int(binary.BigEndian.Uint16(b[3:]))}, true
}

// maxShortFragment is the largest change_cipher_spec or alert in bytes, protected as in a renegotiation.
const maxShortFragment = 2 + MaxCiphertext - MaxPlaintext

// Plausible reports whether a TLS stack would have sent this header. It is strict enough to find a record boundary
// again after a gap when a few headers in a row are plausible: known type, version SSLv3 to TLS 1.3, a length that the
// type may have.
func (h RecordHeader) Plausible() bool {
	if h.Version>>8 != 3 || h.Version > VersionTLS13 || h.Length > MaxCiphertext {
		return false
	}
	switch h.Type {
	case ContentTypeChangeCipherSpec:
		return h.Length >= 1 && h.Length <= maxShortFragment
	case ContentTypeAlert:
		return h.Length >= 2 && h.Length <= maxShortFragment
	case ContentTypeHandshake, ContentTypeHeartbeat:
		return h.Length >= 1
	case ContentTypeApplicationData:
		return true // empty ones are a countermeasure of old CBC stacks
	}
	return false
}

// MessageHeaderLen is the length of a handshake message's header in bytes.
const MessageHeaderLen = 4

// ParseMessageHeader reads the header of a handshake message (RFC 8446, Section 4); ok is false iff b has fewer than
// MessageHeaderLen bytes. length counts the bytes of the body, up to 2²⁴-1: the caller bounds it.
func ParseMessageHeader(b []byte) (t HandshakeType, length int, ok bool) {
	s := cryptobyte.String(b)
	var n uint32
	if !s.ReadUint8((*uint8)(&t)) || !s.ReadUint24(&n) {
		return 0, 0, false
	}
	return t, int(n), true
}

// AlertLevel is the severity of an alert (RFC 5246, Section 7.2). TLS 1.3 receivers ignore it.
type AlertLevel uint8

const (
	AlertLevelWarning AlertLevel = 1
	AlertLevelFatal   AlertLevel = 2
)

// AlertCode is the description of an alert (RFC 8446, Section 6).
type AlertCode uint8

// AlertCloseNotify is the one alert that is no failure.
const AlertCloseNotify AlertCode = 0

// ParseAlert reads the fragment of an alert record in clear; ok is false unless it is exactly one alert of a known
// level, so that a protected alert is hardly ever taken for one in clear.
func ParseAlert(b []byte) (level AlertLevel, code AlertCode, ok bool) {
	s := cryptobyte.String(b)
	if !s.ReadUint8((*uint8)(&level)) || !s.ReadUint8((*uint8)(&code)) || !s.Empty() {
		return 0, 0, false
	}
	if level != AlertLevelWarning && level != AlertLevelFatal {
		return 0, 0, false
	}
	return level, code, true
}
