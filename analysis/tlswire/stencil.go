package tlswire

import (
	"bytes"
	"hash/maphash"

	"golang.org/x/crypto/cryptobyte"
)

// Stencil covers what each connection makes anew in a hello: the random, the session id and the keys of its key shares. A client sends
// the rest as it sent it before, so that who has read one such hello has read all of them.
type Stencil struct {
	open [maxOpen]span // what is not covered, in order
	n    int           // of open that are in use
}

// span is a stretch of a message, in bytes from the beginning of its body.
type span struct{ from, to int }

// maxOpen is how many stretches a stencil leaves open: two before and one behind the session id, and one behind each of five key
// shares, where real hellos have three at the most.
const maxOpen = 8

// ClientHelloStencil is the stencil for the body of a ClientHello. ok is false where there is none: the framing is broken, or the hello
// has more that is made anew, a ticket say.
func ClientHelloStencil(body []byte) (t Stencil, ok bool) {
	s, v := cryptobyte.String(body), cryptobyte.String(nil)
	if !t.coverFixed(&s, body) || !s.ReadUint16LengthPrefixed(&v) || !s.ReadUint8LengthPrefixed(&v) {
		return t, false
	}
	return t, s.Empty() || t.coverExtensions(s, body, t.coverShares)
}

// ServerHelloStencil is ClientHelloStencil for the body of a ServerHello. A HelloRetryRequest, which is told by its random, has none.
func ServerHelloStencil(body []byte) (t Stencil, ok bool) {
	s := cryptobyte.String(body)
	if !t.coverFixed(&s, body) || !s.Skip(2+1) || IsHelloRetryRequest(body) {
		return t, false
	}
	return t, s.Empty() || t.coverExtensions(s, body, t.coverShare)
}

// coverFixed covers the random and the session id.
func (t *Stencil) coverFixed(s *cryptobyte.String, body []byte) bool {
	var random, id cryptobyte.String
	if !s.Skip(2) || !s.ReadBytes((*[]byte)(&random), 32) || !s.ReadUint8LengthPrefixed(&id) {
		return false
	}
	t.open[0].to, t.n = len(body), 1
	return t.cover(random, body) && t.cover(id, body)
}

// cover covers part, which lies in body behind all that is covered already.
func (t *Stencil) cover(part, body []byte) bool {
	if t.n == maxOpen {
		return false
	}
	from := cap(body) - cap(part)
	t.open[t.n-1].to = from
	t.open[t.n] = span{from + len(part), len(body)}
	t.n++
	return true
}

// coverExtensions covers the keys in the extensions at the end of a message.
func (t *Stencil) coverExtensions(s cryptobyte.String, body []byte, shares func(data, body []byte) bool) bool {
	var block, data cryptobyte.String
	if !s.ReadUint16LengthPrefixed(&block) || !s.Empty() {
		return false
	}
	for !block.Empty() {
		var number uint16
		if !block.ReadUint16(&number) || !block.ReadUint16LengthPrefixed(&data) {
			return false
		}
		switch ExtensionType(number) {
		case ExtensionKeyShare:
			if !shares(data, body) {
				return false
			}
		case ExtensionSessionTicket:
			if !data.Empty() {
				return false
			}
		case ExtensionPreSharedKey, ExtensionCookie, ExtensionEncryptedClientHello:
			return false
		}
	}
	return true
}

// coverShares is for a ClientHello's key_share extension (RFC 8446, Section 4.2.8).
func (t *Stencil) coverShares(data, body []byte) bool {
	s := cryptobyte.String(data)
	var list, key cryptobyte.String
	if !s.ReadUint16LengthPrefixed(&list) {
		return false
	}
	for !list.Empty() {
		if !list.Skip(2) || !list.ReadUint16LengthPrefixed(&key) || !t.cover(key, body) {
			return false
		}
	}
	return true
}

// coverShare is for a ServerHello's.
func (t *Stencil) coverShare(data, body []byte) bool {
	s := cryptobyte.String(data)
	var key cryptobyte.String
	return s.Skip(2) && s.ReadUint16LengthPrefixed(&key) && t.cover(key, body)
}

// Random is the random of body, which the stencil was made for.
func (t *Stencil) Random(body []byte) []byte { return body[t.open[0].to:t.open[1].from] }

// Hash is a hash of what the stencil leaves open of body, which it was made for.
func (t *Stencil) Hash(seed maphash.Seed, body []byte) uint64 {
	h := uint64(len(body))
	for _, s := range t.open[:t.n] {
		h = h*0x9E3779B97F4A7C15 + maphash.Bytes(seed, body[s.from:s.to])
	}
	return h
}

// Same reports whether two bodies are the same, but for what the stencil covers. It was made for one of them.
func (t *Stencil) Same(a, b []byte) bool {
	if len(a) != len(b) {
		return false
	}
	for _, s := range t.open[:t.n] {
		if !bytes.Equal(a[s.from:s.to], b[s.from:s.to]) {
			return false
		}
	}
	return true
}
