package capturetest

import (
	"crypto/tls"
	"encoding/binary"
	"math/rand/v2"
)

// generator writes one capture.
type generator struct {
	*Library
	Options
	random *rand.Rand
	out    *writer
	counts Counts
	now    int64
	open   []*conn // short ones
	long   []*conn
	spare  []*conn
	frames uint16
}

// conn is a connection on its way.
type conn struct {
	*script
	next   int // step
	late   int // a step that comes, or comes again, when lateIn steps have gone by; valid iff lateIn > 0
	lateIn int
	ends   [2]endpoint
	isn    [2]uint32
	ipv6   bool
	vlan   bool
	own    [randomBytes]byte
	bulk   bulk
}

func (g *generator) run() {
	for range g.Long {
		g.long = append(g.long, g.begin(true))
	}
	for g.out.err == nil {
		for len(g.open) < g.Concurrency && g.more() && g.Bulk < 1 {
			g.open = append(g.open, g.begin(false))
		}
		switch {
		case g.Noise > 0 && g.random.Float64() < g.Noise:
			g.noise()
		case len(g.long) > 0 && (len(g.open) == 0 || g.random.Float64() < g.Bulk):
			g.advance(&g.long)
		case len(g.open) > 0:
			g.advance(&g.open)
		default:
			return
		}
	}
}

// more reports whether the capture goes on, for long connections and new ones.
func (g *generator) more() bool {
	return (g.Packets == 0 || g.counts.Packets < g.Packets) && (g.Connections == 0 || g.counts.Connections < int64(g.Connections) || g.Packets > 0 && g.Bulk == 1)
}

// begin makes the next connection.
func (g *generator) begin(long bool) *conn {
	n := uint32(g.counts.Connections)
	s := g.pick(long)
	c := new(conn)
	if k := len(g.spare) - 1; k >= 0 {
		c, g.spare = g.spare[k], g.spare[:k]
	}
	*c = conn{script: s, ipv6: g.chance(g.IPv6), vlan: g.chance(g.VLAN), isn: [2]uint32{g.random.Uint32(), g.random.Uint32()}}
	for i := 0; i < len(c.own); i += 8 {
		binary.LittleEndian.PutUint64(c.own[i:], g.random.Uint64())
	}
	c.bulk = bulk{on: long, from: server}
	if long && n%4 == 3 {
		c.bulk.from = client
	}
	c.address(n)
	g.count(c)
	return c
}

func (g *generator) chance(share float64) bool { return share > 0 && g.random.Float64() < share }

// pick chooses what a connection will be.
func (g *generator) pick(long bool) *script {
	switch {
	case long:
	case g.chance(g.HalfOpen):
		return g.halfOpen[g.counts.Connections%2]
	case g.chance(g.Failing):
		return g.failing[g.random.IntN(len(g.failing))]
	case g.chance(g.Plaintext):
		return g.plaintext
	}
	return g.established[g.counts.Connections%int64(len(g.established))]
}

func (g *generator) count(c *conn) {
	g.counts.Connections++
	g.counts.Outcomes[c.outcome]++
	switch {
	case c.script == g.halfOpen[0], c.script == g.halfOpen[1]:
		g.counts.HalfOpen++
	case c.version == tls.VersionTLS12:
		g.counts.TLS12++
	case c.version == tls.VersionTLS13:
		g.counts.TLS13++
	}
}

// address gives the n-th connection endpoints that no other has: sixteen clients, and sixteen more whenever their ports are used
// up, to three servers. Clients of half-open connections have addresses from everywhere.
func (c *conn) address(n uint32) {
	const ports, clients = 28_000, 16
	host := n%clients + n/(ports*clients)*clients
	source := 10<<24 | 1<<16 | host
	if c.outcome == "no_data" {
		source = n * 2654435761 // odd: no two are the same
	}
	c.ends[client] = endpoint{port: uint16(32768 + n/clients%ports)}
	c.ends[server] = endpoint{port: c.port}
	binary.BigEndian.PutUint32(c.ends[client].ip[12:], source)
	binary.BigEndian.PutUint32(c.ends[server].ip[12:], 10<<24|1+n%3)
	if c.ipv6 {
		c.ends[client].ip[0], c.ends[server].ip[0] = 0xfd, 0xfd
	}
}

// advance writes the next packet of one of the connections, and drops it from the list after its last.
func (g *generator) advance(list *[]*conn) {
	i := g.random.IntN(len(*list))
	c := (*list)[i]
	if c.lateIn > 0 {
		if c.lateIn--; c.lateIn == 0 || c.next == len(c.steps) {
			c.lateIn = 0
			g.write(c, &c.steps[c.late])
			return
		}
	}
	if c.next < len(c.steps) && (c.next != c.closing || !g.bulkStep(c)) {
		g.step(c)
	}
	if c.next == len(c.steps) && c.lateIn == 0 {
		last := len(*list) - 1
		(*list)[i] = (*list)[last]
		*list = (*list)[:last]
		g.spare = append(g.spare, c)
	}
}

// step writes the next step of a script, with the disorder that is asked for.
func (g *generator) step(c *conn) {
	at := c.next
	s := &c.steps[at]
	c.next++
	switch {
	case g.chance(g.Missing):
		g.counts.Missing++
		g.pass()
	case c.lateIn == 0 && c.next < len(c.steps) && c.steps[c.next].from == s.from && c.next != c.closing && g.chance(g.Reordered):
		g.counts.Reordered++
		c.late, c.lateIn = at, 2
	case g.chance(g.Duplicated):
		g.counts.Duplicated++
		g.write(c, s)
		g.write(c, s)
	case c.lateIn == 0 && c.next < len(c.steps) && g.chance(g.Resent):
		g.counts.Resent++
		c.late, c.lateIn = at, 3
		g.write(c, s)
	default:
		g.write(c, s)
	}
}

// pass lets a packet's time go by.
func (g *generator) pass() { g.now += 1 + g.random.Int64N(2*int64(g.Gap)) }

// write writes a packet of a script.
func (g *generator) write(c *conn, s *step) {
	offset := int(s.seq) - 1
	g.packet(c, s.from, s.flags, s.seq, s.ack, s.n, func(b []byte) {
		copy(b, c.streams[s.from][offset:])
		for _, p := range c.patches {
			if p.from != s.from {
				continue
			}
			from, to := max(p.offset, offset), min(p.offset+p.length, offset+s.n)
			if from < to {
				copy(b[from-offset:to-offset], c.own[p.source+from-p.offset:])
			}
		}
	})
}

// packet writes a packet whose payload of n bytes is filled in by fill. seq and ack are relative, without bulk data.
func (g *generator) packet(c *conn, from int, flags uint8, seq, ack uint32, n int, fill func([]byte)) {
	g.pass()
	g.frames++
	s := segment{src: &c.ends[from], dst: &c.ends[1-from], ipv6: c.ipv6, vlan: c.vlan, flags: flags, time: g.now, id: g.frames,
		seq: c.isn[from] + seq + c.bulk.sent[from], ack: c.isn[1-from] + ack + c.bulk.sent[1-from]}
	w := g.out
	w.begin()
	w.buf = s.begin(w.buf, n)
	tcp := len(w.buf) - tcpHeader
	w.buf = w.buf[:len(w.buf)+n]
	if n > 0 {
		fill(w.buf[tcp+tcpHeader:])
	}
	s.finish(w.buf, tcp)
	w.end(g.now)
}

func (g *generator) noise() {
	g.pass()
	g.counts.Noise++
	g.out.begin()
	g.out.buf = append(g.out.buf, noise[g.random.IntN(len(noise))]...)
	g.out.end(g.now)
}
