package tlswire

import (
	"golang.org/x/crypto/cryptobyte"
)

// ServerHello is RFC 8446, Section 4.1.3 and its forerunners since SSLv3. The zero value is ready for Unmarshal, and so
// is a used one. Byte slices alias the message that was unmarshalled last; Extensions belongs to the ServerHello and is
// valid until its next Unmarshal.
type ServerHello struct {
	LegacyVersion     Version // the version before TLS 1.3, TLS 1.2 in TLS 1.3; see Version
	Random            [32]byte
	SessionID         []byte
	CipherSuite       CipherSuite
	CompressionMethod uint8
	Extensions        []Extension // every one, in order, unknown ones and duplicates too

	ALPN                 string  // raw from the wire: escape before printing; "" in TLS 1.3, where it is encrypted
	SelectedVersion      Version // of supported_versions; 0 when not sent
	Group                Group   // of key_share; 0 when not sent. In a HelloRetryRequest the one that is asked for
	SessionTicket        bool    // a NewSessionTicket will come (TLS 1.2)
	SelectedPSK          bool    // a pre-shared key was taken up (TLS 1.3)
	SelectedIdentity     uint16  // which of the client's; valid iff SelectedPSK
	ExtendedMasterSecret bool
	EncryptThenMAC       bool
	SecureRenegotiation  bool
	StatusRequest        bool // a CertificateStatus will come (TLS 1.2)
	ServerNameAccepted   bool // an empty server_name: the name was used (TLS 1.2)
}

// Unmarshal parses the body of a ServerHello (the message without its four-byte header). It overwrites h, reusing its
// slices. After an error h holds what could be parsed.
func (h *ServerHello) Unmarshal(body []byte) *SyntaxError {
	d := newDecoder("ServerHello", body)
	s := cryptobyte.String(body)
	*h = ServerHello{Extensions: reuse(h.Extensions)}
	if !h.unmarshalFixed(&d, &s) || s.Empty() { // a server that answers no extension may end here
		return d.first
	}
	block := d.extensionBlock(&s)
	for d.nextExtension(&block, &h.Extensions) {
		e := &h.Extensions[len(h.Extensions)-1]
		h.unmarshalExtension(&d, e.Type, e.Data)
	}
	return d.first
}

// unmarshalFixed reads what precedes the extensions; false means that the framing is lost.
func (h *ServerHello) unmarshalFixed(d *decoder, s *cryptobyte.String) bool {
	d.field = "legacy_version"
	if !d.uint16(s, (*uint16)(&h.LegacyVersion)) {
		return false
	}
	d.field = "random"
	if !s.CopyBytes(h.Random[:]) {
		return d.fail(*s, cutShort)
	}
	d.field = "session_id"
	if !d.sessionID(s, &h.SessionID) {
		return false
	}
	d.field = "cipher_suite"
	if !d.uint16(s, (*uint16)(&h.CipherSuite)) {
		return false
	}
	d.field = "compression_method"
	return d.uint8(s, &h.CompressionMethod)
}

func (h *ServerHello) unmarshalExtension(d *decoder, t ExtensionType, data cryptobyte.String) {
	switch t {
	case ExtensionALPN:
		h.unmarshalALPN(d, data)
	case ExtensionSupportedVersions:
		h.unmarshalSupportedVersions(d, data)
	case ExtensionKeyShare:
		h.unmarshalKeyShare(d, data)
	case ExtensionPreSharedKey:
		h.unmarshalPreSharedKey(d, data)
	case ExtensionRenegotiationInfo:
		h.SecureRenegotiation = true
		d.renegotiationInfo(data)
	default:
		h.unmarshalFlag(d, t, data)
	}
}

// unmarshalFlag reads the extensions whose presence is all they say.
func (h *ServerHello) unmarshalFlag(d *decoder, t ExtensionType, data cryptobyte.String) {
	switch t {
	case ExtensionServerName: // RFC 6066, Section 3
		h.ServerNameAccepted = true
	case ExtensionStatusRequest: // RFC 6066, Section 8
		h.StatusRequest = true
	case ExtensionEncryptThenMAC: // RFC 7366, Section 2
		h.EncryptThenMAC = true
	case ExtensionExtendedMasterSecret: // RFC 7627, Section 5.1
		h.ExtendedMasterSecret = true
	case ExtensionSessionTicket: // RFC 5077, Section 3.2
		h.SessionTicket = true
	default:
		return
	}
	d.empty(data)
}

// unmarshalALPN is RFC 7301, Section 3.1: exactly one name.
func (h *ServerHello) unmarshalALPN(d *decoder, data cryptobyte.String) {
	var list, name cryptobyte.String
	if !d.list16(&data, &list) {
		return
	}
	at := list
	if !d.vector8(&list, &name) {
		return
	}
	if name.Empty() {
		d.fail(at, "empty protocol name")
	}
	if !list.Empty() {
		d.fail(list, "more than one protocol name")
	}
	h.ALPN = protocolName(name)
}

// unmarshalSupportedVersions is RFC 8446, Section 4.2.1.
func (h *ServerHello) unmarshalSupportedVersions(d *decoder, data cryptobyte.String) {
	if d.uint16(&data, (*uint16)(&h.SelectedVersion)) {
		d.used(data)
	}
}

// unmarshalKeyShare is RFC 8446, Section 4.2.8; a HelloRetryRequest has the group alone.
func (h *ServerHello) unmarshalKeyShare(d *decoder, data cryptobyte.String) {
	if !d.uint16(&data, (*uint16)(&h.Group)) {
		return
	}
	if h.HelloRetryRequest() {
		d.used(data)
		return
	}
	at := data
	var key cryptobyte.String
	if !d.vector16(&data, &key) {
		return
	}
	if key.Empty() {
		d.fail(at, "empty key_exchange")
	}
	d.used(data)
}

// unmarshalPreSharedKey is RFC 8446, Section 4.2.11.
func (h *ServerHello) unmarshalPreSharedKey(d *decoder, data cryptobyte.String) {
	h.SelectedPSK = d.uint16(&data, &h.SelectedIdentity) && d.used(data)
}

// Version is the version that was agreed: SelectedVersion, else LegacyVersion.
func (h *ServerHello) Version() Version {
	if h.SelectedVersion != 0 {
		return h.SelectedVersion
	}
	return h.LegacyVersion
}

// Has reports whether the extension was sent, be it empty.
func (h *ServerHello) Has(t ExtensionType) bool { return hasExtension(h.Extensions, t) }

// helloRetryRandom is SHA-256 of "HelloRetryRequest" (RFC 8446, Section 4.1.3).
const helloRetryRandom = "\xcf\x21\xad\x74\xe5\x9a\x61\x11\xbe\x1d\x8c\x02\x1e\x65\xb8\x91" +
	"\xc2\xa2\x11\x16\x7a\xbb\x8c\x5e\x07\x9e\x09\xe2\xc8\xa8\x33\x9c"

// HelloRetryRequest reports whether this is one, by its random (RFC 8446, Section 4.1.3).
func (h *ServerHello) HelloRetryRequest() bool { return string(h.Random[:]) == helloRetryRandom }

// IsHelloRetryRequest reports whether the body of a ServerHello is that of a HelloRetryRequest.
func IsHelloRetryRequest(body []byte) bool {
	return len(body) >= 2+len(helloRetryRandom) && string(body[2:2+len(helloRetryRandom)]) == helloRetryRandom
}

// Downgrade reports whether the last eight bytes of the random say that the server knows a higher version than the one
// it chose (RFC 8446, Section 4.1.3).
func (h *ServerHello) Downgrade() bool {
	last := string(h.Random[24:])
	return last == "DOWNGRD\x01" || last == "DOWNGRD\x00"
}
