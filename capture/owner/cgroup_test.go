package owner

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const (
	testID     = "3f0d1f1a9c6f2e7f4c9a8b7d6e5f4a3b2c1d0e9f8a7b6c5d4e3f2a1b0c9d8e7f"
	testPod    = "0d8a1e5c-6f2b-4d0e-9c7a-5b3f1e2d4c6a"
	testStatic = "2d9c3a5f0e7b1c4d8a6f9e2b5c3d7a10"
)

// The paths are those that the runtimes make, the ids made up.
func TestParseCgroup(t *testing.T) {
	under := strings.ReplaceAll(testPod, "-", "_")
	for name, c := range map[string]struct {
		text string
		want place
	}{
		"unit":                                  {"0::/system.slice/etcd.service\n", place{unit: "etcd.service"}},
		"unit of a template":                    {"0::/system.slice/system-etcd.slice/etcd@node1.service\n", place{unit: "etcd@node1.service"}},
		"unit with groups of its own":           {"0::/system.slice/k3s.service/supervised\n", place{unit: "k3s.service"}},
		"unit, version 1":                       {"12:pids:/system.slice/kubelet.service\n5:cpu,cpuacct:/system.slice/kubelet.service\n1:name=systemd:/system.slice/kubelet.service\n0::/system.slice/kubelet.service\n", place{unit: "kubelet.service"}},
		"only systemd's hierarchy knows":        {"12:pids:/user.slice/user-0.slice/session-3.scope\n4:memory:/\n1:name=systemd:/system.slice/ssh.service\n", place{unit: "ssh.service"}},
		"session":                               {"0::/user.slice/user-1000.slice/session-3.scope\n", place{unit: "session-3.scope"}},
		"unit of a user's manager":              {"0::/user.slice/user-1000.slice/user@1000.service/app.slice/backup.service\n", place{unit: "backup.service"}},
		"terminal":                              {"0::/user.slice/user-1000.slice/user@1000.service/app.slice/vte-spawn-1.scope\n", place{unit: "user@1000.service"}},
		"init":                                  {"0::/init.scope\n", place{unit: "init.scope"}},
		"root":                                  {"0::/\n", place{}},
		"none":                                  {"", place{}},
		"no lines of the kind":                  {"hello\n0:\n::\n", place{}},
		"containerd, systemd driver, v2":        {"0::/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod" + under + ".slice/cri-containerd-" + testID + ".scope\n", place{container: testID, pod: testPod}},
		"containerd, systemd driver, v1":        {"11:memory:/kubepods.slice/kubepods-besteffort.slice/kubepods-besteffort-pod" + under + ".slice/cri-containerd-" + testID + ".scope\n1:name=systemd:/kubepods.slice/kubepods-besteffort.slice/kubepods-besteffort-pod" + under + ".slice/cri-containerd-" + testID + ".scope\n", place{container: testID, pod: testPod}},
		"guaranteed":                            {"0::/kubepods.slice/kubepods-pod" + under + ".slice/cri-containerd-" + testID + ".scope\n", place{container: testID, pod: testPod}},
		"static pod":                            {"0::/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod" + testStatic + ".slice/cri-containerd-" + testID + ".scope\n", place{container: testID, pod: testStatic}},
		"containerd, cgroupfs driver, v1":       {"4:memory:/kubepods/burstable/pod" + testPod + "/" + testID + "\n1:name=systemd:/kubepods/burstable/pod" + testPod + "/" + testID + "\n", place{container: testID, pod: testPod}},
		"containerd, drivers at odds":           {"1:name=systemd:/system.slice/containerd.service/kubepods-burstable-pod" + under + ".slice:cri-containerd:" + testID + "\n", place{container: testID, pod: testPod, unit: "containerd.service"}},
		"docker below kubelet":                  {"0::/kubepods.slice/kubepods-pod" + under + ".slice/docker-" + testID + ".scope\n", place{container: testID, pod: testPod}},
		"CRI-O":                                 {"0::/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod" + under + ".slice/crio-" + testID + ".scope\n", place{container: testID, pod: testPod}},
		"CRI-O with a group inside":             {"0::/kubepods.slice/kubepods-pod" + under + ".slice/crio-" + testID + ".scope/container\n", place{container: testID, pod: testPod}},
		"CRI-O's monitor":                       {"0::/kubepods.slice/kubepods-pod" + under + ".slice/crio-conmon-" + testID + ".scope\n", place{pod: testPod}},
		"docker, systemd":                       {"0::/system.slice/docker-" + testID + ".scope\n", place{container: testID}},
		"docker, cgroupfs":                      {"9:cpuset:/docker/" + testID + "\n", place{container: testID}},
		"docker in docker":                      {"0::/docker/" + strings.Repeat("a", 64) + "/docker/" + testID + "\n", place{container: testID}},
		"a pod in a node of kind":               {"0::/docker/" + strings.Repeat("a", 64) + "/kubelet.slice/kubelet-kubepods.slice/kubelet-kubepods-burstable.slice/kubelet-kubepods-burstable-pod" + under + ".slice/cri-containerd-" + testID + ".scope\n", place{container: testID, pod: testPod}},
		"kubelet in a node of kind":             {"0::/docker/" + testID + "/kubelet.slice/kubelet.service\n", place{container: testID, unit: "kubelet.service"}},
		"systemd in a pod":                      {"0::/kubepods.slice/kubepods-pod" + under + ".slice/cri-containerd-" + testID + ".scope/system.slice/etcd.service\n", place{container: testID, pod: testPod, unit: "etcd.service"}},
		"podman":                                {"0::/machine.slice/libpod-" + testID + ".scope/container\n", place{container: testID}},
		"podman without root":                   {"0::/user.slice/user-1000.slice/user@1000.service/user.slice/libpod-" + testID + ".scope/container\n", place{container: testID}},
		"podman's monitor":                      {"0::/machine.slice/libpod-conmon-" + testID + ".scope\n", place{}},
		"podman, cgroupfs":                      {"7:pids:/libpod_parent/libpod-" + testID + "\n", place{container: testID}},
		"podman, quadlet":                       {"0::/system.slice/etcd.service/libpod-payload-" + testID + "\n", place{container: testID}},
		"nerdctl":                               {"0::/system.slice/nerdctl-" + testID + ".scope\n", place{container: testID}},
		"containerd's own namespace":            {"0::/default/" + testID + "\n", place{container: testID}},
		"LXC":                                   {"0::/lxc.payload.node1/system.slice/etcd.service\n", place{container: "node1", unit: "etcd.service"}},
		"LXC, version 1":                        {"3:memory:/lxc/node1\n", place{container: "node1"}},
		"systemd-nspawn":                        {"0::/machine.slice/machine-node1.scope/payload\n", place{container: "node1"}},
		"seen from inside another":              {"0::/../../kubepods-pod" + under + ".slice/cri-containerd-" + testID + ".scope\n", place{container: testID, pod: testPod}},
		"seen from inside itself":               {"0::/\n", place{}},
		"ids of other lengths are none":         {"0::/system.slice/docker-abc.scope\n", place{unit: "docker-abc.scope"}},
		"a slice that looks like a pod's":       {"0::/my-podcast.slice/x.service\n", place{unit: "x.service"}},
		"a group called pod of nobody's making": {"0::/pods/podium\n", place{}},
	} {
		t.Run(name, func(t *testing.T) {
			if d := cmp.Diff(c.want, parseCgroup(c.text), cmp.AllowUnexported(place{})); d != "" {
				t.Errorf("%s(-want +got):\n%s", c.text, d)
			}
		})
	}
}

func FuzzParseCgroup(f *testing.F) {
	f.Add("0::/kubepods.slice/kubepods-pod" + strings.Repeat("a", 32) + ".slice:cri-containerd:x\n1:name=systemd:/machine/..//\n")
	f.Fuzz(func(t *testing.T, s string) {
		p := parseCgroup(s)
		for _, got := range []string{p.container, p.pod, p.unit} {
			if !strings.Contains(strings.ReplaceAll(s, "_", "-"), strings.ReplaceAll(got, "_", "-")) {
				t.Errorf("%q is not in %q", got, s)
			}
		}
	})
}
