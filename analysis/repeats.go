package analysis

import (
	"encoding/binary"
	"net/netip"
	"time"
)

// Repeats keeps live output short: what is the same as something shown a moment ago is counted, and the count is told when its time is
// over. The zero value is ready. It is not safe for concurrent use.
type Repeats struct {
	kinds map[repeatedKind]*Repeat
	order []*Repeat // as they began
}

// RepeatWindow is how long what is the same is counted before the count is told.
const RepeatWindow = time.Minute

// maxRepeated bounds the kinds that are followed at a time; what is of another kind is shown in full.
const maxRepeated = 4096

type repeatedKind struct {
	client  netip.Addr
	server  netip.AddrPort
	outcome Outcome
	codes   uint64
	leaves  [2]uint64   // of the certificates, see leavesOf
	entry   bool        // lines of a log that have no connection
	group   logGroupKey // of them
}

// Repeat is how often the same came again from one client.
type Repeat struct {
	Client   netip.Addr // invalid for unix sockets, and for lines of a client or a member
	Other    string     // whom those tried, raw
	Server   netip.AddrPort
	Endpoint Endpoint
	Outcome  Outcome
	Code     Code      // of the worst finding; "" for connections without findings
	Severity Severity  // of it
	Entry    bool      // lines of a log, not connections: Server and Outcome are not valid
	Count    int64     // since From, the one that was shown not counted
	From     time.Time // when the counting began
	To       time.Time // when the last one came
	kind     repeatedKind
}

// Connection counts a connection, and reports whether it is to be shown: it is the first of its kind for RepeatWindow, or says more
// than the one before.
func (r *Repeats) Connection(c *Connection, now time.Time) (show bool) {
	k := repeatedKind{client: c.Client.Addr(), server: c.Server, outcome: c.Outcome, codes: hashCodes(c.Findings), leaves: leavesOf(c.Facts)}
	n := Repeat{Client: k.client, Server: k.server, Endpoint: c.Endpoint, Outcome: c.Outcome, kind: k}
	if w := c.Worst(); w != nil {
		n.Code, n.Severity = w.Code, w.Severity
	}
	return r.count(n, now)
}

// leavesOf is what the certificates that both sides presented begin their digests with: who shows another one is another client, or the
// same after a renewal.
func leavesOf(f *Facts) (leaves [2]uint64) {
	if f.TLS == nil {
		return leaves
	}
	for d := range leaves {
		if chain := f.TLS.Certificates[d].Chain; len(chain) > 0 {
			leaves[d] = binary.BigEndian.Uint64(chain[0].SHA256[:])
		}
	}
	return leaves
}

// LogEntry is Connection for a line of a log that found none.
func (r *Repeats) LogEntry(e *LogEntry, now time.Time) (show bool) {
	k := repeatedKind{codes: hashCodes(e.Findings), entry: true, group: groupOf(e)}
	worst := &e.Findings[0]
	return r.count(Repeat{Client: k.group.client, Other: k.group.other, Endpoint: e.Endpoint, Code: worst.Code, Severity: worst.Severity, Entry: true, kind: k}, now)
}

func (r *Repeats) count(n Repeat, now time.Time) (show bool) {
	if old := r.kinds[n.kind]; old != nil {
		old.Count++
		old.To = now
		return false
	}
	if len(r.kinds) >= maxRepeated {
		return true
	}
	if r.kinds == nil {
		r.kinds = make(map[repeatedKind]*Repeat)
	}
	n.From, n.To = now, now
	r.kinds[n.kind] = &n
	r.order = append(r.order, &n)
	return true
}

// Tick tells the counts whose time is over; all is for the end of the watch. A kind that did not come again is forgotten, so that the
// next one of it is shown in full.
func (r *Repeats) Tick(now time.Time, all bool, tell func(*Repeat)) {
	for len(r.order) > 0 {
		n := r.order[0]
		if !all && now.Sub(n.From) < RepeatWindow {
			return
		}
		r.order[0] = nil
		r.order = r.order[1:]
		if n.Count == 0 {
			delete(r.kinds, n.kind)
			continue
		}
		tell(n)
		if all {
			delete(r.kinds, n.kind)
			continue
		}
		n.Count, n.From = 0, now
		r.order = append(r.order, n)
	}
}
