package deploy

import (
	"slices"
	"strings"
)

// set takes a setting by the name of its flag (etcd's server/etcdmain/config.go and help.go), whatever form it came in. Names that
// are not known here are kept in Unknown.
func (d *Deployment) set(name, value string) {
	if len(value) > maxValue {
		d.unknown(name)
		return
	}
	if peer, ok := strings.CutPrefix(name, "peer-"); ok && d.Peer.set(peer, value) {
		return
	}
	if d.Client.set(name, value) {
		return
	}
	switch name {
	case "name":
		d.Name = value
	case "listen-client-urls":
		d.ListenClient = parseURLs(value)
	case "advertise-client-urls":
		d.AdvertiseClient = parseURLs(value)
	case "listen-client-http-urls":
		d.ListenClientHTTP = parseURLs(value)
	case "listen-peer-urls":
		d.ListenPeer = parseURLs(value)
	case "initial-advertise-peer-urls":
		d.AdvertisePeer = parseURLs(value)
	case "listen-metrics-urls":
		d.ListenMetrics = parseURLs(value)
	case "initial-cluster":
		d.InitialCluster = parseMembers(value)
	case "tls-min-version":
		d.TLSMin = value
	case "tls-max-version":
		d.TLSMax = value
	case "cipher-suites":
		d.CipherSuites = split(value)
	case "enable-grpc-gateway":
		d.EnableGRPCGateway, d.GatewaySet = isTrue(value), true
	case "config-file":
		d.ConfigFile = value
	default:
		d.unknown(name)
	}
}

// set takes a setting of one of the two ports; it is false when there is no such one. The file's names (embed/config.go,
// securityConfig) differ from the flags' in places: both are taken.
func (t *Transport) set(name, value string) bool {
	switch name {
	case "cert-file":
		t.CertFile = value
	case "key-file":
		t.KeyFile = value
	case "client-cert-file":
		t.ClientCertFile = value
	case "client-key-file":
	case "trusted-ca-file", "ca-file":
		t.TrustedCAFile = value
	case "client-cert-auth":
		t.ClientCertAuth = isTrue(value)
	case "auto-tls":
		t.AutoTLS = isTrue(value)
	case "client-crl-file", "crl-file":
		t.CRLFile = value
	case "cert-allowed-cn", "client-cert-allowed-cn", "allowed-cn", "allowed-cns":
		t.AllowedCN = split(value)
	case "cert-allowed-hostname", "client-cert-allowed-hostname", "allowed-hostname", "allowed-hostnames":
		t.AllowedHostname = split(value)
	default:
		return false
	}
	return true
}

func (d *Deployment) unknown(name string) {
	i, found := slices.BinarySearch(d.Unknown, name)
	if !found && name != "" && len(name) <= 128 && len(d.Unknown) < maxUnknown {
		d.Unknown = slices.Insert(d.Unknown, i, name)
	}
}

// isTrue reads a boolean as Go's flag package and YAML do.
func isTrue(value string) bool {
	switch strings.ToLower(value) {
	case "1", "t", "true", "yes", "on":
		return true
	}
	return false
}

// variable turns ETCD_LISTEN_CLIENT_URLS into listen-client-urls (etcd's pkg/flags/flag.go, FlagToEnv).
func variable(name string) (flag string, ok bool) {
	flag, ok = strings.CutPrefix(name, "ETCD_")
	return strings.ReplaceAll(strings.ToLower(flag), "_", "-"), ok && flag != ""
}

// booleans are the flags of those that matter here that may stand without a value.
var booleans = [...]string{"client-cert-auth", "peer-client-cert-auth", "auto-tls", "peer-auto-tls", "enable-grpc-gateway"}

// arguments takes a command line after the program's name, as Go's flag package reads it: one dash or two, the value after = or as
// the next word.
func (d *Deployment) arguments(args []string) {
	for len(args) > 0 {
		word := args[0]
		args = args[1:]
		if len(word) < 2 || word[0] != '-' {
			continue // sub-commands and stray words; etcd itself stops there
		}
		name, value, given := strings.Cut(strings.TrimLeft(word, "-"), "=")
		if !given {
			switch {
			case slices.Contains(booleans[:], name):
				value = "true"
			case len(args) > 0 && !strings.HasPrefix(args[0], "-"):
				value, args = args[0], args[1:]
			default:
				value = "true"
			}
		}
		d.set(name, value)
	}
}

// environment takes NAME=VALUE pairs; settings that are no flags of etcd's pass.
func (d *Deployment) environment(pairs []string) {
	for _, kv := range pairs {
		name, value, _ := strings.Cut(kv, "=")
		if flag, ok := variable(name); ok {
			d.set(flag, value)
		}
	}
}
