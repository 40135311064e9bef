package etcdlog

import (
	"encoding/json"
	"os"
	"path/filepath"
	"testing"
)

// readAll gives the entries of a whole input.
func readAll(t *testing.T, b []byte) ([]Entry, Stats) {
	t.Helper()
	var r Reader
	var entries []Entry
	keep := func(e *Entry) { entries = append(entries, *e) }
	r.Write(b, keep)
	r.End(keep)
	return entries, r.Stats
}

// TestCases checks that every rejection line of the shared captures gives an
// entry whose fields are filled.
func TestCases(t *testing.T) {
	files, _ := filepath.Glob("../../../shared/cases/*/truth.json")
	if len(files) == 0 {
		t.Skip("SKIPPED: ../../../shared/cases is not there: the logs of some 95 real failures are not checked")
	}
	for _, f := range files {
		dir := filepath.Dir(f)
		t.Run(filepath.Base(dir), func(t *testing.T) {
			var truth struct {
				Codes map[string]int `json:"log_codes"`
			}
			b, err := os.ReadFile(f)
			if err != nil {
				t.Fatal(err)
			}
			if err := json.Unmarshal(b, &truth); err != nil {
				t.Fatal(err)
			}
			want := 0
			for _, n := range truth.Codes {
				want += n
			}
			b, err = os.ReadFile(filepath.Join(dir, "etcd.log"))
			if err != nil {
				t.Fatal(err)
			}
			entries, stats := readAll(t, b)
			got := 0
			for i := range entries {
				if checkWhole(t, &entries[i]); entries[i].Kind == KindRejected || entries[i].Kind == KindServerHandshake {
					got++
				}
			}
			if got != want || stats.Broken != 0 {
				t.Errorf("%d rejections, want %d (%+v)", got, want, stats)
			}
		})
	}
}

// checkWhole checks what every entry of an unharmed real log has.
func checkWhole(t *testing.T, e *Entry) {
	t.Helper()
	if e.Kind == KindUnrecognised || e.Error == "" || !e.HasTime || e.Versions == "" || e.Broken || e.Message == "" {
		t.Errorf("line %d: %+v", e.Line, *e)
	}
	if (e.Kind == KindRejected || e.Kind == KindServerHandshake) && !e.Remote.IsValid() {
		t.Errorf("line %d: no address: %s", e.Line, e.Text)
	}
}

// TestCaptureLogs reads the logs beside the captures of this repository.
func TestCaptureLogs(t *testing.T) {
	files, err := filepath.Glob("../../testdata/pcaps/*.log")
	if err != nil || len(files) == 0 {
		t.Fatalf("no logs beside the captures: %v", err)
	}
	rejections := 0
	for _, f := range files {
		b, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		entries, _ := readAll(t, b)
		for i := range entries {
			if e := &entries[i]; e.Kind != KindPeerDial || e.Error != "" {
				checkWhole(t, e)
			}
			if entries[i].Kind == KindRejected {
				rejections++
			}
		}
	}
	if rejections < 50 {
		t.Errorf("%d rejections in %d logs", rejections, len(files))
	}
}
