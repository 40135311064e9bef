package deploy

import (
	"bufio"
	"debug/elf"
	"encoding/json"
	"io"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// The build line of the Dockerfile gives a program that is linked to nothing and says the version it was given. There need be no
// engine for it, and no image is built here.
func TestImageBuild(t *testing.T) {
	line := regexp.MustCompile(`(?m)^RUN (CGO_ENABLED=0 .* go build .*)$`).FindStringSubmatch(read(t, "Dockerfile"))
	if line == nil {
		t.Fatal("the Dockerfile has no build line")
	}
	program := filepath.Join(t.TempDir(), "etcdtap")
	cmd := exec.Command("sh", "-c", strings.Replace(line[1], "/out/etcdtap", program, 1))
	cmd.Dir = ".."
	cmd.Env = append(os.Environ(), "TARGETOS=linux", "TARGETARCH=amd64", "VERSION=v9.8.7")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%s: %v\n%s", line[1], err, out)
	}
	f, err := elf.Open(program)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for _, p := range f.Progs {
		if p.Type == elf.PT_INTERP || p.Type == elf.PT_DYNAMIC {
			t.Errorf("the program needs a dynamic linker (%v), and an image from scratch has none", p.Type)
		}
	}
	if out, err := exec.Command(program, "version").CombinedOutput(); err == nil {
		if !strings.Contains(string(out), "v9.8.7") || !strings.Contains(string(out), "without libpcap") {
			t.Errorf("says %s", out)
		}
	} else {
		t.Logf("cannot be run on this machine: %v", err)
	}
}

// The Dockerfile's Go is the one that go.mod asks for.
func TestImageGo(t *testing.T) {
	from := regexp.MustCompile(`(?m)^FROM .* golang:([0-9.]+)-`).FindStringSubmatch(read(t, "Dockerfile"))
	needs := regexp.MustCompile(`(?m)^go ([0-9]+\.[0-9]+)`).FindStringSubmatch(read(t, "../go.mod"))
	if from == nil || needs == nil || from[1] != needs[1] {
		t.Errorf("the image is built with Go %q, go.mod needs %q", from, needs)
	}
}

// Nothing that the build reads is left out of its context.
func TestDockerignore(t *testing.T) {
	cmd := exec.Command("go", "list", "-deps", "-tags", "nopcap", "-json=Dir,Standard,Module,GoFiles,EmbedFiles,SFiles", "./cmd/etcdtap")
	cmd.Dir, cmd.Env = "..", append(os.Environ(), "CGO_ENABLED=0")
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("go list: %v", err)
	}
	root, err := filepath.Abs("..")
	if err != nil {
		t.Fatal(err)
	}
	files := []string{"go.mod", "go.sum", "LICENSE"}
	for d := json.NewDecoder(strings.NewReader(string(out))); ; {
		var p struct {
			Dir                         string
			Module                      *struct{ Main bool }
			GoFiles, EmbedFiles, SFiles []string
		}
		if err := d.Decode(&p); err == io.EOF {
			break
		} else if err != nil {
			t.Fatal(err)
		}
		if p.Module == nil || !p.Module.Main {
			continue
		}
		dir, err := filepath.Rel(root, p.Dir)
		if err != nil {
			t.Fatal(err)
		}
		for _, list := range [][]string{p.GoFiles, p.EmbedFiles, p.SFiles} {
			for _, name := range list {
				files = append(files, filepath.ToSlash(filepath.Join(dir, name)))
			}
		}
	}
	if len(files) < 100 {
		t.Fatalf("the build reads only %d files", len(files))
	}
	patterns := ignorePatterns(t)
	for _, name := range files {
		for _, p := range patterns {
			if ignored(p, name) {
				t.Errorf("%s is left out of the image's build by %s", name, p)
			}
		}
	}
	if !ignored("bin", "bin/etcdtap") || !ignored("**/*_test.go", "cmd/etcdtap/read_test.go") || ignored("bin", "cmd/bin.go") {
		t.Error("the test does not understand the patterns")
	}
}

func ignorePatterns(t *testing.T) (patterns []string) {
	for s := bufio.NewScanner(strings.NewReader(read(t, "../.dockerignore"))); s.Scan(); {
		if line := strings.TrimSpace(s.Text()); line != "" && !strings.HasPrefix(line, "#") {
			patterns = append(patterns, line)
		}
	}
	if len(patterns) < 5 {
		t.Fatalf("only the patterns %q", patterns)
	}
	return patterns
}

// ignored reports whether a pattern without exceptions leaves name out: it fits name, or a directory that name is in. A leading **/ is
// any number of directories.
func ignored(pattern, name string) bool {
	deep, any := strings.CutPrefix(pattern, "**/")
	for n := name; n != "." && n != "/"; n = path.Dir(n) {
		if ok, _ := path.Match(pattern, n); ok && !any {
			return true
		}
		for rest := n; any; {
			if ok, _ := path.Match(deep, rest); ok {
				return true
			}
			_, after, more := strings.Cut(rest, "/")
			if !more {
				break
			}
			rest = after
		}
	}
	return false
}
