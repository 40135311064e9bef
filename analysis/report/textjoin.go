package report

import (
	"strings"
	"time"

	"github.com/etcdtap/etcdtap/analysis"
)

// maxLinesShown is how many log lines stand under one connection; the JSON has all.
const maxLinesShown = 3

// logLines writes which lines of the log are about a connection, or why there is none.
func (t *Text) logLines(c *analysis.Connection) {
	for i, e := range c.Log {
		if i == maxLinesShown {
			t.paragraph("and "+plural(int64(len(c.Log)-i), "more line"), indent, indent, dim)
			break
		}
		text := "log: " + placeOf(e.File, e.Line) + " " + entryText(e)
		if e.Versions != "" {
			text += " (etcd " + brief(e.Versions, maxNameShown) + ")"
		}
		if c.ByTime {
			text += ", joined by its time alone"
		}
		t.paragraph(text, indent, indent+"  ", dim)
	}
	if s, found := c.Severity(); len(c.Log) == 0 && c.NoLog != "" && found && s == analysis.Error {
		t.paragraph("no line in the log: "+printable(c.NoLog), indent, indent+"  ", dim)
	}
}

// LogEntries says how many lines found their connection, and shows some of those that did not, with the reason.
func (t *Text) LogEntries(entries []*analysis.LogEntry, s analysis.JoinStats) error {
	if t.err != nil {
		return t.err
	}
	if len(t.buf) > 0 || !t.day.IsZero() {
		t.buf = append(t.buf, '\n')
	}
	in := plain
	if s.Joined < s.Entries {
		in = yellow
	}
	t.paragraph(joinText(s), "", "  ", in)
	r := notJoined(entries)
	for i := range r.list {
		t.reason(&r.list[i])
	}
	t.count("not joined for other reasons", r.other, plain)
	t.count("beyond what can be joined", s.Beyond, yellow)
	return t.written()
}

// joinText is the sentence on the join.
func joinText(s analysis.JoinStats) string {
	if s.Entries == 0 {
		return "Log: no line about a failed connection."
	}
	text := "Log: " + number(s.Joined) + " of " + plural(s.Entries, "line") + " about failed connections joined"
	var clocks []string
	if s.Zoned.Known {
		clocks = append(clocks, clockText(s.Zoned, false))
	}
	if s.Unzoned.Known {
		clocks = append(clocks, clockText(s.Unzoned, true))
	}
	if len(clocks) == 0 {
		return text + "."
	}
	return text + "; " + strings.Join(clocks, "; ") + "."
}

// sameClock is a difference that needs no mention: etcd writes its line up to this much after the packet.
const sameClock = 50 * time.Millisecond

// clockText says how the log's clock and the capture's differ.
func clockText(o analysis.Offset, local bool) string {
	from := " (from " + plural(int64(o.Pairs), "connection") + ")"
	what := "the log's clock "
	zone := time.Duration(0)
	if local {
		zone = o.By.Round(15 * time.Minute) // time zones differ by multiples of it
		what = "its times without a zone are UTC" + zoneText(zone)
		if d := o.By - zone; d.Abs() <= time.Second {
			return what + from
		}
		what += ", and their clock "
	}
	switch d := o.By - zone; {
	case d.Abs() <= sameClock:
		return what + "agrees with the capture's" + from
	case d > 0:
		return what + "was " + interval(d) + " ahead of the capture's" + from
	default:
		return what + "was " + interval(-d) + " behind the capture's" + from
	}
}

// zoneText is "", "+1" or "-3:30".
func zoneText(d time.Duration) string {
	if d == 0 {
		return ""
	}
	sign := "+"
	if d < 0 {
		sign, d = "-", -d
	}
	text := sign + number(int64(d/time.Hour))
	if m := int64(d % time.Hour / time.Minute); m != 0 {
		text += ":" + number(m)
	}
	return text
}

// reason shows lines that found no connection.
func (t *Text) reason(r *reason) {
	text := r.text
	if text == "" {
		text = "no reason is known"
	}
	t.paragraph(plural(r.count, "line")+" without a connection: "+printable(text), "  ", "    ", plain)
	for _, e := range r.entries {
		t.entryLine(e, "    ")
	}
	if n := r.count - int64(len(r.entries)); n > 0 {
		t.paragraph("and "+number(n)+" more", "    ", "    ", dim)
	}
}
