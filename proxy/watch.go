package proxy

import (
	"runtime/debug"
	"sync/atomic"
	"time"

	"github.com/etcdtap/etcdtap/analysis"
	"github.com/etcdtap/etcdtap/analysis/tlswire"
	"go.uber.org/zap"
)

// watch is one connection in the watcher's hands. All but the atomic belongs to the watcher, lost and the like to the loop.
type watch struct {
	c       *Connection
	settled atomic.Bool // the watcher wants no more bytes

	// The watcher's.
	conn      *analysis.Conn
	tcp       analysis.TCPFacts
	abandoned bool
	answered  bool         // the server has sent something
	told      bool         // the Observer knows enough until the end
	forgotten bool         // what was known of it was given up: bytes are only counted
	held      int          // bytes that the analysis holds of it, as counted in watcher.holding
	older     *watch       // in watcher.holding; valid iff held > 0
	newer     *watch       // likewise
	seen      time.Time    // of the last event with bytes, or the first
	tls       *atomic.Bool // set when it is a handshake: the upstream speaks TLS

	// The loop's.
	shown    int64    // bytes put into the queue, both directions
	lost     [2]int64 // bytes that did not fit, not yet told
	lostAt   [2]time.Time
	passed   [2]int64 // bytes since eventAbandon, not yet told
	passedAt [2]time.Time
	last     [2]tail // the end of passed
	counting bool    // eventAbandon was put in
}

// maxTail is how many of a stream's last bytes are kept while they are only counted: the longest alert of TLS 1.2 that is not padded
// for the sake of it has 85 (CBC and SHA-384), and it is the last record that says how the sender took its leave.
const maxTail = 96

// tail is the end of what passed uncopied through nobody's eyes. Bytes that were spliced are not known: then it is empty.
type tail struct {
	bytes [maxTail]byte
	n     uint8
}

// keep takes what passed last.
func (t *tail) keep(p []byte) {
	t.n = uint8(copy(t.bytes[:], p[max(0, len(p)-maxTail):]))
}

// open begins the watch of c, whose dial is over. nil when the watcher is too far behind.
func (s *Server) open(c *Connection, tls *atomic.Bool) *watch {
	if s.queue == nil {
		return nil
	}
	w := &watch{c: c, tls: tls}
	if !s.queue.open(event{w: w, kind: eventOpen, at: c.At}) {
		s.counters.unobserved.Add(1)
		return nil
	}
	return w
}

// saw tells what was forwarded. It never blocks, and nothing that it does can fail.
func (w *watch) saw(s *Server, d analysis.Direction, at time.Time, p []byte) {
	if !w.counting && (w.settled.Load() || w.shown >= s.limits.ObserveBytes) {
		w.abandon(s, at)
	}
	if w.counting {
		w.count(d, at, int64(len(p)))
		w.last[d].keep(p)
		return
	}
	w.tellLost(s, d)
	w.shown += int64(len(p))
	if w.lost[d] > 0 || !s.queue.putData(w, d, at, p) {
		w.lost[d] += int64(len(p))
		w.lostAt[d] = at
		s.counters.lost.Add(int64(len(p)))
	}
}

// abandon makes the rest of the connection one number per direction.
func (w *watch) abandon(s *Server, at time.Time) {
	w.tellAll(s, analysis.FromClient)
	w.tellAll(s, analysis.FromServer)
	s.queue.put(event{w: w, kind: eventAbandon, at: at})
	w.counting = true
}

// count tells that n bytes passed, whatever they are.
func (w *watch) count(d analysis.Direction, at time.Time, n int64) {
	w.passed[d] += n
	w.passedAt[d] = at
	w.last[d].n = 0
}

// tellLost puts the gap of d into the queue, before anything that comes after it.
func (w *watch) tellLost(s *Server, d analysis.Direction) {
	if w.lost[d] > 0 && s.queue.putBounded(event{w: w, kind: eventGap, d: d, at: w.lostAt[d], n: w.lost[d]}) {
		w.lost[d] = 0
	}
}

// tellAll puts into the queue what is only counted so far.
func (w *watch) tellAll(s *Server, d analysis.Direction) {
	if n := w.lost[d]; n > 0 {
		s.queue.put(event{w: w, kind: eventGap, d: d, at: w.lostAt[d], n: n})
		w.lost[d] = 0
	}
	if n := w.passed[d]; n > 0 {
		w.tellPassed(s, d, n)
		w.passed[d] = 0
	}
}

// tellPassed tells of the last n bytes how many there were, and shows the end of them, where it is known and there is room.
func (w *watch) tellPassed(s *Server, d analysis.Direction, n int64) {
	last := w.last[d].bytes[:w.last[d].n]
	w.last[d].n = 0
	if rest := n - int64(len(last)); rest > 0 {
		s.queue.put(event{w: w, kind: eventPass, d: d, at: w.passedAt[d], n: rest})
	}
	if len(last) > 0 && !s.queue.putData(w, d, w.passedAt[d], last) {
		s.queue.put(event{w: w, kind: eventPass, d: d, at: w.passedAt[d], n: int64(len(last))})
	}
}

func (w *watch) close(s *Server, d analysis.Direction, at time.Time, how analysis.CloseKind) {
	w.tellAll(s, d)
	s.queue.put(event{w: w, kind: eventClose, d: d, at: at, how: how})
}

func (w *watch) end(s *Server, e Ended) {
	w.tellAll(s, analysis.FromClient)
	w.tellAll(s, analysis.FromServer)
	s.queue.put(event{w: w, kind: eventEnd, at: e.At, end: &e})
}

// watcher takes what the loops saw to those who want it.
type watcher struct {
	s     *Server
	cache analysis.CertificateCache
	early looks
	batch batch
	ended bool // the queue is closed and empty

	holding holding
}

// watcherLag is how long the watcher lets events gather once there are some: a handshake is some ten of them, and to be woken for each by
// a loop on another processor costs more than to analyse them. Nobody sees a report that is late by as much. While there is something
// each time it looks, nobody has to wake it at all. The first of a quiet time it sees at once: the client's process may not live long.
const watcherLag = 8 * time.Millisecond

// watchAll runs until the queue is closed and empty.
func (s *Server) watchAll() {
	t := &watcher{s: s}
	every := time.NewTicker(lookEvery)
	defer every.Stop()
	tick := every.C
	if s.Observer == nil {
		tick = nil
	}
	for !t.ended {
		select {
		case <-s.queue.ready:
			t.attend(tick)
		case now := <-tick:
			t.take()
			t.lookAround(now)
		}
	}
}

// attend looks again and again until nothing has come.
func (t *watcher) attend(tick <-chan time.Time) {
	q := t.s.queue
	q.awake.Store(true)
	for some := t.take(); some && !t.ended; {
		time.Sleep(watcherLag)
		some = t.take()
		select {
		case now := <-tick:
			t.lookAround(now)
		default:
		}
	}
	q.awake.Store(false)
	t.take() // what came before the loops knew that they have to wake us
}

// take handles all that is in the queue, and reports whether there was something.
func (t *watcher) take() (some bool) {
	for {
		var closed bool
		t.batch, closed = t.s.queue.take(t.batch)
		if len(t.batch.events) == 0 {
			t.ended = t.ended || closed
			return some
		}
		some = true
		store := t.batch.store
		for i := range t.batch.events {
			e := &t.batch.events[i]
			var p []byte
			if e.kind == eventData {
				p, store = store[:e.n], store[e.n:]
			}
			t.event(e, p)
		}
	}
}

// event handles one event. A panic costs what it was about, and no more.
func (t *watcher) event(e *event, p []byte) {
	t.guard(e, func() {
		t.analyse(e, p)
		t.weigh(e)
	})
	if tap := t.s.Tap; tap != nil {
		t.guard(nil, func() { t.tap(tap, e, p) })
	}
	t.guard(nil, func() { t.tell(e) })
	if e.kind == eventEnd {
		t.holding.set(e.w, 0)
		t.s.queue.finished()
	}
}

// guard runs f. When it panics in the analysis, what the analysis knew is no longer to be trusted: it begins anew, after a gap.
func (t *watcher) guard(e *event, f func()) {
	defer func() {
		r := recover()
		if r == nil {
			return
		}
		if t.s.counters.panics.Add(1) == 1 {
			t.s.log.Error("what observes has panicked; the connections live on", zap.Any("panic", r), zap.ByteString("stack", debug.Stack()))
		}
		if e != nil && e.kind != eventEnd {
			e.w.conn = t.conn(e.w)
			for _, d := range [...]analysis.Direction{analysis.FromClient, analysis.FromServer} {
				e.w.conn.Gap(d, e.at, -1)
			}
		}
	}()
	f()
}

func (t *watcher) conn(w *watch) *analysis.Conn {
	conn := analysis.NewConn(w.c.Client, w.c.Upstream, w.c.At)
	conn.Share(&t.cache)
	if t.s.Observe != nil {
		t.s.Observe(conn)
	}
	return conn
}

// analyse tells the analysis.Conn.
func (t *watcher) analyse(e *event, p []byte) {
	w := e.w
	switch e.kind {
	case eventOpen:
		w.conn, w.seen = t.conn(w), e.at
		w.tcp = analysis.TCPFacts{Established: w.c.DialError == nil, Refused: w.c.Refused, SYN: w.c.TimedOut}
	case eventData:
		w.seen = e.at
		if w.forgotten {
			w.conn.Pass(e.d, e.at, e.n)
		} else {
			w.conn.Data(e.d, e.at, p)
		}
		if e.d == analysis.FromServer && !w.answered {
			w.answered = true
			if len(p) > 1 && p[0] == byte(tlswire.ContentTypeHandshake) && p[1] == 3 {
				w.tls.Store(true)
			}
		}
	case eventGap:
		w.conn.Gap(e.d, e.at, e.n)
	case eventAbandon:
		w.abandoned = true
		w.conn.Abandon(analysis.FromClient)
		w.conn.Abandon(analysis.FromServer)
	case eventPass:
		w.conn.Pass(e.d, e.at, e.n)
	case eventClose:
		w.conn.Close(e.d, e.at, e.how)
	case eventEnd:
		w.conn.SetTCP(w.tcp, false, e.at)
	}
}

// tell tells the Observer.
func (t *watcher) tell(e *event) {
	w, o := e.w, t.s.Observer
	switch e.kind {
	case eventOpen:
		if o != nil {
			o.Opened(w.c)
			t.early.push(w)
		}
	case eventData, eventGap, eventAbandon:
		if w.settled.Load() || !w.abandoned && !w.conn.Settled() {
			return
		}
		w.settled.Store(true)
		w.conn.SetTCP(w.tcp, false, e.at)
		if o != nil && !w.told {
			w.told = true
			o.Settled(w.c, w.conn.Peek(e.at, analysis.CloseNone))
		}
	case eventEnd:
		facts := w.conn.Facts()
		w.conn = nil
		if o != nil {
			o.Ended(w.c, facts, *e.end)
		}
	}
}

// tap tells the Tap.
func (t *watcher) tap(tap Tap, e *event, p []byte) {
	switch c := e.w.c; e.kind {
	case eventOpen:
		tap.Open(c)
	case eventData:
		tap.Data(c, e.d, e.at, p)
	case eventGap, eventPass:
		tap.Gap(c, e.d, e.at, e.n)
	case eventClose:
		tap.Close(c, e.d, e.at, e.how)
	case eventEnd:
		tap.End(c)
	}
}
