package e2e

import (
	"bytes"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/etcdtap/etcdtap/e2e/lab"
)

// freeAddress is one on loopback that nobody listens at.
func freeAddress(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

// captureMetrics asks for numbers and health while it captures.
func captureMetrics(t *testing.T, s *site) {
	address := freeAddress(t)
	file := filepath.Join(t.TempDir(), "metrics.pcapng")
	c := s.capturing(t, "-o", "json", "--metrics", address, "-w", file)
	if health := get("http://" + address + "/healthz"); health != "200\nok\n" {
		t.Errorf("/healthz says %q", health)
	}
	s.put(t, 1000)
	client := s.reject(t)
	c.expectCode(t, client, "plaintext-to-tls")
	for _, line := range []string{
		`etcdtap_connections_total{endpoint="client",outcome="plaintext_to_tls"} 1`,
		`etcdtap_findings_total{code="plaintext-to-tls",severity="error"} 1`,
		`etcdtap_handshake_duration_seconds_count{endpoint="client"} `,
		`etcdtap_build_info{`,
		`etcdtap_certificate_not_after_seconds{endpoint="client",side="server",source="wire"} `,
		`etcdtap_capture_dropped_packets_total{by="kernel"} 0`,
		`etcdtap_capture_gaps_total 0`,
	} {
		eventually(t, "the metrics lack "+line, func() bool { return strings.Contains(get("http://"+address+"/metrics"), "\n"+line) })
	}
	for _, name := range []string{"etcdtap_capture_received_packets_total", "etcdtap_capture_decoded_packets_total", "etcdtap_capture_written_packets_total", "etcdtap_capture_written_bytes_total"} {
		eventually(t, name+" stays at 0", func() bool { return metric(t, address, name) > 0 })
	}
	out, err := exec.Command(etcdtap(), append([]string{"capture", "--duration", "1s", "--metrics", address}, s.arguments()...)...).CombinedOutput()
	if err == nil || !strings.Contains(string(out), address+" is taken") {
		t.Errorf("a port that is taken gives %v and\n%s", err, out)
	}
	c.stop(t)
}

// metric is a value that /metrics has.
func metric(t *testing.T, address, name string) float64 {
	t.Helper()
	found := regexp.MustCompile(`(?m)^` + regexp.QuoteMeta(name) + ` (\S+)$`).FindStringSubmatch(get("http://" + address + "/metrics"))
	if found == nil {
		return 0
	}
	value, err := strconv.ParseFloat(found[1], 64)
	if err != nil {
		t.Fatal(err)
	}
	return value
}

// captureProcesses names clients, also those that live for milliseconds.
func captureProcesses(t *testing.T, s *site) {
	if os.Geteuid() != 0 {
		t.Skip("SKIPPED, processes are not looked for: it takes root")
	}
	c := s.capturing(t, "-o", "json")
	grpcurl, etcdctl := filepath.Join(s.lab.Bin, string(lab.Grpcurl)), filepath.Join(s.lab.Bin, string(lab.Etcdctl))
	for _, args := range [][]string{
		{"curl", "-sS", "-m", "10", "http://" + s.address() + "/health"},
		{grpcurl, "-plaintext", s.address(), "list"},
		append([]string{etcdctl}, append(s.clientArguments(), "--endpoints", s.address(), "get", "x")...),
	} {
		command := filepath.Base(args[0])
		eventually(t, "no connection is said to be of "+command, func() bool {
			exec.Command(args[0], args[1:]...).Run() // again: on a busy machine one may be gone before it is looked up
			for _, o := range c.objects(t, "connection") {
				if p, ok := o["process"].(object); ok && p["command"] == command {
					return true
				}
			}
			return false
		})
	}
	const many = 20
	for range many {
		exec.Command("curl", "-sS", "-m", "10", "http://"+s.address()+"/health").Run()
	}
	c.stop(t)
	named, curls := 0, 0
	for _, o := range c.objects(t, "connection") {
		p, ok := o["process"].(object)
		if !ok || o["stage"] == "open" {
			continue
		}
		if p["command"] == "curl" {
			named++
		}
		if o["outcome"] == "plaintext_to_tls" {
			curls++
		}
		if p["command"] == nil && p["unknown"] == nil {
			t.Errorf("a process that is not known has no reason: %v", p)
		}
	}
	t.Logf("%d of %d short-lived clients were named", named, curls)
	if named == 0 {
		t.Errorf("of %d short-lived curls none was named", curls)
	}
}

// capturePrivileges looks at what the kernel says of a capture that root has started.
func capturePrivileges(t *testing.T, s *site) {
	requireRoot(t, "privileges are not looked at")
	for _, program := range []string{etcdtap(), pureGo()} {
		for _, processes := range []string{"true", "false"} {
			c := capturingWith(t, exec.Command(program, append([]string{"capture", "--processes=" + processes}, s.arguments()...)...))
			tasks, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/status", c.cmd.Process.Pid))
			if err != nil || len(tasks) == 0 {
				t.Fatalf("no threads: %v", err)
			}
			for _, task := range tasks {
				status, err := os.ReadFile(task)
				if err != nil {
					continue // the thread has ended
				}
				for _, line := range []string{"\nUid:\t65534\t65534\t65534\t65534\n", "\nGroups:\t \n", "\nCapInh:\t0000000000000000\n", "\nCapPrm:\t0000000000000000\n",
					"\nCapEff:\t0000000000000000\n", "\nCapAmb:\t0000000000000000\n", "\nNoNewPrivs:\t1\n"} {
					if !bytes.Contains(status, []byte(line)) {
						t.Errorf("%s lacks %q:\n%s", task, line, status)
					}
				}
			}
			c.stop(t)
		}
	}
}

// asNobody has a command run by an ordinary user.
func asNobody(cmd *exec.Cmd) *exec.Cmd {
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
	cmd.Dir = "/"
	return cmd
}

// captureUnprivileged: without CAP_NET_RAW there is one error that says what to do, and doing it helps.
func captureUnprivileged(t *testing.T, s *site) {
	requireRoot(t, "other users are not tested", "setcap")
	for _, program := range []string{etcdtap(), pureGo()} {
		out, err := asNobody(exec.Command(program, append([]string{"capture"}, s.arguments()...)...)).CombinedOutput()
		if exit, ok := err.(*exec.ExitError); !ok || exit.ExitCode() != 1 {
			t.Errorf("without privilege it ends with %v", err)
		}
		for _, text := range []string{"CAP_NET_RAW", "setcap cap_net_raw=ep " + program, "securityContext", "NET_RAW"} {
			if !strings.Contains(string(out), text) {
				t.Errorf("the error lacks %q:\n%s", text, out)
			}
		}
		if n := strings.Count(string(out), "etcdtap: "); n != 1 {
			t.Errorf("%d errors instead of one:\n%s", n, out)
		}
		own := filepath.Join(openDirectory(t), "etcdtap")
		data, err := os.ReadFile(program)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(own, data, 0o755); err != nil {
			t.Fatal(err)
		}
		if out, err := exec.Command("setcap", "cap_net_raw=ep", own).CombinedOutput(); err != nil {
			t.Skipf("SKIPPED, file capabilities are not tested: %s", out)
		}
		c := capturingWith(t, asNobody(exec.Command(own, append([]string{"capture", "-o", "json"}, s.arguments()...)...)))
		status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", c.cmd.Process.Pid))
		if err != nil || !bytes.Contains(status, []byte("\nCapEff:\t0000000000000000\n")) {
			t.Errorf("the capability was kept (%v):\n%s", err, status)
		}
		c.expectCode(t, s.reject(t), "plaintext-to-tls")
		c.stop(t)
	}
}

// TestCaptureInterface is what becomes of a capture whose interface goes down and vanishes, and that etcdtap sends nothing.
func TestCaptureInterface(t *testing.T) {
	requireRoot(t, "no interface goes down", "ip", "nsenter", "curl")
	l := newLab(t)
	for _, program := range []string{etcdtap(), pureGo()} {
		h, other := newHost(t), newHost(t)
		wire(t, h, "v0", "10.99.3.1/24", other, "v1", "10.99.3.2/24")
		wire(t, h, "w0", "10.99.4.1/24", other, "w1", "10.99.4.2/24")
		counters := "/sys/class/net/v0/statistics/tx_packets"
		sent := func() string {
			return h.run(t, "unshare", "--mount", "sh", "-c", "mount -t sysfs sysfs /sys && cat "+counters+" "+strings.ReplaceAll(counters, "tx", "rx"))
		}
		before := sent()
		file := filepath.Join(t.TempDir(), "down.pcapng")
		cmd := h.command(append([]string{program, "capture", "-i", "v0", "-i", "w0", "-w", file, "-o", "json", "--metrics", "127.0.0.1:9379"}, portArguments(l.Ports)...)...)
		c := capturingWith(t, cmd)
		ask := func(page string) string {
			out, _ := h.command("curl", "-s", "-m", "10", "http://127.0.0.1:9379"+page).CombinedOutput()
			return string(out)
		}
		time.Sleep(time.Second) // in which something might be sent
		if after := sent(); after != before {
			t.Errorf("packets sent and received before and after a second of capturing: %q, %q", before, after)
		}
		h.run(t, "ip", "link", "set", "v0", "down")
		c.says(t, "interface v0 is down")
		eventually(t, "/healthz is well without an interface", func() bool { return strings.Contains(ask("/healthz"), "no packets come from v0") })
		h.run(t, "ip", "link", "set", "v0", "up")
		eventually(t, "/healthz is not well again", func() bool { return ask("/healthz") == "ok\n" })
		other.command("curl", "-s", "-m", "10", fmt.Sprintf("http://10.99.3.1:%d/", l.Ports.Client)).Run() // nobody listens there
		c.reported(t, `"outcome":"refused"`)
		h.run(t, "ip", "link", "del", "v0")
		c.says(t, "interface v0 vanished")
		if strings.Contains(c.stderr.String(), "packets captured") {
			t.Error("the capture ended although an interface is left")
		}
		h.run(t, "ip", "link", "del", "w0")
		if status := c.wait(t); status != 1 {
			t.Errorf("exit status %d", status)
		}
		for _, text := range []string{"interface w0 vanished", "every interface of v0, w0 has vanished", "packets captured"} {
			if !strings.Contains(c.stderr.String(), text) {
				t.Errorf("standard error lacks %q:\n%s", text, c.stderr.String())
			}
		}
		if found := readObjects(t, file, l.Ports); len(found) != 1 || found[0]["outcome"] != "refused" {
			t.Errorf("the file has %v", found)
		}
	}
}
