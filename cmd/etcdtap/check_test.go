package main

import (
	"bytes"
	"context"
	"crypto/x509"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/etcdtap/etcdtap/analysis/deploy"
	"github.com/etcdtap/etcdtap/analysis/pki"
	"github.com/etcdtap/etcdtap/analysis/pki/pkitest"
)

var updateCheck = flag.Bool("update-check", false, "write testdata/check/*.golden")

// writePKI makes the etcd directory of a control-plane node of kubeadm's, with the keys' names but none of the keys.
func writePKI(t testing.TB, dir string) *pkitest.CA {
	ca := pkitest.NewCA(t, "etcd-ca")
	client := []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}
	names := []string{"cp-1", "localhost", "10.0.0.1", "127.0.0.1"}
	for name, data := range map[string][]byte{
		"etcd/ca.crt":                 pkitest.PEM(ca.Cert),
		"etcd/server.crt":             pkitest.PEM(ca.Issue(t, pkitest.Leaf{CN: "cp-1", Names: names, Usage: pkitest.Both()})),
		"etcd/peer.crt":               pkitest.PEM(ca.Issue(t, pkitest.Leaf{CN: "cp-1", Names: names, Usage: pkitest.Both()})),
		"etcd/healthcheck-client.crt": pkitest.PEM(ca.Issue(t, pkitest.Leaf{CN: "kube-etcd-healthcheck-client", Usage: client})),
		"apiserver-etcd-client.crt":   pkitest.PEM(ca.Issue(t, pkitest.Leaf{CN: "kube-apiserver-etcd-client", Usage: client})),
		"etcd/server.key":             []byte("never read"),
	} {
		writeFile(t, filepath.Join(dir, name), data)
	}
	return ca
}

func writeFile(t testing.TB, name string, data []byte) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(name), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(name, data, 0o600); err != nil {
		t.Fatal(err)
	}
}

// manifest is kubeadm's.
const manifest = `apiVersion: v1
kind: Pod
metadata: {name: etcd}
spec:
  containers:
  - name: etcd
    image: registry.k8s.io/etcd:3.6.4-0
    command:
    - etcd
    - --name=cp-1
    - --listen-client-urls=https://127.0.0.1:2379,https://10.0.0.1:2379
    - --advertise-client-urls=https://10.0.0.1:2379
    - --listen-peer-urls=https://10.0.0.1:2380
    - --initial-advertise-peer-urls=https://10.0.0.1:2380
    - --initial-cluster=cp-1=https://10.0.0.1:2380
    - --cert-file=/etc/kubernetes/pki/etcd/server.crt
    - --key-file=/etc/kubernetes/pki/etcd/server.key
    - --client-cert-auth=true
    - --trusted-ca-file=/etc/kubernetes/pki/etcd/ca.crt
    - --peer-cert-file=/etc/kubernetes/pki/etcd/peer.crt
    - --peer-key-file=/etc/kubernetes/pki/etcd/peer.key
    - --peer-client-cert-auth=true
    - --peer-trusted-ca-file=/etc/kubernetes/pki/etcd/ca.crt
`

// checked runs `etcdtap check` in a directory that has etcd.yaml and pki/.
func checked(t *testing.T, dir string, more ...string) (status int, out string) {
	t.Helper()
	t.Chdir(dir)
	var stdout, stderr bytes.Buffer
	args := append([]string{"check", "--at", "2026-03-02T10:00:00Z", "--etcd-config", "etcd.yaml", "--pki", "pki"}, more...)
	status = run(context.Background(), args, nil, strings.NewReader(""), &stdout, &stderr)
	return status, stdout.String() + stderr.String()
}

// TestCheck holds the whole output of some deployments to testdata/check. -update-check writes it.
func TestCheck(t *testing.T) {
	goldens, err := filepath.Abs(filepath.Join("testdata", "check"))
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name   string
		spoil  func(t *testing.T, dir string, ca *pkitest.CA)
		config string // "" for manifest
		status int    // with --exit-code
	}{
		{name: "healthy"},
		{name: "broken", status: exitFindings, config: strings.NewReplacer("advertise-client-urls=https", "advertise-client-urls=http",
			"cp-1=https://10.0.0.1:2380", "cp-1=https://10.0.0.9:2380", "    - --peer-client-cert-auth=true\n    - --peer-trusted-ca-file=/etc/kubernetes/pki/etcd/ca.crt\n",
			"    - --client-crl-file=/etc/kubernetes/pki/etcd/revoked.crl\n").Replace(manifest), spoil: func(t *testing.T, dir string, ca *pkitest.CA) {
			names := []string{"cp-1", "10.0.0.1"}
			writeFile(t, dir+"/etcd/server.crt", pkitest.PEM(ca.Issue(t, pkitest.Leaf{CN: "cp-1", Names: names, Usage: pkitest.Both()[:1], To: pkitest.Epoch.AddDate(0, 0, 5)})))
			writeFile(t, dir+"/etcd/healthcheck-client.crt", pkitest.PEM(ca.Issue(t, pkitest.Leaf{CN: "kube-etcd-healthcheck-client", Usage: pkitest.Both()[1:], To: pkitest.Epoch.AddDate(0, 0, -3)})))
			writeFile(t, dir+"/apiserver-etcd-client.crt", pkitest.PEM(pkitest.NewCA(t, "etcd-ca").Issue(t, pkitest.Leaf{CN: "kube-apiserver-etcd-client", Usage: pkitest.Both()[1:]})))
			writeFile(t, dir+"/etcd/revoked.crl", []byte("-----BEGIN X509 CRL-----\nAAAA\n-----END X509 CRL-----\n"))
			writeFile(t, dir+"/etcd/notes.crt", []byte("not yet"))
		}},
		{name: "mixed-up", config: strings.NewReplacer("server.", "peer.", "peer.", "server.").Replace(manifest), status: exitOK},
	} {
		t.Run(tt.name, func(t *testing.T) {
			dir := t.TempDir()
			ca := writePKI(t, filepath.Join(dir, "pki"))
			if tt.config == "" {
				tt.config = manifest
			}
			writeFile(t, filepath.Join(dir, "etcd.yaml"), []byte(tt.config))
			if tt.spoil != nil {
				tt.spoil(t, filepath.Join(dir, "pki"), ca)
			}
			status, got := checked(t, dir, "--exit-code")
			if status != tt.status {
				t.Errorf("exit status %d, want %d", status, tt.status)
			}
			golden := filepath.Join(goldens, tt.name+".golden")
			if *updateCheck {
				writeFile(t, golden, []byte(got))
			}
			want, err := os.ReadFile(golden)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(string(want), got); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
		})
	}
}

// TestCheckJSON: one object a line, the summary last, with the codes and counts of the text.
func TestCheckJSON(t *testing.T) {
	dir := t.TempDir()
	writePKI(t, filepath.Join(dir, "pki"))
	writeFile(t, filepath.Join(dir, "etcd.yaml"), []byte(strings.Replace(manifest, "10.0.0.1:2379\n    - --listen-peer", "10.0.0.7:2379\n    - --listen-peer", 1)))
	status, out := checked(t, dir, "-o", "json")
	if status != exitOK {
		t.Errorf("exit status %d", status)
	}
	var types []string
	var last struct {
		Type         string
		Certificates int
		Errors       int
		Findings     []struct{ Code string }
	}
	for line := range strings.Lines(out) {
		last.Findings = nil
		if err := json.Unmarshal([]byte(line), &last); err != nil {
			t.Fatalf("%v in %s", err, line)
		}
		types = append(types, last.Type)
	}
	if diff := cmp.Diff([]string{"certificate", "certificate", "certificate", "certificate", "certificate", "summary"}, types); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	if last.Certificates != 5 || last.Errors != 1 || len(last.Findings) != 1 || last.Findings[0].Code != "member-missing-from-sans" {
		t.Errorf("%+v", last)
	}
}

// TestReadProcess reads this process' own command line, which is not etcd's.
func TestReadProcess(t *testing.T) {
	if _, err := os.Stat("/proc/self/cmdline"); err != nil {
		t.Skipf("SKIPPED: there is no /proc here (%v), so command lines were not read", err)
	}
	if _, err := readProcess(os.Getpid()); err == nil || !strings.Contains(err.Error(), "expected the command line of etcd") {
		t.Errorf("%v", err)
	}
}

// TestProcessNamesRelativeFiles: what a running etcd was told by relative names is relative to its working directory, not to its root.
func TestProcessNamesRelativeFiles(t *testing.T) {
	if _, err := os.Stat("/proc/self/cwd"); err != nil {
		t.Skipf("SKIPPED: there is no /proc here (%v), so no process was looked at", err)
	}
	dir := t.TempDir()
	writePKI(t, dir)
	writeFile(t, dir+"/etcd.conf.yaml", []byte("client-transport-security:\n  cert-file: etcd/server.crt\n  trusted-ca-file: work/../etcd/ca.crt\n"))
	if err := os.Mkdir(dir+"/work", 0o700); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		work string
		args []string
		want []string
	}{
		"flags": {dir + "/work", []string{"--cert-file", "../etcd/server.crt", "--trusted-ca-file=../etcd/ca.crt"}, []string{"../etcd/server.crt", "../etcd/ca.crt"}},
		"file":  {dir, []string{"--config-file", "etcd.conf.yaml"}, []string{"etcd/server.crt", "work/../etcd/ca.crt"}},
	} {
		t.Run(name, func(t *testing.T) {
			etcd := exec.Cmd{Path: "/bin/sh", Dir: c.work, Args: append([]string{"etcd", "-c", "echo; read line"}, c.args...)}
			in, err := etcd.StdinPipe()
			if err != nil {
				t.Fatal(err)
			}
			out, err := etcd.StdoutPipe()
			if err != nil {
				t.Fatal(err)
			}
			if err := etcd.Start(); err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { in.Close(); etcd.Wait() })
			if _, err := out.Read(make([]byte, 1)); err != nil { // before that it has no command line
				t.Fatal(err)
			}
			d, err := readProcess(etcd.Process.Pid)
			if err != nil {
				t.Fatal(err)
			}
			var s pki.Store
			readConfigured(&s, d, fmt.Sprintf("/proc/%d/root", etcd.Process.Pid))
			var got []string
			for _, cert := range s.Certificates() {
				got = append(got, cert.File)
			}
			if skipped, _ := s.Skipped(); len(skipped) > 0 {
				t.Errorf("not read: %v", skipped)
			}
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
		})
	}
}

// TestDefaultPlaces: the places of the distributions, where they exist, and nothing where they do not.
func TestDefaultPlaces(t *testing.T) {
	root := t.TempDir()
	if got := existing(root, defaultPKI[:]); got != nil {
		t.Errorf("an empty machine has %v", got)
	}
	writePKI(t, filepath.Join(root, "etc/kubernetes/pki"))
	want := []string{root + "/etc/kubernetes/pki/etcd", root + "/etc/kubernetes/pki/apiserver-etcd-client.crt"}
	if diff := cmp.Diff(want, existing(root, defaultPKI[:])); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

// TestReadPKI: keys, pipes and Kubernetes' own links are not opened.
func TestReadPKI(t *testing.T) {
	dir := t.TempDir()
	ca := writePKI(t, dir)
	writeFile(t, filepath.Join(dir, "..data", "again.crt"), pkitest.PEM(ca.Cert))
	writeFile(t, filepath.Join(dir, "server-key.pem"), pkitest.PEM(ca.Cert))
	var s pki.Store
	if err := readPKI(&s, dir); err != nil {
		t.Fatal(err)
	}
	if n := len(s.Certificates()); n != 5 {
		t.Errorf("%d certificates, want 5", n)
	}
	if skipped, _ := s.Skipped(); len(skipped) > 0 {
		t.Errorf("opened what is none: %v", skipped)
	}
}

// TestCompleted follows a unit to its variables, and a command line to its file.
func TestCompleted(t *testing.T) {
	root := t.TempDir()
	writeFile(t, root+"/etc/etcd.service", []byte("[Service]\nEnvironmentFile=-/etc/none\nEnvironmentFile=/etc/etcd.conf\nExecStart=/usr/bin/etcd\n"))
	writeFile(t, root+"/etc/etcd.conf", []byte("ETCD_CONFIG_FILE=/etc/etcd.yml\n"))
	writeFile(t, root+"/etc/etcd.yml", []byte("name: cp-1\nlisten-client-urls: https://10.0.0.1:12379\n"))
	d, err := readDeployment("/etc/etcd.service", root)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]any{"/etc/etcd.yml", "cp-1", []uint16{12379}}, []any{d.Source, d.Name, deploy.Ports(d.ListenClient)}); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}
