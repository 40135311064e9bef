package report

import (
	"github.com/etcdtap/etcdtap/analysis"
	"github.com/etcdtap/etcdtap/analysis/tlswire"
)

// Bounds on what is remembered of the JSON of handshakes; at a bound all are forgotten.
const (
	maxTLSTexts     = 1024
	maxTLSTextBytes = 8 << 20  // a usual one has 3 KiB
	maxTLSText      = 16 << 10 // of one; longer ones are made up
)

// tlsKind is all that the JSON of a handshake up to "shape" is made of, where the hellos are of known kinds and the chains as short as
// etcd's are. Clients that come again and again differ in nothing of it.
type tlsKind struct {
	client, server *analysis.HelloKind
	version        tlswire.Version
	suite          tlswire.CipherSuite
	group          tlswire.Group
	alpn           analysis.Visibility
	resumed, retry bool
	request        analysis.Visibility
	authority      string // the only one; "" for none
	chains         [2]chainKind
}

// chainKind is a chain of two certificates at the most.
type chainKind struct {
	visibility analysis.Visibility
	certs      [2]*analysis.Certificate
}

// set makes k the kind of t, and reports whether t has one.
func (k *tlsKind) set(t *analysis.TLSFacts) bool {
	k.client, k.server = t.HelloKinds()
	r := &t.CertificateRequest
	if k.client == nil || k.server == nil || t.ServerHello == nil || t.SSLv2 != nil || t.ALPN != t.ServerHello.ALPN || len(r.Authorities) > 1 || r.More > 0 {
		return false
	}
	k.version, k.suite, k.group, k.alpn = t.Version, t.CipherSuite, t.Group, t.ALPNVisibility
	k.resumed, k.retry, k.request = t.Resumed, t.HelloRetry, r.Visibility
	if len(r.Authorities) > 0 {
		if k.authority = r.Authorities[0]; k.authority == "" {
			return false
		}
	}
	for d := range t.Certificates {
		c := &t.Certificates[d]
		if len(c.Chain) > len(k.chains[d].certs) || c.More > 0 {
			return false
		}
		k.chains[d].visibility = c.Visibility
		copy(k.chains[d].certs[:], c.Chain)
	}
	return true
}

// tlsTexts remembers the JSON of handshakes. The zero value is ready.
type tlsTexts struct {
	texts map[tlsKind][]byte
	bytes int
}

// add remembers a text.
func (k *tlsTexts) add(kind *tlsKind, text []byte) {
	if len(text) > maxTLSText {
		return
	}
	if k.texts == nil || len(k.texts) >= maxTLSTexts || k.bytes+len(text) > maxTLSTextBytes {
		k.texts, k.bytes = make(map[tlsKind][]byte), 0
	}
	k.texts[*kind] = append([]byte(nil), text...)
	k.bytes += len(text)
}
