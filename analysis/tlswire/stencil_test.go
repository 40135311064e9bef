package tlswire

import (
	"bytes"
	"hash/maphash"
	"reflect"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// covered are the bytes of body that its stencil covers.
func (t *Stencil) covered(body []byte) (n int) {
	n = len(body)
	for _, s := range t.open[:t.n] {
		n -= s.to - s.from
	}
	return n
}

// TestStencil: what is made anew is covered, and nothing else; hellos with tickets have no stencil.
func TestStencil(t *testing.T) {
	for name, want := range map[string]int{ // bytes covered: the random, the session id, the keys
		"client-hello-go126":         32 + 32 + 1216 + 32,
		"client-hello-curl-openssl3": 32 + 32 + 32,
		"client-hello-openssl-tls10": 32,
		"client-hello-raw-ssl3":      32,
		"client-hello-psk":           -1,
		"client-hello-chrome-kyber":  -1, // a greased encrypted_client_hello
		"client-hello-firefox":       32 + 32 + 32 + 65,
		"server-hello-tls12":         32,
		"server-hello-tls13":         32 + 32 + 1120,
		"server-hello-hrr":           -1,
		"server-hello-psk":           -1,
		"certificate-request-tls12":  -1,
	} {
		body, make := fixture(t, name), ClientHelloStencil
		if bytes.HasPrefix([]byte(name), []byte("server")) {
			make = ServerHelloStencil
		}
		stencil, ok := make(body)
		got := -1
		if ok {
			got = stencil.covered(body)
		}
		if got != want {
			t.Errorf("%s: %d bytes are covered, want %d", name, got, want)
		}
		if ok && (string(stencil.Random(body)) != string(body[2:34]) || !stencil.Same(body, body)) {
			t.Errorf("%s: random %x", name, stencil.Random(body))
		}
	}
}

// TestStencilBounds: more key shares than are looked for give none.
func TestStencilBounds(t *testing.T) {
	share := "\x00\x1d\x00\x01k"
	for n, want := range map[int]bool{1: true, maxOpen - 3: true, maxOpen - 2: false, 100: false} {
		list := bytes.Repeat([]byte(share), n)
		body := hello(extension(ExtensionKeyShare, string([]byte{byte(len(list) >> 8), byte(len(list))})+string(list)))
		if _, ok := ClientHelloStencil(body); ok != want {
			t.Errorf("%d shares: %v", n, ok)
		}
	}
}

// checkStencil changes each byte of a hello. Where its stencil says that it is the same all the same, it has to be read the same but
// for the random, the session id and the keys.
func checkStencil(t *testing.T, body []byte, make func([]byte) (Stencil, bool), read func([]byte) (any, *SyntaxError)) {
	t.Helper()
	stencil, ok := make(body)
	if !ok {
		return
	}
	want, wantErr := read(body)
	seed, changed := maphash.MakeSeed(), bytes.Clone(body)
	for i := range body {
		changed[i] ^= 0x55
		same := stencil.Same(body, changed)
		if again, ok := make(changed); same && ok && again != stencil || same && stencil.Hash(seed, body) != stencil.Hash(seed, changed) {
			t.Errorf("byte %d: another stencil or hash", i)
		}
		if same {
			got, err := read(changed)
			if (err == nil) != (wantErr == nil) {
				t.Errorf("byte %d: %v, want %v", i, err, wantErr)
			}
			if !reflect.DeepEqual(want, got) { // cmp takes a hundred times as long
				t.Errorf("byte %d:\n%s", i, cmp.Diff(want, got))
			}
		}
		changed[i] = body[i]
	}
}

func readClient(body []byte) (any, *SyntaxError) {
	var h ClientHello
	err := h.Unmarshal(body)
	h.Random, h.SessionID = [32]byte{}, nil
	forgetKeys(h.Extensions)
	return h, err
}

func readServer(body []byte) (any, *SyntaxError) {
	var h ServerHello
	err := h.Unmarshal(body)
	h.Random, h.SessionID = [32]byte{}, nil
	forgetKeys(h.Extensions)
	return h, err
}

func forgetKeys(list []Extension) {
	for i := range list {
		if list[i].Type == ExtensionKeyShare {
			list[i].Data = nil
		}
	}
}

func TestSameHellosReadTheSame(t *testing.T) {
	for name, body := range fixtures(t, "client-hello-") {
		t.Run(name, func(t *testing.T) { checkStencil(t, body, ClientHelloStencil, readClient) })
	}
	for name, body := range fixtures(t, "server-hello-") {
		t.Run(name, func(t *testing.T) { checkStencil(t, body, ServerHelloStencil, readServer) })
	}
}

func FuzzStencil(f *testing.F) {
	addFixtures(f, "client-hello-")
	addFixtures(f, "server-hello-")
	f.Fuzz(func(t *testing.T, body []byte) {
		if len(body) > 512 { // each byte is changed in turn
			return
		}
		checkStencil(t, body, ClientHelloStencil, readClient)
		checkStencil(t, body, ServerHelloStencil, readServer)
	})
}
