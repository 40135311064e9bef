package stacks

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"time"
)

// Identity is a certificate with its chain and key, also as files for programs: NAME.crt, NAME.key, NAME.p12 (password "etcdtap").
type Identity struct {
	Name string
	TLS  tls.Certificate
}

// password protects what formats demand a password for.
const password = "etcdtap"

// generate makes a key of the kind that analysis names.
func generate(kind string) (crypto.Signer, error) {
	switch kind {
	case "RSA-2048":
		return rsa.GenerateKey(rand.Reader, 2048)
	case "RSA-3072":
		return rsa.GenerateKey(rand.Reader, 3072)
	case "ECDSA-P256":
		return ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	case "ECDSA-P384":
		return ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	case "Ed25519":
		_, key, err := ed25519.GenerateKey(rand.Reader)
		return key, err
	}
	return nil, fmt.Errorf("no key of kind %q", kind)
}

// issue signs a certificate with by's key, or with its own where by is nil.
func issue(name, kind string, authority bool, by *Identity) (*Identity, error) {
	key, err := generate(kind)
	if err != nil {
		return nil, err
	}
	serial, err := rand.Int(rand.Reader, big.NewInt(1<<62))
	if err != nil {
		return nil, err
	}
	c := &x509.Certificate{
		SerialNumber: serial, Subject: pkix.Name{CommonName: name}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour),
		KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageKeyEncipherment, BasicConstraintsValid: true, IsCA: authority,
	}
	if authority {
		c.KeyUsage = x509.KeyUsageCertSign
	} else {
		c.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth}
		c.DNSNames, c.IPAddresses = []string{"localhost"}, []net.IP{net.IPv4(127, 0, 0, 1)}
	}
	parent, signer := c, key
	var chain [][]byte
	if by != nil {
		parent, signer = by.TLS.Leaf, by.TLS.PrivateKey.(crypto.Signer)
		if parent.Issuer.String() != parent.Subject.String() { // an intermediate comes along
			chain = by.TLS.Certificate
		}
	}
	der, err := x509.CreateCertificate(rand.Reader, c, parent, key.Public(), signer)
	if err != nil {
		return nil, err
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, err
	}
	return &Identity{Name: name, TLS: tls.Certificate{Certificate: append([][]byte{der}, chain...), PrivateKey: key, Leaf: leaf}}, nil
}

// write makes the identity's files.
func (i *Identity) write(dir string) error {
	var certificates []byte
	for _, der := range i.TLS.Certificate {
		certificates = append(certificates, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})...)
	}
	key, err := x509.MarshalPKCS8PrivateKey(i.TLS.PrivateKey)
	if err != nil {
		return err
	}
	base := filepath.Join(dir, i.Name)
	if err := os.WriteFile(base+".crt", certificates, 0o600); err != nil {
		return err
	}
	if err := os.WriteFile(base+".key", pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: key}), 0o600); err != nil {
		return err
	}
	return run("openssl", "pkcs12", "-export", "-in", base+".crt", "-inkey", base+".key", "-name", i.Name, "-out", base+".p12", "-passout", "pass:"+password)
}

// run runs a program whose output matters only when it fails.
func run(program string, args ...string) error {
	if out, err := exec.Command(program, args...).CombinedOutput(); err != nil {
		return fmt.Errorf("%s %v: %w\n%s", program, args, err, out)
	}
	return nil
}

// Store holds the identities by name, and their directory.
type Store struct {
	Dir string
	All map[string]*Identity
}

// NewStore makes two authorities, "ca" and "otherca", an intermediate below the first, and leaves of each kind of key: "rsa-2048" and so
// on by "ca", "chain" by the intermediate, "other" by "otherca".
func NewStore(dir string) (*Store, error) {
	s := &Store{Dir: dir, All: map[string]*Identity{}}
	for _, want := range []struct {
		name, kind, by string
		authority      bool
	}{
		{"ca", "RSA-2048", "", true}, {"otherca", "RSA-2048", "", true}, {"intermediate", "RSA-2048", "ca", true},
		{"rsa-2048", "RSA-2048", "ca", false}, {"rsa-3072", "RSA-3072", "ca", false}, {"p256", "ECDSA-P256", "ca", false},
		{"p384", "ECDSA-P384", "ca", false}, {"ed25519", "Ed25519", "ca", false}, {"chain", "ECDSA-P256", "intermediate", false},
		{"other", "RSA-2048", "otherca", false},
	} {
		i, err := issue(want.name, want.kind, want.authority, s.All[want.by])
		if err != nil {
			return nil, fmt.Errorf("certificate %s: %w", want.name, err)
		}
		if err := i.write(dir); err != nil {
			return nil, err
		}
		s.All[want.name] = i
	}
	return s, nil
}

// Pool trusts the authority.
func (s *Store) Pool(authority string) *x509.CertPool {
	p := x509.NewCertPool()
	p.AddCert(s.All[authority].TLS.Leaf)
	return p
}

func (s *Store) path(name string) string { return filepath.Join(s.Dir, name) }
