// Command benchlive measures what `etcdtap capture` costs under a bulk load of real etcd traffic, side by side with `tcpdump -w /dev/null`:
// both see the same packets at the same time. make bench-live runs it.
//
// Usage:
//
//	benchlive [-rounds N] [-for DURATION] [-etcdtap FILE]
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"time"

	"github.com/etcdtap/etcdtap/e2e/lab"
	"github.com/etcdtap/etcdtap/e2e/pki"
	"github.com/etcdtap/etcdtap/e2e/scenario"
)

func main() {
	var o options
	flag.IntVar(&o.rounds, "rounds", 5, "`number` of measurements of each kind")
	flag.DurationVar(&o.duration, "for", 4*time.Second, "how long the load of one lasts")
	flag.StringVar(&o.etcdtap, "etcdtap", "", "the program to measure (bin/etcdtap)")
	flag.Parse()
	if err := prepare(); err != nil {
		fail(err)
	}
	if code, inside := lab.Enter(); !inside {
		os.Exit(code)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, &o); err != nil {
		fail(err)
	}
}

func fail(err error) {
	fmt.Fprintln(os.Stderr, "benchlive:", err)
	os.Exit(1)
}

type options struct {
	rounds   int
	duration time.Duration
	etcdtap  string
}

// prepare builds what is needed while there still is a network.
func prepare() error {
	if lab.Isolated() {
		return nil
	}
	if err := lab.Missing("tcpdump", "ip", "taskset"); err != nil {
		return err
	}
	root, err := lab.Root()
	if err != nil {
		return err
	}
	return lab.Build(context.Background(), filepath.Join(root, "e2e"), lab.Etcd35, lab.Etcdctl)
}

// bench is an etcd with large values and a way to it.
type bench struct {
	options
	lab  *lab.Lab
	pki  string
	etcd *lab.Etcd
	far  *network // where the client of the wire is
}

func run(ctx context.Context, o *options) error {
	if !lab.Isolated() {
		return fmt.Errorf("a network namespace of our own is needed: run it as root")
	}
	root, err := lab.Root()
	if err != nil {
		return err
	}
	if o.etcdtap == "" {
		o.etcdtap = filepath.Join(root, "bin", "etcdtap")
	}
	work, err := os.MkdirTemp("", "benchlive-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(work)
	b := &bench{options: *o, pki: filepath.Join(work, "pki")}
	if b.lab, err = lab.New(filepath.Join(root, "e2e"), work); err != nil {
		return err
	}
	if err := pki.Write(b.pki, time.Now()); err != nil {
		return err
	}
	if b.far, err = newWire(); err != nil {
		return err
	}
	defer b.far.close()
	member := scenario.Secure.Member(lab.Etcd35, b.pki)
	member.Host = "0.0.0.0" // on loopback and on the wire
	member.Flags = []string{"--quota-backend-bytes=2000000000", "--log-level=error"}
	if b.etcd, err = b.lab.Start(ctx, member); err != nil {
		return err
	}
	defer b.etcd.Stop()
	if err := b.fill(ctx); err != nil {
		return err
	}
	return b.measure(ctx)
}

// The values that are fetched again and again.
const (
	values    = 48
	valueSize = 1_000_000
)

func (b *bench) fill(ctx context.Context) error {
	for i := range values {
		cmd := b.etcdctl(ctx, nil, "127.0.0.1", "put", fmt.Sprintf("bulk/%d", i))
		cmd.Stdin = strings.NewReader(strings.Repeat(fmt.Sprintf("%08d", i), valueSize/8))
		if out, err := cmd.CombinedOutput(); err != nil {
			return fmt.Errorf("etcdctl put: %w\n%s", err, out)
		}
	}
	return nil
}

// etcdctl is a command on this host or, where far is given, at the wire's other end.
func (b *bench) etcdctl(ctx context.Context, far *network, host string, args ...string) *exec.Cmd {
	all := append([]string{filepath.Join(b.lab.Bin, string(lab.Etcdctl)), "--insecure-skip-tls-verify", "--cert", filepath.Join(b.pki, "healthcheck-client.crt"),
		"--key", filepath.Join(b.pki, "healthcheck-client.key"), "--endpoints", fmt.Sprintf("%s:%d", host, b.lab.Ports.Client)}, args...)
	if far != nil {
		all = far.enter(all)
	}
	return exec.CommandContext(ctx, all[0], all[1:]...)
}
