package analysis

import (
	"crypto/x509"
	"net"
	"testing"
)

// FuzzNamesExactly: what is found without crypto/x509 is what that would find.
func FuzzNamesExactly(f *testing.F) {
	for _, name := range []string{"etcd", "control-plane-1", "10.0.0.1", "[10.0.0.1]", "::1", "[::1]", "fe80::a%eth0", "1.2.3.4.example", "a.b.", "*.example", "ETCD", "é", "a\x00b", "0x7f.1", "::ffff:10.0.0.1", ".", ""} {
		f.Add(name, "other", true)
		f.Add(name, "other", false)
	}
	f.Fuzz(func(t *testing.T, name, other string, listed bool) {
		leaf := &x509.Certificate{DNSNames: []string{other}, IPAddresses: []net.IP{net.IPv4(10, 0, 0, 9)}}
		if listed {
			leaf.DNSNames = append(leaf.DNSNames, name)
		}
		if namesExactly(leaf, name) && leaf.VerifyHostname(name) != nil {
			t.Errorf("%q, listed among %q: %v", name, leaf.DNSNames, leaf.VerifyHostname(name))
		}
	})
}
