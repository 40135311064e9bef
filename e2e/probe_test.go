package e2e

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/etcdtap/etcdtap/e2e/lab"
	"github.com/etcdtap/etcdtap/e2e/pki"
	"github.com/etcdtap/etcdtap/e2e/scenario"
)

// probed is what the tests read of etcdtap's probe objects.
type probed struct {
	Result string `json:"result"`
	TLS    *struct {
		Version            string `json:"version"`
		CertificateRequest struct {
			Visibility  string   `json:"visibility"`
			Authorities []string `json:"authorities"`
		} `json:"certificate_request"`
	} `json:"tls"`
	ClientCertificate struct {
		Demanded *bool `json:"demanded"`
		Accepted *bool `json:"accepted"`
	} `json:"client_certificate"`
	Verification struct {
		Problems []struct {
			Kind string `json:"kind"`
		} `json:"problems"`
	} `json:"verification"`
	Attempts []struct {
		Alert *struct {
			Name string `json:"name"`
		} `json:"alert"`
	} `json:"attempts"`
	Requests []struct {
		Status     int    `json:"status"`
		EtcdServer string `json:"etcdserver"`
	} `json:"requests"`
	Expected *struct {
		Same bool `json:"same"`
	} `json:"expected"`
	Findings []finding `json:"findings"`
}

// runProbe runs `etcdtap probe` and returns its line and exit status.
func runProbe(t *testing.T, args ...string) (p probed, status int) {
	t.Helper()
	cmd := exec.Command(os.Getenv(etcdtapVariable), append([]string{"probe", "-o", "json"}, args...)...)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		status = exit.ExitCode()
	} else if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(out, &p); err != nil {
		t.Fatalf("%v: status %d, no JSON: %v\n%s%s", args, status, err, out, stderr.Bytes())
	}
	return p, status
}

// TestProbe asks real etcds that refuse TLS 1.3's way (3.7) and TLS 1.2's (3.5.7), on both ports.
func TestProbe(t *testing.T) {
	if reason := os.Getenv(noLiveVariable); reason != "" {
		t.Skipf("SKIPPED, no live etcd is probed: %s", reason)
	}
	module, err := filepath.Abs(".")
	if err != nil {
		t.Fatal(err)
	}
	for _, program := range []lab.Program{lab.Etcd35, lab.Etcd37} {
		t.Run(string(program), func(t *testing.T) {
			l, err := lab.New(module, t.TempDir())
			if err != nil {
				t.Fatal(err)
			}
			certificates := filepath.Join(l.Work, "pki")
			if err := pki.Write(certificates, time.Now()); err != nil {
				t.Fatal(err)
			}
			etcd, err := l.Start(t.Context(), scenario.Secure.Member(program, certificates))
			if err != nil {
				t.Fatal(err)
			}
			defer etcd.Stop()
			probeSecure(t, etcd, certificates)
		})
	}
}

// probeAnswer is what a probe has to say.
type probeAnswer struct {
	Version  string
	Demanded bool
	Accepted string // "true", "false", or "null" when none was presented
	Alert    string // of the first handshake
	Code     string // of the first finding
}

// probeSecure probes an etcd with kubeadm's certificates.
func probeSecure(t *testing.T, etcd *lab.Etcd, certificates string) {
	version, missing := "TLSv1.3", "certificate_required"
	if etcd.Program == lab.Etcd35 { // 3.5.0 to 3.5.7 speak TLS 1.2 at most
		version, missing = "TLSv1.2", "handshake_failure"
	}
	ports := map[string]uint16{"client": etcd.Ports.Client, "peer": etcd.Ports.Peer}
	for _, tt := range []struct {
		port, pair string
		want       probeAnswer
	}{
		{"client", "healthcheck-client", probeAnswer{version, true, "true", "", ""}},
		{"client", "", probeAnswer{version, true, "null", missing, "client-cert-missing"}},
		{"client", "bad/other-client", probeAnswer{version, true, "false", "unknown_ca", "client-cert-untrusted"}},
		{"client", "bad/expired-client", probeAnswer{version, true, "false", "certificate_expired", "client-cert-expired"}},
		{"client", "bad/server-auth-client", probeAnswer{version, true, "false", "bad_certificate", "client-cert-key-usage"}},
		{"client", "bad/no-intermediate-client", probeAnswer{version, true, "false", "unknown_ca", "client-cert-untrusted"}},
		{"peer", "peer", probeAnswer{version, true, "true", "", ""}},
		{"peer", "", probeAnswer{version, true, "null", missing, "client-cert-missing"}},
		{"peer", "bad/other-client", probeAnswer{version, true, "false", "unknown_ca", "client-cert-untrusted"}},
		{"peer", "bad/elsewhere-peer", probeAnswer{version, true, "true", "", "peer-san-mismatch"}},
	} {
		t.Run(tt.port+" "+tt.pair, func(t *testing.T) {
			p, _ := runProbe(t, probeArguments(etcd, certificates, tt.pair, ports[tt.port])...)
			if p.TLS == nil {
				t.Fatalf("no TLS: %+v", p)
			}
			got := probeAnswer{Version: p.TLS.Version, Demanded: p.ClientCertificate.Demanded != nil && *p.ClientCertificate.Demanded, Accepted: "null"}
			if a := p.ClientCertificate.Accepted; a != nil {
				got.Accepted = fmt.Sprint(*a)
			}
			if a := p.Attempts[0].Alert; a != nil {
				got.Alert = a.Name
			}
			if len(p.Findings) > 0 {
				got.Code = p.Findings[0].Code
			}
			if d := cmp.Diff(tt.want, got); d != "" {
				t.Errorf("(-want +got):\n%s", d)
			}
			if d := cmp.Diff([]string{"CN=etcd-ca"}, p.TLS.CertificateRequest.Authorities); d != "" {
				t.Errorf("acceptable CAs (-want +got):\n%s", d)
			}
			if len(p.Verification.Problems) > 0 {
				t.Errorf("the server's certificate is in order, got %v", p.Verification.Problems)
			}
		})
	}
	t.Run("expected", func(t *testing.T) { probeExpected(t, etcd, certificates) })
}

func probeArguments(etcd *lab.Etcd, certificates, pair string, port uint16) []string {
	args := []string{fmt.Sprintf("--client-port=%d", etcd.Ports.Client), fmt.Sprintf("--peer-port=%d", etcd.Ports.Peer), "--timeout=30s",
		"--cacert", filepath.Join(certificates, "ca.crt")}
	if pair != "" {
		args = append(args, "--cert", filepath.Join(certificates, pair+".crt"), "--key", filepath.Join(certificates, pair+".key"))
	}
	return append(args, fmt.Sprintf("%s:%d", etcd.Host, port))
}

// probeExpected compares with files and reads the version.
func probeExpected(t *testing.T, etcd *lab.Etcd, certificates string) {
	for _, tt := range []struct {
		file   string
		same   bool
		status int
	}{{"server.crt", true, 0}, {"peer.crt", false, 3}} {
		args := append([]string{"--version", "--health", "--expect", filepath.Join(certificates, tt.file)}, probeArguments(etcd, certificates, "healthcheck-client", etcd.Ports.Client)...)
		p, status := runProbe(t, args...)
		if p.Expected == nil || p.Expected.Same != tt.same || status != tt.status {
			t.Errorf("%s: got %+v, status %d", tt.file, p.Expected, status)
		}
		if len(p.Requests) != 2 || p.Requests[0].Status != 200 || p.Requests[0].EtcdServer == "" || p.Requests[1].Status != 200 {
			t.Errorf("got %+v", p.Requests)
		}
	}
}

// TestProbeSetups asks etcds whose own certificate is at fault, one without TLS, and one on IPv6.
func TestProbeSetups(t *testing.T) {
	if reason := os.Getenv(noLiveVariable); reason != "" {
		t.Skipf("SKIPPED, no live etcd is probed: %s", reason)
	}
	module, err := filepath.Abs(".")
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		setup        scenario.Setup
		client, peer string // result and first finding
		status       int
	}{
		{scenario.Plain, "closed tls-to-plaintext", "not_tls tls-to-plaintext", 3},
		{scenario.ExpiredServer, "accepted server-cert-expired", "accepted", 3},
		{scenario.WrongName, "accepted server-name-mismatch", "accepted", 3},
		{scenario.IPv6, "accepted", "accepted", 0},
	} {
		t.Run(string(tt.setup), func(t *testing.T) {
			l, err := lab.New(module, t.TempDir())
			if err != nil {
				t.Fatal(err)
			}
			certificates := filepath.Join(l.Work, "pki")
			if err := pki.Write(certificates, time.Now()); err != nil {
				t.Fatal(err)
			}
			etcd, err := l.Start(t.Context(), tt.setup.Member(lab.Etcd37, certificates))
			if err != nil {
				t.Fatal(err)
			}
			defer etcd.Stop()
			etcd.Host = bracketed(etcd.Host)
			for port, want := range map[uint16]string{etcd.Ports.Client: tt.client, etcd.Ports.Peer: tt.peer} {
				p, status := runProbe(t, append([]string{"--exit-code"}, probeArguments(etcd, certificates, "peer", port)...)...)
				got := p.Result
				if len(p.Findings) > 0 {
					got += " " + p.Findings[0].Code
				}
				if got != want || port == etcd.Ports.Client && status != tt.status {
					t.Errorf("port %d: want %q, got %q, status %d: %+v", port, want, got, status, p)
				}
			}
		})
	}
}

func bracketed(host string) string {
	if strings.Contains(host, ":") {
		return "[" + host + "]"
	}
	return host
}

// TestProbeDocument runs the commands of docs/probe.md as they stand there: etcd answers what the page says.
func TestProbeDocument(t *testing.T) {
	if reason := os.Getenv(noLiveVariable); reason != "" {
		t.Skipf("SKIPPED, docs/probe.md is not compared with a live etcd: %s", reason)
	}
	if !lab.Isolated() {
		t.Skip("SKIPPED, docs/probe.md is not compared with a live etcd: it names etcd's usual ports, and the network is shared")
	}
	module, err := filepath.Abs(".")
	if err != nil {
		t.Fatal(err)
	}
	page, err := os.ReadFile(filepath.Join(module, "..", "docs", "probe.md"))
	if err != nil {
		t.Fatal(err)
	}
	l, err := lab.New(module, t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	certificates := filepath.Join(l.Work, "pki")
	if err := pki.Write(certificates, time.Now()); err != nil {
		t.Fatal(err)
	}
	for _, suffix := range []string{".crt", ".key"} { // the page names it without a directory
		if err := os.Rename(filepath.Join(certificates, "bad", "other-client"+suffix), filepath.Join(certificates, "other-client"+suffix)); err != nil {
			t.Fatal(err)
		}
	}
	etcd, err := l.Start(t.Context(), scenario.Secure.Member(lab.Etcd37, certificates))
	if err != nil {
		t.Fatal(err)
	}
	defer etcd.Stop()
	blocks := regexp.MustCompile("(?s)```console\n\\$ etcdtap ([^\n|]+)\n(.*?)```").FindAllStringSubmatch(string(page), -1)
	if len(blocks) != 2 {
		t.Fatalf("%d transcripts without a pipe in docs/probe.md, want 2", len(blocks))
	}
	clock := regexp.MustCompile(`\d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC`)
	for _, b := range blocks {
		cmd := exec.Command(os.Getenv(etcdtapVariable), strings.Fields(b[1])...)
		cmd.Dir = certificates
		out, err := cmd.Output()
		if err != nil {
			t.Fatalf("%s: %v", b[1], err)
		}
		for part := range strings.SplitSeq(b[2], "...\n") {
			if !strings.Contains(clock.ReplaceAllString(string(out), "NOW"), clock.ReplaceAllString(part, "NOW")) {
				t.Errorf("etcdtap %s: docs/probe.md has\n%s\nand the output is\n%s", b[1], part, out)
			}
		}
	}
}
