package main

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/spf13/pflag"
	"go.uber.org/zap"

	"github.com/etcdtap/etcdtap/analysis"
	"github.com/etcdtap/etcdtap/analysis/deploy"
	"github.com/etcdtap/etcdtap/analysis/pki"
)

// defaultManifest is where kubeadm and its relatives describe the etcd of a control-plane node.
const defaultManifest = "/etc/kubernetes/manifests/etcd.yaml"

// deployFlags say where the deployment is written down.
type deployFlags struct {
	pki    []string
	config string
	pid    int
	given  *pflag.FlagSet
}

func (f *deployFlags) register(fl *pflag.FlagSet) {
	f.given = fl
	fl.StringSliceVar(&f.pki, "pki", nil, "`directory` or file of certificates to name and compare those on the wire with; repeatable, '' for none. Without it the places of kubeadm, k3s, RKE2, kops and OpenShift that exist. Keys are never read")
	fl.StringVar(&f.config, "etcd-config", "", "etcd's configuration: a static-pod manifest, etcd's YAML `file`, a systemd unit or a file of ETCD_ variables; '' for none. Without it "+defaultManifest+" if it exists")
	fl.IntVar(&f.pid, "pid", 0, "take the configuration from the command line of the running etcd with this process `id`")
}

// expect adds the deployment to what the port flags say. Ports that no flag gives come from the configuration.
func (e *environment) expect(f *deployFlags, x *analysis.Expectations) error {
	d, err := e.deployment(f)
	if err != nil {
		return err
	}
	x.Deployment = d
	if x.PKI, err = e.pki(f, d); err != nil {
		return err
	}
	if d == nil {
		return nil
	}
	client, peer := deploy.Ports(d.ListenClient, d.AdvertiseClient, d.ListenClientHTTP), deploy.Ports(d.ListenPeer, d.AdvertisePeer)
	metrics := deploy.Ports(d.ListenMetrics)
	for _, p := range []struct {
		flag string
		from []uint16
		to   *[]uint16
	}{{"client-port", client, &x.ClientPorts}, {"peer-port", peer, &x.PeerPorts}, {"metrics-port", metrics, &x.MetricsPorts}} {
		if g := f.given.Lookup(p.flag); len(p.from) > 0 && (g == nil || !g.Changed) {
			*p.to = p.from
		}
	}
	e.log.Debug("configuration read", zap.String("source", d.Source), zap.Stringer("kind", d.Kind), zap.Strings("not-understood", d.Unknown))
	return nil
}

// deployment reads the configuration; nil when there is none.
func (e *environment) deployment(f *deployFlags) (*deploy.Deployment, error) {
	name, given := f.config, f.given.Changed("etcd-config")
	switch {
	case f.pid <= 0 && f.given.Changed("pid"):
		return nil, &usageError{fmt.Errorf("--pid expects a process id above zero, got %d", f.pid), "find etcd's with: pgrep -x etcd"}
	case f.pid != 0 && given:
		return nil, &usageError{fmt.Errorf("--pid and --etcd-config expect one of the two, got both"), "leave one out: the process says what is in force, the file what will be"}
	case f.pid != 0:
		return readProcess(f.pid)
	case given && name == "":
		return nil, nil
	case !given:
		if _, err := os.Stat(defaultManifest); err != nil {
			return nil, nil
		}
		name = defaultManifest
	}
	d, err := readDeployment(name, "")
	if err != nil && !given {
		e.log.Warn("the default configuration was not used", zap.Error(err))
		return nil, nil
	}
	return d, err
}

// readDeployment reads a configuration file and those it refers to, whose paths are below root.
func readDeployment(name, root string) (*deploy.Deployment, error) {
	data, _, err := readBounded(filepath.Join(root, name), deploy.MaxBytes)
	if err != nil {
		return nil, unreadable("etcd's configuration "+name, "--etcd-config", err)
	}
	d, err := deploy.Parse(name, data)
	if err == nil && len(d.EnvironmentFiles) > 0 {
		d, err = deploy.ParseUnit(name, data, readEnvironment(d.EnvironmentFiles, root))
	}
	if err != nil {
		return nil, fmt.Errorf("reading etcd's configuration %s: %w; name a static-pod manifest, etcd's YAML file, a systemd unit or a file of ETCD_ variables with --etcd-config", name, err)
	}
	return completed(d, root)
}

// readEnvironment reads a unit's files of variables. Any may be missing, as systemd allows.
func readEnvironment(names []string, root string) (files [][]byte) {
	for _, name := range names {
		if data, _, err := readBounded(filepath.Join(root, name), deploy.MaxBytes); err == nil {
			files = append(files, data)
		}
	}
	return files
}

// completed follows --config-file.
func completed(d *deploy.Deployment, root string) (*deploy.Deployment, error) {
	if d.ConfigFile == "" {
		return d, nil
	}
	data, _, err := readBounded(below(root, d.ConfigFile), deploy.MaxBytes)
	if err != nil {
		return nil, fmt.Errorf("%s names --config-file %s, expected to read it: %s; copy it here and name it with --etcd-config", d.Source, d.ConfigFile, reason(err))
	}
	file, err := deploy.Parse(d.ConfigFile, data)
	if err != nil {
		return nil, fmt.Errorf("reading etcd's configuration %s: %w", d.ConfigFile, err)
	}
	file.Version, file.ConfigFile = d.Version, ""
	return file, nil
}

// readProcess reads what a running etcd was told. Of its variables only etcd's own are looked at.
func readProcess(pid int) (*deploy.Deployment, error) {
	dir := "/proc/" + strconv.Itoa(pid)
	cmdline, _, err := readBounded(dir+"/cmdline", deploy.MaxBytes)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("there is no process %d; find etcd's with: pgrep -x etcd", pid)
	}
	if err != nil {
		return nil, fmt.Errorf("reading the command line of process %d: %s; find etcd's with: pgrep -x etcd", pid, reason(err))
	}
	var env []string
	if data, _, err := readBounded(dir+"/environ", deploy.MaxBytes); err == nil { // needs the same user, or root
		for _, kv := range nulSeparated(data) {
			if strings.HasPrefix(kv, "ETCD_") {
				env = append(env, kv)
			}
		}
		clear(data)
	}
	d, err := deploy.ParseCommand("process "+strconv.Itoa(pid), nulSeparated(cmdline), env)
	if err != nil {
		return nil, fmt.Errorf("process %d: %w; find etcd's with: pgrep -x etcd", pid, err)
	}
	return completed(d, dir+"/root")
}

func nulSeparated(data []byte) []string {
	var out []string
	for word := range bytes.SplitSeq(bytes.TrimRight(data, "\x00"), []byte{0}) {
		out = append(out, string(word))
	}
	return out
}

// pki reads the certificates: those of --pki, or else of the usual places and those that the configuration names. It is nil when
// there are none.
func (e *environment) pki(f *deployFlags, d *deploy.Deployment) (*pki.Store, error) {
	s := new(pki.Store)
	if f.given.Changed("pki") {
		for _, name := range f.pki {
			if name == "" {
				continue
			}
			if err := readPKI(s, name); err != nil {
				remedy := "name one that exists, or '' for none"
				if errors.Is(err, fs.ErrPermission) {
					remedy = "run it with sudo, or give this user the right to read"
				}
				return nil, fmt.Errorf("--pki expects a directory or file of certificates, %s: %s; %s", name, reason(err), remedy)
			}
		}
		if names := strings.Join(f.pki, ", "); names != "" && len(s.Certificates()) == 0 {
			e.log.Warn("no certificate was found in " + names + ": expected PEM or DER, in a directory in files named .crt, .cer, .cert or .pem")
		}
		return orNil(s), nil
	}
	root := ""
	if f.pid != 0 {
		root = "/proc/" + strconv.Itoa(f.pid) + "/root"
	}
	if d != nil {
		readConfigured(s, d, root)
	}
	if root == "" {
		for _, name := range existing("", defaultPKI[:]) {
			if err := readPKI(s, name); err != nil {
				e.log.Warn("certificates were not read", zap.String("file", name), zap.Error(err))
			}
		}
	}
	return orNil(s), nil
}

// below is where the file lies that a configuration names: below root, which is "" or a process's, and then relative names are relative to
// that process's working directory. The way there is a link, so nothing may be shortened lexically.
func below(root, name string) string {
	if root == "" || filepath.IsAbs(name) {
		return filepath.Join(root, name)
	}
	return filepath.Dir(root) + "/cwd/" + name
}

// readConfigured reads the files that the configuration names. One that is missing counts as such where a process names it, or its
// directory exists: else the configuration is another machine's.
func readConfigured(s *pki.Store, d *deploy.Deployment, root string) {
	for _, name := range []string{d.Client.CertFile, d.Client.ClientCertFile, d.Client.TrustedCAFile, d.Client.CRLFile,
		d.Peer.CertFile, d.Peer.ClientCertFile, d.Peer.TrustedCAFile, d.Peer.CRLFile} {
		if name == "" {
			continue
		}
		path := below(root, name)
		if _, err := os.Stat(filepath.Dir(path)); err != nil && root == "" {
			continue
		}
		if err := addCertificates(s, path, name); err != nil {
			s.Missing(name, "cannot be read: "+reason(err))
		}
	}
}

func orNil(s *pki.Store) *pki.Store {
	if skipped, _ := s.Skipped(); len(s.Certificates()) == 0 && len(skipped) == 0 {
		return nil
	}
	return s
}
