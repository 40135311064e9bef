package analysis

import (
	"slices"

	"github.com/etcdtap/etcdtap/analysis/tlswire"
)

// offer counts what of a ClientHello Go's server could use (crypto/tls, cipher_suites.go, common.go and auth.go of Go 1.26). It
// tells the reasons for a handshake_failure apart.
type offer struct {
	tls13         bool // TLS 1.3 is offered, with a suite of it
	suites13      int  // TLS 1.3 suites
	suitesRSA     int  // TLS 1.2 suites that need an RSA certificate
	suitesECDSA   int  // TLS 1.2 suites that need an ECDSA or Ed25519 certificate
	keyTransport  bool // a suite without ECDHE is among them: groups do not matter
	groups        int  // usable groups
	signatures    int  // usable signature algorithms
	signaturesRSA int  // of them for RSA keys
}

// The suites that Go's server knows, enabled by default or not.
var (
	goSuites13    = []tlswire.CipherSuite{0x1301, 0x1302, 0x1303}
	goSuitesRSA   = []tlswire.CipherSuite{0xc02f, 0xc030, 0xcca8, 0xc013, 0xc014, 0xc027, 0xc012, 0xc011}
	goSuitesECDSA = []tlswire.CipherSuite{0xc02b, 0xc02c, 0xcca9, 0xc009, 0xc00a, 0xc023, 0xc007}
	goTransport   = []tlswire.CipherSuite{0x009c, 0x009d, 0x002f, 0x0035, 0x003c, 0x000a, 0x0005}
	goGroups      = []tlswire.Group{tlswire.GroupX25519MLKEM768, tlswire.GroupX25519, tlswire.GroupSecp256r1, tlswire.GroupSecp384r1,
		tlswire.GroupSecp521r1, 0x11eb, 0x11ed}
	goSignaturesRSA   = []tlswire.SignatureScheme{0x0804, 0x0805, 0x0806, 0x0401, 0x0501, 0x0601}
	goSignaturesOther = []tlswire.SignatureScheme{0x0403, 0x0503, 0x0603, 0x0807}
)

func offerOf(h *tlswire.ClientHello) offer {
	o := offer{
		suites13:      common(h.CipherSuites, goSuites13),
		suitesRSA:     common(h.CipherSuites, goSuitesRSA) + common(h.CipherSuites, goTransport),
		suitesECDSA:   common(h.CipherSuites, goSuitesECDSA),
		keyTransport:  common(h.CipherSuites, goTransport) > 0,
		groups:        common(h.Groups, goGroups),
		signaturesRSA: common(h.SignatureAlgorithms, goSignaturesRSA),
	}
	o.signatures = o.signaturesRSA + common(h.SignatureAlgorithms, goSignaturesOther)
	o.tls13 = o.suites13 > 0 && slices.Contains(h.OfferedVersions(), tlswire.VersionTLS13)
	if !o.tls13 {
		o.suites13 = 0
	}
	return o
}

// common counts what of list is in known.
func common[T comparable](list, known []T) int {
	n := 0
	for _, x := range list {
		if slices.Contains(known, x) {
			n++
		}
	}
	return n
}
