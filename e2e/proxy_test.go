package e2e

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"os/exec"
	"strings"
	"syscall"
	"testing"

	"github.com/etcdtap/etcdtap/e2e/lab"
	"github.com/etcdtap/etcdtap/e2e/scenario"
)

// forwarder is a running `etcdtap proxy`.
type forwarder struct {
	*tap
	at []string // where it listens, in the order of its maps
}

// proxying starts `etcdtap proxy`, and waits until it listens: once for each map among args.
func proxying(t *testing.T, args ...string) *forwarder {
	t.Helper()
	return proxyingWith(t, exec.Command(etcdtap(), append([]string{"proxy"}, args...)...))
}

// proxyingWith does so with a command that was made already.
func proxyingWith(t *testing.T, cmd *exec.Cmd) *forwarder {
	t.Helper()
	p := &forwarder{tap: starting(t, cmd)}
	maps := 0
	for _, a := range cmd.Args {
		if strings.HasPrefix(a, "--map=") || strings.HasPrefix(a, "--listen=") {
			maps++
		}
	}
	p.listens(t, maps)
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("%v said:\n%.4000s", cmd.Args, p.stderr.String())
		}
	})
	return p
}

// listens waits until it has said of n maps where it listens, all in all.
func (p *forwarder) listens(t *testing.T, n int) {
	t.Helper()
	eventually(t, "etcdtap proxy does not listen", func() bool {
		select {
		case <-p.ended:
			t.Fatalf("%v ended before it listened: %v\n%s", p.cmd.Args, p.err, p.stderr.String())
		default:
		}
		p.at = nil
		for line := range strings.Lines(p.stderr.String()) {
			var from, to string
			if k, _ := fmt.Sscanf(line, "etcdtap: forwarding %s to %s", &from, &to); k == 2 {
				p.at = append(p.at, from)
			}
		}
		return len(p.at) >= n
	})
}

// end ends it as systemd does, and holds it to success.
func (p *forwarder) end(t *testing.T) {
	t.Helper()
	p.cmd.Process.Signal(syscall.SIGTERM)
	if status := p.wait(t); status != 0 {
		t.Errorf("%v: exit status %d\n%s", p.cmd.Args, status, p.stderr.String())
	}
}

// watched is what the tests read of a live connection object.
type watched struct {
	Type     string          `json:"type"`
	ID       string          `json:"id"`
	Stage    string          `json:"stage"`
	Client   endpoint        `json:"client"`
	Server   endpoint        `json:"server"`
	Outgoing *endpoint       `json:"outgoing"`
	Endpoint string          `json:"endpoint"`
	Outcome  string          `json:"outcome"`
	Protocol string          `json:"client_protocol"`
	TLS      json.RawMessage `json:"tls"`
	Findings []finding       `json:"findings"`
	Bytes    struct {
		Client int64 `json:"client"`
		Server int64 `json:"server"`
	} `json:"bytes"`
	Missed struct {
		Client int64 `json:"client"`
		Server int64 `json:"server"`
	} `json:"missed"`
	Close struct {
		Client string `json:"client"`
		Server string `json:"server"`
	} `json:"close"`
	Process *struct {
		PID     int    `json:"pid"`
		Command string `json:"command"`
	} `json:"process"`
	Log []struct {
		Text   string    `json:"text"`
		Remote *endpoint `json:"remote"`
	} `json:"log"`
}

func (w *watched) codes() (list []string) {
	for _, f := range w.Findings {
		list = append(list, f.Code)
	}
	return list
}

// connections are the last reports of each connection, in the order of the first ones.
func (c *tap) connections(t *testing.T) []watched {
	t.Helper()
	return lastReports(t, []byte(c.stdout.String()))
}

func lastReports(t *testing.T, text []byte) (list []watched) {
	t.Helper()
	text = text[:bytes.LastIndexByte(text, '\n')+1]
	place := make(map[string]int)
	for d := json.NewDecoder(bytes.NewReader(text)); ; {
		var c watched
		if err := d.Decode(&c); err == io.EOF {
			return list
		} else if err != nil {
			t.Fatalf("no JSON: %v\n%.2000s", err, text)
		}
		if c.Type != "connection" {
			continue
		}
		if i, ok := place[c.ID]; ok {
			list[i] = c
			continue
		}
		place[c.ID] = len(list)
		list = append(list, c)
	}
}

// newSite is a lab with an etcd of kubeadm's kind, until the test ends.
func newSite(t *testing.T, program lab.Program) *site {
	t.Helper()
	l := newLab(t)
	s := &site{lab: l, pki: writePKI(t, l)}
	var err error
	if s.etcd, err = l.Start(t.Context(), scenario.Secure.Member(program, s.pki)); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.etcd.Stop)
	return s
}

// maps are the flags that forward free ports to etcd's client and peer port.
func (s *site) maps() []string {
	to := func(port uint16, role string) string {
		return fmt.Sprintf("--map=127.0.0.1:0=%s:%d,role=%s", bracketed(s.etcd.Host), port, role)
	}
	return []string{to(s.etcd.Ports.Client, "client"), to(s.etcd.Ports.Peer, "peer")}
}
