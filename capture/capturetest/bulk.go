package capturetest

import "crypto/tls"

// Sizes of the records of long connections: full ones, with what AES-GCM and, in TLS 1.3, the hidden type add.
const (
	fullRecord     = 16 << 10
	recordHeader   = 5
	overheadTLS12  = 24
	overheadTLS13  = 17
	acknowledgedBy = 4 // segments that one acknowledgement is for, as receive offload makes it
)

// bulk is the state of a long connection between its handshake and its end.
type bulk struct {
	on     bool
	from   int
	sent   [2]uint32 // beyond what the script has sent
	left   int       // of the current record
	unseen int       // segments that are not acknowledged
	filled int       // place in the filler
}

// bulkStep writes a packet of bulk data; false when the connection has none left.
func (g *generator) bulkStep(c *conn) bool {
	b := &c.bulk
	if !b.on || b.unseen == 0 && b.left == 0 && !g.more() {
		b.on = false
		return false
	}
	at := c.steps[c.closing] // tells both sides' numbers after what the script has sent so far
	seq, ack := at.seq, at.ack
	if at.from != b.from {
		seq, ack = ack, seq
	}
	if b.unseen == acknowledgedBy || b.unseen > 0 && b.left == 0 && !g.more() {
		b.unseen = 0
		g.packet(c, 1-b.from, flagACK, ack, seq, 0, nil)
		return true
	}
	n, flags := mss, uint8(flagACK)
	if !g.more() {
		n, flags = min(n, b.left), flagACK|flagPSH
	}
	g.packet(c, b.from, flags, seq, ack, n, func(p []byte) { g.records(c, p) })
	b.sent[b.from] += uint32(n)
	b.unseen++
	return true
}

// records fills p with the next bytes of the stream of records.
func (g *generator) records(c *conn, p []byte) {
	b := &c.bulk
	if b.filled+len(p) > len(g.filler) {
		b.filled = 0
	}
	b.filled += copy(p, g.filler[b.filled:])
	length := fullRecord + overheadTLS13
	if c.version == tls.VersionTLS12 {
		length = fullRecord + overheadTLS12
	}
	header := [recordHeader]byte{23, 3, 3, byte(length >> 8), byte(length & 0xff)}
	for len(p) > 0 {
		if b.left == 0 {
			b.left = recordHeader + length
		}
		if done := recordHeader + length - b.left; done < recordHeader {
			copy(p, header[done:])
		}
		n := min(b.left, len(p))
		p = p[n:]
		b.left -= n
	}
}
