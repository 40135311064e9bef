package etcdlog

import (
	"flag"
	"fmt"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "write the golden file anew")

const goldenFile = "testdata/lines.golden"

// goldenNow is after every line of the golden file.
var goldenNow = time.Date(2026, 12, 1, 0, 0, 0, 0, time.UTC)

// goldenLine is one case of the golden file.
type goldenLine struct{ title, line string }

func goldenLines(t testing.TB) (header string, cases []goldenLine, whole string) {
	t.Helper()
	b, err := os.ReadFile(goldenFile)
	if err != nil {
		t.Fatal(err)
	}
	blocks := strings.Split(string(b), "\n# ")
	for _, block := range blocks[1:] {
		lines := strings.SplitN(block, "\n", 3)
		line, err := strconv.Unquote(lines[1])
		if err != nil {
			t.Fatalf("%s: %v", lines[0], err)
		}
		cases = append(cases, goldenLine{lines[0], line})
	}
	return blocks[0], cases, string(b)
}

// TestGolden reads each line of the golden file with a fresh parser.
func TestGolden(t *testing.T) {
	header, cases, want := goldenLines(t)
	var got strings.Builder
	got.WriteString(header)
	for _, c := range cases {
		p := Parser{Now: goldenNow}
		var e Entry
		ok := p.Line([]byte(c.line), &e)
		quoted := strconv.Quote(c.line)
		if strconv.CanBackquote(c.line) {
			quoted = "`" + c.line + "`"
		}
		fmt.Fprintf(&got, "\n# %s\n%s\n%s", c.title, quoted, describe(&e, ok))
	}
	if *update {
		if err := os.WriteFile(goldenFile, []byte(got.String()), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if diff := cmp.Diff(want, got.String()); diff != "" {
		t.Error(diff)
	}
}

// describe lists the fields of e that are set.
func describe(e *Entry, ok bool) string {
	if !ok {
		return "\tpassed over\n"
	}
	var b strings.Builder
	field := func(name string, set bool, v any) {
		if set {
			fmt.Fprintf(&b, "\t%s: %v\n", name, v)
		}
	}
	fmt.Fprintf(&b, "\t%v, %v\n", e.Kind, e.Format)
	field("in", e.WrapperNames() != "", e.WrapperNames())
	field("time", e.HasTime, fmt.Sprintf("%s ±%v zone %v from wrapper %v", e.Time.Format(time.RFC3339Nano), e.Precision, e.Zone, e.FromWrapper))
	field("year guessed", e.YearGuessed, true)
	field("wrapper's time", !e.WrapperTime.IsZero(), e.WrapperTime.Format(time.RFC3339Nano))
	field("level", e.Level != "", e.Level)
	field("caller", e.Caller != "", e.Caller)
	field("versions", e.Versions != "", e.Versions)
	field("endpoint", e.Endpoint != EndpointUnknown, e.Endpoint)
	field("remote", e.Remote.IsValid(), e.Remote)
	field("local", e.Local.IsValid(), e.Local)
	field("peer", e.Peer != "", e.Peer)
	field("peer URL", e.PeerURL != "", e.PeerURL)
	field("prober", e.Prober != "", e.Prober)
	field("server name", e.ServerName != "", strconv.Quote(e.ServerName))
	field("names", e.Names, fmt.Sprintf("%q %q", e.IPAddresses, e.DNSNames))
	field("message", e.Message != "" && e.Kind != KindClient, strconv.Quote(e.Message))
	field("error", e.Error != "", strconv.Quote(e.Error))
	field("broken", e.Broken, true)
	return b.String()
}
