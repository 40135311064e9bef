package capture_test

import (
	"bytes"
	"io"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/etcdtap/etcdtap/analysis"
	"github.com/etcdtap/etcdtap/capture"
	"github.com/etcdtap/etcdtap/capture/capturetest"
)

// benchPackets is the size of the captures that are measured. They are in memory: what a disk costs is not the question.
const benchPackets = 200_000

// stage is how far a packet goes.
type stage int

const (
	reading stage = iota
	decoding
	tracking
	diagnosing
)

func (s stage) String() string { return [...]string{"read", "decode", "track", "diagnose"}[s] }

func etcdPort(p uint16) bool { return p == 2379 || p == 2380 || p == 2381 }

// run takes a capture file through the stages up to the given one, and returns the connections by outcome.
func run(tb testing.TB, file []byte, until stage) (outcomes map[string]int64, packets int64) {
	f, err := capture.Open("-", bytes.NewReader(file))
	if err != nil {
		tb.Fatal(err)
	}
	defer f.Close()
	source := capture.Merge([]*capture.File{f})
	outcomes = make(map[string]int64)
	var diagnoser analysis.Diagnoser
	tracker := capture.NewTracker(capture.TrackerOptions{ServerPorts: etcdPort}, func(f *analysis.Facts) {
		if until == diagnosing {
			c := diagnoser.Diagnose(f)
			outcomes[c.Outcome.String()]++
		}
	})
	var d capture.Decoder
	var p capture.Packet
	var s capture.Segment
	for {
		if err := source.Next(&p); err == io.EOF {
			break
		} else if err != nil {
			tb.Fatal(err)
		}
		packets++
		if until >= decoding && d.Decode(&p, &s) == capture.TCP && until >= tracking {
			tracker.Segment(&p, &s)
		}
	}
	tracker.Flush()
	return outcomes, packets
}

// BenchmarkRead takes whole captures as far as each stage; what a stage costs is the difference to the one before it.
func BenchmarkRead(b *testing.B) {
	library, err := capturetest.NewLibrary()
	if err != nil {
		b.Fatal(err)
	}
	for _, kind := range capturetest.Kinds() {
		b.Run(kind, func(b *testing.B) {
			o, _ := capturetest.Kind(kind, benchPackets)
			var file bytes.Buffer
			if _, err := library.Write(&file, o); err != nil {
				b.Fatal(err)
			}
			for until := reading; until <= diagnosing; until++ {
				b.Run(until.String(), func(b *testing.B) {
					b.ReportAllocs()
					b.SetBytes(int64(file.Len()))
					var packets int64
					for b.Loop() {
						_, n := run(b, file.Bytes(), until)
						packets += n
					}
					b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(packets), "ns/packet")
				})
			}
		})
	}
}

// TestBulkAllocates sees to it that bulk data costs no allocation: a capture of twice the packets makes as many.
func TestBulkAllocates(t *testing.T) {
	library, err := capturetest.NewLibrary()
	if err != nil {
		t.Fatal(err)
	}
	allocations := func(packets int64) float64 {
		o, _ := capturetest.Kind("bulk", packets)
		var file bytes.Buffer
		if _, err := library.Write(&file, o); err != nil {
			t.Fatal(err)
		}
		return testing.AllocsPerRun(3, func() { run(t, file.Bytes(), diagnosing) })
	}
	const some = 20 // maps and goroutines of others vary
	if one, two := allocations(10_000), allocations(20_000); two > one+some {
		t.Errorf("10,000 packets of bulk data take %v allocations, 20,000 take %v", one, two)
	}
}

// TestGenerated holds the reading path to what a capture was made of.
func TestGenerated(t *testing.T) {
	library, err := capturetest.NewLibrary()
	if err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		name    string
		options capturetest.Options
	}{
		{"bulk", capturetest.Options{Packets: 5000, Connections: 8, Long: 8, Bulk: 1}},
		{"handshakes", capturetest.Options{Connections: 500}},
		{"one after the other", capturetest.Options{Connections: 100, Concurrency: 1}},
		{"pcapng", capturetest.Options{Connections: 100, Pcapng: true}},
		{"mixed", capturetest.Options{Connections: 1000, Long: 3, Bulk: 0.3, HalfOpen: 0.1, Failing: 0.2, Plaintext: 0.1, IPv6: 0.3, VLAN: 0.3, Noise: 0.1}},
		{"half open", capturetest.Options{Connections: 5000, HalfOpen: 1, Concurrency: 500}},
		{"reordered", capturetest.Options{Connections: 2000, Failing: 0.2, Long: 3, Bulk: 0.2, Reordered: 0.2}},
		{"duplicated", capturetest.Options{Connections: 2000, Failing: 0.2, HalfOpen: 0.1, Duplicated: 0.2}},
		{"resent", capturetest.Options{Connections: 2000, Failing: 0.2, HalfOpen: 0.1, Resent: 0.2}},
		{"all of these", capturetest.Options{Connections: 2000, Failing: 0.2, IPv6: 0.5, Reordered: 0.1, Resent: 0.1, Duplicated: 0.1}},
	} {
		t.Run(test.name, func(t *testing.T) {
			var file bytes.Buffer
			counts, err := library.Write(&file, test.options)
			if err != nil {
				t.Fatal(err)
			}
			outcomes, packets := run(t, file.Bytes(), diagnosing)
			if packets != counts.Packets {
				t.Errorf("read %d packets, want %d", packets, counts.Packets)
			}
			if diff := cmp.Diff(counts.Outcomes, outcomes); diff != "" {
				t.Errorf("outcomes (-want +got):\n%s", diff)
			}
		})
	}
}
