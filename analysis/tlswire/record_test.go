package tlswire

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestRecordHeader(t *testing.T) {
	h, ok := ParseRecordHeader([]byte("\x16\x03\x01\x02\x00rest"))
	if diff := cmp.Diff(RecordHeader{ContentTypeHandshake, VersionTLS10, 512}, h); diff != "" || !ok {
		t.Error(ok, diff)
	}
	for n := range RecordHeaderLen {
		if _, ok := ParseRecordHeader(make([]byte, n)); ok {
			t.Errorf("%d bytes make a header", n)
		}
	}
}

func TestPlausible(t *testing.T) {
	tests := []struct {
		header RecordHeader
		want   bool
	}{
		{RecordHeader{ContentTypeHandshake, VersionTLS10, 512}, true},
		{RecordHeader{ContentTypeHandshake, VersionTLS10, 0}, false},
		{RecordHeader{ContentTypeApplicationData, VersionTLS12, MaxCiphertext}, true},
		{RecordHeader{ContentTypeApplicationData, VersionTLS12, MaxCiphertext + 1}, false},
		{RecordHeader{ContentTypeApplicationData, VersionTLS10, 0}, true},
		{RecordHeader{ContentTypeChangeCipherSpec, VersionTLS12, 1}, true},
		{RecordHeader{ContentTypeChangeCipherSpec, VersionTLS12, 8000}, false},
		{RecordHeader{ContentTypeAlert, VersionSSL30, 2}, true},
		{RecordHeader{ContentTypeAlert, VersionTLS12, 1}, false},
		{RecordHeader{ContentTypeHandshake, 0x0305, 10}, false},
		{RecordHeader{ContentTypeHandshake, 0x0201, 10}, false},
		{RecordHeader{19, VersionTLS12, 10}, false},
		{RecordHeader{25, VersionTLS12, 10}, false},
	}
	for _, tt := range tests {
		if got := tt.header.Plausible(); got != tt.want {
			t.Errorf("%+v: %v, want %v", tt.header, got, tt.want)
		}
	}
}

func TestMessageHeader(t *testing.T) {
	typ, length, ok := ParseMessageHeader([]byte("\x0b\x01\x02\x03"))
	if typ != HandshakeCertificate || length != 0x010203 || !ok {
		t.Errorf("%v, %#x, %v", typ, length, ok)
	}
	if _, _, ok := ParseMessageHeader([]byte("\x0b\x01\x02")); ok {
		t.Error("three bytes make a header")
	}
}

func TestParseAlert(t *testing.T) {
	tests := []struct {
		fragment string
		level    AlertLevel
		code     AlertCode
		ok       bool
	}{
		{"\x02\x2a", AlertLevelFatal, 42, true},
		{"\x01\x00", AlertLevelWarning, AlertCloseNotify, true},
		{"\x03\x00", 0, 0, false},
		{"\x02", 0, 0, false},
		{"\x02\x2a\x00", 0, 0, false},
	}
	for _, tt := range tests {
		if level, code, ok := ParseAlert([]byte(tt.fragment)); level != tt.level || code != tt.code || ok != tt.ok {
			t.Errorf("%q: %v, %v, %v", tt.fragment, level, code, ok)
		}
	}
}

func TestSSLv2ClientHello(t *testing.T) {
	record := fixture(t, "sslv2-client-hello-tls10")
	var h SSLv2ClientHello
	if err := h.Unmarshal(record); err != nil {
		t.Fatal(err)
	}
	want := SSLv2ClientHello{Version: VersionTLS10, CipherSpecs: []uint32{0x2f, 0x35}, SessionID: []byte{}, Challenge: record[17:]}
	if diff := cmp.Diff(want, h); diff != "" {
		t.Error(diff)
	}
	if n, ok := SSLv2RecordLen(record); n != len(record) || !ok {
		t.Errorf("record length %d, want %d", n, len(record))
	}
	h.CipherSpecs = append(h.CipherSpecs, 0x0700c0)
	if diff := cmp.Diff([]CipherSuite{0x2f, 0x35}, h.AppendCipherSuites(nil)); diff != "" {
		t.Error(diff)
	}
	const enough = 11 // the lengths are in
	for n := range record {
		if err := h.Unmarshal(record[:n]); err == nil {
			t.Errorf("the first %d bytes of %d parse", n, len(record))
		}
		if match, needMore := LooksLikeSSLv2ClientHello(record[:n]); match != (n >= enough) || needMore != (n < enough) {
			t.Errorf("the first %d bytes: match %v, need more %v", n, match, needMore)
		}
	}
}

func TestLooksLikeSSLv2ClientHello(t *testing.T) {
	for _, b := range []string{"\x16\x03\x01", "\x00\x1f\x01", "GET / HTTP/1.1\r\n", "\x80\x1f\x04", "\x80\x1f\x01\x02", "\x80\x1f\x01\x03\x05",
		"\x80\x1f\x01\x03\x01\x00\x06\x00\x00\x00\x11", "\x80\x02", "SSH-2.0-x\r\n", "\x80\x1f\x01\x00\x03"} {
		for n := 2; n <= len(b); n++ {
			if match, needMore := LooksLikeSSLv2ClientHello([]byte(b[:n])); match || needMore && n == len(b) {
				t.Errorf("%q: match %v, need more %v", b[:n], match, needMore)
			}
		}
	}
}
