package report

import (
	"cmp"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/etcdtap/etcdtap/analysis"
)

// How much the summary names. The rest is counted.
const (
	maxCausesNamed  = 4  // causes in the first sentence
	maxClientsShown = 10 // clients
	maxGroupsNamed  = 4  // ways of failing of one client
)

// Summary shows what it adds up to, the answer first, and flushes.
func (t *Text) Summary(s *analysis.Summary) error {
	if t.err != nil {
		return t.err
	}
	groups := s.Groups()
	if len(t.buf) > 0 || !t.day.IsZero() {
		t.buf = append(t.buf, '\n')
	}
	in := green
	switch {
	case s.Failed > 0:
		in = red
	case s.Warned > 0, s.Connections == 0:
		in = yellow
	}
	t.paragraph(answer(s, groups), "", "  ", in)
	t.outcomes(s)
	codes := s.Codes()
	t.codes(codes)
	t.clients(s, groups)
	t.input(s)
	if len(codes) > 0 {
		t.buf = append(t.buf, '\n')
		t.paragraph("More about any of these, with causes and remedies: etcdtap explain "+string(codes[0].Code), "", "", dim)
	}
	return t.Flush()
}

// answer is the one sentence for those who read no further.
func answer(s *analysis.Summary, groups []*analysis.Group) string {
	switch {
	case s.Connections == 0:
		return "No connection was found."
	case s.Failed == 0:
		text := plural(s.Connections, "connection") + ", none failed"
		if s.Warned > 0 {
			text += ", " + number(s.Warned) + " with warnings"
		}
		return text + "."
	}
	causes := failures(groups)
	parts := make([]string, 0, maxCausesNamed+1)
	rest := s.Failed
	for _, c := range causes[:min(len(causes), maxCausesNamed)] {
		parts = append(parts, c.String())
		rest -= c.count
	}
	if rest > 0 {
		parts = append(parts, number(rest)+" for other reasons")
	}
	return number(s.Failed) + " of " + plural(s.Connections, "connection") + " failed: " + strings.Join(parts, ", ") + "."
}

// failure is a cause and all whom it hit.
type failure struct {
	code    analysis.Code
	count   int64
	clients []netip.Addr
	series  *analysis.SeriesNote // of the largest group
}

// failures adds the groups that failed up by their codes, the most frequent first.
func failures(groups []*analysis.Group) []*failure {
	var all []*failure
	for _, g := range groups {
		if g.Severity != analysis.Error {
			continue
		}
		i := slices.IndexFunc(all, func(f *failure) bool { return f.code == g.Code })
		if i < 0 {
			i = len(all)
			all = append(all, &failure{code: g.Code, series: g.Series})
		}
		all[i].count += g.Count
		if n := len(all[i].clients); n == 0 || all[i].clients[n-1] != g.Client {
			all[i].clients = append(all[i].clients, g.Client)
		}
	}
	for _, f := range all {
		slices.SortFunc(f.clients, netip.Addr.Compare)
		f.clients = slices.Compact(f.clients)
	}
	slices.SortStableFunc(all, func(a, b *failure) int { return cmp.Compare(b.count, a.count) })
	return all
}

func (f *failure) String() string {
	s := number(f.count) + " × " + string(f.code) + " from "
	if len(f.clients) > 1 {
		return s + plural(int64(len(f.clients)), "client")
	}
	s += printable(analysis.HostText(f.clients[0]))
	if f.series != nil {
		s += " (" + rhythmWords(f.series.Code) + ")"
	}
	return s
}

func rhythmWords(c analysis.Code) string {
	switch c {
	case analysis.CodeGRPCBackoff:
		return "gRPC back-off: one client retrying"
	case analysis.CodeRaftReconnect:
		return "a member that keeps reconnecting"
	}
	return "at fixed intervals, as a health check"
}

// outcomes writes the table of outcomes by endpoint.
func (t *Text) outcomes(s *analysis.Summary) {
	if s.Connections == 0 {
		return
	}
	var met []analysis.Endpoint
	for _, e := range [...]analysis.Endpoint{analysis.EndpointClient, analysis.EndpointPeer, analysis.EndpointMetrics, analysis.EndpointOther} {
		if s.Outcomes[e] != [analysis.OutcomeCount]int64{} {
			met = append(met, e)
		}
	}
	t.buf = appendPadded(append(t.buf, '\n'), "", outcomeColumn+2)
	for _, e := range met {
		t.buf = appendRightAligned(t.buf, e.String(), countColumn)
	}
	if len(met) > 1 {
		t.buf = appendRightAligned(t.buf, "total", countColumn)
	}
	t.buf = append(t.buf, '\n')
	for o := range analysis.OutcomeCount {
		o := analysis.Outcome((o + int(analysis.OutcomeEstablished)) % analysis.OutcomeCount) // partial comes last
		t.outcomeRow(outcomeName(o), met, func(e analysis.Endpoint) int64 { return s.Outcomes[e][o] })
		if o == analysis.OutcomeEstablished {
			t.outcomeRow("  failed later", met, func(e analysis.Endpoint) int64 { return s.FailedLater[e] })
		}
	}
}

// The columns of the table of outcomes.
const (
	outcomeColumn = 20 // the longest is "REJECTED by server"
	countColumn   = 9  // hundreds of millions
)

// outcomeRow writes one row, if there is anything in it.
func (t *Text) outcomeRow(name string, met []analysis.Endpoint, count func(analysis.Endpoint) int64) {
	total := int64(0)
	for _, e := range met {
		total += count(e)
	}
	if total == 0 {
		return
	}
	t.buf = appendPadded(append(t.buf, ' ', ' '), name, outcomeColumn)
	for _, e := range met {
		t.buf = appendRightAligned(t.buf, number(count(e)), countColumn)
	}
	if len(met) > 1 {
		t.buf = appendRightAligned(t.buf, number(total), countColumn)
	}
	t.buf = append(t.buf, '\n')
}

// outcomeName is the outcome in the table, where established is only that: what came after is with the findings.
func outcomeName(o analysis.Outcome) string {
	if o == analysis.OutcomeEstablished {
		return "ESTABLISHED"
	}
	return outcomeWords[o]
}

func appendRightAligned(dst []byte, s string, width int) []byte {
	for n := utf8.RuneCountInString(s); n < width; n++ {
		dst = append(dst, ' ')
	}
	return append(dst, s...)
}

// codes writes how many connections have which finding.
func (t *page) codes(codes []analysis.CodeCount) {
	if len(codes) == 0 {
		return
	}
	width := 0
	for i := range codes {
		width = max(width, len(codes[i].Code))
	}
	t.buf = append(t.buf, '\n')
	for i := range codes {
		c := &codes[i]
		t.buf = append(appendRightAligned(t.buf, number(c.Connections), 6), ' ', ' ')
		t.on(severityStyle(c.Severity))
		t.buf = appendPadded(t.buf, string(c.Code), width)
		t.off(severityStyle(c.Severity))
		blanks := strings.Repeat(" ", 6+2+width+2)
		t.buf = append(t.buf, appendWrapped(nil, titleFor(c), blanks, blanks, t.options.Width)[6+2+width:]...)
	}
}

// titleFor is the catalogue's title, which is true of all of the code's findings, or the first finding's where there is none.
func titleFor(c *analysis.CodeCount) string {
	if cause, ok := analysis.CauseOf(c.Code); ok {
		return cause.Title
	}
	return printable(c.Title)
}

// clients writes who had what trouble with which server, and when.
func (t *Text) clients(s *analysis.Summary, groups []*analysis.Group) {
	clients := s.Clients()
	if len(clients) == 0 {
		return
	}
	oneDay := s.Start.UTC().Truncate(24 * time.Hour).Equal(s.End.UTC().Truncate(24 * time.Hour))
	t.buf = append(t.buf, '\n')
	for i := range clients[:min(len(clients), maxClientsShown)] {
		c := &clients[i]
		t.put("  "+printable(analysis.HostText(c.Addr)), bold)
		t.buf = append(append(t.buf, ": "...), tally(c)...)
		t.buf = append(t.buf, '\n')
		shown := 0
		for _, g := range groups {
			if g.Client != c.Addr {
				continue
			}
			if shown++; shown <= maxGroupsNamed {
				t.paragraph(groupText(g, oneDay), "    ", "      ", plain)
			}
		}
		if shown > maxGroupsNamed {
			t.paragraph("and "+number(int64(shown-maxGroupsNamed))+" more", "    ", "    ", dim)
		}
	}
	if n := int64(len(clients)-maxClientsShown) + s.OtherClients; n > 0 && len(clients) >= maxClientsShown {
		t.paragraph("and "+plural(n, "more client"), "  ", "  ", dim)
	}
}

func tally(c *analysis.ClientCount) string {
	var parts []string
	if c.Failed > 0 {
		parts = append(parts, number(c.Failed)+" failed")
	}
	if c.Warned > 0 {
		parts = append(parts, number(c.Warned)+" with warnings")
	}
	if c.Noted > 0 {
		parts = append(parts, number(c.Noted)+" noted")
	}
	return strings.Join(parts, ", ")
}

// groupText is one way of failing of a client, with its time and rhythm.
func groupText(g *analysis.Group, oneDay bool) string {
	s := number(g.Count) + " × " + string(g.Code) + " at " + printable(analysis.EndpointText(g.Server)) + ", " + moment(g.First, oneDay)
	if g.Count > 1 {
		s += " to " + moment(g.Last, oneDay)
	}
	if gaps := g.Gaps(nil); len(gaps) > 0 && (g.Series != nil || len(gaps) <= 4) {
		s += ", gaps "
		for i, gap := range gaps {
			if i > 0 {
				s += ", "
			}
			s += strconv.FormatFloat(gap.Seconds(), 'f', 2, 64)
		}
		s += " s"
	}
	if g.Series != nil {
		s += " (" + rhythmWords(g.Series.Code) + ")"
	}
	return s
}

func moment(at time.Time, oneDay bool) string {
	if oneDay {
		return string(appendClock(nil, at))
	}
	return at.UTC().Format("01-02 15:04:05.000")
}

// input writes what was read, and what was missed of it. What is zero is not said.
func (t *Text) input(s *analysis.Summary) {
	in := &s.Input
	t.buf = append(t.buf, '\n')
	if in.Packets > 0 || in.Files > 0 {
		text := "Read " + plural(in.Packets, "packet") + ", " + plural(in.Bytes, "byte")
		if in.Files > 0 {
			text += ", from " + plural(in.Files, "file")
		}
		t.paragraph(text+".", "", "  ", plain)
	}
	for i := range in.TruncatedFiles {
		c := &in.TruncatedFiles[i]
		t.paragraph("cut short: "+printable(c.Name)+", after "+plural(c.N, "packet"), "  ", "    ", yellow)
	}
	t.counts("dropped before they were captured", in.Drops, yellow)
	t.counts("not decodable", in.Undecodable, yellow)
	t.counts("of unknown link type", in.UnknownLinkTypes, yellow)
	if in.HandshakesOnly {
		t.count("connections with gaps, as the file was written: it holds handshakes, first bytes and ends of connections only", s.WithGaps, dim)
	} else {
		t.count("connections with gaps: bytes are missing in the capture", s.WithGaps, yellow)
	}
	t.count("fragmented datagrams not complete", in.FragmentsLost, yellow)
	t.count("connections given up early, to bound memory", in.Evicted, yellow)
	t.count("connections with findings beyond those listed", s.OtherGroups, plain)
	t.count("connections to other ports, not looked at", in.OutOfScope, plain)
	t.counts("not TCP", in.NotTCP, plain)
	t.count("secrets in the capture, not used", in.SecretsKept, plain)
	t.counts("also", in.Other, plain)
	if t.buf[len(t.buf)-2] == '\n' { // nothing was said
		t.buf = t.buf[:len(t.buf)-1]
	}
}
