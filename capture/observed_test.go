package capture

import (
	"fmt"
	"strings"
	"testing"
)

// TestObserversAreBounded: connections that send something and stall, however many and however much, do not take more memory than all of
// them may: those silent longest are given up, and counted.
func TestObserversAreBounded(t *testing.T) {
	begin := "\x01\x00\xff\xff\x03\x03" // of a ClientHello of 65,535 bytes
	for name, data := range map[string]string{"a byte": "\x16", "a record without its end": "\x16\x03\x01\x40\x00" + begin + strings.Repeat("x", 16_000),
		"a message without its end": strings.Repeat("\x16\x03\x01\x20\x06"+begin+strings.Repeat("x", 0x2000), 3)} {
		t.Run(name, func(t *testing.T) {
			const most, flood = 1 << 20, 2000
			r := newRig(TrackerOptions{MaxObserved: most, ServerPorts: etcdPorts})
			peak := 0
			for i := range flood {
				port := uint16(10_000 + i)
				r.play([]sent{from(port, sent{flags: syn, seq: 99}), answer(port, sent{flags: syn | ack, seq: 499, ack: 100})})
				for at := 0; at < len(data); at += 1400 {
					piece := data[at:min(at+1400, len(data))]
					r.play([]sent{from(port, sent{flags: ack, seq: uint32(100 + at), ack: 500, data: piece})})
					peak = max(peak, r.observed)
				}
			}
			oneMore := 3<<10 + 2*1400
			if peak > most+oneMore {
				t.Errorf("observers hold %d bytes, at most %d are allowed", peak, most)
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

// TestObserversAreCounted: what observers are counted with is what they hold, in whatever order things come and go.
func TestObserversAreCounted(t *testing.T) {
	r := newRig(TrackerOptions{MaxObserved: 1 << 30, ServerPorts: etcdPorts})
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
		held := 0
		for _, x := range r.attachments {
			if x != nil {
				held += x.conn.Held()
			}
		}
		if held != r.observed {
			t.Fatalf("counted are %d bytes, held %d", r.observed, held)
		}
	}
	if want := 17 * (1005 + 505); r.observed < want {
		t.Errorf("%d bytes counted, want at least %d", r.observed, want)
	}
	r.Flush()
	r.checkEmpty(t)
}
