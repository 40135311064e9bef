package main

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"github.com/etcdtap/etcdtap/analysis"
	"github.com/etcdtap/etcdtap/capture"
)

// readFlags are the flags of `etcdtap read`, as given.
type readFlags struct {
	etcd           portFlags
	deploy         deployFlags
	all            bool
	hosts          []string
	ports          []uint
	filter         string
	logs           []string
	keylogs        []string
	idle           time.Duration
	maxConnections int
	workers        int
	out            outputFlags
}

func newRead(e *environment) *cobra.Command {
	var f readFlags
	cmd := &cobra.Command{
		Use:     "read FILE...",
		Aliases: []string{"analyze"},
		Short:   "Read capture files and say what went wrong",
		Long: `Read capture files (pcap or pcapng, plain, gzip or zstd; - is standard input) and say of
each connection to etcd whether its TLS handshake succeeded, and if not, who rejected whom,
why, how sure that is, and what to do. Several files are one capture, in time order.

Looked at are connections to etcd's ports and any other connection that carries TLS.
Connections come out in the order in which they end.`,
		Example: `  tcpdump -i any -s 0 -w incident.pcap 'tcp port 2379 or tcp port 2380'
  etcdtap read incident.pcap

  etcdtap read --problems --certs incident.pcapng.gz
  etcdtap read -o json a.pcap b.pcap | jq 'select(.findings[0].severity == "error")'
  etcdtap read --filter 'host 10.0.0.7 and port 2380' incident.pcap`,
		Args: arguments(1, -1, "one FILE or more (- for standard input)"),
		RunE: func(cmd *cobra.Command, args []string) error { return e.read(cmd.Context(), args, &f) },
	}
	fl := cmd.Flags()
	f.etcd.register(fl)
	f.deploy.register(fl)
	fl.BoolVar(&f.all, "all", false, "show every TCP connection, not only etcd's ports and TLS")
	fl.StringSliceVar(&f.hosts, "host", nil, "only connections from or to this `address`; repeatable")
	fl.UintSliceVar(&f.ports, "port", nil, "only connections from or to this `port`; repeatable")
	fl.Lookup("port").DefValue = "" // help would show "(default [])"
	fl.StringVar(&f.filter, "filter", "", "only packets that this tcpdump filter `expression` matches")
	fl.StringSliceVar(&f.logs, "log", nil, "etcd's log `file` of the same time: its rejections are joined with their connections; repeatable")
	fl.StringSliceVar(&f.keylogs, "keylog", nil, "key log `file` (SSLKEYLOGFILE) to decrypt handshakes and alerts with; repeatable. Secrets inside pcapng files are used without it")
	fl.DurationVar(&f.idle, "idle-timeout", time.Hour, "give a connection up after this `time` of the capture without a packet")
	fl.IntVar(&f.maxConnections, "max-connections", 1_500_000, "the `number` of unfinished connections kept at most, 90 bytes each while half-open, 150 before they carry data; the longest idle is given up first")
	fl.IntVar(&f.workers, "workers", 0, "how many `processors` to use: 1 does one thing after the other, with more reading, tracking and reporting run side by side, and beyond 3 there is nothing to gain; 0 takes what there is. The output is the same")
	f.out.register(fl)
	return cmd
}

// scope turns the flags into what the reader needs.
func (f *readFlags) scope() (scope, error) {
	s := scope{all: f.all}
	var err error
	if s.expect, err = f.etcd.expectations(); err != nil {
		return s, err
	}
	if s.ports, err = ports("port", f.ports); err != nil {
		return s, err
	}
	for _, h := range f.hosts {
		a, parseErr := netip.ParseAddr(h)
		if parseErr != nil {
			return s, &usageError{fmt.Errorf("--host expects an IP address, got %q", h), hostHint(h)}
		}
		s.hosts = append(s.hosts, a.Unmap().WithZone(""))
	}
	if f.idle <= 0 {
		return s, &usageError{fmt.Errorf("--idle-timeout expects a time above zero, got %v", f.idle), "for example --idle-timeout 5m"}
	}
	if f.maxConnections <= 0 {
		return s, &usageError{fmt.Errorf("--max-connections expects a number above zero, got %d", f.maxConnections), "for example --max-connections 1000000"}
	}
	if f.workers < 0 {
		return s, &usageError{fmt.Errorf("--workers expects a number from 0 on, got %d", f.workers), "for example --workers 2"}
	}
	if f.filter != "" {
		s.filter, err = newFilter(f.filter)
	}
	return s, err
}

// hostHint says what to give instead of what is no address.
func hostHint(h string) string {
	if a, err := netip.ParseAddrPort(h); err == nil {
		return fmt.Sprintf("give the port by itself: --host %s --port %d", a.Addr(), a.Port())
	}
	if _, err := netip.ParsePrefix(h); err == nil {
		return "networks are for tcpdump's expressions: --filter 'net " + h + "'"
	}
	return "captures hold addresses, not names: look it up with 'getent hosts " + analysis.Quote(h) + "'"
}

func newFilter(expression string) (*capture.Filter, error) {
	filter, err := capture.NewFilter(expression)
	switch {
	case err == nil:
		return filter, nil
	case !capture.HasPcap:
		return nil, err
	}
	return nil, &usageError{fmt.Errorf("--filter expects a tcpdump expression: %w", err), "for example --filter 'host 10.0.0.7 and tcp port 2380'; see pcap-filter(7)"}
}

// read is the command: it opens, reads, reports.
func (e *environment) read(ctx context.Context, names []string, f *readFlags) error {
	scope, err := f.scope()
	if err != nil {
		return err
	}
	if err := f.out.check(); err != nil {
		return err
	}
	if err := checkNames(slices.Concat(names, f.logs)...); err != nil {
		return err
	}
	if err := e.expect(&f.deploy, &scope.expect); err != nil {
		return err
	}
	e.collectLater()
	files, err := openFiles(names, e.stdin)
	if err != nil {
		return err
	}
	defer closeFiles(files)
	keys, err := openKeys(f.keylogs, files)
	if err != nil {
		return err
	}
	defer keys.close()
	return e.report(ctx, files, scope, capture.PipelineOptions{Workers: f.workers,
		TrackerOptions: capture.TrackerOptions{IdleTimeout: f.idle, MaxConnections: f.maxConnections, Keys: keys}}, f.logs, &f.out)
}

// report reads the files, and the logs to be joined with them, and writes what was found.
func (e *environment) report(ctx context.Context, files []*capture.File, s scope, o capture.PipelineOptions, logs []string, flags *outputFlags) error {
	out, err := e.newOutput(flags, files, s.expect.PKI)
	if err != nil {
		return err
	}
	r := &reader{scope: s, options: o, files: files, each: out.connection}
	join, err := e.newJoin(logs, r)
	if err != nil {
		return err
	}
	progress := e.startProgress(files)
	err = r.read(ctx)
	if err == nil && join != nil {
		err = join.Close()
	}
	progress.stop()
	if err != nil {
		return err
	}
	for _, w := range r.warnings() {
		e.log.Warn(w)
	}
	if err := out.close(r.input(ctx.Err() != nil), join); err != nil {
		return err
	}
	switch {
	case ctx.Err() != nil:
		return errors.New("interrupted: what was read until then is above")
	case r.undecodable() != nil:
		return r.undecodable()
	case flags.exitCode && out.summary.Failed > 0:
		return errFindings
	}
	return nil
}

// newJoin reads the logs and puts the join between the reader and its output. It is nil when there are no logs.
func (e *environment) newJoin(logs []string, r *reader) (*analysis.Join, error) {
	if len(logs) == 0 {
		return nil, nil
	}
	join := analysis.NewJoin(r.each)
	x := &analysis.Explainer{Expectations: r.scope.expect}
	_, err := e.readLogs(logs, x, func(le *analysis.LogEntry) error {
		join.Entry(le)
		return nil
	})
	r.each, r.join = join.Connection, join
	return join, err
}
