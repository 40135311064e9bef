package analysis

import (
	"net/netip"
	"slices"
	"time"

	"github.com/etcdtap/etcdtap/analysis/etcdlog"
)

// Times of a LiveJoin, by the clock of whoever watches.
const (
	waitForLine = 1500 * time.Millisecond // a failed connection waits for its line: etcd writes at once, followed files are polled four times a second
	waitForMore = 300 * time.Millisecond  // and, when it has one, for a second one of another kind
	joinWindow  = 10 * time.Second        // (giveUp says it, too) between a connection's end and a line about it, in either order: logs may be buffered
)

// Bounds on what a LiveJoin holds: what comes beyond them goes out at once, or is not joined.
const (
	maxLiveConnections = 4096
	maxLiveEntries     = 4096
	maxLiveBytes       = 96 << 20 // of connections
	maxLinesEach       = 8        // lines joined to one connection

	maxLiveText = "4096, or 96 MiB of them"
)

// LiveJoin joins log entries and connections while both come in, whichever is first. They belong together when the client's address is
// the same and they came at nearly the same time: here that is when they were seen, so that clocks and zones do not matter. It is not
// safe for concurrent use.
type LiveJoin struct {
	Report func(*Connection) // gets each connection, once or more, see Stage
	Entry  func(*LogEntry)   // gets each entry, once it is joined or too old to be

	recent  map[netip.AddrPort][]*liveConnection // by joinAddr, the latest last
	order   []*liveConnection                    // as they came
	entries map[netip.AddrPort][]*liveEntry      // not joined yet
	queue   []*liveEntry                         // as they came
	asked   int                                  // of queue: those that were asked again whether an earlier connection will do
	crowded time.Time                            // when a connection last went out unjoined for want of room
	bytes   int                                  // of those in order
	stats   JoinStats
}

// liveConnection is a connection that entries may still come for.
type liveConnection struct {
	Connection           // with its own findings; Facts are a clone
	came       time.Time // when it was given, at last
	listed     time.Time // when it was put into order
	until      time.Time // to be reported then; zero when it was
	lines      []*LogEntry
	bytes      int // that it takes
}

type liveEntry struct {
	*LogEntry
	came time.Time
}

// joinAddr is the client's address as the server's log has it.
func (c *Connection) joinAddr() netip.AddrPort { return unmapped(c.KnownAs()) }

// Connection takes the next report on a connection, whose facts are valid during the call.
func (j *LiveJoin) Connection(c *Connection, now time.Time) {
	if old := j.find(c); old != nil {
		j.again(old, c, now)
		return
	}
	size := c.Facts.cloned()
	if len(j.order) >= maxLiveConnections || j.bytes+size > maxLiveBytes {
		j.crowded = now
		if c.wantsLine() && c.Stage != StageOpen {
			with := *c
			with.NoLog = "too many connections at once: " + maxLiveText + ", are remembered for their lines"
			c = &with
		}
		j.Report(c)
		return
	}
	l := &liveConnection{Connection: *c, came: now, listed: now, bytes: size}
	l.Facts = c.Facts.Clone()
	j.bytes += size
	j.remember(l)
	j.takeWaiting(l)
	switch {
	case c.wantsLine() && c.Stage != StageOpen:
		l.until = now.Add(waitForLine)
		if len(l.lines) > 0 {
			l.until = now.Add(waitForMore)
		}
	default:
		j.report(l, l.Stage)
	}
}

func (j *LiveJoin) remember(l *liveConnection) {
	if j.recent == nil {
		j.recent = make(map[netip.AddrPort][]*liveConnection)
	}
	j.recent[l.joinAddr()] = append(j.recent[l.joinAddr()], l)
	j.order = append(j.order, l)
}

// find is what was reported of the same connection before.
func (j *LiveJoin) find(c *Connection) *liveConnection {
	for _, l := range j.recent[c.joinAddr()] {
		if keyOfFacts(l.Facts) == keyOfFacts(c.Facts) {
			return l
		}
	}
	return nil
}

// again takes a later report on a connection: the lines that it has stay with it.
func (j *LiveJoin) again(l *liveConnection, c *Connection, now time.Time) {
	l.Connection, l.came = *c, now
	l.Facts = c.Facts.Clone()
	j.bytes -= l.bytes
	l.bytes = c.Facts.cloned()
	j.bytes += l.bytes
	if c.Stage == StageUpdate && len(l.lines) == 0 && c.wantsLine() {
		l.until = now.Add(waitForLine)
		return
	}
	j.report(l, c.Stage)
}

// takeWaiting joins the entries that came before their connection.
func (j *LiveJoin) takeWaiting(l *liveConnection) {
	key := l.joinAddr()
	kept := j.entries[key][:0]
	for _, e := range j.entries[key] {
		if !l.join(e.LogEntry) {
			kept = append(kept, e)
		}
	}
	if len(kept) == 0 {
		delete(j.entries, key)
	} else {
		j.entries[key] = kept
	}
}

// join gives the connection a line, if it can be about it: etcd writes one of a kind.
func (l *liveConnection) join(e *LogEntry) bool {
	if len(l.lines) >= maxLinesEach || slices.ContainsFunc(l.lines, func(x *LogEntry) bool { return x.Kind == e.Kind }) {
		return false
	}
	l.lines = append(l.lines, e)
	e.Connection, e.NotJoined = string(l.AppendID(nil)), ""
	return true
}

// LogEntry takes the next entry. It keeps e.
func (j *LiveJoin) LogEntry(e *LogEntry, now time.Time) {
	j.stats.Entries++
	key, ok := e.joinKey()
	if !ok {
		e.NotJoined = "the line names no client address"
		j.Entry(e)
		return
	}
	if list := j.recent[key]; len(list) > 0 && !list[len(list)-1].past(now) && j.joinLatest(key, e, now) {
		return
	}
	if len(j.queue) >= maxLiveEntries {
		e.NotJoined = "too many lines at once: " + itoa(maxLiveEntries) + " wait for their connections"
		j.stats.Beyond++
		j.Entry(e)
		return
	}
	w := &liveEntry{e, now}
	if j.entries == nil {
		j.entries = make(map[netip.AddrPort][]*liveEntry)
	}
	j.entries[key] = append(j.entries[key], w)
	j.queue = append(j.queue, w)
}

// past reports whether a line that comes now is late for l: rather it is about another connection of the port, which is about to be given.
func (l *liveConnection) past(now time.Time) bool {
	return l.until.IsZero() && l.Stage != StageOpen && now.Sub(l.came) >= waitForLine
}

// joinLatest joins an entry with the latest connection of the port, if there is one that it can be about.
func (j *LiveJoin) joinLatest(key netip.AddrPort, e *LogEntry, now time.Time) bool {
	for _, l := range slices.Backward(j.recent[key]) {
		if l.join(e) {
			j.joined(l, now)
			return true
		}
	}
	return false
}

// askAgain joins a waiting entry with an earlier connection of the port, for no other came.
func (j *LiveJoin) askAgain(e *liveEntry, now time.Time) {
	if key, _ := e.joinKey(); e.Connection == "" && j.joinLatest(key, e.LogEntry, now) {
		j.unlist(key, e)
	}
}

// unlist takes an entry out of those that wait for a connection of the port.
func (j *LiveJoin) unlist(key netip.AddrPort, e *liveEntry) {
	list := slices.DeleteFunc(j.entries[key], func(x *liveEntry) bool { return x == e })
	if len(list) == 0 {
		delete(j.entries, key)
	} else {
		j.entries[key] = list
	}
}

// joined reports a connection that a line has come for, at once or when another line has had its time.
func (j *LiveJoin) joined(l *liveConnection, now time.Time) {
	if !l.until.IsZero() {
		if more := now.Add(waitForMore); more.Before(l.until) {
			l.until = more
		}
		return
	}
	stage := StageLate
	if l.Stage == StageOpen {
		stage = StageOpen
	}
	j.report(l, stage)
}

// report shows a connection with its lines. What it was found by itself is kept, for a line that may still come.
func (j *LiveJoin) report(l *liveConnection, stage Stage) {
	l.until = time.Time{}
	c := l.Connection
	c.Stage = stage
	if len(l.lines) > 0 {
		if stage == StageEnd {
			c.Stage = StageUpdate // counted, and shown, with what the log said
		}
		c.Log = l.lines
		c.Findings = slices.Clone(l.Findings)
		c.reconcile()
	} else if c.wantsLine() && stage != StageOpen {
		if c.NoLog = c.silentByKind(); c.NoLog == "" {
			c.NoLog = silentAnyhow
		}
	}
	j.Report(&c)
	for _, e := range l.lines {
		j.tellEntry(e)
	}
}

// tellEntry hands an entry that was joined on, once.
func (j *LiveJoin) tellEntry(e *LogEntry) {
	if e.told {
		return
	}
	e.told = true
	j.stats.Joined++
	j.Entry(e)
}

// Tick lets time pass: what has waited long enough is reported.
func (j *LiveJoin) Tick(now time.Time) { j.tick(now, false) }

// Close reports all that waits.
func (j *LiveJoin) Close(now time.Time) { j.tick(now, true) }

// Stats says what became of the entries.
func (j *LiveJoin) Stats() JoinStats { return j.stats }

func (j *LiveJoin) tick(now time.Time, all bool) {
	for ; j.asked < len(j.queue) && (all || now.Sub(j.queue[j.asked].came) >= waitForLine); j.asked++ {
		j.askAgain(j.queue[j.asked], now)
	}
	for _, l := range j.order {
		if !l.until.IsZero() && (all || !now.Before(l.until)) {
			j.report(l, l.Stage)
		}
	}
	for len(j.order) > 0 && (all || now.Sub(j.order[0].listed) >= joinWindow) {
		l := j.order[0]
		j.order[0] = nil
		j.order = j.order[1:]
		if !all && now.Sub(l.came) < joinWindow { // its end came meanwhile, and is what a line may be about
			l.listed = now
			j.order = append(j.order, l)
			continue
		}
		j.forget(l, now)
	}
	for len(j.queue) > 0 && (all || now.Sub(j.queue[0].came) >= joinWindow) {
		j.giveUp(j.queue[0])
		j.queue[0] = nil
		j.queue = j.queue[1:]
		j.asked = max(j.asked-1, 0)
	}
}

func (j *LiveJoin) forget(l *liveConnection, now time.Time) {
	j.bytes -= l.bytes
	key := l.joinAddr()
	for _, e := range slices.Clone(j.entries[key]) {
		j.askAgain(e, now)
	}
	list := slices.DeleteFunc(j.recent[key], func(x *liveConnection) bool { return x == l })
	if len(list) == 0 {
		delete(j.recent, key)
	} else {
		j.recent[key] = list
	}
}

// giveUp tells an entry that found no connection.
func (j *LiveJoin) giveUp(e *liveEntry) {
	if e.Connection != "" {
		return
	}
	key, _ := e.joinKey()
	j.unlist(key, e)
	e.NotJoined = "no connection from " + key.String() + " was seen within 10 s of it: NAT, a proxy in front of etcd, another interface, or dropped packets"
	if !j.crowded.IsZero() && e.came.Sub(j.crowded) < joinWindow {
		e.NotJoined = "too many connections at once: none from " + key.String() + " is among those that are remembered, " + maxLiveText
	}
	if j.recent[key] != nil && e.Kind != etcdlog.KindUnrecognised {
		e.NotJoined = "connections from " + key.String() + " were seen, and each has a line of this kind"
	}
	j.Entry(e.LogEntry)
}
