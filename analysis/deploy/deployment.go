// Package deploy reads what a deployment says of its etcd: kubeadm's static-pod manifest, etcd's own YAML configuration file, a
// systemd unit, a file of ETCD_ variables, or the command line of a running process.
//
// It gets names and bytes, does no I/O and judges nothing. Key files are known by name only. Every input may be hostile: sizes,
// depth and counts are bounded, and YAML with aliases is refused.
package deploy

import (
	"net/netip"
	"net/url"
	"strconv"
	"strings"
)

// Bounds of what is read. kubeadm's manifest has 3 KiB.
const (
	MaxBytes    = 1 << 20 // of one file
	maxDepth    = 64      // of nested YAML: a pod's deepest field is at ten or so
	maxNodes    = 1 << 16 // YAML nodes looked at
	maxURLs     = 64      // in one list: etcd listens on a handful
	maxMembers  = 64      // of initial-cluster; etcd advises seven at most
	maxUnknown  = 256     // flags kept that are not understood here; etcd has some 150
	maxValue    = 8 << 10 // bytes of one value: initial-cluster of 64 members has 4 KiB
	maxIncludes = 16      // EnvironmentFile= lines of a unit
)

// Kind is the form in which a deployment was written down.
type Kind uint8

const (
	KindManifest    Kind = iota // a pod's manifest, kubeadm's /etc/kubernetes/manifests/etcd.yaml
	KindConfigFile              // etcd's own, --config-file
	KindUnit                    // a systemd unit
	KindEnvironment             // a file of ETCD_ variables
	KindCommand                 // the arguments of a process
)

func (k Kind) String() string {
	return [...]string{"static-pod manifest", "etcd configuration file", "systemd unit", "environment file", "command line"}[k]
}

// Deployment is what one member of etcd is told to do. Fields that the configuration does not set have etcd's defaults where those
// do not depend on the machine, else their zero value.
type Deployment struct {
	Source string // the file's name, or the process
	Kind   Kind
	Name   string // --name; "default" is etcd's default

	ListenClient, AdvertiseClient []URL
	ListenClientHTTP              []URL // --listen-client-http-urls, 3.5.10 and later
	ListenPeer, AdvertisePeer     []URL
	ListenMetrics                 []URL
	InitialCluster                []Member

	Client, Peer   Transport
	TLSMin, TLSMax string   // "TLS1.2", "TLS1.3"; "" for the version's default
	CipherSuites   []string // "" entries are left out; none for Go's default

	EnableGRPCGateway bool    // default true; of a configuration file only since etcd 3.5
	GatewaySet        bool    // and not the default
	Version           Version // from the image's tag; zero when unknown

	ConfigFile       string   // --config-file or ETCD_CONFIG_FILE: etcd then ignores all other flags and variables
	EnvironmentFiles []string // a unit's, to be read and given to ParseUnit; without the leading -
	Unknown          []string // names of settings that are not understood here, sorted
}

// Transport is the TLS of the client or of the peer port.
type Transport struct {
	CertFile        string // --cert-file
	KeyFile         string // --key-file: the name only
	ClientCertFile  string // --client-cert-file: presented when etcd itself connects; "" means CertFile
	TrustedCAFile   string
	ClientCertAuth  bool
	AllowedCN       []string
	AllowedHostname []string
	CRLFile         string
	AutoTLS         bool
}

// TLS reports whether a certificate is configured or made.
func (t *Transport) TLS() bool { return t.CertFile != "" || t.AutoTLS }

// URL is an address that etcd listens on or announces.
type URL struct {
	Text   string // as it was written
	Scheme string // "https", "http", "unix", "unixs"; lower case
	Host   string // name or address, without brackets; "" when it is missing
	Port   uint16 // 0 when it is missing: etcd refuses that
}

// TLS reports whether the scheme is one with TLS.
func (u URL) TLS() bool { return u.Scheme == "https" || u.Scheme == "unixs" }

// Addr is the host as an address; ok is false when it is a name, or says any address.
func (u URL) Addr() (a netip.Addr, ok bool) {
	a, err := netip.ParseAddr(u.Host)
	if err != nil || a.IsUnspecified() {
		return netip.Addr{}, false
	}
	return a.Unmap().WithZone(""), true
}

// Member is an entry of initial-cluster.
type Member struct {
	Name string
	URL  URL
}

// Version is etcd's; the zero value is unknown.
type Version struct{ Major, Minor, Patch int }

// Known reports whether there is one.
func (v Version) Known() bool { return v.Major > 0 }

// AtLeast reports whether v is known and not older than the version given.
func (v Version) AtLeast(major, minor int) bool {
	return v.Major > major || v.Major == major && v.Minor >= minor
}

func (v Version) String() string {
	if !v.Known() {
		return "unknown"
	}
	return strconv.Itoa(v.Major) + "." + strconv.Itoa(v.Minor) + "." + strconv.Itoa(v.Patch)
}

func newDeployment(source string, k Kind) *Deployment {
	return &Deployment{Source: source, Kind: k, Name: "default", EnableGRPCGateway: true}
}

// Has reports whether this member announces or listens on an address; known is whether the configuration names any address but
// loopback at all.
func (d *Deployment) Has(addr netip.Addr) (has, known bool) {
	for _, list := range [...][]URL{d.AdvertiseClient, d.AdvertisePeer, d.ListenClient, d.ListenPeer, d.ListenMetrics, d.ListenClientHTTP} {
		for _, u := range list {
			a, ok := u.Addr()
			has = has || ok && a == addr
			known = known || ok && !a.IsLoopback()
		}
	}
	return has, known
}

// Ports are the port numbers of some URLs, without repetition, in order.
func Ports(lists ...[]URL) []uint16 {
	var out []uint16
	seen := map[uint16]bool{}
	for _, list := range lists {
		for _, u := range list {
			if u.Port != 0 && !seen[u.Port] {
				seen[u.Port] = true
				out = append(out, u.Port)
			}
		}
	}
	return out
}

// parseURL reads one URL leniently: etcd itself is strict, and what it refuses is still worth showing.
func parseURL(text string) URL {
	u := URL{Text: text}
	p, err := url.Parse(text)
	if err != nil {
		u.Scheme, _, _ = strings.Cut(strings.ToLower(text), "://")
		return u
	}
	u.Scheme, u.Host = strings.ToLower(p.Scheme), p.Hostname()
	if n, err := strconv.ParseUint(p.Port(), 10, 16); err == nil {
		u.Port = uint16(n)
	}
	return u
}

func parseURLs(value string) []URL {
	var out []URL
	for _, s := range split(value) {
		if len(out) < maxURLs {
			out = append(out, parseURL(s))
		}
	}
	return out
}

// parseMembers reads NAME=URL,NAME=URL; a member with several URLs has an entry for each.
func parseMembers(value string) []Member {
	var out []Member
	for _, s := range split(value) {
		if name, u, ok := strings.Cut(s, "="); ok && len(out) < maxMembers {
			out = append(out, Member{name, parseURL(u)})
		}
	}
	return out
}

// split is the elements of a list with commas, without blanks and empty ones.
func split(value string) []string {
	var out []string
	for s := range strings.SplitSeq(value, ",") {
		if s = strings.TrimSpace(s); s != "" {
			out = append(out, s)
		}
	}
	return out
}

// parseVersion reads the version out of an image's name: registry.k8s.io/etcd:3.5.15-0, quay.io/coreos/etcd:v3.6.1.
func parseVersion(image string) Version {
	image, _, _ = strings.Cut(image, "@")
	at := strings.LastIndexByte(image, ':')
	if at < 0 || strings.Contains(image[at:], "/") {
		return Version{}
	}
	tag, _, _ := strings.Cut(strings.TrimPrefix(image[at+1:], "v"), "-")
	var n [3]int
	for i, s := range strings.SplitN(tag, ".", 3) {
		v, err := strconv.ParseUint(s, 10, 16)
		if err != nil {
			return Version{}
		}
		n[i] = int(v)
	}
	return Version{n[0], n[1], n[2]}
}
