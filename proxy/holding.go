package proxy

import (
	"time"

	"github.com/etcdtap/etcdtap/analysis"
)

// holding is the connections of which the analysis holds more than it does of any, those first that have shown nothing for longest: the
// beginning of a message whose rest does not come, a hello or certificates that no other has. It is bounded over all of them, as a
// capture's is (capture.TrackerOptions.MaxHeld); how many connections there are is bounded by itself.
type holding struct {
	oldest, newest *watch
	bytes          int
}

// set puts w last, with so many bytes; with none it is out.
func (h *holding) set(w *watch, bytes int) {
	if w.held > 0 {
		if w.older == nil {
			h.oldest = w.newer
		} else {
			w.older.newer = w.newer
		}
		if w.newer == nil {
			h.newest = w.older
		} else {
			w.newer.older = w.older
		}
		w.older, w.newer = nil, nil
	}
	h.bytes += bytes - w.held
	if w.held = bytes; bytes == 0 {
		return
	}
	if w.older = h.newest; w.older == nil {
		h.oldest = w
	} else {
		w.older.newer = w
	}
	h.newest = w
}

// heldAtRest is what the analysis holds of a connection at the least.
var heldAtRest = new(analysis.Conn).Held()

// weigh counts what is held of a connection after an event, and gives others up where that is too much.
func (t *watcher) weigh(e *event) {
	switch e.kind {
	case eventData, eventGap, eventAbandon:
		t.holding.set(e.w, e.w.conn.Held()-heldAtRest)
	}
	for t.holding.bytes > t.s.limits.HeldBytes {
		t.forget(t.holding.oldest, e.at)
	}
}

// forget gives up what is known of a connection, which lives on. What is told of it at its end is that.
func (t *watcher) forget(w *watch, at time.Time) {
	t.holding.set(w, 0)
	w.forgotten, w.told, w.tcp.Evicted = true, true, true
	w.settled.Store(true)
	t.s.counters.evicted.Add(1)
	w.conn = t.conn(w)
	for _, d := range [...]analysis.Direction{analysis.FromClient, analysis.FromServer} {
		w.conn.Gap(d, at, -1)
	}
	w.conn.Close(analysis.FromClient, at, analysis.CloseEvicted)
}
