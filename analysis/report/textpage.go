package report

import (
	"io"
	"strings"
	"time"

	"github.com/etcdtap/etcdtap/analysis"
)

// page is what texts for people have in common: the lines, where they break, and their colours.
type page struct {
	lines
	options TextOptions
	day     time.Time // of the last date line; zero before the first
}

func newPage(w io.Writer, o TextOptions) page {
	if o.Width == 0 {
		o.Width = pageWidth
	}
	o.Width = max(o.Width, leastWidth)
	return page{lines: lines{w: w}, options: o}
}

// on begins a style, and off ends it, where colours are wanted.
func (t *page) on(s style) {
	if t.options.Color {
		t.buf = append(t.buf, s...)
	}
}

func (t *page) off(s style) {
	if t.options.Color && s != plain {
		t.buf = append(t.buf, resetStyle...)
	}
}

// put appends s in a style.
func (t *page) put(s string, in style) {
	t.on(in)
	t.buf = append(t.buf, s...)
	t.off(in)
}

// paragraph appends a wrapped text. Styles end before the line does.
func (t *page) paragraph(text, first, rest string, in style) {
	t.on(in)
	t.buf = appendWrapped(t.buf, text, first, rest, t.options.Width)
	if in != plain && t.options.Color {
		t.buf = append(append(t.buf[:len(t.buf)-1], resetStyle...), '\n')
	}
}

// date writes the date line when the day is another one.
func (t *page) date(at time.Time, zone string) {
	day := at.UTC().Truncate(24 * time.Hour)
	if day.Equal(t.day) {
		return
	}
	text := "# " + day.Format("2006-01-02") + zone
	if t.day.IsZero() && t.options.Source != "" {
		text += ", " + analysis.Quote(t.options.Source)
	}
	t.day = day
	t.put(text, dim)
	t.buf = append(t.buf, '\n')
}

// maxFixesShown is how many pieces of advice stand under a connection; `etcdtap explain` has them all.
const maxFixesShown = 2

// fixes writes the first pieces of advice. Commands get lines of their own and are never wrapped: they are there to be pasted.
func (t *page) fixes(list []string) {
	const first, rest = indent + "fix: ", indent + "     "
	begin := first
	for _, fix := range list[:min(len(list), maxFixesShown)] {
		prose, command := splitCommand(printable(fix))
		t.paragraph(prose, begin, rest, plain)
		begin = rest
		if command != "" {
			t.buf = append(append(append(t.buf, rest...), "  "...), command...)
			t.buf = append(t.buf, '\n')
		}
	}
}

// count says how many of something there were, if there were any.
func (t *page) count(what string, n int64, in style) {
	if n != 0 {
		t.paragraph(what+": "+number(n), "  ", "    ", in)
	}
}

func (t *page) counts(what string, list []analysis.Count, in style) {
	var parts []string
	for i := range list {
		if list[i].N != 0 {
			parts = append(parts, printable(list[i].Name)+" "+number(list[i].N))
		}
	}
	if len(parts) > 0 {
		t.paragraph(what+": "+strings.Join(parts, ", "), "  ", "    ", in)
	}
}
