package report

import (
	"slices"
	"strings"

	"github.com/etcdtap/etcdtap/analysis"
)

// findings writes what was found on a connection: the worst in full, the others in a line or two each.
func (t *Text) findings(c *analysis.Connection, worst *analysis.Finding) {
	t.paragraph(printable(worst.Meaning), indent, indent, plain)
	t.paragraph(standingOf(worst), indent, indent, dim)
	t.evidence(worst)
	if worst.Severity > analysis.Info {
		t.fixes(worst.Fix)
	}
	for i := range c.Findings {
		f := &c.Findings[i]
		if f == worst || f.Code.OfSeries() {
			continue
		}
		text := "also " + string(f.Code) + " (" + f.Confidence.String() + "): " + printable(f.Meaning)
		t.paragraph(text, indent, indent+"  ", otherStyle(f.Severity))
		t.evidence(f)
	}
}

// otherStyle sets findings apart that matter less.
func otherStyle(s analysis.Severity) style {
	if s == analysis.Info {
		return dim
	}
	return plain
}

// standingOf says how sure a finding is, who has to act, and which packets show it.
func standingOf(f *analysis.Finding) string {
	s := f.Confidence.String()
	switch f.AtFault {
	case analysis.FaultClient:
		s += ", the client has to change"
	case analysis.FaultServer:
		s += ", the server has to change"
	case analysis.FaultNetwork:
		s += ", the network has to change"
	case analysis.FaultUnknown:
		s += ", either side may have to change"
	}
	if slices.ContainsFunc(f.Evidence, func(e analysis.Evidence) bool { return strings.Contains(e.Text, "decrypted with the key log") }) {
		s += ", decrypted with the key log"
	}
	var packets []int64
	for i := range f.Evidence {
		if p := f.Evidence[i].Packet; p != 0 {
			packets = append(packets, p)
		}
	}
	slices.Sort(packets)
	packets = slices.Compact(packets)
	for i, p := range packets {
		switch {
		case i > 0:
			s += ", "
		case len(packets) > 1:
			s += "; packets "
		default:
			s += "; packet "
		}
		s += number(p)
	}
	return s
}

// evidence writes each piece of evidence, where everything is wanted.
func (t *Text) evidence(f *analysis.Finding) {
	if !t.options.All {
		return
	}
	for i := range f.Evidence {
		e := &f.Evidence[i]
		text := printable(e.Text)
		if !e.At.IsZero() {
			text = string(appendClock(nil, e.At)) + " " + text
		}
		if e.Packet != 0 {
			text = "packet " + number(e.Packet) + ", " + text
		}
		t.paragraph(text, indent+"- ", indent+"  ", dim)
	}
}

// sameAs refers to the connection that was shown in full.
func (t *Text) sameAs(c *analysis.Connection, before repeat) {
	text := string(appendClock([]byte("same as "), before.shown)) + " above (attempt " + number(before.n+1)
	if gap := c.Start.Sub(before.last); gap >= 0 {
		text += ", +" + interval(gap)
	}
	for i, e := range c.Log[:min(len(c.Log), maxLinesShown)] {
		if i == 0 {
			text += "; log: "
		} else {
			text += ", "
		}
		text += placeOf(e.File, e.Line)
	}
	t.paragraph(text+")", indent, indent, dim)
}

// series says what the rhythm of several connections shows, when that is news.
func (t *Text) series(c *analysis.Connection, again *repeat, before repeat) {
	for i := range c.Findings {
		f := &c.Findings[i]
		if !f.Code.OfSeries() || f == c.Worst() {
			continue
		}
		if again != nil {
			if before.series == f.Code && before.sure >= f.Confidence {
				return
			}
			again.series, again.sure = f.Code, f.Confidence
		}
		text := string(f.Code) + " (" + f.Confidence.String() + "): " + printable(f.Title) + ". " + printable(f.Meaning)
		t.paragraph(text, indent, indent+"  ", yellow)
		return
	}
}
