package report

import (
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/etcdtap/etcdtap/analysis"
	"github.com/etcdtap/etcdtap/analysis/etcdlog"
)

// Bounds, in bytes, on what is shown of texts from a log. JSON has them in full.
const (
	maxErrorShown = 320 // the longest real error, two addresses and two lists of names, has about 300
	maxNameShown  = 80  // of a file, a server name, a member
)

// brief is analysis.Quote for text from a log, of which most bytes are looked at.
func brief(s string, most int) string {
	if len(s) <= most {
		return analysis.Quote(s)
	}
	for most > 0 && !utf8.RuneStart(s[most]) {
		most--
	}
	return analysis.Quote(s[:most]) + "…"
}

// placeOf is where a line stands: "etcd.log:12".
func placeOf(file string, line int64) string {
	switch {
	case line == 0 && file == "":
		return "the line"
	case file == "" || file == "-":
		return "line " + number(line)
	case line == 0:
		return brief(file, maxNameShown)
	}
	return brief(file, maxNameShown) + ":" + number(line)
}

// errorText is what the line says went wrong, in quotes where it has none itself.
func errorText(s string) string {
	s = brief(s, maxErrorShown)
	if strings.Contains(s, `"`) {
		return s
	}
	return `"` + s + `"`
}

// entryText is the error, or the line itself when it has none.
func entryText(e *analysis.LogEntry) string {
	if e.Error != "" {
		return errorText(e.Error)
	}
	return errorText(e.Text)
}

// portName names etcd's listener.
func portName(e analysis.Endpoint) string {
	if e == analysis.EndpointOther {
		return "etcd"
	}
	return e.String() + " port"
}

// spokenByServer reports whether lines of this kind are etcd's about somebody who came to it.
func spokenByServer(k etcdlog.Kind) bool {
	return k == etcdlog.KindRejected || k == etcdlog.KindServerHandshake || k == etcdlog.KindUnrecognised
}

// groupPair says who tried to reach whom.
func groupPair(g *analysis.LogGroup) string {
	switch {
	case g.Client.IsValid():
		return brief(g.Client.String(), maxNameShown) + " > " + portName(g.Endpoint)
	case spokenByServer(g.Kind):
		return "a client > " + portName(g.Endpoint)
	}
	return triedPair(g.Kind, g.Other, g.Endpoint)
}

// triedPair is for lines of a client or a member, which name the other side.
func triedPair(k etcdlog.Kind, other string, e analysis.Endpoint) string {
	who := "a client"
	if k == etcdlog.KindPeerDial {
		who = "this member"
	}
	switch {
	case other == "":
		return who + " > " + portName(e)
	case k == etcdlog.KindPeerDial:
		return who + " > " + brief(other, maxNameShown)
	case e == analysis.EndpointOther:
		return who + " > " + brief(other, maxNameShown)
	}
	return who + " > " + brief(other, maxNameShown) + " (" + portName(e) + ")"
}

// entryPair is groupPair for one entry, with the client's port.
func entryPair(e *analysis.LogEntry) string {
	if spokenByServer(e.Kind) {
		if !e.Remote.IsValid() {
			return "a client > " + portName(e.Endpoint)
		}
		return brief(e.Remote.String(), maxNameShown) + " > " + portName(e.Endpoint)
	}
	other := e.Peer
	if other == "" && e.Remote.IsValid() {
		other = e.Remote.String()
	}
	if other == "" {
		other = e.PeerURL
	}
	return triedPair(e.Kind, other, e.Endpoint)
}

// span is how often and for how long: "5 × in 8.9 s".
func span(g *analysis.LogGroup) string {
	s := number(g.Count) + " ×"
	if g.AtLeast > g.Count {
		s = "at least " + number(g.AtLeast) + " ×"
	}
	if from, to := times(g); to.Sub(from) >= time.Millisecond {
		s += " in " + interval(to.Sub(from))
	}
	return s
}

// times are those of the first and last line that have one, the earlier first: several files are read one after the other.
func times(g *analysis.LogGroup) (from, to time.Time) {
	from, to = g.First.Time, g.Last.Time
	switch {
	case from.IsZero():
		from = to
	case to.IsZero():
		to = from
	}
	if to.Before(from) {
		return to, from
	}
	return from, to
}

// dayTime is a moment with its date.
func dayTime(t time.Time) string { return t.UTC().Format("2006-01-02 15:04:05.000") }

// period is "FROM to TO", the second day only where it is another one.
func period(from, to time.Time) string {
	switch {
	case from.IsZero():
		return ""
	case from.Equal(to):
		return dayTime(from)
	case from.UTC().Truncate(24 * time.Hour).Equal(to.UTC().Truncate(24 * time.Hour)):
		return dayTime(from) + " to " + string(appendClock(nil, to))
	}
	return dayTime(from) + " to " + dayTime(to)
}

// groupTimes is when a group's lines were written, for a reader who knows the day if oneDay is set; "" without times.
func groupTimes(g *analysis.LogGroup, oneDay bool) string {
	from, to := times(g)
	switch {
	case from.IsZero():
		return ""
	case !oneDay:
		return period(from, to)
	case from.Equal(to):
		return string(appendClock(nil, from))
	}
	return string(appendClock(append(appendClock(nil, from), " to "...), to))
}

// gapsText is "gaps 1.00, 1.33 s".
func gapsText(gaps []time.Duration) string {
	s := "gaps "
	for i, gap := range gaps {
		if i > 0 {
			s += ", "
		}
		s += strconv.FormatFloat(gap.Seconds(), 'f', 2, 64)
	}
	return s + " s"
}
