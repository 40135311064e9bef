package proxy

import (
	"sync"
	"sync/atomic"
	"time"

	"github.com/etcdtap/etcdtap/analysis"
)

// Bounds of the queue. Its bytes are bounded by Limits.QueueBytes.
const (
	maxQueued  = 1 << 16 // data events: as many one-byte reads cost 6 MiB
	keepQueued = 1 << 20 // bytes of an emptied buffer that are kept for the next batch
	maxWatched = 1 << 16 // connections that the watcher has not finished with: it may hang while clients come and go
)

// eventKind is what happened to a connection.
type eventKind uint8

const (
	eventOpen    eventKind = iota
	eventData              // n bytes are in the batch's store
	eventGap               // n bytes did not fit
	eventAbandon           // from here on bytes are only counted
	eventPass              // n bytes passed after eventAbandon
	eventClose
	eventEnd
)

// event is one entry of the queue.
type event struct {
	w    *watch
	at   time.Time
	n    int64
	kind eventKind
	d    analysis.Direction
	how  analysis.CloseKind // of eventClose
	end  *Ended             // of eventEnd
}

// queue carries what happened from the loops to the watcher. Nobody ever waits to put something in: data that does not fit is refused.
// Opening, closing and ending always fit, for they are bounded by the number of connections that are watched.
type queue struct {
	mu     sync.Mutex
	batch  batch
	limit  int // of bytes
	data   int // data events in the batch
	watch  int // connections opened and not yet finished
	closed bool
	ready  chan struct{} // holds one: there is something
	awake  atomic.Bool   // the watcher will look without being told
}

// batch is what the watcher takes at a time.
type batch struct {
	events []event
	store  []byte // the bytes of the data events, one after the other
}

func newQueue(limit int) *queue { return &queue{limit: limit, ready: make(chan struct{}, 1)} }

// open reports whether one more connection can be watched.
func (q *queue) open(e event) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.watch >= maxWatched {
		return false
	}
	q.watch++
	q.batch.events = append(q.batch.events, e)
	return true
}

// put adds an event without bytes.
func (q *queue) put(e event) {
	q.mu.Lock()
	q.batch.events = append(q.batch.events, e)
	q.mu.Unlock()
}

// putBounded adds an event that may come again and again, and reports whether there was room.
func (q *queue) putBounded(e event) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	if len(q.batch.store) >= q.limit || q.data >= maxQueued {
		return false
	}
	q.data++
	q.batch.events = append(q.batch.events, e)
	return true
}

// putData adds bytes, and reports whether they fit. The queue is not allowed to grow past its limit, not even for one event.
func (q *queue) putData(w *watch, d analysis.Direction, at time.Time, p []byte) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	if len(q.batch.store)+len(p) > q.limit || q.data >= maxQueued {
		return false
	}
	q.data++
	q.batch.store = append(q.batch.store, p...)
	q.batch.events = append(q.batch.events, event{w: w, kind: eventData, d: d, at: at, n: int64(len(p))})
	return true
}

// kick wakes the watcher. The loops call it once for all that they put in.
func (q *queue) kick() {
	if q.awake.Load() {
		return
	}
	select {
	case q.ready <- struct{}{}:
	default:
	}
}

// take exchanges what is in the queue for the emptied batch b.
func (q *queue) take(b batch) (_ batch, closed bool) {
	clear(b.events)
	b.events = b.events[:0]
	if b.store = b.store[:0]; cap(b.store) > keepQueued {
		b.store = nil
	}
	if cap(b.events) > maxQueued/8 {
		b.events = nil
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	b, q.batch = q.batch, b
	q.data = 0
	return b, q.closed
}

func (q *queue) finished() {
	q.mu.Lock()
	q.watch--
	q.mu.Unlock()
}

// close makes the watcher end when it has emptied the queue.
func (q *queue) close() {
	q.mu.Lock()
	q.closed = true
	q.mu.Unlock()
	q.kick()
}
