package tlscrypt

import (
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/md5"
	"crypto/sha1"
	"hash"

	"golang.org/x/crypto/cryptobyte"

	"github.com/etcdtap/etcdtap/analysis/tlswire"
)

// expandLabel is HKDF-Expand-Label with an empty context (RFC 8446, Section 7.1). It is nil when the secret cannot give n bytes.
func expandLabel(h func() hash.Hash, secret []byte, label string, n int) []byte {
	var b cryptobyte.Builder
	b.AddUint16(uint16(n))
	b.AddUint8LengthPrefixed(func(b *cryptobyte.Builder) { b.AddBytes([]byte("tls13 " + label)) })
	b.AddUint8(0)
	out, err := hkdf.Expand(h, secret, string(b.BytesOrPanic()), n)
	if err != nil {
		return nil
	}
	return out
}

// Params are what TLS 1.2 and before make their keys of.
type Params struct {
	Version        tlswire.Version // VersionTLS10 to VersionTLS12
	Suite          tlswire.CipherSuite
	EncryptThenMAC bool // agreed on (RFC 7366)
	Master         []byte
	ClientRandom   [32]byte
	ServerRandom   [32]byte
}

// New12 makes the openers of both sides for TLS 1.0 to 1.2. ok is false when version or suite is not one that this package opens.
func New12(p *Params) (client, server *Opener, ok bool) {
	s := suiteOf(p.Suite)
	if p.Version < tlswire.VersionTLS10 || p.Version > tlswire.VersionTLS12 || s.mode == modeNone || p.Version < tlswire.VersionTLS12 && s.mode != modeCBC {
		return nil, nil, false
	}
	fixed := s.fixedIV(p.Version)
	seed := append(append([]byte(nil), p.ServerRandom[:]...), p.ClientRandom[:]...)
	block := keyBlock(p, s, seed, 2*(s.macLength+s.keyLength+fixed))
	take := func(n int) []byte {
		b := block[:n]
		block = block[n:]
		return b
	}
	var mac, key, iv [2][]byte
	for _, part := range []struct {
		to *[2][]byte
		n  int
	}{{&mac, s.macLength}, {&key, s.keyLength}, {&iv, fixed}} {
		part.to[0], part.to[1] = take(part.n), take(part.n)
	}
	var o [2]*Opener
	for i := range o {
		o[i] = &Opener{suite: s, version: p.Version, encryptThenMAC: p.EncryptThenMAC}
		if !o[i].set(key[i], iv[i], mac[i]) {
			return nil, nil, false
		}
	}
	return o[0], o[1], true
}

// fixedIV is how many bytes of the key block are a side's IV: GCM's salt (RFC 5288, Section 3), ChaCha20's nonce (RFC 7905, Section
// 2), the first record's IV in TLS 1.0 (RFC 2246, Section 6.3).
func (s *suite) fixedIV(v tlswire.Version) int {
	switch {
	case s.mode == modeGCM:
		return saltLength
	case s.mode == modeChaCha:
		return nonceLength
	case v == tlswire.VersionTLS10:
		return blockLength
	}
	return 0
}

// keyBlock is the key expansion (RFC 5246, Section 6.3).
func keyBlock(p *Params, s suite, seed []byte, n int) []byte {
	seed = append([]byte("key expansion"), seed...)
	out := make([]byte, n)
	if p.Version == tlswire.VersionTLS12 {
		expand(out, p.Master, seed, s.hash)
		return out
	}
	half := (len(p.Master) + 1) / 2 // RFC 2246, Section 5: two halves, two hashes
	expand(out, p.Master[:half], seed, md5.New)
	other := make([]byte, n)
	expand(other, p.Master[len(p.Master)-half:], seed, sha1.New)
	for i := range out {
		out[i] ^= other[i]
	}
	return out
}

// expand is P_hash (RFC 5246, Section 5).
func expand(out, secret, seed []byte, h func() hash.Hash) {
	m := hmac.New(h, secret)
	m.Write(seed)
	a := m.Sum(nil)
	for len(out) > 0 {
		m.Reset()
		m.Write(a)
		m.Write(seed)
		out = out[copy(out, m.Sum(nil)):]
		m.Reset()
		m.Write(a)
		a = m.Sum(a[:0])
	}
}
