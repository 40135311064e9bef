package metrics

import (
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/etcdtap/etcdtap/analysis"
	"github.com/etcdtap/etcdtap/analysis/pki"
)

// certificateWindow is how long a certificate that nobody presents any more still counts, at least; twice as long at the most. A day
// covers clients that connect by a nightly job, and lets an alert end by itself soon after a renewal.
const certificateWindow = 24 * time.Hour

// certificates exports when certificates expire: of each role the earliest, so that the number of series does not grow with the
// number of certificates. Those on the wire age: what was renewed is not held against the new one for ever.
type certificates struct {
	desc *prometheus.Desc

	mu   sync.Mutex
	wire [analysis.EndpointCount][2]windows             // by Endpoint and Direction
	file [analysis.EndpointCount][sideCount]earliestEnd // by Endpoint and side
}

// side is who uses a certificate; the first two are analysis.Direction's.
type side uint8

const (
	sideClient side = iota
	sideServer
	sideCA
	sideCount = iota
)

func (s side) String() string { return [...]string{"client", "server", "ca"}[s] }

// earliestEnd is the earliest NotAfter of some certificates; zero when there was none.
type earliestEnd struct{ at time.Time }

func (e *earliestEnd) add(notAfter time.Time) {
	if e.at.IsZero() || notAfter.Before(e.at) {
		e.at = notAfter
	}
}

// windows holds the earliest end of the present window and of the one before. Without connections nothing ages: the last that is
// known stays.
type windows struct {
	start             time.Time // of the present window
	present, previous earliestEnd
}

// add counts a certificate that was presented at the time at.
func (w *windows) add(at, notAfter time.Time) {
	switch since := at.Sub(w.start); {
	case w.start.IsZero() || since >= 2*certificateWindow:
		*w = windows{start: at}
	case since >= certificateWindow:
		w.start, w.previous, w.present = at, w.present, earliestEnd{}
	}
	w.present.add(notAfter)
}

func (w *windows) earliest() time.Time {
	e := w.present
	if p := w.previous.at; !p.IsZero() {
		e.add(p)
	}
	return e.at
}

// seen counts the certificates of a connection, those of the chain included: an expired intermediate breaks as much as a leaf.
func (k *certificates) seen(c *analysis.Connection) {
	k.mu.Lock()
	defer k.mu.Unlock()
	for d := range c.TLS.Certificates {
		for _, cert := range c.TLS.Certificates[d].Chain {
			if cert.X509 != nil {
				k.wire[c.Endpoint][d].add(c.Start, cert.X509.NotAfter)
			}
		}
	}
}

// CertificateFiles exports when the certificates in files expire, by what they are for; those that are not etcd's by their name or
// contents are left out. A later call replaces what an earlier one gave: call it again when files were read anew. nil is no files.
func (m *Metrics) CertificateFiles(store *pki.Store) {
	if m == nil {
		return
	}
	k := &m.certificates
	k.mu.Lock()
	defer k.mu.Unlock()
	clear(k.file[:])
	if store == nil {
		return
	}
	for _, c := range store.Certificates() {
		role := c.Role
		if role == pki.RoleIntermediate { // counts as the leaf that it stands behind
			if all := store.ByFile(c.File); len(all) > 0 {
				role = all[0].Role
			}
		}
		if e, s, ok := place(role); ok {
			k.file[e][s].add(c.X509.NotAfter)
		}
	}
}

// place says where certificates of a role are used. A peer certificate serves both sides of the peer port and is the server's here.
func place(r pki.Role) (analysis.Endpoint, side, bool) {
	switch {
	case r == pki.RoleServer:
		return analysis.EndpointClient, sideServer, true
	case r.Client():
		return analysis.EndpointClient, sideClient, true
	case r == pki.RolePeer:
		return analysis.EndpointPeer, sideServer, true
	case r == pki.RoleMetrics:
		return analysis.EndpointMetrics, sideServer, true
	case r == pki.RoleCA:
		return analysis.EndpointClient, sideCA, true
	case r == pki.RolePeerCA:
		return analysis.EndpointPeer, sideCA, true
	}
	return 0, 0, false
}

func (k *certificates) describe() {
	k.desc = prometheus.NewDesc(namespace+"_certificate_not_after_seconds",
		"When the first of the certificates of this role expires, in seconds since 1970.", []string{"endpoint", "side", "source"}, nil)
}

// Describe implements prometheus.Collector.
func (k *certificates) Describe(ch chan<- *prometheus.Desc) { ch <- k.desc }

// Collect implements prometheus.Collector. Roles of which no certificate is known have no series: 0 would read as expired.
func (k *certificates) Collect(ch chan<- prometheus.Metric) {
	k.mu.Lock()
	defer k.mu.Unlock()
	send := func(at time.Time, e int, s side, source string) {
		if !at.IsZero() {
			ch <- prometheus.MustNewConstMetric(k.desc, prometheus.GaugeValue, float64(at.Unix()), analysis.Endpoint(e).String(), s.String(), source)
		}
	}
	for e := range analysis.EndpointCount {
		for d := range k.wire[e] {
			send(k.wire[e][d].earliest(), e, side(d), "wire")
		}
		for s := range k.file[e] {
			send(k.file[e][s].at, e, side(s), "file")
		}
	}
}
