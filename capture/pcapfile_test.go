package capture

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"strings"
	"testing"
)

func TestPcapStats(t *testing.T) {
	f := openBytes(t, bytes.NewReader(samplePcap()[0].bytes))
	if _, err := readAll(f); err != io.EOF {
		t.Fatal(err)
	}
	s := f.Stats()
	if s.Packets != 4 || s.Bytes != 50 || s.Cut != 1 || s.Inverted != 1 || s.Interfaces != 1 {
		t.Errorf("got %+v", s)
	}
}

// wantDamaged reads a file and wants so many packets and then a truncation at an offset for a reason.
func wantDamaged(t *testing.T, file []byte, packets int, offset int, reason string) {
	t.Helper()
	got, err := readAll(openBytes(t, bytes.NewReader(file)))
	var truncated *TruncatedError
	if !errors.As(err, &truncated) {
		t.Fatalf("%T %v, want a *TruncatedError", err, err)
	}
	if len(got) != packets || truncated.Packets != int64(packets) || truncated.Offset != int64(offset) ||
		!strings.Contains(truncated.Reason, reason) {
		t.Errorf("%d packets and %q, want %d, and at byte %d: %s", len(got), err, packets, offset, reason)
	}
	checkOneLine(t, err.Error())
}

func TestPcapDamagedRecord(t *testing.T) {
	order := binary.LittleEndian
	file := pcapRecord(pcapHeader(order, 0xa1b2c3d4, 1), order, 1, 2, 3, 3, 1, 2, 3)
	at := len(file)
	for _, captured := range []uint32{maxPacket + 1, 0x7fffffff, 0xffffffff} {
		wantDamaged(t, pcapRecord(file, order, 1, 2, captured, 3, make([]byte, 100)...), 1, at, "beyond the possible 262144")
	}
	wantDamaged(t, pcapRecord(file, order, 1, 2, 101, 101, make([]byte, 100)...), 1, at, "cut off in the middle of packet 2")
	wantDamaged(t, file[:10], 0, 0, "cut off in the middle of the file header")
}

// Compressed data that is damaged later on gives the packets before it.
func TestDamagedCompression(t *testing.T) {
	order := binary.LittleEndian
	file := pcapHeader(order, 0xa1b2c3d4, 1)
	for i := range uint32(10_000) {
		file = pcapRecord(file, order, i, i*i%1000, 4, 4, byte(i), byte(i>>3), byte(i*7), byte(i>>5))
	}
	for name, packed := range map[string][]byte{"gzip": gzipped(file), "zstd": zstandard(file)} {
		packed[len(packed)-3] ^= 0xff // in the checksum, or the last block
		got, err := readAll(openBytes(t, bytes.NewReader(packed)))
		var truncated *TruncatedError
		if !errors.As(err, &truncated) || !strings.Contains(err.Error(), "damaged compressed data") {
			t.Errorf("%s: %d packets and %v", name, len(got), err)
		}
	}
}

// A bomb is read as a stream: its packets are as many as it says, and no more than a block of it is in memory.
func TestCompressionBomb(t *testing.T) {
	order := binary.LittleEndian
	file := pcapHeader(order, 0xa1b2c3d4, 1)
	record := pcapRecord(nil, order, 0, 0, 60_000, 60_000, make([]byte, 60_000)...)
	file = append(file, bytes.Repeat(record, 500)...)
	f := openBytes(t, bytes.NewReader(gzipped(gzipped(file))))
	var p Packet
	for f.Next(&p) == nil {
		if len(f.blocks.buf) > 2*fullBlock {
			t.Fatalf("a buffer of %d bytes", len(f.blocks.buf))
		}
	}
	if f.Stats().Packets != 500 {
		t.Errorf("%d packets, want 500", f.Stats().Packets)
	}
}

// benchmarkRead reads a file of equal packets over and over; a packet is an operation.
func benchmarkRead(b *testing.B, file []byte, packets int) {
	b.ReportAllocs()
	b.SetBytes(int64(len(file) / packets))
	source := bytes.NewReader(nil)
	var p Packet
	b.ResetTimer()
	for done := 0; done < b.N; {
		source.Reset(file)
		f, err := Open("-", source)
		if err != nil {
			b.Fatal(err)
		}
		for done < b.N && f.Next(&p) == nil {
			done++
		}
		if f.err != nil && f.err != io.EOF {
			b.Fatal(f.err)
		}
		f.Close()
	}
}

func BenchmarkPcap(b *testing.B) {
	const packets = 100_000
	order := binary.LittleEndian
	file := pcapHeader(order, 0xa1b2c3d4, 1)
	for i := range uint32(packets) {
		file = pcapRecord(file, order, second, i, 400, 400, make([]byte, 400)...)
	}
	benchmarkRead(b, file, packets)
}

func BenchmarkPcapng(b *testing.B) {
	const packets = 100_000
	w := &pcapngFile{}
	w.section(binary.LittleEndian)
	w.iface(LinkEthernet, 0)
	for i := range uint64(packets) {
		w.packet(0, second*1e6+i, 400, make([]byte, 400))
	}
	benchmarkRead(b, w.b, packets)
}
