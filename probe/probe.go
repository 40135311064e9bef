// Package probe makes TLS handshakes with an etcd itself and says what came of them: which certificate is presented, whether a
// client certificate is demanded and ours accepted, which versions and protocols are spoken.
//
// It sends handshakes and, where Options ask for it, GET /version and GET /health inside TLS; nothing else, no HTTP/2 preface
// and nothing in clear. It never trusts the server: verification is done beside the handshake, so that a bad certificate is
// shown and not only refused. Each connection is bounded in time and in bytes.
package probe

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"syscall"
	"time"

	"github.com/etcdtap/etcdtap/analysis"
	"github.com/etcdtap/etcdtap/analysis/tlswire"
)

// Defaults of Options.
const (
	DefaultTimeout = 5 * time.Second        // as long as etcd itself waits on the peer port
	DefaultSettle  = 500 * time.Millisecond // etcd's checks of SAN and CRL after the handshake take milliseconds, a PTR look-up more
)

// Options say what is probed. The zero value makes handshakes without a client certificate and checks no issuer.
type Options struct {
	Timeout      time.Duration     // of each step: connection, handshake, first read; 0 means DefaultTimeout
	Settle       time.Duration     // how long an accepted connection is watched for a late refusal; 0 means DefaultSettle
	ServerName   string            // asked for and verified; "" means the target's host
	Certificate  *tls.Certificate  // the client's; nil for none
	Roots        *x509.CertPool    // the server's certificate is checked against them; nil: its issuer is not checked
	RootsFile    string            // where Roots are from, for the report
	MinVersion   uint16            // as crypto/tls; 0 means TLS 1.2
	MaxVersion   uint16            // 0 means TLS 1.3
	ALPN         []string          // offered in the first handshake; nil means what a gRPC client and curl do: h2, http/1.1
	AllSuites    bool              // find every cipher suite of TLS 1.2
	Version      bool              // GET /version
	Health       bool              // GET /health
	Expected     *x509.Certificate // compared with the presented leaf; nil for none
	ExpectedFile string            // where it is from
	Expectations analysis.Expectations
}

// prober is one probe under way.
type prober struct {
	*Options
	target Target
	addr   netip.AddrPort // of the first connection that came about; the others go there too
	probe  *analysis.Probe
}

// Run probes one server, one connection after the other. Its errors are our own failures: a name that is not found, or ctx done. What a
// server does, or does not, is in the Probe.
func Run(ctx context.Context, t Target, o Options) (*analysis.Probe, error) {
	if o.Timeout <= 0 {
		o.Timeout = DefaultTimeout
	}
	if o.Settle <= 0 {
		o.Settle = DefaultSettle
	}
	if o.ALPN == nil {
		o.ALPN = []string{"h2", "http/1.1"}
	}
	if o.ServerName == "" {
		o.ServerName = t.Host
		if a, err := netip.ParseAddr(t.Host); err == nil {
			o.ServerName = a.WithZone("").String() // no certificate knows our interfaces
		}
	}
	if e := &o.Expectations; len(e.ClientPorts)+len(e.PeerPorts)+len(e.MetricsPorts) == 0 {
		*e = analysis.DefaultExpectations()
	}
	p := &prober{Options: &o, target: t, probe: &analysis.Probe{Target: t.String(), Name: o.ServerName, Start: time.Now(), Timeout: o.Timeout}}
	p.probe.Verified.Authority = o.RootsFile
	if o.Certificate != nil && len(o.Certificate.Certificate) > 0 {
		p.probe.Own = analysis.ParseCertificate(o.Certificate.Certificate[0])
	}
	if err := p.resolve(ctx); err != nil {
		return nil, err
	}
	p.run(ctx)
	if err := context.Cause(ctx); err != nil {
		return nil, fmt.Errorf("probing %s: %w", t, err)
	}
	p.probe.End = time.Now()
	p.probe.Server = p.addr
	p.probe.Judge(o.Expectations)
	return p.probe, nil
}

// run makes the handshakes that the first one gives reason for.
func (p *prober) run(ctx context.Context) {
	r := p.probe
	r.Main = p.try(ctx, step{purpose: "handshake", certificate: true, versions: [2]uint16{p.MinVersion, p.MaxVersion}, alpn: p.ALPN, watch: true, main: true})
	switch {
	case !r.Main.Connected:
		return
	case r.Main.Result == analysis.AttemptNotTLS:
		listen := p.listen(ctx)
		r.Listen = &listen
		return
	case !r.Main.Hello && r.Main.Result != analysis.AttemptRefused:
		return // it hangs or hangs up: more of the same would show nothing
	}
	if r.Main.Presented {
		bare := p.try(ctx, step{purpose: "without_certificate", versions: [2]uint16{p.MinVersion, p.MaxVersion}, alpn: p.ALPN, watch: true})
		r.Bare = &bare
	}
	p.verify()
	p.versions(ctx)
	for _, protocol := range [...]string{"h2", "http/1.1"} {
		r.ALPN = append(r.ALPN, p.try(ctx, step{purpose: "alpn", offered: protocol, certificate: true, versions: [2]uint16{p.MinVersion, p.MaxVersion}, alpn: []string{protocol}}))
	}
	if p.AllSuites {
		p.suites(ctx)
	}
	if p.Version && r.Main.Hello {
		r.Requests = append(r.Requests, p.get(ctx, "/version"))
	}
	if p.Health && r.Main.Hello {
		r.Requests = append(r.Requests, p.get(ctx, "/health"))
	}
}

// verify checks the presented certificates against what is known of them.
func (p *prober) verify() {
	r := p.probe
	if len(r.Chain) == 0 {
		return
	}
	r.Verified.Problems = analysis.VerifyServer(r.Chain, p.Roots, p.ServerName, r.Start)
	if p.Expected != nil {
		r.Expected = analysis.CompareCertificates(p.ExpectedFile, analysis.ParseCertificate(p.Expected.Raw), r.Chain[0])
	}
}

// versions tries each version by itself.
func (p *prober) versions(ctx context.Context) {
	for v := uint16(tls.VersionTLS10); v <= tls.VersionTLS13; v++ {
		p.probe.Versions = append(p.probe.Versions, p.try(ctx, step{
			purpose: "version", offered: tlswire.Version(v).String(), certificate: true, versions: [2]uint16{v, v}, suites: everySuite()}))
	}
}

// maxSuites bounds the handshakes that look for cipher suites: a server that accepts each time what was not offered would keep us busy.
const maxSuites = 64

// suites lets the server choose from ever fewer cipher suites, until it finds none: so it says them in its own order.
func (p *prober) suites(ctx context.Context) {
	left := everySuite()
	for range maxSuites {
		a := p.try(ctx, step{purpose: "cipher_suite", certificate: true, versions: [2]uint16{tls.VersionTLS12, tls.VersionTLS12}, suites: left})
		n := len(left)
		left = without(left, uint16(a.Suite))
		if !a.Hello || len(left) == n {
			return
		}
		a.Offered = a.Suite.String()
		p.probe.Suites = append(p.probe.Suites, a)
		if len(left) == 0 {
			return
		}
	}
}

// everySuite lists what crypto/tls can do below TLS 1.3, weak ones included: to know what a server accepts, offer it.
func everySuite() []uint16 {
	var ids []uint16
	for _, s := range append(tls.CipherSuites(), tls.InsecureCipherSuites()...) {
		if s.SupportedVersions[0] < tls.VersionTLS13 {
			ids = append(ids, s.ID)
		}
	}
	return ids
}

func without(list []uint16, id uint16) []uint16 {
	var out []uint16
	for _, v := range list {
		if v != id {
			out = append(out, v)
		}
	}
	return out
}

// resolve looks the host up once.
func (p *prober) resolve(ctx context.Context) error {
	if a, err := netip.ParseAddr(p.target.Host); err == nil {
		p.addr = netip.AddrPortFrom(a, p.target.Port)
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, p.Timeout)
	defer cancel()
	found, err := net.DefaultResolver.LookupNetIP(ctx, "ip", p.target.Host)
	if err != nil {
		return fmt.Errorf("looking up %s: %s; name a host that resolves (getent hosts), or its address", analysis.Quote(p.target.Host), cause(err))
	}
	if len(found) == 0 {
		return fmt.Errorf("looking up %s: no address; name a host that resolves (getent hosts), or its address", analysis.Quote(p.target.Host))
	}
	p.addr = netip.AddrPortFrom(found[0].Unmap(), p.target.Port)
	for _, a := range found[1:] { // localhost is often ::1 first, and etcd often on IPv4 alone: take the first that answers
		if c, err := p.connect(ctx, p.addr); err == nil {
			c.Close()
			return nil
		}
		p.addr = netip.AddrPortFrom(a.Unmap(), p.target.Port)
	}
	return nil
}

func (p *prober) connect(ctx context.Context, to netip.AddrPort) (net.Conn, error) {
	d := net.Dialer{Timeout: p.Timeout, KeepAlive: -1}
	return d.DialContext(ctx, "tcp", to.String())
}

// dial connects for an attempt and says how that failed.
func (p *prober) dial(ctx context.Context, a *analysis.Attempt) (net.Conn, bool) {
	c, err := p.connect(ctx, p.addr)
	switch {
	case err == nil:
		a.Connected = true
		return c, true
	case errors.Is(err, syscall.ECONNREFUSED):
		a.Result = analysis.AttemptConnectionRefused
	default:
		a.Result = analysis.AttemptUnanswered
	}
	a.Error = cause(err)
	return nil, false
}

// cause is what went wrong, without what was being done, which is said beside it: "connection refused", "no such host".
func cause(err error) string {
	var number syscall.Errno
	var name *net.DNSError
	var op *net.OpError
	switch {
	case errors.As(err, &number):
		return number.Error()
	case errors.As(err, &name):
		return name.Err
	case errors.As(err, &op) && op.Err != nil:
		return op.Err.Error()
	}
	return err.Error()
}
