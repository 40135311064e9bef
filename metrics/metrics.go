// Package metrics counts what live capture and the proxy see, for Prometheus, and serves the numbers.
//
// A command makes one Metrics, calls Serve, tells it every report of a connection, and hands over its cumulative numbers now and then:
//
//	m := metrics.New(metrics.Build{Version: "1.2.3"})
//	server, err := m.Serve(ctx, ":9379", metrics.Options{Ready: ready})
//	…
//	m.Connection(&c)
//
// No label holds anything that comes from outside: no address, no name, no serial number, no text. Every label's values are a list in
// this package or in the analysis, so the number of series has a bound that no client can move. docs/metrics.md says what each means.
package metrics

import (
	"runtime"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"

	"github.com/etcdtap/etcdtap/analysis"
	"github.com/etcdtap/etcdtap/analysis/tlswire"
)

const namespace = "etcdtap"

// Build is what the binary says of itself.
type Build struct {
	Version string // as `etcdtap version` prints it
	Libpcap bool   // built with libpcap
}

// Metrics is what etcdtap exports. It has a registry of its own. All methods are safe for concurrent use; a nil *Metrics counts
// nothing, so that a command without --metrics needs no condition at each call.
type Metrics struct {
	registry *prometheus.Registry

	connections [analysis.EndpointCount][analysis.OutcomeCount]prometheus.Counter
	versions    [analysis.EndpointCount][len(versions) + 1]prometheus.Counter
	handshakes  [analysis.EndpointCount]prometheus.Observer
	gaps        [analysis.EndpointCount]prometheus.Counter
	findings    *prometheus.CounterVec

	open         open
	certificates certificates
	capture      captureCollector
	proxy        proxyCollector
	dials        dials
}

// versions are the TLS versions that have a label value; every other number that a server may name is "other".
var versions = [...]tlswire.Version{tlswire.VersionSSL30, tlswire.VersionTLS10, tlswire.VersionTLS11, tlswire.VersionTLS12, tlswire.VersionTLS13}

// handshakeBuckets reach from a loopback's handshake to the ten seconds after which etcd gives one up.
var handshakeBuckets = []float64{.0005, .001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10}

// New makes the metrics with all series that are known beforehand at zero, so that a rate sees the first event, too.
func New(b Build) *Metrics {
	m := &Metrics{registry: prometheus.NewRegistry()}
	m.connectionSeries()
	m.findingSeries()
	m.certificates.describe()
	m.capture.describe()
	m.proxy.describe()
	m.dials.make()
	m.registry.MustRegister(buildInfo(b), &m.certificates, &m.capture, &m.proxy, &m.dials,
		collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return m
}

// Gatherer gives the metrics to whoever serves them by other means than Serve.
func (m *Metrics) Gatherer() prometheus.Gatherer { return m.registry }

func (m *Metrics) connectionSeries() {
	connections := prometheus.NewCounterVec(prometheus.CounterOpts{Namespace: namespace, Name: "connections_total",
		Help: "Connections by the endpoint they went to and by their fate."}, []string{"endpoint", "outcome"})
	agreed := prometheus.NewCounterVec(prometheus.CounterOpts{Namespace: namespace, Name: "tls_connections_total",
		Help: "Connections whose ServerHello was seen, by the TLS version agreed on."}, []string{"endpoint", "version"})
	handshakes := prometheus.NewHistogramVec(prometheus.HistogramOpts{Namespace: namespace, Name: "handshake_duration_seconds",
		Help:    "Time from the ClientHello to the client's and the server's Finished, of established connections where both could be placed.",
		Buckets: handshakeBuckets}, []string{"endpoint"})
	gaps := prometheus.NewCounterVec(prometheus.CounterOpts{Namespace: namespace, Name: "connections_with_gaps_total",
		Help: "Connections of which bytes that the analysis needed were not seen: what is said of them is less sure."}, []string{"endpoint"})
	m.registry.MustRegister(connections, agreed, handshakes, gaps)
	for e := range analysis.EndpointCount {
		endpoint := analysis.Endpoint(e).String()
		for o := range analysis.OutcomeCount {
			m.connections[e][o] = connections.WithLabelValues(endpoint, analysis.Outcome(o).String())
		}
		for i, v := range versions {
			m.versions[e][i] = agreed.WithLabelValues(endpoint, v.String())
		}
		m.versions[e][len(versions)] = agreed.WithLabelValues(endpoint, other)
		m.handshakes[e] = handshakes.WithLabelValues(endpoint)
		m.gaps[e] = gaps.WithLabelValues(endpoint)
	}
}

// other is the label value for what is in no list.
const other = "other"

func (m *Metrics) findingSeries() {
	m.findings = prometheus.NewCounterVec(prometheus.CounterOpts{Namespace: namespace, Name: "findings_total",
		Help: "Findings on connections, by code (etcdtap explain CODE says what it means) and severity."}, []string{"code", "severity"})
	m.registry.MustRegister(m.findings)
	for _, c := range analysis.Causes() {
		m.findings.WithLabelValues(string(c.Code), c.Severity.String())
	}
}

func buildInfo(b Build) prometheus.Collector {
	libpcap := "no"
	if b.Libpcap {
		libpcap = "yes"
	}
	g := prometheus.NewGauge(prometheus.GaugeOpts{Namespace: namespace, Name: "build_info",
		Help: "Always 1; the labels say what is running.",
		ConstLabels: prometheus.Labels{"version": b.Version, "goversion": runtime.Version(), "os": runtime.GOOS, "arch": runtime.GOARCH,
			"libpcap": libpcap}})
	g.Set(1)
	return g
}

// first counts all that one report says.
func (m *Metrics) first(c *analysis.Connection) {
	e := c.Endpoint
	m.connections[e][c.Outcome].Inc()
	if c.Stream[analysis.FromClient].EarlyGap || c.Stream[analysis.FromServer].EarlyGap {
		m.gaps[e].Inc()
	}
	for i := range c.Findings {
		m.finding(&c.Findings[i])
	}
	if t := c.TLS; t != nil {
		if t.ServerHello != nil {
			m.versions[e][versionIndex(t.Version)].Inc()
		}
		if d, ok := handshakeDuration(c); ok {
			m.handshakes[e].Observe(d.Seconds())
		}
		m.certificates.seen(c)
	}
}

// finding counts one. A code without a page in the catalogue cannot be looked up and gets no series of its own.
func (m *Metrics) finding(f *analysis.Finding) {
	code := string(f.Code)
	if _, known := analysis.CauseOf(f.Code); !known {
		code = other
	}
	m.findings.WithLabelValues(code, f.Severity.String()).Inc()
}

func versionIndex(v tlswire.Version) int {
	for i := range versions {
		if versions[i] == v {
			return i
		}
	}
	return len(versions)
}
