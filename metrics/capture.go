package metrics

import (
	"sync"

	"github.com/prometheus/client_golang/prometheus"
)

// CaptureStats are the numbers of a live capture, cumulative since it began unless a field says otherwise. What a source cannot tell
// is zero.
type CaptureStats struct {
	Received       int64 // packets that passed the kernel's filter and were read
	Decoded        int64 // of them TCP segments that were handed to the analysis
	NotTCP         int64 // of them packets of other protocols
	Undecodable    int64 // of them packets that could not be decoded
	KernelDrops    int64 // packets that the kernel dropped for want of room
	InterfaceDrops int64 // packets that the interface dropped
	OwnDrops       int64 // packets that etcdtap gave up because it was behind
	Evicted        int64 // connections given up early to bound memory
	Gaps           int64 // places where bytes of a stream were not captured
	MissedBytes    int64 // bytes of streams that were not captured
	Written        int64 // packets written to capture files
	WrittenBytes   int64 // bytes written to capture files
	Tracked        int64 // connections being followed now
}

// numbers is a collector of values that someone else counts. It has no series before the first values came: a proxy does not export
// the numbers of a capture.
type numbers struct {
	series []number

	mu     sync.Mutex
	given  bool
	values []int64 // by series
}

// number is one series. Its values only grow unless it is a gauge.
type number struct {
	desc   *prometheus.Desc
	gauge  bool
	labels []string // label values
}

// counter adds a series; several of one name differ in the value of their label.
func (n *numbers) counter(name, help, label, value string) {
	s := number{}
	var labels []string
	if label != "" {
		labels, s.labels = []string{label}, []string{value}
	}
	s.desc = prometheus.NewDesc(namespace+"_"+name, help, labels, nil)
	n.series, n.values = append(n.series, s), append(n.values, 0)
}

func (n *numbers) gauge(name, help string) {
	n.counter(name, help, "", "")
	n.series[len(n.series)-1].gauge = true
}

// set takes new values, in the order in which the series were described. A counter that went backwards, because two snapshots
// crossed, keeps its higher value: Prometheus would take it for a restart and count everything again.
func (n *numbers) set(values ...int64) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.given = true
	for i, v := range values {
		if n.series[i].gauge || v > n.values[i] {
			n.values[i] = v
		}
	}
}

// Describe implements prometheus.Collector.
func (n *numbers) Describe(ch chan<- *prometheus.Desc) {
	for i := range n.series {
		ch <- n.series[i].desc
	}
}

// Collect implements prometheus.Collector.
func (n *numbers) Collect(ch chan<- prometheus.Metric) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if !n.given {
		return
	}
	for i := range n.series {
		kind := prometheus.CounterValue
		if n.series[i].gauge {
			kind = prometheus.GaugeValue
		}
		ch <- prometheus.MustNewConstMetric(n.series[i].desc, kind, float64(n.values[i]), n.series[i].labels...)
	}
}

// captureCollector exports CaptureStats.
type captureCollector struct{ numbers }

func (c *captureCollector) describe() {
	c.counter("capture_received_packets_total", "Packets that passed the filter and were read.", "", "")
	c.counter("capture_decoded_packets_total", "TCP segments that were handed to the analysis.", "", "")
	const skipped = "Packets that were read and are not for the analysis, by why."
	c.counter("capture_skipped_packets_total", skipped, "why", "not_tcp")
	c.counter("capture_skipped_packets_total", skipped, "why", "undecodable")
	const dropped = "Packets lost before they were read, by who dropped them. What is missing may be what mattered."
	c.counter("capture_dropped_packets_total", dropped, "by", "kernel")
	c.counter("capture_dropped_packets_total", dropped, "by", "interface")
	c.counter("capture_dropped_packets_total", dropped, "by", "etcdtap")
	c.counter("capture_evicted_connections_total", "Connections given up early to bound memory.", "", "")
	c.counter("capture_gaps_total", "Places where bytes of a stream were not captured.", "", "")
	c.counter("capture_missed_bytes_total", "Bytes of streams that were not captured.", "", "")
	c.counter("capture_written_packets_total", "Packets written to capture files.", "", "")
	c.counter("capture_written_bytes_total", "Bytes written to capture files.", "", "")
	c.gauge("capture_tracked_connections", "Connections being followed now.")
}

// Capture sets the numbers of a live capture. Call it every second or so, from whoever may read them.
func (m *Metrics) Capture(s CaptureStats) {
	if m == nil {
		return
	}
	m.capture.set(s.Received, s.Decoded, s.NotTCP, s.Undecodable, s.KernelDrops, s.InterfaceDrops, s.OwnDrops, s.Evicted, s.Gaps, s.MissedBytes,
		s.Written, s.WrittenBytes, s.Tracked)
}
