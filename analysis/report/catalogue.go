package report

import (
	"fmt"
	"io"
	"strings"

	"github.com/etcdtap/etcdtap/analysis"
)

// pageWidth is where the prose of a page is wrapped, in columns. Commands are never wrapped: they are there to be
// pasted.
const pageWidth = 100

// CausePage writes a cause's page for a terminal of that many columns, as `etcdtap explain CODE` shows it; 0 means 100, which is also the
// most that is used. The error is the writer's.
func CausePage(w io.Writer, c analysis.Cause, width int) error {
	if width == 0 {
		width = pageWidth
	}
	width = min(max(width, leastWidth), pageWidth)
	var b strings.Builder
	wrap := func(text, first, rest string) { b.Write(appendWrapped(nil, text, first, rest, width)) }
	fmt.Fprintf(&b, "%s: %s\n%s\n", c.Code, c.Title, standing(c))
	for _, s := range sections(c) {
		fmt.Fprintf(&b, "\n%s\n", s.title)
		wrap(s.text, "  ", "  ")
	}
	if len(c.Causes) > 0 {
		b.WriteString("\nUsual causes\n")
	}
	for _, cause := range c.Causes {
		wrap(cause, "  - ", "    ")
	}
	b.WriteString("\nWhat to do\n")
	for i, fix := range c.Fixes {
		prose, command := splitCommand(fix)
		wrap(prose, fmt.Sprintf("  %d. ", i+1), "     ")
		if command != "" {
			fmt.Fprintf(&b, "       %s\n", command)
		}
	}
	if len(c.See) > 0 {
		b.WriteString("\nEasily mistaken for it\n")
	}
	for _, code := range c.See {
		wrap(fmt.Sprintf("%s: %s", code, titleOf(code)), "  ", "    ")
	}
	if words := wordsOf(c); len(words) > 0 {
		b.WriteString("\nWords\n")
		for _, word := range words {
			wrap(word.term+": "+word.meaning, "  ", "    ")
		}
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// CatalogueMarkdown writes the whole catalogue as docs/findings.md has it. The error is the writer's.
func CatalogueMarkdown(w io.Writer, causes []analysis.Cause) error {
	var b strings.Builder
	b.WriteString(markdownHead)
	b.WriteString("## All findings\n\n| code | severity | what it is |\n|---|---|---|\n")
	for _, c := range causes {
		fmt.Fprintf(&b, "| [%s](#%s) | %s | %s |\n", c.Code, c.Code, c.Severity, c.Title)
	}
	b.WriteString("\n## Words\n\n")
	for _, word := range words {
		fmt.Fprintf(&b, "- **%s**: %s\n", word.term, word.meaning)
	}
	for _, c := range causes {
		markdownPage(&b, c)
	}
	_, err := io.WriteString(w, b.String())
	return err
}

const markdownHead = `# Findings

<!-- Made from analysis/catalogue*.go by "go test ./analysis/report -run TestFindingsDocument -update-findings". Do not edit. -->

Everything that etcdtap can conclude, by its permanent code. ` + "`etcdtap explain CODE`" + ` prints the same pages in a
terminal. In the commands, HOST, FILE and the like are yours to fill in, and the paths are those of kubeadm.

Severity: **error**, a connection failed or will; **warning**, it works but wants attention; **info**, it explains something.

`

func markdownPage(b *strings.Builder, c analysis.Cause) {
	fmt.Fprintf(b, "\n## %s\n\n**%s** (%s)\n", c.Code, c.Title, standing(c))
	for _, s := range sections(c) {
		fmt.Fprintf(b, "\n**%s.** %s\n", s.title, s.text)
	}
	if len(c.Causes) > 0 {
		b.WriteString("\n**Usual causes.**\n\n")
	}
	for _, cause := range c.Causes {
		fmt.Fprintf(b, "- %s\n", cause)
	}
	b.WriteString("\n**What to do.**\n\n")
	for i, fix := range c.Fixes {
		number := fmt.Sprintf("%d. ", i+1)
		prose, command := splitCommand(fix)
		fmt.Fprintf(b, "%s%s\n", number, prose)
		if command != "" {
			indent := strings.Repeat(" ", len(number))
			fmt.Fprintf(b, "%s```sh\n%s%s\n%s```\n", indent, indent, command, indent)
		}
	}
	if len(c.See) == 0 {
		return
	}
	b.WriteString("\n**Easily mistaken for it.**\n\n")
	for _, code := range c.See {
		fmt.Fprintf(b, "- [%s](#%s): %s\n", code, code, titleOf(code))
	}
}

// section is a titled piece of prose of a page.
type section struct{ title, text string }

func sections(c analysis.Cause) []section {
	wire, log := c.Wire, c.Log
	if wire == "" {
		wire = "Packets do not show this; it comes from the log."
	}
	if log == "" {
		log = "etcd writes nothing about this."
	}
	return []section{{"What it means", c.Meaning}, {"In packets", wire}, {"In etcd's log", log}}
}

// standing is the line under a page's title: how bad it is, and who usually has to act.
func standing(c analysis.Cause) string {
	who := map[analysis.Fault]string{
		analysis.FaultUnknown: "either side may have to change",
		analysis.FaultNone:    "neither side is at fault",
		analysis.FaultClient:  "usually the connecting side has to change",
		analysis.FaultServer:  "usually the server has to change",
		analysis.FaultNetwork: "usually the network has to change",
	}
	return fmt.Sprintf("%s; %s", c.Severity, who[c.AtFault])
}

func titleOf(code analysis.Code) string {
	c, _ := analysis.CauseOf(code) // the catalogue's test sees to it that there is one
	return c.Title
}

// splitCommand takes the command off a fix that ends in one: "do this: `command`" gives "do this:" and "command". A
// fix that has no command at its end is all prose.
func splitCommand(fix string) (prose, command string) {
	head, isCommand := strings.CutSuffix(fix, "`")
	i := strings.LastIndexByte(head, '`')
	if !isCommand || i < 0 || !strings.HasSuffix(head[:i], ": ") {
		return fix, ""
	}
	return strings.TrimSuffix(head[:i], " "), head[i+1:]
}
