package e2e

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// The hosts of TestCaptureNetworks: a client and a server, and a router between them that sees each packet on two interfaces.
const (
	clientAddress = "10.99.1.2"
	serverAddress = "10.99.2.2"
	oddClientPort = 4001
	oddPeerPort   = 7001
)

// TestCaptureNetworks captures what passes between network namespaces, at every place and in every way that there is to do it.
func TestCaptureNetworks(t *testing.T) {
	requireRoot(t, "nothing is captured between namespaces", "ip", "nsenter", "curl")
	l := newLab(t)
	certificates := writePKI(t, l)
	client, router, server := newHost(t), newHost(t), newHost(t)
	wire(t, client, "c0", clientAddress+"/24", router, "r1", "10.99.1.1/24")
	wire(t, server, "s0", serverAddress+"/24", router, "r2", "10.99.2.1/24")
	if out, err := router.command("sh", "-c", "echo 1 >/proc/sys/net/ipv4/ip_forward").CombinedOutput(); err != nil {
		t.Skipf("SKIPPED, nothing is captured between namespaces: packets cannot be forwarded here: %s", out)
	}
	client.run(t, "ip", "route", "add", "default", "via", "10.99.1.1")
	server.run(t, "ip", "route", "add", "default", "via", "10.99.2.1")
	etcd := server.etcd(t, l, certificates, serverAddress, oddClientPort, oddPeerPort)

	ports := []string{fmt.Sprintf("--client-port=%d", oddClientPort), fmt.Sprintf("--peer-port=%d", oddPeerPort)}
	in := func(h *host, args ...string) []string {
		return append(append([]string{"--netns", h.path()}, ports...), args...)
	}
	cases := []struct {
		name string
		args []string
		own  *host // entered by the command, not by etcdtap
	}{
		{name: "the client's wire", args: in(client, "-i", "c0")},
		{name: "the server's any", args: in(server, "-i", "any")},
		{name: "the server by its process", args: []string{"--pid", fmt.Sprint(etcd.Process.Pid)}}, // and its ports by its command line
		{name: "one wire of the router", args: in(router, "-i", "r1")},
		{name: "both wires of the router", args: in(router, "-i", "r1", "-i", "r2")},
		{name: "the router's any", args: in(router, "-i", "any")},
		{name: "from within", args: append([]string{"-i", "s0"}, ports...), own: server},
	}
	var taps []*tap
	var names []string
	for _, program := range []string{etcdtap(), pureGo()} {
		for _, c := range cases {
			args := append([]string{program, "capture", "-o", "json", "--processes=false"}, c.args...)
			cmd := exec.Command(args[0], args[1:]...)
			if c.own != nil {
				cmd = c.own.command(args...)
			}
			taps = append(taps, capturingWith(t, cmd))
			names = append(names, filepath.Base(program)+", "+c.name)
		}
	}
	url := fmt.Sprintf("%s:%d/version", serverAddress, oddClientPort)
	client.command("curl", "-sS", "-m", "10", "http://"+url).Run()
	client.run(t, "curl", "-sS", "-m", "10", "-k", "--cert", filepath.Join(certificates, "healthcheck-client.crt"), "--key", filepath.Join(certificates, "healthcheck-client.key"), "https://"+url)
	for i, c := range taps {
		c.reported(t, `"outcome":"established"`)
		c.stop(t)
		fates := map[string]string{}
		for _, o := range c.objects(t, "connection") {
			if o["client"].(object)["ip"] != clientAddress {
				continue
			}
			if o["endpoint"] != "client" {
				t.Errorf("%s: the endpoint is %v", names[i], o["endpoint"])
			}
			fate := fmt.Sprint(o["outcome"], codes(o))
			fates[fmt.Sprint(o["client"])] = strings.Replace(fate, "member-missing-from-sans", "", 1) // which is true, where the configuration is known
		}
		got := map[string]bool{}
		for _, fate := range fates {
			got[fate] = true
		}
		if len(fates) != 2 || !got["plaintext_to_tls[plaintext-to-tls]"] || !got["established[]"] {
			t.Errorf("%s: expected one connection that was established and one without TLS, got %v", names[i], fates)
		}
	}
}

// TestCaptureExpressions filters as tcpdump does, with libpcap, and says what is missing without.
func TestCaptureExpressions(t *testing.T) {
	l := newLab(t)
	file := filepath.Join(t.TempDir(), "filter")
	if err := os.WriteFile(file, []byte("tcp port 2399\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	var stderr bytes.Buffer
	refused := exec.Command(pureGo(), "capture", "-i", "lo", "tcp port 2399")
	refused.Stderr = &stderr
	if err := refused.Run(); err == nil || !strings.Contains(stderr.String(), "filter expressions need libpcap") {
		t.Errorf("without libpcap a filter expression gives %v and says\n%s", err, stderr.String())
	}
	if !hasPcap(t) {
		t.Skip("SKIPPED, filter expressions are not tested: the default build is without libpcap here")
	}
	var taps []*tap
	for _, args := range [][]string{{"tcp", "port", "2399"}, {"tcp port 2399"}, {"-F", file}} {
		taps = append(taps, capturing(t, append([]string{"-i", "lo", "--all", "-o", "json"}, args...)...))
	}
	etcd := servePlaintext(t, "127.0.0.1:2399")
	other := servePlaintext(t, fmt.Sprintf("127.0.0.1:%d", l.Ports.Client))
	talk(t, other)
	talk(t, etcd)
	for _, c := range taps {
		c.reported(t, `"port":2399`)
		c.stop(t)
		for _, o := range c.objects(t, "connection") {
			if port := o["server"].(object)["port"]; port != 2399.0 {
				t.Errorf("%v: a connection to port %v", c.cmd.Args, port)
			}
		}
	}
	for _, bad := range []struct{ expression, says string }{{"tcp porrt 2379", "porrt"}, {"(tcp", "syntax error"}} {
		out, err := exec.Command(etcdtap(), "capture", "-i", "lo", bad.expression).CombinedOutput()
		if err == nil || !strings.Contains(string(out), bad.says) {
			t.Errorf("%q gives %v and says\n%s", bad.expression, err, out)
		}
	}
}

func hasPcap(t *testing.T) bool {
	t.Helper()
	out, err := exec.Command(etcdtap(), "version").CombinedOutput()
	if err != nil {
		t.Fatal(err)
	}
	return strings.Contains(string(out), "libpcap") && !strings.Contains(string(out), "without libpcap")
}
