package analysis

import (
	"cmp"
	"net/netip"
	"slices"
	"time"

	"github.com/etcdtap/etcdtap/analysis/etcdlog"
)

// Bounds on what a Join holds.
const (
	maxJoinEntries = 200_000 // log entries that may be joined; later ones are not, and that is said
	maxJoinHeld    = 4096    // connections held back until the offset between log and capture is known
	enoughPairs    = 64      // connections with an entry of the same address that settle the offset
	maxPairs       = 4096    // pairs looked at to find it
)

// Tolerances between a line and the end of the connection it is about.
const (
	joinSlack  = 2 * time.Second       // etcd writes at once, but clocks drift and logs are buffered
	natSlack   = 50 * time.Millisecond // without the address only the moment is left: it has to be exact
	zoneStep   = 15 * time.Minute      // time zones differ by multiples of it
	zoneMost   = 14 * time.Hour        // and by no more
	clockError = 2 * time.Minute       // of a clock whose zone is not known
)

// Join finds the connection that each log entry is about, by the client's address and the time, and makes one judgement of the
// two. The offset between the log's clock and the capture's is found from the pairs themselves, separately for times with and
// without a zone; until there are enough of them connections are held back. It is not safe for concurrent use.
type Join struct {
	emit    func(*Connection) error
	entries []*LogEntry
	byAddr  map[netip.AddrPort][]*LogEntry
	beyond  int64 // entries that found no room
	held    []Connection
	pairs   int
	settled bool
	offsets [2]Offset // of entries without and with a zone
	seen    map[netip.Addr]bool
	start   time.Time // of the capture
	end     time.Time
	err     error
}

// Offset is how much later the log's clock was than the capture's.
type Offset struct {
	By    time.Duration
	Pairs int  // connections it rests on
	Known bool // false: there was nothing to find it from, and 0 is assumed
}

// JoinStats says what became of the entries.
type JoinStats struct {
	Entries, Joined, Beyond int64
	Zoned, Unzoned          Offset
}

// NewJoin begins a join. emit gets each connection, with its entries and its final findings, in the order of Connection.
func NewJoin(emit func(*Connection) error) *Join {
	return &Join{emit: emit, byAddr: make(map[netip.AddrPort][]*LogEntry), seen: make(map[netip.Addr]bool)}
}

// Entry gives one log entry, all of them before the first connection. It keeps e.
func (j *Join) Entry(e *LogEntry) {
	if len(j.entries) >= maxJoinEntries {
		e.NotJoined = "too many entries: only the first " + itoa(maxJoinEntries) + " are joined"
		j.beyond++
		return
	}
	j.entries = append(j.entries, e)
	if key, ok := e.joinKey(); ok {
		j.byAddr[key] = append(j.byAddr[key], e)
	}
}

// joinKey is the client's address: in lines of etcd the remote one, in lines of a client its own, where the line has it.
func (e *LogEntry) joinKey() (netip.AddrPort, bool) {
	a := e.Remote
	if byServer&(1<<e.Kind) == 0 && e.Kind != etcdlog.KindUnrecognised {
		a = e.Local
	}
	return netip.AddrPortFrom(a.Addr().Unmap(), a.Port()), a.IsValid()
}

// Connection gives the next connection, whose facts are valid during the call.
func (j *Join) Connection(c *Connection) error {
	j.start, j.end = earliest(j.start, c.Start), latest(j.end, c.End)
	if len(j.seen) < maxClients {
		j.seen[c.Client.Addr()] = true
	}
	if j.settled {
		return j.finish(c)
	}
	kept := *c
	kept.Facts = c.Facts.Clone()
	j.held = append(j.held, kept)
	if len(j.byAddr[c.Client]) > 0 {
		j.pairs++
	}
	if j.pairs >= enoughPairs || len(j.held) >= maxJoinHeld {
		return j.settle(false)
	}
	return nil
}

// Close settles what is left: it emits the connections held back, and says of each entry that was not joined why.
func (j *Join) Close() error {
	if !j.settled {
		if err := j.settle(true); err != nil {
			return err
		}
	}
	for _, e := range j.entries {
		if e.Connection == 0 {
			e.NotJoined = j.reason(e)
		}
	}
	return nil
}

// Entries are all the entries, in the order in which they were given.
func (j *Join) Entries() []*LogEntry { return j.entries }

// Stats is what was found.
func (j *Join) Stats() JoinStats {
	s := JoinStats{Entries: int64(len(j.entries)) + j.beyond, Beyond: j.beyond, Unzoned: j.offsets[0], Zoned: j.offsets[1]}
	for _, e := range j.entries {
		if e.Connection > 0 {
			s.Joined++
		}
	}
	return s
}

// settle finds the offsets and emits what was held back.
func (j *Join) settle(last bool) error {
	j.settled = true
	for zone := range j.offsets {
		j.offsets[zone] = j.findOffset(zone == 1)
	}
	if last && j.pairs == 0 {
		j.joinByTime()
	}
	for i := range j.held {
		if err := j.finish(&j.held[i]); err != nil {
			return err
		}
	}
	j.held = nil
	return nil
}

// rejectedAt is the moment of which etcd's line speaks: the server's alert or close, else the end.
func (c *Connection) rejectedAt() time.Time {
	s := &c.Stream[FromServer]
	if c.TLS != nil {
		for i := range c.TLS.Alerts {
			if a := &c.TLS.Alerts[i]; a.From == FromServer {
				return a.At
			}
		}
	}
	switch {
	case s.Close != CloseNone:
		return s.ClosedAt
	case c.Stream[FromClient].Close != CloseNone:
		return c.Stream[FromClient].ClosedAt
	}
	return c.End
}

// pair is how much later a line is than the connection with the same address.
type pair struct {
	by   time.Duration
	conn int
}

// findOffset looks for the difference on which most connections agree. With a zone, clocks that agree to two seconds are taken to
// agree; without one, the difference has to look like a time zone's.
func (j *Join) findOffset(zone bool) Offset {
	var pairs []pair
	for i := range j.held {
		for _, e := range j.byAddr[j.held[i].Client] {
			if e.HasTime && e.Zone == zone && len(pairs) < maxPairs {
				pairs = append(pairs, pair{e.Time.Sub(j.held[i].rejectedAt()), i})
			}
		}
	}
	if !zone {
		pairs = slices.DeleteFunc(pairs, func(p pair) bool { return !likeZone(p.by) })
	}
	if len(pairs) == 0 {
		return Offset{}
	}
	slices.SortFunc(pairs, func(a, b pair) int { return cmp.Compare(a.by, b.by) })
	best := window(pairs)
	return Offset{By: best[len(best)/2].by, Pairs: len(best), Known: true}
}

// likeZone reports whether a difference can be a time zone and a clock's error.
func likeZone(d time.Duration) bool {
	rest := d - d.Round(zoneStep)
	return d.Abs() <= zoneMost+clockError && rest.Abs() <= clockError
}

// window returns the pairs, which are sorted, within joinSlack of each other that most connections have; of windows as large, the one
// nearest to zero.
func window(pairs []pair) []pair {
	best := pairs[:1]
	from := 0
	for to := range pairs {
		for pairs[to].by-pairs[from].by > joinSlack {
			from++
		}
		w := pairs[from : to+1]
		if len(w) > len(best) || len(w) == len(best) && w[len(w)/2].by.Abs() < best[len(best)/2].by.Abs() {
			best = w
		}
	}
	return best
}

// off is how far an entry's time is from the connection's rejection, the clocks' difference taken off.
func (j *Join) off(e *LogEntry, c *Connection) time.Duration {
	o := j.offsets[0]
	if e.Zone {
		o = j.offsets[1]
	}
	return (e.Time.Sub(c.rejectedAt()) - o.By).Abs()
}

// slack is how far it may be: gRPC's lines have whole seconds.
func (e *LogEntry) slack() time.Duration { return joinSlack + e.Precision }

// finish joins the entries that fit and emits the connection.
func (j *Join) finish(c *Connection) error {
	for _, e := range j.byAddr[c.Client] {
		if e.Connection == 0 && (!e.HasTime || j.off(e, c) <= e.slack()) {
			c.join(e)
		}
	}
	if len(c.Log) == 0 {
		c.NoLog = j.silence(c)
	}
	c.reconcile()
	return j.emit(c)
}

func (c *Connection) join(e *LogEntry) {
	e.Connection, e.NotJoined = c.TCP.FirstPacket, ""
	c.Log = append(c.Log, e)
}

// joinByTime is for logs of which no address is in the capture: the client came through NAT or a proxy, which the other side does
// not see. An entry joins the only failed connection at its moment.
func (j *Join) joinByTime() {
	for _, e := range j.entries {
		if !e.HasTime || e.Connection != 0 || byServer&(1<<e.Kind) == 0 {
			continue
		}
		var only *Connection
		for i := range j.held {
			c := &j.held[i]
			if len(c.Findings) == 0 || len(c.Log) > 0 || j.off(e, c) > natSlack+e.Precision || !agree(c.Findings, e.Findings) {
				continue
			}
			if only != nil {
				only = nil
				break
			}
			only = c
		}
		if only != nil {
			only.join(e)
			only.ByTime = true
		}
	}
}

// reason says why an entry was not joined.
func (j *Join) reason(e *LogEntry) string {
	key, ok := e.joinKey()
	switch {
	case !ok:
		return "the line names no client address"
	case j.end.IsZero():
		return "there is no connection in the capture"
	case e.HasTime && e.Zone && (e.Time.Before(j.start.Add(-joinSlack)) || e.Time.After(j.end.Add(joinSlack))) && j.offsets[1].By == 0:
		return "the capture, from " + clock(j.start) + " to " + clock(j.end) + ", does not cover its time"
	case len(j.byAddr[key]) > 0 && j.seenPort(key):
		return "connections from " + key.String() + " are in the capture, but none that ended at this time"
	case j.seen[key.Addr()]:
		return "this client is in the capture, but not this connection"
	}
	return "no packet from " + key.Addr().String() + " is in the capture: NAT, a proxy in front of etcd, or a capture on another machine"
}

// seenPort reports whether another entry of the same address was joined.
func (j *Join) seenPort(key netip.AddrPort) bool {
	return slices.ContainsFunc(j.byAddr[key], func(e *LogEntry) bool { return e.Connection > 0 })
}

func clock(t time.Time) string { return t.UTC().Format("2006-01-02 15:04:05.000") }

// silence says why the log has no line about a connection that failed: "" when it did not fail, or nobody can say.
func (j *Join) silence(c *Connection) string {
	if s, found := c.Severity(); !found || s < Warning || len(j.entries) == 0 {
		return ""
	}
	first, last := time.Time{}, time.Time{}
	for _, e := range j.entries {
		if e.HasTime && e.Zone {
			first, last = earliest(first, e.Time), latest(last, e.Time)
		}
	}
	switch c.Findings[0].Code {
	case CodeTLSToPlaintext:
		return "an etcd without TLS logs nothing of this"
	case CodeGRPCToPeerPort:
		return "etcd 3.6 and later log nothing of this, 3.4.28+ and 3.5.10+ only at level info"
	case CodeRefused, CodeUnanswered, CodePlaintextEtcd:
		return "etcd cannot know of this"
	case CodeConnectionWithoutData:
		return "etcd 3.5.24+, 3.6.6+ and 3.7 log this at level debug only"
	case CodeServerNameMismatch:
		return "a client that checks the name after the handshake, as curl does, tells etcd nothing"
	}
	at := c.rejectedAt().Add(j.offsets[1].By)
	if !first.IsZero() && (at.Before(first.Add(-joinSlack)) || at.After(last.Add(joinSlack))) {
		return "the log's lines about failed connections, from " + clock(first) + " to " + clock(last) + ", do not cover its time"
	}
	return "zap leaves lines out when there are more than a hundred a second, and etcd's client port logs some at level debug; or the log is another member's"
}
