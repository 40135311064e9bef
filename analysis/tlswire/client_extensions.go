package tlswire

import (
	"golang.org/x/crypto/cryptobyte"
)

// unmarshalExtension reads the extensions that ClientHello has fields for; others stay in Extensions alone. data is
// the whole extension. previousName is the server name that the struct held before.
func (h *ClientHello) unmarshalExtension(d *decoder, t ExtensionType, data cryptobyte.String, previousName string) {
	switch t {
	case ExtensionServerName:
		h.unmarshalServerName(d, data, previousName)
	case ExtensionMaxFragmentLength:
		h.unmarshalMaxFragmentLength(d, data)
	case ExtensionStatusRequest:
		h.StatusRequest = true
	case ExtensionSupportedGroups:
		h.unmarshalSupportedGroups(d, data)
	case ExtensionPointFormats:
		h.unmarshalPointFormats(d, data)
	case ExtensionSignatureAlgorithms:
		h.SignatureAlgorithms = d.signatureAlgorithms(data, h.SignatureAlgorithms)
	case ExtensionSignatureAlgorithmsCert:
		h.SignatureAlgorithmsCert = d.signatureAlgorithms(data, h.SignatureAlgorithmsCert)
	case ExtensionALPN:
		h.unmarshalALPN(d, data)
	case ExtensionSessionTicket:
		h.unmarshalSessionTicket(data)
	case ExtensionPreSharedKey:
		h.unmarshalPreSharedKey(d, data)
	case ExtensionSupportedVersions:
		h.unmarshalSupportedVersions(d, data)
	case ExtensionCookie:
		h.unmarshalCookie(d, data)
	case ExtensionPSKModes:
		h.unmarshalPSKModes(d, data)
	case ExtensionCertificateAuthorities:
		h.unmarshalCertificateAuthorities(d, data)
	case ExtensionKeyShare:
		h.unmarshalKeyShare(d, data)
	case ExtensionRenegotiationInfo:
		h.SecureRenegotiation = true
		d.renegotiationInfo(data)
	default:
		h.unmarshalFlag(d, t, data)
	}
}

// unmarshalFlag reads the extensions whose presence is all they say.
func (h *ClientHello) unmarshalFlag(d *decoder, t ExtensionType, data cryptobyte.String) {
	switch t {
	case ExtensionEncryptedClientHello: // RFC 9849, Section 5; its contents are opaque to us
		h.EncryptedClientHello = true
		return
	case ExtensionEncryptThenMAC: // RFC 7366, Section 2
		h.EncryptThenMAC = true
	case ExtensionExtendedMasterSecret: // RFC 7627, Section 5.1
		h.ExtendedMasterSecret = true
	case ExtensionEarlyData: // RFC 8446, Section 4.2.10
		h.EarlyData = true
	case ExtensionPostHandshakeAuth: // RFC 8446, Section 4.2.6
		h.PostHandshakeAuth = true
	default:
		return
	}
	d.empty(data)
}

// unmarshalServerName is RFC 6066, Section 3.
func (h *ClientHello) unmarshalServerName(d *decoder, data cryptobyte.String, previous string) {
	const hostName = 0
	var list cryptobyte.String
	if !d.list16(&data, &list) {
		return
	}
	seen := false
	for !list.Empty() {
		at := list
		var nameType uint8
		var name cryptobyte.String
		if !d.uint8(&list, &nameType) || !d.vector16(&list, &name) {
			return
		}
		switch {
		case nameType != hostName:
			d.fail(at, "unknown name_type")
		case name.Empty():
			d.fail(at, "empty host_name")
		case seen:
			d.fail(at, "second host_name")
		default:
			seen = true
			h.ServerName = intern(name, previous)
		}
	}
}

// unmarshalMaxFragmentLength is RFC 6066, Section 4.
func (h *ClientHello) unmarshalMaxFragmentLength(d *decoder, data cryptobyte.String) {
	if d.uint8(&data, &h.MaxFragmentLength) {
		d.used(data)
	}
}

// unmarshalSupportedGroups is RFC 8446, Section 4.2.7 and RFC 8422, Section 5.1.1.
func (h *ClientHello) unmarshalSupportedGroups(d *decoder, data cryptobyte.String) {
	var list cryptobyte.String
	if d.list16(&data, &list) {
		h.Groups = uint16s(d, list, h.Groups)
	}
}

// unmarshalPointFormats is RFC 8422, Section 5.1.2.
func (h *ClientHello) unmarshalPointFormats(d *decoder, data cryptobyte.String) {
	var list cryptobyte.String
	if d.list8(&data, &list) {
		h.PointFormats = append(h.PointFormats, list...)
	}
}

// signatureAlgorithms is RFC 8446, Section 4.2.3.
func (d *decoder) signatureAlgorithms(data cryptobyte.String, dst []SignatureScheme) []SignatureScheme {
	var list cryptobyte.String
	if !d.list16(&data, &list) {
		return dst
	}
	return uint16s(d, list, dst)
}

// unmarshalALPN is RFC 7301, Section 3.1.
func (h *ClientHello) unmarshalALPN(d *decoder, data cryptobyte.String) {
	var list cryptobyte.String
	if !d.list16(&data, &list) {
		return
	}
	for !list.Empty() {
		at := list
		var name cryptobyte.String
		if !d.vector8(&list, &name) {
			return
		}
		if name.Empty() {
			d.fail(at, "empty protocol name")
		}
		h.ALPN = append(h.ALPN, protocolName(name))
	}
}

// unmarshalSessionTicket is RFC 5077, Section 3.2: the ticket is the extension, without a length of its own.
func (h *ClientHello) unmarshalSessionTicket(data cryptobyte.String) {
	h.SessionTicket = true
	h.SessionTicketLength = len(data)
}

// unmarshalPreSharedKey is RFC 8446, Section 4.2.11.
func (h *ClientHello) unmarshalPreSharedKey(d *decoder, data cryptobyte.String) {
	at := data
	var identities, binders cryptobyte.String
	if !d.vector16(&data, &identities) {
		return
	}
	if identities.Empty() {
		d.fail(at, "no identities")
	}
	for !identities.Empty() {
		at := identities
		var identity cryptobyte.String
		if !d.vector16(&identities, &identity) || !d.skip(&identities, 4) { // obfuscated_ticket_age
			return
		}
		if identity.Empty() {
			d.fail(at, "empty identity")
		}
		h.PSKIdentities++
	}
	at = data
	if !d.vector16(&data, &binders) {
		return
	}
	d.used(data)
	n := 0
	for ; !binders.Empty(); n++ {
		var binder cryptobyte.String
		if !d.vector8(&binders, &binder) {
			return
		}
	}
	if n != h.PSKIdentities {
		d.fail(at, "not one binder for each identity")
	}
}

// unmarshalSupportedVersions is RFC 8446, Section 4.2.1.
func (h *ClientHello) unmarshalSupportedVersions(d *decoder, data cryptobyte.String) {
	var list cryptobyte.String
	if d.list8(&data, &list) {
		h.SupportedVersions = uint16s(d, list, h.SupportedVersions)
	}
}

// unmarshalCookie is RFC 8446, Section 4.2.2.
func (h *ClientHello) unmarshalCookie(d *decoder, data cryptobyte.String) {
	var cookie cryptobyte.String
	h.Cookie = d.list16(&data, &cookie)
}

// unmarshalPSKModes is RFC 8446, Section 4.2.9.
func (h *ClientHello) unmarshalPSKModes(d *decoder, data cryptobyte.String) {
	var list cryptobyte.String
	if d.list8(&data, &list) {
		h.PSKModes = append(h.PSKModes, list...)
	}
}

// unmarshalCertificateAuthorities is RFC 8446, Section 4.2.4.
func (h *ClientHello) unmarshalCertificateAuthorities(d *decoder, data cryptobyte.String) {
	var list, name cryptobyte.String
	if !d.list16(&data, &list) {
		return
	}
	for !list.Empty() && d.vector16(&list, &name) {
		h.Authorities++
	}
}

// unmarshalKeyShare is RFC 8446, Section 4.2.8. An empty list is valid: it asks for a HelloRetryRequest.
func (h *ClientHello) unmarshalKeyShare(d *decoder, data cryptobyte.String) {
	var list cryptobyte.String
	if !d.vector16(&data, &list) {
		return
	}
	d.used(data)
	for !list.Empty() {
		at := list
		var group uint16
		var key cryptobyte.String
		if !d.uint16(&list, &group) || !d.vector16(&list, &key) {
			return
		}
		if key.Empty() {
			d.fail(at, "empty key_exchange")
		}
		h.KeyShares = append(h.KeyShares, KeyShare{Group: Group(group), Length: len(key)})
	}
}

// renegotiationInfo is RFC 5746, Section 3.2.
func (d *decoder) renegotiationInfo(data cryptobyte.String) {
	var verify cryptobyte.String
	if d.vector8(&data, &verify) {
		d.used(data)
	}
}

// protocolName is the ALPN name as a string, without allocation for those that etcd's clients offer.
func protocolName(b []byte) string {
	switch string(b) {
	case "h2":
		return "h2"
	case "http/1.1":
		return "http/1.1"
	case "http/1.0":
		return "http/1.0"
	case "grpc-exp":
		return "grpc-exp"
	case "acme-tls/1":
		return "acme-tls/1"
	}
	return string(b)
}

// intern is b as a string; it is previous itself where they are equal.
func intern(b []byte, previous string) string {
	if string(b) == previous {
		return previous
	}
	return string(b)
}
