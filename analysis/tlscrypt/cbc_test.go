package tlscrypt

import (
	"bytes"
	"crypto/cipher"
	"fmt"
	"testing"

	"github.com/etcdtap/etcdtap/analysis/tlswire"
)

// sealCBC is the other side of openCBC, for tests: it seals the record with the opener's own keys, with pad blocks of padding more
// than needed.
func (o *Opener) sealCBC(typ tlswire.ContentType, content []byte, pad int) (tlswire.RecordHeader, []byte) {
	h := tlswire.RecordHeader{Type: typ, Version: o.version}
	code := func(b []byte) []byte {
		aad := o.additionalData(h, len(b))
		o.mac.Reset()
		o.mac.Write(aad[:])
		o.mac.Write(b)
		return o.mac.Sum(nil)
	}
	plain := bytes.Clone(content)
	if !o.encryptThenMAC {
		plain = append(plain, code(content)...)
	}
	n := blockLength - 1 - len(plain)%blockLength + pad*blockLength
	plain = append(plain, bytes.Repeat([]byte{byte(n)}, n+1)...)
	iv := o.iv
	var body []byte
	if o.version > tlswire.VersionTLS10 {
		iv = bytes.Repeat([]byte{0x77}, blockLength)
		body = bytes.Clone(iv)
	}
	cipher.NewCBCEncrypter(o.block, iv).CryptBlocks(plain, plain)
	body = append(body, plain...)
	if o.encryptThenMAC {
		body = append(body, code(body)...)
	}
	h.Length = len(body)
	return h, body
}

// params are of a suite and version that go together.
func params(s tlswire.CipherSuite, v tlswire.Version, etm bool) *Params {
	return &Params{Version: v, Suite: s, EncryptThenMAC: etm, Master: bytes.Repeat([]byte{0x4d}, 48), ClientRandom: [32]byte{1}, ServerRandom: [32]byte{2}}
}

// TestCBC: sealed content comes out, whatever its length and padding; any flipped bit and any other sequence number is noticed.
func TestCBC(t *testing.T) {
	for _, s := range []tlswire.CipherSuite{0xc013, 0xc014, 0xc027, 0xc028, 0x003d} {
		for _, v := range []tlswire.Version{tlswire.VersionTLS10, tlswire.VersionTLS11, tlswire.VersionTLS12} {
			for _, etm := range []bool{false, true} {
				t.Run(fmt.Sprint(s, v, etm), func(t *testing.T) { testCBC(t, params(s, v, etm)) })
			}
		}
	}
}

func testCBC(t *testing.T, p *Params) {
	o, _, ok := New12(p)
	if !ok {
		t.Fatal("no opener")
	}
	for n := range 40 {
		content := bytes.Repeat([]byte{byte(n)}, n)
		h, body := o.sealCBC(tlswire.ContentTypeApplicationData, content, n%3)
		for i := 0; i < len(body); i += 7 {
			body[i] ^= 0x10
			if _, _, ok := o.Open(nil, h, body); ok {
				t.Fatalf("%d bytes: byte %d was changed, and it opens", n, i)
			}
			body[i] ^= 0x10
		}
		o.seq++
		if _, _, ok := o.Open(nil, h, body); ok {
			t.Fatal("opens in another's place")
		}
		o.seq--
		typ, got, ok := o.Open([]byte("kept"), h, body)
		if !ok || typ != h.Type || string(got) != "kept"+string(content) {
			t.Fatalf("%d bytes: got %v, %x", n, ok, got)
		}
	}
}

// TestNotOpened: suites, versions and secrets that this package does not know give no opener.
func TestNotOpened(t *testing.T) {
	for name, p := range map[string]*Params{
		"RC4":                params(0x0005, tlswire.VersionTLS12, false),
		"3DES":               params(0x000a, tlswire.VersionTLS12, false),
		"AES-CCM":            params(0xc09c, tlswire.VersionTLS12, false),
		"GCM in TLS 1.1":     params(0xc02f, tlswire.VersionTLS11, false),
		"TLS 1.3":            params(0xc02f, tlswire.VersionTLS13, false),
		"SSLv3":              params(0xc013, 0x0300, false),
		"suite of a TLS 1.3": params(0x1304, tlswire.VersionTLS12, false),
		"unknown suite":      params(0xfefe, tlswire.VersionTLS12, false),
	} {
		if _, _, ok := New12(p); ok {
			t.Errorf("%s: an opener", name)
		}
	}
	for _, c := range []struct {
		s tlswire.CipherSuite
		n int
	}{{0x1301, 48}, {0x1302, 32}, {0x1301, 0}, {0xc02f, 32}, {0x1304, 32}, {0x1305, 32}} {
		if _, ok := New13(c.s, make([]byte, c.n)); ok {
			t.Errorf("%v with a secret of %d bytes: an opener", c.s, c.n)
		}
	}
}

// TestUpdate: a KeyUpdate's keys are those of the next secret (RFC 8446, Section 7.2), from sequence number 0.
func TestUpdate(t *testing.T) {
	o, _ := New13(0x1302, make([]byte, 48))
	want, _ := New13(0x1302, expandLabel(o.suite.hash, make([]byte, 48), "traffic upd", 48))
	if o.Skip(); !o.Update() || o.seq != 0 || !bytes.Equal(o.iv, want.iv) {
		t.Errorf("sequence %d, iv %x, want 0 and %x", o.seq, o.iv, want.iv)
	}
}

// FuzzOpen opens hostile records: none of them may open, or panic.
func FuzzOpen(f *testing.F) {
	for i := range uint8(10) {
		f.Add(i, byte(23), []byte("0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"))
		f.Add(i, byte(21), []byte{})
	}
	f.Fuzz(func(t *testing.T, which, typ byte, body []byte) {
		var o *Opener
		suites := []tlswire.CipherSuite{0x1301, 0x1302, 0x1303, 0xc02f, 0xc030, 0xcca8, 0xc013, 0xc028}
		s := suites[int(which)%len(suites)]
		if s>>8 == 0x13 {
			o, _ = New13(s, make([]byte, suiteOf(s).hash().Size()))
		} else {
			o, _, _ = New12(params(s, tlswire.VersionTLS12, which&0x80 != 0))
		}
		h := tlswire.RecordHeader{Type: tlswire.ContentType(typ), Version: tlswire.VersionTLS12, Length: len(body)}
		if _, content, ok := o.Open(nil, h, body); ok {
			t.Errorf("opened: %x", content)
		} else if len(content) > 0 {
			t.Errorf("%d bytes of what was not authenticated", len(content))
		}
	})
}

// BenchmarkOpen opens a full record.
func BenchmarkOpen(b *testing.B) {
	o, _, _ := New12(params(0xc013, tlswire.VersionTLS12, false))
	h, body := o.sealCBC(tlswire.ContentTypeApplicationData, make([]byte, 16000), 0)
	dst := make([]byte, 0, 20000)
	b.SetBytes(int64(len(body)))
	b.ReportAllocs()
	for b.Loop() {
		o.seq = 0
		if _, _, ok := o.Open(dst, h, body); !ok {
			b.Fatal("not opened")
		}
	}
}
