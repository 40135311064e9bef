package main

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"os"
	"path/filepath"
	"testing"

	"go.uber.org/zap"

	"github.com/etcdtap/etcdtap/analysis"
	"github.com/etcdtap/etcdtap/capture"
)

// FuzzRead goes the whole way from the bytes of a capture file to JSON and text: nothing panics, every line is valid JSON, and
// the same bytes give the same output again, with several workers, too.
func FuzzRead(f *testing.F) {
	seeds, err := filepath.Glob("../../testdata/pcaps/*.pcap")
	if err != nil || len(seeds) == 0 {
		f.Fatalf("no seeds in testdata/pcaps (%v)", err)
	}
	for _, name := range seeds {
		if b, err := os.ReadFile(name); err == nil && len(b) < 12<<10 { // short ones: the fuzzer changes a byte here and there
			f.Add(b)
		}
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		if len(b) > 64<<10 {
			return
		}
		checkOutput(t, b)
		first := readAs(t, b, "json")
		for line := range bytes.Lines(first) {
			if !json.Valid(line) {
				t.Fatalf("not JSON: %q", line)
			}
		}
		if again := readBy(t, b, "json", 3); !bytes.Equal(first, again) {
			t.Fatalf("another result on the second run:\n%s\n%s", first, again)
		}
		for _, c := range readAs(t, b, "text") {
			if c < 0x20 && c != '\n' || c == 0x7f {
				t.Fatalf("the control character %#x is in the text", c)
			}
		}
	})
}

func readAs(t testing.TB, b []byte, format string) []byte { return readBy(t, b, format, 1) }

func readBy(t testing.TB, b []byte, format string, workers int) []byte {
	t.Helper()
	// A few kilobytes of zstd or gzip may hold terabytes: the reader streams them, but a fuzzer has no time for that.
	if len(b) > 2 && (b[0] == 0x1f && b[1] == 0x8b || b[0] == 0x28 && b[1] == 0xb5) {
		return nil
	}
	file, err := capture.OpenReader("fuzz", bytes.NewReader(b))
	if err != nil {
		return nil
	}
	var out bytes.Buffer
	e := &environment{stdout: &out, stderr: io.Discard, log: zap.NewNop()}
	flags := &outputFlags{formatFlags: formatFlags{output: format, color: "never"}, certs: true}
	s := scope{all: true, expect: analysis.DefaultExpectations()}
	// The only error there may be is that no packet could be decoded; it is said beside the output.
	_ = e.report(context.Background(), []*capture.File{file}, s, capture.PipelineOptions{Workers: workers, TrackerOptions: capture.TrackerOptions{MaxConnections: 64}}, nil, flags)
	return out.Bytes()
}
