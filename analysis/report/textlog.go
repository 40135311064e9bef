package report

import (
	"io"
	"time"

	"github.com/etcdtap/etcdtap/analysis"
)

// logTally is what the entries of a log have in common: how good their times are, and what was not understood.
type logTally struct {
	zoned, unzoned, guessed int64 // entries whose time has a zone; has none; has no year
	unrecognised            int64
	examples                []analysis.LogPlace // of those
}

// maxUnrecognisedShown is how many lines that match nothing known are shown with their text; all are in the JSON.
const maxUnrecognisedShown = 5

// LogText writes for people what logs say: a block for each cause, with all who have it. Nothing from a log is written unescaped.
type LogText struct {
	page
	tally     logTally
	explained map[analysis.Code]*analysis.LogGroup // the group that was shown in full
	gateway   bool                                 // it was said what a client on etcd's own address is
	oneDay    bool                                 // the head names the day
	oneFile   bool                                 // the head names the file
}

// NewLogText makes a LogReport that writes to w.
func NewLogText(w io.Writer, o TextOptions) *LogText {
	return &LogText{page: newPage(w, o), explained: make(map[analysis.Code]*analysis.LogGroup)}
}

// Entry notes an entry, and shows it in a line where everything is wanted.
func (t *LogText) Entry(e *analysis.LogEntry) error {
	if t.err != nil {
		return t.err
	}
	t.tally.add(e)
	if !t.options.All {
		return nil
	}
	if e.HasTime {
		zone := " UTC"
		if !e.Zone {
			zone = ", time zone not known"
		}
		t.date(e.Time, zone)
	}
	t.entryLine(e, "")
	return t.written()
}

func (l *logTally) add(e *analysis.LogEntry) {
	switch {
	case !e.HasTime:
	case e.Zone:
		l.zoned++
	default:
		l.unzoned++
	}
	if e.YearGuessed {
		l.guessed++
	}
	if e.Findings[0].Code != analysis.CodeUnrecognisedRejection {
		return
	}
	if l.unrecognised++; len(l.examples) < maxUnrecognisedShown {
		text := e.Error
		if text == "" {
			text = e.Text
		}
		l.examples = append(l.examples, analysis.LogPlace{File: e.File, Line: e.Line, Text: text})
	}
}

// entryLine writes one entry in one line, which is never wrapped so that it can be searched for.
func (t *page) entryLine(e *analysis.LogEntry, before string) {
	t.buf = append(t.buf, before...)
	if e.HasTime {
		t.put(string(appendClock(nil, e.Time)), dim)
		t.buf = append(t.buf, ' ', ' ')
	}
	t.buf = append(append(t.buf, placeOf(e.File, e.Line)...), ' ', ' ')
	t.buf = append(append(t.buf, entryPair(e)...), ' ', ' ')
	f := &e.Findings[0]
	t.put(string(f.Code), severityStyle(f.Severity))
	t.buf = append(append(t.buf, ' ', ' '), entryText(e)...)
	t.buf = append(t.buf, '\n')
}

// Summary shows what the logs say, the worst first, and flushes: a block for each cause, with all who have it.
func (t *LogText) Summary(s *analysis.LogSummary) error {
	if t.err != nil {
		return t.err
	}
	if len(t.buf) > 0 || !t.day.IsZero() || len(t.explained) > 0 {
		t.buf = append(t.buf, '\n')
	}
	groups := s.Groups()
	causes := byCode(groups)
	t.oneDay = s.Start.UTC().Truncate(24 * time.Hour).Equal(s.End.UTC().Truncate(24 * time.Hour))
	t.oneFile = s.Input.Files == 1 && t.options.Source != ""
	t.head(s)
	if len(causes) > 1 {
		t.codes(countsOf(causes))
	}
	for _, c := range causes {
		t.buf = append(t.buf, '\n')
		t.cause(c)
	}
	t.input(s)
	if len(groups) > 0 {
		t.buf = append(t.buf, '\n')
		t.paragraph("More about any of these, with causes and remedies: etcdtap explain "+string(groups[0].Code), "", "", dim)
	}
	return t.Flush()
}

// head is the one sentence for those who read no further.
func (t *LogText) head(s *analysis.LogSummary) {
	text := "# "
	if t.options.Source != "" {
		text += analysis.Quote(t.options.Source) + ": "
	}
	if s.Input.Lines == 0 && s.Entries == 0 {
		t.paragraph(text+"empty: there is not a single line.", "", "  ", yellow)
		return
	}
	if s.Entries == 0 {
		t.paragraph(text+"no line about a failed connection in "+plural(s.Input.Lines, "line")+".", "", "  ", yellow)
		t.paragraph("That proves little: of TLS to an etcd without TLS the log says nothing, and of a client that hangs up, 3.5.24, 3.6.6 and later say "+
			"nothing at the usual level. The packets know: `etcdtap read FILE`.", "", "", plain)
		return
	}
	text += plural(s.Entries, "line") + " about failed connections"
	if p := period(s.Start, s.End); p != "" {
		text += ", " + p + t.zone()
	}
	t.paragraph(text, "", "  ", severityStyle(worstOf(s)))
	if s.Sampled {
		t.paragraph("zap left lines out: at least "+plural(stoodFor(s), "rejection")+" stand behind these "+plural(s.Entries, "line"), "", "  ", yellow)
	}
}

func worstOf(s *analysis.LogSummary) analysis.Severity {
	if g := s.Groups(); len(g) > 0 {
		return g[0].Severity()
	}
	return analysis.Info
}

// stoodFor is how many rejections the lines stand for at least.
func stoodFor(s *analysis.LogSummary) int64 {
	n := s.OtherGroups
	for _, g := range s.Groups() {
		n += g.AtLeast
	}
	return n
}

// zone says what the times are.
func (t *LogText) zone() string {
	switch l := &t.tally; {
	case l.unzoned == 0:
		return " UTC"
	case l.zoned == 0:
		return ", in a time zone that the log does not name"
	default:
		return " UTC, but " + number(l.unzoned) + " of the times have no zone"
	}
}

// input says what was read, and what could not be.
func (t *LogText) input(s *analysis.LogSummary) {
	in := &s.Input
	text := "Read " + plural(in.Lines, "line")
	if in.Files > 0 {
		text += " from " + plural(in.Files, "file")
	}
	t.buf = append(t.buf, '\n')
	t.paragraph(text+": "+number(s.Entries)+" about failed connections, "+number(in.PassedOver)+" passed over.", "", "  ", plain)
	t.count("look like a rejection and match nothing known", t.tally.unrecognised, yellow)
	for i := range t.tally.examples {
		p := &t.tally.examples[i]
		t.paragraph(placeOf(p.File, p.Line)+" "+errorText(p.Text), "    ", "      ", plain)
	}
	t.count("cut short, or not well-formed", in.Broken, yellow)
	t.count("too long, and cut", in.Overlong, yellow)
	t.count("entries without a time", s.NoTime, plain)
	t.count("entries whose time has no year: it was guessed", t.tally.guessed, plain)
	t.count("entries of causes and clients beyond those listed", s.OtherGroups, plain)
	t.counts("also", in.Other, plain)
}
