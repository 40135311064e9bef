package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// bounds are the lists of docs/json.md, by path, and how many elements each may have.
type bounds map[string]int

var (
	documentedList  = regexp.MustCompile("(?m)^\\| `([^`]+)` \\| (list[^|]*) \\|(.*)$")
	documentedBound = regexp.MustCompile(`at most (\d+)`)
)

// documentedBounds reads them. A list without a bound fails the test.
func documentedBounds(t testing.TB) bounds {
	t.Helper()
	doc, err := os.ReadFile("../../docs/json.md")
	if err != nil {
		t.Fatal(err)
	}
	b := bounds{}
	for _, m := range documentedList.FindAllStringSubmatch(string(doc), -1) {
		n := documentedBound.FindStringSubmatch(m[3])
		if n == nil {
			t.Errorf("docs/json.md states no bound for %s", m[1])
			continue
		}
		b[m[1]], _ = strconv.Atoi(n[1])
	}
	if len(b) < 50 {
		t.Fatalf("docs/json.md has %d lists", len(b))
	}
	return b
}

func TestEachListHasABound(t *testing.T) { documentedBounds(t) }

// Objects that docs/json.md describes once.
var describedOnce = []struct {
	at *regexp.Regexp
	as string
}{
	{regexp.MustCompile(`^((connection|probe)\.tls\.(server|client)_certificates\.chain\[\]|probe\.expected\.certificate)\.`), "CERT."},
	{regexp.MustCompile(`^certificate\.(dns_names|ip_addresses|key_usage|ext_key_usage|files)`), "CERT.$1"},
	{regexp.MustCompile(`^(connection\.log\[\]|log_entry)\.(ip_addresses|dns_names|wrappers)`), "ENTRY.$2"},
	{regexp.MustCompile(`^(log_entry|probe)\.findings\[\]`), "connection.findings[]"},
}

// maxTextShown is what docs/json.md states of a text in bytes, the mark of the cut included.
const maxTextShown = 4096 + len("…")

// check holds every line of the output to the stated bounds of lists and texts.
func (b bounds) check(t testing.TB, out []byte) {
	t.Helper()
	for line := range bytes.Lines(out) {
		var v map[string]any
		if err := json.Unmarshal(line, &v); err != nil {
			t.Fatalf("not JSON: %v: %.200s", err, line)
		}
		kind := fmt.Sprint(v["type"])
		if v["passed_over"] != nil {
			kind = "log_summary"
		}
		b.value(t, kind, v)
	}
}

func (b bounds) value(t testing.TB, path string, v any) {
	t.Helper()
	switch v := v.(type) {
	case map[string]any:
		for key, e := range v {
			b.value(t, path+"."+key, e)
		}
	case []any:
		at := path
		for _, d := range describedOnce {
			at = d.at.ReplaceAllString(at, d.as)
		}
		if most, ok := b[at]; !ok || len(v) > most {
			t.Errorf("%s has %d elements, at most %d are stated (stated: %t)", at, len(v), most, ok)
		}
		for _, e := range v {
			b.value(t, path+"[]", e)
		}
	case string:
		if n := len(strings.ReplaceAll(v, "\ufffd", "?")); n > maxTextShown {
			t.Errorf("%s has %d bytes: %.60q…", path, n, v)
		}
	}
}
