package tlscrypt

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hmac"
	"crypto/subtle"
	"encoding/binary"
	"hash"

	"golang.org/x/crypto/chacha20poly1305"

	"github.com/etcdtap/etcdtap/analysis/tlswire"
)

const (
	saltLength     = 4  // bytes of GCM's nonce that are fixed before TLS 1.3
	explicitLength = 8  // bytes of GCM's nonce that are in the record before TLS 1.3
	nonceLength    = 12 // bytes of an AEAD's nonce
	tagLength      = 16 // bytes of an AEAD's authentication code
	blockLength    = aes.BlockSize
)

// Opener opens the records of one direction, in their order, from when its keys came into use. It is not safe for concurrent use.
type Opener struct {
	suite          suite
	version        tlswire.Version
	encryptThenMAC bool
	seq            uint64
	secret         []byte // TLS 1.3's traffic secret, for Update
	aead           cipher.AEAD
	iv             []byte // fixed part of the nonce; TLS 1.0: the next record's IV
	block          cipher.Block
	mac            hash.Hash
	broken         bool // no further record can be opened: see Skip
}

// New13 makes an opener from a TLS 1.3 traffic secret. ok is false when the suite is none of TLS 1.3's that this package opens, or
// when the secret has not its hash's length.
func New13(s tlswire.CipherSuite, secret []byte) (o *Opener, ok bool) {
	if s>>8 != 0x13 {
		return nil, false
	}
	o = &Opener{suite: suiteOf(s), version: tlswire.VersionTLS13}
	if o.suite.mode == modeNone || len(secret) != o.suite.hash().Size() {
		return nil, false
	}
	o.secret = append([]byte(nil), secret...)
	return o, o.schedule()
}

// schedule makes key and IV of the secret (RFC 8446, Section 7.3).
func (o *Opener) schedule() bool {
	o.seq = 0
	return o.set(expandLabel(o.suite.hash, o.secret, "key", o.suite.keyLength), expandLabel(o.suite.hash, o.secret, "iv", nonceLength), nil)
}

// Update goes to the next traffic secret, after a KeyUpdate message of TLS 1.3 (RFC 8446, Section 7.2).
func (o *Opener) Update() bool {
	o.secret = expandLabel(o.suite.hash, o.secret, "traffic upd", len(o.secret))
	return o.secret != nil && o.schedule()
}

func (o *Opener) set(key, iv, mac []byte) bool {
	o.iv = append([]byte(nil), iv...)
	var err error
	switch o.suite.mode {
	case modeGCM:
		if o.block, err = aes.NewCipher(key); err == nil {
			o.aead, err = cipher.NewGCM(o.block)
		}
	case modeChaCha:
		o.aead, err = chacha20poly1305.New(key)
	case modeCBC:
		o.block, err = aes.NewCipher(key)
		o.mac = hmac.New(o.suite.mac, mac)
	}
	return err == nil
}

// Skip passes over a record that is not to be opened. It is false when the next one cannot be opened then: in TLS 1.0 a record's
// end is the next one's IV.
func (o *Opener) Skip() bool {
	o.seq++
	o.broken = o.version == tlswire.VersionTLS10
	return !o.broken
}

// Open opens the body of the next record and appends its content to dst, which must not overlap body. t is the content's type: in
// TLS 1.3 the inner one. When ok is false the record was not sealed with this key, or not as the next one, and the opener is where
// it was.
func (o *Opener) Open(dst []byte, h tlswire.RecordHeader, body []byte) (t tlswire.ContentType, content []byte, ok bool) {
	switch {
	case o.broken:
		return 0, dst, false
	case o.version == tlswire.VersionTLS13:
		t, content, ok = o.open13(dst, h, body)
	case o.suite.mode == modeCBC:
		t = h.Type
		content, ok = o.openCBC(dst, h, body)
	default:
		t = h.Type
		content, ok = o.openAEAD(dst, h, body)
	}
	if ok {
		o.seq++
	}
	return t, content, ok
}

// open13 is RFC 8446, Section 5.2: the type is the last byte that is not zero.
func (o *Opener) open13(dst []byte, h tlswire.RecordHeader, body []byte) (tlswire.ContentType, []byte, bool) {
	var aad [tlswire.RecordHeaderLen]byte
	aad[0] = byte(h.Type)
	binary.BigEndian.PutUint16(aad[1:], uint16(h.Version))
	binary.BigEndian.PutUint16(aad[3:], uint16(len(body)))
	nonce := o.nonce()
	out, err := o.aead.Open(dst, nonce[:], body, aad[:])
	if err != nil {
		return 0, dst, false
	}
	for i := len(out) - 1; i >= len(dst); i-- {
		if out[i] != 0 {
			return tlswire.ContentType(out[i]), out[:i], true
		}
	}
	return 0, dst, false // nothing but padding
}

// nonce is the IV with the sequence number (RFC 8446, Section 5.3; RFC 7905, Section 2).
func (o *Opener) nonce() (n [nonceLength]byte) {
	binary.BigEndian.PutUint64(n[nonceLength-8:], o.seq)
	subtle.XORBytes(n[:], n[:], o.iv)
	return n
}

// additionalData is what TLS 1.2 and before authenticate besides the content (RFC 5246, Sections 6.2.3.1 and 6.2.3.3).
func (o *Opener) additionalData(h tlswire.RecordHeader, length int) (b [13]byte) {
	binary.BigEndian.PutUint64(b[:], o.seq)
	b[8] = byte(h.Type)
	binary.BigEndian.PutUint16(b[9:], uint16(h.Version))
	binary.BigEndian.PutUint16(b[11:], uint16(length))
	return b
}

// openAEAD is RFC 5246, Section 6.2.3.3.
func (o *Opener) openAEAD(dst []byte, h tlswire.RecordHeader, body []byte) ([]byte, bool) {
	nonce := o.nonce()
	if o.suite.mode == modeGCM {
		if len(body) < explicitLength {
			return dst, false
		}
		copy(nonce[:], o.iv)
		copy(nonce[saltLength:], body[:explicitLength])
		body = body[explicitLength:]
	}
	if len(body) < tagLength {
		return dst, false
	}
	aad := o.additionalData(h, len(body)-tagLength)
	out, err := o.aead.Open(dst, nonce[:], body, aad[:])
	return out, err == nil
}

// openCBC is RFC 5246, Section 6.2.3.2: content, authentication code and padding are encrypted; or RFC 7366, where the code is of
// what is encrypted.
func (o *Opener) openCBC(dst []byte, h tlswire.RecordHeader, body []byte) ([]byte, bool) {
	start := len(dst)
	if o.encryptThenMAC {
		n := len(body) - o.suite.macLength
		if n < 0 || !o.authentic(h, body[:n], body[n:]) {
			return dst, false
		}
		body = body[:n]
	}
	iv := o.iv
	if o.version > tlswire.VersionTLS10 {
		if len(body) < blockLength {
			return dst, false
		}
		iv, body = body[:blockLength], body[blockLength:]
	}
	if len(body) == 0 || len(body)%blockLength != 0 {
		return dst, false
	}
	out := append(dst, body...)
	cipher.NewCBCDecrypter(o.block, iv).CryptBlocks(out[start:], out[start:])
	plain, ok := unpad(out[start:])
	if !ok {
		return dst, false
	}
	if !o.encryptThenMAC {
		n := len(plain) - o.suite.macLength
		if n < 0 || !o.authentic(h, plain[:n], plain[n:]) {
			return dst, false
		}
		plain = plain[:n]
	}
	if o.version == tlswire.VersionTLS10 {
		o.iv = append(o.iv[:0], body[len(body)-blockLength:]...)
	}
	return out[:start+len(plain)], true
}

// unpad takes the padding off: n bytes of the value n, and one that says n. Nobody learns from how long we take.
func unpad(b []byte) ([]byte, bool) {
	n := int(b[len(b)-1])
	if n+1 > len(b) {
		return nil, false
	}
	for _, x := range b[len(b)-n-1:] {
		if int(x) != n {
			return nil, false
		}
	}
	return b[:len(b)-n-1], true
}

func (o *Opener) authentic(h tlswire.RecordHeader, b, code []byte) bool {
	aad := o.additionalData(h, len(b))
	o.mac.Reset()
	o.mac.Write(aad[:])
	o.mac.Write(b)
	var sum [64]byte
	return hmac.Equal(o.mac.Sum(sum[:0]), code)
}
