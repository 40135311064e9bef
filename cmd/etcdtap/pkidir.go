package main

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/etcdtap/etcdtap/analysis/pki"
)

// Bounds of a directory that is searched for certificates.
const (
	maxPKIDepth   = 4    // levels: OpenShift has secrets/etcd-all-certs, kops a directory for each cluster
	maxPKIEntries = 4096 // names looked at
)

// defaultPKI are the places where control-plane nodes keep etcd's certificates: those of kubeadm, k3s, RKE2, kops and OpenShift.
// Other machines do not have them.
var defaultPKI = [...]string{
	"/etc/kubernetes/pki/etcd",
	"/etc/kubernetes/pki/apiserver-etcd-client.crt",
	"/var/lib/rancher/k3s/server/tls/etcd",
	"/var/lib/rancher/rke2/server/tls/etcd",
	"/etc/kubernetes/pki/etcd-manager-main",
	"/etc/kubernetes/pki/kube-apiserver/etcd-client.crt",
	"/etc/kubernetes/static-pod-resources/etcd-certs",
}

// existing are those of the names, below root, that are there.
func existing(root string, names []string) []string {
	var out []string
	for _, n := range names {
		if _, err := os.Stat(filepath.Join(root, n)); err == nil {
			out = append(out, filepath.Join(root, n))
		}
	}
	return out
}

// readPKI adds a file, or the certificates in a directory.
func readPKI(s *pki.Store, name string) error {
	info, err := os.Stat(name)
	if err != nil {
		return err
	}
	if !info.IsDir() {
		return addCertificates(s, name, name)
	}
	left := maxPKIEntries
	return filepath.WalkDir(name, func(path string, d fs.DirEntry, err error) error {
		left--
		switch {
		case left < 0:
			s.Missing(name, fmt.Sprintf("holds more than %d entries: name the directory of the certificates itself", maxPKIEntries))
			return filepath.SkipAll
		case err != nil:
			s.Missing(path, "cannot be read: "+reason(err))
			return nil
		case d.IsDir() && path != name && (strings.HasPrefix(d.Name(), "..") || depth(name, path) >= maxPKIDepth):
			return filepath.SkipDir // "..data" is Kubernetes' own view of the same files
		case d.IsDir() || !mayHoldCertificates(d.Name()):
			return nil
		}
		if err := addCertificates(s, path, path); err != nil {
			s.Missing(path, "cannot be read: "+reason(err))
		}
		return nil
	})
}

// depth is how far path is below dir.
func depth(dir, path string) int {
	rel, err := filepath.Rel(dir, path)
	if err != nil {
		return maxPKIDepth
	}
	return strings.Count(rel, string(filepath.Separator)) + 1
}

// mayHoldCertificates leaves out keys by their names: they are never opened.
func mayHoldCertificates(base string) bool {
	base = strings.ToLower(base)
	switch filepath.Ext(base) {
	case ".crt", ".cer", ".cert", ".crl":
		return true
	case ".pem":
		return !strings.Contains(base, "key")
	}
	return false
}

// addCertificates adds one file by the name it goes by, which a container's is another than the path. What was read is wiped:
// there are files that hold a key beside the certificate.
func addCertificates(s *pki.Store, path, name string) error {
	data, info, err := readBounded(path, pki.MaxFileBytes)
	if err != nil {
		return err
	}
	s.Add(pki.File{Name: name, ModTime: info.ModTime(), Data: data})
	clear(data)
	return nil
}

// readBounded reads a regular file, up to one byte more than the bound, so that whoever parses it can tell that it is too large.
func readBounded(path string, most int64) ([]byte, fs.FileInfo, error) {
	info, err := os.Stat(path) // before opening: a pipe would block
	if err != nil {
		return nil, nil, err
	}
	if info.IsDir() || info.Mode()&(fs.ModeNamedPipe|fs.ModeSocket|fs.ModeDevice) != 0 {
		return nil, nil, &fs.PathError{Op: "open", Path: path, Err: errors.New("is no regular file")}
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, nil, err
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(promptReader{f}, most+1))
	return data, info, err
}

// promptReader does not wait for what is not there: /proc/kmsg and others like it say that they are regular files, and block. Files on disk
// have no deadline, and one that is slow, as on a network, does not miss it.
type promptReader struct{ *os.File }

func (r promptReader) Read(p []byte) (int, error) {
	const most = 100 * time.Millisecond
	_ = r.SetReadDeadline(time.Now().Add(most))
	return r.File.Read(p)
}

// unreadable is the error for a file that a flag names and that cannot be read, with what to do about it.
func unreadable(what, flag string, err error) error {
	remedy := "name a file that exists with " + flag
	if errors.Is(err, fs.ErrPermission) {
		remedy = "run it with sudo, or give this user the right to read"
	}
	return fmt.Errorf("reading %s: %s; %s", what, reason(err), remedy)
}

// reason is an error's cause without the path, which is named beside it.
func reason(err error) string {
	var p *fs.PathError
	if errors.As(err, &p) {
		return p.Err.Error()
	}
	return err.Error()
}
