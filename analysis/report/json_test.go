package report

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"net/netip"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"github.com/etcdtap/etcdtap/analysis"
	"github.com/etcdtap/etcdtap/analysis/tlswire"
)

// jsonPaths adds the path of every field of v to paths: list elements are "[]", and the keys below outcomes, which are data, "*".
func jsonPaths(v any, path string, paths map[string]bool) {
	switch v := v.(type) {
	case map[string]any:
		for key, value := range v {
			at := path + "." + key
			if path == "summary.outcomes" || path == "summary.outcomes.*" {
				at = path + ".*"
			}
			paths[at] = true
			jsonPaths(value, at, paths)
		}
	case []any:
		for _, value := range v {
			jsonPaths(value, path+"[]", paths)
		}
	}
}

// documentedPaths are the paths in the tables of docs/json.md: a row "| `name` |" stands below the last heading that names an object.
func documentedPaths(t *testing.T) (paths map[string]bool) {
	t.Helper()
	doc, err := os.ReadFile(filepath.Join("..", "..", "docs", "json.md"))
	if err != nil {
		t.Fatal(err)
	}
	paths = map[string]bool{}
	for _, m := range regexp.MustCompile("(?m)^\\| `([^`]+)` \\|").FindAllStringSubmatch(string(doc), -1) {
		paths[m[1]] = true
	}
	return paths
}

// certificatePaths are documented once, as CERT.
var certificatePaths = regexp.MustCompile(`^((connection|probe)\.tls\.(server|client)_certificates\.chain\[\]|probe\.expected\.certificate|certificate)\.`)

// countPaths are documented once, as COUNT.
var countPaths = regexp.MustCompile(`^(summary\.(input\.[a-z_]+|log\.not_joined)|log_summary\.other)\[\]`)

// entryPaths are documented once, as ENTRY, and so are findings.
var (
	entryPaths   = regexp.MustCompile(`^(connection\.log\[\]|log_entry)\.`)
	findingPaths = regexp.MustCompile(`^(log_entry|probe)\.findings\[\]`)
	entryOwn     = regexp.MustCompile(`^log_entry\.(type|schema|findings|connection|not_joined)(\[|$)`)
)

func TestJSONHasTheDocumentedFields(t *testing.T) {
	documented := documentedPaths(t)
	emitted := map[string]bool{}
	ownFields := map[string]bool{} // of the type certificate, besides CERT's
	for p := range documented {
		if name, ok := strings.CutPrefix(p, "certificate."); ok {
			ownFields[strings.SplitN(strings.SplitN(name, "[", 2)[0], ".", 2)[0]] = true
		}
	}
	var out bytes.Buffer
	certs := []*analysis.Certificate{sampleCertificate(t, "some name"), brokenCertificate()}
	c := fullConnection(certs, "text")
	backoff := analysis.Finding{Code: analysis.CodeGRPCBackoff}
	c.Log, c.ByTime = []*analysis.LogEntry{fullEntry("text")}, true
	unknown := plaintextConnection(30, 1)
	unknown.Process = &analysis.Process{Why: "gone", UIDKnown: true, UID: 7}
	unknown.Outgoing, unknown.Stage = netip.MustParseAddrPort("127.0.0.1:50000"), analysis.StageOpen
	writeAll(t, &out, []*analysis.Connection{c, hiddenConnection(), unknown, plaintextConnection(40, 2, backoff)})
	writeLog(t, NewLogJSON(&out), seedEntries())
	live := NewJSON(&out)
	if err := errors.Join(live.Statistics(&analysis.Statistics{}), live.Flush()); err != nil {
		t.Fatal(err)
	}
	if err := NewProbeJSON(&out).Probe(fullProbe(t, "text")); err != nil {
		t.Fatal(err)
	}
	named := NewJSON(&out)
	named.NameFiles(storeOf(certs[0]))
	if err := errors.Join(named.Connection(fullConnection(certs, "text")), named.Flush()); err != nil {
		t.Fatal(err)
	}
	for line := range bytes.Lines(out.Bytes()) {
		var v map[string]any
		if err := json.Unmarshal(line, &v); err != nil {
			t.Fatalf("%v in %s", err, line)
		}
		checkNoFieldTwice(t, json.NewDecoder(bytes.NewReader(line)))
		kind, _ := v["type"].(string)
		if v["passed_over"] != nil { // the summary of explain
			kind = "log_summary"
		}
		for p := range documented { // fields of a line are never left out
			if name, ok := strings.CutPrefix(p, kind+"."); ok && !strings.ContainsAny(name, ".[*") && v[name] == nil && !strings.Contains(string(line), `"`+name+`":null`) {
				t.Errorf("a line of type %s without %s: %s", kind, name, line)
			}
		}
		paths := map[string]bool{}
		jsonPaths(v, kind, paths)
		for p := range paths {
			p = countPaths.ReplaceAllString(p, "summary.input.COUNT[]")
			p = findingPaths.ReplaceAllString(p, "connection.findings[]")
			if !entryOwn.MatchString(p) {
				p = entryPaths.ReplaceAllString(p, "ENTRY.")
			}
			rest := certificatePaths.ReplaceAllString(p, "")
			if first := strings.SplitN(strings.SplitN(rest, "[", 2)[0], ".", 2)[0]; rest != p && !(kind == "certificate" && ownFields[first]) {
				p = "CERT." + rest
			}
			emitted[p] = true
		}
	}
	if d := cmp.Diff(sorted(documented), sorted(emitted)); d != "" {
		t.Errorf("docs/json.md and the output differ (-documented +emitted):\n%s", d)
	}
}

// checkNoFieldTwice reads a value and looks for objects with two fields of one name, of which a reader sees one.
func checkNoFieldTwice(t *testing.T, d *json.Decoder) {
	t.Helper()
	open, err := d.Token()
	if err != nil {
		t.Fatal(err)
	}
	names := map[json.Token]bool{}
	for open == json.Delim('{') && d.More() {
		name, _ := d.Token()
		if names[name] {
			t.Errorf("the field %q is there twice", name)
		}
		names[name] = true
		checkNoFieldTwice(t, d)
	}
	for open == json.Delim('[') && d.More() {
		checkNoFieldTwice(t, d)
	}
	if open == json.Delim('{') || open == json.Delim('[') {
		_, _ = d.Token()
	}
}

func sorted(set map[string]bool) []string {
	var list []string
	for s := range set {
		list = append(list, s)
	}
	slices.Sort(list)
	return list
}

// writeAll writes a whole report.
func writeAll(t testing.TB, w io.Writer, conns []*analysis.Connection) {
	t.Helper()
	j, certs := NewJSON(w), new(Certificates)
	for _, c := range conns {
		certs.Add(c)
		if err := j.Connection(c); err != nil {
			t.Fatal(err)
		}
	}
	if err := errors.Join(j.Certificates(certs), j.LogEntries(joinedEntries(conns[0].Stream[analysis.FromClient].Request), fullJoin()), j.Summary(fullSummary(conns...))); err != nil {
		t.Fatal(err)
	}
}

func TestJSONString(t *testing.T) {
	tests := []struct{ name, in, want string }{
		{"plain", "abc", `"abc"`},
		{"quotes", `a"b\c`, `"a\"b\\c"`},
		{"control", "a\x00\n\r\t\x1b", `"a\u0000\n\r\t\u001b"`},
		{"DEL and C1", "\x7f\u0085\u009f", `"\u007f\u0085\u009f"`},
		{"first after C1", "\u00a0", "\"\u00a0\""},
		{"separators", "\u2028\u2029", `"\u2028\u2029"`},
		{"invalid", "a\xffb\xc3", `"a\ufffdb\ufffd"`},
		{"valid replacement", "\ufffd", "\"\ufffd\""},
		{"beyond the BMP", "\U0001f512", "\"\U0001f512\""},
		{"surrogate in UTF-8", "\xed\xa0\x80", `"\ufffd\ufffd\ufffd"`},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			if got := string(appendString(nil, test.in)); got != test.want {
				t.Errorf("got %s, want %s", got, test.want)
			}
		})
	}
}

func TestJSONTime(t *testing.T) {
	zone := time.FixedZone("", 3600)
	tests := []struct {
		name string
		in   time.Time
		want string
	}{
		{"UTC", time.Date(2026, 11, 23, 2, 3, 4, 5, time.UTC), `"2026-11-23T02:03:04.000000005Z"`},
		{"elsewhere", time.Date(2026, 11, 23, 0, 3, 4, 0, zone), `"2026-11-22T23:03:04.000000000Z"`},
		{"zero", time.Time{}, `null`},
		{"beyond RFC 3339", time.Date(10000, 1, 1, 0, 0, 0, 0, time.UTC), `null`},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			if got := string(appendTime(nil, test.in)); got != test.want {
				t.Errorf("got %s, want %s", got, test.want)
			}
		})
	}
}

func TestID(t *testing.T) {
	c := plaintextConnection(30, 0)
	if got := string(c.AppendID(nil)); got != "c30" {
		t.Errorf("got %s", got)
	}
	c.TCP.FirstPacket = 0
	if got := string(c.AppendID(nil)); got != "p1795402589148000000-10.0.0.7:41264" {
		t.Errorf("without packets: got %s", got)
	}
}

// A connection without TLS still has every field of its own, and no list is null.
func TestJSONOfLittle(t *testing.T) {
	var out bytes.Buffer
	j := NewJSON(&out)
	c := &analysis.Connection{Facts: &analysis.Facts{}}
	if err := errors.Join(j.Connection(c), j.Flush()); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{`"tls":null`, `"findings":[]`, `"log":[]`, `"start":null`, `"first_packet":null`, `"process":null`, `"community_id":""`, `"client":{"ip":"","port":0}`} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("no %s in %s", want, out.String())
		}
	}
	c.TLS = &analysis.TLSFacts{}
	out.Reset()
	if err := errors.Join(j.Connection(c), j.Flush()); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{`"version":""`, `"cipher_suite":""`, `"alpn":""`, `"client_hello":null`, `"server_hello":null`, `"chain":[]`, `"authorities":[]`, `"alerts":[]`, `"visibility":"missed"`} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("no %s in %s", want, out.String())
		}
	}
}

// failingWriter fails from the first write on.
type failingWriter struct{ writes int }

func (w *failingWriter) Write([]byte) (int, error) {
	w.writes++
	return 0, io.ErrClosedPipe
}

func TestReportsStopAtAWriteError(t *testing.T) {
	for name, make := range map[string]func(io.Writer) Report{
		"json": func(w io.Writer) Report { return NewJSON(w) },
		"text": func(w io.Writer) Report { return NewText(w, TextOptions{}) },
	} {
		t.Run(name, func(t *testing.T) {
			var w failingWriter
			r := make(&w)
			c := plaintextConnection(1, 0)
			if err := r.Connection(c); err != nil {
				t.Fatalf("before a write: %v", err)
			}
			for _, err := range []error{r.Flush(), r.Connection(c), r.Certificates(new(Certificates)), r.Summary(fullSummary(c))} {
				if !errors.Is(err, io.ErrClosedPipe) {
					t.Errorf("got %v, want the writer's error", err)
				}
			}
			if w.writes != 1 {
				t.Errorf("%d writes after the error", w.writes-1)
			}
		})
	}
}

// FuzzJSON puts hostile text wherever the wire or a log can put it: each line stays one line of valid JSON in UTF-8, and says the same.
func FuzzJSON(f *testing.F) {
	for _, s := range []string{"", "localhost", "\x00\"\\\n", "\xff\xfe", "\u2028\u2029\u0085\x7f", "</script>", "\xed\xa0\x80", "a\x1b[31m"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		c := fullConnection([]*analysis.Certificate{{Subject: s, Err: errors.New(s)}}, s)
		var out bytes.Buffer
		writeAll(t, &out, []*analysis.Connection{c})
		if n := bytes.Count(out.Bytes(), []byte("\n")); n != 3+len(joinedEntries(s)) {
			t.Fatalf("%d lines, want %d", n, 3+len(joinedEntries(s)))
		}
		if !utf8.Valid(out.Bytes()) {
			t.Fatalf("not UTF-8: %q", out.Bytes())
		}
		for line := range bytes.Lines(out.Bytes()) {
			if !json.Valid(line) {
				t.Fatalf("not JSON: %s", line)
			}
		}
		var v struct{ TLS struct{ ALPN string } }
		first, _, _ := bytes.Cut(out.Bytes(), []byte("\n"))
		if err := json.Unmarshal(first, &v); err != nil {
			t.Fatal(err)
		}
		if len(s) > maxText {
			s = s[:cutAt(s, maxText)] + "…"
		}
		if want := strings.ToValidUTF8(s, "\ufffd"); strings.ReplaceAll(v.TLS.ALPN, "\ufffd", "") != strings.ReplaceAll(want, "\ufffd", "") {
			t.Fatalf("%q became %q", s, v.TLS.ALPN)
		}
	})
}

// What is remembered of ClientHellos must never be used for another: each difference that shows in the output changes the text.
func TestHelloTexts(t *testing.T) {
	changes := map[string]func(h *tlswire.ClientHello){
		"nothing":       func(*tlswire.ClientHello) {},
		"server name":   func(h *tlswire.ClientHello) { h.ServerName = "other" },
		"version":       func(h *tlswire.ClientHello) { h.LegacyVersion-- },
		"versions":      func(h *tlswire.ClientHello) { h.SupportedVersions = h.SupportedVersions[1:] },
		"cipher suites": func(h *tlswire.ClientHello) { h.CipherSuites = append(h.CipherSuites, 0x1302) },
		"extensions":    func(h *tlswire.ClientHello) { h.Extensions = append(h.Extensions, tlswire.Extension{Type: 0}) },
		"groups":        func(h *tlswire.ClientHello) { h.Groups = h.Groups[:1] },
		"points":        func(h *tlswire.ClientHello) { h.PointFormats = []uint8{0} },
		"algorithms":    func(h *tlswire.ClientHello) { h.SignatureAlgorithms = h.SignatureAlgorithms[:1] },
		"key shares":    func(h *tlswire.ClientHello) { h.KeyShares = h.KeyShares[:1] },
		"alpn":          func(h *tlswire.ClientHello) { h.ALPN = []string{"h3"} },
	}
	var cold helloTexts
	if got := string(cold.append(nil, fullConnection(nil, "text").TLS.ClientHello, true)); !strings.HasSuffix(got, `,"ja3":"","ja4":""}`) {
		t.Errorf("a malformed ClientHello has fingerprints: %s", got)
	}
	var warm helloTexts
	for range 2 {
		for name, change := range changes {
			h := fullConnection(nil, "text").TLS.ClientHello
			change(h)
			slot := hashHello(h) % helloSlots
			for i := range warm { // as if all hashes were the same
				if warm[i] != nil {
					warm[slot] = warm[i]
				}
			}
			var cold helloTexts
			if d := cmp.Diff(string(cold.append(nil, h, false)), string(warm.append(nil, h, false))); d != "" {
				t.Errorf("%s (-without memory +with):\n%s", name, d)
			}
			if d := cmp.Diff(string(cold.append(nil, h, false)), string(cold.append(nil, h, false))); d != "" {
				t.Errorf("%s, the same again:\n%s", name, d)
			}
		}
	}
}

// TestAppendTime compares with package time: every day of 2800 years, the ends of what is written, and odd nanoseconds.
func TestAppendTime(t *testing.T) {
	const format = `"2006-01-02T15:04:05.000000000Z"`
	check := func(at time.Time) {
		t.Helper()
		if got, want := string(appendTime(nil, at)), at.UTC().Format(format); got != want {
			t.Fatalf("%s, want %s", got, want)
		}
	}
	step := 24*time.Hour + 3*time.Hour + 7*time.Minute + 11*time.Second + 123_456_789
	for at := time.Date(1, 1, 1, 0, 0, 0, 1, time.UTC); at.Year() < 2800; at = at.Add(step) {
		check(at)
	}
	for _, at := range []time.Time{time.Date(0, 1, 1, 0, 0, 0, 0, time.UTC), time.Date(9999, 12, 31, 23, 59, 59, 999_999_999, time.UTC), time.Unix(0, 0),
		time.Date(2026, 3, 2, 1, 0, 0, 0, time.FixedZone("", 7200))} {
		check(at)
	}
	for _, at := range []time.Time{{}, time.Date(-1, 12, 31, 23, 59, 59, 0, time.UTC), time.Date(10000, 1, 1, 0, 0, 0, 0, time.UTC)} {
		if got := string(appendTime(nil, at)); got != "null" {
			t.Errorf("%v is %s, want null", at, got)
		}
	}
}
