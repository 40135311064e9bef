package proxy

import (
	"bytes"
	"net/netip"
	"sync/atomic"
	"testing"
	"time"

	"github.com/etcdtap/etcdtap/analysis"
)

// TestHeldIsBounded: clients that send the beginning of a long message and stall make the analysis hold no more than it may. Those that have
// shown nothing for longest are forgotten, and nobody else.
func TestHeldIsBounded(t *testing.T) {
	const most, flood = 1 << 20, 100
	r := &recorder{}
	s := &Server{Observer: r}
	s.limits = Limits{HeldBytes: most}.withDefaults()
	s.queue = newQueue(s.limits.QueueBytes)
	w := &watcher{s: s}
	at := time.Unix(1_750_000_000, 0)
	begin := append([]byte{22, 3, 1, 0x40, 0, 1, 0, 0xff, 0xff, 3, 3}, bytes.Repeat([]byte{7}, 0x4000-6)...)
	begin = append(begin, 22, 3, 1, 0x40, 0)
	var watches []*watch
	open := func() *watch {
		c := &Connection{At: at, Client: netip.MustParseAddrPort("192.0.2.1:1"), Upstream: netip.MustParseAddrPort("192.0.2.2:2379")}
		v := &watch{c: c, tls: new(atomic.Bool)}
		watches = append(watches, v)
		w.event(&event{w: v, kind: eventOpen, at: at}, nil)
		return v
	}
	data := func(v *watch, d analysis.Direction, p []byte) {
		w.event(&event{w: v, kind: eventData, d: d, at: at, n: int64(len(p))}, p)
	}
	alert := []byte{21, 3, 3, 0, 2, 1, 90}
	calm := open()
	data(calm, analysis.FromClient, alert)
	for i := range flood {
		v := open()
		data(v, analysis.FromClient, begin)
		data(v, analysis.FromClient, bytes.Repeat([]byte{7}, 5000))
		if i == 0 {
			data(v, analysis.FromServer, alert)
		}
		held := 0
		for _, x := range watches {
			held += x.conn.Held() - heldAtRest
		}
		if held > most || held != w.holding.bytes {
			t.Fatalf("after %d connections %d bytes are held and %d counted, at most %d are allowed", i+1, held, w.holding.bytes, most)
		}
	}
	n := s.Stats().Evicted
	if n == 0 || n > flood-most/70_000 {
		t.Errorf("%d are forgotten", n)
	}
	for i, v := range watches {
		if want := i > 0 && int64(i) <= n; v.forgotten != want || v.settled.Load() != want {
			t.Errorf("connection %d: forgotten %v, settled %v, want %v", i, v.forgotten, v.settled.Load(), want)
		}
		if v.forgotten {
			data(v, analysis.FromClient, begin) // what was on its way
		}
		w.event(&event{w: v, kind: eventClose, d: analysis.FromClient, at: at, how: analysis.CloseFIN}, nil)
		w.event(&event{w: v, kind: eventEnd, at: at, end: &Ended{At: at}}, nil)
	}
	if h := w.holding; h != (holding{}) {
		t.Errorf("left: %+v", h)
	}
	evicted := 0
	for _, f := range r.facts {
		if f.Ended == analysis.CloseEvicted && f.TCP.Evicted {
			evicted++
		}
	}
	if got := s.Stats(); int64(evicted) != got.Evicted || len(r.facts) != flood+1 || got.Panics != 0 {
		t.Errorf("%d ends say so, %d counted, %d ended, %d panics", evicted, got.Evicted, len(r.facts), got.Panics)
	}
}
