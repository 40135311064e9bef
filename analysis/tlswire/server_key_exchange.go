package tlswire

import (
	"golang.org/x/crypto/cryptobyte"
)

// ParseServerKeyExchangeGroup reads the curve of a ServerKeyExchange (RFC 8422, Section 5.4). It is valid only for cipher
// suites with ECDHE or ECDH_anon: in those with DHE the message begins with a prime. ok is false when the message is cut
// short or names no curve.
func ParseServerKeyExchangeGroup(body []byte) (g Group, ok bool) {
	const namedCurve = 3
	s := cryptobyte.String(body)
	var curveType uint8
	var curve uint16
	var point cryptobyte.String
	if !s.ReadUint8(&curveType) || curveType != namedCurve || !s.ReadUint16(&curve) {
		return 0, false
	}
	if !s.ReadUint8LengthPrefixed(&point) || point.Empty() {
		return 0, false
	}
	return Group(curve), true
}
