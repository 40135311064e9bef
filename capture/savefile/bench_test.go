package savefile

import (
	"io"
	"path/filepath"
	"testing"
	"time"

	"github.com/etcdtap/etcdtap/capture"
)

// TestNoAllocation: neither a packet nor a made-up segment takes memory, with rotation on or off.
func TestNoAllocation(t *testing.T) {
	for _, o := range []Options{{}, {RotateSize: 1 << 40, RotateEvery: time.Hour}, {Unbuffered: true}} {
		o.Name, o.Interfaces = filepath.Join(t.TempDir(), "f"), []Interface{{Link: capture.LinkEthernet}, {Link: capture.LinkRaw}}
		w := mustCreate(t, o)
		p := testPacket(1, 1514)
		c := NewConversation(w, client4, server4)
		c.Interface = 1
		strict{t, c}.must(c.Open(testTime))
		payload := make([]byte, 20_000)
		if n := testing.AllocsPerRun(1000, func() {
			mustWrite(t, w, p)
			strict{t, c}.Data(fromServer, testTime, payload)
		}); n != 0 {
			t.Errorf("%+v: %v allocations a packet", o, n)
		}
	}
}

// BenchmarkPacket writes packets of a full Ethernet frame to a file.
func BenchmarkPacket(b *testing.B) {
	for name, o := range map[string]Options{"plain": {}, "rotating": {RotateSize: 100e6, Files: 2, RotateEvery: time.Hour}} {
		b.Run(name, func(b *testing.B) {
			o.Name, o.Interfaces = filepath.Join(b.TempDir(), "f"), ethernet()
			if name == "plain" {
				o.Name = "/dev/null"
			}
			w := mustCreate(b, o)
			p := testPacket(1, 1514)
			b.SetBytes(int64(len(p.Data)))
			b.ReportAllocs()
			for b.Loop() {
				mustWrite(b, w, p)
			}
		})
	}
}

// BenchmarkConversation makes packets of 16 KiB reads, checksums included.
func BenchmarkConversation(b *testing.B) {
	w := mustCreate(b, Options{Name: "-", Stdout: io.Discard, Interfaces: []Interface{{Link: capture.LinkRaw}}})
	c := NewConversation(w, client4, server4)
	payload := make([]byte, 16<<10)
	b.SetBytes(int64(len(payload)))
	b.ReportAllocs()
	for b.Loop() {
		strict{b, c}.Data(fromServer, testTime, payload)
	}
}
