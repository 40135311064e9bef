package tlswire

import (
	"golang.org/x/crypto/cryptobyte"
)

// Extension is one extension of a hello, in the order of the wire.
type Extension struct {
	Type ExtensionType
	Data []byte // aliases the message. analysis.Facts have none of a key_share: see KeyShares
}

// KeyShare is one offer of a key exchange (RFC 8446, Section 4.2.8); the key itself is of no interest.
type KeyShare struct {
	Group  Group
	Length int // bytes of the public key
}

// ClientHello is RFC 8446, Section 4.1.2 and its forerunners since SSLv3. The zero value is ready for Unmarshal, and so
// is a used one. Byte slices alias the message that was unmarshalled last and are valid as long as it is; the other
// slices belong to the ClientHello and are valid until its next Unmarshal. GREASE stays in all lists.
type ClientHello struct {
	LegacyVersion      Version // the version field; TLS 1.3 is only in SupportedVersions
	Random             [32]byte
	SessionID          []byte
	CipherSuites       []CipherSuite
	CompressionMethods []byte
	Extensions         []Extension // every one, in order, unknown ones and duplicates too

	ServerName              string            // raw from the wire: escape before printing; "" when not sent
	ALPN                    []string          // raw from the wire: escape before printing
	SupportedVersions       []Version         // of the extension: empty before TLS 1.3, see OfferedVersions
	Groups                  []Group           // supported_groups, by preference
	PointFormats            []uint8           // ec_point_formats
	SignatureAlgorithms     []SignatureScheme // for the handshake, and for certificates unless the next field is sent
	SignatureAlgorithmsCert []SignatureScheme // for certificates alone
	KeyShares               []KeyShare
	PSKModes                []uint8 // psk_key_exchange_modes: 0 psk_ke, 1 psk_dhe_ke

	SessionTicket        bool  // the extension is there: tickets are welcome (RFC 5077)
	SessionTicketLength  int   // bytes of the ticket to resume with; 0 when there is none
	PSKIdentities        int   // tickets or external keys offered to resume with (TLS 1.3)
	Authorities          int   // DER names in certificate_authorities (TLS 1.3)
	MaxFragmentLength    uint8 // RFC 6066 code, 1 … 4; 0 when not sent
	EarlyData            bool  // 0-RTT data follow
	ExtendedMasterSecret bool
	EncryptThenMAC       bool
	EncryptedClientHello bool // ECH, or a greased one: they look the same; then the ServerName is the public one
	PostHandshakeAuth    bool
	SecureRenegotiation  bool // the extension or TLS_EMPTY_RENEGOTIATION_INFO_SCSV
	StatusRequest        bool // OCSP stapling is asked for
	Cookie               bool // answers a HelloRetryRequest
}

// Unmarshal parses the body of a ClientHello (the message without its four-byte header). It overwrites h, reusing its
// slices. After an error h holds what could be parsed.
func (h *ClientHello) Unmarshal(body []byte) *SyntaxError {
	d := newDecoder("ClientHello", body)
	s := cryptobyte.String(body)
	previous := h.reset()
	if !h.unmarshalFixed(&d, &s) || s.Empty() { // SSLv3 and TLS 1.0 clients may end here
		return d.first
	}
	block := d.extensionBlock(&s)
	for d.nextExtension(&block, &h.Extensions) {
		e := &h.Extensions[len(h.Extensions)-1]
		h.unmarshalExtension(&d, e.Type, e.Data, previous)
	}
	h.checkPreSharedKeyLast(&d)
	return d.first
}

// reset empties h and returns the server name it held, for reuse: a pooled ClientHello mostly sees the same names.
func (h *ClientHello) reset() (serverName string) {
	serverName = h.ServerName
	*h = ClientHello{
		CipherSuites:            reuse(h.CipherSuites),
		Extensions:              reuse(h.Extensions),
		ALPN:                    reuse(h.ALPN),
		SupportedVersions:       reuse(h.SupportedVersions),
		Groups:                  reuse(h.Groups),
		PointFormats:            reuse(h.PointFormats),
		SignatureAlgorithms:     reuse(h.SignatureAlgorithms),
		SignatureAlgorithmsCert: reuse(h.SignatureAlgorithmsCert),
		KeyShares:               reuse(h.KeyShares),
		PSKModes:                reuse(h.PSKModes),
	}
	return serverName
}

// unmarshalFixed reads what precedes the extensions; false means that the framing is lost.
func (h *ClientHello) unmarshalFixed(d *decoder, s *cryptobyte.String) bool {
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
	d.field = "cipher_suites"
	at := *s
	var list cryptobyte.String
	if !d.vector16(s, &list) {
		return false
	}
	if list.Empty() {
		d.fail(at, emptyList)
	}
	h.CipherSuites = uint16s(d, list, h.CipherSuites)
	for _, c := range h.CipherSuites {
		h.SecureRenegotiation = h.SecureRenegotiation || c == CipherSuiteEmptyRenegotiationInfo
	}
	d.field = "compression_methods"
	at = *s
	if !d.vector8(s, &list) {
		return false
	}
	if list.Empty() {
		d.fail(at, emptyList)
	}
	h.CompressionMethods = list
	return true
}

// checkPreSharedKeyLast is RFC 8446, Section 4.2.11: the binders cover all that precedes them.
func (h *ClientHello) checkPreSharedKeyLast(d *decoder) {
	for i := range h.Extensions {
		if h.Extensions[i].Type == ExtensionPreSharedKey && i != len(h.Extensions)-1 {
			d.inExtensions, d.extension, d.field = true, ExtensionPreSharedKey, ""
			d.fail(h.Extensions[i].Data, "not the last extension")
			return
		}
	}
}

// Has reports whether the extension was sent, be it empty.
func (h *ClientHello) Has(t ExtensionType) bool { return hasExtension(h.Extensions, t) }

// OfferedVersions is SupportedVersions, or what LegacyVersion stands for where the extension is absent: the highest
// version offered (RFC 8446, Appendix D); which lower ones would do is unknown then. It may alias SupportedVersions.
func (h *ClientHello) OfferedVersions() []Version {
	if h.Has(ExtensionSupportedVersions) {
		return h.SupportedVersions
	}
	return []Version{h.LegacyVersion}
}

// MaxVersion is the highest version offered, GREASE left out; 0 if supported_versions was sent but names none.
func (h *ClientHello) MaxVersion() Version {
	if !h.Has(ExtensionSupportedVersions) {
		return h.LegacyVersion
	}
	var highest Version
	for _, v := range h.SupportedVersions {
		if !IsGREASE(uint16(v)) {
			highest = max(highest, v)
		}
	}
	return highest
}

// MinVersion is the lowest version offered, GREASE left out; ok is false iff the client did not say: without
// supported_versions only the highest is known.
func (h *ClientHello) MinVersion() (lowest Version, ok bool) {
	for _, v := range h.SupportedVersions {
		if !IsGREASE(uint16(v)) && (!ok || v < lowest) {
			lowest, ok = v, true
		}
	}
	return lowest, ok
}
