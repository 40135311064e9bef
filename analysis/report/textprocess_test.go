package report

import (
	"strings"
	"testing"

	"github.com/etcdtap/etcdtap/analysis"
)

// A client's process stands below its connection, and with a repeated failure where it is another program.
func TestTextNamesProcesses(t *testing.T) {
	named := func(c *analysis.Connection, command string) *analysis.Connection {
		c.Process = &analysis.Process{Known: true, PID: 4242, UIDKnown: true, Command: command, Args: []string{command, "--insecure", "\x1b]0;owned"}, Unit: "kubelet.service"}
		return c
	}
	unknown := &analysis.Process{Why: "it had ended"}
	silent, told := healthyConnection(sampleStart), plaintextConnection(50, 5)
	silent.Process, told.Process = unknown, unknown
	told.Client = silent.Client
	got := textOf(t, TextOptions{}, named(healthyConnection(sampleStart), "apiserver"), named(plaintextConnection(10, 1), "etcdctl"), named(plaintextConnection(20, 2), "etcdctl"),
		named(plaintextConnection(30, 3), "curl"), silent, told)
	for want, n := range map[string]int{
		"client: pid 4242 apiserver (uid 0, unit kubelet.service): apiserver --insecure": 1,
		"client: pid 4242 etcdctl (uid 0, unit kubelet.service): etcdctl --insecure":     1,
		"client: pid 4242 curl (uid 0, unit kubelet.service): curl --insecure":           1,
		"client: process unknown: it had ended":                                          1,
		`\x1b]0;owned`:                                                                   3,
		"\x1b":                                                                           0,
	} {
		if have := strings.Count(got, want); have != n {
			t.Errorf("%d times %q, want %d", have, want, n)
		}
	}
	if t.Failed() {
		t.Log(got)
	}
}
