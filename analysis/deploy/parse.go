package deploy

import (
	"errors"
	"fmt"
	"strings"
)

// Parse reads a file whose kind it finds out itself. Its errors say what was expected and what was found.
func Parse(name string, data []byte) (*Deployment, error) {
	if len(data) > MaxBytes {
		return nil, tooLarge(len(data))
	}
	s := string(data)
	if strings.TrimSpace(s) == "" {
		return nil, errors.New("expected etcd's configuration, the file is empty")
	}
	if hasLine(s, "[Service]") {
		return ParseUnit(name, data, nil)
	}
	if pairs := environmentLines(s); len(pairs) > 0 && !strings.Contains(s, "containers:") {
		d := newDeployment(name, KindEnvironment)
		d.environment(pairs)
		return d, nil
	}
	root, err := document(data)
	if err != nil {
		return nil, err
	}
	if at(root, "spec") != nil || at(root, "kind") != nil {
		d := newDeployment(name, KindManifest)
		return d, d.manifest(root)
	}
	d := newDeployment(name, KindConfigFile)
	d.configFile(root)
	if len(d.ListenClient)+len(d.AdvertiseClient)+len(d.ListenPeer)+len(d.AdvertisePeer)+len(d.InitialCluster) == 0 && !d.Client.TLS() && !d.Peer.TLS() {
		return nil, errors.New("expected a static-pod manifest, an etcd configuration file, a systemd unit or ETCD_ variables; this YAML has none of etcd's settings")
	}
	return d, nil
}

// ParseUnit is Parse for a systemd unit whose EnvironmentFiles were read, as far as there are any: their contents, in the unit's order.
func ParseUnit(name string, data []byte, files [][]byte) (*Deployment, error) {
	total := len(data)
	for _, f := range files {
		total += len(f)
	}
	if total > MaxBytes {
		return nil, tooLarge(total)
	}
	d := newDeployment(name, KindUnit)
	return d, d.unit(string(data), files)
}

// ParseCommand reads the arguments of a process, the program's name first, and its environment; variables count where no flag is given.
func ParseCommand(source string, argv, env []string) (*Deployment, error) {
	total := 0
	for _, s := range argv {
		total += len(s)
	}
	for _, s := range env {
		total += len(s)
	}
	if total > MaxBytes {
		return nil, tooLarge(total)
	}
	args, ok := etcdArguments(argv)
	if !ok {
		return nil, fmt.Errorf("expected the command line of etcd, found %.40q", strings.Join(argv[:min(1, len(argv))], " "))
	}
	d := newDeployment(source, KindCommand)
	d.environment(env)
	d.arguments(args)
	return d, nil
}

func tooLarge(n int) error {
	return fmt.Errorf("expected at most %d bytes of configuration, found %d", MaxBytes, n)
}

// hasLine reports whether a line of s is want.
func hasLine(s, want string) bool {
	for line := range strings.Lines(s) {
		if strings.TrimSpace(line) == want {
			return true
		}
	}
	return false
}
