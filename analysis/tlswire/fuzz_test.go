package tlswire

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

// checkError asserts what every SyntaxError promises of the body it is about.
func checkError(t *testing.T, body []byte, err *SyntaxError) {
	t.Helper()
	if err != nil && (err.Offset < 0 || err.Offset > len(body) || err.Path == "" || err.Problem == "") {
		t.Errorf("%d bytes: %+v", len(body), err)
	}
}

// checkSame asserts that a used struct was left like a new one.
func checkSame(t *testing.T, fresh, used any) {
	t.Helper()
	if diff := cmp.Diff(fresh, used, cmpopts.EquateEmpty()); diff != "" {
		t.Error(diff)
	}
}

func addFixtures(f *testing.F, prefix string) {
	for _, body := range fixtures(f, prefix) {
		f.Add(body)
	}
}

func FuzzClientHello(f *testing.F) {
	addFixtures(f, "client-hello-")
	other := fixture(f, "client-hello-chrome-kyber")
	f.Fuzz(func(t *testing.T, body []byte) {
		var fresh, used ClientHello
		used.Unmarshal(other)
		err := fresh.Unmarshal(body)
		checkError(t, body, err)
		checkSame(t, err, used.Unmarshal(body))
		checkSame(t, fresh, used)
		if len(fresh.JA3()) != 32 || len(fresh.JA4()) != 36 {
			t.Errorf("JA3 %q, JA4 %q", fresh.JA3(), fresh.JA4())
		}
		if len(fresh.OfferedVersions()) == 0 && !fresh.Has(ExtensionSupportedVersions) {
			t.Error("no version")
		}
	})
}

func FuzzServerHello(f *testing.F) {
	addFixtures(f, "server-hello-")
	other := fixture(f, "server-hello-psk")
	f.Fuzz(func(t *testing.T, body []byte) {
		var fresh, used ServerHello
		used.Unmarshal(other)
		err := fresh.Unmarshal(body)
		checkError(t, body, err)
		checkSame(t, err, used.Unmarshal(body))
		checkSame(t, fresh, used)
		if len(fresh.JA3S()) != 32 {
			t.Errorf("JA3S %q", fresh.JA3S())
		}
	})
}

func FuzzCertificate(f *testing.F) {
	addFixtures(f, "certificate-tls12")
	f.Add([]byte("\x01c\x00\x00\x0d\x00\x00\x01a\x00\x00\x00\x00\x01b\x00\x01x"))
	f.Fuzz(func(t *testing.T, body []byte) {
		for _, parse := range []func([]byte, [][]byte) ([][]byte, *SyntaxError){ParseCertificate, ParseCertificate13} {
			ders, err := parse(body, nil)
			checkError(t, body, err)
			total := 0
			for _, der := range ders {
				total += len(der)
			}
			if total > len(body) {
				t.Errorf("%d bytes of certificates in a body of %d", total, len(body))
			}
		}
	})
}

func FuzzCertificateRequest(f *testing.F) {
	for _, body := range fixtures(f, "certificate-request-") {
		f.Add(body, uint16(VersionTLS12))
		f.Add(body, uint16(VersionTLS10))
	}
	f.Add([]byte("\x00\x00\x08"+extension(ExtensionSignatureAlgorithms, "\x00\x02\x08\x04")), uint16(VersionTLS13))
	other := fixture(f, "certificate-request-tls12")
	f.Fuzz(func(t *testing.T, body []byte, version uint16) {
		var fresh, used CertificateRequest
		used.Unmarshal(other, VersionTLS12)
		err := fresh.Unmarshal(body, Version(version))
		checkError(t, body, err)
		checkSame(t, err, used.Unmarshal(body, Version(version)))
		checkSame(t, fresh, used)
	})
}

func FuzzSSLv2(f *testing.F) {
	addFixtures(f, "sslv2-client-hello-")
	other := fixture(f, "sslv2-client-hello-tls10")
	f.Fuzz(func(t *testing.T, record []byte) {
		var fresh, used SSLv2ClientHello
		used.Unmarshal(other)
		err := fresh.Unmarshal(record)
		checkError(t, record, err)
		checkSame(t, err, used.Unmarshal(record))
		checkSame(t, fresh, used)
		match, needMore := LooksLikeSSLv2ClientHello(record)
		if match && needMore {
			t.Error("match and need more")
		}
		if n, _ := SSLv2RecordLen(record); match && n == len(record) && err != nil {
			t.Errorf("a match of the whole record does not parse: %v", err)
		}
	})
}

func FuzzRecordHeader(f *testing.F) {
	f.Add([]byte("\x16\x03\x01\x02\x00"))
	f.Add([]byte("\x02\x2a"))
	f.Fuzz(func(t *testing.T, b []byte) {
		h, ok := ParseRecordHeader(b)
		if ok != (len(b) >= RecordHeaderLen) || h.Length < 0 || h.Length > 0xffff {
			t.Errorf("%d bytes: %+v, %v", len(b), h, ok)
		}
		if h.Plausible() && h.Length > MaxCiphertext {
			t.Errorf("plausible: %+v", h)
		}
		if _, length, ok := ParseMessageHeader(b); ok != (len(b) >= MessageHeaderLen) || length < 0 || length >= 1<<24 {
			t.Errorf("%d bytes: length %d, %v", len(b), length, ok)
		}
		if _, _, ok := ParseAlert(b); ok && len(b) != 2 {
			t.Errorf("an alert of %d bytes", len(b))
		}
		ParseServerKeyExchangeGroup(b)
	})
}

func FuzzEncryptedExtensions(f *testing.F) {
	f.Add([]byte("\x00\x00"))
	f.Add([]byte("\x00\x09" + extension(ExtensionALPN, "\x00\x03\x02h2")))
	f.Add([]byte("\x00\x12" + extension(ExtensionALPN, "\x00\x03\x02h2") + extension(ExtensionALPN, "\x00\x03\x02h3")))
	f.Fuzz(func(t *testing.T, body []byte) {
		alpn, err := ParseEncryptedExtensions(body)
		checkError(t, body, err)
		if len(alpn) > len(body) {
			t.Errorf("a protocol of %d bytes in %d", len(alpn), len(body))
		}
	})
}
