package analysis

import (
	"cmp"
	"net/netip"
	"slices"
	"time"
)

// Bounds on the memory of a Summary. What comes beyond them is counted, not named.
const (
	maxGroups  = 8192 // (client, server, code) triples: as many as the series follow
	maxClients = 8192 // addresses of clients that had findings
)

// EndpointCount is the number of endpoints, for arrays indexed by them.
const EndpointCount = int(EndpointMetrics) + 1

// Summary counts connections and what was found about them. The zero value is ready. It is not safe for concurrent use.
type Summary struct {
	Input Input // what the reader counted; the caller fills it in

	Connections int64
	Failed      int64                              // with a finding of severity error
	Warned      int64                              // with a finding of severity warning and none that is worse
	WithGaps    int64                              // bytes of them are missing in the capture
	Start, End  time.Time                          // first and last packet of any connection; zero when there was none
	Outcomes    [EndpointCount][OutcomeCount]int64 // by Endpoint and Outcome

	FailedLater [EndpointCount]int64 // of those established, by Endpoint: with a finding of severity error all the same

	OtherGroups  int64 // connections with findings whose group found no room
	OtherClients int64 // connections with findings whose client found no room

	codes   map[Code]*CodeCount
	groups  map[groupKey]*Group
	clients map[netip.Addr]*ClientCount
}

// Input is what the reader of packets counted. All of it that is zero goes without saying.
type Input struct {
	Files   int64 // capture files that were opened
	Packets int64
	Bytes   int64 // of packets, as captured

	NotTCP           []Count // packets of other protocols
	Undecodable      []Count // packets that could not be decoded, by reason
	UnknownLinkTypes []Count // packets of link types that are not known
	TruncatedFiles   []Count // files that end too early, by name and reason; N is the packets read
	Drops            []Count // packets that the kernel or the interface dropped before they were captured
	FragmentsLost    int64   // datagrams of which fragments were missing
	OutOfScope       int64   // connections that were not looked at, because they go to other ports
	Evicted          int64   // connections given up early, to bound memory
	HandshakesOnly   bool    // the files hold handshakes, first bytes and ends of connections only: gaps behind them are by intent
	SecretsKept      int64   // blocks of secrets in the capture that are no TLS key log, and were not used
	Other            []Count // anything else that was missed or skipped
}

// Count is a named number.
type Count struct {
	Name string
	N    int64
}

// CodeCount counts the connections that have a finding.
type CodeCount struct {
	Code        Code
	Severity    Severity // the worst that any of the findings had
	Title       string   // of the first finding
	Connections int64
	First, Last time.Time // starts of the first and the last connection
}

// ClientCount counts a client's connections that have findings.
type ClientCount struct {
	Addr   netip.Addr
	Failed int64 // with an error
	Warned int64 // with a warning and no error
	Noted  int64 // with informational findings only
}

type groupKey struct {
	client netip.Addr
	server netip.AddrPort
	code   Code
}

// Group is one client's connections to one server whose worst finding is the same.
type Group struct {
	Client      netip.Addr
	Server      netip.AddrPort
	Endpoint    Endpoint
	Code        Code
	Severity    Severity
	Title       string // of the first finding
	Count       int64
	First, Last time.Time   // starts of the first and the last connection
	Series      *SeriesNote // what their rhythm shows; nil when it shows nothing
	run         run
}

// SeriesNote is what a rhythm shows: the finding on the latest connection that had one.
type SeriesNote struct {
	Code       Code
	Confidence Confidence
	Title      string
}

// Gaps appends the times between the starts of the group's latest connections, at most maxStarts-1, in order.
func (g *Group) Gaps(dst []time.Duration) []time.Duration {
	return g.run.gaps(dst)
}

// Add counts one connection. It keeps nothing of it but strings.
func (s *Summary) Add(c *Connection) {
	if s.codes == nil {
		s.codes, s.groups, s.clients = make(map[Code]*CodeCount), make(map[groupKey]*Group), make(map[netip.Addr]*ClientCount)
	}
	s.Connections++
	s.Outcomes[c.Endpoint][c.Outcome]++
	if c.Stream[FromClient].Missed+c.Stream[FromServer].Missed > 0 || c.Stream[FromClient].StartMissed || c.Stream[FromServer].StartMissed {
		s.WithGaps++
	}
	s.Start, s.End = earliest(s.Start, c.Start), latest(s.End, c.End)
	severity, found := c.Severity()
	if !found {
		return
	}
	switch severity {
	case Error:
		s.Failed++
		if c.Outcome == OutcomeEstablished {
			s.FailedLater[c.Endpoint]++
		}
	case Warning:
		s.Warned++
	}
	for i := range c.Findings {
		s.addCode(c, i)
	}
	s.addClient(c.Client.Addr(), severity)
	s.addGroup(c)
}

// addCode counts the i-th finding, once for each connection.
func (s *Summary) addCode(c *Connection, i int) {
	f := &c.Findings[i]
	for j := range i {
		if c.Findings[j].Code == f.Code {
			return
		}
	}
	n := s.codes[f.Code]
	if n == nil { // the codes are a fixed set
		n = &CodeCount{Code: f.Code, Severity: f.Severity, Title: f.Title}
		s.codes[f.Code] = n
	}
	n.Severity = max(n.Severity, f.Severity)
	n.Connections++
	n.First, n.Last = earliest(n.First, c.Start), latest(n.Last, c.Start)
}

func (s *Summary) addClient(a netip.Addr, severity Severity) {
	n := s.clients[a]
	if n == nil {
		if len(s.clients) >= maxClients {
			s.OtherClients++
			return
		}
		n = &ClientCount{Addr: a}
		s.clients[a] = n
	}
	switch severity {
	case Error:
		n.Failed++
	case Warning:
		n.Warned++
	default:
		n.Noted++
	}
}

func (s *Summary) addGroup(c *Connection) {
	worst := c.Worst()
	k := groupKey{c.Client.Addr(), c.Server, worst.Code}
	g := s.groups[k]
	if g == nil {
		if len(s.groups) >= maxGroups {
			s.OtherGroups++
			return
		}
		g = &Group{Client: k.client, Server: k.server, Endpoint: c.Endpoint, Code: k.code, Severity: worst.Severity, Title: worst.Title}
		s.groups[k] = g
	}
	g.Count++
	g.Severity = max(g.Severity, worst.Severity)
	g.First, g.Last = earliest(g.First, c.Start), latest(g.Last, c.Start)
	g.run.add(c.Start)
	for i := range c.Findings {
		if f := &c.Findings[i]; f.Code.OfSeries() {
			g.Series = &SeriesNote{f.Code, f.Confidence, f.Title}
		}
	}
}

// Worst is the finding that says most about this very connection: the first that is not about a series. It is nil when there is
// no finding.
func (c *Connection) Worst() *Finding {
	for i := range c.Findings {
		if !c.Findings[i].Code.OfSeries() {
			return &c.Findings[i]
		}
	}
	if len(c.Findings) == 0 {
		return nil
	}
	return &c.Findings[0]
}

// OfSeries reports whether the code is about several connections together.
func (c Code) OfSeries() bool {
	return c == CodeGRPCBackoff || c == CodeRaftReconnect || c == CodePeriodicProbe
}

// Codes are the counts by code: the most severe first, then the most frequent.
func (s *Summary) Codes() []CodeCount {
	out := make([]CodeCount, 0, len(s.codes))
	for _, n := range s.codes {
		out = append(out, *n)
	}
	slices.SortFunc(out, func(a, b CodeCount) int {
		return cmp.Or(cmp.Compare(b.Severity, a.Severity), cmp.Compare(b.Connections, a.Connections), cmp.Compare(a.Code, b.Code))
	})
	return out
}

// Clients are the counts by client: the one with the most failures first.
func (s *Summary) Clients() []ClientCount {
	out := make([]ClientCount, 0, len(s.clients))
	for _, n := range s.clients {
		out = append(out, *n)
	}
	slices.SortFunc(out, func(a, b ClientCount) int {
		return cmp.Or(cmp.Compare(b.Failed, a.Failed), cmp.Compare(b.Warned, a.Warned), cmp.Compare(b.Noted, a.Noted), a.Addr.Compare(b.Addr))
	})
	return out
}

// Groups are the groups: the most severe first, then the largest, then the earliest. They belong to the Summary.
func (s *Summary) Groups() []*Group {
	out := make([]*Group, 0, len(s.groups))
	for _, g := range s.groups {
		out = append(out, g)
	}
	slices.SortFunc(out, func(a, b *Group) int {
		return cmp.Or(cmp.Compare(b.Severity, a.Severity), cmp.Compare(b.Count, a.Count), a.First.Compare(b.First),
			a.Client.Compare(b.Client), a.Server.Compare(b.Server), cmp.Compare(a.Code, b.Code))
	})
	return out
}

// earliest is the earlier of two times; zero means none.
func earliest(a, b time.Time) time.Time {
	if a.IsZero() || b.Before(a) && !b.IsZero() {
		return b
	}
	return a
}

// latest is the later of two times; zero means none.
func latest(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}
