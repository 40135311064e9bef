package analysis

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"hash/maphash"
	"strconv"

	"github.com/etcdtap/etcdtap/analysis/tlswire"
)

// Bounds on what one handshake makes us keep.
const (
	maxChain       = 16      // certificates of a chain: no PKI that works is deeper, and crypto/tls verifies at most 10
	maxAuthorities = 256     // acceptable CA names of a CertificateRequest
	maxCached      = 4096    // distinct certificates, or names, remembered before the cache starts anew
	maxCachedBytes = 8 << 20 // bytes of DER remembered before the cache starts anew
	maxName        = 4 << 10 // bytes of a distinguished name's DER that are written out: pkix writes one in quadratic time, and a certificate may have 64 KiB
)

// Certificate is a certificate seen on the wire. It is immutable, and shared between the connections that presented it.
type Certificate struct {
	Raw     []byte            // DER
	SHA256  [sha256.Size]byte // of Raw
	X509    *x509.Certificate // nil iff Err != nil
	Err     error             // why crypto/x509 does not parse it
	Subject string            // RFC 4514; "" when it does not parse
	Issuer  string
}

// CertificateCache finds a certificate that was seen before without parsing and digesting it again. The zero value works. It is
// not safe for concurrent use. At its bound it forgets all. It also lends what connections need for a moment.
type CertificateCache struct {
	certs map[uint64]*Certificate
	names map[uint64]name
	bytes int
	read  int // bytes of DER that were not remembered, ever
	seed  maphash.Seed

	clientHellos, serverHellos helloKinds
	shapes                     map[shapeKey]Shape

	request tlswire.CertificateRequest // scratch
	buffers [][]byte                   // for records that come in pieces, at most maxSpareBuffers of keepBuffer bytes
}

// maxSpareBuffers is how many buffers for records in pieces are kept for all connections: one is in use while the rest of its record is
// on its way. Connections that are over hold none, so that the same few stay in the processor's cache.
const maxSpareBuffers = 64

// takeBuffer gives an empty buffer, nil where there is none.
func (k *CertificateCache) takeBuffer() []byte {
	if k == nil || len(k.buffers) == 0 {
		return nil
	}
	last := len(k.buffers) - 1
	b := k.buffers[last]
	k.buffers = k.buffers[:last]
	return b
}

// giveBuffer takes a buffer back that is no longer in use, and reports whether it keeps it.
func (k *CertificateCache) giveBuffer(b []byte) bool {
	if k == nil || cap(b) == 0 || cap(b) > keepBuffer || len(k.buffers) >= maxSpareBuffers {
		return false
	}
	k.buffers = append(k.buffers, b[:0])
	return true
}

type name struct {
	raw  []byte
	text string
}

// hash begins the cache where there is none, makes room, and returns the key of b. The seed is random: nobody outside can make
// certificates collide.
func (k *CertificateCache) hash(b []byte) uint64 {
	if k.certs == nil || len(k.certs)+len(k.names) >= maxCached || k.bytes > maxCachedBytes {
		k.certs, k.names, k.bytes = make(map[uint64]*Certificate), make(map[uint64]name), 0
		k.seed = maphash.MakeSeed()
	}
	return maphash.Bytes(k.seed, b)
}

// hashedTail is how much of a certificate is hashed, in bytes: the end of its signature, which no other has.
const hashedTail = 64

// Certificate returns the certificate with the given DER, which is copied when it is new.
func (k *CertificateCache) Certificate(der []byte) *Certificate {
	h := k.hash(der[max(0, len(der)-hashedTail):])
	if c := k.certs[h]; c != nil && bytes.Equal(c.Raw, der) {
		return c
	}
	c := ParseCertificate(bytes.Clone(der))
	k.certs[h] = c
	k.bytes += len(der)
	k.read += len(der)
	return c
}

// Name returns a stable copy of a DER name and its RFC 4514 text.
func (k *CertificateCache) Name(der []byte) (raw []byte, text string) {
	h := k.hash(der)
	if n, ok := k.names[h]; ok && bytes.Equal(n.raw, der) {
		return n.raw, n.text
	}
	n := name{raw: bytes.Clone(der), text: nameText(der)}
	k.names[h] = n
	k.bytes += len(der)
	k.read += len(der)
	return n.raw, n.text
}

func nameText(der []byte) string {
	if len(der) > maxName {
		return longName(der)
	}
	var rdns pkix.RDNSequence
	if rest, err := asn1.Unmarshal(der, &rdns); err != nil || len(rest) > 0 {
		return "unreadable name " + hexBytes(der[:min(len(der), maxEvidenceBytes)])
	}
	return rdns.String()
}

// longName stands for a name that no CA gives.
func longName(der []byte) string {
	digest := sha256.Sum256(der)
	return "name of " + itoa(len(der)) + " bytes, SHA-256 " + hexBytes(digest[:])
}

// nameOf is a parsed name's text.
func nameOf(n *pkix.Name, der []byte) string {
	if len(der) > maxName {
		return longName(der)
	}
	return n.String()
}

// ParseCertificate reads one certificate. It keeps der.
func ParseCertificate(der []byte) *Certificate {
	c := &Certificate{Raw: der, SHA256: sha256.Sum256(der)}
	c.X509, c.Err = x509.ParseCertificate(der)
	if c.Err == nil {
		c.Subject, c.Issuer = nameOf(&c.X509.Subject, c.X509.RawSubject), nameOf(&c.X509.Issuer, c.X509.RawIssuer)
	}
	return c
}

// Key names the public key's algorithm and size: "RSA-2048", "ECDSA-P256", "Ed25519". It is "unknown" where x509 knows no name.
func (c *Certificate) Key() string {
	if c.X509 == nil {
		return "unknown"
	}
	switch k := c.X509.PublicKey.(type) {
	case *rsa.PublicKey:
		return "RSA-" + strconv.Itoa(k.N.BitLen())
	case *ecdsa.PublicKey:
		return "ECDSA-P" + strconv.Itoa(k.Curve.Params().BitSize)
	case ed25519.PublicKey:
		return "Ed25519"
	}
	return "unknown"
}
