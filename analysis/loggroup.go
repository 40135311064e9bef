package analysis

import (
	"cmp"
	"net/netip"
	"slices"
	"time"

	"github.com/etcdtap/etcdtap/analysis/etcdlog"
)

// Bounds on the memory of a LogSummary. What comes beyond them is counted, not named.
const (
	maxLogGroups = 8192 // (cause, client, endpoint) triples
	maxNames     = 4    // server names, versions and files shown for one group
	maxSampled   = 64   // messages whose lines per second are counted
)

// LogSummary gathers log entries by cause and client. The zero value is ready. It is not safe for concurrent use.
type LogSummary struct {
	Input       LogInput // what the reader counted; the caller fills it in
	Entries     int64
	Start, End  time.Time // of the entries that have a time
	NoTime      int64     // entries without one
	OtherGroups int64     // entries whose group found no room
	Sampled     bool      // zap left lines out: the counts are lower bounds

	groups  map[logGroupKey]*LogGroup
	sampler map[string]*second
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
	File string
	Line int64
	Time time.Time // zero when the line has none
	Text string    // its error, raw
}

// second counts the lines of one message in one second, as zap's sampler does (zapcore/sampler.go): the first hundred are
// written, then every hundredth.
type second struct {
	at int64
	n  int64
}

const (
	sampleFirst = 100
	sampleEvery = 100
)

// Add counts one entry and returns its group, nil when there is no room. It keeps the first entry's findings.
func (s *LogSummary) Add(e *LogEntry) *LogGroup {
	if s.groups == nil {
		s.groups, s.sampler = make(map[logGroupKey]*LogGroup), make(map[string]*second)
	}
	s.Entries++
	if e.HasTime {
		s.Start, s.End = earliest(s.Start, e.Time), latest(s.End, e.Time)
	} else {
		s.NoTime++
	}
	weight := s.weight(e)
	s.Sampled = s.Sampled || weight > 1
	g := s.group(e)
	if g == nil {
		s.OtherGroups++
		return nil
	}
	g.add(e, weight)
	return g
}

func (s *LogSummary) group(e *LogEntry) *LogGroup {
	k := logGroupKey{code: e.Findings[0].Code, client: e.client(), endpoint: e.Endpoint, kind: e.Kind}
	if !k.client.IsValid() {
		k.other = e.other()
	}
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
	g.Sampled = g.Sampled || weight > 1
	g.Last = e.place()
	g.Versions = addName(g.Versions, e.Versions)
	g.ServerNames = addName(g.ServerNames, e.ServerName)
	if e.Connection > 0 {
		g.Joined++
	}
	// Raft's prober writes two lines at a time, one for each of its round-trippers: one attempt as the rhythm goes.
	if !e.HasTime || e.Kind == etcdlog.KindPeerDial && !g.last.IsZero() && e.Time.Sub(g.last).Abs() < 100*time.Millisecond {
		return
	}
	g.last = e.Time
	g.run.add(e.Time)
	if r, ok := g.run.rhythm(); ok {
		g.rhythm, g.hasBeat = g.judge(r, e), true
	}
}

// judge takes a rhythm for what it is in a log: the times of gRPC's own lines are whole seconds, and members probe each other
// every five seconds.
func (g *LogGroup) judge(r Rhythm, e *LogEntry) Rhythm {
	switch {
	case r.Code == CodePeriodicProbe && g.Kind == etcdlog.KindPeerDial:
		r.Code = CodeRaftReconnect
	case e.Precision >= time.Second && r.Confidence > Likely:
		r.Confidence = Likely
	}
	return r
}

// Rhythm is what the times show of the kind of client; ok is false when they show nothing.
func (g *LogGroup) Rhythm() (r Rhythm, ok bool) {
	r = g.rhythm
	r.Processes = g.run.backoff.processes
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
	return LogPlace{File: e.File, Line: e.Line, Time: e.Time, Text: text}
}

// weight is how many rejections a line stands for: zap writes the first hundred lines of a message in a second, then every
// hundredth. Only etcd's own zap lines are sampled.
func (s *LogSummary) weight(e *LogEntry) int64 {
	if e.Format != etcdlog.FormatZapJSON && e.Format != etcdlog.FormatZapConsole || !e.HasTime || byServer&(1<<e.Kind) == 0 && e.Kind != etcdlog.KindPeerDial {
		return 1
	}
	c := s.sampler[e.Message]
	if c == nil {
		if len(s.sampler) >= maxSampled {
			return 1
		}
		c = new(second)
		s.sampler[e.Message] = c
	}
	if at := e.Time.Unix(); c.at != at {
		c.at, c.n = at, 0
	}
	if c.n++; c.n > sampleFirst {
		return sampleEvery
	}
	return 1
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
