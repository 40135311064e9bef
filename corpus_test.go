package etcdtap

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

var fuzzTarget = regexp.MustCompile(`(?m)^func (Fuzz\w+)\(`)

// TestFuzzTargetsHaveCorpora: what a fuzz target has found worth keeping is kept, and read again by every go test.
func TestFuzzTargetsHaveCorpora(t *testing.T) {
	targets := 0
	err := filepath.WalkDir(".", func(path string, _ fs.DirEntry, err error) error {
		if err != nil || !strings.HasSuffix(path, "_test.go") {
			return err
		}
		source, err := os.ReadFile(path)
		for _, m := range fuzzTarget.FindAllSubmatch(source, -1) {
			targets++
			dir := filepath.Join(filepath.Dir(path), "testdata", "fuzz", string(m[1]))
			if kept, err := os.ReadDir(dir); err != nil || len(kept) == 0 {
				t.Errorf("%s has no inputs in %s: run it for a minute, and keep some small files of $(go env GOCACHE)/fuzz", m[1], dir)
			}
		}
		return err
	})
	if err != nil || targets < 50 {
		t.Errorf("%d fuzz targets: %v", targets, err)
	}
}
