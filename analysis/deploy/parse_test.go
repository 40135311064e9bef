package deploy

import (
	"net/netip"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const kubeadm = `apiVersion: v1
kind: Pod
metadata:
  annotations:
    kubeadm.kubernetes.io/etcd.advertise-client-urls: https://10.0.0.1:2379
  name: etcd
  namespace: kube-system
spec:
  containers:
  - command:
    - etcd
    - --advertise-client-urls=https://10.0.0.1:2379
    - --cert-file=/etc/kubernetes/pki/etcd/server.crt
    - --client-cert-auth=true
    - --data-dir=/var/lib/etcd
    - --initial-advertise-peer-urls=https://10.0.0.1:2380
    - --initial-cluster=cp-1=https://10.0.0.1:2380,cp-2=https://10.0.0.2:2380
    - --key-file=/etc/kubernetes/pki/etcd/server.key
    - --listen-client-urls=https://127.0.0.1:2379,https://10.0.0.1:2379
    - --listen-metrics-urls=http://127.0.0.1:2381
    - --listen-peer-urls=https://10.0.0.1:2380
    - --name=cp-1
    - --peer-cert-file=/etc/kubernetes/pki/etcd/peer.crt
    - --peer-client-cert-auth=true
    - --peer-key-file=/etc/kubernetes/pki/etcd/peer.key
    - --peer-trusted-ca-file=/etc/kubernetes/pki/etcd/ca.crt
    - --snapshot-count=10000
    - --trusted-ca-file=/etc/kubernetes/pki/etcd/ca.crt
    image: registry.k8s.io/etcd:3.5.15-0
    name: etcd
  hostNetwork: true
status: {}
`

func u(text, scheme, host string, port uint16) URL { return URL{text, scheme, host, port} }

// cp1 is what kubeadm's manifest says; the other forms below say the same.
func cp1(source string, k Kind) *Deployment {
	const dir = "/etc/kubernetes/pki/etcd/"
	return &Deployment{
		Source: source, Kind: k, Name: "cp-1",
		ListenClient:    []URL{u("https://127.0.0.1:2379", "https", "127.0.0.1", 2379), u("https://10.0.0.1:2379", "https", "10.0.0.1", 2379)},
		AdvertiseClient: []URL{u("https://10.0.0.1:2379", "https", "10.0.0.1", 2379)},
		ListenPeer:      []URL{u("https://10.0.0.1:2380", "https", "10.0.0.1", 2380)},
		AdvertisePeer:   []URL{u("https://10.0.0.1:2380", "https", "10.0.0.1", 2380)},
		ListenMetrics:   []URL{u("http://127.0.0.1:2381", "http", "127.0.0.1", 2381)},
		InitialCluster: []Member{{"cp-1", u("https://10.0.0.1:2380", "https", "10.0.0.1", 2380)},
			{"cp-2", u("https://10.0.0.2:2380", "https", "10.0.0.2", 2380)}},
		Client:            Transport{CertFile: dir + "server.crt", KeyFile: dir + "server.key", TrustedCAFile: dir + "ca.crt", ClientCertAuth: true},
		Peer:              Transport{CertFile: dir + "peer.crt", KeyFile: dir + "peer.key", TrustedCAFile: dir + "ca.crt", ClientCertAuth: true},
		EnableGRPCGateway: true,
	}
}

const configFile = `name: cp-1
data-dir: /var/lib/etcd
snapshot-count: 10000
listen-client-urls: https://127.0.0.1:2379,https://10.0.0.1:2379
advertise-client-urls: https://10.0.0.1:2379
listen-peer-urls: https://10.0.0.1:2380
initial-advertise-peer-urls: https://10.0.0.1:2380
listen-metrics-urls: http://127.0.0.1:2381
initial-cluster: cp-1=https://10.0.0.1:2380,cp-2=https://10.0.0.2:2380
client-transport-security:
  cert-file: /etc/kubernetes/pki/etcd/server.crt
  key-file: /etc/kubernetes/pki/etcd/server.key
  client-cert-auth: true
  trusted-ca-file: /etc/kubernetes/pki/etcd/ca.crt
peer-transport-security:
  cert-file: /etc/kubernetes/pki/etcd/peer.crt
  key-file: /etc/kubernetes/pki/etcd/peer.key
  client-cert-auth: true
  trusted-ca-file: /etc/kubernetes/pki/etcd/ca.crt
`

// variables is the environment file of the same member.
func variables() string {
	var b strings.Builder
	for line := range strings.Lines(kubeadm) {
		if arg, ok := strings.CutPrefix(strings.TrimSpace(line), "- --"); ok {
			name, value, _ := strings.Cut(arg, "=")
			b.WriteString("export ETCD_" + strings.ToUpper(strings.ReplaceAll(name, "-", "_")) + `="` + value + "\"\n")
		}
	}
	return b.String()
}

func flags() []string {
	var out []string
	for line := range strings.Lines(kubeadm) {
		if arg, ok := strings.CutPrefix(strings.TrimSpace(line), "- --"); ok {
			out = append(out, "--"+arg)
		}
	}
	return out
}

// TestForms: every form in which kubeadm's settings can be written says the same.
func TestForms(t *testing.T) {
	script := "apiVersion: v1\nkind: Pod\nspec:\n  containers:\n  - name: helper\n    command: [sh]\n  - name: etcd\n    image: quay.io/x/etcd@sha256:ab\n    env:\n    - {name: IP, value: 10.0.0.1}\n    command:\n    - /bin/sh\n    - -c\n    - |\n      set -e\n      exec etcd \\\n        " +
		strings.ReplaceAll(strings.Join(flags(), " \\\n        "), "10.0.0.1", "${IP}") + "\n"
	unit := "[Unit]\nDescription=etcd\n[Service]\nType=notify\nEnvironment=IP=10.0.0.1 ETCD_NAME=other\nExecStart=-/usr/bin/etcd \\\n  " +
		strings.ReplaceAll(strings.Join(flags(), " \\\n  "), "10.0.0.1", "${IP}") + "\n"
	for _, tt := range []struct {
		name, data string
		kind       Kind
		change     func(*Deployment)
	}{
		{"kubeadm", kubeadm, KindManifest, func(d *Deployment) { d.Version = Version{3, 5, 15} }},
		{"config file", configFile, KindConfigFile, nil},
		{"environment", variables(), KindEnvironment, nil},
		{"script", script, KindManifest, nil},
		{"unit", unit, KindUnit, nil},
		{"json", `{"kind":"Pod","spec":{"containers":[{"command":["etcd","` + strings.Join(flags(), `","`) + `"]}]}}`, KindManifest, nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			want := cp1("f", tt.kind)
			want.Unknown = []string{"data-dir", "snapshot-count"}
			if tt.change != nil {
				tt.change(want)
			}
			got, err := Parse("f", []byte(tt.data))
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
		})
	}
}

func TestParseCommand(t *testing.T) {
	got, err := ParseCommand("process 7", append([]string{"/usr/local/bin/etcd"}, flags()...), []string{"ETCD_NAME=other", "PATH=/bin"})
	if err != nil {
		t.Fatal(err)
	}
	want := cp1("process 7", KindCommand)
	want.Unknown = []string{"data-dir", "snapshot-count"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	got, err = ParseCommand("p", []string{"etcd", "--client-cert-auth", "-name", "a", "--cert-file", "x.crt", "--peer-auto-tls", "--enable-grpc-gateway=false",
		"--peer-cert-allowed-cn=a,b", "--client-cert-allowed-hostname", "h", "--client-crl-file=c", "--tls-min-version=TLS1.3", "--cipher-suites=A,B"}, nil)
	if err != nil {
		t.Fatal(err)
	}
	want = &Deployment{Source: "p", Kind: KindCommand, Name: "a", GatewaySet: true,
		Client: Transport{CertFile: "x.crt", ClientCertAuth: true, AllowedHostname: []string{"h"}, CRLFile: "c"},
		Peer:   Transport{AutoTLS: true, AllowedCN: []string{"a", "b"}}, TLSMin: "TLS1.3", CipherSuites: []string{"A", "B"}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	if _, err := ParseCommand("p", []string{"nginx", "-g"}, nil); err == nil || !strings.Contains(err.Error(), "expected the command line of etcd") {
		t.Errorf("another process: %v", err)
	}
}

func TestEnvironmentFileOfUnit(t *testing.T) {
	d, err := Parse("etcd.service", []byte("[Service]\nEnvironmentFile=-/etc/etcd/etcd.conf\nExecStart=/usr/bin/etcd --name=a\n"))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"/etc/etcd/etcd.conf"}, d.EnvironmentFiles); diff != "" {
		t.Error(diff)
	}
	if d, err = ParseUnit("etcd.service", []byte("[Service]\nEnvironmentFile=-/etc/etcd/etcd.conf\nExecStart=/usr/bin/etcd --name=a\n"), [][]byte{[]byte(variables())}); err != nil {
		t.Fatal(err)
	}
	want := cp1("etcd.service", KindUnit)
	want.Name, want.EnvironmentFiles, want.Unknown = "a", d.EnvironmentFiles, []string{"data-dir", "snapshot-count"}
	if diff := cmp.Diff(want, d); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

// TestVariablesOfUnits: files of variables count more than the unit's own variables, later ones more than earlier ones, and the command
// line, which may name variables of either, more than all.
func TestVariablesOfUnits(t *testing.T) {
	const centOS = "[Service]\nEnvironmentFile=-/etc/etcd/etcd.conf\n" +
		`ExecStart=/bin/bash -c "GOMAXPROCS=$(nproc) /usr/bin/etcd --name=\"${ETCD_NAME}\" --listen-client-urls=\"${ETCD_LISTEN_CLIENT_URLS}\""` + "\n"
	const debian = "[Service]\nEnvironment=DAEMON_ARGS=\nEnvironment=ETCD_NAME=%H\nEnvironmentFile=-/etc/default/%p\nEnvironmentFile=-/run/%n.env\nExecStart=/usr/bin/etcd $DAEMON_ARGS\n"
	for _, tt := range []struct {
		name, unit string
		files      []string
		want       Deployment
	}{
		{"CentOS", centOS, []string{"ETCD_NAME=cp-1\nETCD_LISTEN_CLIENT_URLS=\"https://10.0.0.1:2379\"\n"},
			Deployment{Name: "cp-1", ListenClient: []URL{u("https://10.0.0.1:2379", "https", "10.0.0.1", 2379)}, EnvironmentFiles: []string{"/etc/etcd/etcd.conf"}}},
		{"Debian", debian, []string{"ETCD_NAME=cp-1\nETCD_CERT_FILE=a.crt\n", "ETCD_CERT_FILE=b.crt\nETCD_CLIENT_CERT_AUTH=true\n"},
			Deployment{Name: "cp-1", Client: Transport{CertFile: "b.crt", ClientCertAuth: true}, EnvironmentFiles: []string{"/etc/default/etcd", "/run/etcd.service.env"}}},
		{"last of several on the command line", "[Service]\nEnvironment=ETCD_NAME=a\nEnvironmentFile=/x\nExecStart=/usr/bin/etcd --name ${ETCD_NAME}\n", []string{"ETCD_NAME=c\n"},
			Deployment{Name: "c", EnvironmentFiles: []string{"/x"}}},
		{"last word", "[Service]\nEnvironment=ETCD_CLIENT_CERT_AUTH=true ETCD_NAME=a\nEnvironmentFile=/x\nExecStart=/usr/bin/etcd --name b\n", []string{"ETCD_CLIENT_CERT_AUTH=false\nETCD_NAME=c\n"},
			Deployment{Name: "b", EnvironmentFiles: []string{"/x"}}},
	} {
		var files [][]byte
		for _, f := range tt.files {
			files = append(files, []byte(f))
		}
		got, err := ParseUnit("/lib/systemd/system/etcd.service", []byte(tt.unit), files)
		if err != nil {
			t.Fatal(err)
		}
		tt.want.Source, tt.want.Kind, tt.want.EnableGRPCGateway = "/lib/systemd/system/etcd.service", KindUnit, true
		if diff := cmp.Diff(&tt.want, got); diff != "" {
			t.Errorf("%s: -want +got:\n%s", tt.name, diff)
		}
	}
}

func TestRefused(t *testing.T) {
	for _, tt := range []struct{ name, data, want string }{
		{"empty", " \n", "the file is empty"},
		{"too large", strings.Repeat("#", MaxBytes+1), "expected at most"},
		{"aliases", "a: &a [x,x]\nb: [*a,*a]\n", "anchor or alias"},
		{"brackets", "a: " + strings.Repeat("[", MaxBytes-3), "more brackets"},
		{"deep", deep(200), "levels"},
		{"a list", "- a\n- b\n", "mapping"},
		{"no YAML", "a: b: c\n", "expected YAML"},
		{"another pod", "kind: Pod\nspec:\n  containers:\n  - command: [nginx]\n", "whose command is etcd"},
		{"no pod", "kind: Service\nspec: {}\n", "spec.containers"},
		{"other settings", "a: b\n", "none of etcd's settings"},
		{"another unit", "[Service]\nExecStart=/usr/bin/nginx\n", "ExecStart= runs etcd"},
		{"many", "a: [" + strings.Repeat("1,", maxNodes) + "]\n", "YAML values"},
	} {
		_, err := Parse("f", []byte(tt.data))
		if err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: %v, want %q", tt.name, err, tt.want)
		}
	}
}

func deep(n int) string {
	var b strings.Builder
	for i := range n {
		b.WriteString(strings.Repeat(" ", i) + "a:\n")
	}
	return b.String()
}

// TestExpansionIsBounded: variables that multiply a value stop at its bound.
func TestExpansionIsBounded(t *testing.T) {
	env := []string{"A=" + strings.Repeat("$(B)", 1000), "B=" + strings.Repeat("x", 1000)}
	if got := expand(strings.Repeat("$(A)", 1000), env); len(got) > maxValue {
		t.Errorf("%d bytes", len(got))
	}
}

func TestVersions(t *testing.T) {
	for image, want := range map[string]Version{
		"registry.k8s.io/etcd:3.5.15-0":        {3, 5, 15},
		"quay.io/coreos/etcd:v3.6.1":           {3, 6, 1},
		"quay.io/coreos/etcd:v3.6.1@sha256:ab": {3, 6, 1},
		"localhost:5000/etcd":                  {},
		"etcd:latest":                          {},
		"etcd":                                 {},
	} {
		if got := parseVersion(image); got != want {
			t.Errorf("%s: %v, want %v", image, got, want)
		}
	}
}

func TestAddressesAndPorts(t *testing.T) {
	d := cp1("f", KindManifest)
	for addr, want := range map[string]bool{"10.0.0.1": true, "127.0.0.1": true, "10.0.0.2": false} {
		if has, known := d.Has(netip.MustParseAddr(addr)); has != want || !known {
			t.Errorf("%s: %v, %v", addr, has, known)
		}
	}
	if has, known := (&Deployment{ListenClient: []URL{u("https://0.0.0.0:2379", "https", "0.0.0.0", 2379)}}).Has(netip.IPv4Unspecified()); has || known {
		t.Errorf("any address: %v, %v", has, known)
	}
	if diff := cmp.Diff([]uint16{2379}, Ports(d.ListenClient, d.AdvertiseClient)); diff != "" {
		t.Error(diff)
	}
	for text, want := range map[string]URL{
		"https://[::1]:2379":   u("https://[::1]:2379", "https", "::1", 2379),
		"http://0.0.0.0:1":     u("http://0.0.0.0:1", "http", "0.0.0.0", 1),
		"https://${IP}:2379":   u("https://${IP}:2379", "https", "", 0),
		"unixs://etcd.sock:10": u("unixs://etcd.sock:10", "unixs", "etcd.sock", 10),
	} {
		got := parseURL(text)
		if text == "https://${IP}:2379" { // whichever way net/url takes it
			got.Host, got.Port = "", 0
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Error(diff)
		}
		if _, ok := got.Addr(); ok != (text == "https://[::1]:2379") {
			t.Errorf("%s: an address: %v", text, ok)
		}
	}
}

// checkBounds holds a deployment to what the package promises.
func checkBounds(t *testing.T, d *Deployment) {
	if len(d.Unknown) > maxUnknown || len(d.InitialCluster) > maxMembers || len(d.ListenClient) > maxURLs || len(d.EnvironmentFiles) > maxIncludes {
		t.Errorf("beyond a bound: %d, %d, %d, %d", len(d.Unknown), len(d.InitialCluster), len(d.ListenClient), len(d.EnvironmentFiles))
	}
	d.Has(netip.IPv6Loopback())
}

func FuzzManifest(f *testing.F) {
	f.Add([]byte(kubeadm))
	f.Add([]byte(configFile))
	f.Add([]byte("a: &a [x]\nb: *a\n"))
	f.Add([]byte(deep(70)))
	f.Fuzz(func(t *testing.T, data []byte) {
		if d, err := Parse("f", data); err == nil {
			checkBounds(t, d)
		} else if err.Error() == "" {
			t.Error("an error without a text")
		}
	})
}

func FuzzUnit(f *testing.F) {
	f.Add("[Service]\nEnvironment=\"A=b c\"\nExecStart=/usr/bin/etcd --name=$(A) \\\n --cert-file 'x y'\n")
	f.Add("[Service]\nEnvironmentFile=-/x\n")
	f.Add(variables())
	f.Fuzz(func(t *testing.T, data string) {
		if d, err := Parse("f", []byte(data)); err == nil {
			checkBounds(t, d)
			if d, err = ParseUnit("f", []byte(data), [][]byte{[]byte(data)}); err == nil {
				checkBounds(t, d)
			}
		}
		if d, err := ParseCommand("f", shellWords(data), nil); err == nil {
			checkBounds(t, d)
		}
	})
}
