// Package deploy holds no code: the files beside it are tested here as far as they can be without the systems that they are for.
package deploy

import (
	"os"
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
