package capture

import (
	"bytes"
	"errors"
	"io"
	"os"
	"path/filepath"
	"testing"

	"github.com/etcdtap/etcdtap/capture/capturetest"
)

// TestAhead reads compressed files from disk, where they are decompressed ahead: whole, cut, and closed in the middle.
func TestAhead(t *testing.T) {
	library, err := capturetest.NewLibrary()
	if err != nil {
		t.Fatal(err)
	}
	var plain bytes.Buffer
	o, _ := capturetest.Kind("mix", 8000)
	counts, err := library.Write(&plain, o)
	if err != nil {
		t.Fatal(err)
	}
	for name, packed := range map[string][]byte{"gzip": gzipped(plain.Bytes()), "zstd": zstandard(plain.Bytes()), "zstd in gzip": gzipped(zstandard(plain.Bytes()))} {
		t.Run(name, func(t *testing.T) {
			want := countPackets(t, OpenReader, plain.Bytes(), -1)
			if got := countPackets(t, openDisk(t), packed, -1); got != want || got.packets != counts.Packets {
				t.Errorf("%+v, want %+v", got, want)
			}
			for _, n := range []int64{0, 1, 100, 5000} {
				countPackets(t, openDisk(t), packed, n)
			}
			cut := countPackets(t, openDisk(t), packed[:len(packed)*3/4], -1)
			if !cut.truncated || cut.packets == 0 || cut.packets >= want.packets {
				t.Errorf("cut: %+v", cut)
			}
		})
	}
}

// openDisk opens what it is given from a file.
func openDisk(t *testing.T) func(string, io.Reader) (*File, error) {
	name := filepath.Join(t.TempDir(), "capture")
	return func(_ string, r io.Reader) (*File, error) {
		b, err := io.ReadAll(r)
		if err != nil {
			return nil, err
		}
		if err := os.WriteFile(name, b, 0o600); err != nil {
			return nil, err
		}
		return Open(name, nil)
	}
}

// counted is what a file has given.
type counted struct {
	packets   int64
	sum       uint64
	truncated bool
}

// countPackets reads at most so many packets, and closes the file; all, for a number below zero.
func countPackets(t *testing.T, open func(string, io.Reader) (*File, error), b []byte, most int64) (n counted) {
	t.Helper()
	f, err := open("capture", bytes.NewReader(b))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for p := (Packet{}); n.packets != most; n.packets++ {
		if err := f.Next(&p); err == io.EOF {
			break
		} else if _, ok := errors.AsType[*TruncatedError](err); ok {
			n.truncated = true
			break
		} else if err != nil {
			t.Fatal(err)
		}
		for _, x := range p.Data {
			n.sum = n.sum*31 + uint64(x)
		}
	}
	return n
}
