package e2e

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/etcdtap/etcdtap/e2e/lab"
)

// patience is how long anything may take on a busy machine. Nothing waits for it that goes well.
const patience = 30 * time.Second

// pollEvery is how often a test looks whether what it waits for has come.
const pollEvery = 20 * time.Millisecond

// eventually waits until is is true, and fails with what otherwise.
func eventually(t *testing.T, what string, is func() bool) {
	t.Helper()
	for end := time.Now().Add(patience); !is(); time.Sleep(pollEvery) {
		if time.Now().After(end) {
			t.Fatalf("after %s: %s", patience, what)
		}
	}
}

// collected is what a program has written so far.
type collected struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (c *collected) Write(p []byte) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.b.Write(p)
}

func (c *collected) String() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.b.String()
}

// tap is a running `etcdtap capture`.
type tap struct {
	cmd            *exec.Cmd
	stdout, stderr collected
	ended          chan struct{}
	err            error // of the program; valid iff ended is closed
}

// etcdtap is the program under test.
func etcdtap() string { return os.Getenv(etcdtapVariable) }

// pureGo is the program under test as it is without libpcap; "" when it could not be built.
func pureGo() string { return os.Getenv(pureGoVariable) }

// capturing starts `etcdtap capture` of the test's program and waits until it captures.
func capturing(t *testing.T, args ...string) *tap {
	t.Helper()
	return capturingWith(t, exec.Command(etcdtap(), append([]string{"capture"}, args...)...))
}

// capturingWith does so with a command that was made already.
func capturingWith(t *testing.T, cmd *exec.Cmd) *tap {
	t.Helper()
	c := starting(t, cmd)
	eventually(t, "etcdtap does not capture", func() bool {
		select {
		case <-c.ended:
			t.Fatalf("%v ended before it captured: %v\n%s", cmd.Args, c.err, c.stderr.String())
		default:
		}
		return strings.Contains(c.stderr.String(), "etcdtap: capturing on ")
	})
	return c
}

// starting starts a program and collects what it writes, where the command does not say otherwise.
func starting(t *testing.T, cmd *exec.Cmd) *tap {
	t.Helper()
	c := &tap{cmd: cmd, ended: make(chan struct{})}
	if cmd.Stdout == nil {
		cmd.Stdout = &c.stdout
	}
	cmd.Stderr = &c.stderr
	if cmd.SysProcAttr == nil {
		cmd.SysProcAttr = &syscall.SysProcAttr{}
	}
	cmd.WaitDelay = patience
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		defer close(c.ended)
		c.err = cmd.Wait()
	}()
	t.Cleanup(func() {
		cmd.Process.Kill()
		<-c.ended
	})
	return c
}

// wait waits for the end and returns the exit status, -1 after a signal.
func (c *tap) wait(t *testing.T) int {
	t.Helper()
	select {
	case <-c.ended:
	case <-time.After(patience):
		t.Fatalf("%v has not ended after %s\n%s", c.cmd.Args, patience, c.stderr.String())
	}
	return c.cmd.ProcessState.ExitCode()
}

// stop ends it as Ctrl-C does, and holds it to success and to what tcpdump says at its end.
func (c *tap) stop(t *testing.T) {
	t.Helper()
	c.cmd.Process.Signal(os.Interrupt)
	if status := c.wait(t); status != 0 {
		t.Errorf("%v: exit status %d\n%s", c.cmd.Args, status, c.stderr.String())
	}
	for _, line := range []string{" packets captured\n", " packets received by filter\n", " packets dropped by kernel\n"} {
		if !strings.Contains(c.stderr.String(), line) {
			t.Errorf("standard error lacks %q:\n%s", line, c.stderr.String())
		}
	}
}

// says waits until standard error has the text.
func (c *tap) says(t *testing.T, text string) {
	t.Helper()
	eventually(t, fmt.Sprintf("etcdtap has not said %q", text), func() bool { return strings.Contains(c.stderr.String(), text) })
}

// reported waits until standard output has the text.
func (c *tap) reported(t *testing.T, text string) {
	t.Helper()
	for end := time.Now().Add(patience); !strings.Contains(c.stdout.String(), text); time.Sleep(pollEvery) {
		if time.Now().After(end) {
			t.Fatalf("etcdtap has not reported %q after %s, only\n%s%s", text, patience, c.stdout.String(), c.stderr.String())
		}
	}
}

// object is a line of -o json.
type object = map[string]any

// objects are the lines of a type, of all that was written so far.
func (c *tap) objects(t *testing.T, kind string) []object {
	t.Helper()
	text := c.stdout.String()
	return objects(t, text[:strings.LastIndexByte(text, '\n')+1], kind)
}

func objects(t *testing.T, text, kind string) (found []object) {
	t.Helper()
	for d := json.NewDecoder(strings.NewReader(text)); ; {
		var o object
		err := d.Decode(&o)
		if err == io.EOF {
			return found
		}
		if err != nil {
			t.Fatalf("the output is not JSON: %v\n%.2000s", err, text)
		}
		if o["type"] == kind {
			found = append(found, o)
		}
	}
}

// codes are the findings' codes of a connection.
func codes(connection object) (codes []string) {
	list, _ := connection["findings"].([]any)
	for _, f := range list {
		codes = append(codes, f.(object)["code"].(string))
	}
	return codes
}

// get fetches a page; "" where it cannot.
func get(url string) string {
	client := http.Client{Timeout: patience}
	response, err := client.Get(url)
	if err != nil {
		return ""
	}
	defer response.Body.Close()
	text, _ := io.ReadAll(response.Body)
	return fmt.Sprintf("%d\n%s", response.StatusCode, text)
}

// requireRoot skips a test that needs what root alone has: namespaces, users, capabilities.
func requireRoot(t *testing.T, what string, programs ...string) {
	t.Helper()
	if os.Geteuid() != 0 || !lab.Isolated() {
		t.Skipf("SKIPPED, %s: it takes root and a network namespace of the test's own", what)
	}
	uid, err := os.ReadFile("/proc/self/uid_map")
	if err != nil || !strings.Contains(string(uid), "4294967295") {
		t.Skipf("SKIPPED, %s: this root is one of a user namespace only", what)
	}
	if err := lab.Missing(programs...); err != nil {
		t.Skipf("SKIPPED, %s: %v", what, err)
	}
}
