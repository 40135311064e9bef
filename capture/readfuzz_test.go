package capture

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"testing"
)

// What one input of a fuzz target is read for at most: a small one can decompress to terabytes.
const (
	fuzzedPackets = 20_000
	fuzzedBytes   = 16 << 20
)

// checkReading reads a file of any bytes and checks what holds for all.
func checkReading(t *testing.T, input []byte) {
	f, err := Open("-", bytes.NewReader(input))
	if err != nil {
		var open *OpenError
		if !errors.As(err, &open) {
			t.Fatalf("Open gives %T %v, want an *OpenError", err, err)
		}
		checkOneLine(t, err.Error())
		return
	}
	defer f.Close()
	f.blocks.r = io.LimitReader(f.blocks.r, fuzzedBytes)
	var p Packet
	for range fuzzedPackets {
		before := f.blocks.offset()
		if err = f.Next(&p); err != nil {
			break
		}
		if p.Length < len(p.Data) || p.Number != f.Stats().Packets || len(p.Data) > maxPacket || p.Interface < 0 {
			t.Fatalf("impossible packet %+v", p)
		}
		if f.blocks.offset() <= before {
			t.Fatal("no progress")
		}
	}
	if len(f.blocks.buf) > 2*maxRecord || f.secretBytes > maxSecrets+minBlock {
		t.Fatalf("a buffer of %d bytes, %d bytes of secrets", len(f.blocks.buf), f.secretBytes)
	}
	var truncated *TruncatedError
	if err != nil && err != io.EOF && !errors.As(err, &truncated) {
		t.Fatalf("ended with %T %v", err, err)
	}
	if truncated != nil {
		checkOneLine(t, err.Error())
	}
}

func FuzzPcap(f *testing.F) {
	for _, s := range samplePcap()[:5] {
		f.Add(s.bytes[:pcapFileHeader], s.bytes[pcapFileHeader:])
	}
	f.Fuzz(func(t *testing.T, header, records []byte) {
		copied := append([]byte("\xd4\xc3\xb2\xa1"), header[min(4, len(header)):]...)
		if newPcapReader(string(header[:min(4, len(header))])) != nil {
			copied = bytes.Clone(header)
		}
		checkReading(t, append(copied, records...))
	})
}

func FuzzPcapng(f *testing.F) {
	f.Add(samplePcapng(binary.LittleEndian, binary.BigEndian))
	f.Add(samplePcapng(binary.BigEndian, binary.LittleEndian))
	f.Fuzz(func(t *testing.T, blocks []byte) {
		w := &pcapngFile{}
		w.section(binary.LittleEndian)
		checkReading(t, append(w.b, blocks...))
	})
}

func FuzzOpen(f *testing.F) {
	for _, s := range sampleFiles() {
		f.Add(s.bytes)
	}
	for _, k := range knownFiles() {
		f.Add([]byte(k.magic))
	}
	f.Fuzz(checkReading)
}
