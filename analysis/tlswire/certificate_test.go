package tlswire

import (
	"crypto/x509"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestCertificate(t *testing.T) {
	body := fixture(t, "certificate-tls12")
	ders, err := ParseCertificate(body, nil)
	if err != nil || len(ders) != 1 {
		t.Fatalf("%d certificates, %v", len(ders), err)
	}
	if _, err := x509.ParseCertificate(ders[0]); err != nil {
		t.Error(err)
	}
	for n := range body {
		if _, err := ParseCertificate(body[:n], nil); err == nil {
			t.Errorf("the first %d bytes of %d parse", n, len(body))
		}
	}
}

func TestCertificateLists(t *testing.T) {
	const path = "Certificate.certificate_list"
	tests := []struct {
		name  string
		body  string
		tls13 bool
		want  []string
		err   *SyntaxError
	}{
		{name: "none", body: "\x00\x00\x00"},
		{name: "two", body: "\x00\x00\x09\x00\x00\x01a\x00\x00\x02bc", want: []string{"a", "bc"}},
		{name: "second cut", body: "\x00\x00\x09\x00\x00\x01a\x00\x00\x02b", want: []string{"a"}, err: &SyntaxError{0, path, "cut short"}},
		{name: "second too long", body: "\x00\x00\x08\x00\x00\x01a\x00\x00\x02b", want: []string{"a"}, err: &SyntaxError{7, path, "cut short"}},
		{name: "empty one", body: "\x00\x00\x07\x00\x00\x00\x00\x00\x01a", want: []string{"", "a"}, err: &SyntaxError{3, path, "empty certificate"}},
		{name: "trailing", body: "\x00\x00\x04\x00\x00\x01ab", want: []string{"a"}, err: &SyntaxError{7, path, "trailing data"}},
		{name: "1.3 none", tls13: true, body: "\x00\x00\x00\x00"},
		{name: "1.3 two", tls13: true, body: "\x01c\x00\x00\x0d\x00\x00\x01a\x00\x00\x00\x00\x01b\x00\x01x", want: []string{"a", "b"}},
		{name: "1.3 context", tls13: true, body: "\x02c", err: &SyntaxError{0, "Certificate.certificate_request_context", "cut short"}},
		{name: "1.3 extensions", tls13: true, body: "\x00\x00\x00\x06\x00\x00\x01a\x00\x01", want: []string{"a"}, err: &SyntaxError{8, path, "cut short"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			parse := ParseCertificate
			if tt.tls13 {
				parse = ParseCertificate13
			}
			ders, err := parse([]byte(tt.body), nil)
			var got []string
			for _, der := range ders {
				got = append(got, string(der))
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Error(diff)
			}
			if diff := cmp.Diff(tt.err, err); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestCertificateRequest(t *testing.T) {
	const dn = "0\x121\x100\x0e\x06\x03U\x04\x03\x0c\x07etcd-ca"
	tests := []struct {
		name    string
		version Version
		body    []byte
		want    CertificateRequest
	}{
		{"1.2", VersionTLS12, fixture(t, "certificate-request-tls12"), CertificateRequest{
			Types: []uint8{1, 64},
			SignatureAlgorithms: []SignatureScheme{0x0804, 0x0403, 0x0807, 0x0805, 0x0806, 0x0401, 0x0501, 0x0601, 0x0503, 0x0603,
				0x0201, 0x0203},
			Authorities: [][]byte{[]byte(dn)}}},
		{"1.1", VersionTLS11, []byte("\x01\x01\x00\x16\x00\x14" + dn), CertificateRequest{Types: []uint8{1}, Authorities: [][]byte{[]byte(dn)}}},
		{"any", VersionTLS10, []byte("\x01\x01\x00\x00"), CertificateRequest{Types: []uint8{1}}},
		{"1.3", VersionTLS13, []byte("\x00\x00\x24" + extension(ExtensionSignatureAlgorithms, "\x00\x02\x08\x04") +
			extension(ExtensionCertificateAuthorities, "\x00\x16\x00\x14"+dn)), CertificateRequest{
			SignatureAlgorithms: []SignatureScheme{0x0804}, Authorities: [][]byte{[]byte(dn)},
			Extensions: []Extension{{ExtensionSignatureAlgorithms, []byte("\x00\x02\x08\x04")},
				{ExtensionCertificateAuthorities, []byte("\x00\x16\x00\x14" + dn)}}}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var r CertificateRequest
			if err := r.Unmarshal(tt.body, tt.version); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tt.want, r); diff != "" {
				t.Error(diff)
			}
			for n := range tt.body {
				if err := r.Unmarshal(tt.body[:n], tt.version); err == nil {
					t.Errorf("the first %d bytes of %d parse", n, len(tt.body))
				}
			}
		})
	}
}

func TestServerKeyExchangeGroup(t *testing.T) {
	body := fixture(t, "server-key-exchange-tls12")
	if g, ok := ParseServerKeyExchangeGroup(body); !ok || g != GroupX25519 {
		t.Errorf("%v, %v, want x25519", g, ok)
	}
	for n := range 4 + 32 {
		if _, ok := ParseServerKeyExchangeGroup(body[:n]); ok {
			t.Errorf("the first %d bytes parse", n)
		}
	}
	if _, ok := ParseServerKeyExchangeGroup([]byte("\x01\x00\x01\x01x")); ok {
		t.Error("an explicit prime is taken for a named curve")
	}
}
