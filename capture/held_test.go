package capture

import (
	"fmt"
	"strings"
	"testing"
	"unsafe"
)

// TestHeldIsBounded: connections that send something and stall, however many and however much, do not take more memory than all of
// them may: those silent longest are given up, and counted.
func TestHeldIsBounded(t *testing.T) {
	begin := "\x01\x00\xff\xff\x03\x03" // of a ClientHello of 65,535 bytes
	for name, data := range map[string]string{"a byte": "\x16", "a record without its end": "\x16\x03\x01\x40\x00" + begin + strings.Repeat("x", 16_000),
		"a message without its end": strings.Repeat("\x16\x03\x01\x20\x06"+begin+strings.Repeat("x", 0x2000), 3)} {
		t.Run(name, func(t *testing.T) {
			const most, flood = 1 << 20, 2000
			r := newRig(TrackerOptions{MaxHeld: most, ServerPorts: etcdPorts})
			peak := 0
			for i := range flood {
				port := uint16(10_000 + i)
				r.play([]sent{from(port, sent{flags: syn, seq: 99}), answer(port, sent{flags: syn | ack, seq: 499, ack: 100})})
				for at := 0; at < len(data); at += 1400 {
					piece := data[at:min(at+1400, len(data))]
					r.play([]sent{from(port, sent{flags: ack, seq: uint32(100 + at), ack: 500, data: piece})})
					peak = max(peak, r.held)
				}
			}
			oneMore := 3<<10 + 2*1400
			if peak > most+oneMore {
				t.Errorf("%d bytes are held, at most %d are allowed", peak, most)
			}
			if s := r.Stats(); s.Evicted == 0 || s.Evicted != int64(len(r.got)) || s.Evicted+int64(r.Active()) != flood {
				t.Errorf("%d given up, %d handed over, %d active of %d", s.Evicted, len(r.got), r.Active(), flood)
			}
			if want := fmt.Sprint(10_000, " evicted"); r.order()[0] != want {
				t.Errorf("the first is %q, want %q", r.order()[0], want)
			}
			r.Flush()
			r.checkEmpty(t)
		})
	}
}

// TestListsAreHeld: pieces before their turn of which no byte was captured, or is wanted, take room in lists all the same, and still do when
// their turn has come.
func TestListsAreHeld(t *testing.T) {
	const most, flood, pieces = 1 << 20, 200, 200
	for _, filled := range []bool{false, true} {
		r := newRig(TrackerOptions{MaxHeld: most, ServerPorts: etcdPorts})
		peak := 0
		for i := range flood {
			port := uint16(10_000 + i)
			r.play([]sent{from(port, sent{flags: syn, seq: 99}), answer(port, sent{flags: syn | ack, seq: 499, ack: 100})})
			for k := range uint32(pieces) {
				r.play([]sent{from(port, sent{flags: ack, seq: 110 + 2*k, ack: 500, wire: 1})})
			}
			if filled {
				r.play([]sent{from(port, sent{flags: ack, seq: 100, ack: 500, wire: 2 * pieces})})
			}
			taken := 0
			for _, x := range r.attachments {
				if x != nil {
					taken += (cap(x.store[0].held) + cap(x.store[1].held)) * int(unsafe.Sizeof(held{}))
				}
			}
			peak = max(peak, taken)
		}
		if oneMore := pieces * bytesOfHeld; peak > most+oneMore {
			t.Errorf("filled %v: lists take %d bytes, at most %d are allowed", filled, peak, most)
		}
		if s := r.Stats(); s.Evicted == 0 || s.Evicted+int64(r.Active()) != flood {
			t.Errorf("filled %v: %d given up, %d active of %d", filled, s.Evicted, r.Active(), flood)
		}
		r.Flush()
		r.checkEmpty(t)
	}
}

// TestHeldIsCounted: what connections are counted with is what they and their observers hold, in whatever order things come and go.
func TestHeldIsCounted(t *testing.T) {
	r := newRig(TrackerOptions{MaxHeld: 1 << 30, ServerPorts: etcdPorts})
	for i := range 50 {
		port := uint16(10_000 + i)
		r.play([]sent{
			from(port, sent{flags: syn, seq: 99}), answer(port, sent{flags: syn | ack, seq: 499, ack: 100}),
			from(port, sent{flags: ack, seq: 100, ack: 500, data: "\x16\x03\x01\x40\x00" + strings.Repeat("x", 1000)}),
			answer(port, sent{flags: ack, seq: 500, ack: 1105, data: "\x16\x03\x03\x20\x00" + strings.Repeat("y", 500)}),
		})
		if i%3 == 0 {
			r.play([]sent{from(port, sent{flags: rst, seq: 1105})})
		}
		held := r.active.length * heldByConnection
		for _, x := range r.attachments {
			if x != nil {
				held += x.conn.Held() + x.listed
			}
		}
		if held != r.held {
			t.Fatalf("counted are %d bytes, held %d", r.held, held)
		}
	}
	if want := 33*heldByConnection + 17*(1005+505); r.held < want {
		t.Errorf("%d bytes counted, want at least %d", r.held, want)
	}
	r.Flush()
	r.checkEmpty(t)
}

// TestFloodIsBoundedByMemory: half-open connections are kept until what all may hold is used up, and those that become more than half-open
// push the others out without any new one.
func TestFloodIsBoundedByMemory(t *testing.T) {
	const most = 1000 * heldByEmbryo
	r := newRig(TrackerOptions{MaxHeld: most, ServerPorts: etcdPorts})
	for i := range 1500 {
		r.play([]sent{from(uint16(10_000+i), sent{flags: syn, seq: 99})})
		if r.held > most+heldByEmbryo {
			t.Fatalf("%d bytes are held after %d connections, at most %d are allowed", r.held, i+1, most)
		}
	}
	if n := r.Active(); n < 999 || n > 1001 {
		t.Errorf("%d half-open connections are kept, want 1000", n)
	}
	for i := 600; i < 1500; i++ {
		r.play([]sent{from(uint16(10_000+i), sent{flags: fin | ack, seq: 100, ack: 500})})
		if r.held > most+heldByConnection {
			t.Fatalf("%d bytes are held after %d have closed, at most %d are allowed", r.held, i-599, most)
		}
	}
	if n, want := r.Active(), most/heldByConnection; n < want-2 || n > want+2 {
		t.Errorf("%d half-closed connections are kept, want %d", n, want)
	}
	r.Flush()
	r.checkEmpty(t)
}
