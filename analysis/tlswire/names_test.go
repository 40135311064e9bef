package tlswire

import (
	"crypto/tls"
	"encoding"
	"fmt"
	"slices"
	"testing"
)

func TestNames(t *testing.T) {
	tests := []struct {
		value fmt.Stringer
		want  string
	}{
		{ContentTypeApplicationData, "application_data"}, {ContentType(99), "content_type_99"},
		{VersionSSL30, "SSLv3"}, {VersionTLS13, "TLSv1.3"}, {Version(0x7f1c), "0x7f1c"}, {Version(0x3a3a), "GREASE"},
		{CipherSuite(0xc030), "TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384"}, {CipherSuite(0xd005), "TLS_ECDHE_PSK_WITH_AES_128_CCM_SHA256"},
		{CipherSuite(0x1306), "TLS_AEGIS_256_SHA512"}, {CipherSuiteFallback, "TLS_FALLBACK_SCSV"},
		{CipherSuite(0x13ff), "0x13ff"}, {CipherSuite(0xfafa), "GREASE"},
		{GroupX25519MLKEM768, "X25519MLKEM768"}, {Group(256), "ffdhe2048"}, {Group(0xffff), "0xffff"},
		{SignatureScheme(0x0403), "ecdsa_secp256r1_sha256"}, {SignatureScheme(0x0402), "0x0402"},
		{HandshakeCertificateRequest, "certificate_request"}, {HandshakeType(99), "handshake_99"},
		{ExtensionALPN, "application_layer_protocol_negotiation"}, {ExtensionType(0x1234), "0x1234"},
		{AlertLevelFatal, "fatal"}, {AlertLevel(7), "level_7"},
		{AlertCode(42), "bad_certificate"}, {AlertCode(200), "alert_200"},
	}
	for _, tt := range tests {
		if got := tt.value.String(); got != tt.want {
			t.Errorf("%T(%#v): %q, want %q", tt.value, tt.value, got, tt.want)
		}
	}
	for _, v := range []encoding.TextAppender{VersionTLS12, CipherSuite(5), GroupX25519, SignatureScheme(0x0804)} {
		text, err := v.AppendText([]byte("x"))
		if want := "x" + v.(fmt.Stringer).String(); string(text) != want || err != nil {
			t.Errorf("%q, %v, want %q", text, err, want)
		}
	}
}

// crypto/tls has its own copy of the IANA names.
func TestNamesAgreeWithCryptoTLS(t *testing.T) {
	for _, suite := range append(tls.CipherSuites(), tls.InsecureCipherSuites()...) {
		if got := CipherSuite(suite.ID).String(); got != suite.Name {
			t.Errorf("%#04x: %s, want %s", suite.ID, got, suite.Name)
		}
	}
}

func TestTablesAreSorted(t *testing.T) {
	for name, table := range map[string][]numberName{
		"cipher suites": cipherSuiteNames[:], "groups": groupNames[:], "signature schemes": signatureSchemeNames[:],
		"extensions": extensionTypeNames[:], "handshake types": handshakeTypeNames[:], "alerts": alertNames[:],
	} {
		for i := range table[1:] {
			if table[i].number >= table[i+1].number {
				t.Errorf("%s: %#04x is not less than %#04x", name, table[i].number, table[i+1].number)
			}
		}
	}
}

func TestIsGREASE(t *testing.T) {
	var got []uint16
	for v := range 1 << 16 {
		if IsGREASE(uint16(v)) {
			got = append(got, uint16(v))
		}
	}
	want := []uint16{0x0a0a, 0x1a1a, 0x2a2a, 0x3a3a, 0x4a4a, 0x5a5a, 0x6a6a, 0x7a7a, 0x8a8a, 0x9a9a, 0xaaaa, 0xbaba, 0xcaca, 0xdada, 0xeaea, 0xfafa}
	if !slices.Equal(got, want) {
		t.Errorf("%x, want %x", got, want)
	}
}
