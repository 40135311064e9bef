package tlscrypt

import (
	"encoding/hex"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/etcdtap/etcdtap/analysis/tlswire"
)

func unhex(t testing.TB, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(strings.Join(strings.Fields(s), ""))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// TestRFC8448Keys derives the keys of RFC 8448, Section 3.
func TestRFC8448Keys(t *testing.T) {
	for _, c := range []struct{ name, secret, key, iv string }{
		{"server handshake", "b67b7d690cc16c4e75e54213cb2d37b4e9c912bcded9105d42befd59d391ad38", "3fce516009c21727d0f2e4e86ee403bc", "5d313eb2671276ee13000b30"},
		{"client handshake", "b3eddb126e067f35a780b3abf45e2d8f3b1a950738f52e9600746a0e27a55a21", "dbfaa693d1762c5b666af5d950258d01", "5bd3c71b836e0b76bb73265f"},
	} {
		s := suiteOf(0x1301)
		got := [2]string{hex.EncodeToString(expandLabel(s.hash, unhex(t, c.secret), "key", 16)), hex.EncodeToString(expandLabel(s.hash, unhex(t, c.secret), "iv", 12))}
		if diff := cmp.Diff([2]string{c.key, c.iv}, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", c.name, diff)
		}
	}
}

// TestRFC8448Records opens short records of RFC 8448, Section 3: the client's Finished, and what each side sent last, its
// close_notify, which comes after one record of the client's and two of the server's.
func TestRFC8448Records(t *testing.T) {
	for _, c := range []struct {
		name, secret, record string
		before               int
		content              string
		typ                  tlswire.ContentType
	}{
		{"client Finished", "b3eddb126e067f35a780b3abf45e2d8f3b1a950738f52e9600746a0e27a55a21",
			`17 03 03 00 35 75 ec 4d c2 38 cc e6 0b 29 80 44 a7 1e 21 9c 56 cc 77 b0 51 7f e9 b9 3c 7a 4b fc 44 d8 7f 38
			 f8 03 38 ac 98 fc 46 de b3 84 bd 1c ae ac ab 68 67 d7 26 c4 05 46`, 0,
			"14000020a8ec436d677634ae525ac1fcebe11a039ec17694fac6e98527b642f2edd5ce61", tlswire.ContentTypeHandshake},
		{"client close_notify", "9e40646ce79a7f9dc05af8889bce6552875afa0b06df0087f792ebb7c17504a5",
			"17 03 03 00 13 c9 87 27 60 65 56 66 b7 4d 7f f1 15 3e fd 6d b6 d0 b0 e3", 1, "0100", tlswire.ContentTypeAlert},
		{"server close_notify", "a11af9f05531f856ad47116b45a950328204b4f44bfb6b3a4b4f1f3fcb631643",
			"17 03 03 00 13 b5 8f d6 71 66 eb f5 99 d2 47 20 cf be 7e fa 7a 88 64 a9", 2, "0100", tlswire.ContentTypeAlert},
	} {
		t.Run(c.name, func(t *testing.T) {
			o, ok := New13(0x1301, unhex(t, c.secret))
			if !ok {
				t.Fatal("no opener")
			}
			raw := unhex(t, c.record)
			h, _ := tlswire.ParseRecordHeader(raw)
			for range c.before {
				if _, _, ok := o.Open(nil, h, raw[tlswire.RecordHeaderLen:]); ok {
					t.Fatal("opened before its turn")
				}
				o.Skip()
			}
			typ, content, ok := o.Open(nil, h, raw[tlswire.RecordHeaderLen:])
			if !ok || typ != c.typ || hex.EncodeToString(content) != c.content {
				t.Errorf("got %v, type %d, %x; want %s", ok, typ, content, c.content)
			}
		})
	}
}
