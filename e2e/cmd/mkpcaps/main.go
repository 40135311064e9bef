// Command mkpcaps makes testdata/pcaps: it plays every scenario against real etcds and keeps the packets, what etcd
// logged, and the truth.
//
// Usage:
//
//	mkpcaps [-o DIR] [-run REGEXP]
package main

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"regexp"
	"time"

	"github.com/etcdtap/etcdtap/e2e/lab"
	"github.com/etcdtap/etcdtap/e2e/pki"
	"github.com/etcdtap/etcdtap/e2e/scenario"
)

func main() {
	if err := prepare(); err != nil {
		fmt.Fprintln(os.Stderr, "mkpcaps:", err)
		os.Exit(1)
	}
	if code, inside := lab.Enter(); !inside {
		os.Exit(code)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "mkpcaps:", err)
		stop()
		os.Exit(1)
	}
}

// prepare builds what is needed while there still is a network.
func prepare() error {
	if lab.Isolated() {
		return nil
	}
	if err := lab.Missing("tcpdump", "curl", "openssl", "editcap"); err != nil {
		return err
	}
	root, err := lab.Root()
	if err != nil {
		return err
	}
	start := time.Now()
	fmt.Fprintln(os.Stderr, "building etcd 3.5, etcd 3.7, etcdctl and grpcurl (minutes the first time)")
	err = lab.Build(context.Background(), filepath.Join(root, "e2e"), lab.Etcd35, lab.Etcd37, lab.Etcdctl, lab.Grpcurl)
	fmt.Fprintf(os.Stderr, "built in %s\n", time.Since(start).Round(time.Second))
	return err
}

func run(ctx context.Context, args []string) error {
	root, err := lab.Root()
	if err != nil {
		return err
	}
	flags := flag.NewFlagSet("mkpcaps", flag.ExitOnError)
	out := flags.String("o", filepath.Join(root, "testdata", "pcaps"), "directory to write to")
	pattern := flags.String("run", "", "only the captures whose names match")
	flags.Parse(args)
	chosen, err := regexp.Compile(*pattern)
	if err != nil {
		return err
	}
	work, err := os.MkdirTemp("", "mkpcaps-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(work)
	l, err := lab.New(filepath.Join(root, "e2e"), work)
	if err != nil {
		return err
	}
	m := maker{lab: l, out: *out, pki: filepath.Join(work, "pki"), chosen: chosen}
	if err := pki.Write(m.pki, time.Now()); err != nil {
		return err
	}
	return m.all(ctx)
}

// maker makes captures.
type maker struct {
	lab    *lab.Lab
	out    string
	pki    string
	chosen *regexp.Regexp
}

// group is an etcd and what is done to it.
type group struct {
	program   lab.Program
	setup     scenario.Setup
	scenarios []scenario.Scenario
}

// groups puts together the scenarios that can share an etcd, in the table's order.
func (m *maker) groups() []group {
	var groups []group
	index := map[[2]string]int{}
	for _, s := range scenario.All() {
		for _, program := range s.On {
			if !m.chosen.MatchString(s.File(program)) {
				continue
			}
			key := [2]string{string(program), string(s.Setup)}
			if _, ok := index[key]; !ok {
				index[key] = len(groups)
				groups = append(groups, group{program: program, setup: s.Setup})
			}
			g := &groups[index[key]]
			g.scenarios = append(g.scenarios, s)
		}
	}
	return groups
}

func (m *maker) all(ctx context.Context) error {
	for _, g := range m.groups() {
		if err := m.group(ctx, g); err != nil {
			return err
		}
	}
	return writeReadme(m.lab, m.out)
}

func (m *maker) group(ctx context.Context, g group) error {
	stage := scenario.Stage{Lab: m.lab, Program: g.program, PKI: m.pki}
	var version string
	if g.setup != scenario.Nothing {
		etcd, err := m.lab.Start(ctx, g.setup.Member(g.program, m.pki))
		if err != nil {
			return err
		}
		defer etcd.Stop()
		stage.Etcd = etcd
	}
	version, err := m.version(g)
	if err != nil {
		return err
	}
	for _, s := range g.scenarios {
		base := filepath.Join(m.out, s.File(g.program))
		truth, err := stage.Play(ctx, &s, base+".pcap")
		if err != nil {
			return err
		}
		if stage.Etcd != nil || len(stage.Log) > 0 {
			truth.Etcd = version
		}
		if err := keep(base, truth, &stage); err != nil {
			return err
		}
		if s.Embed {
			if err := embed(ctx, base); err != nil {
				return err
			}
		}
		fmt.Fprintln(os.Stderr, truth.Name)
	}
	return nil
}

// embed writes a pcapng file that has the capture and its key log.
func embed(ctx context.Context, base string) error {
	out, err := exec.CommandContext(ctx, "editcap", "-F", "pcapng", "--inject-secrets", "tls,"+base+".keys", base+".pcap", base+".pcapng").CombinedOutput()
	if err != nil {
		return fmt.Errorf("editcap, putting %s.keys into a pcapng file: %w\n%s", base, err, out)
	}
	return nil
}

// version asks the program itself.
func (m *maker) version(g group) (string, error) {
	text, err := exec.Command(filepath.Join(m.lab.Bin, string(g.program)), "--version").Output()
	if err != nil {
		return "", fmt.Errorf("asking %s for its version: %w", g.program, err)
	}
	found := regexp.MustCompile(`etcd Version: (\S+)`).FindSubmatch(text)
	if found == nil {
		return "", fmt.Errorf("%s --version says %q", g.program, text)
	}
	return string(found[1]), nil
}

// keep writes what stands beside the capture.
func keep(base string, truth scenario.Truth, stage *scenario.Stage) error {
	text, err := json.MarshalIndent(truth, "", " ")
	if err != nil {
		return err
	}
	if err := os.WriteFile(base+".json", append(text, '\n'), 0o644); err != nil {
		return err
	}
	if truth.Keys != "" {
		if err := os.WriteFile(base+".keys", stage.Keys, 0o644); err != nil {
			return err
		}
	}
	if truth.Etcd == "" {
		return nil
	}
	return os.WriteFile(base+".log", stage.Log, 0o644)
}
