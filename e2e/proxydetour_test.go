package e2e

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/etcdtap/etcdtap/e2e/lab"
)

// strayAddress is where a proxy listens that no certificate names.
const strayAddress = "127.0.0.7"

// proxyDetour: clients check etcd's certificate against the proxy's address, and the report says that and how to go on.
func proxyDetour(t *testing.T, s *site) {
	p := proxying(t, fmt.Sprintf("--map=%s:0=127.0.0.1:%d,role=client", strayAddress, s.etcd.Ports.Client), "-o", "json")
	to := p.at[0]
	roots := x509.NewCertPool()
	pem, err := os.ReadFile(filepath.Join(s.pki, "ca.crt"))
	if err != nil || !roots.AppendCertsFromPEM(pem) {
		t.Fatalf("ca.crt: %v", err)
	}
	for _, tt := range []struct {
		version    uint16
		code, says string
	}{
		{tls.VersionTLS12, "server-name-mismatch", "for the address " + strayAddress + " of the proxy"},
		{tls.VersionTLS13, "server-cert-refused", "not valid for the proxy's address " + strayAddress},
	} {
		name := tls.VersionName(tt.version)
		if c, err := tls.Dial("tcp", to, &tls.Config{RootCAs: roots, MaxVersion: tt.version}); err == nil {
			c.Close()
			t.Errorf("%s: the certificate is valid for %s: nothing is tested", name, strayAddress)
		}
		p.expectReport(t, name, func(c *watched) bool {
			return slices.ContainsFunc(c.Findings, func(f finding) bool {
				return f.Code == tt.code && strings.Contains(f.Meaning, tt.says) && strings.Contains(strings.Join(f.Fix, "\n"), to)
			})
		})
	}
	// what is advised helps
	s.through(t, "localhost", "curl -sS --connect-to ::"+to+" $WITH https://$TO/health")
	s.through(t, to, "grpcurl $GRPC -servername localhost $TO list 2>&1 | grep 'reflection API'")
	p.end(t)
}

// proxyEtcdUnix: the upstream is a unix socket that etcd itself listens on, with TLS by unixs:// and without by unix://.
func proxyEtcdUnix(t *testing.T, s *site) {
	for _, program := range []lab.Program{lab.Etcd35, lab.Etcd37} {
		for _, scheme := range []string{"unixs", "unix"} {
			t.Run(string(program)+" "+scheme, func(t *testing.T) {
				socket := s.startOnSocket(t, program, scheme)
				p := proxying(t, "--map=127.0.0.1:0=unix:"+socket+",role=client", "-o", "json")
				first, protocol := "", "tls" // $ETCDCTL_ENDPOINTS has https
				if scheme == "unix" {
					first, protocol = "unset ETCDCTL_CACERT ETCDCTL_CERT ETCDCTL_KEY; export ETCDCTL_ENDPOINTS=http://$TO; ", "http2"
				}
				if got := s.through(t, p.at[0], first+"etcdctl put by "+scheme+" && etcdctl get by --print-value-only"); !strings.HasSuffix(got, scheme+"\n") {
					t.Errorf("got %q", got)
				}
				c := p.expectReport(t, scheme, func(c *watched) bool { return c.Bytes.Server > 0 })
				if c.Endpoint != "client" || c.Protocol != protocol || c.Outgoing != nil || scheme == "unixs" && (c.Outcome != "established" || hasErrors(c.Findings)) {
					t.Errorf("%+v", c)
				}
				p.end(t)
			})
		}
	}
}

// startOnSocket starts an etcd whose clients come by a unix socket, and waits until it listens. Etcd takes what follows the scheme for the
// name of a file in its working directory.
func (s *site) startOnSocket(t *testing.T, program lab.Program, scheme string) (socket string) {
	t.Helper()
	const name = "localhost:1"
	dir, peer := t.TempDir(), "http://"+freeAddress(t)
	cmd := exec.Command(filepath.Join(s.lab.Bin, string(program)), "--name=cp-1", "--data-dir="+filepath.Join(dir, "data"), "--logger=zap",
		"--listen-client-urls="+scheme+"://"+name, "--advertise-client-urls="+scheme+"://"+name, "--unsafe-no-fsync",
		"--listen-peer-urls="+peer, "--initial-advertise-peer-urls="+peer, "--initial-cluster=cp-1="+peer,
		"--cert-file="+s.pki+"/server.crt", "--key-file="+s.pki+"/server.key", "--trusted-ca-file="+s.pki+"/ca.crt", "--client-cert-auth")
	cmd.Dir = dir
	etcd := starting(t, cmd)
	eventually(t, "etcd does not serve", func() bool {
		select {
		case <-etcd.ended:
			t.Fatalf("etcd ended: %.2000s", etcd.stderr.String())
		default:
		}
		return strings.Contains(etcd.stderr.String(), "serving client traffic")
	})
	return filepath.Join(dir, name)
}
