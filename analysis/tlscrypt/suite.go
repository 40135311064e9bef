// Package tlscrypt opens protected TLS records with secrets from a key log: TLS 1.3's AEADs (RFC 8446, Section 5.2), and of TLS
// 1.0 to 1.2 AES-GCM (RFC 5288), ChaCha20-Poly1305 (RFC 7905) and AES-CBC with HMAC (RFC 5246, Section 6.2.3.2; RFC 7366). It
// does no I/O and checks every authentication code: what it gives was sealed with the key.
package tlscrypt

import (
	"crypto/sha1"
	"crypto/sha256"
	"crypto/sha512"
	"hash"
	"strings"

	"github.com/etcdtap/etcdtap/analysis/tlswire"
)

// mode is how a suite protects records.
type mode uint8

const (
	modeNone mode = iota // not one that this package opens
	modeGCM
	modeChaCha
	modeCBC
)

// suite is what of a cipher suite concerns records and their keys.
type suite struct {
	mode      mode
	keyLength int              // bytes
	hash      func() hash.Hash // of the key schedule, TLS 1.2's PRF included
	mac       func() hash.Hash // valid iff mode is modeCBC
	macLength int              // bytes; 0 unless mode is modeCBC
}

// suiteOf reads a suite's IANA name, whose end says all: there are dozens of suites for each way of protecting records.
func suiteOf(s tlswire.CipherSuite) suite {
	name := strings.TrimPrefix(s.String(), "TLS_")
	if _, cipher, ok := strings.Cut(name, "_WITH_"); ok {
		name = cipher
	}
	switch name {
	case "AES_128_GCM_SHA256":
		return suite{mode: modeGCM, keyLength: 16, hash: sha256.New}
	case "AES_256_GCM_SHA384":
		return suite{mode: modeGCM, keyLength: 32, hash: sha512.New384}
	case "CHACHA20_POLY1305_SHA256":
		return suite{mode: modeChaCha, keyLength: 32, hash: sha256.New}
	case "AES_128_CBC_SHA":
		return suite{mode: modeCBC, keyLength: 16, hash: sha256.New, mac: sha1.New, macLength: sha1.Size}
	case "AES_256_CBC_SHA":
		return suite{mode: modeCBC, keyLength: 32, hash: sha256.New, mac: sha1.New, macLength: sha1.Size}
	case "AES_128_CBC_SHA256":
		return suite{mode: modeCBC, keyLength: 16, hash: sha256.New, mac: sha256.New, macLength: sha256.Size}
	case "AES_256_CBC_SHA256":
		return suite{mode: modeCBC, keyLength: 32, hash: sha256.New, mac: sha256.New, macLength: sha256.Size}
	case "AES_256_CBC_SHA384":
		return suite{mode: modeCBC, keyLength: 32, hash: sha512.New384, mac: sha512.New384, macLength: sha512.Size384}
	}
	return suite{}
}
