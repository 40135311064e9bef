package main

import (
	"context"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/etcdtap/etcdtap/analysis"
	"github.com/etcdtap/etcdtap/capture"
)

// TestKeysAgreeWithTruth: a key log beside a capture opens all of it, gives the outcome that was right without it, and one of the
// right findings, now certain.
func TestKeysAgreeWithTruth(t *testing.T) {
	logs, err := filepath.Glob("../../testdata/pcaps/*.keys")
	if err != nil || len(logs) == 0 {
		t.Fatalf("no captures with key logs in testdata/pcaps (%v)", err)
	}
	for _, name := range logs {
		base := strings.TrimSuffix(name, ".keys")
		t.Run(filepath.Base(base), func(t *testing.T) {
			var in struct {
				Client uint16 `json:"client_port"`
				Peer   uint16 `json:"peer_port"`
				truth
			}
			readJSON(t, base+".json", &in)
			in.ClientPorts, in.PeerPorts = []uint16{in.Client}, []uint16{in.Peer}
			with, without := withKeys(t, base+".pcap", name, in.truth), diagnosed(t, base+".pcap", in.truth)
			if diff := cmp.Diff(outcomes(without), outcomes(with)); diff != "" {
				t.Errorf("outcomes without keys (-) and with them (+):\n%s", diff)
			}
			for i := range with {
				checkDecrypted(t, &with[i], in.Codes)
			}
		})
	}
}

func outcomes(list []analysis.Connection) (all []string) {
	for i := range list {
		all = append(all, list[i].Outcome.String())
	}
	return all
}

func checkDecrypted(t *testing.T, c *analysis.Connection, codes []string) {
	t.Helper()
	tls := c.TLS
	if !tls.KeysFound || tls.DecryptFailed != [2]int64{} {
		t.Errorf("keys found: %v, failed: %v", tls.KeysFound, tls.DecryptFailed)
	}
	for _, v := range []analysis.Visibility{tls.CertificateRequest.Visibility, tls.Certificates[0].Visibility, tls.Certificates[1].Visibility, tls.ALPNVisibility} {
		if v == analysis.Hidden || v == analysis.Missed {
			t.Errorf("something is %v", v)
		}
	}
	for _, a := range tls.Alerts {
		if a.Encrypted {
			t.Errorf("an alert of the %v is not decrypted", a.From)
		}
	}
	if codes == nil {
		return
	}
	if !slices.ContainsFunc(c.Findings, func(f analysis.Finding) bool {
		return slices.Contains(codes, string(f.Code)) && f.Confidence == analysis.Certain
	}) {
		t.Errorf("none of %v is certain: %+v", codes, c.Findings)
	}
}

// withKeys is diagnosed with a key log.
func withKeys(t *testing.T, name, log string, w truth) (all []analysis.Connection) {
	t.Helper()
	files, err := openFiles([]string{name}, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer closeFiles(files)
	k, err := openKeys([]string{log}, files)
	if err != nil {
		t.Fatal(err)
	}
	defer k.close()
	r := &reader{files: files, options: capture.PipelineOptions{TrackerOptions: capture.TrackerOptions{Keys: k}}, each: func(c *analysis.Connection) error {
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
