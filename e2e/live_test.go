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

var live = flag.String("live", "^v35-grpcurl-(peer-port|plaintext)$", "the scenarios to play against a live etcd 3.5")

// TestLive plays scenarios against a real etcd, captures them and lets etcdtap read the captures: certificates, etcd,
// grpcurl and packets are all of this very moment. `-live .` plays every scenario of etcd 3.5.
func TestLive(t *testing.T) {
	if reason := os.Getenv(noLiveVariable); reason != "" {
		t.Skipf("SKIPPED, nothing is tested against a live etcd: %s", reason)
	}
	chosen, err := regexp.Compile(*live)
	if err != nil {
		t.Fatal(err)
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
	certificates := filepath.Join(l.Work, "pki")
	if err := pki.Write(certificates, time.Now()); err != nil {
		t.Fatal(err)
	}
	etcd, err := l.Start(t.Context(), scenario.Secure.Member(lab.Etcd35, certificates))
	if err != nil {
		t.Fatal(err)
	}
	defer etcd.Stop()
	for _, s := range scenario.All() {
		if s.Setup != scenario.Secure || s.On[0] != lab.Etcd35 || !chosen.MatchString(s.File(lab.Etcd35)) {
			continue
		}
		t.Run(s.File(lab.Etcd35), func(t *testing.T) {
			stage := scenario.Stage{Lab: l, Program: lab.Etcd35, PKI: certificates, Etcd: etcd}
			pcap := filepath.Join(t.TempDir(), "capture.pcap")
			truth, err := stage.Play(t.Context(), &s, pcap)
			if err != nil {
				t.Fatal(err)
			}
			if lab.Isolated() {
				judge(t, &truth, read(t, pcap, truth.ClientPort, truth.PeerPort))
				return
			}
			truth.Connections = nil // they name etcd's usual ports
			judge(t, &truth, read(t, pcap, truth.ClientPort, truth.PeerPort))
		})
	}
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
