package pki

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// TestWrite judges every certificate as crypto/x509 does: the good ones pass and each bad one fails for its own reason.
func TestWrite(t *testing.T) {
	dir, now := t.TempDir(), time.Now()
	if err := Write(dir, now); err != nil {
		t.Fatal(err)
	}
	untrusted := func(err error) bool { return errors.As(err, new(x509.UnknownAuthorityError)) }
	because := func(want x509.InvalidReason) func(error) bool {
		return func(err error) bool {
			var got x509.CertificateInvalidError
			return errors.As(err, &got) && got.Reason == want
		}
	}
	passes := func(err error) bool { return err == nil }

	for _, tt := range []struct {
		file, roots, name string
		use               x509.ExtKeyUsage
		want              func(error) bool
	}{
		{"server", "ca", "127.0.0.1", x509.ExtKeyUsageServerAuth, passes},
		{"peer", "ca", "", x509.ExtKeyUsageClientAuth, passes},
		{"healthcheck-client", "ca", "", x509.ExtKeyUsageClientAuth, passes},
		{"apiserver-etcd-client", "ca", "", x509.ExtKeyUsageClientAuth, passes},
		{"cp-2/peer", "ca", "127.0.0.2", x509.ExtKeyUsageServerAuth, passes},
		{"ecdsa/server", "ecdsa/ca", "localhost", x509.ExtKeyUsageServerAuth, passes},
		{"ecdsa/client", "ecdsa/ca", "", x509.ExtKeyUsageClientAuth, passes},
		{"bad/other-client", "ca", "", x509.ExtKeyUsageClientAuth, untrusted},
		{"bad/no-intermediate-client", "ca", "", x509.ExtKeyUsageClientAuth, untrusted},
		{"bad/regenerated-client", "ca", "", x509.ExtKeyUsageClientAuth, untrusted},
		{"bad/expired-client", "ca", "", x509.ExtKeyUsageClientAuth, because(x509.Expired)},
		{"bad/expired-server", "ca", "127.0.0.1", x509.ExtKeyUsageServerAuth, because(x509.Expired)},
		{"bad/server-auth-client", "ca", "", x509.ExtKeyUsageClientAuth, because(x509.IncompatibleUsage)},
		{"bad/wrong-name-server", "ca", "127.0.0.1", x509.ExtKeyUsageServerAuth,
			func(err error) bool { return errors.As(err, new(x509.HostnameError)) }},
	} {
		t.Run(tt.file, func(t *testing.T) {
			base := filepath.Join(dir, filepath.FromSlash(tt.file))
			pair, err := tls.LoadX509KeyPair(base+".crt", base+".key")
			if err != nil {
				t.Fatal(err)
			}
			roots := x509.NewCertPool()
			pem, err := os.ReadFile(filepath.Join(dir, filepath.FromSlash(tt.roots)+".crt"))
			if err != nil {
				t.Fatal(err)
			}
			roots.AppendCertsFromPEM(pem)
			_, err = pair.Leaf.Verify(x509.VerifyOptions{
				Roots: roots, DNSName: tt.name, KeyUsages: []x509.ExtKeyUsage{tt.use}, CurrentTime: now,
			})
			if !tt.want(err) {
				t.Errorf("unexpected verdict: %v", err)
			}
		})
	}
}
