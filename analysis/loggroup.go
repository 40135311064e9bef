package analysis

import (
	"cmp"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/etcdtap/etcdtap/analysis/etcdlog"
)

// Bounds on the memory of a LogSummary. What comes beyond them is counted, not named.
const (
	maxLogGroups = 8192 // (cause, client, endpoint) triples
	maxNames     = 4    // server names, versions and files shown for one group
	maxSampled   = 64   // messages, by file, whose lines per second are counted
)

// LogSummary gathers log entries by cause and client. The zero value is ready. It is not safe for concurrent use.
type LogSummary struct {
	Input       LogInput // what the reader counted; the caller fills it in
	Entries     int64
	Start, End  time.Time // of the entries that have a time
	NoTime      int64     // entries without one
	OtherGroups int64     // entries whose group found no room
	AtLeast     int64     // rejections that the entries stand for: more than Entries when zap left lines out
	Sampled     bool      // zap left lines out: the counts are lower bounds

	groups  map[logGroupKey]*LogGroup
	sampler map[sampledMessage]*second
}

// LogInput is what the reader of lines counted.
type LogInput struct {
	Files        int64
	Lines        int64
	PassedOver   int64 // lines that report no failed connection
	Unrecognised int64 // lines that look like a rejection and match nothing known
	Overlong     int64 // lines cut, because they were too long
	Broken       int64 // entries of which parts were missing
	Other        []Count
}

type logGroupKey struct {
	code     Code
	client   netip.Addr // who came, as etcd saw it; invalid for lines of a client
	other    string     // lines of a client or a member: whom they tried
	endpoint Endpoint
	kind     etcdlog.Kind
	fault    Fault  // the same words may blame one or the other
	detail   string // what tells texts of one cause apart, where a meaning is about it
}

func groupOf(e *LogEntry) logGroupKey {
	k := logGroupKey{code: e.Findings[0].Code, client: e.client(), endpoint: e.Endpoint, kind: e.Kind, fault: e.Findings[0].AtFault, detail: detail(e)}
	if !k.client.IsValid() {
		k.other = e.other()
	}
	return k
}

// detail is what tells texts of one cause apart: a block has one meaning, and it has to fit every line of it.
func detail(e *LogEntry) string {
	switch e.Findings[0].Code {
	case CodeVersionMismatch, CodeClientAlert, CodeServerCertRefused, CodeALPNMismatch, CodeRecordDesync:
		return e.Error[:min(len(e.Error), maxBrief)]
	case CodeClientCertExpired, CodeServerCertExpired:
		if strings.Contains(e.Error, " is before ") {
			return "before"
		}
	}
	return ""
}

// LogGroup is one client's rejections for one cause.
type LogGroup struct {
	Code     Code
	Kind     etcdlog.Kind
	Client   netip.Addr // invalid for lines of a client
	Other    string     // whom the lines of a client or a member were about
	Endpoint Endpoint
	Gateway  bool // the client is on etcd's own address

	Findings    []Finding // of the first entry
	First, Last LogPlace
	Count       int64 // lines
	AtLeast     int64 // rejections that those lines stand for: more than Count when zap left lines out
	Sampled     bool
	Versions    []string // of etcd, as the lines show; at most maxNames
	ServerNames []string // asked for; at most maxNames
	Joined      int64    // entries joined to a connection of the capture

	run     run
	last    time.Time // of the last distinct attempt
	rhythm  Rhythm    // the last one found: a client that has stopped had one all the same
	hasBeat bool
}

// LogPlace is where and when a line stands.
type LogPlace struct {
	File  string
	Line  int64
	Files int       // as etcdlog.Entry's
	Time  time.Time // zero when the line has none
	Text  string    // its error, raw
}

// sampledMessage is what zap counts lines by, in each process.
type sampledMessage struct{ file, message string }

// second counts the lines of one message in one second, as zap's sampler does (zapcore/sampler.go): the first hundred are
// written, then every hundredth. The second begins with its first line, which is always written, so the log has all that it takes.
type second struct {
	from  time.Time
	n     int64
	group *LogGroup // of its lines; nil for none that found room
	mixed bool      // its lines are of several groups: whose the missing ones are nobody knows
}

const (
	sampleFirst = 100
	sampleEvery = 100
)

// Add counts one entry and returns its group, nil when there is no room. It keeps the first entry's findings.
func (s *LogSummary) Add(e *LogEntry) *LogGroup {
	if s.groups == nil {
		s.groups, s.sampler = make(map[logGroupKey]*LogGroup), make(map[sampledMessage]*second)
	}
	s.Entries++
	if e.HasTime {
		s.Start, s.End = earliest(s.Start, e.Time), latest(s.End, e.Time)
	} else {
		s.NoTime++
	}
	g := s.group(e)
	weight, mixed := s.weight(e, g)
	s.AtLeast += weight
	s.Sampled = s.Sampled || weight > 1
	if g == nil {
		s.OtherGroups++
		return nil
	}
	g.Sampled = g.Sampled || weight > 1
	if mixed {
		weight = 1
	}
	g.add(e, weight)
	return g
}

func (s *LogSummary) group(e *LogEntry) *LogGroup {
	k := groupOf(e)
	g := s.groups[k]
	if g == nil {
		if len(s.groups) >= maxLogGroups {
			return nil
		}
		g = &LogGroup{Code: k.code, Kind: k.kind, Client: k.client, Other: k.other, Endpoint: k.endpoint, Gateway: e.Gateway, Findings: e.Findings, First: e.place()}
		s.groups[k] = g
	}
	return g
}

func (g *LogGroup) add(e *LogEntry, weight int64) {
	g.Count++
	g.AtLeast += weight
	g.Last = e.place()
	g.Versions = addName(g.Versions, e.Versions)
	g.ServerNames = addName(g.ServerNames, e.ServerName)
	if e.Connection != "" {
		g.Joined++
	}
	if g.Sampled {
		return // between two lines there were others: their gaps are zap's
	}
	// Raft's prober writes two lines at a time, one for each of its round-trippers: one attempt as the rhythm goes.
	if !e.HasTime || e.Kind == etcdlog.KindPeerDial && !g.last.IsZero() && e.Time.Sub(g.last).Abs() < 100*time.Millisecond {
		return
	}
	g.last = e.Time
	if e.Precision >= time.Second { // the lines of gRPC's own logger
		g.run.coarse = e.Precision
	}
	g.run.add(e.Time)
	r, ok := g.run.rhythm()
	switch {
	case !ok || r.Code == CodeRaftReconnect && g.Endpoint == EndpointClient: // no member comes there
		return
	case r.Code == CodePeriodicProbe && g.Kind == etcdlog.KindPeerDial: // members probe each other every five seconds
		r.Code = CodeRaftReconnect
	}
	g.rhythm, g.hasBeat = r, true
}

// Rhythm is what the times show of the kind of client; ok is false when they show nothing.
func (g *LogGroup) Rhythm() (r Rhythm, ok bool) {
	r = g.rhythm
	if r.Code == CodeGRPCBackoff {
		r.Processes = g.run.backoff.processes
	}
	return r, g.hasBeat
}

// Severity is that of the most probable cause.
func (g *LogGroup) Severity() Severity { return g.Findings[0].Severity }

// Gaps appends the times between the latest attempts, in order.
func (g *LogGroup) Gaps(dst []time.Duration) []time.Duration { return g.run.gaps(dst) }

// addName adds a name to a short list, once.
func addName(list []string, s string) []string {
	if s == "" || len(list) >= maxNames || slices.Contains(list, s) {
		return list
	}
	return append(list, s)
}

// client is who came to etcd; invalid in lines of a client.
func (e *LogEntry) client() netip.Addr {
	if byServer&(1<<e.Kind) == 0 && e.Kind != etcdlog.KindUnrecognised {
		return netip.Addr{}
	}
	return e.Remote.Addr()
}

// other names whom a client or member tried.
func (e *LogEntry) other() string {
	switch {
	case e.Peer != "":
		return e.Peer
	case e.Remote.IsValid():
		return e.Remote.String()
	}
	return e.PeerURL
}

func (e *LogEntry) place() LogPlace {
	text := e.Error
	if text == "" {
		text = e.Text
	}
	return LogPlace{File: e.File, Line: e.Line, Files: e.Files, Time: e.Time, Text: text}
}

// weight is how many rejections a line stands for: zap writes the first hundred lines of a message in a second, then every
// hundredth. mixed says that those between may be of other groups than g, the line's. Only etcd's own zap lines are sampled; each of
// gRPC's has a message of its own.
func (s *LogSummary) weight(e *LogEntry, g *LogGroup) (n int64, mixed bool) {
	if e.Format != etcdlog.FormatZapJSON && e.Format != etcdlog.FormatZapConsole || !e.HasTime || e.Kind != etcdlog.KindRejected && e.Kind != etcdlog.KindPeerDial {
		return 1, false
	}
	k := sampledMessage{e.File, e.Message}
	c := s.sampler[k]
	if c == nil {
		if len(s.sampler) >= maxSampled {
			return 1, false
		}
		c = new(second)
		s.sampler[k] = c
	}
	if e.Time.Sub(c.from).Abs() >= time.Second {
		*c = second{from: e.Time, group: g}
	}
	c.mixed = c.mixed || c.group != g
	if c.n++; c.n > sampleFirst {
		return sampleEvery, c.mixed
	}
	return 1, c.mixed
}

// Failed reports whether any entry's most probable cause is an error.
func (s *LogSummary) Failed() bool {
	for _, g := range s.groups {
		if g.Severity() == Error {
			return true
		}
	}
	return false
}

// Groups are the groups: the most severe first, then the largest, then the earliest. They belong to the summary.
func (s *LogSummary) Groups() []*LogGroup {
	out := make([]*LogGroup, 0, len(s.groups))
	for _, g := range s.groups {
		out = append(out, g)
	}
	slices.SortFunc(out, func(a, b *LogGroup) int {
		return cmp.Or(cmp.Compare(b.Severity(), a.Severity()), cmp.Compare(b.AtLeast, a.AtLeast), a.First.Time.Compare(b.First.Time),
			cmp.Compare(a.Code, b.Code), a.Client.Compare(b.Client), cmp.Compare(a.Other, b.Other), cmp.Compare(a.Endpoint, b.Endpoint))
	})
	return out
}
