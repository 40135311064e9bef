package capture

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"testing"
)

// FuzzMerge reads three files of any bytes as one capture: each packet comes once and is numbered, those of a file in its order, and of
// files whose times run forward the earliest first. What is wrong with one file keeps no other from being read.
func FuzzMerge(f *testing.F) {
	file := func(times ...uint32) []byte {
		b := pcapHeader(binary.LittleEndian, 0xa1b2c3d4, 1)
		for _, at := range times {
			b = pcapRecord(b, binary.LittleEndian, at, 0, 1, 60, byte(at))
		}
		return b
	}
	f.Add(file(1, 4, 5), file(2, 2, 9), file(3))
	f.Add(file(5, 1, 9), file(), file(2, 3)[:60])
	f.Add(file(5, 1), samplePcapng(binary.LittleEndian, binary.BigEndian), []byte("x"))
	f.Fuzz(func(t *testing.T, a, b, c []byte) {
		var files []*File
		var alone []Packet // of all files, one after the other
		forward := true
		for _, one := range [][]byte{a, b, c} {
			file, err := OpenReader("merged", bytes.NewReader(one))
			if err != nil {
				continue
			}
			files = append(files, file)
			again, _ := OpenReader("alone", bytes.NewReader(one))
			packets, err := readAll(again)
			if truncated := (*TruncatedError)(nil); err != io.EOF && !errors.As(err, &truncated) {
				t.Fatal(err)
			}
			for i := 1; i < len(packets); i++ {
				forward = forward && packets[i-1].Time <= packets[i].Time
			}
			alone = append(alone, packets...)
		}
		merged := Merge(files)
		var p Packet
		seen, last := map[[2]int64]int{}, int64(-1<<63)
		n := 0
		for ; ; n++ {
			err := merged.Next(&p)
			if err == io.EOF {
				break
			}
			if err != nil || p.Number != int64(n+1) || n >= len(alone) {
				t.Fatalf("packet %d of %d is number %d: %v", n+1, len(alone), p.Number, err)
			}
			if forward && p.Time < last {
				t.Fatalf("packet %d goes back from %d to %d", n+1, last, p.Time)
			}
			last = p.Time
			seen[[2]int64{p.Time, int64(p.Length)}]++
		}
		for i := range alone {
			seen[[2]int64{alone[i].Time, int64(alone[i].Length)}]--
		}
		for which, left := range seen {
			if left != 0 {
				t.Errorf("the packet of time and length %v came %d times too often", which, left)
			}
		}
		if n != len(alone) {
			t.Errorf("%d packets, want %d", n, len(alone))
		}
	})
}
