package capture

import (
	"encoding/binary"
	"io"
	"testing"

	"github.com/etcdtap/etcdtap/analysis"
)

// endless is a pcap file of the same packet, so many bytes long.
type endless struct {
	packet []byte
	left   int
	at     int // in the file header and the packet
}

func (e *endless) Read(p []byte) (n int, err error) {
	if e.left <= 0 {
		return 0, io.EOF
	}
	for n < len(p) {
		k := copy(p[n:], e.packet[e.at:])
		n += k
		if e.at += k; e.at == len(e.packet) {
			e.at = pcapFileHeader // the header comes once
		}
	}
	e.left -= n
	return n, nil
}

// TestBlocksAreBounded: what is not TCP, and TCP that is left out, does not keep the blocks that it lies in.
func TestBlocksAreBounded(t *testing.T) {
	const size = 1400
	file := append([]byte("\xd4\xc3\xb2\xa1\x02\x00\x04\x00"), make([]byte, 12)...)
	file = append(file, 1, 0, 0, 0) // Ethernet
	record := make([]byte, pcapRecordHeader)
	binary.LittleEndian.PutUint32(record[8:], size)
	binary.LittleEndian.PutUint32(record[12:], size)
	file = append(append(file, record...), make([]byte, size)...)
	for _, workers := range []int{1, 2} {
		f, err := OpenReader("-", &endless{packet: file, left: 64 << 20})
		if err != nil {
			t.Fatal(err)
		}
		p := NewPipeline([]*File{f}, PipelineOptions{Workers: workers}, func(*analysis.Facts) {})
		var q Packet
		for err == nil {
			err = p.Next(&q)
			if n := len(p.blocks.left) + len(p.blocks.free); n > (underway+1)*maxLeft {
				t.Fatalf("%d workers: %d blocks are kept at packet %d", workers, n, q.Number)
			}
		}
		if err != io.EOF || q.Number < 40_000 {
			t.Fatalf("%v after %d packets", err, q.Number)
		}
		p.Flush()
		p.Close()
		f.Close()
	}
}
