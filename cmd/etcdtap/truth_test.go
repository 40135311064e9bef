package main

import (
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/etcdtap/etcdtap/analysis"
)

// truth is what is known to be right about a capture: what was done when it was made.
type truth struct {
	Outcomes    []string
	Codes       []string // nil: no finding of severity error
	ClientPorts []uint16
	PeerPorts   []uint16
}

// TestTruth holds every capture of testdata/pcaps to its truth: some connection has one of the outcomes and one of the codes,
// and a healthy one has no error.
func TestTruth(t *testing.T) {
	files, err := filepath.Glob("../../testdata/pcaps/*.pcap")
	if err != nil || len(files) == 0 {
		t.Fatalf("no captures in testdata/pcaps (%v)", err)
	}
	for _, name := range files {
		t.Run(strings.TrimSuffix(filepath.Base(name), ".pcap"), func(t *testing.T) {
			var in struct {
				Client uint16 `json:"client_port"`
				Peer   uint16 `json:"peer_port"`
				truth
			}
			readJSON(t, strings.TrimSuffix(name, ".pcap")+".json", &in)
			in.ClientPorts, in.PeerPorts = []uint16{in.Client}, []uint16{in.Peer}
			checkTruth(t, name, in.truth)
		})
	}
}

// TestCases does the same for the 95 captures that the project was specified with, where they are at hand.
func TestCases(t *testing.T) {
	dirs, err := filepath.Glob("../../../shared/cases/*/truth.json")
	if err != nil || len(dirs) == 0 {
		t.Skip("SKIPPED: ../shared/cases is not here; TestTruth covers the same kinds of failures")
	}
	for _, name := range dirs {
		t.Run(filepath.Base(filepath.Dir(name)), func(t *testing.T) {
			var in struct {
				Instances []struct {
					Client uint16 `json:"client_port"`
					Peer   uint16 `json:"peer_port"`
				}
				Wire *truth
			}
			readJSON(t, name, &in)
			if in.Wire == nil {
				return
			}
			for _, i := range in.Instances {
				in.Wire.ClientPorts, in.Wire.PeerPorts = append(in.Wire.ClientPorts, i.Client), append(in.Wire.PeerPorts, i.Peer)
			}
			checkTruth(t, filepath.Join(filepath.Dir(name), "capture.pcap"), *in.Wire)
		})
	}
}

func readJSON(t *testing.T, name string, into any) {
	t.Helper()
	b, err := os.ReadFile(name)
	if err == nil {
		err = json.Unmarshal(b, into)
	}
	if err != nil {
		t.Fatal(err)
	}
}

func checkTruth(t *testing.T, name string, want truth) {
	t.Helper()
	hit := false
	var got []string
	for _, c := range diagnosed(t, name, want) {
		line := c.Endpoint.String() + " " + c.Outcome.String()
		code := want.Codes == nil
		for _, f := range c.Findings {
			line += " " + string(f.Code)
			code = code || slices.Contains(want.Codes, string(f.Code))
			if want.Codes == nil && f.Severity == analysis.Error {
				t.Errorf("healthy, but: %s: %s", f.Code, f.Meaning)
			}
			if len(f.Evidence) == 0 && f.Code != analysis.CodeCaptureLoss && f.Code != analysis.CodeOneSidedCapture {
				t.Errorf("%s has no evidence", f.Code)
			}
		}
		got = append(got, line)
		hit = hit || code && slices.Contains(want.Outcomes, c.Outcome.String())
	}
	if !hit {
		t.Errorf("want a connection with outcome %v and code %v, got:\n%s", want.Outcomes, want.Codes, strings.Join(got, "\n"))
	}
}

// diagnosed reads a capture as `etcdtap read --all` does and keeps what it says.
func diagnosed(t *testing.T, name string, w truth) []analysis.Connection {
	t.Helper()
	files, err := openFiles([]string{name}, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer closeFiles(files)
	var all []analysis.Connection
	r := &reader{files: files, each: func(c *analysis.Connection) error {
		kept := *c
		kept.Facts = c.Facts.Clone()
		all = append(all, kept)
		return nil
	}}
	r.scope = scope{all: true, expect: analysis.Expectations{ClientPorts: w.ClientPorts, PeerPorts: w.PeerPorts}}
	if err := r.read(context.Background()); err != nil {
		t.Fatal(err)
	}
	return all
}
