package main

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/pflag"

	"github.com/etcdtap/etcdtap/analysis"
	"github.com/etcdtap/etcdtap/analysis/pki"
	"github.com/etcdtap/etcdtap/analysis/report"
	"github.com/etcdtap/etcdtap/capture"
)

// outputFlags say what is printed and how. All commands that report connections have them.
type outputFlags struct {
	formatFlags
	problems    bool
	certs       bool
	exportCerts string
	sort        string
	exitCode    bool
}

func (f *outputFlags) register(fl *pflag.FlagSet) {
	f.registerLive(fl)
	fl.StringVar(&f.sort, "sort", "", "`order`: start, client or severity, instead of that in which connections end; keeps all in memory")
}

// registerLive leaves out what needs an end.
func (f *outputFlags) registerLive(fl *pflag.FlagSet) {
	f.formatFlags.register(fl)
	fl.BoolVar(&f.problems, "problems", false, "show only connections with findings")
	fl.BoolVar(&f.certs, "certs", false, "print the certificates found")
	fl.StringVar(&f.exportCerts, "export-certs", "", "write the certificates found to this `directory` as PEM, named by their SHA-256")
	fl.BoolVar(&f.exitCode, "exit-code", false, "exit with status 3 when there is a finding of severity error")
}

// check rejects values that do not exist.
func (f *outputFlags) check() error {
	if err := f.formatFlags.check(); err != nil {
		return err
	}
	if f.sort == "" {
		return nil
	}
	return oneOf("sort", f.sort, "start", "client", "severity")
}

// output takes connections and prints them.
type output struct {
	flags    *outputFlags
	report   report.Report
	certs    *report.Certificates
	exporter *certExporter
	summary  analysis.Summary
	held     []analysis.Connection // for --sort
}

func (e *environment) newOutput(f *outputFlags, files []*capture.File, known *pki.Store) (*output, error) {
	o := &output{flags: f}
	if f.output == "json" {
		j := report.NewJSON(e.stdout)
		j.NameFiles(known)
		o.report = j
	} else {
		options := f.text(e)
		options.Source = fileNames(files)
		o.report = report.NewText(e.stdout, options)
	}
	if f.certs {
		o.certs = &report.Certificates{Files: known}
	}
	if f.exportCerts != "" {
		x, err := newCertExporter(f.exportCerts)
		if err != nil {
			return nil, err
		}
		o.exporter = x
	}
	return o, nil
}

// fileNames names the capture for a heading.
func fileNames(files []*capture.File) string {
	if len(files) > 3 {
		return fmt.Sprintf("%s and %d more files", files[0].Name(), len(files)-1)
	}
	var names []string
	for _, f := range files {
		names = append(names, f.Name())
	}
	return strings.Join(names, ", ")
}

// connection takes one connection, whose facts are valid during the call.
func (o *output) connection(c *analysis.Connection) error {
	o.summary.Add(c)
	if o.certs != nil {
		o.certs.Add(c)
	}
	if o.exporter != nil {
		if err := o.exporter.add(c); err != nil {
			return err
		}
	}
	if o.flags.problems && len(c.Findings) == 0 {
		return nil
	}
	if o.flags.sort != "" {
		kept := *c
		kept.Facts = c.Facts.Clone()
		o.held = append(o.held, kept)
		return nil
	}
	return o.report.Connection(c)
}

// close prints what was held back, the certificates, the log entries and the summary.
func (o *output) close(in analysis.Input, join *analysis.Join) error {
	o.sort()
	for i := range o.held {
		if err := o.report.Connection(&o.held[i]); err != nil {
			return err
		}
	}
	if o.certs != nil {
		if err := o.report.Certificates(o.certs); err != nil {
			return err
		}
	}
	if join != nil {
		if err := o.report.LogEntries(join.Entries(), join.Stats()); err != nil {
			return err
		}
	}
	o.summary.Input = in
	return o.report.Summary(&o.summary)
}

// sort puts the connections held in the order asked for; equal ones stay in the order in which they ended.
func (o *output) sort() {
	slices.SortStableFunc(o.held, func(a, b analysis.Connection) int {
		start := cmp.Or(a.Start.Compare(b.Start), cmp.Compare(a.TCP.FirstPacket, b.TCP.FirstPacket))
		switch o.flags.sort {
		case "client":
			return cmp.Or(a.Client.Compare(b.Client), start)
		case "severity":
			return cmp.Or(cmp.Compare(weight(&b), weight(&a)), start)
		}
		return start
	})
}

// weight ranks a connection by its worst finding; none is least.
func weight(c *analysis.Connection) int {
	if s, found := c.Severity(); found {
		return 1 + int(s)
	}
	return 0
}

// certExporter writes each distinct certificate once, as PEM, to a directory.
type certExporter struct {
	dir  *os.Root
	done map[[sha256.Size]byte]bool // by digest, so that no certificate is kept
}

// maxExported bounds what is remembered of the certificates written; a file that exists already is never written again anyway.
const maxExported = 1 << 16

func newCertExporter(name string) (*certExporter, error) {
	if err := os.MkdirAll(name, 0o700); err != nil {
		return nil, fmt.Errorf("--export-certs needs a directory that can be written: %w; name another one", err)
	}
	dir, err := os.OpenRoot(name)
	if err != nil {
		return nil, fmt.Errorf("--export-certs needs a directory that can be written: %w; name another one", err)
	}
	return &certExporter{dir: dir, done: make(map[[sha256.Size]byte]bool)}, nil
}

func (x *certExporter) add(c *analysis.Connection) error {
	if c.TLS == nil {
		return nil
	}
	for d := range c.TLS.Certificates {
		for _, cert := range c.TLS.Certificates[d].Chain {
			if x.done[cert.SHA256] {
				continue
			}
			if err := x.write(cert); err != nil {
				return err
			}
			if len(x.done) < maxExported {
				x.done[cert.SHA256] = true
			}
		}
	}
	return nil
}

// write makes the file, readable by its owner only. One that exists is the same certificate, or not ours to change.
func (x *certExporter) write(cert *analysis.Certificate) error {
	name := hex.EncodeToString(cert.SHA256[:]) + ".pem"
	f, err := x.dir.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if errors.Is(err, fs.ErrExist) {
		return nil
	}
	if err == nil {
		err = pem.Encode(f, &pem.Block{Type: "CERTIFICATE", Bytes: cert.Raw})
		err = cmp.Or(f.Close(), err)
	}
	if err != nil {
		return fmt.Errorf("--export-certs could not write %s: %w; name another directory", filepath.Join(x.dir.Name(), name), err)
	}
	return nil
}
