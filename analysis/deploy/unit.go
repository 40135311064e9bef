package deploy

import (
	"errors"
	"strings"
)

// unit reads a systemd unit: ExecStart=, Environment= and the names of EnvironmentFile= (systemd.exec(5), systemd.service(5)).
func (d *Deployment) unit(data string) error {
	var start []string
	var env []string
	for line := range strings.Lines(strings.ReplaceAll(strings.ReplaceAll(data, "\r\n", "\n"), "\\\n", " ")) {
		key, value, ok := strings.Cut(strings.TrimSpace(line), "=")
		if !ok || strings.HasPrefix(key, "#") || strings.HasPrefix(key, ";") {
			continue
		}
		value = strings.TrimSpace(value)
		switch strings.TrimSpace(key) {
		case "ExecStart":
			if args, found := etcdArguments(shellWords(strings.TrimLeft(value, "@-:+!"))); found {
				start = args
			}
		case "Environment":
			env = append(env, shellWords(value)...)
		case "EnvironmentFile":
			if name := strings.TrimPrefix(strings.Trim(value, `"`), "-"); name != "" && len(d.EnvironmentFiles) < maxIncludes {
				d.EnvironmentFiles = append(d.EnvironmentFiles, name)
			}
		}
	}
	if start == nil && len(env) == 0 && len(d.EnvironmentFiles) == 0 {
		return errors.New("expected a unit whose ExecStart= runs etcd, found none")
	}
	d.environment(env)
	for i := range start {
		start[i] = expand(start[i], env)
	}
	d.arguments(start)
	return nil
}

// AddEnvironment takes a file of NAME=VALUE lines, as EnvironmentFile= names them. What the command line says stays.
func (d *Deployment) AddEnvironment(data []byte) error {
	if len(data) > MaxBytes {
		return tooLarge(len(data))
	}
	merged := newDeployment(d.Source, d.Kind)
	pairs := environmentLines(string(data))
	if len(pairs) == 0 {
		return errors.New("expected ETCD_NAME=VALUE lines, found none")
	}
	merged.environment(pairs)
	d.fill(merged)
	return nil
}

// environmentLines are the ETCD_ variables of a file, export and quotes taken away.
func environmentLines(data string) []string {
	var out []string
	for line := range strings.Lines(data) {
		name, value, ok := strings.Cut(strings.TrimPrefix(strings.TrimSpace(line), "export "), "=")
		if !ok || !strings.HasPrefix(name, "ETCD_") {
			continue
		}
		if fields := shellWords(value); len(fields) > 0 {
			value = fields[0]
		}
		out = append(out, name+"="+value)
	}
	return out
}

// fill takes from o what d has not set.
func (d *Deployment) fill(o *Deployment) {
	if d.Name == "default" {
		d.Name = o.Name
	}
	for _, p := range [...]struct{ to, from *[]URL }{
		{&d.ListenClient, &o.ListenClient}, {&d.AdvertiseClient, &o.AdvertiseClient}, {&d.ListenClientHTTP, &o.ListenClientHTTP},
		{&d.ListenPeer, &o.ListenPeer}, {&d.AdvertisePeer, &o.AdvertisePeer}, {&d.ListenMetrics, &o.ListenMetrics},
	} {
		if *p.to == nil {
			*p.to = *p.from
		}
	}
	if d.InitialCluster == nil {
		d.InitialCluster = o.InitialCluster
	}
	if d.CipherSuites == nil {
		d.CipherSuites = o.CipherSuites
	}
	fillText(&d.TLSMin, o.TLSMin)
	fillText(&d.TLSMax, o.TLSMax)
	fillText(&d.ConfigFile, o.ConfigFile)
	d.EnableGRPCGateway = d.EnableGRPCGateway && o.EnableGRPCGateway
	d.Client.fill(&o.Client)
	d.Peer.fill(&o.Peer)
	for _, name := range o.Unknown {
		d.unknown(name)
	}
}

func (t *Transport) fill(o *Transport) {
	fillText(&t.CertFile, o.CertFile)
	fillText(&t.KeyFile, o.KeyFile)
	fillText(&t.ClientCertFile, o.ClientCertFile)
	fillText(&t.TrustedCAFile, o.TrustedCAFile)
	fillText(&t.CRLFile, o.CRLFile)
	t.ClientCertAuth = t.ClientCertAuth || o.ClientCertAuth
	t.AutoTLS = t.AutoTLS || o.AutoTLS
	if t.AllowedCN == nil {
		t.AllowedCN = o.AllowedCN
	}
	if t.AllowedHostname == nil {
		t.AllowedHostname = o.AllowedHostname
	}
}

func fillText(to *string, from string) {
	if *to == "" {
		*to = from
	}
}
