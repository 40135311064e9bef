package capture

import (
	"bytes"
	"encoding/binary"
	"io"
	"slices"
	"testing"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
)

// pcapHeader writes the header of a pcap file.
func pcapHeader(order binary.AppendByteOrder, magic uint32, link uint32) []byte {
	b := order.AppendUint32(nil, magic)
	b = order.AppendUint16(b, 2)
	b = order.AppendUint16(b, 4)
	b = append(b, make([]byte, 8)...) // time zone and accuracy, always 0
	b = order.AppendUint32(b, maxPacket)
	return order.AppendUint32(b, link)
}

// pcapRecord appends a record with its fields as given, true or not.
func pcapRecord(b []byte, order binary.AppendByteOrder, seconds, fraction, captured, length uint32, rest ...byte) []byte {
	for _, field := range []uint32{seconds, fraction, captured, length} {
		b = order.AppendUint32(b, field)
	}
	return append(b, rest...)
}

// pcapngFile writes pcapng blocks in one byte order at a time.
type pcapngFile struct {
	order binary.AppendByteOrder
	b     []byte
}

func (w *pcapngFile) block(kind uint32, body ...[]byte) {
	whole := bytes.Join(body, nil)
	for len(whole)%4 != 0 {
		whole = append(whole, 0)
	}
	size := uint32(len(whole) + minBlock)
	w.b = w.order.AppendUint32(w.b, kind)
	w.b = w.order.AppendUint32(w.b, size)
	w.b = append(w.b, whole...)
	w.b = w.order.AppendUint32(w.b, size)
}

func (w *pcapngFile) numbers(v ...uint32) []byte {
	var b []byte
	for _, v := range v {
		b = w.order.AppendUint32(b, v)
	}
	return b
}

// option writes one option, padded.
func (w *pcapngFile) option(code uint16, value string) []byte {
	b := w.order.AppendUint16(nil, code)
	b = w.order.AppendUint16(b, uint16(len(value)))
	b = append(b, value...)
	return append(b, make([]byte, -len(b)&3)...)
}

func (w *pcapngFile) counter(code uint16, v uint64) []byte {
	return w.option(code, string(w.order.AppendUint64(nil, v)))
}

func (w *pcapngFile) section(order binary.AppendByteOrder) {
	w.order = order
	w.block(blockSection, w.numbers(0x1a2b3c4d), order.AppendUint16(order.AppendUint16(nil, 1), 0),
		[]byte{255, 255, 255, 255, 255, 255, 255, 255}, w.option(4, "a test"), w.option(0, ""))
}

func (w *pcapngFile) iface(link LinkType, snapshot uint32, options ...[]byte) {
	head := w.order.AppendUint16(w.order.AppendUint16(nil, uint16(link)), 0)
	w.block(blockInterface, head, w.numbers(snapshot), bytes.Join(options, nil))
}

func (w *pcapngFile) packet(index uint32, ticks uint64, length int, data []byte, options ...[]byte) {
	w.block(blockEnhancedPacket, w.numbers(index, uint32(ticks>>32), uint32(ticks), uint32(len(data)), uint32(length)),
		data, make([]byte, -len(data)&3), bytes.Join(options, nil))
}

func gzipped(b []byte) []byte {
	var out bytes.Buffer
	z := gzip.NewWriter(&out)
	z.Write(b)
	z.Close()
	return out.Bytes()
}

func zstandard(b []byte) []byte {
	z, err := zstd.NewWriter(nil)
	if err != nil {
		panic(err)
	}
	defer z.Close()
	return z.EncodeAll(b, nil)
}

// readAll reads a source to its end and keeps copies of the packets.
func readAll(s Source) ([]Packet, error) {
	var all []Packet
	for {
		var p Packet
		if err := s.Next(&p); err != nil {
			return all, err
		}
		p.Data = slices.Clone(p.Data)
		all = append(all, p)
	}
}

// openBytes opens a file that lies in memory.
func openBytes(t testing.TB, r io.Reader) *File {
	t.Helper()
	f, err := Open("-", r)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	return f
}

// sampleFile is a whole file of some kind and what is in it.
type sampleFile struct {
	name  string
	bytes []byte
	want  []Packet
}

// second is the time of all sample packets: 2026-01-02 03:04:05 UTC.
const second = 1767323045

// samplePcap is a file of each kind of pcap, compressed ones included.
func samplePcap() []sampleFile {
	var all []sampleFile
	for _, k := range []struct {
		name     string
		order    binary.AppendByteOrder
		magic    uint32
		fraction int64
		extra    int // bytes of the record header after the usual ones
	}{
		{"little-endian microseconds", binary.LittleEndian, 0xa1b2c3d4, 1000, 0},
		{"big-endian microseconds", binary.BigEndian, 0xa1b2c3d4, 1000, 0},
		{"little-endian nanoseconds", binary.LittleEndian, 0xa1b23c4d, 1, 0},
		{"big-endian nanoseconds", binary.BigEndian, 0xa1b23c4d, 1, 0},
		{"Kuznetzov", binary.LittleEndian, 0xa1b2cd34, 1000, 8},
	} {
		s := sampleFile{name: k.name}
		s.bytes = pcapHeader(k.order, k.magic, 0x10000000|uint32(LinkLinuxSLL2))
		add := func(fraction, length uint32, data string) {
			rest := append(make([]byte, k.extra), data...)
			s.bytes = pcapRecord(s.bytes, k.order, second, fraction, uint32(len(data)), length, rest...)
			s.want = append(s.want, Packet{Number: int64(len(s.want) + 1), Time: second*1e9 + int64(fraction)*k.fraction,
				Data: []byte(data), Length: max(int(length), len(data)), Link: LinkLinuxSLL2})
		}
		add(1, 6, "packet")
		add(999999, 1500, "cut by the snapshot length")
		add(2, 3, "longer than it was")
		add(3, 0, "")
		all = append(all, s)
	}
	plain := all[0]
	return append(all,
		sampleFile{"gzip", gzipped(plain.bytes), plain.want},
		sampleFile{"zstd", zstandard(plain.bytes), plain.want},
		sampleFile{"zstd in gzip", gzipped(zstandard(plain.bytes)), plain.want},
		sampleFile{"two gzip members", append(gzipped(plain.bytes[:30]), gzipped(plain.bytes[30:])...), plain.want},
	)
}

// samplePcapng is a file of two sections with all that can be in one.
func samplePcapng(first, second binary.AppendByteOrder) []byte {
	w := &pcapngFile{}
	w.section(first)
	w.block(0x00000bad, w.numbers(32473), []byte("custom"))
	w.iface(LinkEthernet, maxPacket, w.option(2, "eth0"), w.option(9, "\x09"))
	w.iface(LinkLinuxSLL2, 0, w.option(2, "any"), w.counter(14, 1_000_000_000)) // microseconds from 2001 on
	w.block(blockSecrets, w.numbers(SecretsTLSKeyLog, 5), []byte("key 1"))
	w.packet(0, 1767323045_000000001, 8, []byte("ethernet"))
	w.packet(1, 767323045_000002, 1500, []byte("cooked"), w.option(1, "a comment"), w.counter(4, 3), w.option(0, ""))
	w.block(blockSimplePacket, w.numbers(6), []byte("simple"))
	w.packet(7, 0, 4, []byte("lost")) // no such interface
	w.block(blockStatistics, w.numbers(0, 0, 0), w.counter(4, 100), w.counter(5, 1), w.counter(7, 10), w.option(0, ""))
	w.block(blockStatistics, w.numbers(0, 0, 0), w.counter(5, 5), w.counter(7, 20))
	w.block(4, w.numbers(0))
	w.section(second)
	w.block(0x40000bad, w.numbers(32473))
	w.iface(LinkRaw, 4, w.option(9, "\x8a"))
	w.block(blockOldPacket, w.order.AppendUint16(w.order.AppendUint16(nil, 0), 2), // 2 drops
		w.numbers(uint32((1767323045<<10+512)>>32), uint32(1767323045<<10&0xffffffff+512), 3, 3), []byte("old"))
	w.block(blockSimplePacket, w.numbers(6), []byte("simp"))
	w.block(blockStatistics, w.numbers(0, 0, 0), w.counter(5, 7))
	w.block(blockSecrets, w.numbers(0x57474b4c, 5), []byte("key 2"))
	return w.b
}

func samplePcapngPackets() []Packet {
	return []Packet{
		{Number: 1, Time: 1767323045_000000001, Data: []byte("ethernet"), Length: 8, Link: LinkEthernet},
		{Number: 2, Time: 1767323045_000002000, Data: []byte("cooked"), Length: 1500, Link: LinkLinuxSLL2, Interface: 1},
		{Number: 3, Time: 1767323045_000002000, Data: []byte("simple"), Length: 6, Link: LinkEthernet},
		{Number: 4, Time: 1767323045_500000000, Data: []byte("old"), Length: 3, Link: LinkRaw, Interface: 2},
		{Number: 5, Time: 1767323045_500000000, Data: []byte("simp"), Length: 6, Link: LinkRaw, Interface: 2},
	}
}

// sampleFiles is a file of each kind.
func sampleFiles() []sampleFile {
	little, big := binary.LittleEndian, binary.BigEndian
	want := samplePcapngPackets()
	return append(samplePcap(),
		sampleFile{"pcapng little-endian", samplePcapng(little, little), want},
		sampleFile{"pcapng big-endian", samplePcapng(big, big), want},
		sampleFile{"pcapng of two byte orders", samplePcapng(big, little), want},
		sampleFile{"pcapng gzip", gzipped(samplePcapng(little, big)), want},
		sampleFile{"pcapng zstd", zstandard(samplePcapng(little, big)), want},
	)
}
