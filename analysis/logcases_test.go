package analysis

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/etcdtap/etcdtap/analysis/etcdlog"
)

// TestLogCases gives each rejection line of the captures that the project was specified with a code that is right, from the log
// alone, where they are at hand; every line counts.
func TestLogCases(t *testing.T) {
	names, err := filepath.Glob("../../shared/cases/*/truth.json")
	if err != nil || len(names) == 0 {
		t.Skip("SKIPPED: ../shared/cases is not here; TestLogRules covers the same texts")
	}
	for _, name := range names {
		dir := filepath.Dir(name)
		t.Run(filepath.Base(dir), func(t *testing.T) {
			var truth struct {
				LogCodes  map[string]int `json:"log_codes"`
				Instances []struct {
					Client uint16 `json:"client_port"`
					Peer   uint16 `json:"peer_port"`
				}
			}
			b, err := os.ReadFile(name)
			if err == nil {
				err = json.Unmarshal(b, &truth)
			}
			if err != nil {
				t.Fatal(err)
			}
			var x Explainer
			for _, i := range truth.Instances {
				x.Expectations.ClientPorts = append(x.Expectations.ClientPorts, i.Client)
				x.Expectations.PeerPorts = append(x.Expectations.PeerPorts, i.Peer)
			}
			log, err := os.ReadFile(filepath.Join(dir, "etcd.log"))
			if err != nil {
				t.Fatal(err)
			}
			got := make(map[string]int)
			var r etcdlog.Reader
			each := func(e *etcdlog.Entry) {
				if e.Kind != etcdlog.KindRejected && e.Kind != etcdlog.KindServerHandshake {
					return
				}
				le := x.Explain(e, "etcd.log")
				got[bestKey(truth.LogCodes, le.Findings)]++
			}
			if err := r.Read(bytes.NewReader(log), each); err != nil {
				t.Fatal(err)
			}
			r.End(each)
			for codes, n := range truth.LogCodes {
				if got[codes] != n {
					t.Errorf("%s: want %d, got %d (all: %v)", codes, n, got[codes], got)
				}
			}
			for codes := range got {
				if _, ok := truth.LogCodes[codes]; !ok {
					t.Errorf("%s is not expected", codes)
				}
			}
		})
	}
}

// bestKey is the entry of the truth that the first finding fits; of several the most exact one. Otherwise it is the finding's code.
func bestKey(truth map[string]int, found []Finding) string {
	best := string(found[0].Code)
	for codes := range truth {
		list := strings.Split(codes, "|")
		for _, c := range list {
			if c == string(found[0].Code) && (best == string(found[0].Code) && truth[best] == 0 || len(codes) < len(best)) {
				best = codes
			}
		}
	}
	return best
}
