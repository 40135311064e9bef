package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/etcdtap/etcdtap/analysis"
	"github.com/etcdtap/etcdtap/analysis/report"
)

// checkFlags are the flags of `etcdtap check`, as given.
type checkFlags struct {
	deploy   deployFlags
	format   formatFlags
	at       string
	exitCode bool
}

func newCheck(e *environment) *cobra.Command {
	var f checkFlags
	cmd := &cobra.Command{
		Use:   "check",
		Short: "Compare etcd's configuration with its certificates",
		Long: `Compare etcd's configuration with its certificates, without any capture: each certificate
with its file, role, subject, issuer, names, usage and residual time, then every problem with
its fix. On a control-plane node it finds both by itself. Certificates are read, keys never.`,
		Example: `  etcdtap check
  etcdtap check --etcd-config /etc/kubernetes/manifests/etcd.yaml --pki /etc/kubernetes/pki/etcd
  etcdtap check --pid $(pgrep -x etcd)
  etcdtap check -o json | jq 'select(.type == "certificate") | [.file, .not_after]'`,
		Args: arguments(0, 0, "no arguments"),
		RunE: func(*cobra.Command, []string) error { return e.check(&f) },
	}
	fl := cmd.Flags()
	f.deploy.register(fl)
	f.format.register(fl)
	fl.StringVar(&f.at, "at", "", "judge validity at this `time` (RFC 3339) instead of now")
	fl.BoolVar(&f.exitCode, "exit-code", false, "exit with status 3 when there is a finding of severity error")
	return cmd
}

func (e *environment) check(f *checkFlags) error {
	if err := f.format.check(); err != nil {
		return err
	}
	at := time.Now()
	if f.at != "" {
		var err error
		if at, err = time.Parse(time.RFC3339, f.at); err != nil {
			return &usageError{fmt.Errorf("--at expects a time, got %q", f.at), "for example --at 2026-11-23T12:00:00Z"}
		}
	}
	var x analysis.Expectations
	f.detect()
	if err := e.expect(&f.deploy, &x); err != nil {
		return err
	}
	if x.PKI == nil && x.Deployment == nil {
		return errors.New("found neither certificates nor a configuration, expected those of a control-plane node; name them with --pki DIR and --etcd-config FILE, or a running etcd with --pid")
	}
	k := analysis.NewCheck(&x, at)
	var err error
	if f.format.output == "json" {
		err = report.CheckJSON(e.stdout, k)
	} else {
		err = report.CheckText(e.stdout, f.format.text(e), k)
	}
	if err == nil && len(x.PKI.Certificates()) == 0 && x.Deployment == nil {
		return errors.New("nothing was checked: what --pki names holds no certificate, and there is no configuration; name others with --pki DIR and --etcd-config FILE, or a running etcd with --pid")
	}
	if err == nil && f.exitCode && k.Count(analysis.Error) > 0 {
		return errFindings
	}
	return err
}

// detect takes the only etcd that runs here, where nothing was named and there is no manifest.
func (f *checkFlags) detect() {
	for _, name := range []string{"pki", "etcd-config", "pid"} {
		if f.deploy.given.Changed(name) {
			return
		}
	}
	if _, err := os.Stat(defaultManifest); err == nil {
		return
	}
	names, _ := filepath.Glob("/proc/[0-9]*/comm") // the pattern is right, and no match is no error
	found := 0
	for _, name := range names {
		data, _, err := readBounded(name, 64)
		pid, numberErr := strconv.Atoi(filepath.Base(filepath.Dir(name)))
		if err == nil && numberErr == nil && strings.TrimSpace(string(data)) == "etcd" {
			f.deploy.pid, found = pid, found+1
		}
	}
	if found != 1 {
		f.deploy.pid = 0
	}
}
