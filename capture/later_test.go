package capture

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/etcdtap/etcdtap/analysis"
	"github.com/etcdtap/etcdtap/capture/capturetest"
)

// told is what a pipeline has told in all.
type told struct {
	Facts []string
	Stats TrackerStats
}

// describeFacts is all that there is in facts, but for where it is in memory.
func describeFacts(f *analysis.Facts) string {
	c := *f
	c.TLS = nil
	s := fmt.Sprintf("%+v", c)
	if t := f.TLS; t != nil {
		s += fmt.Sprintf(" TLS %v %v resumed=%v encrypted=%+v alerts=%+v shape=%+v request=%+v", t.Version, t.CipherSuite, t.Resumed, t.Encrypted, t.Alerts, f.Shape(), t.CertificateRequest)
		for _, v := range t.Violations {
			s += fmt.Sprintf(" %v %v", v.Err, v.Packet)
		}
		for d := range t.Certificates {
			for _, x := range t.Certificates[d].Chain {
				s += fmt.Sprintf(" %x", x.SHA256)
			}
		}
	}
	return s
}

// pipe gives a pipeline to feed, and returns what it tells.
func pipe(t *testing.T, o PipelineOptions, files []*File, feed func(p *Pipeline)) (got told) {
	t.Helper()
	o.ServerPorts = etcdPorts
	p := NewPipeline(files, o, func(f *analysis.Facts) { got.Facts = append(got.Facts, describeFacts(f)) })
	defer p.Close()
	feed(p)
	p.Flush()
	got.Stats = p.Stats()
	if p.tracker.held != 0 {
		t.Errorf("%d bytes are still observed", p.tracker.held)
	}
	if a, b := p.tracker.buffers.lent, p.closer.buffers.lent; a != 0 || b != 0 || p.closer.buffers.spare != 0 {
		t.Errorf("%d bytes are still lent by who tracks, %d by who concludes, who has %d", a, b, p.closer.buffers.spare)
	}
	rest := p.closer.counted
	rest.Gaps, rest.MissedBytes = 0, 0
	if rest != (TrackerStats{}) {
		t.Errorf("concluding has counted %+v, which Stats leaves out", rest)
	}
	return got
}

// sameForAllWorkers reports what a pipeline tells with any number of workers.
func sameForAllWorkers(t *testing.T, name string, run func(o PipelineOptions) told) told {
	t.Helper()
	one := run(PipelineOptions{Workers: 1})
	for workers := 2; workers <= 3; workers++ {
		if diff := cmp.Diff(one, run(PipelineOptions{Workers: workers})); diff != "" {
			t.Fatalf("%s: %d workers tell something else than one (-one +more):\n%s", name, workers, diff)
		}
	}
	return one
}

// disorder is a script for playScript in which nothing fits: any flags, numbers, acknowledgements and times.
func disorder(r *rand.Rand, n int) []byte {
	script := make([]byte, 8*n)
	for i := range script {
		script[i] = byte(r.Uint32())
	}
	for ; len(script) > 0 && r.IntN(2) == 0; script = script[8:] {
		script[7] = 0 // in one go
	}
	return script
}

// life is a script in which connections are opened, send, and end by FINs and RSTs, with segments lost, swapped and sent again.
func life(r *rand.Rand, n int) []byte {
	var script []byte
	for range n {
		var packets [][]byte
		who := byte(r.IntN(4) << 1)
		next := [2]uint16{100, 50}
		send := func(from byte, flags byte, length byte) {
			b := []byte{who | from, flags, 0, 0, byte(next[1-from]), length, length, byte(r.IntN(2))}
			binary.LittleEndian.PutUint16(b[2:], next[from])
			next[from] += uint16(length)
			if flags&(syn|fin) != 0 {
				next[from]++
			}
			packets = append(packets, b)
		}
		send(0, syn, 0)
		send(1, syn|ack, 0)
		send(0, ack, 0)
		for range r.IntN(4) {
			send(byte(r.IntN(2)), ack, byte(r.IntN(12)))
		}
		send(byte(r.IntN(2)), []byte{ack, fin | ack, rst | ack}[r.IntN(3)], 0)
		send(byte(r.IntN(2)), []byte{ack, fin | ack, rst}[r.IntN(3)], 0)
		send(byte(r.IntN(2)), ack, 0)
		for i, b := range packets {
			switch r.IntN(12) {
			case 0:
				continue
			case 1:
				script = append(script, b...)
			case 2:
				j := min(i+1, len(packets)-1)
				packets[i], packets[j] = packets[j], packets[i]
			}
			script = append(script, packets[i]...)
		}
		script[len(script)-1] = byte(r.IntN(40))
	}
	return script
}

// TestConcludedWhereTracked: what needs the buffers, the certificates or the keys is concluded where they are, and all else later.
func TestConcludedWhereTracked(t *testing.T) {
	hello := "\x16\x03\x01\x00\xc8" + strings.Repeat("x", 27) // of a record of 200 bytes
	ends := sent{from: "s", flags: rst | ack, seq: 500, ack: 100}
	for _, tt := range []struct {
		name   string
		script []sent
		want   bool // told all where it is tracked
	}{
		{"the end of the capture", []sent{{from: "c", flags: ack, seq: 100, ack: 500, data: hello}}, true},
		{"both FINs", []sent{{from: "c", flags: fin | ack, seq: 100, ack: 500, data: hello}, {from: "s", flags: fin | ack, seq: 500, ack: 133}}, false},
		{"a RST", []sent{{from: "c", flags: ack, seq: 100, ack: 500, data: hello}, ends}, false},
		{"bytes that may be anything", []sent{{from: "c", flags: ack, seq: 100, ack: 500, data: hello[:3]}, ends}, true},
		{"bytes out of order", []sent{{from: "c", flags: ack, seq: 110, ack: 500, data: hello}, ends}, true},
		{"a hole at the end", []sent{{from: "c", flags: ack, seq: 100, ack: 500, data: hello}, {from: "s", flags: ack, seq: 500, ack: 140}, ends}, true},
		{"a record after a hole", []sent{{from: "c", flags: ack, seq: 100, ack: 500, data: hello, wire: 300}, {from: "c", flags: ack, seq: 400, ack: 500, data: hello}, ends}, true},
		{"idle", []sent{{from: "c", flags: ack, seq: 100, ack: 500, data: hello}, {from: "c", flags: syn, ports: [2]uint16{1, 2}, after: 2 * defaultIdleTimeout}}, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := newRig(TrackerOptions{})
			r.later = &laterReports{to: make(chan *reports, 1)}
			r.play(opened)
			r.play(tt.script)
			r.Flush()
			if f := r.later.gathered.list[0]; f.attachment == nil || f.told != tt.want {
				t.Errorf("has an attachment: %v, told all: %v, want true and %v", f.attachment != nil, f.told, tt.want)
			}
		})
	}
}

// TestScriptsForAllWorkers: facts and statistics do not depend on who concludes a connection, whatever came of it.
func TestScriptsForAllWorkers(t *testing.T) {
	var sum TrackerStats
	var silentGaps int64
	for seed := range uint64(16) {
		r := rand.New(rand.NewPCG(seed, 1))
		script := life(r, 200)
		if seed%3 == 0 {
			script = disorder(r, 2000)
		}
		most, observed := []int{0, 3}[seed%2], []int{0, 10 << 10}[seed/2%2]
		var last *Pipeline
		one := sameForAllWorkers(t, fmt.Sprint("seed ", seed), func(o PipelineOptions) told {
			o.MaxConnections, o.MaxHeld = most, observed
			return pipe(t, o, nil, func(p *Pipeline) {
				last = p
				playScript(script, func(q *Packet, s *Segment) {
					*p.Room() = *s
					p.Take(q, false)
				})
			})
		})
		silentGaps += last.closer.counted.Gaps
		s := one.Stats
		sum.Gaps += s.Gaps
		sum.IgnoredResets += s.IgnoredResets
		sum.AfterClose += s.AfterClose
		sum.Evicted += s.Evicted
		sum.Late += s.Late
		sum.Replaced += s.Replaced
	}
	if sum.Gaps == 0 || sum.IgnoredResets == 0 || sum.AfterClose == 0 || sum.Evicted == 0 || sum.Replaced == 0 || silentGaps == 0 {
		t.Errorf("the scripts are too tame: %+v, %d gaps without data", sum, silentGaps)
	}
}

// TestTornCapturesForAllWorkers does the same for TLS handshakes of which much is missing, or comes twice, or out of order.
func TestTornCapturesForAllWorkers(t *testing.T) {
	library, err := capturetest.NewLibrary()
	if err != nil {
		t.Fatal(err)
	}
	for seed := range uint64(3) {
		var file bytes.Buffer
		o := capturetest.Options{Seed: seed, Packets: 24_000, Concurrency: 200, Gap: time.Duration(seed) * 100 * time.Microsecond, Failing: 0.3, Plaintext: 0.1, HalfOpen: 0.05,
			IPv6: 0.2, Missing: 0.03 * float64(seed), Reordered: 0.1, Duplicated: 0.02, Resent: 0.05}
		if seed == 2 {
			o.SnapLen = 200
		}
		if _, err := library.Write(&file, o); err != nil {
			t.Fatal(err)
		}
		one := sameForAllWorkers(t, fmt.Sprint("seed ", seed), func(o PipelineOptions) told {
			return pipeFile(t, o, file.Bytes())
		})
		if len(one.Facts) < 1000 || seed > 0 && one.Stats.Gaps == 0 {
			t.Errorf("seed %d: %d connections, %+v", seed, len(one.Facts), one.Stats)
		}
	}
}

// pipeFile reads a capture file.
func pipeFile(t *testing.T, o PipelineOptions, content []byte) told {
	t.Helper()
	f, err := OpenReader("-", bytes.NewReader(content))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var d Decoder
	return pipe(t, o, []*File{f}, func(p *Pipeline) {
		var q Packet
		for err = p.Next(&q); err == nil; err = p.Next(&q) {
			if d.Decode(&q, p.Room()) == TCP {
				p.Take(&q, d.Joined())
			}
		}
		if err != io.EOF {
			t.Fatal(err)
		}
	})
}
