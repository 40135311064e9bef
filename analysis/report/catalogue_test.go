package report

import (
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"github.com/etcdtap/etcdtap/analysis"
)

var updateFindings = flag.Bool("update-findings", false, "write docs/findings.md from the catalogue")

func TestFindingsDocument(t *testing.T) {
	var b strings.Builder
	if err := CatalogueMarkdown(&b, analysis.Causes()); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join("..", "..", "docs", "findings.md")
	if *updateFindings {
		if err := os.WriteFile(path, []byte(b.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	have, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(b.String(), string(have)); diff != "" {
		t.Errorf("docs/findings.md differs from the catalogue; run this test with -update-findings (-want +have):\n%s", diff)
	}
}

func TestCausePageKeepsItsWidth(t *testing.T) {
	for terminal, width := range map[int]int{0: pageWidth, 40: leastWidth, 80: 80, 200: pageWidth} {
		for _, c := range analysis.Causes() {
			var b strings.Builder
			if err := CausePage(&b, c, terminal); err != nil {
				t.Fatal(err)
			}
			for line := range strings.Lines(b.String()) {
				line = strings.TrimSuffix(line, "\n")
				isCommand := strings.HasPrefix(line, "       ")
				if utf8.RuneCountInString(line) > width && !isCommand && !unbreakable(line) {
					t.Errorf("%s: longer than %d columns: %s", c.Code, width, line)
				}
				if line != strings.TrimRight(line, " ") {
					t.Errorf("%s: blank at the end of %q", c.Code, line)
				}
			}
		}
	}
}

// unbreakable reports whether a line is the title, which is never broken, or a single word.
func unbreakable(line string) bool {
	return !strings.HasPrefix(line, " ") || !strings.Contains(strings.TrimLeft(line, " "), " ")
}

func TestCausePage(t *testing.T) {
	var b strings.Builder
	err := CausePage(&b, analysis.Cause{
		Code: "some-code", Severity: analysis.Warning, AtFault: analysis.FaultClient, Title: "Some title",
		Meaning: "It means " + strings.Repeat("much ", 20) + "indeed.",
		Wire:    "FIN, and two SANs.",
		Causes:  []string{"One", "Two"},
		Fixes:   []string{"Paste this: `ls -l /a b`", "Set `--flag`"},
		See:     []analysis.Code{analysis.CodeRefused},
	}, 0)
	if err != nil {
		t.Fatal(err)
	}
	want := `some-code: Some title
warning; usually the connecting side has to change

What it means
  It means much much much much much much much much much much much much much much much much much much
  much much indeed.

In packets
  FIN, and two SANs.

In etcd's log
  etcd writes nothing about this.

Usual causes
  - One
  - Two

What to do
  1. Paste this:
       ls -l /a b
  2. Set ` + "`--flag`" + `

Easily mistaken for it
  refused: Nobody listens at this address

Words
  FIN: the packet that closes a TCP stream in good order
  SAN: subject alternative names: the names and IP addresses for which a certificate is valid
`
	if diff := cmp.Diff(want, b.String()); diff != "" {
		t.Errorf("page differs (-want +got):\n%s", diff)
	}
}

func TestEveryWordIsUsed(t *testing.T) {
	used := map[string]bool{}
	for _, c := range analysis.Causes() {
		for _, w := range wordsOf(c) {
			used[w.term] = true
		}
	}
	for _, w := range words {
		if !used[w.term] {
			t.Errorf("no page uses the word %q", w.term)
		}
	}
}
