package report

import (
	"cmp"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/etcdtap/etcdtap/analysis"
)

// How much is shown of a cause. The rest is counted.
const (
	maxMoreClients = 10 // further clients, a line or two each
	maxGapsShown   = 4  // gaps that show no rhythm
)

// Group shows a cause and client that just appeared: in full if the cause is new, else in a line.
func (t *LogText) Group(g *analysis.LogGroup) error {
	if t.err != nil {
		return t.err
	}
	if first := t.explained[g.Code]; first == nil {
		if len(t.explained) > 0 {
			t.buf = append(t.buf, '\n')
		}
		t.block(g)
	} else {
		t.another(g, first, string(g.Code)+", as above, also from ")
	}
	return t.written()
}

// Repeats says in a line how far a group has grown.
func (t *LogText) Repeats(g *analysis.LogGroup) error {
	if t.err != nil {
		return t.err
	}
	text := groupPair(g) + "  " + string(g.Code) + "  now " + span(g)
	if !g.Last.Time.IsZero() {
		text = string(appendClock(nil, g.Last.Time)) + "  " + text
	}
	if r, ok := g.Rhythm(); ok {
		text += ", " + rhythmWords(r.Code)
	}
	t.put(text, dim)
	t.buf = append(t.buf, '\n')
	return t.written()
}

// causeGroups are the groups of one code.
type causeGroups []*analysis.LogGroup

func (c causeGroups) lines() (n int64) {
	for _, g := range c {
		n += g.Count
	}
	return n
}

// byCode puts the groups of a code together, which stay in order: the most severe cause first, then the most frequent.
func byCode(groups []*analysis.LogGroup) []causeGroups {
	var out []causeGroups
	at := make(map[analysis.Code]int)
	for _, g := range groups {
		i, ok := at[g.Code]
		if !ok {
			i = len(out)
			at[g.Code] = i
			out = append(out, nil)
		}
		out[i] = append(out[i], g)
	}
	slices.SortStableFunc(out, func(a, b causeGroups) int {
		return cmp.Or(cmp.Compare(b[0].Severity(), a[0].Severity()), cmp.Compare(b.lines(), a.lines()))
	})
	return out
}

// countsOf counts the lines of each cause.
func countsOf(causes []causeGroups) []analysis.CodeCount {
	out := make([]analysis.CodeCount, 0, len(causes))
	for _, groups := range causes {
		f := &groups[0].Findings[0]
		out = append(out, analysis.CodeCount{Code: f.Code, Severity: f.Severity, Title: f.Title, Connections: groups.lines()})
	}
	return out
}

// cause writes the first group in full, unless the cause was explained while the log was followed, and the others in short.
func (t *LogText) cause(groups causeGroups) {
	first, before := t.explained[groups[0].Code], ""
	if first == nil {
		first, before = groups[0], "also "
		t.block(first)
		groups = groups[1:]
	} else {
		t.put(string(first.Code), severityStyle(first.Severity()))
		t.buf = append(t.buf, ", explained above\n"...)
	}
	for i, g := range groups {
		if i == maxMoreClients {
			t.otherClients(groups[i:])
			return
		}
		t.another(g, first, before)
	}
}

// otherClients counts the clients that are not shown.
func (t *LogText) otherClients(rest causeGroups) {
	t.paragraph("and "+plural(rest.lines(), "more line")+" of "+plural(int64(len(rest)), "other client"), indent, indent, dim)
}

// block writes a group in full.
func (t *LogText) block(g *analysis.LogGroup) {
	t.explained[g.Code] = g
	f := &g.Findings[0]
	t.blockHead(g, f)
	t.paragraph(printable(f.Meaning), indent, indent, plain)
	t.paragraph(standingOf(f)+t.groupPlace(g), indent, indent, dim)
	t.groupNotes(g)
	t.paragraph("log: "+errorText(g.First.Text), indent, indent+"  ", plain)
	if f.Severity > analysis.Info {
		t.fixes(f.Fix)
	}
	t.alternatives(g.Findings[1:])
}

// blockHead writes who, how often, what, and the code at the right.
func (t *LogText) blockHead(g *analysis.LogGroup, f *analysis.Finding) {
	pair, often, title, code := groupPair(g), span(g), printable(f.Title), string(g.Code)
	in := severityStyle(f.Severity)
	t.put(pair, bold)
	t.buf = append(append(t.buf, ' ', ' '), often...)
	column := utf8.RuneCountInString(pair) + 2 + utf8.RuneCountInString(often)
	width := utf8.RuneCountInString(title)
	below := column+2+width+2+len(code) > t.options.Width
	if !below {
		t.buf = append(append(t.buf, ' ', ' '), title...)
		column += 2 + width
	}
	t.on(in)
	t.buf = appendRight(t.buf, code, column, t.options.Width)
	t.off(in)
	t.buf = append(t.buf, '\n')
	if below {
		t.paragraph(title, indent, indent, bold)
	}
}

// groupPlace says which versions write so, and where and when the lines were written.
func (t *LogText) groupPlace(g *analysis.LogGroup) string {
	s := ""
	for i, v := range g.Versions {
		if i == 0 {
			s += "; written by etcd "
		} else {
			s += " or "
		}
		s += brief(v, maxNameShown)
	}
	s += "; " + t.placesOf(g)
	if when := groupTimes(g, t.oneDay); when != "" {
		s += ", " + when
	}
	return s
}

// placesOf says where the first and last line of a group stand.
func (t *LogText) placesOf(g *analysis.LogGroup) string {
	switch first := placeOf(g.First.File, g.First.Line); {
	case g.Count < 2 && t.oneFile:
		return placeOf("", g.First.Line)
	case g.Count < 2:
		return first
	case g.First.Files != g.Last.Files:
		return first + " to line " + number(g.Last.Line) + " of a later file"
	case t.oneFile:
		return "lines " + number(g.First.Line) + " to " + number(g.Last.Line)
	case g.Last.File == g.First.File:
		return first + " to " + number(g.Last.Line)
	default:
		return first + " to " + placeOf(g.Last.File, g.Last.Line)
	}
}

// groupNotes writes what the lines show together.
func (t *LogText) groupNotes(g *analysis.LogGroup) {
	if g.Gateway && g.Client.IsValid() {
		text := brief(g.Client.String(), maxNameShown) + " is etcd's own address"
		if !t.gateway {
			text += ": the client is its grpc-gateway, or another program on the same machine"
		}
		t.gateway = true
		t.paragraph(text, indent, indent, plain)
	}
	if len(g.ServerNames) > 0 {
		names := make([]string, 0, len(g.ServerNames))
		for _, n := range g.ServerNames {
			names = append(names, brief(n, maxNameShown))
		}
		t.paragraph("asked for "+strings.Join(names, ", "), indent, indent, dim)
	}
	if g.Sampled {
		t.paragraph(plural(g.Count, "line")+": zap left others out, so this is a lower bound", indent, indent, yellow)
	}
	t.rhythm(g)
}

// rhythm says what the gaps show.
func (t *LogText) rhythm(g *analysis.LogGroup) {
	r, ok := g.Rhythm()
	if !ok {
		if gaps := g.Gaps(nil); len(gaps) > 0 && len(gaps) <= maxGapsShown {
			t.paragraph(gapsText(gaps), indent, indent, dim)
		}
		return
	}
	text := gapsText(r.Gaps) + ": " + string(r.Code) + " (" + r.Confidence.String() + "), " + rhythmWords(r.Code)
	if r.Processes > 1 {
		text += "; it began anew " + plural(int64(r.Processes-1), "time") + ", so the process was restarted or there are several"
	}
	t.paragraph(text, indent, indent+"  ", yellow)
}

// another writes a further client of a cause that was explained: who, how often, and what differs.
func (t *LogText) another(g, first *analysis.LogGroup, before string) {
	text := before + groupPair(g) + ": " + span(g) + t.groupPlace(g)
	if r, ok := g.Rhythm(); ok {
		text += "; " + rhythmWords(r.Code)
	}
	if g.Gateway && !first.Gateway {
		text += "; this is etcd's own address"
	}
	t.paragraph(text, indent, indent+"  ", plain)
	if g.First.Text != first.First.Text {
		t.paragraph("log: "+errorText(g.First.Text), indent+"  ", indent+"    ", dim)
	}
}

// alternatives writes what else the text may mean, and what would tell.
func (t *LogText) alternatives(list []analysis.Finding) {
	for i := range list {
		f := &list[i]
		text := "it may also be "
		if f.Confidence == analysis.Certain {
			text = "also "
		}
		text += string(f.Code) + " (" + f.Confidence.String() + "): " + printable(f.Title)
		if len(f.Fix) == 0 || f.Confidence == analysis.Certain {
			t.paragraph(text, indent, indent+"  ", plain)
			continue
		}
		t.advice(text+". To tell: "+printable(f.Fix[0]), indent, indent+"  ")
	}
}

// advice writes prose with commands in it. Each command after a colon gets a line of its own and is never wrapped, as in fixes.
func (t *page) advice(text, first, rest string) {
	for {
		head, tail, found := strings.Cut(text, ": `")
		command, after, closed := strings.Cut(tail, "`")
		if !found || !closed {
			if text != "" {
				t.paragraph(text, first, rest, plain)
			}
			return
		}
		t.paragraph(head+":", first, rest, plain)
		t.buf = append(append(append(t.buf, rest...), ' ', ' '), command...)
		t.buf = append(t.buf, '\n')
		text, first = strings.TrimLeft(after, ",;. "), rest
	}
}
