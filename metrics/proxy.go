package metrics

import (
	"context"
	"errors"
	"net"
	"os"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/etcdtap/etcdtap/analysis"
)

// ProxyStats are the numbers of the proxy, cumulative since it began unless a field says otherwise.
type ProxyStats struct {
	Active      int64    // connections being forwarded now
	Accepted    int64    // connections accepted from clients
	Pauses      int64    // times that accepting paused at the limit of connections
	Shortages   int64    // times that accepting paused because descriptors or memory were short
	OverLimit   int64    // connections closed at once at the limit per client
	BadHeaders  int64    // connections closed because their PROXY header is none
	Loops       int64    // connections closed because they would have led back to the proxy
	FirstByte   int64    // connections closed because no first byte came in time
	Idle        int64    // connections closed because nothing passed for too long
	Drained     int64    // connections closed at the end of the drain
	Answered    int64    // clients without TLS that were answered
	Bytes       [2]int64 // bytes forwarded, by analysis.Direction
	Spliced     int64    // of them by the kernel alone
	MissedBytes int64    // bytes that the observer did not get, because forwarding comes first
	Unobserved  int64    // connections that it did not get at all
	Panics      int64    // of the observer; forwarding went on
}

// proxyCollector exports ProxyStats, which it asks for at each scrape.
type proxyCollector struct {
	numbers
	read func() ProxyStats // guarded by numbers.mu; nil when there is no proxy
}

func (p *proxyCollector) describe() {
	p.gauge("proxy_active_connections", "Connections being forwarded now.")
	p.counter("proxy_accepted_connections_total", "Connections accepted from clients.", "", "")
	const refused = "Connections that were accepted and closed at once, by why."
	p.counter("proxy_refused_connections_total", refused, "why", "per_client")
	p.counter("proxy_refused_connections_total", refused, "why", "header")
	p.counter("proxy_refused_connections_total", refused, "why", "loop")
	const pauses = "Times that accepting paused, by what was short. Clients wait meanwhile."
	p.counter("proxy_accept_pauses_total", pauses, "limit", "connections")
	p.counter("proxy_accept_pauses_total", pauses, "limit", "descriptors")
	const closed = "Connections that the proxy ended of its own accord, by why."
	p.counter("proxy_closed_connections_total", closed, "why", "first_byte")
	p.counter("proxy_closed_connections_total", closed, "why", "idle")
	p.counter("proxy_closed_connections_total", closed, "why", "drain")
	p.counter("proxy_answered_connections_total", "Clients without TLS that were answered in the server's stead (--answer-plaintext).", "", "")
	const bytes = "Bytes forwarded, by direction."
	p.counter("proxy_bytes_total", bytes, "direction", "to_server")
	p.counter("proxy_bytes_total", bytes, "direction", "to_client")
	p.counter("proxy_spliced_bytes_total", "Bytes forwarded by the kernel alone, of all that were.", "", "")
	p.counter("proxy_observer_missed_bytes_total", "Bytes that the observer did not get, because forwarding comes first.", "", "")
	p.counter("proxy_observer_missed_connections_total", "Connections that the observer did not get at all, for the same reason.", "", "")
	p.counter("proxy_observer_panics_total", "Failures of the observer; forwarding went on.", "", "")
}

// Collect implements prometheus.Collector.
func (p *proxyCollector) Collect(ch chan<- prometheus.Metric) {
	p.mu.Lock()
	read := p.read
	p.mu.Unlock()
	if read != nil {
		s := read()
		p.set(s.Active, s.Accepted, s.OverLimit, s.BadHeaders, s.Loops, s.Pauses, s.Shortages, s.FirstByte, s.Idle, s.Drained, s.Answered,
			s.Bytes[analysis.FromClient], s.Bytes[analysis.FromServer], s.Spliced, s.MissedBytes, s.Unobserved, s.Panics)
	}
	p.numbers.Collect(ch)
}

// Proxy exports the numbers that read returns. It is called at each scrape, from any goroutine, and must not block.
func (m *Metrics) Proxy(read func() ProxyStats) {
	if m == nil {
		return
	}
	m.proxy.mu.Lock()
	m.proxy.read = read
	m.proxy.mu.Unlock()
	m.dials.enabled.Store(true)
}

// dialErrors are the kinds of a failed dial, DialErrorKind's values.
var dialErrors = [...]string{"refused", "timeout", "unreachable", "name", "descriptors", "cancelled", other}

// DialErrorKind puts an error of net.Dialer in one of a few words, for a label.
func DialErrorKind(err error) string {
	var name *net.DNSError
	switch {
	case errors.Is(err, context.Canceled):
		return "cancelled"
	case errors.As(err, &name):
		return "name"
	case errors.Is(err, syscall.ECONNREFUSED):
		return "refused"
	case errors.Is(err, syscall.EHOSTUNREACH), errors.Is(err, syscall.ENETUNREACH), errors.Is(err, syscall.EADDRNOTAVAIL), errors.Is(err, os.ErrNotExist):
		return "unreachable"
	case errors.Is(err, syscall.EMFILE), errors.Is(err, syscall.ENFILE):
		return "descriptors"
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, os.ErrDeadlineExceeded), errors.Is(err, syscall.ETIMEDOUT), isTimeout(err):
		return "timeout"
	}
	return other
}

func isTimeout(err error) bool {
	var t interface{ Timeout() bool }
	return errors.As(err, &t) && t.Timeout()
}

// Buckets: a dial goes from a loopback's to the usual time-out, a connection from a probe's to a watch's.
var (
	dialBuckets       = []float64{.0001, .00025, .0005, .001, .0025, .005, .01, .025, .1, .25, 1, 2.5, 5, 10}
	connectionBuckets = []float64{.01, .1, 1, 10, 60, 600, 3600, 6 * 3600, 24 * 3600}
)

// dials holds what the proxy tells event by event. Like the other numbers of the proxy it has no series where there is no proxy.
type dials struct {
	enabled  atomic.Bool
	failed   *prometheus.CounterVec
	took     prometheus.Histogram
	lasted   prometheus.Histogram
	children []prometheus.Collector
}

func (d *dials) make() {
	d.failed = prometheus.NewCounterVec(prometheus.CounterOpts{Namespace: namespace, Name: "proxy_dial_errors_total",
		Help: "Dials to a server's address that failed, by kind."}, []string{"kind"})
	for _, kind := range dialErrors {
		d.failed.WithLabelValues(kind)
	}
	d.took = prometheus.NewHistogram(prometheus.HistogramOpts{Namespace: namespace, Name: "proxy_dial_duration_seconds",
		Help: "Time from accepting a connection to reaching its server.", Buckets: dialBuckets})
	d.lasted = prometheus.NewHistogram(prometheus.HistogramOpts{Namespace: namespace, Name: "proxy_connection_duration_seconds",
		Help: "Time from accepting a connection to the end of its forwarding.", Buckets: connectionBuckets})
	d.children = []prometheus.Collector{d.failed, d.took, d.lasted}
}

// Describe implements prometheus.Collector.
func (d *dials) Describe(ch chan<- *prometheus.Desc) {
	for _, c := range d.children {
		c.Describe(ch)
	}
}

// Collect implements prometheus.Collector.
func (d *dials) Collect(ch chan<- prometheus.Metric) {
	if !d.enabled.Load() {
		return
	}
	for _, c := range d.children {
		c.Collect(ch)
	}
}

// Dialed counts an attempt to reach a server's address: how long it took, or why it failed.
func (m *Metrics) Dialed(took time.Duration, err error) {
	switch {
	case m == nil:
	case err != nil:
		m.dials.failed.WithLabelValues(DialErrorKind(err)).Inc()
	default:
		m.dials.took.Observe(took.Seconds())
	}
}

// Closed counts a connection whose forwarding has ended, after the given time.
func (m *Metrics) Closed(lasted time.Duration) {
	if m != nil {
		m.dials.lasted.Observe(lasted.Seconds())
	}
}
