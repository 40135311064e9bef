package capture

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// fileOf is a pcap file with packets at these seconds. A packet's data are the file's name and its place in it.
func fileOf(t *testing.T, name string, cut int, seconds ...uint32) *File {
	order := binary.LittleEndian
	b := pcapHeader(order, 0xa1b2c3d4, 1)
	for i, s := range seconds {
		data := fmt.Sprint(name, i)
		b = pcapRecord(b, order, s, 0, uint32(len(data)), uint32(len(data)), []byte(data)...)
	}
	return openBytes(t, bytes.NewReader(b[:len(b)-cut]))
}

func TestMerge(t *testing.T) {
	a := func(seconds ...uint32) *File { return fileOf(t, "a", 0, seconds...) }
	b := func(seconds ...uint32) *File { return fileOf(t, "b", 0, seconds...) }
	c := func(seconds ...uint32) *File { return fileOf(t, "c", 0, seconds...) }
	for _, tt := range []struct {
		name      string
		files     []*File
		want      string
		truncated int
	}{
		{"no file", nil, "", 0},
		{"one file keeps its order", []*File{a(3, 1, 2)}, "a0 a1 a2", 0},
		{"one truncated file", []*File{fileOf(t, "a", 1, 1, 2)}, "a0", 1},
		{"empty files", []*File{a(), b(), c(1)}, "c0", 0},
		{"one after the other", []*File{a(4, 5), b(1, 2, 3)}, "b0 b1 b2 a0 a1", 0},
		{"interleaved", []*File{a(1, 4, 7), b(2, 5, 8), c(3, 6, 9)}, "a0 b0 c0 a1 b1 c1 a2 b2 c2", 0},
		{"equal times in file order", []*File{a(1, 1), b(1, 1), c(1, 1)}, "a0 a1 b0 b1 c0 c1", 0},
		{"a file keeps its own order", []*File{a(5, 1, 6), b(2, 7)}, "b0 a0 a1 a2 b1", 0},
		{"truncated ones end", []*File{fileOf(t, "a", 1, 1, 3, 5), b(2, 4, 6), fileOf(t, "c", 2, 1)}, "a0 b0 a1 b1 b2", 2},
	} {
		t.Run(tt.name, func(t *testing.T) {
			m := Merge(tt.files)
			packets, err := readAll(m)
			if err != io.EOF || m.Next(new(Packet)) != io.EOF {
				t.Errorf("ended with %v", err)
			}
			var got []string
			for i, p := range packets {
				got = append(got, string(p.Data))
				if p.Number != int64(i+1) {
					t.Errorf("packet %d has the number %d", i+1, p.Number)
				}
			}
			if diff := cmp.Diff(tt.want, strings.Join(got, " ")); diff != "" {
				t.Error(diff)
			}
			if len(m.Truncated()) != tt.truncated {
				t.Errorf("Truncated() = %v, want %d", m.Truncated(), tt.truncated)
			}
		})
	}
}

func TestMergeAllocatesNothing(t *testing.T) {
	seconds := make([]uint32, 3000)
	m := Merge([]*File{fileOf(t, "a", 0, seconds...), fileOf(t, "b", 0, seconds...)})
	var p Packet
	read := func() {
		if err := m.Next(&p); err != nil {
			t.Fatal(err)
		}
	}
	for range 1500 {
		read()
	}
	if n := testing.AllocsPerRun(1000, read); n != 0 {
		t.Errorf("%v allocations per packet", n)
	}
}
