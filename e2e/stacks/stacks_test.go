package stacks

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/etcdtap/etcdtap/e2e/lab"
)

// binaryVariable hands etcdtap to the process inside the lab's namespace.
const binaryVariable = "ETCDTAP_STACKS_BINARY"

func TestMain(m *testing.M) { os.Exit(inside(m)) }

func inside(m *testing.M) int {
	if os.Getenv(binaryVariable) == "" {
		dir, err := os.MkdirTemp("", "etcdtap-stacks-")
		if err != nil {
			fmt.Fprintln(os.Stderr, "stacks:", err)
			return 1
		}
		defer os.RemoveAll(dir)
		root, err := lab.Root()
		if err == nil {
			err = lab.BuildEtcdtap(context.Background(), root, filepath.Join(dir, "etcdtap"))
		}
		if err != nil {
			fmt.Fprintln(os.Stderr, "stacks:", err)
			return 1
		}
		os.Setenv(binaryVariable, filepath.Join(dir, "etcdtap"))
	}
	if code, in := lab.Enter(); !in {
		return code
	}
	return m.Run()
}

// played is one scenario as one stack played it.
type played struct {
	row, scenario string
	port          int // the server's, its own
}

// TestInferenceAgainstTruth plays every scenario with every stack in one capture, and compares what etcdtap infers without the key
// log with what tshark decrypts with it.
func TestInferenceAgainstTruth(t *testing.T) {
	if testing.Short() {
		t.Skip("SKIPPED (-short), the inference for TLS 1.3 is not measured")
	}
	if err := lab.Missing("tcpdump", "tshark", "openssl"); err != nil {
		t.Skipf("SKIPPED, the inference for TLS 1.3 is not measured: %v", err)
	}
	dir := t.TempDir()
	if kept := os.Getenv("ETCDTAP_STACKS_KEEP"); kept != "" {
		dir = kept
	}
	store, err := NewStore(dir)
	if err != nil {
		t.Fatal(err)
	}
	file, keys := filepath.Join(dir, "stacks.pcap"), filepath.Join(dir, "keys.log")
	all := record(t, store, file, keys)
	ports := make([]int, 0, len(all))
	for _, p := range all {
		ports = append(ports, p.port)
	}
	truth, err := ReadTruth(t.Context(), file, keys, ports)
	if err != nil {
		t.Fatal(err)
	}
	shapes, outcomes := inferred(t, file)
	if _, decrypted := inferred(t, file, "--keylog="+keys); !maps.Equal(outcomes, decrypted) {
		t.Errorf("the key log contradicts what was inferred without it (-decrypted +inferred):\n%s", cmp.Diff(decrypted, outcomes))
	}
	rows := judge(t, all, truth, shapes)
	t.Logf("right / cannot tell / wrong:\n%s", Table(rows))
}

// record plays while tcpdump captures.
func record(t *testing.T, store *Store, file, keys string) []played {
	t.Helper()
	keyLog, err := os.Create(keys)
	if err != nil {
		t.Fatal(err)
	}
	defer keyLog.Close()
	capture, err := lab.StartCapture(file, "tcp")
	if err != nil {
		t.Skipf("SKIPPED, the inference for TLS 1.3 is not measured: %v", err)
	}
	var all []played
	keyWriter, used := &locked{w: keyLog}, 0
	for _, c := range Clients() {
		all = append(all, playClient(t, store, &c, keyWriter, &used)...)
	}
	for _, v := range Servers() {
		all = append(all, playServer(t, store, &v, keyWriter, &used)...)
	}
	if err := capture.Stop(); err != nil {
		t.Fatal(err)
	}
	return all
}

func playClient(t *testing.T, store *Store, c *Client, keys io.Writer, used *int) (all []played) {
	if err := c.missing(); err != nil {
		t.Logf("SKIPPED, %s as client is LEFT OUT: %v", c.Name, err)
		return nil
	}
	if c.Prepare != nil {
		if err := c.Prepare(store); err != nil {
			t.Fatal(err)
		}
	}
	for _, of := range Scenarios() {
		g, err := serveGo(store, of, keys, used)
		if err != nil {
			t.Fatal(err)
		}
		var log bytes.Buffer
		c.Play(t.Context(), store, g.Port, of, &locked{w: &log})
		g.Close()
		if testing.Verbose() && os.Getenv("ETCDTAP_STACKS_KEEP") != "" {
			t.Logf("%s, %s: port %d\n%.600s", c.Name, of.Name, g.Port, log.Bytes())
		}
		all = append(all, played{c.Name + " > Go", of.Name, g.Port})
	}
	return all
}

func playServer(t *testing.T, store *Store, v *Server, keys io.Writer, used *int) (all []played) {
	if err := lab.Missing(v.Programs...); err != nil {
		t.Logf("SKIPPED, %s as server is LEFT OUT: %v", v.Name, err)
		return nil
	}
	for _, of := range Scenarios() {
		port := freePort(t, used)
		var log bytes.Buffer
		stop, err := v.start(t.Context(), store, port, of, &locked{w: &log})
		if err != nil {
			t.Fatalf("%v\n%s", err, log.Bytes())
		}
		dialGo(store, port, of, keys)
		stop()
		if testing.Verbose() && os.Getenv("ETCDTAP_STACKS_KEEP") != "" {
			t.Logf("%s, %s: port %d\n%.600s", v.Name, of.Name, port, log.Bytes())
		}
		all = append(all, played{"Go > " + v.Name, of.Name, port})
	}
	return all
}

func freePort(t *testing.T, used *int) int {
	t.Helper()
	l, err := listen(used)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port
}

// locked lets several connections write.
type locked struct {
	mu sync.Mutex
	w  io.Writer
}

func (l *locked) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.w.Write(p)
}

// inferred is what etcdtap says of each connection, by client and server port, and each one's outcome.
func inferred(t *testing.T, file string, more ...string) (all map[[2]int]*Shape, outcomes map[[2]int]string) {
	t.Helper()
	cmd := exec.Command(os.Getenv(binaryVariable), append([]string{"read", "-o", "json", "--all"}, append(more, file)...)...)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%v: %v\n%s", cmd.Args, err, stderr.Bytes())
	}
	all, outcomes = map[[2]int]*Shape{}, map[[2]int]string{}
	for d := json.NewDecoder(bytes.NewReader(out)); d.More(); {
		var c struct {
			Type    string
			Outcome string
			Client  struct{ Port int }
			Server  struct{ Port int }
			TLS     *struct{ Shape *Shape }
		}
		if err := d.Decode(&c); err != nil {
			t.Fatal(err)
		}
		if c.Type == "connection" && c.TLS != nil && c.TLS.Shape != nil {
			all[[2]int{c.Client.Port, c.Server.Port}] = c.TLS.Shape
			outcomes[[2]int{c.Client.Port, c.Server.Port}] = c.Outcome
		}
	}
	return all, outcomes
}

// judge compares connection by connection; a wrong inference is an error.
func judge(t *testing.T, all []played, truth map[[2]int]*Truth, shapes map[[2]int]*Shape) []Row {
	t.Helper()
	var rows []Row
	for _, p := range all {
		if len(rows) == 0 || rows[len(rows)-1].Name != p.row {
			rows = append(rows, Row{Name: p.row})
		}
		judged := 0
		for id, known := range truth {
			if id[1] != p.port || !known.Decrypted {
				continue
			}
			shape := shapes[id]
			if shape == nil {
				t.Errorf("%s, %s: etcdtap gives no shape for port %d", p.row, p.scenario, id[0])
				continue
			}
			judged++
			if shape.Visibility != "inferred" {
				t.Errorf("%s, %s: visibility %q", p.row, p.scenario, shape.Visibility)
			}
			verdicts := Judge(*shape, known)
			rows[len(rows)-1].Add(verdicts)
			for i, v := range verdicts {
				if v == Wrong {
					t.Errorf("%s, %s: %s is WRONG:\ninferred %+v\ntruth    %+v", p.row, p.scenario, Facts()[i], *shape, *known)
				}
			}
		}
		if judged == 0 {
			t.Errorf("%s, %s: tshark decrypted no handshake", p.row, p.scenario)
		}
	}
	return rows
}
