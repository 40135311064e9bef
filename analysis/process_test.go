package analysis

import "testing"

func TestProcessIdentity(t *testing.T) {
	id := "8d2c6e0b1f4a8d2c6e0b1f4a8d2c6e0b1f4a8d2c6e0b1f4a8d2c6e0b1f4a8d2c"
	for name, c := range map[string]struct {
		in   Process
		want string
	}{
		"all":                      {Process{Known: true, PID: 1234, Command: "etcdctl", UIDKnown: true, Unit: "kubelet.service", Pod: "1234-5", Container: id}, "pid 1234 etcdctl (uid 0, unit kubelet.service, pod 1234-5, container 8d2c6e0b1f4a)"},
		"little":                   {Process{Known: true, PID: 7}, "pid 7"},
		"named container":          {Process{Known: true, PID: 7, Command: "x", Container: "web-1"}, "pid 7 x (container web-1)"},
		"hostile":                  {Process{Known: true, PID: 7, Command: "a\x1b[31m\n"}, `pid 7 a\x1b[31m\n`},
		"unknown":                  {Process{Why: "its socket was closed"}, "process unknown: its socket was closed"},
		"unknown, of user":         {Process{Why: "it has ended", UIDKnown: true, UID: 12}, "process of uid 12 unknown: it has ended"},
		"the reason says the user": {Process{Why: "its owner is uid 12", UIDKnown: true, UID: 12}, "process unknown: its owner is uid 12"},
	} {
		t.Run(name, func(t *testing.T) {
			if got := c.in.Identity(); got != c.want {
				t.Errorf("got  %s\nwant %s", got, c.want)
			}
		})
	}
}

func TestProcessCommandLine(t *testing.T) {
	p := Process{Args: []string{"sh", "-c", "etcdctl get \x1b]", "", "--user=root:[redacted]"}}
	if got, want := p.CommandLine(), `sh -c 'etcdctl get \x1b]' '' --user=root:[redacted]`; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}
