package metrics

import (
	"bytes"
	"flag"
	"io"
	"net/http/httptest"
	"net/netip"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus/testutil/promlint"

	"github.com/etcdtap/etcdtap/analysis"
	"github.com/etcdtap/etcdtap/capture"
)

var updateGolden = flag.Bool("update-golden", false, "write the golden files of this package")

// eachConnection reads a capture of testdata/pcaps. Connections are valid during the call only.
func eachConnection(t testing.TB, name string, each func(*analysis.Connection)) {
	t.Helper()
	file, err := capture.Open(filepath.Join("..", "testdata", "pcaps", name), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	var diagnoser analysis.Diagnoser
	tracker := capture.NewTracker(capture.TrackerOptions{}, func(f *analysis.Facts) {
		c := diagnoser.Diagnose(f)
		each(&c)
	})
	var decoder capture.Decoder
	var p capture.Packet
	var s capture.Segment
	source := capture.Merge([]*capture.File{file})
	for {
		if err := source.Next(&p); err == io.EOF {
			break
		} else if err != nil {
			t.Fatal(err)
		}
		if decoder.Decode(&p, &s) == capture.TCP {
			tracker.Segment(&p, &s)
		}
	}
	tracker.Flush()
}

// scrape is what Prometheus gets, of our own metrics.
func scrape(t testing.TB, m *Metrics) string {
	t.Helper()
	w := httptest.NewRecorder()
	m.Handler(Options{}).ServeHTTP(w, httptest.NewRequest("GET", "/metrics", nil))
	if w.Code != 200 {
		t.Fatalf("/metrics answered %d: %s", w.Code, w.Body)
	}
	var out strings.Builder
	for line := range strings.Lines(w.Body.String()) {
		if strings.HasPrefix(line, "etcdtap_") || strings.HasPrefix(line, "# ") && strings.Contains(line, " etcdtap_") {
			out.WriteString(line)
		}
	}
	return out.String()
}

// filled has every metric, with the numbers of a capture and a proxy, too.
func filled(t testing.TB, captures ...string) *Metrics {
	m := New(Build{Version: "v1.2.3", Libpcap: true})
	for _, name := range captures {
		eachConnection(t, name, m.Connection)
	}
	m.Capture(CaptureStats{Received: 1000, Decoded: 900, NotTCP: 90, Undecodable: 10, KernelDrops: 3, InterfaceDrops: 2, OwnDrops: 1, Evicted: 4, Gaps: 5,
		MissedBytes: 6000, Written: 700, WrittenBytes: 80000, Tracked: 9})
	m.Proxy(func() ProxyStats {
		return ProxyStats{Active: 1, Accepted: 20, Pauses: 3, Shortages: 4, OverLimit: 5, BadHeaders: 6, Loops: 7, FirstByte: 8, Idle: 9, Drained: 10, Answered: 11,
			Bytes: [2]int64{7000, 8000}, Spliced: 6000, MissedBytes: 12, Unobserved: 13, Panics: 14}
	})
	m.Dialed(300*time.Microsecond, nil)
	m.Dialed(0, io.ErrUnexpectedEOF)
	m.Closed(2 * time.Minute)
	return m
}

func TestExposition(t *testing.T) {
	for _, name := range []string{"demo", "v35-curl-expired", "v37-keys-healthy"} {
		t.Run(name, func(t *testing.T) {
			m := New(Build{Version: "v1.2.3"})
			eachConnection(t, name+".pcap", m.Connection)
			golden(t, name+".prom", withoutZeros(scrape(t, m)))
		})
	}
	t.Run("numbers", func(t *testing.T) { golden(t, "numbers.prom", withoutZeros(scrape(t, filled(t)))) })
}

// withoutZeros leaves out what a reviewer need not read, and what differs between machines.
func withoutZeros(text string) string {
	var out strings.Builder
	comment := ""
	for line := range strings.Lines(text) {
		switch {
		case strings.HasPrefix(line, "# HELP"):
			comment = line
		case strings.HasPrefix(line, "# TYPE"):
			comment += line
		case strings.HasSuffix(line, " 0\n"), strings.HasPrefix(line, "etcdtap_build_info"):
		default:
			out.WriteString(comment + line)
			comment = ""
		}
	}
	return out.String()
}

func golden(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *updateGolden {
		if err := os.MkdirAll("testdata", 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(string(want), got); d != "" {
		t.Errorf("%s differs; if that is right, run with -update-golden (-want +got):\n%s", path, d)
	}
}

// Prometheus' own rules for names, units and help texts.
func TestNames(t *testing.T) {
	problems, err := promlint.New(bytes.NewBufferString(scrape(t, filled(t, "demo.pcap")))).Lint()
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range problems {
		t.Errorf("%s: %s", p.Metric, p.Text)
	}
}

// labelValues are all that labels may hold. A label of something that comes from outside would not fit.
var labelValues = map[string]string{
	"endpoint":  `other|client|peer|metrics`,
	"outcome":   `[a-z_]{5,20}`,
	"code":      `[a-z0-9-]{3,40}`,
	"severity":  `info|warning|error`,
	"version":   `SSLv3|TLSv1\.[0-3]|other|v1\.2\.3`,
	"side":      `client|server|ca`,
	"source":    `wire|file`,
	"why":       `not_tcp|undecodable|per_client|header|loop|first_byte|idle|drain`,
	"by":        `kernel|interface|etcdtap`,
	"limit":     `connections|descriptors`,
	"direction": `to_server|to_client`,
	"kind":      `refused|timeout|unreachable|name|descriptors|cancelled|other`,
	"goversion": `go.*`, "os": `[a-z]+`, "arch": `[a-z0-9]+`, "libpcap": `yes|no`, // of the build, one series
}

// maxSeries is what all series together may come to. It follows from the lists: 4 endpoints with 12 outcomes, 6 versions, 17 series of
// the handshake's histogram, 1 and 10 of certificates; as many findings as the catalogue has codes, some in a second severity; the
// numbers.
func maxSeries() int { return 4*(12+6+17+1+10) + 3*(len(analysis.Causes())+1) + 100 }

// However many clients, servers, certificates and oddities come by, the series stay the same few, and hold no word of them.
func TestCardinality(t *testing.T) {
	paths, err := filepath.Glob(filepath.Join("..", "testdata", "pcaps", "*.pcap"))
	if err != nil || len(paths) < 10 {
		t.Fatalf("no captures: %v", err)
	}
	m := filled(t)
	for _, path := range paths {
		eachConnection(t, filepath.Base(path), m.Connection)
	}
	before := series(t, m)
	hostile(m)
	after := series(t, m)
	if limit := maxSeries(); after > limit {
		t.Errorf("%d series, expected at most %d", after, limit)
	}
	if grown := after - before; grown > 24 {
		t.Errorf("hostile connections made %d new series, expected at most those of the roles, versions and severities not seen before", grown)
	}
	hostile(m)
	if again := series(t, m); again != after {
		t.Errorf("the same again made %d series of %d", again, after)
	}
}

// series counts them and looks at their labels.
func series(t *testing.T, m *Metrics) (n int) {
	t.Helper()
	families, err := m.Gatherer().Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range families {
		if !strings.HasPrefix(f.GetName(), namespace+"_") {
			continue
		}
		for _, metric := range f.GetMetric() {
			n++
			if h := metric.GetHistogram(); h != nil {
				n += len(h.GetBucket()) + 2 // the buckets with +Inf, the sum and the count
			}
			for _, l := range metric.GetLabel() {
				pattern, known := labelValues[l.GetName()]
				if !known || !regexp.MustCompile(`^(`+pattern+`)$`).MatchString(l.GetValue()) {
					t.Errorf("%s has the label %s=%q, which is in no list", f.GetName(), l.GetName(), l.GetValue())
				}
			}
		}
	}
	return n
}

// Counters of a source whose snapshots crossed do not go backwards; gauges do.
func TestNumbersOnlyGrow(t *testing.T) {
	m := New(Build{})
	m.Capture(CaptureStats{Received: 10, KernelDrops: 5, Tracked: 7})
	m.Capture(CaptureStats{Received: 11, KernelDrops: 4, Tracked: 2})
	text := scrape(t, m)
	for _, want := range []string{
		"etcdtap_capture_received_packets_total 11\n",
		"etcdtap_capture_dropped_packets_total{by=\"kernel\"} 5\n",
		"etcdtap_capture_tracked_connections 2\n",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("missing %q in:\n%s", want, text)
		}
	}
	if strings.Contains(text, "etcdtap_proxy_") {
		t.Errorf("a capture exports the proxy's numbers:\n%s", text)
	}
}

// A connection that is reported several times counts once, and what its end changes counts, too.
func TestStages(t *testing.T) {
	at := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	report := func(port uint16, s analysis.Stage, o analysis.Outcome, codes ...analysis.Code) *analysis.Connection {
		c := &analysis.Connection{Facts: &analysis.Facts{Start: at, Client: netip.AddrPortFrom(netip.MustParseAddr("10.0.0.7"), port)},
			Stage: s, Outcome: o, Endpoint: analysis.EndpointClient}
		for _, code := range codes {
			c.Findings = append(c.Findings, analysis.Finding{Code: code, Severity: analysis.Error})
		}
		return c
	}
	m := New(Build{})
	for _, c := range []*analysis.Connection{
		report(1, analysis.StageOpen, analysis.OutcomeEstablished),
		report(1, analysis.StageEnd, analysis.OutcomeEstablished),
		report(2, analysis.StageOpen, analysis.OutcomeEstablished, analysis.CodeLegacyTLSVersion),
		report(2, analysis.StageUpdate, analysis.OutcomeRejectedByServer, analysis.CodeLegacyTLSVersion, analysis.CodeClientCertRefused),
		report(2, analysis.StageLate, analysis.OutcomeRejectedByServer, analysis.CodeClientCertExpired),
		report(3, analysis.StageUpdate, analysis.OutcomeAborted, analysis.CodeHandshakeCut), // its beginning was not told
		report(3, analysis.StageWhole, analysis.OutcomeNoData),
		report(4, analysis.StageOpen, analysis.OutcomeUnanswered),
		report(4, analysis.StageOpen, analysis.OutcomeUnanswered, analysis.CodePlaintextToTLS), // by its line
		report(4, analysis.StageEnd, analysis.OutcomeUnanswered, analysis.CodePlaintextToTLS),
	} {
		m.Connection(c)
	}
	if n := len(m.open.known); n != 0 {
		t.Errorf("%d connections are remembered after their end", n)
	}
	const want = `etcdtap_connections_total{endpoint="client",outcome="established"} 2
etcdtap_connections_total{endpoint="client",outcome="no_data"} 1
etcdtap_connections_total{endpoint="client",outcome="rejected_by_server"} 1
etcdtap_connections_total{endpoint="client",outcome="unanswered"} 1
etcdtap_findings_total{code="client-cert-refused",severity="error"} 1
etcdtap_findings_total{code="legacy-tls-version",severity="error"} 1
etcdtap_findings_total{code="plaintext-to-tls",severity="error"} 1
`
	var got strings.Builder
	for line := range strings.Lines(withoutZeros(scrape(t, m))) {
		if !strings.HasPrefix(line, "#") {
			got.WriteString(line)
		}
	}
	if d := cmp.Diff(want, got.String()); d != "" {
		t.Errorf("(-want +got)\n%s", d)
	}
	for i := range maxOpen + 10 {
		m.Connection(report(uint16(i%60000), analysis.StageOpen, analysis.OutcomeEstablished))
		at = at.Add(time.Second)
	}
	if n := len(m.open.known); n != maxOpen {
		t.Errorf("%d open connections are remembered, expected %d", n, maxOpen)
	}
}

// A command without --metrics has none.
func TestNilCountsNothing(t *testing.T) {
	var m *Metrics
	m.Connection(&analysis.Connection{})
	m.Capture(CaptureStats{})
	m.Proxy(nil)
	m.Dialed(0, nil)
	m.Closed(0)
	m.CertificateFiles(nil)
}

func BenchmarkConnection(b *testing.B) {
	m := New(Build{})
	done := false
	b.ReportAllocs()
	eachConnection(b, "v35-curl-expired.pcap", func(c *analysis.Connection) {
		if done {
			return
		}
		done = true
		for b.Loop() {
			m.Connection(c)
		}
	})
}
