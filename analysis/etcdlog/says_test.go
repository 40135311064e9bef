package etcdlog

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestSays reads what the clients printed while the captures of this
// repository were made: every complaint about a connection is an entry.
func TestSays(t *testing.T) {
	files, err := filepath.Glob("../../testdata/pcaps/*.json")
	if err != nil || len(files) == 0 {
		t.Fatalf("no captures: %v", err)
	}
	complaints := []string{"curl: (", "Failed to dial", "desc =", "SSL alert", "context deadline exceeded"}
	n := 0
	for _, f := range files {
		b, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		var capture struct {
			Says []string `json:"says"`
		}
		if err := json.Unmarshal(b, &capture); err != nil {
			t.Fatal(err)
		}
		for _, line := range strings.Split(strings.Join(capture.Says, "\n"), "\n") {
			var p Parser
			var e Entry
			got := p.Line([]byte(line), &e)
			want := false
			for _, c := range complaints {
				want = want || strings.Contains(line, c)
			}
			if got != want || got && (e.Kind != KindClient || e.Error == "") {
				t.Errorf("%s: %q: entry %v, want %v: %+v", filepath.Base(f), line, got, want, e)
			}
			if got {
				n++
			}
		}
	}
	if n < 30 {
		t.Errorf("%d complaints", n)
	}
}
