package capture

import (
	"bytes"
	"encoding/binary"
	"io"
	"math"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestPcapngStats(t *testing.T) {
	f := openBytes(t, bytes.NewReader(samplePcapng(binary.BigEndian, binary.LittleEndian)))
	if _, err := readAll(f); err != io.EOF {
		t.Fatal(err)
	}
	want := Stats{
		Packets: 5, Bytes: 27, Cut: 2, Untimed: 2, Interfaces: 3, NoInterface: 1,
		InterfaceDrops: 12, SystemDrops: 20, PacketDrops: 5,
		Skipped: []BlockCount{{0xbad, 1}, {4, 1}, {0x40000bad, 1}},
	}
	if diff := cmp.Diff(want, f.Stats()); diff != "" {
		t.Error(diff)
	}
	if s := f.Stats(); s.Dropped() != 32 {
		t.Errorf("Dropped() = %d, want 32", s.Dropped())
	}
	secrets := []Secrets{{SecretsTLSKeyLog, []byte("key 1")}, {0x57474b4c, []byte("key 2")}}
	if diff := cmp.Diff(secrets, f.Secrets()); diff != "" {
		t.Error(diff)
	}
}

func TestPcapngDamaged(t *testing.T) {
	start := &pcapngFile{}
	start.section(binary.BigEndian)
	start.iface(LinkEthernet, 0)
	start.packet(0, 1, 3, []byte("one"))
	at := len(start.b)
	for _, tt := range []struct {
		name, reason string
		write        func(w *pcapngFile)
	}{
		{"length at the end differs", "says 36 bytes at its start and 40 at its end", func(w *pcapngFile) {
			w.packet(0, 1, 3, []byte("two"))
			w.b[len(w.b)-1] = 40
		}},
		{"length at the end of a skipped block differs", "at its end", func(w *pcapngFile) {
			w.block(0xbad, w.numbers(1, 2, 3))
			w.b[len(w.b)-1] = 0
		}},
		{"length too small", "impossible length 8", func(w *pcapngFile) { w.b = append(w.b, w.numbers(6, 8, 8)...) }},
		{"length not of 32-bit words", "impossible length 33", func(w *pcapngFile) { w.b = append(w.b, w.numbers(6, 33, 8)...) }},
		{"length too large", "impossible length", func(w *pcapngFile) { w.b = append(w.b, w.numbers(6, 0xfffffffc, 8)...) }},
		{"packet longer than its block", "longer packet than itself", func(w *pcapngFile) {
			w.block(blockEnhancedPacket, w.numbers(0, 0, 0, 5, 5), []byte("two "))
		}},
		{"packet block too short", "too short for a packet", func(w *pcapngFile) { w.block(blockEnhancedPacket, w.numbers(0, 0, 0)) }},
		{"old packet block too short", "too short for a packet", func(w *pcapngFile) { w.block(blockOldPacket) }},
		{"simple packet block too short", "too short for a packet", func(w *pcapngFile) { w.block(blockSimplePacket) }},
		{"interface too short", "too short for an interface", func(w *pcapngFile) { w.block(blockInterface, w.numbers(1)) }},
		{"statistics too short", "too short for statistics", func(w *pcapngFile) { w.block(blockStatistics, w.numbers(0)) }},
		{"section too short", "too short for a section", func(w *pcapngFile) { w.block(blockSection, w.numbers(0x1a2b3c4d)) }},
		{"section of version 2", "version that is not 1", func(w *pcapngFile) {
			w.block(blockSection, w.numbers(0x1a2b3c4d, 2<<16, 0, 0))
		}},
		{"section in no byte order", "byte-order magic", func(w *pcapngFile) { w.block(blockSection, w.numbers(1, 2, 3, 4)) }},
		{"secrets longer than their block", "longer secrets", func(w *pcapngFile) { w.block(blockSecrets, w.numbers(1, 9, 1, 2)) }},
		{"cut in a packet", "cut off in the middle of packet 2", func(w *pcapngFile) { w.b = append(w.b, w.numbers(6, 1<<30, 0)...) }},
		{"cut in a large block", "cut off in the middle of a block after packet 1", func(w *pcapngFile) {
			w.b = append(w.b, w.numbers(0xbad, 1<<30, 0)...)
		}},
		{"cut in large secrets", "cut off in the middle of a block after packet 1", func(w *pcapngFile) {
			w.b = append(w.b, w.numbers(blockSecrets, maxSecrets, SecretsTLSKeyLog, maxSecrets-64, 0)...)
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := &pcapngFile{order: start.order, b: bytes.Clone(start.b)}
			tt.write(w)
			wantDamaged(t, w.b, 1, at, tt.reason)
		})
	}
}

// What is beyond a bound is passed over and counted, and what follows is read.
func TestPcapngBounds(t *testing.T) {
	w := &pcapngFile{}
	w.section(binary.LittleEndian)
	for range maxInterfaces + 1 {
		w.iface(LinkEthernet, 0)
	}
	w.packet(maxInterfaces, 1, 1, []byte("x"))
	w.packet(0, 1, maxPacket+1, make([]byte, maxPacket+1))
	w.block(blockEnhancedPacket, w.numbers(0, 0, 0, 1, 1), make([]byte, maxRecord))
	w.block(blockSecrets, w.numbers(1, maxSecrets-100), make([]byte, maxSecrets-100))
	w.block(blockSecrets, w.numbers(1, 101), make([]byte, 101))
	for kind := range uint32(maxBlockTypes + 3) {
		w.block(1<<30+kind, nil)
	}
	w.packet(maxInterfaces-1, 1, 4, []byte("last"))
	f := openBytes(t, bytes.NewReader(w.b))
	got, err := readAll(f)
	if err != io.EOF || len(got) != 1 || string(got[0].Data) != "last" || got[0].Interface != maxInterfaces-1 {
		t.Errorf("%d packets and %v", len(got), err)
	}
	s := f.Stats()
	if s.NoInterface != 1 || s.Oversized != 2 || s.SecretsDropped != 1 || len(s.Skipped) != maxBlockTypes || s.SkippedOther != 3 {
		t.Errorf("got %+v", s)
	}
	if len(f.Secrets()) != 1 {
		t.Errorf("%d secrets, want 1", len(f.Secrets()))
	}
}

func TestClock(t *testing.T) {
	for _, tt := range []struct {
		name       string
		resolution byte
		offset     int64
		ticks      uint64
		want       int64
	}{
		{"seconds", 0, 0, 3, 3e9},
		{"milliseconds", 3, 0, 3, 3e6},
		{"nanoseconds", 9, 0, 3, 3},
		{"picoseconds", 12, 0, 3999, 3},
		{"10^-28 s", 28, 0, math.MaxUint64, 1},
		{"10^-29 s", 29, 0, 12345, 0},
		{"10^-127 s", 127, 0, math.MaxUint64, 1},
		{"binary seconds", 0x80, 0, 3, 3e9},
		{"halves", 0x81, 0, 3, 1.5e9},
		{"2^-32 s", 0x80 | 32, 0, 3<<32 | 1<<31, 3.5e9},
		{"2^-63 s", 0x80 | 63, 0, 3 << 62, 1.5e9},
		{"2^-64 s", 0x80 | 64, 0, 1 << 63, 0.5e9},
		{"2^-127 s", 0x80 | 127, 0, math.MaxUint64, 0},
		{"offset", 6, 10, 1, 10_000_001_000},
		{"negative offset", 6, -10, 1, -10e9 + 1000},
		{"beyond 2262", 0, 0, math.MaxUint64, math.MaxInt64},
		{"offset beyond 2262", 9, math.MaxInt64, math.MaxInt64, math.MaxInt64},
		{"offset before 1677", 9, math.MinInt64, 0, -9223372036e9},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c := clock{offset: tt.offset}
			c.resolution(tt.resolution)
			if got := c.nanoseconds(tt.ticks); got != tt.want {
				t.Errorf("got %d, want %d", got, tt.want)
			}
		})
	}
}

// TestHandshakesOnly: the mark is a comment of its own in a section header, in either byte order, and speaks of that section only.
func TestHandshakesOnly(t *testing.T) {
	section := func(w *pcapngFile, order binary.AppendByteOrder, options ...[]byte) {
		w.order = order
		w.block(blockSection, w.numbers(0x1a2b3c4d), order.AppendUint16(order.AppendUint16(nil, 1), 0),
			[]byte{255, 255, 255, 255, 255, 255, 255, 255}, bytes.Join(options, nil))
		w.iface(LinkRaw, 0)
		w.packet(0, 1, 1, []byte("x"))
	}
	w := &pcapngFile{order: binary.LittleEndian}
	mark := func() []byte { return w.option(optionComment, HandshakesOnly) }
	section(w, binary.LittleEndian, w.option(4, "etcdtap v1"), mark(), w.option(optionComment, "ticket 42"), w.option(0, ""))
	section(w, binary.LittleEndian, w.option(optionComment, "ticket 42"), w.option(0, ""))
	section(w, binary.LittleEndian, w.option(optionComment, HandshakesOnly+"\n"), w.option(0, ""))
	section(w, binary.LittleEndian, w.option(3, HandshakesOnly), w.option(0, ""))
	w.order = binary.BigEndian
	section(w, binary.BigEndian, mark())
	section(w, binary.LittleEndian)
	f := openBytes(t, bytes.NewReader(w.b))
	if f.HandshakesOnly() {
		t.Error("the mark is said to be there before anything was read")
	}
	for i, want := range []bool{true, false, false, false, true, false} {
		var p Packet
		if err := f.Next(&p); err != nil {
			t.Fatal(err)
		}
		if got := f.HandshakesOnly(); got != want {
			t.Errorf("section %d: HandshakesOnly is %v, want %v", i, got, want)
		}
	}
}
