package e2e

import (
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/etcdtap/etcdtap/e2e/scenario"
)

// TestTruth holds etcdtap to what is known of each capture.
func TestTruth(t *testing.T) {
	files, err := filepath.Glob("../testdata/pcaps/*.json")
	if err != nil || len(files) == 0 {
		t.Fatalf("no captures in testdata/pcaps (%v): make pcaps", err)
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		var truth scenario.Truth
		if err := json.Unmarshal(text, &truth); err != nil {
			t.Fatalf("%s: %v", file, err)
		}
		t.Run(truth.Name, func(t *testing.T) {
			t.Parallel()
			judge(t, &truth, read(t, strings.TrimSuffix(file, ".json")+".pcap", truth.ClientPort, truth.PeerPort))
		})
	}
}

// judge compares the connections of one capture with its truth.
func judge(t *testing.T, truth *scenario.Truth, connections []connection) {
	t.Helper()
	found := false
	for i := range connections {
		c := &connections[i]
		if slices.Contains(truth.Outcomes, c.Outcome) && (truth.Codes == nil || hasAny(c, truth.Codes)) {
			found = true
		}
		for _, f := range c.Findings {
			if f.Severity == "error" && !slices.Contains(truth.Codes, f.Code) && !slices.Contains(truth.Also, f.Code) {
				t.Errorf("%s > %s: wrong finding %s", c.Client, c.Server, f.Code)
			}
		}
	}
	switch {
	case found:
	case truth.Hidden:
		t.Logf("TLS 1.3 hides it: no connection came out as %v with %v\n%s", truth.Outcomes, truth.Codes, describe(connections))
	default:
		t.Errorf("no connection came out as %v with %v\n%s", truth.Outcomes, truth.Codes, describe(connections))
	}
	for _, want := range truth.Connections {
		if n := count(connections, want); n < want.AtLeast {
			t.Errorf("%d connections to port %d came out as %s with %q, want %d or more\n%s",
				n, want.Port, want.Outcome, want.Code, want.AtLeast, describe(connections))
		}
	}
}

func count(connections []connection, want scenario.Connection) (n int) {
	for i := range connections {
		c := &connections[i]
		if c.Server.Port != want.Port || c.Outcome != want.Outcome {
			continue
		}
		if want.Code != "" && hasAny(c, []string{want.Code}) || want.Code == "" && !hasError(c) {
			n++
		}
	}
	return n
}

func hasAny(c *connection, codes []string) bool {
	return slices.ContainsFunc(c.Findings, func(f finding) bool { return slices.Contains(codes, f.Code) })
}

func hasError(c *connection) bool {
	return slices.ContainsFunc(c.Findings, func(f finding) bool { return f.Severity == "error" })
}

func describe(connections []connection) string {
	var b strings.Builder
	for i := range connections {
		c := &connections[i]
		b.WriteString(c.Client.String() + " > " + c.Server.String() + " " + c.Outcome)
		for _, f := range c.Findings {
			b.WriteString(" " + f.Severity + ":" + f.Code)
		}
		b.WriteByte('\n')
	}
	return b.String()
}
