package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"github.com/etcdtap/etcdtap/analysis"
	"github.com/etcdtap/etcdtap/analysis/report"
)

// explainFlags are the flags of `etcdtap explain`, as given.
type explainFlags struct {
	ports    portFlags
	deploy   deployFlags
	format   formatFlags
	all      bool
	follow   bool
	exitCode bool
}

func newExplain(e *environment) *cobra.Command {
	var f explainFlags
	cmd := &cobra.Command{
		Use:   "explain [LOG... | CODE]",
		Short: "Explain etcd's rejected-connection logs, or what a finding means",
		Long: `Explain the lines about failed connections in etcd's log: who rejected whom, why, how sure
that is, and what to run next. LOG is a file (plain, gzip or zstd) or - for standard input;
without arguments a pipe is read. Every format of etcd 3.2 to 3.7 is known, gRPC's lines, what
etcdctl, kube-apiserver, grpcurl and curl print, and what journald, kubectl, containers and
syslog put around them.

With the CODE of a finding, print its page: what it means, how it looks on the wire and in the
log, what causes it and what to do. Without anything, list all findings.`,
		Example: `  journalctl -u etcd | etcdtap explain
  kubectl -n kube-system logs etcd-cp-1 | etcdtap explain -
  etcdtap explain --follow /var/log/etcd.log
  etcdtap explain grpc-to-peer-port`,
		ValidArgsFunction: completeCodes,
		RunE:              func(cmd *cobra.Command, args []string) error { return e.explain(cmd.Context(), args, &f) },
	}
	fl := cmd.Flags()
	f.ports.register(fl)
	f.deploy.register(fl)
	f.format.register(fl)
	fl.BoolVar(&f.all, "all", false, "show each line, too, not only causes and clients")
	fl.BoolVarP(&f.follow, "follow", "f", false, "keep reading growing or rotated files: each new cause is told once, repeats as counts")
	fl.BoolVar(&f.exitCode, "exit-code", false, "exit with status 3 when there is a finding of severity error")
	return cmd
}

// completeCodes offers the codes beside file names.
func completeCodes(_ *cobra.Command, args []string, prefix string) ([]string, cobra.ShellCompDirective) {
	var codes []string
	for _, c := range analysis.Causes() {
		if len(args) == 0 && strings.HasPrefix(string(c.Code), prefix) {
			codes = append(codes, string(c.Code)+"\t"+c.Title)
		}
	}
	return codes, cobra.ShellCompDirectiveDefault
}

// explain decides between logs, a code and the list of codes.
func (e *environment) explain(ctx context.Context, args []string, f *explainFlags) error {
	if err := f.format.check(); err != nil {
		return err
	}
	if f.follow && len(args) == 0 {
		return &usageError{errors.New("--follow expects files, got none"), "for example etcdtap explain --follow /var/log/etcd.log; a pipe is read until it ends as it is"}
	}
	if len(args) == 0 {
		piped := bufio.NewReader(e.stdin)
		if e.interactive() {
			return e.listCauses(f)
		}
		if _, err := piped.Peek(1); err == io.EOF && f.format.output != "json" {
			e.log.Warn("standard input is empty, so there is no log to explain: these are all findings that exist")
			return e.listCauses(f)
		}
		e.stdin, args = piped, []string{"-"}
	}
	if err := checkNames(args...); err != nil {
		return err
	}
	if len(args) == 1 && args[0] != "-" {
		if c, ok := analysis.CauseOf(analysis.Code(args[0])); ok {
			if f.format.output == "json" {
				return errPagesAreText
			}
			return report.CausePage(e.stdout, c, f.format.text(e).Width)
		}
		if _, err := os.Stat(args[0]); err != nil && looksLikeCode(args[0]) {
			return unknownCode(args[0])
		}
	}
	for _, arg := range args {
		if _, ok := analysis.CauseOf(analysis.Code(arg)); ok && len(args) > 1 {
			if _, err := os.Stat(arg); err != nil {
				return &usageError{fmt.Errorf("expected logs or a single finding, got %s beside others", arg), "for example etcdtap explain " + arg}
			}
		}
	}
	return e.explainLogs(ctx, args, f)
}

// interactive reports whether nothing can come from standard input but what somebody types.
func (e *environment) interactive() bool {
	f, ok := e.stdin.(*os.File)
	if !ok {
		return false
	}
	info, err := f.Stat()
	return err != nil || info.Mode()&os.ModeCharDevice != 0
}

// looksLikeCode reports whether a word is rather a code than a file: no dot, no slash.
func looksLikeCode(s string) bool { return !strings.ContainsAny(s, "./") && strings.Contains(s, "-") }

// explainLogs reads the logs and reports causes.
func (e *environment) explainLogs(ctx context.Context, names []string, f *explainFlags) error {
	expect, err := f.ports.expectations()
	if err != nil {
		return err
	}
	if err := e.expect(&f.deploy, &expect); err != nil {
		return err
	}
	var s analysis.LogSummary
	x := &analysis.Explainer{Expectations: expect}
	out := e.newLogReport(f, names)
	if f.follow {
		if err := e.followable(names); err != nil {
			return err
		}
		err = e.follow(ctx, names, x, out, &s)
	} else {
		s.Input, err = e.readLogs(names, x, func(le *analysis.LogEntry) error {
			s.Add(le)
			return out.Entry(le)
		})
	}
	if err != nil {
		return err
	}
	if err := out.Summary(&s); err != nil {
		return err
	}
	if f.exitCode && s.Failed() {
		return errFindings
	}
	return nil
}

// followable refuses what cannot grow.
func (e *environment) followable(names []string) error {
	for _, n := range names {
		if n == "-" {
			return &usageError{fmt.Errorf("--follow expects files, got standard input"), "a pipe is read until it ends as it is: journalctl -f -u etcd | etcdtap explain -o json"}
		}
	}
	return nil
}

func (e *environment) newLogReport(f *explainFlags, names []string) report.LogReport {
	if f.format.output == "json" {
		return report.NewLogJSON(e.stdout)
	}
	o := f.format.text(e)
	o.Source, o.All = strings.Join(names, ", "), f.all
	return report.NewLogText(e.stdout, o)
}

// errPagesAreText is the error for who asks for a finding, or for the list of all, as JSON.
var errPagesAreText = &usageError{errors.New("--output json expects logs: findings are explained in text"), "leave it out, or name a log (- for standard input)"}

func (e *environment) listCauses(f *explainFlags) error {
	if f.format.output == "json" {
		return errPagesAreText
	}
	for _, c := range analysis.Causes() {
		if _, err := fmt.Fprintf(e.stdout, "%-30s  %-7s  %s\n", c.Code, c.Severity, c.Title); err != nil {
			return err
		}
	}
	return nil
}

func unknownCode(s string) error {
	hint := "run 'etcdtap explain' for the list of all findings"
	if near, ok := analysis.NearestCode(s); ok {
		hint = fmt.Sprintf("did you mean 'etcdtap explain %s'? Run 'etcdtap explain' for the list", near)
	}
	return &usageError{fmt.Errorf("there is no finding and no file %q", s), hint}
}
