package report

import (
	"time"

	"github.com/etcdtap/etcdtap/analysis"
)

// Live is a Report of connections that are watched live. JSON and Text are its implementations.
type Live interface {
	Report
	// LogEntry shows a line of the log: joined to a connection, or given up.
	LogEntry(e *analysis.LogEntry) error
	// Repeat says how often what was shown came again.
	Repeat(n *analysis.Repeat) error
	// Statistics says how the work goes.
	Statistics(s *analysis.Statistics) error
	// Joined says what became of the log's lines, before the summary.
	Joined(s analysis.JoinStats) error
}

// LogEntry writes a line of type "log_entry".
func (j *JSON) LogEntry(e *analysis.LogEntry) error {
	if j.err != nil {
		return j.err
	}
	j.buf = appendLogEntry(j.buf, e)
	return j.written()
}

// Repeat writes nothing: each connection has its line.
func (j *JSON) Repeat(*analysis.Repeat) error { return j.err }

// Statistics writes a line of type "statistics".
func (j *JSON) Statistics(s *analysis.Statistics) error {
	if j.err != nil {
		return j.err
	}
	b := appendTime(append(j.buf, `{"type":"statistics","schema":1,"at":`...), s.At)
	b = appendTime(append(b, `,"since":`...), s.Since)
	for _, n := range [...]struct {
		name string
		n    int64
	}{{"packets", s.Packets}, {"bytes", s.Bytes}, {"dropped", s.Dropped}, {"connections", s.Connections}, {"failed", s.Failed}, {"open", s.Open}, {"out_of_scope", s.OutOfScope}} {
		b = appendInt(append(append(append(b, ',', '"'), n.name...), '"', ':'), n.n)
	}
	j.buf = append(b, '}', '\n')
	return j.written()
}

// Joined keeps the numbers for the summary.
func (j *JSON) Joined(s analysis.JoinStats) error {
	b := appendInt(append(j.join[:0], `{"entries":`...), s.Entries)
	b = appendInt(append(b, `,"joined":`...), s.Joined)
	b = appendInt(append(b, `,"beyond":`...), s.Beyond)
	j.join = append(b, `,"not_joined":[],"clock":null,"clock_without_zone":null}`...)
	return j.err
}

// LogEntry shows a line that has no connection. One that has was shown with it.
func (t *Text) LogEntry(e *analysis.LogEntry) error {
	if t.err != nil || e.Connection != "" {
		return t.err
	}
	worst := &e.Findings[0]
	t.put("log without packets", severityStyle(worst.Severity))
	t.buf = append(t.buf, "  "...)
	t.entryLine(e, "")
	t.paragraph(printable(worst.Title)+": "+printable(worst.Meaning), indent, indent, plain)
	t.paragraph("not joined: "+printable(e.NotJoined), indent, indent, dim)
	return t.written()
}

// Repeat writes "17 more from 10.0.0.7 in 60 s".
func (t *Text) Repeat(n *analysis.Repeat) error {
	if t.err != nil {
		return t.err
	}
	t.on(dim)
	t.buf = appendClock(t.buf, n.To)
	t.off(dim)
	text := "  " + number(n.Count) + " more" + origin(n) + " in " + number(int64(max(n.To.Sub(n.From), time.Second).Round(time.Second)/time.Second)) + " s"
	switch {
	case n.Entry:
		text += ", log lines without packets: " + string(n.Code)
	case n.Code == "":
		text += " to " + printable(analysis.EndpointText(n.Server)) + ": " + outcomeWords[n.Outcome]
	default:
		text += " to " + printable(analysis.EndpointText(n.Server)) + ": " + string(n.Code)
	}
	in := dim
	if n.Code != "" {
		in = severityStyle(n.Severity)
	}
	t.put(text, in)
	t.buf = append(t.buf, '\n')
	return t.written()
}

// origin is whose attempts came again.
func origin(n *analysis.Repeat) string {
	switch {
	case n.Other != "":
		return " about " + printable(n.Other)
	case n.Entry && !n.Client.IsValid():
		return ""
	}
	return " from " + printable(analysis.HostText(n.Client))
}

// Statistics writes nothing: for people it is a diagnostic, and the command writes it to standard error.
func (t *Text) Statistics(*analysis.Statistics) error { return t.err }

// Joined says how many lines found their connection.
func (t *Text) Joined(s analysis.JoinStats) error {
	if t.err != nil {
		return t.err
	}
	t.buf = append(t.buf, '\n')
	in := plain
	if s.Joined < s.Entries {
		in = yellow
	}
	t.paragraph(joinText(s), "", "  ", in)
	return t.written()
}

// stage says that a connection was shown before.
func (t *Text) stage(c *analysis.Connection) {
	switch c.Stage {
	case analysis.StageUpdate:
		t.paragraph("this connection was shown before: its end says more", indent, indent, dim)
	case analysis.StageLate:
		t.paragraph("this connection was shown before: now its line in the log has come", indent, indent, dim)
	}
}
