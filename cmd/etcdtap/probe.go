package main

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/etcdtap/etcdtap/analysis"
	"github.com/etcdtap/etcdtap/analysis/report"
	"github.com/etcdtap/etcdtap/probe"
)

// probeFlags are the flags of `etcdtap probe`, as given.
type probeFlags struct {
	ports                 portFlags
	deploy                deployFlags
	format                formatFlags
	cert, key, cacert     string
	serverName            string
	tlsMin, tlsMax        string
	alpn                  []string
	timeout               time.Duration
	all                   bool
	evidence              bool
	getVersion, getHealth bool
	expect                string
	exitCode              bool
}

func newProbe(e *environment) *cobra.Command {
	var f probeFlags
	cmd := &cobra.Command{
		Use:   "probe HOST[:PORT]...",
		Short: "Ask an etcd itself: make the handshake and say what came of it",
		Long: `Make TLS handshakes with an etcd, on its client or peer port, and say which certificate it
presents and whether that verifies, whether it demands a client certificate and accepts yours,
which CAs, versions and protocols it takes. The port is 2379 where none is given.

Nothing is sent but handshakes and, with --version and --health, GET /version and GET /health
inside TLS. etcd logs some of these handshakes as rejected connections. The only private key that
is read is that of --key.

Exit status: 0 probed, 1 a failure of etcdtap's own (a name that is not found), 2 wrong usage,
3 the certificate is not that of --expect, or with --exit-code a finding of severity error.`,
		Example: `  etcdtap probe 127.0.0.1
  etcdtap probe --cacert ca.crt --cert client.crt --key client.key 10.0.0.1:2379 10.0.0.1:2380
  etcdtap probe --expect /etc/kubernetes/pki/etcd/server.crt 127.0.0.1:2379`,
		Args: arguments(1, -1, "one HOST:PORT or more"),
		RunE: func(cmd *cobra.Command, args []string) error { return e.probe(cmd.Context(), args, &f) },
	}
	fl := cmd.Flags()
	f.ports.register(fl)
	f.deploy.register(fl)
	f.format.register(fl)
	fl.StringVar(&f.cert, "cert", "", "client certificate `file` to present, PEM, with its chain")
	fl.StringVar(&f.key, "key", "", "its private key `file`, PEM")
	fl.StringVar(&f.cacert, "cacert", "", "CA certificates `file`, PEM, to check the server's certificate against")
	fl.StringVar(&f.serverName, "servername", "", "`name` to ask for and to verify, instead of HOST")
	fl.StringVar(&f.tlsMin, "tls-min", "", "lowest `version` to offer: 1.0, 1.1, 1.2 or 1.3 (default 1.2)")
	fl.StringVar(&f.tlsMax, "tls-max", "", "highest `version` to offer (default 1.3)")
	fl.StringSliceVar(&f.alpn, "alpn", nil, "`protocols` to offer, in order (default h2,http/1.1)")
	fl.DurationVar(&f.timeout, "timeout", probe.DefaultTimeout, "`time` for each step: connection, handshake, first answer")
	fl.BoolVar(&f.all, "all", false, "find every cipher suite of TLS 1.2 as well: one more handshake for each")
	fl.BoolVar(&f.evidence, "evidence", false, "show all evidence of each finding")
	fl.BoolVar(&f.getVersion, "version", false, "send GET /version inside TLS")
	fl.BoolVar(&f.getHealth, "health", false, "send GET /health inside TLS")
	fl.StringVar(&f.expect, "expect", "", "certificate `file`, PEM, that the server should present; exit with status 3 when it is another")
	fl.BoolVar(&f.exitCode, "exit-code", false, "exit with status 3 when there is a finding of severity error")
	return cmd
}

// probe probes each target and goes on where one cannot be looked up.
func (e *environment) probe(ctx context.Context, args []string, f *probeFlags) error {
	targets := make([]probe.Target, 0, len(args))
	for _, arg := range args {
		t, err := probe.ParseTarget(arg)
		if err != nil {
			return &usageError{err, "for example etcdtap probe 127.0.0.1:2379, or [::1]:2380"}
		}
		targets = append(targets, t)
	}
	o, err := f.options(e)
	if err != nil {
		return err
	}
	var out report.ProbeReport
	if f.format.output == "json" {
		out = report.NewProbeJSON(e.stdout)
	} else {
		text := f.format.text(e)
		text.All = f.evidence
		out = report.NewProbeText(e.stdout, text)
	}
	var failed error
	bad := false
	for _, t := range targets {
		p, err := probe.Run(ctx, t, o)
		if err != nil {
			if ctx.Err() != nil || len(targets) == 1 {
				return err
			}
			e.log.Error(err.Error())
			failed = fmt.Errorf("not every server could be probed")
			continue
		}
		if err := out.Probe(p); err != nil {
			return err
		}
		bad = bad || f.bad(p)
	}
	if failed == nil && bad {
		return errFindings
	}
	return failed
}

// bad reports whether a probe asks for exit status 3.
func (f *probeFlags) bad(p *analysis.Probe) bool {
	if f.expect != "" && (p.Expected == nil || !p.Expected.Same) {
		return true
	}
	return f.exitCode && slices.ContainsFunc(p.Findings, func(x analysis.Finding) bool { return x.Severity == analysis.Error })
}

// options checks the flags and reads the files that they name.
func (f *probeFlags) options(e *environment) (o probe.Options, err error) {
	if err = f.format.check(); err != nil {
		return o, err
	}
	if o.Expectations, err = f.ports.expectations(); err != nil {
		return o, err
	}
	if err = e.expect(&f.deploy, &o.Expectations); err != nil {
		return o, err
	}
	if f.timeout <= 0 {
		return o, &usageError{fmt.Errorf("--timeout expects a time above zero, got %s", f.timeout), "for example --timeout 5s"}
	}
	for _, p := range f.alpn {
		if p == "" || len(p) > 255 { // RFC 7301, Section 3.1
			return o, &usageError{fmt.Errorf("--alpn expects protocols of 1 to 255 bytes, got one of %d", len(p)), "for example --alpn h2,http/1.1, or --alpn '' for none"}
		}
	}
	if n := len(f.serverName); n > 255 { // RFC 1035, Section 2.3.4
		return o, &usageError{fmt.Errorf("--servername expects a name of 255 bytes at most, got one of %d", n), "for example --servername etcd-1.example"}
	}
	o.Timeout, o.ServerName, o.ALPN = f.timeout, f.serverName, f.alpn
	o.AllSuites, o.Version, o.Health = f.all, f.getVersion, f.getHealth
	if err = f.versions(&o); err != nil {
		return o, err
	}
	return o, f.files(&o)
}

// versions reads --tls-min and --tls-max. What only one of them says moves the other, where it must.
func (f *probeFlags) versions(o *probe.Options) error {
	names := []string{"1.0", "1.1", "1.2", "1.3"}
	for _, v := range []struct {
		flag, value string
		to          *uint16
	}{{"tls-min", f.tlsMin, &o.MinVersion}, {"tls-max", f.tlsMax, &o.MaxVersion}} {
		if v.value == "" {
			continue
		}
		if err := oneOf(v.flag, v.value, names...); err != nil {
			return err
		}
		*v.to = tls.VersionTLS10 + uint16(slices.Index(names, v.value))
	}
	if o.MinVersion == 0 && o.MaxVersion != 0 && o.MaxVersion < tls.VersionTLS12 {
		o.MinVersion = o.MaxVersion
	}
	if o.MaxVersion != 0 && o.MinVersion > o.MaxVersion {
		return &usageError{fmt.Errorf("--tls-min %s is above --tls-max %s", f.tlsMin, f.tlsMax), "swap them"}
	}
	return nil
}

// files reads certificates, and the one key.
func (f *probeFlags) files(o *probe.Options) error {
	if (f.cert == "") != (f.key == "") {
		return &usageError{fmt.Errorf("--cert and --key go together, got one of them"), "for example --cert client.crt --key client.key"}
	}
	if f.cert != "" {
		pair, err := readPair(f.cert, f.key)
		if err != nil {
			return err
		}
		o.Certificate = &pair
	}
	if f.cacert != "" {
		list, err := readCertificates("--cacert", f.cacert)
		if err != nil {
			return err
		}
		o.RootsFile, o.Roots = f.cacert, x509.NewCertPool()
		for _, c := range list {
			o.Roots.AddCert(c)
		}
	}
	if f.expect != "" {
		list, err := readCertificates("--expect", f.expect)
		if err != nil {
			return err
		}
		o.ExpectedFile, o.Expected = f.expect, list[0]
	}
	return nil
}

// maxPEM bounds a file of certificates, in bytes: the bundles of all public CAs have a quarter of a megabyte.
const maxPEM = 4 << 20

// readPEM reads the file that a flag names, which may be a pipe.
func readPEM(flag, name string) ([]byte, error) {
	file, err := os.Open(name)
	if err != nil {
		return nil, unreadable(flag+" "+name, flag, err)
	}
	defer file.Close()
	data, err := io.ReadAll(io.LimitReader(file, maxPEM))
	if err != nil {
		return nil, unreadable(flag+" "+name, flag, err)
	}
	return data, nil
}

// readPair reads the client's certificate and its key.
func readPair(cert, key string) (tls.Certificate, error) {
	var none tls.Certificate
	certPEM, err := readPEM("--cert", cert)
	if err != nil {
		return none, err
	}
	keyPEM, err := readPEM("--key", key)
	if err != nil {
		return none, err
	}
	defer clear(keyPEM)
	pair, err := tls.X509KeyPair(certPEM, keyPEM)
	switch {
	case err == nil:
		return pair, nil
	case bytes.Contains(keyPEM, []byte("ENCRYPTED")):
		return none, fmt.Errorf("--key expects a private key in clear, found %s encrypted; decrypt it with: openssl pkey -in %s -out CLEAR.key", key, key)
	}
	return none, fmt.Errorf("--cert and --key expect a certificate and its private key, both PEM, found in %s and %s: %s; these two print the same where they fit: openssl x509 -in %s -noout -pubkey; openssl pkey -in %s -pubout",
		cert, key, strings.TrimPrefix(err.Error(), "tls: "), cert, key)
}

// readCertificates reads the certificates of the PEM file that a flag names, at least one. Keys in it are passed over.
func readCertificates(flag, name string) ([]*x509.Certificate, error) {
	rest, err := readPEM(flag, name)
	if err != nil {
		return nil, err
	}
	var list []*x509.Certificate
	for rest = bytes.TrimSpace(rest); len(rest) > 0; {
		var block *pem.Block
		if block, rest = pem.Decode(rest); block == nil {
			break
		}
		if block.Type != "CERTIFICATE" {
			continue
		}
		c, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return nil, fmt.Errorf("reading %s: %s: %s; see what is in it: openssl x509 -in %s -noout -text", flag, name, strings.TrimPrefix(err.Error(), "x509: "), name)
		}
		list = append(list, c)
	}
	if len(list) == 0 {
		return nil, fmt.Errorf("reading %s: %s: expected a PEM certificate, found none; for DER: openssl x509 -inform DER -in %s", flag, name, name)
	}
	return list, nil
}
