package capture

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/etcdtap/etcdtap/analysis"
)

// shown is a rig whose early looks are written down, and answered as enough says.
func shown(enough func(f *analysis.Facts, why Early) bool) (*rig, *[]string) {
	looks := new([]string)
	r := newRig(TrackerOptions{ServerPorts: etcdPorts, Linger: 200 * time.Millisecond, Early: func(f *analysis.Facts, why Early) bool {
		*looks = append(*looks, fmt.Sprintf("%d %s %d/%d %v", f.Client.Port(), [...]string{"settled", "quiet", "stuck"}[why], f.Stream[0].Bytes, f.Stream[1].Bytes, f.Ended))
		return enough(f, why)
	}})
	return r, looks
}

func always(*analysis.Facts, Early) bool { return true }
func never(*analysis.Facts, Early) bool  { return false }

const preface, settings = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "\x00\x00\x00\x04\x00\x00\x00\x00\x00"

func TestEarlyLooks(t *testing.T) {
	http2 := slices.Concat(opened, []sent{
		{from: "c", flags: ack, seq: 100, ack: 500, data: preface},
		{from: "s", flags: ack, seq: 500, ack: 124, data: settings},
		{from: "s", flags: ack, seq: 509, ack: 124, data: "more"},
	})
	half := slices.Concat(opened, []sent{{from: "c", flags: ack, seq: 100, ack: 500, data: "\x16\x03\x01"}})
	tests := []struct {
		name   string
		enough func(*analysis.Facts, Early) bool
		script []sent
		pass   []time.Duration // between looks at the clock
		want   []string
	}{
		{"settled at once, and not asked again", always, http2, []time.Duration{10 * time.Second}, []string{"40000 settled 24/9 none"}},
		{"quiet for a second", always, half, []time.Duration{900 * time.Millisecond, 200 * time.Millisecond, 9 * time.Second}, []string{"40000 quiet 3/0 none"}},
		{"not enough, until it is stuck", never, half, []time.Duration{time.Second, time.Second, 4 * time.Second, 9 * time.Second},
			[]string{"40000 quiet 3/0 none", "40000 quiet 3/0 none", "40000 stuck 3/0 idle"}},
		{"a SYN without an answer", never, opened[:1], []time.Duration{7 * time.Second}, []string{"40000 stuck 0/0 idle"}},
		{"over before it was due", always, slices.Concat(opened, []sent{{from: "s", flags: rst, seq: 500}}), []time.Duration{3 * time.Second}, nil},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			r, looks := shown(test.enough)
			r.play(test.script)
			now := r.packet.Time
			for _, d := range test.pass {
				now += int64(d)
				r.Advance(now)
			}
			if diff := cmp.Diff(test.want, *looks); diff != "" {
				t.Errorf("looks (-want +got):\n%s", diff)
			}
			r.Flush()
			if len(r.got) != 1 {
				t.Errorf("%d connections at the end, want 1", len(r.got))
			}
			r.checkEmpty(t)
		})
	}
}

// TestEarlyChangesNothing: the facts at the end are those of a tracker that nobody looked into.
func TestEarlyChangesNothing(t *testing.T) {
	script := slices.Concat(opened, []sent{
		{from: "c", flags: ack, seq: 100, ack: 500, data: preface},
		{from: "s", flags: ack, seq: 500, ack: 124, data: settings},
		{from: "c", flags: ack, seq: 124, ack: 509, data: "0123456789", after: 2 * time.Second, times: 1},
		{from: "s", flags: ack, seq: 509, ack: 134, data: "0123456789", after: 2 * time.Second},
		{from: "c", flags: ack | fin, seq: 134, ack: 519},
		{from: "s", flags: ack | fin, seq: 519, ack: 135},
	})
	plain := newRig(TrackerOptions{ServerPorts: etcdPorts})
	plain.play(script)
	plain.Flush()
	looked, looks := shown(never)
	looked.play(script)
	looked.Flush()
	if diff := cmp.Diff(plain.got, looked.got); diff != "" {
		t.Errorf("the looks changed the facts (-without +with):\n%s", diff)
	}
	if len(*looks) < 2 {
		t.Errorf("only these looks: %v", *looks)
	}
}

// TestLinger: what closed itself is handed over after Linger, and what trails it makes no connection of its own.
func TestLinger(t *testing.T) {
	r, _ := shown(always)
	r.play(slices.Concat(opened, []sent{{from: "c", flags: ack | fin, seq: 100, ack: 500}, {from: "s", flags: ack | fin, seq: 500, ack: 101}}))
	r.Advance(r.packet.Time + int64(300*time.Millisecond))
	if len(r.got) != 1 {
		t.Fatalf("%d connections after 300 ms, want 1", len(r.got))
	}
	r.play([]sent{{from: "c", flags: ack, seq: 101, ack: 501, after: time.Second}})
	r.Flush()
	if len(r.got) != 1 || r.Stats().Late != 1 {
		t.Errorf("%d connections, %d late segments, want 1 and 1", len(r.got), r.Stats().Late)
	}
	r.checkEmpty(t)
}

// TestUseful: what --write-handshakes would keep of a connection with bulk data.
func TestUseful(t *testing.T) {
	r, _ := shown(always)
	var kept []int
	for i, s := range slices.Concat(opened, []sent{
		{from: "c", flags: ack, seq: 100, ack: 500, data: preface},
		{from: "s", flags: ack, seq: 500, ack: 124, data: settings},
		{from: "c", flags: ack, seq: 124, ack: 509, data: "0123456789"},
		{from: "s", flags: ack, seq: 509, ack: 134},
		{from: "c", flags: ack | fin, seq: 134, ack: 509},
		{from: "s", flags: ack | fin, seq: 509, ack: 135},
	}) {
		r.send(s)
		if r.Useful() {
			kept = append(kept, i+1)
		}
	}
	if diff := cmp.Diff([]int{1, 2, 3, 4, 5, 8, 9}, kept); diff != "" {
		t.Errorf("kept segments (-want +got):\n%s", diff)
	}
}

// TestUsefulOfOneSide: what one side sends while the other is silent, or says too little to tell what it speaks, is kept no longer than any.
func TestUsefulOfOneSide(t *testing.T) {
	for _, answer := range []string{"", "HE"} {
		for from := range 2 {
			r, _ := shown(always)
			seq, kept := [2]uint32{99, 499}, 0
			play := func(d int, flags uint8, data string) {
				p := Packet{Number: 1, Time: 1e18}
				s := Segment{Src: hosts[d], Dst: hosts[1-d], SrcPort: [2]uint16{40000, 2379}[d], DstPort: [2]uint16{2379, 40000}[d],
					Flags: flags, Seq: seq[d], Ack: seq[1-d], Payload: []byte(data), Length: len(data)}
				seq[d] += uint32(len(data))
				if flags&syn != 0 {
					seq[d]++
				}
				r.Segment(&p, &s)
				if r.Useful() {
					kept += len(data)
				}
			}
			play(0, syn, "")
			play(1, syn|ack, "")
			play(1-from, ack, answer)
			for range 100 {
				play(from, ack, strings.Repeat("x", 64<<10))
			}
			if kept > 512<<10 {
				t.Errorf("side %d, answered by %q: %d bytes are kept of %d", from, answer, kept, 100*64<<10)
			}
			r.Flush()
		}
	}
}

// TestUsefulOfBulk: what is kept of gigabytes is little, and who reads it knows how many there were and how they ended.
func TestUsefulOfBulk(t *testing.T) {
	for from := range 2 {
		const window, windows = 1 << 20, 9 << 10 // 9 GiB
		r, _ := shown(always)
		reader := newRig(TrackerOptions{})
		kept := 0
		seq := [2]uint32{99, 499}
		play := func(d int, flags uint8, data []byte) {
			p := Packet{Number: int64(kept) + 1, Time: 1e18}
			s := Segment{Src: hosts[d], Dst: hosts[1-d], SrcPort: [2]uint16{40000, 2379}[d], DstPort: [2]uint16{2379, 40000}[d],
				Flags: flags, Seq: seq[d], Ack: seq[1-d], Payload: data, Length: len(data)}
			seq[d] += uint32(len(data))
			if flags&(syn|fin) != 0 {
				seq[d]++
			}
			r.Segment(&p, &s)
			if r.Useful() {
				kept++
				reader.Segment(&p, &s)
			}
		}
		const c, server = 0, 1
		play(c, syn, nil)
		play(server, syn|ack, nil)
		play(c, ack, []byte(preface))
		play(server, ack, []byte(settings))
		data := make([]byte, window)
		for range windows {
			play(from, ack, data)
			play(1-from, ack, nil)
		}
		play(c, fin|ack, nil)
		play(server, fin|ack, nil)
		play(c, ack, nil)
		r.Flush()
		reader.Flush()
		if len(r.got) != 1 || len(reader.got) != 1 {
			t.Fatalf("%d connections seen, %d read, want one each", len(r.got), len(reader.got))
		}
		if kept > windows/8+20 {
			t.Errorf("bulk of side %d: %d of %d segments are kept", from, kept, 2*windows)
		}
		if seen, read := r.got[0], reader.got[0]; seen.Bytes != read.Bytes || seen.Close != read.Close || read.Ended != analysis.CloseNone {
			t.Errorf("bulk of side %d: seen %+v\nread %+v", from, seen, read)
		}
		if s := reader.Stats(); s.Implausible+s.IgnoredResets != 0 {
			t.Errorf("bulk of side %d: the reader says %+v", from, s)
		}
	}
}
