package e2e

import (
	"bufio"
	"fmt"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/etcdtap/etcdtap/e2e/lab"
	"github.com/etcdtap/etcdtap/e2e/pki"
	"github.com/etcdtap/etcdtap/e2e/tshark"
)

// suitePort is where the first of the servers below listens; each has a port of its own.
const suitePort = 24000

// suites are OpenSSL's options for what Go's TLS does not speak, and for what it does: versions, AEADs, CBC with encrypt-then-MAC.
func suites() []string {
	return []string{
		"-tls1_3 -ciphersuites TLS_AES_128_GCM_SHA256",
		"-tls1_3 -ciphersuites TLS_AES_256_GCM_SHA384",
		"-tls1_3 -ciphersuites TLS_CHACHA20_POLY1305_SHA256",
		"-tls1_2 -cipher ECDHE-RSA-AES128-GCM-SHA256",
		"-tls1_2 -cipher ECDHE-RSA-AES256-GCM-SHA384",
		"-tls1_2 -cipher ECDHE-RSA-CHACHA20-POLY1305",
		"-tls1_2 -cipher ECDHE-RSA-AES128-SHA",
		"-tls1_2 -cipher ECDHE-RSA-AES256-SHA",
		"-tls1_2 -cipher ECDHE-RSA-AES128-SHA256",
		"-tls1_2 -cipher ECDHE-RSA-AES256-SHA384",
		"-tls1_2 -cipher AES256-SHA256",
		"-tls1_1 -cipher ECDHE-RSA-AES128-SHA:@SECLEVEL=0",
		"-tls1 -cipher ECDHE-RSA-AES256-SHA:@SECLEVEL=0",
	}
}

// TestKeyLogSuites lets OpenSSL speak to OpenSSL in each way, with the right client certificate and with a wrong one, and compares
// what a key log opens of it with tshark.
func TestKeyLogSuites(t *testing.T) {
	if err := lab.Missing("tshark", "openssl", "tcpdump"); err != nil {
		t.Skipf("SKIPPED, cipher suites are not compared with tshark: %v", err)
	}
	names, err := tshark.ReadNames(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	l, err := lab.New(".", t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	requireCapture(t, l)
	certificates, keys, file := filepath.Join(l.Work, "pki"), filepath.Join(l.Work, "keys"), filepath.Join(l.Work, "suites.pcap")
	if err := pki.Write(certificates, time.Now()); err != nil {
		t.Fatal(err)
	}
	capture, err := lab.StartCapture(file, fmt.Sprintf("tcp portrange %d-%d", suitePort, suitePort+2*len(suites())))
	if err != nil {
		t.Fatal(err)
	}
	var ports []uint16
	for i, options := range suites() {
		for j, client := range []string{"healthcheck-client", "bad/other-client"} {
			port := suitePort + 2*i + j
			ports = append(ports, uint16(port))
			converse(t, certificates, keys, client, options, port)
		}
	}
	if err := capture.Stop(); err != nil {
		t.Fatal(err)
	}
	want := decryptedByTshark(t, file, keys, ports, names)
	if len(want) != len(ports) {
		t.Fatalf("%d connections captured, expected %d", len(want), len(ports))
	}
	for i, c := range want { // a comparison of nothing would prove nothing
		if len(c.Server) == 0 || len(c.Client) == 0 || len(c.Alerts) == 0 {
			t.Errorf("%s, %d: tshark has %+v", suites()[i/2], i%2, c)
		}
	}
	compareDecrypted(t, want, file, "--keylog="+keys)
}

// converse makes one connection: the client says a line and closes.
func converse(t *testing.T, certificates, keys, client, options string, port int) {
	t.Helper()
	server := exec.CommandContext(t.Context(), "openssl", append(strings.Fields(fmt.Sprintf("s_server -accept 127.0.0.1:%d -cert server.crt -key server.key -CAfile ca.crt -Verify 1 -verify_return_error -alpn h2 -naccept 1", port)), strings.Fields(options)...)...)
	server.Dir = certificates
	input, err := server.StdinPipe() // its end would end the server
	if err != nil {
		t.Fatal(err)
	}
	defer input.Close()
	output, err := server.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := server.Start(); err != nil {
		t.Fatal(err)
	}
	for lines := bufio.NewScanner(output); lines.Scan() && !strings.Contains(lines.Text(), "ACCEPT"); {
	}
	script := fmt.Sprintf("(echo 'GET /version HTTP/1.1'; sleep 0.3) | openssl s_client -connect 127.0.0.1:%d -CAfile ca.crt -cert %s.crt -key %s.key -alpn h2 -keylogfile %s %s",
		port, client, client, keys, options)
	cmd := exec.CommandContext(t.Context(), "sh", "-c", script)
	cmd.Dir = certificates
	cmd.CombinedOutput() // a refused client fails, which is the point
	input.Close()
	server.Process.Kill()
	server.Wait()
}
