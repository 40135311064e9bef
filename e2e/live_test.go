package e2e

import (
	"flag"
	"os"
	"path/filepath"
	"regexp"
	"testing"
	"time"

	"github.com/etcdtap/etcdtap/e2e/lab"
	"github.com/etcdtap/etcdtap/e2e/pki"
	"github.com/etcdtap/etcdtap/e2e/scenario"
)

var live = flag.String("live", "^(v35-grpcurl-peer-port|v35-grpcurl-plaintext|v35-curl-expired|v37-curl-expired|v37-healthy-etcdctl|healthy-plaintext)$",
	"the scenarios to play against live etcds")

// TestLive plays scenarios against real etcds. tcpdump captures them for etcdtap to read, and beside it etcdtap captures them itself, by
// libpcap and by packet sockets: all three have to say the same. Certificates, etcd, clients and packets are all of this very moment.
// `-live .` plays every scenario there is.
func TestLive(t *testing.T) {
	l := newLab(t)
	chosen, err := regexp.Compile(*live)
	if err != nil {
		t.Fatal(err)
	}
	certificates := writePKI(t, l)
	type place struct {
		program lab.Program
		setup   scenario.Setup
	}
	var places []place // in the order of the table
	played := map[place][]scenario.Scenario{}
	for _, s := range scenario.All() {
		for _, program := range s.On {
			if !chosen.MatchString(s.File(program)) {
				continue
			}
			p := place{program, s.Setup}
			if played[p] == nil {
				places = append(places, p)
			}
			played[p] = append(played[p], s)
		}
	}
	for _, p := range places {
		stage := scenario.Stage{Lab: l, Program: p.program, PKI: certificates}
		t.Run(string(p.program)+" "+string(p.setup), func(t *testing.T) {
			if p.setup != scenario.Nothing {
				etcd, err := l.Start(t.Context(), p.setup.Member(p.program, certificates))
				if err != nil {
					t.Fatal(err)
				}
				defer etcd.Stop()
				stage.Etcd = etcd
			}
			for _, s := range played[p] {
				t.Run(s.File(p.program), func(t *testing.T) { play(t, &stage, &s) })
			}
		})
	}
}

// play plays one scenario.
func play(t *testing.T, stage *scenario.Stage, s *scenario.Scenario) {
	watchers := watchLive(t, stage.Lab.Ports)
	pcap := filepath.Join(t.TempDir(), "capture.pcap")
	truth, err := stage.Play(t.Context(), s, pcap)
	if err != nil {
		t.Fatal(err)
	}
	for _, w := range watchers {
		w.stop(t)
	}
	if !lab.Isolated() {
		truth.Connections = nil // they name etcd's usual ports
	}
	judge(t, &truth, read(t, pcap, truth.ClientPort, truth.PeerPort))
	want := readObjects(t, pcap, stage.Lab.Ports)
	for name, w := range watchers {
		compareLive(t, name, want, w.objects(t, "connection"))
	}
}

// newLab makes a lab, or skips the test where nothing can be captured.
func newLab(t *testing.T) *lab.Lab {
	t.Helper()
	if reason := os.Getenv(noLiveVariable); reason != "" {
		t.Skipf("SKIPPED, nothing is tested against a live etcd: %s", reason)
	}
	module, err := filepath.Abs(".")
	if err != nil {
		t.Fatal(err)
	}
	l, err := lab.New(module, t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	requireCapture(t, l)
	return l
}

func writePKI(t *testing.T, l *lab.Lab) string {
	t.Helper()
	certificates := filepath.Join(l.Work, "pki")
	if err := pki.Write(certificates, time.Now()); err != nil {
		t.Fatal(err)
	}
	return certificates
}

// requireCapture skips the test where tcpdump may not capture.
func requireCapture(t *testing.T, l *lab.Lab) {
	t.Helper()
	c, err := lab.StartCapture(filepath.Join(l.Work, "trial.pcap"), "tcp")
	if err != nil {
		t.Skipf("SKIPPED, nothing is tested against a live etcd: %v", err)
	}
	if err := c.Stop(); err != nil {
		t.Fatal(err)
	}
}
