// Package deploy holds no code: the files beside it are tested here as far as they can be without the systems that they are for.
package deploy

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// read returns a file of this directory.
func read(t *testing.T, name string) string {
	t.Helper()
	b, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// No file of a cluster's PKI that is handed to etcdtap is a key.
func TestNoKeys(t *testing.T) {
	for _, name := range []string{"etcdtap.service", "etcdtap-kubeadm.conf", "etcdtap-processes.conf", "etcdtap-proxy.service", "kubernetes/daemonset.yaml",
		"kubernetes-manifest/kustomization.yaml", "kubernetes-processes/kustomization.yaml"} {
		if strings.Contains(read(t, name), ".key") {
			t.Errorf("%s names a key", name)
		}
	}
}

// docs/deploy.md names files that are there and targets that make knows.
func TestDocument(t *testing.T) {
	doc, makefile := read(t, "../docs/deploy.md"), read(t, "../Makefile")
	links := regexp.MustCompile(`\]\(([^)#]+)\)`).FindAllStringSubmatch(doc, -1)
	for _, m := range links {
		if _, err := os.Stat(filepath.Join("..", "docs", m[1])); err != nil {
			t.Errorf("docs/deploy.md links to %s: %v", m[1], err)
		}
	}
	var targets int
	for _, m := range regexp.MustCompile(`(?m)^    (?:sudo )?make((?: [a-z-]+)+)`).FindAllStringSubmatch(doc, -1) {
		for _, target := range strings.Fields(m[1]) {
			targets++
			if !strings.Contains(makefile, "\n"+target+":") {
				t.Errorf("docs/deploy.md says make %s, which is no target", target)
			}
		}
	}
	for _, m := range regexp.MustCompile(`(?:^|[ (])(deploy/[a-zA-Z0-9./-]*[a-zA-Z])`).FindAllStringSubmatch(doc, -1) {
		if _, err := os.Stat(filepath.Join("..", m[1])); err != nil {
			t.Errorf("docs/deploy.md speaks of %s: %v", m[1], err)
		}
	}
	if len(links) < 8 || targets < 5 {
		t.Errorf("found only %d links and %d targets: the test does not look where they are", len(links), targets)
	}
}
