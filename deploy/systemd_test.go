package deploy

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// units are verified with a program that exists in place of etcdtap, which need not be installed where the tests run.
func units(t *testing.T) (dir string, paths []string) {
	t.Helper()
	if _, err := exec.LookPath("systemd-analyze"); err != nil {
		t.Skip("SKIPPED: there is no systemd-analyze here, so the units were not verified")
	}
	program, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	dir = t.TempDir()
	for _, name := range []string{"etcdtap.service", "etcdtap-proxy.service", "etcdtap-proxy.socket"} {
		text := strings.ReplaceAll(read(t, name), "/usr/local/bin/etcdtap", program)
		p := filepath.Join(dir, name)
		if err := os.WriteFile(p, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		paths = append(paths, p)
	}
	return dir, paths
}

func verify(t *testing.T, paths ...string) {
	t.Helper()
	out, err := exec.Command("systemd-analyze", append([]string{"verify", "--man=no", "--recursive-errors=no"}, paths...)...).CombinedOutput()
	if strings.Contains(string(out), "unrecognized option") {
		t.Skipf("SKIPPED: this systemd-analyze is too old to verify units: %s", out)
	}
	if err != nil || strings.Contains(string(out), "etcdtap") {
		t.Errorf("systemd-analyze verify: %v\n%s", err, out)
	}
}

func TestUnitsVerify(t *testing.T) {
	_, paths := units(t)
	verify(t, paths...)
}

// The drop-ins fit the unit that they are for.
func TestDropInsVerify(t *testing.T) {
	dir, paths := units(t)
	program, _ := os.Executable()
	drop := filepath.Join(dir, "etcdtap.service.d")
	if err := os.Mkdir(drop, 0o755); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"kubeadm", "processes"} {
		text := strings.ReplaceAll(read(t, "etcdtap-"+name+".conf"), "/usr/local/bin/etcdtap", program)
		if err := os.WriteFile(filepath.Join(drop, name+".conf"), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	verify(t, paths[0])
}

// systemd's own measure of what a service could do: 10 is everything, up to 2 is what it calls OK.
func TestUnitsExposure(t *testing.T) {
	_, paths := units(t)
	for name, threshold := range map[string]string{paths[0]: "21", paths[1]: "15"} {
		out, err := exec.Command("systemd-analyze", "security", "--offline=true", "--threshold="+threshold, name).CombinedOutput()
		if strings.Contains(string(out), "unrecognized option") {
			t.Skipf("SKIPPED: this systemd-analyze is too old to judge units that are not loaded: %s", out)
		}
		if err != nil {
			t.Errorf("%s: %v\n%s", filepath.Base(name), err, out)
		}
	}
}

// What a reader of the unit relies on, and systemd would not miss.
func TestUnitSays(t *testing.T) {
	for name, wants := range map[string][]string{
		"etcdtap.service": {"DynamicUser=yes", "AmbientCapabilities=CAP_NET_RAW", "CapabilityBoundingSet=CAP_NET_RAW", "NoNewPrivileges=yes", "ProtectSystem=strict",
			"ProtectHome=yes", "PrivateTmp=yes", "RestrictAddressFamilies=AF_PACKET AF_NETLINK AF_INET AF_INET6 AF_UNIX", "SystemCallFilter=@system-service",
			"RestrictNamespaces=yes", "MemoryMax=512M", "LogsDirectory=etcdtap", "TemporaryFileSystem=/etc/kubernetes:ro"},
		"etcdtap-proxy.service": {"DynamicUser=yes", "CapabilityBoundingSet=", "NoNewPrivileges=yes", "ProtectSystem=strict", "PrivateUsers=yes"},
		"etcdtap-proxy.socket":  {"ListenStream=127.0.0.1:12379"},
	} {
		text := read(t, name)
		for _, want := range wants {
			if !regexp.MustCompile("(?m)^" + regexp.QuoteMeta(want) + "$").MatchString(text) {
				t.Errorf("%s does not say %s", name, want)
			}
		}
	}
}
