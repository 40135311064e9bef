package owner

import "strings"

// place is where a process lives, by the path of its control group.
type place struct {
	container, pod, unit string // "" for none
}

// parseCgroup reads /proc/PID/cgroup (cgroups(7)). Version 2 has one line; version 1 one for each hierarchy, of which that of systemd knows
// units and any may know the container.
func parseCgroup(text string) (p place) {
	for line := range strings.Lines(text) {
		_, rest, _ := strings.Cut(strings.TrimSuffix(line, "\n"), ":")
		controllers, path, ok := strings.Cut(rest, ":")
		if !ok {
			continue
		}
		q := parsePath(path)
		if controllers == "" || controllers == "name=systemd" || p.unit == "" {
			p.unit = first(q.unit, p.unit)
		}
		p.container, p.pod = first(p.container, q.container), first(p.pod, q.pod)
	}
	return p
}

func first(a, b string) string {
	if a != "" {
		return a
	}
	return b
}

// parsePath reads the path of one group. Groups are nested (a node of kind is a container with pods inside), so the innermost counts.
func parsePath(path string) (p place) {
	above := ""
	for part := range strings.FieldsFuncSeq(path, func(r rune) bool { return r == '/' }) {
		if part == ".." {
			continue // relative to the root of our own control group namespace
		}
		// containerd with the cgroupfs driver under systemd: kubepods-burstable-pod1234.slice:cri-containerd:5678
		if slice, rest, ok := strings.Cut(part, ":"); ok && strings.Contains(rest, ":") {
			p.pod = first(podOf(slice), p.pod)
			p.container = rest[strings.LastIndexByte(rest, ':')+1:]
			above = part
			continue
		}
		p.step(part, above)
		above = part
	}
	return p
}

// step takes one component into account, which is below the component above.
func (p *place) step(part, above string) {
	if pod := podOf(part); pod != "" {
		p.pod, p.container, p.unit = pod, "", "" // what was above is the node
		return
	}
	if id, monitor := containerOf(part, above); id != "" {
		p.container = id
		if monitor {
			p.container = "" // conmon looks after a container, and is outside
		}
		p.unit = ""
		return
	}
	switch {
	case strings.HasSuffix(part, ".service"), strings.HasSuffix(part, ".scope") && !strings.HasSuffix(p.unit, ".service"):
		p.unit = part
	}
}

// podOf is the pod's uid in a component of kubelet's, with either driver: "pod<uid>" (cgroupfs), "kubepods-burstable-pod<uid>.slice"
// (systemd, which has underscores for the uid's dashes). A static pod's uid is a hash without dashes.
func podOf(part string) string {
	uid := part
	if s, ok := strings.CutSuffix(part, ".slice"); ok {
		i := strings.LastIndex(s, "-pod")
		if i < 0 {
			return ""
		}
		uid = strings.ReplaceAll(s[i+1:], "_", "-")
	}
	uid, ok := strings.CutPrefix(uid, "pod")
	if !ok || len(strings.ReplaceAll(uid, "-", "")) != 32 || !isHex(strings.ReplaceAll(uid, "-", "")) {
		return ""
	}
	return uid
}

// idLen is the length of the ids of docker, containerd, CRI-O and podman: SHA-256 or random, in hex.
const idLen = 64

// containerOf is the id in a component such as "docker-<id>.scope", "cri-containerd-<id>.scope", "libpod-<id>.scope" or plain "<id>".
// monitor says that it is the group of the program that looks after the container.
func containerOf(part, above string) (id string, monitor bool) {
	name := strings.TrimSuffix(part, ".scope")
	id = name[strings.LastIndexByte(name, '-')+1:]
	switch {
	case len(id) == idLen && isHex(id):
		return id, strings.Contains(part, "conmon")
	case above == "lxc", above == "machine":
		return part, false
	}
	if lxc, ok := strings.CutPrefix(part, "lxc.payload."); ok {
		return lxc, false
	}
	if nspawn, ok := strings.CutPrefix(name, "machine-"); ok && above == "machine.slice" {
		return nspawn, false
	}
	return "", false
}

func isHex(s string) bool { return strings.Trim(s, "0123456789abcdef") == "" }
