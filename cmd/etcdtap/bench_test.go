package main

import (
	"bytes"
	"context"
	"io"
	"testing"

	"github.com/etcdtap/etcdtap/analysis"
	"github.com/etcdtap/etcdtap/analysis/report"
	"github.com/etcdtap/etcdtap/capture/capturetest"
)

// benchPackets is the size of the captures that are measured.
const benchPackets = 200_000

// BenchmarkReader takes captures through the whole path: bytes of a file, packets, connections, findings, JSON.
func BenchmarkReader(b *testing.B) {
	library, err := capturetest.NewLibrary()
	if err != nil {
		b.Fatal(err)
	}
	for _, kind := range capturetest.Kinds() {
		b.Run(kind, func(b *testing.B) {
			o, _ := capturetest.Kind(kind, benchPackets)
			var file bytes.Buffer
			counts, err := library.Write(&file, o)
			if err != nil {
				b.Fatal(err)
			}
			for _, output := range []string{"none", "text", "json"} {
				b.Run(output, func(b *testing.B) {
					b.ReportAllocs()
					b.SetBytes(int64(file.Len()))
					for b.Loop() {
						readAll(b, file.Bytes(), output)
					}
					b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(counts.Packets), "ns/packet")
				})
			}
		})
	}
}

func readAll(b *testing.B, file []byte, output string) {
	files, err := openFiles([]string{"-"}, bytes.NewReader(file))
	if err != nil {
		b.Fatal(err)
	}
	defer closeFiles(files)
	r := &reader{files: files, scope: scope{expect: analysis.DefaultExpectations()}}
	var out report.Report
	switch output {
	case "text":
		out = report.NewText(io.Discard, report.TextOptions{})
	case "json":
		out = report.NewJSON(io.Discard)
	}
	var summary analysis.Summary
	r.each = func(c *analysis.Connection) error {
		summary.Add(c)
		if out == nil {
			return nil
		}
		return out.Connection(c)
	}
	if err := r.read(context.Background()); err != nil {
		b.Fatal(err)
	}
	if out == nil {
		return
	}
	if err := out.Summary(&summary); err != nil {
		b.Fatal(err)
	}
}
