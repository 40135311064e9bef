package scenario

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/etcdtap/etcdtap/e2e/lab"
)

// Bounds on a scenario's steps.
const (
	stepTimeout = 20 * time.Second
	settle      = 200 * time.Millisecond // between scenarios: late packets of the last one
	maxSays     = 1200                   // bytes kept of what a client printed: etcdctl comes to the point late
)

// Stage is where one scenario is played.
type Stage struct {
	Lab     *lab.Lab
	Program lab.Program
	PKI     string
	Etcd    *lab.Etcd // nil for Setup Nothing
	Log     []byte    // what etcd wrote, set by steps that start their own
	Keys    []byte    // the secrets that the clients wrote, for scenarios that ask for it

	pcap    string
	capture *lab.Capture
	says    []string
}

// Member is the etcd of a setup.
func (s Setup) Member(program lab.Program, pki string) lab.Member {
	server, peer := lab.Keys{Authority: "ca", Pair: "server"}, lab.Keys{Authority: "ca", Pair: "peer"}
	m := lab.Member{Program: program, Name: "cp-1", Host: "127.0.0.1", Client: &server, Peer: &peer, PKI: pki}
	switch s {
	case Plain:
		m.Client, m.Peer = nil, nil
	case ExpiredServer:
		server.Pair = "bad/expired-server"
	case WrongName:
		server.Pair = "bad/wrong-name-server"
	case Curves:
		server, peer = lab.Keys{Authority: "ecdsa/ca", Pair: "ecdsa/server"}, lab.Keys{Authority: "ecdsa/ca", Pair: "ecdsa/peer"}
	case IPv6:
		m.Host = "::1"
	}
	return m
}

// Play does a scenario while capturing into pcap. Afterwards s.Log is what etcd wrote meanwhile.
func (s *Stage) Play(ctx context.Context, sc *Scenario, pcap string) (Truth, error) {
	time.Sleep(settle)
	var mark int64
	var err error
	if s.Etcd != nil {
		if mark, err = s.Etcd.Mark(); err != nil {
			return Truth{}, err
		}
	}
	s.pcap, s.says, s.Log, s.Keys = pcap, nil, nil, nil
	if err := os.Remove(s.keyLog()); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return Truth{}, err
	}
	if s.capture, err = lab.StartCapture(pcap, s.filter()); err != nil {
		return Truth{}, err
	}
	for _, step := range sc.Steps {
		if err := s.do(ctx, step); err != nil {
			s.EndCapture()
			return Truth{}, fmt.Errorf("%s: %w", sc.Name, err)
		}
	}
	if err := s.EndCapture(); err != nil {
		return Truth{}, fmt.Errorf("%s: %w", sc.Name, err)
	}
	if s.Etcd != nil {
		if s.Log, err = s.Etcd.Since(mark); err != nil {
			return Truth{}, err
		}
	}
	if sc.Keys {
		if s.Keys, err = os.ReadFile(s.keyLog()); err != nil {
			return Truth{}, fmt.Errorf("%s: no client wrote its secrets: %w", sc.Name, err)
		}
	}
	for _, path := range [][2]string{{s.PKI, "$PKI"}, {s.Lab.Work, "$WORK"}, {s.Lab.Bin, "$BIN"}} { // no path of this machine
		s.Log = bytes.ReplaceAll(s.Log, []byte(path[0]), []byte(path[1]))
	}
	return s.truth(sc), nil
}

// Do does a scenario's steps and captures nothing: somebody else watches.
func (s *Stage) Do(ctx context.Context, sc *Scenario) error {
	for _, step := range sc.Steps {
		if err := s.do(ctx, step); err != nil {
			return fmt.Errorf("%s: %w", sc.Name, err)
		}
	}
	return nil
}

// Says is what the clients of the steps so far printed.
func (s *Stage) Says() []string { return s.says }

// keyLog is the file that the steps know as $KEYS.
func (s *Stage) keyLog() string { return filepath.Join(s.Lab.Work, "keys") }

func (s *Stage) filter() string {
	return fmt.Sprintf("tcp port %d or tcp port %d", s.Lab.Ports.Client, s.Lab.Ports.Peer)
}

// Recapture throws away what was captured so far and starts anew.
func (s *Stage) Recapture() (err error) {
	if err := s.EndCapture(); err != nil {
		return err
	}
	s.capture, err = lab.StartCapture(s.pcap, s.filter())
	return err
}

// EndCapture ends the capture before the steps are over.
func (s *Stage) EndCapture() error {
	if s.capture == nil {
		return nil
	}
	defer func() { s.capture = nil }()
	return s.capture.Stop()
}

// do does one step. That a client fails is what most scenarios are about, so its exit status is no error.
func (s *Stage) do(ctx context.Context, step Step) error {
	if step.Do != nil {
		s.says = append(s.says, "")
		return step.Do(ctx, s)
	}
	ctx, cancel := context.WithTimeout(ctx, stepTimeout)
	defer cancel()
	cmd := exec.CommandContext(ctx, "sh", "-c", step.Command)
	cmd.Dir = s.Lab.Work
	cmd.Env = append(os.Environ(), "PKI="+s.PKI, "KEYS="+s.keyLog(), "PATH="+s.Lab.Bin+string(filepath.ListSeparator)+os.Getenv("PATH"))
	for name, port := range s.variables() {
		cmd.Env = append(cmd.Env, fmt.Sprintf("%s=%d", name[1:], port))
	}
	out, _ := cmd.CombinedOutput()
	if ctx.Err() != nil {
		return fmt.Errorf("%s: still running after %s", step.Command, stepTimeout)
	}
	if strings.Contains(string(out), "not found\n") && strings.HasPrefix(string(out), "sh:") {
		return fmt.Errorf("%s: %s", step.Command, out)
	}
	text := strings.ReplaceAll(strings.TrimSpace(string(out)), s.PKI, "$PKI")
	if strings.Contains(step.Command, "s_client") {
		text = sClientVerdict(text)
	}
	s.says = append(s.says, text[:min(len(text), maxSays)])
	return nil
}

func (s *Stage) variables() map[string]uint16 {
	return map[string]uint16{"$CLIENT": s.Lab.Ports.Client, "$PEER": s.Lab.Ports.Peer}
}

// sClientVerdict picks from the long output of openssl s_client the lines that say how it went.
func sClientVerdict(text string) string {
	var kept []string
	for line := range strings.Lines(text) {
		for _, prefix := range []string{"New,", "Reused,", "Verify return code", "error:"} {
			if line = strings.TrimSpace(line); strings.HasPrefix(line, prefix) || prefix == "error:" && strings.Contains(line, ":error:") {
				kept = append(kept, line)
			}
		}
	}
	return strings.Join(kept, "\n")
}

func (s *Stage) truth(sc *Scenario) Truth {
	wire := sc.WireOn(s.Program)
	t := Truth{
		Name: sc.File(s.Program), Summary: sc.Summary, Says: s.says,
		ClientPort: s.Lab.Ports.Client, PeerPort: s.Lab.Ports.Peer,
		Outcomes: wire.Outcomes, Codes: wire.Codes, Also: wire.Also, Hidden: wire.Hidden, Connections: sc.Must,
	}
	for _, step := range sc.Steps {
		how := step.Command + step.How
		for name, port := range s.variables() {
			how = strings.ReplaceAll(how, name, fmt.Sprint(port))
		}
		t.How = append(t.How, how)
	}
	if sc.Keys {
		t.Keys = t.Name + ".keys"
	}
	return t
}
