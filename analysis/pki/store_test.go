package pki

import (
	"bytes"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/pem"
	"fmt"
	"math/big"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/etcdtap/etcdtap/analysis/pki/pkitest"
)

func files(list []*Certificate) []string {
	var out []string
	for _, c := range list {
		out = append(out, c.File)
	}
	return out
}

// kubeadm is the store of a control-plane node, and the certificates in it.
func kubeadm(t testing.TB) (s *Store, ca *pkitest.CA, server, peer *x509.Certificate) {
	ca = pkitest.NewCA(t, "etcd-ca")
	server = ca.Issue(t, pkitest.Leaf{CN: "cp-1", Names: []string{"cp-1", "localhost", "10.0.0.1", "127.0.0.1"}, Usage: pkitest.Both()})
	peer = ca.Issue(t, pkitest.Leaf{CN: "cp-1", Names: []string{"cp-1", "10.0.0.1"}, Usage: pkitest.Both()})
	s = new(Store)
	const dir = "/etc/kubernetes/pki/etcd/"
	s.Add(File{Name: dir + "ca.crt", Data: pkitest.PEM(ca.Cert)})
	s.Add(File{Name: dir + "server.crt", Data: pkitest.PEM(server)})
	s.Add(File{Name: dir + "peer.crt", Data: pkitest.PEM(peer)})
	s.Add(File{Name: dir + "healthcheck-client.crt", Data: pkitest.PEM(ca.Issue(t, pkitest.Leaf{CN: "kube-etcd-healthcheck-client", Usage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}}))})
	s.Add(File{Name: "/etc/kubernetes/pki/apiserver-etcd-client.crt", Data: pkitest.PEM(ca.Issue(t, pkitest.Leaf{CN: "kube-apiserver-etcd-client", Usage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}}))})
	return s, ca, server, peer
}

func TestRoles(t *testing.T) {
	ca := pkitest.NewCA(t, "any")
	both := ca.Issue(t, pkitest.Leaf{CN: "x", Usage: pkitest.Both()})
	client := ca.Issue(t, pkitest.Leaf{CN: "x", Usage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}})
	for _, tt := range []struct {
		file string
		cert *x509.Certificate
		want Role
	}{
		{"/etc/kubernetes/pki/etcd/ca.crt", ca.Cert, RoleCA},
		{"/etc/kubernetes/pki/etcd/server.crt", both, RoleServer},
		{"/etc/kubernetes/pki/etcd/peer.crt", both, RolePeer},
		{"/etc/kubernetes/pki/etcd/healthcheck-client.crt", client, RoleHealthcheck},
		{"/etc/kubernetes/pki/apiserver-etcd-client.crt", client, RoleAPIServer},
		{"/etc/kubernetes/pki/ca.crt", ca.Cert, RoleOtherCA},
		{"/etc/kubernetes/pki/apiserver.crt", both, RoleOther},
		{"/var/lib/rancher/k3s/server/tls/etcd/server-client.crt", both, RoleServer},
		{"/var/lib/rancher/k3s/server/tls/etcd/peer-server-client.crt", both, RolePeer},
		{"/var/lib/rancher/k3s/server/tls/etcd/server-ca.crt", ca.Cert, RoleCA},
		{"/var/lib/rancher/k3s/server/tls/etcd/peer-ca.crt", ca.Cert, RolePeerCA},
		{"/var/lib/rancher/k3s/server/tls/etcd/client.crt", client, RoleClient},
		{"/mnt/pki/abc/peers/me.crt", both, RolePeer},
		{"/mnt/pki/abc/clients/server.crt", both, RoleServer},
		{"/etc/kubernetes/pki/etcd-manager-main/etcd-clients-ca.crt", ca.Cert, RoleCA},
		{"/certs/secrets/etcd-all-certs/etcd-serving-master-0.crt", both, RoleServer},
		{"/certs/secrets/etcd-all-certs/etcd-serving-metrics-master-0.crt", both, RoleMetrics},
		{"/certs/secrets/etcd-all-certs/etcd-peer-master-0.crt", both, RolePeer},
		{"/certs/configmaps/etcd-serving-ca/ca-bundle.crt", ca.Cert, RoleCA},
		{"unknown.pem", client, RoleClient},
		{"unknown.pem", both, RoleOther},
		{"unknown.pem", ca.Cert, RoleCA},
		{"/etc/kubernetes/pki/etcd/ca.crt", both, RoleOther}, // the name lies
	} {
		var s Store
		s.Add(File{Name: tt.file, Data: pkitest.PEM(tt.cert)})
		if got := s.Certificates()[0].Role; got != tt.want {
			t.Errorf("%s with %s: %v, want %v", tt.file, tt.cert.Subject, got, tt.want)
		}
	}
}

// TestBundles: what stands behind a leaf is an intermediate, what stands behind a CA is another CA.
func TestBundles(t *testing.T) {
	one, two := pkitest.NewCA(t, "one"), pkitest.NewCA(t, "two")
	leaf := one.Issue(t, pkitest.Leaf{CN: "x", Usage: pkitest.Both()})
	for _, tt := range []struct {
		file  string
		certs []*x509.Certificate
		want  []Role
	}{
		{"trust.crt", []*x509.Certificate{one.Cert, two.Cert}, []Role{RoleCA, RoleCA}},
		{"x.crt", []*x509.Certificate{leaf, two.Cert}, []Role{RoleOther, RoleIntermediate}},
	} {
		var s Store
		s.Add(File{Name: tt.file, Data: pkitest.PEM(tt.certs...)})
		var got []Role
		for _, c := range s.Certificates() {
			got = append(got, c.Role)
		}
		if !slices.Equal(got, tt.want) {
			t.Errorf("%s: %v, want %v", tt.file, got, tt.want)
		}
	}
}

func TestQueries(t *testing.T) {
	s, ca, server, peer := kubeadm(t)
	find := func(x *x509.Certificate) string {
		var one Store
		one.Add(File{Name: "x", Data: x.Raw}) // DER
		if c := s.Find(one.Certificates()[0].SHA256); c != nil {
			return c[0].File
		}
		return ""
	}
	if got := find(server); got != "/etc/kubernetes/pki/etcd/server.crt" {
		t.Errorf("the server's certificate is found in %q", got)
	}
	if got := find(ca.Issue(t, pkitest.Leaf{CN: "cp-1"})); got != "" {
		t.Errorf("another certificate is found in %q", got)
	}
	if got := files(s.ByFile("/host/etcd/server.crt")); !slices.Equal(got, []string{"/etc/kubernetes/pki/etcd/server.crt"}) {
		t.Errorf("by a container's path: %v", got)
	}
	if got := s.ByFile("/host/other/server.crt"); got != nil {
		t.Errorf("another directory: %v", files(got))
	}
	if got := files(s.ByRole(RolePeer)); !slices.Equal(got, []string{"/etc/kubernetes/pki/etcd/peer.crt"}) {
		t.Errorf("by role: %v", got)
	}
	want := []string{"/etc/kubernetes/pki/etcd/peer.crt"}
	if len(server.Raw) == len(peer.Raw) {
		want = append([]string{"/etc/kubernetes/pki/etcd/server.crt"}, want...)
	}
	if diff := cmp.Diff(want, files(s.BySize([]int{len(peer.Raw), 0}))); diff != "" {
		t.Errorf("by size, -want +got:\n%s", diff)
	}
}

func TestRenewalOf(t *testing.T) {
	s, ca, server, _ := kubeadm(t)
	names := []string{"10.0.0.1", "127.0.0.1", "localhost", "cp-1"} // in another order
	sooner := pkitest.Epoch.AddDate(0, 2, 0)
	for _, tt := range []struct {
		name string
		leaf pkitest.Leaf
		want bool
	}{
		{"older", pkitest.Leaf{CN: "cp-1", Names: names, Usage: pkitest.Both(), To: sooner}, true},
		{"newer", pkitest.Leaf{CN: "cp-1", Names: names, Usage: pkitest.Both(), To: sooner.AddDate(5, 0, 0)}, false},
		{"other names", pkitest.Leaf{CN: "cp-1", Names: names[:3], Usage: pkitest.Both(), To: sooner}, false},
		{"other subject", pkitest.Leaf{CN: "cp-2", Names: names, Usage: pkitest.Both(), To: sooner}, false},
		{"other usage", pkitest.Leaf{CN: "cp-1", Names: names, To: sooner}, false},
	} {
		got := s.RenewalOf(ca.Issue(t, tt.leaf))
		if (got != nil) != tt.want || got != nil && got.File != "/etc/kubernetes/pki/etcd/server.crt" {
			t.Errorf("%s: %v", tt.name, got)
		}
	}
	if got := s.RenewalOf(server); got != nil {
		t.Errorf("what is in a file was renewed by %s", got.File)
	}
}

func TestIssuerOf(t *testing.T) {
	s, ca, server, _ := kubeadm(t)
	again, stranger := pkitest.NewCA(t, "etcd-ca"), pkitest.NewCA(t, "stranger")
	for range 2 { // the second time from memory
		for _, tt := range []struct {
			x    *x509.Certificate
			want Issuer
		}{
			{server, IssuerKnown},
			{ca.Cert, IssuerKnown},
			{again.Issue(t, pkitest.Leaf{CN: "x"}), IssuerRegenerated},
			{stranger.Issue(t, pkitest.Leaf{CN: "x"}), IssuerUnknown},
		} {
			if got, _ := s.IssuerOf(tt.x); got != tt.want {
				t.Errorf("%v: %v, want %v", tt.x.Subject, got, tt.want)
			}
		}
	}
}

// TestKeysAreLeftAlone: a key beside a certificate is not decoded, and what stands behind it is found.
func TestKeysAreLeftAlone(t *testing.T) {
	ca := pkitest.NewCA(t, "etcd-ca")
	key := "-----BEGIN EC PRIVATE KEY-----\nTm90IGEga2V5\n-----END EC PRIVATE KEY-----\n"
	var seen []blockKind
	forEachBlock([]byte(key+string(pkitest.PEM(ca.Cert))+key), func(k blockKind, der []byte) {
		seen = append(seen, k)
		if !bytes.Equal(der, ca.Cert.Raw) {
			t.Errorf("a block of %d bytes", len(der))
		}
	})
	if !slices.Equal(seen, []blockKind{blockCertificate}) {
		t.Errorf("blocks %v", seen)
	}
	var s Store
	s.Add(File{Name: "server.key", Data: []byte(key)})
	if skipped, _ := s.Skipped(); len(skipped) != 1 || skipped[0].Why != "holds no certificate" {
		t.Errorf("%v", skipped)
	}
}

// TestPieces: what is between BEGIN and END lines that do not belong together.
func TestPieces(t *testing.T) {
	ca := pkitest.NewCA(t, "etcd-ca")
	good := string(pkitest.PEM(ca.Cert))
	crl := "-----BEGIN X509 CRL-----\nAAAA\n-----END X509 CRL-----\n"
	for _, tt := range []struct {
		name, data string
		want       []blockKind
	}{
		{"nothing", "", nil},
		{"text", "just notes", nil},
		{"two", good + good, []blockKind{blockCertificate, blockCertificate}},
		{"text around", "subject=x\n" + good + "more", []blockKind{blockCertificate}},
		{"no end", "-----BEGIN CERTIFICATE-----\nAAAA\n" + good, []blockKind{blockBroken, blockCertificate}},
		{"cut", good[:len(good)/2], []blockKind{blockBroken}},
		{"other end", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END X509 CRL-----\n" + good, []blockKind{blockBroken, blockCertificate}},
		{"crl", crl, []blockKind{blockPEMCRL}},
		{"no dashes", "-----BEGIN " + good, []blockKind{blockCertificate}},
		{"windows", strings.ReplaceAll(good, "\n", "\r\n"), []blockKind{blockCertificate}},
		{"der", string(ca.Cert.Raw), []blockKind{blockCertificate}},
	} {
		var got []blockKind
		forEachBlock([]byte(tt.data), func(k blockKind, _ []byte) { got = append(got, k) })
		if !slices.Equal(got, tt.want) {
			t.Errorf("%s: %v, want %v", tt.name, got, tt.want)
		}
	}
}

func TestCRL(t *testing.T) {
	var s Store
	s.Add(File{Name: "/pki/pem.crl", Data: []byte("-----BEGIN X509 CRL-----\nAAAA\n-----END X509 CRL-----\n")})
	s.Add(File{Name: "/pki/der.crl", Data: derCRL(t)})
	for name, pemForm := range map[string]bool{"/pki/pem.crl": true, "/pki/der.crl": false} {
		if c, ok := s.CRL(name); !ok || c.PEM != pemForm {
			t.Errorf("%s: %v, %v", name, c, ok)
		}
	}
	if _, ok := s.CRL("/pki/none.crl"); ok {
		t.Error("a list that is not there")
	}
}

func derCRL(t *testing.T) []byte {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	ca := &x509.Certificate{Subject: pkix.Name{CommonName: "x"}, RawSubject: []byte{0x30, 0}, KeyUsage: x509.KeyUsageCRLSign, SubjectKeyId: []byte{1}}
	der, err := x509.CreateRevocationList(rand.Reader, &x509.RevocationList{Number: big.NewInt(1), ThisUpdate: time.Unix(1, 0), NextUpdate: time.Unix(2, 0)}, ca, key)
	if err != nil {
		t.Fatal(err)
	}
	return der
}

// TestHostile: what is too much is left out, with a reason, and costs little.
func TestHostile(t *testing.T) {
	ca := pkitest.NewCA(t, "etcd-ca")
	many := make([]string, maxSANs+1)
	for i := range many {
		many[i] = fmt.Sprintf("n%d", i)
	}
	leaf := ca.Issue(t, pkitest.Leaf{CN: "x"})
	for _, tt := range []struct {
		name string
		data []byte
		want string
	}{
		{"names", pkitest.PEM(ca.Issue(t, pkitest.Leaf{CN: "x", Names: many})), "names, expected at most"},
		{"file", make([]byte, MaxFileBytes+1), "expected at most"},
		{"begin lines", bytes.Repeat([]byte("-----BEGIN "), MaxFileBytes/len("-----BEGIN ")), "no certificate"},
		{"der", pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: make([]byte, maxDER+1)}), "bytes, expected at most"},
		{"not a certificate", pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: []byte("\x30\x03key")}), "does not parse"},
	} {
		var s Store
		s.Add(File{Name: "x.crt", Data: tt.data})
		skipped, _ := s.Skipped()
		if len(s.Certificates()) > 0 || len(skipped) == 0 || !strings.Contains(skipped[0].Why, tt.want) {
			t.Errorf("%s: %d certificates, %v", tt.name, len(s.Certificates()), skipped)
		}
	}
	var s Store
	for i := range maxFiles + 10 {
		s.Add(File{Name: fmt.Sprintf("%d.crt", i), Data: bytes.Repeat(pkitest.PEM(leaf), 3)})
	}
	if n := len(s.Certificates()); n != maxStored {
		t.Errorf("%d certificates", n)
	}
	if skipped, more := s.Skipped(); len(skipped) != maxSkipped || more == 0 {
		t.Errorf("%d skipped and %d more", len(skipped), more)
	}
}

// TestHugeKeys: a CA whose key is too long to be checked with tells nothing.
func TestHugeKeys(t *testing.T) {
	ca := pkitest.NewCA(t, "etcd-ca")
	huge := *ca.Cert
	huge.PublicKey = &rsa.PublicKey{N: new(big.Int).Lsh(big.NewInt(1), maxRSABits), E: 65537}
	if signed, known := signedBy(ca.Issue(t, pkitest.Leaf{CN: "x"}), &huge); signed || known {
		t.Errorf("signed %v, known %v", signed, known)
	}
}

func FuzzStore(f *testing.F) {
	ca := pkitest.NewCA(f, "etcd-ca")
	leaf := ca.Issue(f, pkitest.Leaf{CN: "x", Names: []string{"x", "::1"}, Usage: pkitest.Both()})
	f.Add("etcd/server.crt", pkitest.PEM(leaf, ca.Cert))
	f.Add("etcd/ca.crt", ca.Cert.Raw)
	f.Add("x.crl", []byte("-----BEGIN X509 CRL-----\nAAAA\n-----END X509 CRL-----\n"))
	null, _ := asn1.Marshal(asn1.NullRawValue)
	f.Add("x", null)
	f.Fuzz(func(t *testing.T, name string, data []byte) {
		var s Store
		s.Add(File{Name: name, Data: data})
		s.Add(File{Name: "etcd/ca.crt.2", Data: pkitest.PEM(ca.Cert)})
		skipped, more := s.Skipped()
		if len(s.Certificates())+len(s.crls)+len(skipped)+more < 2 {
			t.Errorf("the file left no trace")
		}
		s.IssuerOf(leaf)
		s.RenewalOf(leaf)
		for _, c := range s.Certificates() {
			s.IssuerOf(c.X509)
			if s.Find(c.SHA256) == nil || s.ByFile(c.File) == nil {
				t.Errorf("%s is not found", c.File)
			}
			s.BySize([]int{len(c.X509.Raw)})
		}
	})
}
