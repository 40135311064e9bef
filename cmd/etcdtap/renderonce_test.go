package main

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"testing"

	"github.com/etcdtap/etcdtap/analysis"
	"github.com/etcdtap/etcdtap/analysis/report"
	"github.com/etcdtap/etcdtap/capture"
	"github.com/etcdtap/etcdtap/capture/capturetest"
)

// TestRenderedFromMemory: what JSON remembers of connections that it has shown changes no byte of later ones.
func TestRenderedFromMemory(t *testing.T) {
	names, err := filepath.Glob("../../testdata/pcaps/*.pcap*")
	if err != nil || len(names) == 0 {
		t.Fatalf("no captures in testdata/pcaps (%v)", err)
	}
	library, err := capturetest.NewLibrary()
	if err != nil {
		t.Fatal(err)
	}
	for _, kind := range []string{"handshakes", "mix"} {
		o, _ := capturetest.Kind(kind, 2000)
		var b bytes.Buffer
		if _, err := library.Write(&b, o); err != nil {
			t.Fatal(err)
		}
		name := filepath.Join(t.TempDir(), kind)
		if err := os.WriteFile(name, b.Bytes(), 0o600); err != nil {
			t.Fatal(err)
		}
		names = append(names, name)
	}
	var shown, alone bytes.Buffer
	all := report.NewJSON(&shown)
	for _, name := range names {
		files, err := openFiles([]string{name}, nil)
		if err != nil {
			t.Fatal(err)
		}
		r := &reader{scope: scope{all: true}, options: capture.PipelineOptions{Workers: 1}, files: files, each: func(c *analysis.Connection) error {
			shown.Reset()
			alone.Reset()
			one := report.NewJSON(&alone)
			for _, j := range []*report.JSON{all, one} {
				if err := j.Connection(c); err != nil {
					return err
				}
				if err := j.Flush(); err != nil {
					return err
				}
			}
			if !bytes.Equal(alone.Bytes(), shown.Bytes()) {
				t.Errorf("%s: shown after others, a connection is\n%sand by itself\n%s", name, shown.Bytes(), alone.Bytes())
			}
			return nil
		}}
		if err := r.read(context.Background()); err != nil {
			t.Error(err)
		}
		closeFiles(files)
	}
}
