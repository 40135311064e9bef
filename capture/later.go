package capture

import (
	"net/netip"
	"time"

	"github.com/etcdtap/etcdtap/analysis"
)

// finished is a finished connection on its way to the goroutine that calls the sink. Where that is to tell what is left to tell, the
// connection is there as it was in the table.
type finished struct {
	attachment *attachment // nil where there was no data
	told       bool        // the attachment has been told all
	connection connection  // valid iff not told
	more       more        // of the connection
}

// reports are finished connections, in order.
type reports struct {
	list []finished // as many as there is room for
	n    int        // of them that are filled
}

// laterReports gathers finished connections for the goroutine that calls the sink.
type laterReports struct {
	gathered *reports
	to, back chan *reports
	made     int // not more than there is room for in the channels
}

// reportLater hands a finished connection over. What is left to tell of it is told there, unless that needs what connections share.
func (t *Tracker) reportLater(c *connection) {
	f, m := t.later.room(t), t.table.more(c)
	f.attachment, f.told = nil, false
	if c.attached() {
		f.attachment = t.attachments[c.stream]
		f.told = !f.attachment.concludesAlone(c)
	}
	if f.told {
		t.conclude(c, m, f.attachment)
		f.attachment.conn.End()
		t.detach(c)
	} else {
		f.connection, f.more = *c, *m
		if c.attached() {
			t.unhook(c)
		}
	}
	t.later.send(handedReports)
}

// concludesAlone reports whether conclude needs nothing but the connection and its attachment: no buffer is lent to it, no byte is
// missing, and the observer has read all that it was shown.
func (x *attachment) concludesAlone(c *connection) bool {
	for d := range x.store {
		if s := &x.store[d]; len(s.held) > 0 || s.kept != nil || !c.nothingMissed(analysis.Direction(d)) {
			return false
		}
	}
	return c.half[0].flags&c.half[1].flags&halfToldClose != 0 || !x.conn.Unread()
}

// room is where the next finished connection goes.
func (l *laterReports) room(t *Tracker) *finished {
	if l.gathered == nil {
		l.gathered = l.empty(t)
	}
	l.gathered.n++
	return &l.gathered.list[l.gathered.n-1]
}

// send hands over what was gathered if there are so many.
func (l *laterReports) send(atLeast int) {
	if l.gathered != nil && l.gathered.n >= atLeast {
		l.to <- l.gathered
		l.gathered = nil
	}
}

// empty gives a place to gather in. The attachments that come back with it serve other connections.
func (l *laterReports) empty(t *Tracker) *reports {
	if l.made < underway {
		l.made++
		return &reports{list: make([]finished, handedReports)}
	}
	r := <-l.back
	for i := range r.list[:r.n] {
		if x := r.list[i].attachment; x != nil {
			t.keepSpare(x)
		}
	}
	r.n = 0
	return r
}

// lateCloser concludes connections in the goroutine that calls the sink, and makes their attachments ready for others.
type lateCloser struct {
	closer
	cache   analysis.CertificateCache // for what observers look up at their end
	counted TrackerStats              // by conclude
}

func (r *lateCloser) begin() {
	r.stats = &r.counted
	r.scratch = &attachment{conn: new(analysis.Conn)}
}

// report is the goroutine that calls the sink, or the end of the one that has called it.
func (p *Pipeline) report() {
	for r := range p.toReport {
		p.handOver(r)
	}
}

// handOver gives finished connections to the sink.
func (p *Pipeline) handOver(r *reports) {
	list := r.list[:r.n]
	for i := range list {
		p.sink(p.closer.facts(&list[i]))
		p.closer.recycle(list[i].attachment)
	}
	p.reported <- r
}

// facts are the facts of a finished connection. They are valid until recycle.
func (r *lateCloser) facts(f *finished) *analysis.Facts {
	if f.attachment == nil {
		return r.closer.facts(&f.connection, &f.more)
	}
	conn := f.attachment.conn
	if !f.told {
		conn.Share(&r.cache)
		r.conclude(&f.connection, &f.more, f.attachment)
	}
	return conn.Facts()
}

// recycle empties an attachment that is over, so that little is left to do where it is used again. Nil is none.
func (r *lateCloser) recycle(x *attachment) {
	if x == nil {
		return
	}
	x.empty(&r.buffers) // nothing is lent to it
	x.conn.Reset(netip.AddrPort{}, netip.AddrPort{}, time.Time{})
}
