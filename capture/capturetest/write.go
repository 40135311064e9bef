package capturetest

import (
	"encoding/binary"
	"io"
)

// flushAt is how much is gathered before it is written, in bytes.
const flushAt = 256 << 10

// writer writes packets as pcap with microseconds, or as pcapng with nanoseconds.
type writer struct {
	w      io.Writer
	buf    []byte
	pcapng bool
	snap   int // 0: whole packets
	start  int // of the packet's record, in buf
	counts *Counts
	err    error
}

// Record headers in bytes, up to the packet.
const (
	pcapRecord   = 16
	pcapngRecord = 28
)

func newWriter(w io.Writer, o *Options, c *Counts) *writer {
	out := &writer{w: w, pcapng: o.Pcapng, snap: o.SnapLen, counts: c, buf: make([]byte, 0, flushAt+pcapngRecord+maxFrame+8)}
	le, snap := binary.LittleEndian, uint32(o.SnapLen)
	if snap == 0 {
		snap = 262144
	}
	numbers := []uint32{0xa1b2c3d4, 4<<16 | 2, 0, 0, snap, 1}
	if o.Pcapng {
		numbers = []uint32{0x0a0d0d0a, 28, 0x1a2b3c4d, 1, 0xffffffff, 0xffffffff, 28, // section
			1, 32, 1, snap, 1<<16 | 9, 9, 0, 32} // interface: Ethernet, if_tsresol 10^-9
	}
	for _, n := range numbers {
		out.buf = le.AppendUint32(out.buf, n)
	}
	return out
}

// begin leaves room for a record's header; the packet is appended to buf behind it.
func (w *writer) begin() {
	w.start = len(w.buf)
	header := pcapRecord
	if w.pcapng {
		header = pcapngRecord
	}
	w.buf = w.buf[:w.start+header]
}

// end completes the record of the packet that was appended since begin.
func (w *writer) end(at int64) {
	le, header := binary.LittleEndian, pcapRecord
	if w.pcapng {
		header = pcapngRecord
	}
	length := len(w.buf) - w.start - header
	captured := length
	if w.snap > 0 && captured > w.snap {
		captured = w.snap
		w.buf = w.buf[:w.start+header+captured]
	}
	w.counts.Packets++
	w.counts.Bytes += int64(captured)
	h := w.buf[w.start : w.start+header]
	if w.pcapng {
		w.buf = append(w.buf, make([]byte, -captured&3)...)
		size := uint32(len(w.buf) - w.start + 4)
		w.buf = le.AppendUint32(w.buf, size)
		le.PutUint32(h, 6)
		le.PutUint32(h[4:], size)
		le.PutUint32(h[8:], 0)
		le.PutUint32(h[12:], uint32(at>>32))
		le.PutUint32(h[16:], uint32(at))
		h = h[12:]
	} else {
		le.PutUint32(h, uint32(at/1e9))
		le.PutUint32(h[4:], uint32(at%1e9/1e3))
	}
	le.PutUint32(h[8:], uint32(captured))
	le.PutUint32(h[12:], uint32(length))
	if len(w.buf) >= flushAt {
		w.flush()
	}
}

// flush writes what was gathered. After an error nothing more is written.
func (w *writer) flush() {
	if w.err == nil {
		_, w.err = w.w.Write(w.buf)
	}
	w.buf = w.buf[:0]
}
