package tlswire

import (
	"encoding/hex"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/crypto/cryptobyte"
)

// fixture reads testdata/name.txt: lines of an offset, up to sixteen bytes in hexadecimal and the same as text; lines
// that begin with # say where the bytes come from.
func fixture(t testing.TB, name string) []byte {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("testdata", name+".txt"))
	if err != nil {
		t.Fatal(err)
	}
	var body []byte
	for line := range strings.Lines(string(text)) {
		if strings.HasPrefix(line, "#") {
			continue
		}
		digits, _, _ := strings.Cut(line[len("0000  "):], "  |")
		row, err := hex.DecodeString(strings.ReplaceAll(strings.TrimSpace(digits), " ", ""))
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		body = append(body, row...)
	}
	return body
}

// fixtures reads all whose name begins with prefix.
func fixtures(t testing.TB, prefix string) map[string][]byte {
	t.Helper()
	paths, err := filepath.Glob(filepath.Join("testdata", prefix+"*.txt"))
	if err != nil || len(paths) == 0 {
		t.Fatalf("no fixture %s*: %v", prefix, err)
	}
	all := make(map[string][]byte)
	for _, path := range paths {
		name := strings.TrimSuffix(filepath.Base(path), ".txt")
		all[name] = fixture(t, name)
	}
	return all
}

// extension is one for hello.
func extension(t ExtensionType, data string) string {
	var b cryptobyte.Builder
	b.AddUint16(uint16(t))
	b.AddUint16LengthPrefixed(func(b *cryptobyte.Builder) { b.AddBytes([]byte(data)) })
	return string(b.BytesOrPanic())
}

// helloHead is a ClientHello up to its extensions; its length is 41 bytes.
const helloHead = "\x03\x03" + "0123456789abcdef0123456789abcdef" + "\x00" + "\x00\x02\x13\x01" + "\x01\x00"

// hello is the body of a ClientHello with these extensions.
func hello(extensions ...string) []byte {
	var b cryptobyte.Builder
	b.AddBytes([]byte(helloHead))
	b.AddUint16LengthPrefixed(func(b *cryptobyte.Builder) { b.AddBytes([]byte(strings.Join(extensions, ""))) })
	return b.BytesOrPanic()
}

// serverHello is the body of a ServerHello with these extensions.
func serverHello(random string, extensions ...string) []byte {
	var b cryptobyte.Builder
	b.AddBytes([]byte("\x03\x03" + random + "\x00" + "\x13\x01" + "\x00"))
	b.AddUint16LengthPrefixed(func(b *cryptobyte.Builder) { b.AddBytes([]byte(strings.Join(extensions, ""))) })
	return b.BytesOrPanic()
}
