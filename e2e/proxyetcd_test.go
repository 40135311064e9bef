package e2e

import (
	"bytes"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/etcdtap/etcdtap/e2e/lab"
)

// TestProxyEtcd runs `etcdtap proxy` in front of one etcd, as people run it.
func TestProxyEtcd(t *testing.T) {
	s := newSite(t, lab.Etcd37)
	for _, test := range []struct {
		name string
		run  func(*testing.T, *site)
	}{
		{"put, get, lease and watch", proxyClients},
		{"large values, watch and snapshot", proxyLarge},
		{"log", proxyLog},
		{"file", proxyFile},
		{"answer to plaintext", proxyAnswer},
		{"PROXY protocol", proxyHeaders},
		{"unix sockets and IPv6", proxyOtherSockets},
		{"names", proxyNames},
		{"address that the certificate lacks", proxyDetour},
		{"etcd on a unix socket", proxyEtcdUnix},
		{"reload", proxyReload},
		{"drain", proxyDrain},
		{"socket activation", proxyActivated},
		{"metrics", proxyMetrics},
		{"refusals", proxyRefusals},
	} {
		t.Run(test.name, func(t *testing.T) { test.run(t, s) })
	}
}

// through is a command with the client's certificates: $TO is where it goes.
func (s *site) through(t *testing.T, to, command string) string {
	t.Helper()
	text, err := s.command(t, to, command).CombinedOutput()
	if err != nil {
		t.Fatalf("%s: %v\n%s", command, err, text)
	}
	return string(text)
}

func (s *site) command(t *testing.T, to, command string) *exec.Cmd {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "sh", "-c", command)
	cmd.Dir = t.TempDir()
	cmd.Env = append(os.Environ(), "PATH="+s.lab.Bin+":"+os.Getenv("PATH"), "TO="+to, "PKI="+s.pki,
		"ETCDCTL_ENDPOINTS=https://"+to, "ETCDCTL_CACERT="+s.pki+"/ca.crt", "ETCDCTL_CERT="+s.pki+"/healthcheck-client.crt",
		"ETCDCTL_KEY="+s.pki+"/healthcheck-client.key", "ETCDCTL_COMMAND_TIMEOUT=30s", "ETCDCTL_DIAL_TIMEOUT=30s",
		"WITH=--cacert "+s.pki+"/ca.crt --cert "+s.pki+"/healthcheck-client.crt --key "+s.pki+"/healthcheck-client.key",
		"GRPC=-cacert "+s.pki+"/ca.crt -cert "+s.pki+"/healthcheck-client.crt -key "+s.pki+"/healthcheck-client.key")
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	return cmd
}

// expectReport waits for a report that is as wanted.
func (p *forwarder) expectReport(t *testing.T, what string, is func(*watched) bool) (found watched) {
	t.Helper()
	eventually(t, "no report of "+what, func() bool {
		for _, c := range p.connections(t) {
			if is(&c) {
				found = c
				return true
			}
		}
		return false
	})
	return found
}

// proxyClients: what clients of every kind do works through the proxy, and is reported as healthy.
func proxyClients(t *testing.T, s *site) {
	p := proxying(t, append(s.maps(), "-o", "json")...)
	client, peer := p.at[0], p.at[1]
	s.through(t, client, "etcdctl put greeting hello")
	if got := s.through(t, client, "etcdctl get greeting --print-value-only"); got != "hello\n" {
		t.Errorf("got %q", got)
	}
	watch := starting(t, s.command(t, client, "exec etcdctl watch greeting"))
	for i := 0; !strings.Contains(watch.stdout.String(), "PUT"); i++ { // the watch may begin a little later
		if i > 100 {
			t.Fatalf("the watch shows nothing: %s", watch.stderr.String())
		}
		s.through(t, client, fmt.Sprintf("etcdctl put greeting %d", i))
	}
	lease := strings.Fields(s.through(t, client, "etcdctl lease grant 300"))[1]
	s.through(t, client, "etcdctl put --lease="+lease+" fleeting x && etcdctl lease keep-alive --once "+lease+" && etcdctl lease revoke "+lease)
	if got := s.through(t, client, "etcdctl get fleeting"); got != "" {
		t.Errorf("after the end of its lease: %q", got)
	}
	if got, _ := s.command(t, client, "grpcurl $GRPC $TO list").CombinedOutput(); !strings.Contains(string(got), "reflection API") {
		t.Errorf("grpcurl: etcd does not answer that it has no reflection but %q", got) // which says that gRPC got through
	}
	if got := s.through(t, client, "curl -sS $WITH https://$TO/health"); !strings.Contains(got, "true") {
		t.Errorf("curl: %q", got)
	}
	s.through(t, peer, "curl -sS --http1.1 $WITH https://$TO/version")
	found := p.expectReport(t, "the peer port", func(c *watched) bool { return c.Endpoint == "peer" && c.Outcome == "established" })
	if found.Outgoing == nil || found.Outgoing.Port == 0 || found.Server.Port != s.etcd.Ports.Peer {
		t.Errorf("%+v", found)
	}
	watch.cmd.Process.Kill()
	p.end(t)
	for _, c := range p.connections(t) {
		if c.Outcome != "established" || hasErrors(c.Findings) || c.Missed.Client+c.Missed.Server != 0 {
			t.Errorf("%s > %s: %s %v, missed %v", c.Client, c.Server, c.Outcome, c.codes(), c.Missed)
		}
	}
}

func hasErrors(list []finding) bool {
	for _, f := range list {
		if f.Severity == "error" {
			return true
		}
	}
	return false
}

// proxyLarge: tens of MiB arrive as they were sent, in a watch and in a snapshot.
func proxyLarge(t *testing.T, s *site) {
	const values, size = 24, 1 << 20
	p := proxying(t, append(s.maps(), "-o", "json", "--metrics=127.0.0.1:0")...)
	to := p.at[0]
	watch := starting(t, s.command(t, to, "exec etcdctl watch --prefix large/ -w json"))
	eventually(t, "the watch does not begin", func() bool {
		s.through(t, to, "etcdctl put large/first x")
		return strings.Contains(watch.stdout.String(), base64.StdEncoding.EncodeToString([]byte("large/first")))
	})
	var sums []string
	for i := range values {
		value := make([]byte, size/2)
		rand.Read(value)
		text := fmt.Sprintf("%x", value)
		sums = append(sums, fmt.Sprintf("%x", sha256.Sum256([]byte(text))))
		cmd := s.command(t, to, fmt.Sprintf("etcdctl put large/%d", i))
		cmd.Stdin = strings.NewReader(text)
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("put: %v\n%s", err, out)
		}
	}
	last := base64.StdEncoding.EncodeToString(fmt.Appendf(nil, "large/%d", values-1))
	eventually(t, "the watch does not show the last value", func() bool { return strings.Contains(watch.stdout.String(), last) })
	for i, want := range sums {
		got := strings.TrimSuffix(s.through(t, to, fmt.Sprintf("etcdctl get --print-value-only large/%d", i)), "\n")
		if sum := fmt.Sprintf("%x", sha256.Sum256([]byte(got))); sum != want {
			t.Errorf("value %d: got %s of %d bytes, want %s", i, sum, len(got), want)
		}
	}
	file := filepath.Join(t.TempDir(), "snapshot")
	s.through(t, to, "etcdctl snapshot save "+file) // which checks etcd's own checksum
	if info, err := os.Stat(file); err != nil || info.Size() < values*size {
		t.Errorf("the snapshot: %v, %v", info, err)
	}
	watch.cmd.Process.Kill()
	s.through(t, to, "etcdctl del --prefix large/ && etcdctl compact $(etcdctl endpoint status -w json | sed 's/.*\"revision\":\\([0-9]*\\).*/\\1/') && etcdctl defrag")
	p.end(t)
	if text := p.stderr.String(); !strings.Contains(text, " connections, ") {
		t.Errorf("it does not say what passed: %s", text)
	}
}

// proxyLog: etcd's log names the proxy; the report names the client.
func proxyLog(t *testing.T, s *site) {
	file := filepath.Join(t.TempDir(), "own.pcapng")
	p := proxying(t, append(s.maps(), "-o", "json", "--log="+s.etcd.LogFile(), "-w", file)...)
	s.command(t, p.at[0], "curl -sS -m 20 --cacert $PKI/ca.crt --cert $PKI/bad/expired-client.crt --key $PKI/bad/expired-client.key https://$TO/health").Run()
	c := p.expectReport(t, "a rejection with its line of the log", func(c *watched) bool { return len(c.Log) > 0 })
	if r := c.Log[0].Remote; r == nil || c.Outgoing == nil || *r != *c.Outgoing || c.Client == *c.Outgoing {
		t.Errorf("client %s, outgoing %v, the log names %v", c.Client, c.Outgoing, r)
	}
	if c.Outcome != "rejected_by_server" || !strings.Contains(fmt.Sprint(c.codes()), "client-cert-expired") {
		t.Errorf("%s %v", c.Outcome, c.codes())
	}
	if c.Process == nil || c.Process.Command != "curl" {
		t.Errorf("who opened it: %+v", c.Process)
	}
	p.end(t)
	out, _ := exec.Command(etcdtap(), "read", "-o", "json", "--log="+s.etcd.LogFile(), file).Output() // without the ports: the file says whose they are
	out, _, _ = bytes.Cut(out, []byte(`{"type":"summary"`))
	for _, r := range lastReports(t, out) {
		if r.Client == c.Client {
			if len(r.Log) != len(c.Log) || r.Outgoing == nil || *r.Outgoing != *c.Outgoing || fmt.Sprint(r.codes()) != fmt.Sprint(c.codes()) || r.Endpoint != c.Endpoint {
				t.Errorf("live: %s %v %v, %d lines of the log; its file: %s %v %v, %d lines", c.Endpoint, c.codes(), c.Outgoing, len(c.Log), r.Endpoint, r.codes(), r.Outgoing, len(r.Log))
			}
			return
		}
	}
	t.Errorf("%s is not in the file: %s", c.Client, out)
}

// proxyFile: what -w writes opens in tshark and in etcdtap, and says what was said live.
func proxyFile(t *testing.T, s *site) {
	file := filepath.Join(t.TempDir(), "own.pcapng")
	p := proxying(t, append(s.maps(), "-o", "json", "-w", file)...)
	s.command(t, p.at[0], "curl -sS -m 20 --cacert $PKI/ca.crt https://$TO/health").Run()
	s.through(t, p.at[0], "curl -sS $WITH https://$TO/health")
	p.end(t)
	flags := append(portArguments(s.etcd.Ports), file)
	out, err := exec.Command(etcdtap(), append([]string{"read", "-o", "json"}, flags...)...).Output()
	if err != nil {
		t.Fatal(err)
	}
	live, read := p.connections(t), lastReports(t, out)
	if len(live) != 2 || len(read) != 2 {
		t.Fatalf("%d connections live, %d in the file", len(live), len(read))
	}
	for i := range live {
		if live[i].Outcome != read[i].Outcome || live[i].Client != read[i].Client {
			t.Errorf("live %s %s, in the file %s %s", live[i].Client, live[i].Outcome, read[i].Client, read[i].Outcome)
		}
	}
	if err := lab.Missing("tshark"); err != nil {
		t.Skipf("SKIPPED, the file is not opened by tshark: %v", err)
	}
	seen, err := exec.Command("tshark", "-r", file, "-d", fmt.Sprintf("tcp.port==%d,tls", s.etcd.Ports.Client), "-Y", "tls.handshake.type==1 || _ws.malformed", "-T", "fields", "-e", "frame.protocols").Output()
	if err != nil || bytes.Count(seen, []byte("tcp:tls")) != 2 || bytes.Contains(seen, []byte("malformed")) {
		t.Errorf("tshark: %v\n%s", err, seen)
	}
}

// proxyAnswer: clients without TLS are told what is wrong.
func proxyAnswer(t *testing.T, s *site) {
	p := proxying(t, append(s.maps(), "-o", "json", "--answer-plaintext", "--log="+s.etcd.LogFile())...)
	s.through(t, p.at[0], "curl -sS $WITH https://$TO/health") // from which it knows that etcd speaks TLS
	p.expectReport(t, "the healthy one", func(c *watched) bool { return c.Outcome == "established" })
	if got := s.through(t, p.at[0], "curl -sS -i http://$TO/health"); !strings.HasPrefix(got, "HTTP/1.1 400 ") || !strings.Contains(got, "https://") {
		t.Errorf("curl is told %q", got)
	}
	got, _ := s.command(t, p.at[0], "grpcurl -plaintext $TO list").CombinedOutput()
	if !strings.Contains(string(got), "Unavailable") || !strings.Contains(string(got), "speaks TLS only") {
		t.Errorf("grpcurl is told %q", got)
	}
	c := p.expectReport(t, "a client without TLS", func(c *watched) bool { return c.Protocol == "http1" })
	if c.Outcome != "plaintext_to_tls" || strings.Contains(fmt.Sprint(c.codes()), "log-disagrees") { // etcd's EOF is about what it got
		t.Errorf("%s %v", c.Outcome, c.codes())
	}
	p.end(t)
	if !strings.Contains(p.stderr.String(), "--answer-plaintext is on") {
		t.Errorf("it does not say so: %s", p.stderr.String())
	}
}

// proxyHeaders: a load balancer's header is taken off, and one is put on for the next proxy.
func proxyHeaders(t *testing.T, s *site) {
	inner := proxying(t, append(s.maps(), "-o", "json", "--accept-proxy=127.0.0.0/8")...)
	outer := proxying(t, "-o", "json", "--send-proxy=v2", "--map=127.0.0.1:0="+inner.at[0]+",role=client")
	s.through(t, inner.at[0], "curl -sS --haproxy-protocol $WITH https://$TO/health")
	first := inner.expectReport(t, "curl's own header", func(c *watched) bool { return c.Outcome == "established" && !hasErrors(c.Findings) })
	s.through(t, outer.at[0], "curl -sS $WITH https://$TO/health")
	near := outer.expectReport(t, "the outer side", func(c *watched) bool { return c.Outcome == "established" })
	far := inner.expectReport(t, "the inner side", func(c *watched) bool { return c.Outcome == "established" && c.Client != first.Client })
	if near.Client != far.Client {
		t.Errorf("the outer proxy says %s, the inner one %s", near.Client, far.Client)
	}
	outer.end(t)
	inner.end(t)
}

// proxyOtherSockets: unix sockets on both sides, and IPv6.
func proxyOtherSockets(t *testing.T, s *site) {
	dir := t.TempDir()
	in, middle := filepath.Join(dir, "in.sock"), filepath.Join(dir, "middle.sock")
	file := filepath.Join(dir, "own.pcapng")
	inner := proxying(t, fmt.Sprintf("--map=unix:%s=127.0.0.1:%d,role=client", middle, s.etcd.Ports.Client), "-o", "json")
	outer := proxying(t, "--map=unix:"+in+"=unix:"+middle+",role=client", "--map=[::1]:0=unix:"+middle+",role=client", "-w", file)
	s.through(t, "localhost", "curl -sS --unix-socket "+in+" $WITH https://$TO/health")
	s.through(t, outer.at[1], "curl -sS $WITH https://$TO/health")
	s.command(t, "localhost", "curl -sS --unix-socket "+in+" --cacert $PKI/ca.crt https://$TO/health").Run()
	c := inner.expectReport(t, "the inner one", func(c *watched) bool { return c.Outcome == "established" })
	if c.Endpoint != "client" {
		t.Errorf("%+v", c)
	}
	outer.end(t)
	inner.end(t)
	for _, text := range []string{outer.stdout.String(), outer.stderr.String(), inner.stdout.String(), inner.stderr.String()} {
		if strings.Contains(text, "invalid") {
			t.Errorf("an address that is none is printed:\n%s", text)
		}
	}
	if out := outer.stdout.String(); strings.Count(out, "  OK  ") < 2 || !strings.Contains(out, "client-cert-missing") {
		t.Errorf("not all three are reported:\n%s", out)
	}
	got := readAll(t, file, nil)
	for _, c := range got {
		if c.Server != (endpoint{}) || strings.HasPrefix(c.Client.IP, "0.") || c.Endpoint != "client" {
			t.Errorf("of a unix socket the file has made an address, or it forgot the role: %+v", c)
		}
	}
	if len(got) != 3 {
		t.Errorf("%d connections in the file", len(got))
	}
}

// proxyNames: a name with several addresses is tried in turn.
func proxyNames(t *testing.T, s *site) {
	p := proxying(t, fmt.Sprintf("--listen=127.0.0.1:0"), fmt.Sprintf("--upstream=localhost:%d", s.etcd.Ports.Client), "-o", "json")
	s.through(t, p.at[0], "curl -sS $WITH https://$TO/health") // localhost may be ::1 first, where nobody listens
	p.expectReport(t, "the connection", func(c *watched) bool { return c.Outcome == "established" && c.Server.IP == "127.0.0.1" })
	p.end(t)
}

// proxyReload: SIGHUP reads the maps again, and live connections go on.
func proxyReload(t *testing.T, s *site) {
	file := filepath.Join(t.TempDir(), "maps")
	first, second := freeAddress(t), freeAddress(t)
	to := fmt.Sprintf("127.0.0.1:%d", s.etcd.Ports.Client)
	write := func(text string) {
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("# maps\n" + first + "=" + to + "\n")
	p := proxying(t, "--map-file="+file, "-o", "json")
	p.listens(t, 1)
	watch := starting(t, s.command(t, first, "exec etcdctl watch reload"))
	eventually(t, "the watch does not begin", func() bool {
		s.through(t, first, "etcdctl put reload 1")
		return strings.Contains(watch.stdout.String(), "PUT")
	})
	write(second + "=" + to + "\n")
	p.cmd.Process.Signal(syscall.SIGHUP)
	p.listens(t, 2)
	s.through(t, second, "etcdctl put reload after-reload")
	eventually(t, "the watch has not survived the reload", func() bool { return strings.Contains(watch.stdout.String(), "after-reload") })
	if err := s.command(t, first, "curl -sS -m 5 $WITH https://$TO/health").Run(); err == nil {
		t.Error("the first listener is still there")
	}
	write("this is no map\n")
	p.cmd.Process.Signal(syscall.SIGHUP)
	p.says(t, "the maps were not changed")
	s.through(t, second, "etcdctl put reload still")
	watch.cmd.Process.Kill()
	p.end(t)
}

// proxyDrain: on SIGTERM new connections are refused, and live ones go on until the time is over.
func proxyDrain(t *testing.T, s *site) {
	p := proxying(t, append(s.maps(), "-o", "json", "--drain-timeout=3s")...)
	watch := starting(t, s.command(t, p.at[0], "exec etcdctl watch drain"))
	eventually(t, "the watch does not begin", func() bool {
		s.through(t, p.at[0], "etcdctl put drain 1")
		return strings.Contains(watch.stdout.String(), "PUT")
	})
	p.cmd.Process.Signal(syscall.SIGTERM)
	eventually(t, "it still accepts", func() bool {
		return s.command(t, p.at[0], "curl -sS -m 5 $WITH https://$TO/health").Run() != nil
	})
	s.through(t, fmt.Sprintf("127.0.0.1:%d", s.etcd.Ports.Client), "etcdctl put drain while-draining")
	eventually(t, "the watch was cut at once", func() bool { return strings.Contains(watch.stdout.String(), "while-draining") })
	if status := p.wait(t); status != 0 {
		t.Errorf("exit status %d", status)
	}
	watch.cmd.Process.Kill()
}

// proxyActivated: systemd opens the socket, the proxy takes it.
func proxyActivated(t *testing.T, s *site) {
	if err := lab.Missing("systemd-socket-activate"); err != nil {
		t.Skipf("SKIPPED, no socket is handed over: %v", err)
	}
	address := freeAddress(t)
	p := &forwarder{tap: starting(t, exec.Command("systemd-socket-activate", "--listen="+address, etcdtap(), "proxy", "-o", "json",
		fmt.Sprintf("--upstream=127.0.0.1:%d", s.etcd.Ports.Client)))}
	p.says(t, "Listening on")
	s.through(t, address, "curl -sS $WITH https://$TO/health")
	p.expectReport(t, "the connection", func(c *watched) bool { return c.Outcome == "established" })
	p.end(t)
}

// proxyMetrics: numbers, health and, only when asked for, profiles.
func proxyMetrics(t *testing.T, s *site) {
	metrics, dead := freeAddress(t), freeAddress(t)
	p := proxying(t, append(s.maps(), "-o", "json", "--metrics="+metrics, "--map=127.0.0.1:0="+dead)...)
	s.through(t, p.at[0], "curl -sS $WITH https://$TO/health")
	p.expectReport(t, "the connection", func(c *watched) bool { return c.Outcome == "established" })
	if n := metric(t, metrics, "etcdtap_proxy_accepted_connections_total"); n != 1 {
		t.Errorf("%v connections accepted", n)
	}
	if page := get("http://" + metrics + "/healthz"); !strings.HasPrefix(page, "503\n") || !strings.Contains(page, dead) {
		t.Errorf("an upstream is dead, and the health is %q", page)
	}
	if page := get("http://" + metrics + "/debug/pprof/"); strings.HasPrefix(page, "200") {
		t.Error("profiles are served without being asked for")
	}
	p.end(t)
	metrics = freeAddress(t)
	p = proxying(t, append(s.maps(), "-o", "json", "--pprof", "--metrics="+metrics)...)
	if page := get("http://" + metrics + "/healthz"); page != "200\nok\n" {
		t.Errorf("the health is %q", page)
	}
	if page := get("http://" + metrics + "/debug/pprof/"); !strings.HasPrefix(page, "200") {
		t.Error("no profiles")
	}
	p.end(t)
}

// proxyRefusals: what would be a trap does not start.
func proxyRefusals(t *testing.T, s *site) {
	taken := httptest.NewServer(http.NotFoundHandler())
	defer taken.Close()
	to := fmt.Sprintf("127.0.0.1:%d", s.etcd.Ports.Client)
	port := taken.Listener.Addr().String()
	for _, tt := range []struct {
		name   string
		args   []string
		status int
		says   string
	}{
		{"reachable by all", []string{"--listen=:0", "--upstream=" + to}, 2, "--allow-remote"},
		{"to itself", []string{"--listen=" + freeAddress(t), "--upstream="}, 2, "itself"},
		{"port taken", []string{"--listen=" + port, "--upstream=" + to}, 1, "taken"},
		{"nothing", nil, 2, "expects to be told"},
		{"pprof without metrics", []string{"--listen=127.0.0.1:0", "--upstream=" + to, "--pprof"}, 2, "--metrics"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if tt.name == "to itself" {
				tt.args[1] += strings.TrimPrefix(tt.args[0], "--listen=")
			}
			p := starting(t, exec.Command(etcdtap(), append([]string{"proxy"}, tt.args...)...))
			if status := p.wait(t); status != tt.status || !strings.Contains(p.stderr.String(), tt.says) {
				t.Errorf("exit status %d, want %d, and %q in\n%s", status, tt.status, tt.says, p.stderr.String())
			}
		})
	}
	allowed := proxying(t, "--listen=0.0.0.0:0", "--upstream="+to, "--allow-remote", "-o", "json")
	time.Sleep(pollEvery)
	allowed.end(t)
}
