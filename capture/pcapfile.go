package capture

import (
	"encoding/binary"
	"fmt"
	"io"
	"math/bits"
)

// maxPacket is the largest packet, libpcap's MAXIMUM_SNAPLEN: no capture of a network has larger ones, and a length beyond it is
// the sign of damage.
const maxPacket = 256 << 10

// pcap's fixed sizes in bytes (draft-ietf-opsawg-pcap).
const (
	pcapFileHeader       = 24
	pcapRecordHeader     = 16
	pcapKuznetzovHeader  = 24 // with interface index, protocol and packet type behind the usual fields
	nanosecondsPerSecond = 1_000_000_000
)

// pcapReader reads the records of a pcap file.
type pcapReader struct {
	bigEndian bool
	started   bool     // the file header has been read
	link      LinkType // of all packets
	header    int      // bytes of a record header
	fraction  int64    // nanoseconds in the unit of a record's fraction of a second
}

// newPcapReader returns the reader for files that begin with these four bytes, or nil.
func newPcapReader(head string) *pcapReader {
	if len(head) < 4 {
		return nil
	}
	r := &pcapReader{header: pcapRecordHeader, fraction: 1000}
	for _, r.bigEndian = range []bool{false, true} {
		switch r.uint32([]byte(head)) {
		case 0xa1b2c3d4:
			return r
		case 0xa1b23c4d:
			r.fraction = 1
			return r
		case 0xa1b2cd34:
			r.header = pcapKuznetzovHeader
			return r
		}
	}
	return nil
}

// uint32 reads a field in the file's byte order.
func (r *pcapReader) uint32(b []byte) uint32 {
	v := binary.LittleEndian.Uint32(b)
	if r.bigEndian {
		return bits.ReverseBytes32(v)
	}
	return v
}

// start reads the file header. Version, time zone and snapshot length are not looked at: nobody writes another version than 2.4,
// or a zone, and packets may be larger than the snapshot length.
func (r *pcapReader) start(f *File) error {
	h := f.blocks.peek(pcapFileHeader)
	if len(h) < pcapFileHeader {
		return f.cut(0, "the file header")
	}
	r.link = LinkType(r.uint32(h[20:24])) // the upper 16 bits are about frame check sequences
	f.blocks.take(pcapFileHeader)
	f.stats.Interfaces = 1
	r.started = true
	return nil
}

func (r *pcapReader) next(f *File, p *Packet) error {
	if !r.started {
		if err := r.start(f); err != nil {
			return err
		}
	}
	h := f.blocks.peek(r.header)
	if len(h) < r.header {
		return f.ended(len(h))
	}
	captured, length := r.uint32(h[8:12]), r.uint32(h[12:16])
	if captured > maxPacket {
		return f.corrupt(f.blocks.offset(), fmt.Sprintf("captured length %d is beyond the possible %d", captured, maxPacket))
	}
	p.Time = int64(r.uint32(h))*nanosecondsPerSecond + int64(r.uint32(h[4:8]))*r.fraction
	size := r.header + int(captured)
	record := f.blocks.peek(size) // h is no longer valid
	if len(record) < size {
		return f.cutInPacket()
	}
	f.blocks.take(size)
	p.Data = record[r.header:]
	p.Length = int(length)
	p.Link = r.link
	p.Interface = 0
	return nil
}

// ended says how a file ends that has left fewer bytes than a record header.
func (f *File) ended(left int) error {
	if left == 0 && f.blocks.err == io.EOF {
		return io.EOF
	}
	return f.cutInPacket()
}

func (f *File) cutInPacket() error {
	return f.cut(f.blocks.offset(), fmt.Sprintf("packet %d", f.stats.Packets+1))
}

// corrupt ends the file at a record, beginning at an offset, that cannot be true.
func (f *File) corrupt(at int64, why string) error {
	return f.truncated(at, fmt.Sprintf("damaged after packet %d: %s", f.stats.Packets, why))
}

// cut ends the file where its bytes end in the middle of something that begins at an offset: because the file does, because its
// compressed form is cut off or damaged, or because it cannot be read, which alone is no truncation.
func (f *File) cut(at int64, what string) error {
	if f.input.err != nil {
		return cannotOpen(f.name, f.input.err)
	}
	switch err := f.blocks.err; err {
	case io.EOF, io.ErrUnexpectedEOF:
		return f.truncated(at, "cut off in the middle of "+what)
	default:
		return f.truncated(at, fmt.Sprintf("damaged compressed data (%v) in the middle of %s", err, what))
	}
}

func (f *File) truncated(at int64, reason string) error {
	return &TruncatedError{Name: f.name, Offset: at, Packets: f.stats.Packets, Reason: reason}
}
