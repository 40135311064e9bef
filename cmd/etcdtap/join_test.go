package main

import (
	"context"
	"fmt"
	"net/netip"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/etcdtap/etcdtap/analysis"
	"github.com/etcdtap/etcdtap/analysis/etcdlog"
)

// TestJoin reads every capture of testdata/pcaps together with etcd's log of the same time: each rejection whose connection was
// captured is joined to it, and the connection's cause fits both.
func TestJoin(t *testing.T) {
	files, err := filepath.Glob("../../testdata/pcaps/*.log")
	if err != nil || len(files) == 0 {
		t.Fatalf("no logs in testdata/pcaps (%v)", err)
	}
	joined := 0
	for _, log := range files {
		base := strings.TrimSuffix(log, ".log")
		t.Run(filepath.Base(base), func(t *testing.T) {
			var in struct {
				Client uint16 `json:"client_port"`
				Peer   uint16 `json:"peer_port"`
				truth
				Also []string
			}
			readJSON(t, base+".json", &in)
			in.ClientPorts, in.PeerPorts = []uint16{in.Client}, []uint16{in.Peer}
			joined += checkJoin(t, base+".pcap", log, in.truth, append(in.Codes, in.Also...))
		})
	}
	if joined < 20 {
		t.Errorf("only %d log lines of all testdata/pcaps were joined", joined)
	}
}

// TestJoinCases does the same for the captures that the project was specified with, where they are at hand.
func TestJoinCases(t *testing.T) {
	dirs, err := filepath.Glob("../../../shared/cases/*/truth.json")
	if err != nil || len(dirs) == 0 {
		t.Skip("SKIPPED: ../shared/cases is not here; TestJoin covers the same kinds of failures")
	}
	for _, name := range dirs {
		dir := filepath.Dir(name)
		t.Run(filepath.Base(dir), func(t *testing.T) {
			var in struct {
				Instances []struct {
					Client uint16 `json:"client_port"`
					Peer   uint16 `json:"peer_port"`
				}
				Wire     *truth
				LogCodes map[string]int `json:"log_codes"`
			}
			readJSON(t, name, &in)
			var want truth
			for _, i := range in.Instances {
				want.ClientPorts, want.PeerPorts = append(want.ClientPorts, i.Client), append(want.PeerPorts, i.Peer)
			}
			var right []string
			for codes := range in.LogCodes {
				right = append(right, strings.Split(codes, "|")...)
			}
			if in.Wire != nil {
				right = append(right, in.Wire.Codes...)
			}
			checkJoin(t, filepath.Join(dir, "capture.pcap"), filepath.Join(dir, "etcd.log"), want, right)
		})
	}
}

// checkJoin reads capture and log together and returns how many lines were joined.
func checkJoin(t *testing.T, capture, log string, w truth, right []string) int {
	t.Helper()
	files, err := openFiles([]string{capture}, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer closeFiles(files)
	clients := make(map[netip.AddrPort]bool)
	r := &reader{files: files}
	r.each = func(c *analysis.Connection) error {
		clients[c.Client] = true
		checkJoined(t, c, right)
		return nil
	}
	r.scope = scope{all: true, expect: analysis.Expectations{ClientPorts: w.ClientPorts, PeerPorts: w.PeerPorts}}
	e := &environment{}
	join, err := e.newJoin([]string{log}, r)
	if err != nil {
		t.Fatal(err)
	}
	if err := r.read(context.Background()); err != nil {
		t.Fatal(err)
	}
	if err := join.Close(); err != nil {
		t.Fatal(err)
	}
	joined := 0
	for _, entry := range join.Entries() {
		switch {
		case entry.Connection != "":
			joined++
			if entry.NotJoined != "" {
				t.Errorf("line %d is joined, and says why not: %s", entry.Line, entry.NotJoined)
			}
		case entry.NotJoined == "":
			t.Errorf("line %d is not joined, and does not say why", entry.Line)
		case (entry.Kind == etcdlog.KindRejected || entry.Kind == etcdlog.KindServerHandshake) && clients[entry.Remote]:
			t.Errorf("line %d, of %v, was captured and is not joined: %s\n%s", entry.Line, entry.Remote, entry.NotJoined, entry.Text)
		}
	}
	return joined
}

// checkJoined: with the log the connection's first cause is right, and nothing is said to disagree.
func checkJoined(t *testing.T, c *analysis.Connection, right []string) {
	t.Helper()
	if len(c.Log) == 0 {
		return
	}
	var got []string
	for _, f := range c.Findings {
		got = append(got, fmt.Sprintf("%s/%s", f.Code, f.Confidence))
		if f.Code == analysis.CodeLogDisagrees {
			t.Errorf("%v %v: %s", c.Client, c.Outcome, f.Meaning)
		}
	}
	if len(right) == 0 {
		return
	}
	if len(c.Findings) == 0 || !slices.Contains(right, string(c.Findings[0].Code)) {
		t.Errorf("%v %v: want one of %v first, got %v; log: %s", c.Client, c.Outcome, right, got, c.Log[0].Error)
	}
}
