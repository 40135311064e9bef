package analysis

import (
	"net/netip"
	"slices"
	"sort"
	"time"

	"github.com/etcdtap/etcdtap/analysis/etcdlog"
)

// Bounds on what a Join holds.
const (
	maxJoinEntries = 200_000   // log entries that may be joined; later ones are not, and that is said
	maxJoinTexts   = 128 << 20 // bytes of their texts: likewise
	maxJoinHeld    = 4096      // connections held back until the offset between log and capture is known
	maxHeldBack    = 128 << 20 // bytes of those
	enoughPairs    = 64        // connections with an entry of the same address that settle the offset
	maxOfAddr      = 1024      // entries of one client address and port: real ones come back to a port a few times a day
	maxLog         = 16        // entries that a connection names; those beyond name the connection
	maxAtMoment    = 64        // connections at the moment of one entry whose client is not in the capture
)

// Tolerances between a line and the end of the connection it is about.
const (
	joinSlack  = 2 * time.Second        // etcd writes at once, but clocks drift and logs are buffered
	sameMoment = 100 * time.Millisecond // between two lines about one connection: both are written at its end
	natSlack   = 50 * time.Millisecond  // without the address only the moment is left: it has to be exact
)

// Join finds the connection that each log entry is about, by the client's address and the time, and makes one judgement of the
// two. The offset between the log's clock and the capture's is found from the pairs themselves, separately for times with and
// without a zone; until there are enough of them connections are held back. It is not safe for concurrent use.
type Join struct {
	emit    func(*Connection) error
	entries []*LogEntry
	byAddr  map[netip.AddrPort]*logged
	hosts   map[netip.Addr]bool // clients that entries name: whether any connection of theirs was seen
	beyond  int64               // entries that found no room
	texts   int                 // bytes of the entries' texts
	held    []Connection
	bytes   int // of those held back
	pairs   int
	settled bool
	clocks  [2]logClock // of entries without and with a zone
	start   time.Time   // of the capture
	end     time.Time
	logFrom time.Time // the first and last entry, by the capture's clock; zero when no entry has a time that tells
	logTo   time.Time
}

// logged is what the log and the capture have of one client address.
type logged struct {
	entries []*LogEntry
	met     bool        // a connection from it was seen
	rivals  []time.Time // the moments of those that were held back: an entry belongs to the nearest
}

// JoinStats says what became of the entries.
type JoinStats struct {
	Entries, Joined, Beyond int64
	Zoned, Unzoned          Offset
}

// NewJoin begins a join. emit gets each connection, with its entries and its final findings, in the order of Connection.
func NewJoin(emit func(*Connection) error) *Join {
	return &Join{emit: emit, byAddr: make(map[netip.AddrPort]*logged), hosts: make(map[netip.Addr]bool)}
}

// Entry gives one log entry, all of them before the first connection. It keeps e.
func (j *Join) Entry(e *LogEntry) {
	if len(j.entries) >= maxJoinEntries || j.texts+e.texts() > maxJoinTexts {
		e.NotJoined = "too many entries: only the first " + itoa(len(j.entries)) + " are joined"
		j.beyond++
		return
	}
	j.entries = append(j.entries, e)
	j.texts += e.texts()
	key, ok := e.joinKey()
	if !ok {
		return
	}
	j.hosts[key.Addr()] = false
	l := j.byAddr[key]
	if l == nil {
		l = new(logged)
		j.byAddr[key] = l
	}
	if len(l.entries) >= maxOfAddr {
		e.NotJoined = "too many entries of " + key.String() + ": only the first " + itoa(maxOfAddr) + " are joined"
		return
	}
	l.entries = append(l.entries, e)
}

// texts is how many bytes the texts of the line take, of which each may have some KiB.
func (e *LogEntry) texts() int {
	return len(e.Text) + len(e.Error) + len(e.Message) + len(e.ServerName) + len(e.Peer) + len(e.PeerURL)
}

// joinKey is the client's address: in lines of etcd the remote one, in lines of a client its own, where the line has it.
func (e *LogEntry) joinKey() (netip.AddrPort, bool) {
	a := e.Remote
	if byServer&(1<<e.Kind) == 0 && e.Kind != etcdlog.KindUnrecognised {
		a = e.Local
	}
	return unmapped(a), a.IsValid()
}

// unmapped is an address as all are compared: a socket on [::] shows those of IPv4 in IPv6's form.
func unmapped(a netip.AddrPort) netip.AddrPort {
	return netip.AddrPortFrom(a.Addr().Unmap(), a.Port())
}

// Connection gives the next connection, whose facts are valid during the call.
func (j *Join) Connection(c *Connection) error {
	j.start, j.end = earliest(j.start, c.Start), latest(j.end, c.End)
	key := c.joinAddr()
	if _, named := j.hosts[key.Addr()]; named {
		j.hosts[key.Addr()] = true
	}
	l := j.byAddr[key]
	if l != nil {
		l.met = true
	}
	if j.settled {
		return j.finish(c)
	}
	kept := *c
	kept.Facts = c.Facts.Clone()
	j.held = append(j.held, kept)
	j.bytes += c.Facts.cloned()
	if l != nil {
		l.rivals = append(l.rivals, c.rejectedAt())
		j.pairs++
	}
	if j.pairs >= enoughPairs || len(j.held) >= maxJoinHeld || j.bytes >= maxHeldBack {
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
		if e.Connection == "" && e.NotJoined == "" {
			e.NotJoined = j.reason(e)
		}
	}
	return nil
}

// Entries are all the entries, in the order in which they were given.
func (j *Join) Entries() []*LogEntry { return j.entries }

// Stats is what was found.
func (j *Join) Stats() JoinStats {
	s := JoinStats{Entries: int64(len(j.entries)) + j.beyond, Beyond: j.beyond, Unzoned: j.clocks[0].Offset, Zoned: j.clocks[1].Offset}
	for _, e := range j.entries {
		if e.Connection != "" {
			s.Joined++
		}
	}
	return s
}

// settle finds the offsets and emits what was held back.
func (j *Join) settle(last bool) error {
	j.settled = true
	for zone := range j.clocks {
		j.clocks[zone].Offset = j.findOffset(zone == 1)
	}
	j.coverLog()
	if last {
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

// finish joins the entries that fit and emits the connection.
func (j *Join) finish(c *Connection) error {
	if l := j.byAddr[c.joinAddr()]; l != nil {
		j.joinTimed(c, l)
		c.joinUntimed(l.entries)
	}
	if len(c.Log) == 0 {
		c.NoLog = j.silence(c)
	}
	c.reconcile()
	return j.emit(c)
}

// joinTimed joins the entry nearest to the connection's end, and those written at the same moment: the port may have been used again
// within the tolerance.
func (j *Join) joinTimed(c *Connection, l *logged) {
	var nearest *LogEntry
	for _, e := range l.entries {
		if e.Connection == "" && e.HasTime && j.off(e, c).Abs() <= e.slack() && !j.nearerElsewhere(e, c, l) &&
			(nearest == nil || j.off(e, c).Abs() < j.off(nearest, c).Abs()) {
			nearest = e
		}
	}
	if nearest == nil {
		return
	}
	left := j.off(nearest, c)
	for _, e := range l.entries {
		if e == nearest || e.Connection == "" && e.HasTime && !j.nearerElsewhere(e, c, l) &&
			(j.off(e, c)-left).Abs() <= sameMoment+max(e.cut(), nearest.cut()) && nearest.besides(e) && c.lacks(e) {
			c.join(e)
		}
	}
	j.clock(nearest).follow(left)
}

// besides reports whether e can be about the same connection: etcd writes one line of a kind about each. The same line may come twice,
// from two copies of a log; of whole seconds nobody can tell.
func (nearest *LogEntry) besides(e *LogEntry) bool {
	return e.Kind != nearest.Kind || e.cut() == 0 && e.Time.Equal(nearest.Time) && e.Error == nearest.Error
}

// lacks reports whether no line of this kind in whole seconds has been joined yet.
func (c *Connection) lacks(e *LogEntry) bool {
	return e.cut() == 0 || !slices.ContainsFunc(c.Log, func(x *LogEntry) bool { return x.Kind == e.Kind })
}

// nearerElsewhere reports whether another connection of the address ended nearer to the entry's time. Of those that were not held
// back nothing is known yet.
func (j *Join) nearerElsewhere(e *LogEntry, c *Connection, l *logged) bool {
	here := j.off(e, c).Abs()
	for _, at := range l.rivals {
		if j.offFrom(e, at).Abs()+e.cut() < here {
			return true
		}
	}
	return false
}

// joinUntimed joins entries without a time, one of each kind, to the first connection of the address that they fit.
func (c *Connection) joinUntimed(entries []*LogEntry) {
	for _, e := range entries {
		if e.Connection == "" && !e.HasTime && (e.Kind == etcdlog.KindUnrecognised || agree(c.Findings, e.Findings)) &&
			!slices.ContainsFunc(c.Log, func(x *LogEntry) bool { return x.Kind == e.Kind }) {
			c.join(e)
		}
	}
}

func (c *Connection) join(e *LogEntry) {
	e.Connection, e.NotJoined = string(c.AppendID(nil)), ""
	if len(c.Log) < maxLog {
		c.Log = append(c.Log, e)
	}
}

// joinByTime is for entries whose client is not in the capture: it came through NAT or a proxy, which the other side does not see. An
// entry joins the only failed connection at its moment, if that is claimed by no other client.
func (j *Join) joinByTime() {
	var free []*Connection // without entries of their own address, by their moment
	for i := range j.held {
		if c := &j.held[i]; len(c.Findings) > 0 && j.byAddr[c.joinAddr()] == nil {
			free = append(free, c)
		}
	}
	slices.SortStableFunc(free, func(a, b *Connection) int { return a.rejectedAt().Compare(b.rejectedAt()) })
	claims := make(map[*Connection][]*LogEntry)
	for _, e := range j.entries {
		key, ok := e.joinKey()
		if !ok || !e.HasTime || e.NotJoined != "" || byServer&(1<<e.Kind) == 0 || j.hosts[key.Addr()] {
			continue
		}
		switch c, several := j.atMoment(e, free); {
		case several:
			e.NotJoined = ambiguous(key)
		case c != nil:
			claims[c] = append(claims[c], e)
		}
	}
	for c, list := range claims {
		c.ByTime = !slices.ContainsFunc(list, func(e *LogEntry) bool { return e.Remote != list[0].Remote })
		for _, e := range list {
			if c.ByTime {
				c.join(e)
			} else {
				e.NotJoined = ambiguous(e.Remote)
			}
		}
	}
}

func ambiguous(client netip.AddrPort) string {
	return "no packet from " + client.Addr().String() + " is in the capture (NAT, or a proxy in front of etcd), and its moment alone does not tell the connection"
}

// fits reports whether the line's most probable cause is the connection's: without an address nothing less will do.
func (c *Connection) fits(e *LogEntry) bool {
	packets, log := c.Worst(), e.Findings[0].Code
	return packets != nil && sameCause(packets.Code, log) && (log != CodeGRPCToPeerPort || packets.Code == log)
}

// Names reports whether a line names this client of etcd's: then its connection is of interest whatever port it went to.
func (j *Join) Names(client netip.AddrPort) bool { return j.byAddr[unmapped(client)] != nil }

// Rejected reports whether etcd's TLS listener wrote about this client: then the server speaks TLS.
func (j *Join) Rejected(client netip.AddrPort) bool {
	l := j.byAddr[unmapped(client)]
	return l != nil && slices.ContainsFunc(l.entries, func(e *LogEntry) bool { return e.Kind == etcdlog.KindRejected })
}

// atMoment is the only connection of list, which is sorted, at the entry's moment whose cause agrees.
func (j *Join) atMoment(e *LogEntry, list []*Connection) (c *Connection, several bool) {
	tolerance := natSlack + e.cut()
	from := sort.Search(len(list), func(i int) bool { return j.off(e, list[i]) <= tolerance })
	for i, x := range list[from:] {
		if j.off(e, x) < -tolerance {
			break
		}
		if i == maxAtMoment {
			return nil, true
		}
		if !x.fits(e) {
			continue
		}
		if c != nil {
			return nil, true
		}
		c = x
	}
	return c, false
}
