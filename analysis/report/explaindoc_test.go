package report_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/etcdtap/etcdtap/analysis"
	"github.com/etcdtap/etcdtap/analysis/etcdlog"
	"github.com/etcdtap/etcdtap/analysis/report"
)

var explainDocument = filepath.Join("..", "..", "docs", "explain.md")

// readLog reads a log of testdata/pcaps.
func readLog(t testing.TB, name string, each func(*analysis.LogEntry)) etcdlog.Stats {
	t.Helper()
	file, err := os.Open(filepath.Join("..", "..", "testdata", "pcaps", name))
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	var r etcdlog.Reader
	var x analysis.Explainer
	take := func(e *etcdlog.Entry) {
		le := x.Explain(e, name)
		each(&le)
	}
	if err := r.Read(file, take); err != nil {
		t.Fatal(err)
	}
	r.End(take)
	return r.Stats
}

// explainLog makes the whole report on a log.
func explainLog(t testing.TB, name string, r report.LogReport) {
	t.Helper()
	var s analysis.LogSummary
	stats := readLog(t, name, func(e *analysis.LogEntry) {
		s.Add(e)
		if err := r.Entry(e); err != nil {
			t.Fatal(err)
		}
	})
	s.Input = analysis.LogInput{Files: 1, Lines: stats.Lines, PassedOver: stats.PassedOver, Unrecognised: stats.Unrecognised, Overlong: stats.Overlong, Broken: stats.Broken}
	if err := r.Summary(&s); err != nil {
		t.Fatal(err)
	}
}

// joinLog makes the report on a capture and a log. The capture's own numbers are left out: they are the reader's.
func joinLog(t testing.TB, pcap, log string, r report.Report) {
	t.Helper()
	var summary analysis.Summary
	j := analysis.NewJoin(func(c *analysis.Connection) error {
		summary.Add(c)
		return r.Connection(c)
	})
	readLog(t, log, j.Entry)
	eachConnection(t, pcap, func(c *analysis.Connection) {
		if err := j.Connection(c); err != nil {
			t.Fatal(err)
		}
	})
	if err := errors.Join(j.Close(), r.LogEntries(j.Entries(), j.Stats()), r.Summary(&summary)); err != nil {
		t.Fatal(err)
	}
}

// run does what a command line of docs/explain.md does, as far as the document needs it.
func run(t *testing.T, line string) string {
	t.Helper()
	var out bytes.Buffer
	stages := strings.Split(line, " | ")
	switch args := strings.Fields(stages[0]); {
	case len(args) == 2 && args[0] == "cat":
		b, err := os.ReadFile(filepath.Join("..", "..", "testdata", "pcaps", args[1]))
		if err != nil {
			t.Fatal(err)
		}
		out.Write(b)
	case len(args) == 3 && args[1] == "explain":
		explainLog(t, args[2], report.NewLogText(&out, report.TextOptions{Source: args[2]}))
	case len(args) == 4 && args[1] == "explain" && args[2] == "--all":
		explainLog(t, args[3], report.NewLogText(&out, report.TextOptions{Source: args[3], All: true}))
	case len(args) == 5 && args[1] == "explain" && args[3] == "json":
		explainLog(t, args[4], report.NewLogJSON(&out))
	case len(args) == 5 && args[1] == "read" && args[2] == "--log":
		joinLog(t, args[4], args[3], report.NewText(&out, report.TextOptions{Source: args[4]}))
	default:
		t.Fatalf("the test cannot run %q", line)
	}
	text := out.String()
	for _, stage := range stages[1:] {
		text = filter(t, stage, text)
	}
	return text
}

// filter is one stage of a pipe.
func filter(t *testing.T, stage, text string) string {
	t.Helper()
	lines := strings.SplitAfter(text, "\n")
	lines = lines[:len(lines)-1]
	args := strings.Fields(stage)
	switch args[0] {
	case "head", "tail":
		n, err := strconv.Atoi(args[2])
		if err != nil {
			t.Fatal(err)
		}
		n = min(n, len(lines))
		if args[0] == "tail" {
			return strings.Join(lines[len(lines)-n:], "")
		}
		return strings.Join(lines[:n], "")
	case "jq":
		var b bytes.Buffer
		if err := json.Indent(&b, []byte(text), "", "  "); err != nil {
			t.Fatal(err)
		}
		return b.String()
	}
	t.Fatalf("the test has no %q", stage)
	return ""
}

// Every output in docs/explain.md is what comes out.
func TestExplainDocument(t *testing.T) {
	doc, err := os.ReadFile(explainDocument)
	if err != nil {
		t.Fatal(err)
	}
	block := regexp.MustCompile("(?s)```console\n\\$ ([^\n]+)\n.*?```\n")
	want := block.ReplaceAllStringFunc(string(doc), func(old string) string {
		line := block.FindStringSubmatch(old)[1]
		return fmt.Sprintf("```console\n$ %s\n%s```\n", line, run(t, line))
	})
	if n := len(block.FindAll(doc, -1)); n < 5 {
		t.Errorf("%d examples found: the document has changed its form", n)
	}
	if report.UpdateGolden() {
		if err := os.WriteFile(explainDocument, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
		doc = []byte(want)
	}
	if d := cmp.Diff(want, string(doc)); d != "" {
		t.Errorf("docs/explain.md differs; run with -update-golden (-want +have):\n%s", d)
	}
}

// Every line that docs/explain.md gives as an example of a format is one, and it has a cause.
func TestExplainDocumentLines(t *testing.T) {
	doc, err := os.ReadFile(explainDocument)
	if err != nil {
		t.Fatal(err)
	}
	lines := 0
	for _, m := range regexp.MustCompile("(?s)```log\n(.*?)```").FindAllStringSubmatch(string(doc), -1) {
		for line := range strings.Lines(m[1]) {
			lines++
			var p etcdlog.Parser
			var e etcdlog.Entry
			if !p.Line([]byte(line), &e) {
				t.Errorf("not an entry: %s", line)
				continue
			}
			var x analysis.Explainer
			if le := x.Explain(&e, ""); le.Findings[0].Code == analysis.CodeUnrecognisedRejection {
				t.Errorf("not recognised: %s", line)
			}
		}
	}
	if lines < 10 {
		t.Errorf("%d example lines found: the document has changed its form", lines)
	}
}
