// Package e2e holds the end-to-end tests: etcdtap, built from the repository's root, against tshark, against the
// captures' own truth, and against a live etcd. What this machine cannot do is skipped, and the skip says why.
package e2e

import (
	"bytes"
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/etcdtap/etcdtap/e2e/lab"
)

// What TestMain hands to the tests, which run in a process of their own inside the lab's namespace.
const (
	etcdtapVariable = "ETCDTAP_E2E_BINARY"  // path of the program under test
	pureGoVariable  = "ETCDTAP_E2E_PUREGO"  // path of the same program without libpcap; unset when there is none
	noLiveVariable  = "ETCDTAP_E2E_NO_LIVE" // why there is no live test; unset when there is one
)

func TestMain(m *testing.M) {
	flag.Parse()
	os.Exit(run(m))
}

func run(m *testing.M) int {
	if os.Getenv(etcdtapVariable) == "" { // outside, where there may be a network to build with
		dir, err := os.MkdirTemp("", "etcdtap-e2e-")
		if err != nil {
			fmt.Fprintln(os.Stderr, "e2e:", err)
			return 1
		}
		defer os.RemoveAll(dir)
		if err := prepare(dir); err != nil {
			fmt.Fprintln(os.Stderr, "e2e:", err)
			return 1
		}
	}
	if code, inside := lab.Enter(); !inside {
		return code
	}
	return m.Run()
}

// prepare builds the programs and tells the tests by environment variables.
func prepare(dir string) error {
	root, err := lab.Root()
	if err != nil {
		return err
	}
	etcdtap := filepath.Join(dir, "etcdtap")
	if err := lab.BuildEtcdtap(context.Background(), root, etcdtap); err != nil {
		return err
	}
	os.Setenv(etcdtapVariable, etcdtap)
	if err := os.Chmod(dir, 0o755); err != nil { // tests run the program as another user, too
		return err
	}
	if !testing.Short() {
		if err := lab.BuildPureGo(context.Background(), root, etcdtap+"-nopcap"); err != nil {
			return err
		}
		os.Setenv(pureGoVariable, etcdtap+"-nopcap")
	}
	if reason := prepareLive(filepath.Join(root, "e2e")); reason != "" {
		os.Setenv(noLiveVariable, reason)
	}
	return nil
}

// prepareLive builds what the live test needs and says why it cannot be run, or "".
func prepareLive(module string) string {
	if testing.Short() {
		return "-short: etcd is not built"
	}
	if err := lab.Missing("tcpdump"); err != nil {
		return err.Error()
	}
	if err := lab.Build(context.Background(), module, lab.Etcd35, lab.Etcd37, lab.Grpcurl, lab.Etcdctl); err != nil {
		return err.Error()
	}
	return ""
}

// connection is what the tests read of etcdtap's connection objects.
type connection struct {
	Type        string   `json:"type"`
	FirstPacket int64    `json:"first_packet"`
	LastPacket  int64    `json:"last_packet"`
	Packets     int64    `json:"packets"`
	Client      endpoint `json:"client"`
	Server      endpoint `json:"server"`
	Outcome     string   `json:"outcome"`
	Bytes       struct {
		Client int64 `json:"client"`
		Server int64 `json:"server"`
	} `json:"bytes"`
	TLS      *tlsObject `json:"tls"`
	Findings []finding  `json:"findings"`
}

type endpoint struct {
	IP   string `json:"ip"`
	Port uint16 `json:"port"`
}

func (e endpoint) String() string {
	if bytes.ContainsRune([]byte(e.IP), ':') {
		return fmt.Sprintf("[%s]:%d", e.IP, e.Port)
	}
	return fmt.Sprintf("%s:%d", e.IP, e.Port)
}

type finding struct {
	Code     string   `json:"code"`
	Severity string   `json:"severity"`
	Meaning  string   `json:"meaning"`
	Fix      []string `json:"fix"`
}

type tlsObject struct {
	ClientHello *struct {
		ServerName          string   `json:"server_name"`
		ALPN                []string `json:"alpn"`
		Versions            []string `json:"versions"`
		CipherSuites        []string `json:"cipher_suites"`
		Groups              []string `json:"groups"`
		SignatureAlgorithms []string `json:"signature_algorithms"`
		KeyShares           []string `json:"key_shares"`
		JA3                 string   `json:"ja3"`
	} `json:"client_hello"`
	ServerHello *struct {
		Version     string `json:"version"`
		CipherSuite string `json:"cipher_suite"`
		ALPN        string `json:"alpn"`
		JA3S        string `json:"ja3s"`
	} `json:"server_hello"`
	CertificateRequest *struct {
		Visibility  string   `json:"visibility"`
		Authorities []string `json:"authorities"`
	} `json:"certificate_request"`
	ServerCertificates certificates `json:"server_certificates"`
	ClientCertificates certificates `json:"client_certificates"`
	Alerts             []struct {
		From      string `json:"from"`
		Level     string `json:"level"`
		Code      int    `json:"code"`
		Encrypted bool   `json:"encrypted"`
	} `json:"alerts"`
}

type certificates struct {
	Visibility string `json:"visibility"`
	Chain      []struct {
		SHA256 string `json:"sha256"`
	} `json:"chain"`
}

// read runs `etcdtap read` with the ports of the capture's etcd.
func read(t *testing.T, file string, clientPort, peerPort uint16) []connection {
	t.Helper()
	args := []string{"read", "-o", "json", "--all"}
	if clientPort != 0 {
		args = append(args, fmt.Sprintf("--client-port=%d", clientPort), fmt.Sprintf("--peer-port=%d", peerPort))
	}
	cmd := exec.Command(os.Getenv(etcdtapVariable), append(args, file)...)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%v: %v\n%s", cmd.Args, err, stderr.Bytes())
	}
	var connections []connection
	for d := json.NewDecoder(bytes.NewReader(out)); d.More(); {
		var c connection
		if err := d.Decode(&c); err != nil {
			t.Fatalf("%v: the output is not JSON: %v\n%.2000s", cmd.Args, err, out)
		}
		if c.Type == "connection" {
			connections = append(connections, c)
		}
	}
	return connections
}
