package capture

import (
	"encoding/binary"
	"testing"
	"time"

	"github.com/etcdtap/etcdtap/analysis"
)

// FuzzTracker plays what playScript makes.
func FuzzTracker(f *testing.F) {
	f.Add([]byte{0, syn, 99, 0, 0, 0, 0, 0, 1, syn | ack, 99, 0, 100, 0, 0, 0, 0, ack, 100, 0, 100, 5, 5, 0})
	f.Add([]byte{0, ack, 100, 0, 0, 9, 9, 0, 0, ack, 120, 0, 0, 9, 9, 0, 1, ack, 0, 0, 130, 0, 0, 0, 0, ack, 110, 0, 0, 20, 5, 0, 0, fin | ack, 140, 0, 0, 0, 0, 0})
	f.Add([]byte{0x82, ack, 0, 255, 0, 255, 255, 0, 0x82, ack, 0, 1, 0, 255, 3, 9, 2, rst, 0, 1, 0, 0, 0, 9})
	f.Fuzz(func(t *testing.T, script []byte) {
		var bytes, missed, begun, ended int64
		tr := NewTracker(TrackerOptions{MaxConnections: 3, MaxHeld: 10 << 10, ServerPorts: etcdPorts}, func(f *analysis.Facts) {
			ended++
			for d, s := range f.Stream {
				if s.Bytes < s.Missed || s.Missed < 0 {
					t.Fatalf("%s: %d bytes, %d missed", analysis.Direction(d), s.Bytes, s.Missed)
				}
				bytes += s.Bytes
				missed += s.Missed
			}
		})
		var sent int64
		playScript(script, func(p *Packet, s *Segment) {
			sent += int64(len(s.Payload))
			tr.Segment(p, s)
			tr.check(t)
		})
		begun = tr.Stats().Connections
		tr.Flush()
		if begun != ended {
			t.Fatalf("%d connections begun, %d handed over", begun, ended)
		}
		if bytes-missed > sent {
			t.Fatalf("%d bytes captured of %d", bytes-missed, sent)
		}
		(&rig{Tracker: tr}).checkEmpty(t)
	})
}

// playScript makes segments of eight bytes each: who and flags, sequence number, acknowledgement, length, time.
func playScript(script []byte, take func(p *Packet, s *Segment)) {
	hello := append([]byte{22, 3, 1, 0, 200, 1, 0, 0, 196, 3, 3}, make([]byte, 600)...)
	p := Packet{Time: 1e18}
	for ; len(script) >= 8; script = script[8:] {
		who := script[0]
		s := Segment{Src: hosts[0], Dst: hosts[1], SrcPort: 1000 + uint16(who>>1&3), DstPort: 2379, Flags: script[1] & 0x1F}
		if who&1 != 0 {
			s.Src, s.Dst, s.SrcPort, s.DstPort = s.Dst, s.Src, s.DstPort, s.SrcPort
		}
		s.Seq = uint32(binary.LittleEndian.Uint16(script[2:]))
		if who&0x80 != 0 {
			s.Seq <<= 16
		}
		if who&0x40 != 0 {
			s.Seq -= 1 << 15
		}
		s.Ack = uint32(script[4]) << (who >> 3 & 7 * 2)
		s.Length = int(script[5])
		if who&0x20 != 0 {
			s.Length *= 250
		}
		s.Payload = hello[:min(s.Length, int(script[6]))]
		p.Number++
		p.Time += int64(script[7]) * int64(100*time.Millisecond)
		take(&p, &s)
	}
}

// check verifies what must be true of a tracker between any two packets.
func (t *Tracker) check(tb testing.TB) {
	tb.Helper()
	for i := t.active.head; i != 0; i = t.table.links(i).next {
		t.checkStreams(tb, i)
	}
	for _, q := range []*queue[uint32]{&t.lingering, &t.unsettled} {
		for _, i := range q.items[q.head:] {
			t.checkStreams(tb, i)
		}
	}
}

func (t *Tracker) checkStreams(tb testing.TB, i uint32) {
	tb.Helper()
	if i&embryonic != 0 {
		return
	}
	c := t.table.at(i)
	if !c.attached() {
		return
	}
	for d := range c.half {
		t.checkStream(tb, &c.half[d], &t.attachments[c.stream].store[d])
	}
}

func (t *Tracker) checkStream(tb testing.TB, h *half, s *store) {
	tb.Helper()
	if len(s.held) > maxHeldPieces || s.heldBytes > maxHeldBytes || len(s.kept) > keptForComparison {
		tb.Fatalf("%d pieces, %d bytes held, %d kept", len(s.held), s.heldBytes, len(s.kept))
	}
	at, bytes := h.next, 0
	for i := range s.held {
		p := &s.held[i]
		if ahead(p.seq, at) < 0 || p.length <= 0 || len(p.data) > p.length {
			tb.Fatalf("held piece %d is [%d, +%d) with %d bytes, at %d", i, p.seq, p.length, len(p.data), at)
		}
		at = p.end()
		bytes += len(p.data)
	}
	if bytes != s.heldBytes {
		tb.Fatalf("%d bytes held, counted as %d", bytes, s.heldBytes)
	}
	if len(s.held) > 0 && !h.is(halfWaiting) {
		tb.Fatal("held pieces, but nobody waits")
	}
}
