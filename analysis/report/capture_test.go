package report_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/etcdtap/etcdtap/analysis"
	"github.com/etcdtap/etcdtap/analysis/report"
	"github.com/etcdtap/etcdtap/capture"
)

// eachConnection reads a capture of testdata/pcaps. Connections are valid during the call only.
func eachConnection(t testing.TB, name string, each func(*analysis.Connection)) {
	t.Helper()
	file, err := capture.Open(filepath.Join("..", "..", "testdata", "pcaps", name), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	var diagnoser analysis.Diagnoser
	tracker := capture.NewTracker(capture.TrackerOptions{}, func(f *analysis.Facts) {
		c := diagnoser.Diagnose(f)
		each(&c)
	})
	var decoder capture.Decoder
	var p capture.Packet
	var s capture.Segment
	source := capture.Merge([]*capture.File{file})
	for {
		if err := source.Next(&p); err == io.EOF {
			break
		} else if err != nil {
			t.Fatal(err)
		}
		if decoder.Decode(&p, &s) == capture.TCP {
			tracker.Segment(&p, &s)
		}
	}
	tracker.Flush()
}

// reportOn makes the whole report on a capture.
func reportOn(t testing.TB, name string, r report.Report) {
	t.Helper()
	var summary analysis.Summary
	var certs report.Certificates
	eachConnection(t, name, func(c *analysis.Connection) {
		summary.Add(c)
		certs.Add(c)
		if err := r.Connection(c); err != nil {
			t.Fatal(err)
		}
	})
	if err := errors.Join(r.Certificates(&certs), r.Summary(&summary)); err != nil {
		t.Fatal(err)
	}
}

func TestTextOfCaptures(t *testing.T) {
	for _, name := range []string{"demo.pcap", "v35-curl-expired.pcap"} {
		t.Run(name, func(t *testing.T) {
			var out bytes.Buffer
			reportOn(t, name, report.NewText(&out, report.TextOptions{Source: name}))
			report.Golden(t, strings.TrimSuffix(name, ".pcap")+".txt", out.String())
		})
	}
}

// Every line of every capture in the repository is JSON.
func TestJSONOfCaptures(t *testing.T) {
	paths, err := filepath.Glob(filepath.Join("..", "..", "testdata", "pcaps", "*.pcap"))
	if err != nil || len(paths) == 0 {
		t.Fatalf("no captures: %v", err)
	}
	for _, path := range paths {
		var out bytes.Buffer
		reportOn(t, filepath.Base(path), report.NewJSON(&out))
		for line := range bytes.Lines(out.Bytes()) {
			if !json.Valid(line) {
				t.Errorf("%s: not JSON: %s", path, line)
			}
		}
	}
}

// The example in docs/json.md is what comes out of the capture that it names.
func TestJSONDocumentExample(t *testing.T) {
	var out, pretty bytes.Buffer
	reportOn(t, "v35-curl-expired.pcap", report.NewJSON(&out))
	line, _, _ := bytes.Cut(out.Bytes(), []byte("\n"))
	if err := json.Indent(&pretty, line, "", "  "); err != nil {
		t.Fatal(err)
	}
	const head = "## Example\n\nThe first line of `etcdtap read -o json testdata/pcaps/v35-curl-expired.pcap`, indented:\n\n```json\n"
	path := filepath.Join("..", "..", "docs", "json.md")
	doc, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	text, example, _ := strings.Cut(string(doc), head)
	want := pretty.String() + "\n```\n"
	if report.UpdateGolden() {
		if err := os.WriteFile(path, []byte(text+head+want), 0o644); err != nil {
			t.Fatal(err)
		}
		example = want
	}
	if d := cmp.Diff(want, example); d != "" {
		t.Errorf("the example in docs/json.md differs; run with -update-golden (-want +have):\n%s", d)
	}
}

// benchmarkConnection reports the first connection of a capture again and again.
func benchmarkConnection(b *testing.B, name string, r report.Report) {
	b.ReportAllocs()
	done := false
	eachConnection(b, name, func(c *analysis.Connection) {
		if done {
			return
		}
		done = true
		for b.Loop() {
			if err := r.Connection(c); err != nil {
				b.Fatal(err)
			}
		}
	})
}

func BenchmarkJSONHealthy(b *testing.B) {
	benchmarkConnection(b, "v35-healthy-etcdctl.pcap", report.NewJSON(io.Discard))
}

func BenchmarkJSONRejected(b *testing.B) {
	benchmarkConnection(b, "v35-curl-expired.pcap", report.NewJSON(io.Discard))
}

func BenchmarkTextHealthy(b *testing.B) {
	benchmarkConnection(b, "v35-healthy-etcdctl.pcap", report.NewText(io.Discard, report.TextOptions{}))
}

func BenchmarkTextRejected(b *testing.B) {
	benchmarkConnection(b, "v35-curl-expired.pcap", report.NewText(io.Discard, report.TextOptions{All: true}))
}

func BenchmarkSummary(b *testing.B) {
	b.ReportAllocs()
	var s analysis.Summary
	eachConnection(b, "v35-curl-expired.pcap", func(c *analysis.Connection) {
		for b.Loop() {
			s.Add(c)
		}
	})
}
