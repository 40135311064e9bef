package capture

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/google/go-cmp/cmp"
)

func TestReadEveryKind(t *testing.T) {
	readers := map[string]func(io.Reader) io.Reader{
		"at once":      func(r io.Reader) io.Reader { return r },
		"byte by byte": iotest.OneByteReader,
		"in halves":    iotest.HalfReader,
		"EOF at once":  iotest.DataErrReader,
	}
	for _, s := range sampleFiles() {
		for how, wrap := range readers {
			t.Run(s.name+"/"+how, func(t *testing.T) {
				f := openBytes(t, wrap(bytes.NewReader(s.bytes)))
				got, err := readAll(f)
				if err != io.EOF {
					t.Errorf("ended with %v, want io.EOF", err)
				}
				if diff := cmp.Diff(s.want, got); diff != "" {
					t.Error(diff)
				}
				if f.Offset() != int64(len(s.bytes)) {
					t.Errorf("Offset() = %d at the end, the file has %d bytes", f.Offset(), len(s.bytes))
				}
			})
		}
	}
}

// A file that is cut off anywhere gives the packets before the cut and says where it ends.
func TestCutAtEveryByte(t *testing.T) {
	for _, s := range sampleFiles() {
		t.Run(s.name, func(t *testing.T) {
			before := 0
			for n := range s.bytes {
				f, err := Open("-", bytes.NewReader(s.bytes[:n]))
				if err != nil {
					var open *OpenError
					if !errors.As(err, &open) {
						t.Fatalf("cut at %d: Open gives %T %v, want an *OpenError", n, err, err)
					}
					if compressed := strings.Contains(s.name, "z"); !compressed && n >= 4 {
						t.Errorf("cut at %d: %v, want to open", n, err)
					}
					continue
				}
				got, err := readAll(f)
				if diff := cmp.Diff(s.want[:min(len(got), len(s.want))], got, emptyIsNil()); diff != "" {
					t.Fatalf("cut at %d: %s", n, diff)
				}
				if len(got) < before {
					t.Fatalf("cut at %d: %d packets, with a byte less %d", n, len(got), before)
				}
				before = len(got)
				checkEnd(t, n, f, err, len(got))
				f.Close()
			}
		})
	}
}

func emptyIsNil() cmp.Option {
	return cmp.Transformer("empty", func(p []Packet) []Packet {
		if p == nil {
			return []Packet{}
		}
		return p
	})
}

// checkEnd checks what the reading of a file of n bytes has ended with.
func checkEnd(t *testing.T, n int, f *File, err error, packets int) {
	t.Helper()
	if again := f.Next(new(Packet)); again != err {
		t.Errorf("cut at %d: Next ends with %v and then with %v", n, err, again)
	}
	if err == io.EOF { // cut between records
		return
	}
	var truncated *TruncatedError
	if !errors.As(err, &truncated) {
		t.Fatalf("cut at %d: %T %v, want a *TruncatedError", n, err, err)
	}
	if truncated.Packets != int64(packets) || f.Stats().Truncated != truncated {
		t.Errorf("cut at %d: %d packets read, got %+v, and in the statistics %v", n, packets, truncated, f.Stats().Truncated)
	}
}

func TestOpenErrors(t *testing.T) {
	for _, tt := range []struct {
		name, content string
		want          []string
	}{
		{"nothing", "", []string{"is empty", "expected a pcap"}},
		{"short", "\xd4\xc3", []string{"too short", "d4 c3"}},
		{"binary", "\x00\x01\x02\x03\x04\x05\x06\x07\x08", []string{"begins with 00 01 02 03 04 05 06 07,"}},
		{"text", "15:04:05 IP 10.0.0.1.2379 > 10.0.0.2.4: \x1b[31m", []string{"looks like text", "tcpdump -w", "15:04:05"}},
		{"etcd log", `{"level":"warn","ts":"2026-01-02T03:04:05Z","msg":"rejected connection"}` + "\n", []string{"looks like an etcd log"}},
		{"old etcd log", "2019-01-02 03:04:05.000 I | embed: rejected connection\n", []string{"looks like an etcd log"}},
		{"xz", "\xfd7zXZ\x00", []string{"is compressed by xz", "xz -dc - | etcdtap read -"}},
		{"text in gzip", string(gzipped([]byte("hello"))), []string{"holds compressed data that looks like text"}},
		{"half a gzip header", magicGzip + "\x08", []string{"damaged compressed data"}},
		{"half a zstd header", magicZstd, []string{"damaged compressed data"}},
		{"zstd window of 2 GiB", magicZstd + "\x00\xa8", []string{"zstd -dc --long=31"}},
		{"too many layers", string(gzipped(gzipped(gzipped(gzipped(gzipped(nil)))))), []string{"more than 4 times"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, err := Open("-", strings.NewReader(tt.content))
			if err == nil {
				t.Fatal("opened")
			}
			checkOneLine(t, err.Error())
			for _, want := range tt.want {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("%q does not say %q", err, want)
				}
			}
		})
	}
}

func checkOneLine(t *testing.T, text string) {
	t.Helper()
	for _, r := range text {
		if r < ' ' || r == 0x7f {
			t.Errorf("%q has the control character %q", text, r)
		}
	}
}

func TestOpenNoFile(t *testing.T) {
	dir := t.TempDir()
	if _, err := Open(dir, nil); err == nil || !strings.Contains(err.Error(), "is a directory") {
		t.Errorf("a directory gives %v", err)
	}
	missing := filepath.Join(dir, "missing.pcap")
	if _, err := Open(missing, nil); !errors.Is(err, fs.ErrNotExist) || !strings.Contains(err.Error(), "does not exist") {
		t.Errorf("a missing file gives %v", err)
	}
}

func TestSize(t *testing.T) {
	s := samplePcap()[0]
	name := filepath.Join(t.TempDir(), "a.pcap")
	if err := os.WriteFile(name, s.bytes, 0o600); err != nil {
		t.Fatal(err)
	}
	f, err := Open(name, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if f.Size() != int64(len(s.bytes)) || f.Name() != name {
		t.Errorf("Size() = %d, Name() = %q", f.Size(), f.Name())
	}
}

// An error of the disk is no truncation: what is missing may be there.
func TestReadError(t *testing.T) {
	broken := errors.New("input/output error")
	for _, s := range sampleFiles() {
		r := io.MultiReader(bytes.NewReader(s.bytes[:len(s.bytes)-1]), iotest.ErrReader(broken))
		f, err := Open("-", r)
		if err == nil {
			_, err = readAll(f)
		}
		var open *OpenError
		if !errors.Is(err, broken) || !errors.As(err, &open) {
			t.Errorf("%s: %T %v, want an *OpenError with the cause", s.name, err, err)
		}
	}
}

func TestTruncatedErrorText(t *testing.T) {
	err := &TruncatedError{Name: "incident.pcap", Offset: 123456, Packets: 1203, Reason: "cut off in the middle of packet 1204"}
	const want = "incident.pcap: cut off in the middle of packet 1204 (byte 123456): analysed up to there"
	if err.Error() != want {
		t.Errorf("got  %s\nwant %s", err, want)
	}
}

// Packets that straddle blocks come whole.
func TestPacketsAcrossBlocks(t *testing.T) {
	file := pcapHeader(binary.LittleEndian, 0xa1b2c3d4, 1)
	sizes := []int{firstBlock - 50, 100, 70_000, maxPacket, 0, fullBlock - maxPacket, 65_000, 1, maxPacket, 17}
	for i, n := range sizes {
		file = pcapRecord(file, binary.LittleEndian, uint32(i), 0, uint32(n), uint32(n), bytes.Repeat([]byte{byte(i + 1)}, n)...)
	}
	for _, r := range []io.Reader{bytes.NewReader(file), iotest.HalfReader(bytes.NewReader(file)), bytes.NewReader(zstandard(file))} {
		f := openBytes(t, r)
		got, err := readAll(f)
		if err != io.EOF || len(got) != len(sizes) {
			t.Fatalf("%d packets and %v, want %d", len(got), err, len(sizes))
		}
		for i, p := range got {
			if !bytes.Equal(p.Data, bytes.Repeat([]byte{byte(i + 1)}, sizes[i])) {
				t.Errorf("packet %d of %d bytes differs", i+1, sizes[i])
			}
		}
	}
}
