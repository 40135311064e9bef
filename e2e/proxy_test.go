package e2e

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/etcdtap/etcdtap/e2e/lab"
	"github.com/etcdtap/etcdtap/e2e/pki"
	"github.com/etcdtap/etcdtap/e2e/scenario"
)

// patience is how long anything may take on a machine that is busy with other things.
const patience = 60 * time.Second

// eventually waits until say returns "", which otherwise is what is still missing.
func eventually(t *testing.T, say func() string) {
	t.Helper()
	missing := ""
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); time.Sleep(20 * time.Millisecond) {
		if missing = say(); missing == "" {
			return
		}
	}
	t.Fatalf("after %s: %s", patience, missing)
}

// program is a running etcdtap, `proxy` or `capture`, with -o json or without.
type program struct {
	cmd    *exec.Cmd
	done   chan struct{} // closed when it has ended
	err    error         // valid iff done is closed
	stdout output
	stderr output
}

// output collects what a program writes.
type output struct {
	mu   sync.Mutex
	text []byte
}

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.text = append(o.text, p...)
	return len(p), nil
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return string(o.text)
}

// start runs etcdtap with args until the test ends.
func start(t *testing.T, args ...string) *program {
	t.Helper()
	return startCommand(t, exec.Command(os.Getenv(etcdtapVariable), args...))
}

func startCommand(t *testing.T, cmd *exec.Cmd) *program {
	t.Helper()
	p := &program{cmd: cmd, done: make(chan struct{})}
	cmd.Stdout, cmd.Stderr = &p.stdout, &p.stderr
	if cmd.SysProcAttr == nil {
		cmd.SysProcAttr = &syscall.SysProcAttr{}
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		p.err = cmd.Wait()
		close(p.done)
	}()
	t.Cleanup(func() {
		cmd.Process.Kill()
		<-p.done
		if t.Failed() {
			t.Logf("%v said:\n%.4000s", cmd.Args, p.stderr.String())
		}
	})
	return p
}

// says waits until standard error has text.
func (p *program) says(t *testing.T, text string) {
	t.Helper()
	eventually(t, func() string {
		if strings.Contains(p.stderr.String(), text) {
			return ""
		}
		select {
		case <-p.done:
			t.Fatalf("%v ended: %v\n%s", p.cmd.Args, p.err, p.stderr.String())
		default:
		}
		return fmt.Sprintf("%v has not said %q but:\n%s", p.cmd.Args, text, p.stderr.String())
	})
}

// stop ends it by a signal and returns when it has ended.
func (p *program) stop(t *testing.T) {
	t.Helper()
	p.cmd.Process.Signal(syscall.SIGTERM)
	p.ends(t)
	if p.err != nil {
		t.Errorf("%v: %v\n%s", p.cmd.Args, p.err, p.stderr.String())
	}
}

func (p *program) ends(t *testing.T) {
	t.Helper()
	select {
	case <-p.done:
	case <-time.After(patience):
		t.Fatalf("%v is still running:\n%s", p.cmd.Args, p.stderr.String())
	}
}

// addresses are where a proxy listens, in the order of its maps, when it has said so.
func (p *program) addresses(t *testing.T, n int) (list []string) {
	t.Helper()
	eventually(t, func() string {
		list = nil
		for lines := bufio.NewScanner(strings.NewReader(p.stderr.String())); lines.Scan(); {
			var from, to string
			if k, _ := fmt.Sscanf(lines.Text(), "etcdtap: forwarding %s to %s", &from, &to); k == 2 {
				list = append(list, from)
			}
		}
		select {
		case <-p.done:
			t.Fatalf("%v ended: %v\n%s", p.cmd.Args, p.err, p.stderr.String())
		default:
		}
		if len(list) < n {
			return fmt.Sprintf("%v listens at %v:\n%s", p.cmd.Args, list, p.stderr.String())
		}
		return ""
	})
	return list
}

// startProxy runs `etcdtap proxy` and says where it listens: once for each map among args.
func startProxy(t *testing.T, args ...string) (*program, []string) {
	t.Helper()
	n := 0
	for _, a := range args {
		if strings.HasPrefix(a, "--map=") || strings.HasPrefix(a, "--listen=") {
			n++
		}
	}
	p := start(t, append([]string{"proxy"}, args...)...)
	return p, p.addresses(t, n)
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
func (p *program) connections(t *testing.T) []watched {
	t.Helper()
	return lastReports(t, []byte(p.stdout.String()))
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

// liveLab is a lab with certificates, for tests against a live etcd.
type liveLab struct {
	*lab.Lab
	PKI string
}

func newLiveLab(t *testing.T) *liveLab {
	t.Helper()
	if reason := os.Getenv(noLiveVariable); reason != "" {
		t.Skipf("SKIPPED, the proxy is not tested in front of a live etcd: %s", reason)
	}
	module, err := filepath.Abs(".")
	if err != nil {
		t.Fatal(err)
	}
	l, err := lab.New(module, t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	x := &liveLab{Lab: l, PKI: filepath.Join(l.Work, "pki")}
	if err := pki.Write(x.PKI, time.Now()); err != nil {
		t.Fatal(err)
	}
	return x
}

// etcd starts a member of kubeadm's kind, until the test ends.
func (l *liveLab) etcd(t *testing.T, program lab.Program) *lab.Etcd {
	t.Helper()
	e, err := l.Start(t.Context(), scenario.Secure.Member(program, l.PKI))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(e.Stop)
	return e
}

// forwards is the flag that forwards a free port to etcd's.
func forwards(e *lab.Etcd, port uint16, role string) string {
	return fmt.Sprintf("--map=127.0.0.1:0=%s:%d,role=%s", bracketed(e.Host), port, role)
}
