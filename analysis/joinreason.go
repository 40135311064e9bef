package analysis

import "time"

// Why an entry has no connection, and why a connection has no entry.

// reason says why an entry was not joined.
func (j *Join) reason(e *LogEntry) string {
	key, ok := e.joinKey()
	switch {
	case !ok:
		return "the line names no client address"
	case j.end.IsZero():
		return "there is no connection in the capture"
	case j.outside(e):
		return "the capture, from " + clock(j.start) + " to " + clock(j.end) + ", does not cover its time"
	case j.byAddr[key].met && !e.HasTime:
		return "the line has no time, and no connection from " + key.String() + " that is left fits what it says"
	case j.byAddr[key].met:
		return "connections from " + key.String() + " are in the capture, but none that ended at this time and is without a line"
	case j.hosts[key.Addr()]:
		return "this client is in the capture, but not this connection"
	}
	return "no packet from " + key.Addr().String() + " is in the capture: NAT, a proxy in front of etcd, or a capture on another machine"
}

// outside reports whether the entry is of a time before or after all connections. Of a time without a zone nobody knows, unless other
// entries have shown the zone.
func (j *Join) outside(e *LogEntry) bool {
	if !j.datable(e) {
		return false
	}
	at := e.moment().Add(-j.clock(e).By)
	return at.Before(j.start.Add(-e.slack())) || at.After(j.end.Add(e.slack()))
}

// datable reports whether the entry's time can be compared with the capture's.
func (j *Join) datable(e *LogEntry) bool { return e.HasTime && (e.Zone || j.clock(e).Known) }

// coverLog finds the time that the log's entries cover, by the capture's clock.
func (j *Join) coverLog() {
	for _, e := range j.entries {
		if j.datable(e) {
			at := e.Time.Add(-j.clock(e).By)
			j.logFrom, j.logTo = earliest(j.logFrom, at), latest(j.logTo, at)
		}
	}
}

func clock(t time.Time) string { return t.UTC().Format("2006-01-02 15:04:05.000") }

// silence says why the log has no line about a connection that failed: "" when it did not fail, or nobody can say.
func (j *Join) silence(c *Connection) string {
	if len(j.entries) == 0 || !c.wantsLine() {
		return ""
	}
	if text := c.silentByKind(); text != "" {
		return text
	}
	at := c.rejectedAt()
	if !j.logFrom.IsZero() && (at.Before(j.logFrom.Add(-joinSlack)) || at.After(j.logTo.Add(joinSlack))) {
		return "the log's lines about failed connections, from " + clock(j.logFrom) + " to " + clock(j.logTo) + ", do not cover its time"
	}
	if j.beyond > 0 {
		return "the log has more lines about failed connections than are joined, and its line may be among the rest: cut the log to the time of the capture"
	}
	return silentAnyhow
}

// silentAnyhow is why a line may be missing that should be there.
const silentAnyhow = "zap leaves lines out when there are more than a hundred a second, and etcd's client port logs some at level debug; or the log is another member's"

// wantsLine reports whether the connection failed in a way of which a log should have a line.
func (c *Connection) wantsLine() bool {
	s, found := c.Severity()
	if !found || s < Warning || s < Error && (c.Outcome == OutcomeEstablished || c.Outcome == OutcomePlaintext) {
		return false
	}
	code := c.Worst().Code
	return code != CodeCaptureLoss && code != CodeOneSidedCapture
}

// silentByKind says why no etcd, or not every one, writes a line of such a failure; "" when all do.
func (c *Connection) silentByKind() string {
	switch c.Worst().Code {
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
	if c.Stream[FromServer].Close == CloseNone && c.Stream[FromClient].Close == CloseNone {
		return "neither side had closed the connection when it was last seen, and etcd writes its line at the end"
	}
	return ""
}
