package report

import (
	"slices"

	"github.com/etcdtap/etcdtap/analysis/tlswire"
)

// helloSlots is how many kinds of ClientHello are remembered, one in each slot. Clients send the same but for the server's name, the
// randoms and the keys; a cluster has a dozen kinds.
const helloSlots = 256

// maxHelloText is the longest JSON of a ClientHello, in bytes, that is remembered: several times that of curl, which offers most. Longer
// ones are made up.
const maxHelloText = 8 << 10

// helloTexts remembers the JSON of ClientHellos, fingerprints included, which cost more than all the rest of a line. The zero value
// is ready.
type helloTexts [helloSlots]*helloText

// helloText is a kind of ClientHello: all that its JSON is made of, the server's name apart.
type helloText struct {
	version    tlswire.Version
	versions   []tlswire.Version
	suites     []tlswire.CipherSuite
	extensions []tlswire.ExtensionType
	groups     []tlswire.Group
	points     []uint8
	algorithms []tlswire.SignatureScheme
	shares     []tlswire.Group
	alpn       []string
	text       []byte // the fields after server_name
}

// append appends a ClientHello as an object, or null. A malformed one is not a kind, and has no fingerprints.
func (k *helloTexts) append(b []byte, h *tlswire.ClientHello, malformed bool) []byte {
	if h == nil {
		return append(b, "null"...)
	}
	b = appendString(append(b, `{"server_name":`...), h.ServerName)
	if malformed {
		return append(appendHello(b, h), `,"ja3":"","ja4":""}`...)
	}
	slot := &k[hashHello(h)%helloSlots]
	if *slot != nil && (*slot).is(h) {
		return append(b, (*slot).text...)
	}
	from := len(b)
	b = appendHello(b, h)
	b = h.AppendJA3(append(b, `,"ja3":"`...))
	b = h.AppendJA4(append(b, `","ja4":"`...)) // letters and digits, whatever was sent
	b = append(b, `"}`...)
	if len(b)-from <= maxHelloText {
		*slot = newHelloText(h, b[from:])
	}
	return b
}

// hashHello is FNV-1a over the numbers that differ between clients. Collisions do no harm: the kinds are compared in full.
func hashHello(h *tlswire.ClientHello) uint64 {
	n := hashNumbers(14695981039346656037, h.CipherSuites)
	n = hashNumbers(n, h.Groups)
	for i := range h.Extensions {
		n = (n ^ uint64(h.Extensions[i].Type)) * 1099511628211
	}
	n ^= n >> 32
	return n
}

func hashNumbers[T ~uint16](n uint64, list []T) uint64 {
	for _, v := range list {
		n = (n ^ uint64(v)) * 1099511628211
	}
	return n
}

// is reports whether h is of this kind.
func (x *helloText) is(h *tlswire.ClientHello) bool {
	return x.version == h.LegacyVersion &&
		slices.Equal(x.versions, h.SupportedVersions) &&
		slices.Equal(x.suites, h.CipherSuites) &&
		slices.EqualFunc(x.extensions, h.Extensions, func(t tlswire.ExtensionType, e tlswire.Extension) bool { return t == e.Type }) &&
		slices.Equal(x.groups, h.Groups) &&
		slices.Equal(x.points, h.PointFormats) &&
		slices.Equal(x.algorithms, h.SignatureAlgorithms) &&
		slices.EqualFunc(x.shares, h.KeyShares, func(g tlswire.Group, s tlswire.KeyShare) bool { return g == s.Group }) &&
		slices.Equal(x.alpn, h.ALPN)
}

func newHelloText(h *tlswire.ClientHello, text []byte) *helloText {
	x := &helloText{
		version: h.LegacyVersion, versions: slices.Clone(h.SupportedVersions), suites: slices.Clone(h.CipherSuites), groups: slices.Clone(h.Groups),
		points: slices.Clone(h.PointFormats), algorithms: slices.Clone(h.SignatureAlgorithms), alpn: slices.Clone(h.ALPN), text: slices.Clone(text),
	}
	for i := range h.Extensions {
		x.extensions = append(x.extensions, h.Extensions[i].Type)
	}
	for i := range h.KeyShares {
		x.shares = append(x.shares, h.KeyShares[i].Group)
	}
	return x
}

// appendHello appends the fields after server_name, without the fingerprints. All that it uses is part of the kind.
func appendHello(b []byte, h *tlswire.ClientHello) []byte {
	b = appendStrings(append(b, `,"alpn":`...), h.ALPN)
	b = append(b, `,"versions":`...)
	if len(h.SupportedVersions) == 0 {
		b = append(appendName(append(b, '['), h.LegacyVersion.String()), ']')
	} else {
		b = appendNames(b, h.SupportedVersions)
	}
	b = appendNames(append(b, `,"cipher_suites":`...), h.CipherSuites)
	b = appendNames(append(b, `,"groups":`...), h.Groups)
	b = appendNames(append(b, `,"signature_algorithms":`...), h.SignatureAlgorithms)
	b = append(b, `,"key_shares":[`...)
	for i := range listed(h.KeyShares) {
		if i > 0 {
			b = append(b, ',')
		}
		b = appendName(b, h.KeyShares[i].Group.String())
	}
	more := beyond(len(h.ALPN)) + beyond(len(h.CipherSuites)) + beyond(len(h.Groups)) + beyond(len(h.SignatureAlgorithms)) + beyond(len(h.KeyShares))
	return appendInt(append(b, `],"more":`...), more)
}
