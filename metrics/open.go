package metrics

import (
	"net/netip"
	"slices"
	"sync"

	"github.com/etcdtap/etcdtap/analysis"
)

// maxOpen bounds the connections of which it is remembered what was counted, some 100 bytes each. Of those beyond it, what their end
// changes in the judgement is not counted.
const maxOpen = 1 << 16

// open remembers what was counted of connections that go on, so that their end counts what is new and nothing twice.
type open struct {
	mu    sync.Mutex
	known map[openKey]counted
}

type openKey struct {
	client, server netip.AddrPort
	start          int64 // nanoseconds since the Unix epoch
}

type counted struct {
	outcome analysis.Outcome
	codes   []analysis.Code
}

func keyOf(c *analysis.Connection) openKey {
	return openKey{c.Client, c.Server, c.Start.UnixNano()}
}

// remember keeps what was counted of c.
func (o *open) remember(c *analysis.Connection) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.known == nil {
		o.known = make(map[openKey]counted)
	}
	if len(o.known) >= maxOpen {
		return
	}
	k := counted{outcome: c.Outcome}
	for i := range c.Findings {
		k.codes = append(k.codes, c.Findings[i].Code)
	}
	o.known[keyOf(c)] = k
}

// take returns what was counted of c, and forgets it.
func (o *open) take(c *analysis.Connection) (k counted, found bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	key := keyOf(c)
	k, found = o.known[key]
	delete(o.known, key)
	return k, found
}

// Connection counts a connection by its reports, of whatever stage: all of it with the first, and at its end what that has changed. A
// connection whose outcome is another one at its end counts under both. It keeps nothing of c.
func (m *Metrics) Connection(c *analysis.Connection) {
	if m == nil {
		return
	}
	switch c.Stage {
	case analysis.StageWhole:
		m.first(c)
	case analysis.StageOpen: // a second one is there when a line of the log was joined to it
		if k, found := m.open.take(c); found {
			m.changed(c, &k)
		} else {
			m.first(c)
		}
		m.open.remember(c)
	case analysis.StageUpdate:
		if k, found := m.open.take(c); found {
			m.changed(c, &k)
		}
	case analysis.StageEnd:
		m.open.take(c)
	}
}

func (m *Metrics) changed(c *analysis.Connection, k *counted) {
	if c.Outcome != k.outcome {
		m.connections[c.Endpoint][c.Outcome].Inc()
	}
	for i := range c.Findings {
		if !slices.Contains(k.codes, c.Findings[i].Code) {
			m.finding(&c.Findings[i])
		}
	}
}
