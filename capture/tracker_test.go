package capture

import (
	"fmt"
	"math"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/etcdtap/etcdtap/analysis"
)

const (
	fin = flagFIN
	syn = flagSYN
	rst = flagRST
	ack = flagACK
)

// sent is a line of a script: a segment from one of two hosts, c (port 40000) and s (port 2379), or from the ports given.
type sent struct {
	from     string // "c" or "s"
	flags    uint8
	seq, ack uint32
	data     string
	wire     int           // payload bytes on the wire, when more than the captured
	after    time.Duration // since the packet before
	ports    [2]uint16     // of c and s, when others
	times    int           // how often; 0: once
}

// seen is what the sink was told of a connection.
type seen struct {
	Client, Server string
	Guessed        bool
	Packets        string // by client, by server, first and last number
	Flags          string // what was true of TCPFacts
	Bytes, Missed  [2]int64
	StartMissed    [2]bool
	Close          [2]analysis.CloseKind
	Ended          analysis.CloseKind
	Counts         counts
	Truncated      int64
}

func summarize(f *analysis.Facts) seen {
	s := seen{Client: f.Client.String(), Server: f.Server.String(), Guessed: f.RolesGuessed, Ended: f.Ended}
	t := &f.TCP
	s.Packets = fmt.Sprintf("%d+%d %d-%d", t.Packets[0], t.Packets[1], t.FirstPacket, t.LastPacket)
	var flags []string
	for _, x := range []struct {
		name string
		is   bool
	}{{"syn", t.SYN}, {"synack", t.SYNACK}, {"established", t.Established}, {"refused", t.Refused}, {"evicted", t.Evicted}} {
		if x.is {
			flags = append(flags, x.name)
		}
	}
	s.Flags = strings.Join(flags, " ")
	for d, x := range f.Stream {
		s.Bytes[d], s.Missed[d], s.StartMissed[d], s.Close[d] = x.Bytes, x.Missed, x.StartMissed, x.Close
	}
	s.Counts = counts{t.Retransmitted, t.Conflicting, t.ConflictPacket, t.OutOfOrder}
	s.Truncated = t.Truncated
	return s
}

// rig is a tracker with its segments' source.
type rig struct {
	*Tracker
	got     []seen
	packet  Packet
	segment Segment
}

func newRig(o TrackerOptions) *rig {
	r := &rig{packet: Packet{Time: 1e18}}
	r.Tracker = NewTracker(o, func(f *analysis.Facts) { r.got = append(r.got, summarize(f)) })
	return r
}

var hosts = [2]Address{netip.MustParseAddr("10.0.0.1").As16(), netip.MustParseAddr("10.0.0.2").As16()}

func (r *rig) play(script []sent) {
	for _, s := range script {
		for range max(1, s.times) {
			r.send(s)
		}
	}
}

func (r *rig) send(s sent) {
	r.packet.Number++
	r.packet.Time += int64(s.after)
	ports := [2]uint16{40000, 2379}
	if s.ports != [2]uint16{} {
		ports = s.ports
	}
	from := 0
	if s.from == "s" {
		from = 1
	}
	r.segment = Segment{
		Src: hosts[from], Dst: hosts[1-from], SrcPort: ports[from], DstPort: ports[1-from],
		Seq: s.seq, Ack: s.ack, Flags: s.flags, Payload: []byte(s.data), Length: max(len(s.data), s.wire),
	}
	r.Segment(&r.packet, &r.segment)
}

func etcdPorts(p uint16) bool { return p == 2379 || p == 2380 }

// opened is a handshake of c (100) with s (500).
var opened = []sent{{from: "c", flags: syn, seq: 99}, {from: "s", flags: syn | ack, seq: 499, ack: 100}, {from: "c", flags: ack, seq: 100, ack: 500}}

const (
	clientHost = "10.0.0.1:40000"
	serverHost = "10.0.0.2:2379"
	known      = "syn synack established"
)

func TestTracker(t *testing.T) {
	const noClose, closeFIN, closeRST = analysis.CloseNone, analysis.CloseFIN, analysis.CloseRST
	tests := []struct {
		name   string
		script []sent
		want   []seen
	}{
		{"opened and closed", append(opened[:3:3],
			sent{from: "c", flags: fin | ack, seq: 100, ack: 500}, sent{from: "s", flags: fin | ack, seq: 500, ack: 101}, sent{from: "c", flags: ack, seq: 101, ack: 501}),
			[]seen{{Packets: "4+2 1-6", Flags: known, Close: [2]analysis.CloseKind{closeFIN, closeFIN}}}},
		{"data both ways", append(opened[:3:3],
			sent{from: "c", flags: ack, seq: 100, ack: 500, data: "hello"}, sent{from: "s", flags: ack, seq: 500, ack: 105, data: "hi"},
			sent{from: "c", flags: fin | ack, seq: 105, ack: 502, data: "!"}, sent{from: "s", flags: rst | ack, seq: 502, ack: 107}),
			[]seen{{Packets: "4+3 1-7", Flags: known, Bytes: [2]int64{6, 2}, Close: [2]analysis.CloseKind{closeFIN, closeRST}}}},
		{"data with SYN", []sent{{from: "c", flags: syn, seq: 99, data: "hello"}, {from: "s", flags: syn | ack, seq: 499, ack: 105}, {from: "c", flags: ack, seq: 105, ack: 500, data: "more"}},
			[]seen{{Packets: "2+1 1-3", Flags: known, Bytes: [2]int64{9, 0}, Ended: analysis.CloseEnd}}},
		{"data with SYN, not taken", []sent{{from: "c", flags: syn, seq: 99, data: "hello"}, {from: "s", flags: syn | ack, seq: 499, ack: 100}, {from: "c", flags: ack, seq: 100, ack: 500, data: "hello"}},
			[]seen{{Packets: "2+1 1-3", Flags: known, Bytes: [2]int64{5, 0}, Ended: analysis.CloseEnd, Counts: counts{Retransmitted: 1}}}},
		{"unanswered", []sent{{from: "c", flags: syn, seq: 99, times: 3}},
			[]seen{{Packets: "3+0 1-3", Flags: "syn", Ended: analysis.CloseEnd}}},
		{"refused", []sent{{from: "c", flags: syn, seq: 99}, {from: "s", flags: rst | ack, ack: 100}},
			[]seen{{Packets: "1+1 1-2", Flags: "syn refused", Close: [2]analysis.CloseKind{noClose, closeRST}}}},
		{"forged refusal", []sent{{from: "c", flags: syn, seq: 99}, {from: "s", flags: rst | ack, ack: 7000}, {from: "s", flags: rst, seq: 7}},
			[]seen{{Packets: "1+2 1-3", Flags: "syn", Ended: analysis.CloseEnd}}},
		{"reset with data", append(opened[:3:3], sent{from: "s", flags: rst | ack, seq: 500, ack: 100, data: "go away"}, sent{from: "s", flags: rst, seq: 500}),
			[]seen{{Packets: "2+3 1-5", Flags: known, Close: [2]analysis.CloseKind{noClose, closeRST}}}},
		{"reset out of window", append(opened[:3:3], sent{from: "s", flags: rst, seq: 500 + 1<<30}, sent{from: "c", flags: ack, seq: 100, ack: 500, data: "x"}),
			[]seen{{Packets: "3+2 1-5", Flags: known, Bytes: [2]int64{1, 0}, Ended: analysis.CloseEnd}}},
		{"reset after FIN of the same side", append(opened[:3:3], sent{from: "c", flags: fin | ack, seq: 100, ack: 500},
			sent{from: "s", flags: ack, seq: 500, ack: 101, data: "late", after: time.Minute}, sent{from: "c", flags: rst, seq: 101, times: 3}),
			[]seen{{Packets: "6+2 1-8", Flags: known, Bytes: [2]int64{0, 4}, Close: [2]analysis.CloseKind{closeFIN, noClose}}}},
		{"in mid-stream", []sent{{from: "c", flags: ack, seq: 100, ack: 500, data: "x"}, {from: "s", flags: ack, seq: 500, ack: 101, data: "yy"}},
			[]seen{{Guessed: true, Packets: "1+1 1-2", Flags: "established", Bytes: [2]int64{1, 2}, StartMissed: [2]bool{true, true}, Ended: analysis.CloseEnd}}},
		{"in mid-stream, keep-alives only", []sent{{from: "c", flags: ack, seq: 99, ack: 500}, {from: "s", flags: ack, seq: 500, ack: 100}, {from: "c", flags: ack, seq: 99, ack: 500, data: "\x00"}},
			[]seen{{Guessed: true, Packets: "2+1 1-3", Flags: "established", StartMissed: [2]bool{true, true}, Ended: analysis.CloseEnd}}},
		{"SYN-ACK first", []sent{{from: "s", flags: syn | ack, seq: 499, ack: 100}, {from: "c", flags: ack, seq: 100, ack: 500, data: "x"}},
			[]seen{{Packets: "1+1 1-2", Flags: "synack established", Bytes: [2]int64{1, 0}, Ended: analysis.CloseEnd}}},
		{"server side only", []sent{{from: "s", flags: syn | ack, seq: 499, ack: 100}, {from: "s", flags: ack, seq: 500, ack: 600, data: "x"}, {from: "s", flags: fin | ack, seq: 501, ack: 700}},
			[]seen{{Packets: "0+3 1-3", Flags: "synack established", Bytes: [2]int64{600, 1}, Missed: [2]int64{600, 0}, StartMissed: [2]bool{true, false},
				Close: [2]analysis.CloseKind{noClose, closeFIN}, Ended: analysis.CloseEnd}}},
		{"client side only", []sent{{from: "c", flags: syn, seq: 99}, {from: "c", flags: ack, seq: 100, ack: 500}, {from: "c", flags: ack, seq: 100, ack: 600, data: "x"}},
			[]seen{{Packets: "3+0 1-3", Flags: "syn established", Bytes: [2]int64{1, 100}, Missed: [2]int64{0, 100}, StartMissed: [2]bool{false, true}, Ended: analysis.CloseEnd}}},
		{"tail lost", append(opened[:3:3], sent{from: "c", flags: ack, seq: 100, ack: 500, data: "x"}, sent{from: "s", flags: ack, seq: 500, ack: 111}),
			[]seen{{Packets: "3+2 1-5", Flags: known, Bytes: [2]int64{11, 0}, Missed: [2]int64{10, 0}, Ended: analysis.CloseEnd}}},
		{"FIN before lost data", append(opened[:3:3], sent{from: "c", flags: ack, seq: 100, ack: 500, data: "x"}, sent{from: "c", flags: fin | ack, seq: 111, ack: 500}),
			[]seen{{Packets: "4+1 1-5", Flags: known, Bytes: [2]int64{11, 0}, Missed: [2]int64{10, 0}, Close: [2]analysis.CloseKind{closeFIN, noClose}, Ended: analysis.CloseEnd}}},
		{"all data lost", append(opened[:3:3], sent{from: "c", flags: fin | ack, seq: 300, ack: 500}, sent{from: "s", flags: fin | ack, seq: 700, ack: 301}),
			[]seen{{Packets: "3+2 1-5", Flags: known, Bytes: [2]int64{200, 200}, Missed: [2]int64{200, 200}, StartMissed: [2]bool{true, true}, Close: [2]analysis.CloseKind{closeFIN, closeFIN}}}},
		{"cut", append(opened[:3:3], sent{from: "c", flags: ack, seq: 100, ack: 500, data: "x", wire: 1000}),
			[]seen{{Packets: "3+1 1-4", Flags: known, Bytes: [2]int64{1000, 0}, Missed: [2]int64{999, 0}, Ended: analysis.CloseEnd, Truncated: 1}}},
		{"port used again", append(opened[:3:3], sent{from: "c", flags: ack, seq: 100, ack: 500, data: "x"},
			sent{from: "c", flags: syn, seq: 999}, sent{from: "s", flags: syn | ack, seq: 1999, ack: 1000}),
			[]seen{{Packets: "3+1 1-4", Flags: known, Bytes: [2]int64{1, 0}, Ended: analysis.CloseIdle}, {Packets: "1+1 5-6", Flags: "syn synack", Ended: analysis.CloseEnd}}},
		{"port used again after close", append(opened[:3:3], sent{from: "s", flags: rst, seq: 500},
			sent{from: "c", flags: syn, seq: 999}, sent{from: "s", flags: rst | ack, ack: 1000}),
			[]seen{{Packets: "2+2 1-4", Flags: known, Close: [2]analysis.CloseKind{noClose, closeRST}}, {Packets: "1+1 5-6", Flags: "syn refused", Close: [2]analysis.CloseKind{noClose, closeRST}}}},
		{"port used again, SYN not captured", append(opened[:3:3], sent{from: "s", flags: syn | ack, seq: 1999, ack: 1000}, sent{from: "c", flags: ack, seq: 1000, ack: 2000, data: "x"}),
			[]seen{{Packets: "2+1 1-3", Flags: known, Ended: analysis.CloseIdle}, {Packets: "1+1 4-5", Flags: "synack established", Bytes: [2]int64{1, 0}, Ended: analysis.CloseEnd}}},
		{"port used again, the server holds the earlier connection to be open, just before", usedAgain(80),
			[]seen{{Packets: "4+3 1-7", Flags: known, Bytes: [2]int64{5, 2}, Ended: analysis.CloseEnd}}},
		{"port used again, the server holds the earlier connection to be open, a minute before", usedAgain(3758096484),
			[]seen{{Packets: "4+3 1-7", Flags: known, Bytes: [2]int64{5, 2}, Ended: analysis.CloseEnd}}},
		{"every packet twice", func() (s []sent) {
			for _, x := range append(opened[:3:3], sent{from: "c", flags: ack, seq: 100, ack: 500, data: "hello"}, sent{from: "s", flags: fin | ack, seq: 500, ack: 105}, sent{from: "c", flags: fin | ack, seq: 105, ack: 501}) {
				x.times = 2
				s = append(s, x)
			}
			return s
		}(), []seen{{Packets: "8+4 1-12", Flags: known, Bytes: [2]int64{5, 0}, Close: [2]analysis.CloseKind{closeFIN, closeFIN}, Counts: counts{Retransmitted: 1}}}},
		{"both open at once", []sent{{from: "c", flags: syn, seq: 99}, {from: "s", flags: syn, seq: 499}, {from: "c", flags: syn | ack, seq: 99, ack: 500}, {from: "s", flags: syn | ack, seq: 499, ack: 100}},
			[]seen{{Packets: "2+2 1-4", Flags: "syn synack", Ended: analysis.CloseEnd}}},
		{"numbers wrap", []sent{{from: "c", flags: syn, seq: math.MaxUint32}, {from: "s", flags: syn | ack, seq: math.MaxUint32 - 1, ack: 0}, {from: "c", flags: ack, ack: math.MaxUint32, data: "hello"},
			{from: "s", flags: ack, seq: math.MaxUint32, ack: 5, data: "hi"}, {from: "s", flags: fin | ack, seq: 1, ack: 5}, {from: "c", flags: fin | ack, seq: 5, ack: 2}},
			[]seen{{Packets: "3+3 1-6", Flags: known, Bytes: [2]int64{5, 2}, Close: [2]analysis.CloseKind{closeFIN, closeFIN}}}},
		{"trailing packets", append(opened[:3:3], sent{from: "s", flags: fin | ack, seq: 500, ack: 100}, sent{from: "c", flags: fin | ack, seq: 100, ack: 501},
			sent{from: "s", flags: ack, seq: 501, ack: 101, after: time.Second}, sent{from: "c", flags: rst, seq: 101}),
			[]seen{{Packets: "4+3 1-7", Flags: known, Close: [2]analysis.CloseKind{closeFIN, closeFIN}}}},
		{"hidden under a data hole", append(opened[:3:3], sent{from: "c", flags: ack, seq: 103, ack: 500, data: "lo"}, sent{from: "s", flags: ack, seq: 500, ack: 105, times: 40}, sent{from: "c", flags: ack, seq: 100, ack: 500, data: "hel"}),
			[]seen{{Packets: "4+41 1-45", Flags: known, Bytes: [2]int64{5, 0}, Missed: [2]int64{3, 0}, StartMissed: [2]bool{true, false}, Ended: analysis.CloseEnd, Counts: counts{Retransmitted: 1, OutOfOrder: 1}}}},
		{"hole of a second", append(opened[:3:3], sent{from: "c", flags: ack, seq: 103, ack: 500, data: "lo"}, sent{from: "s", flags: ack, seq: 500, ack: 105}, sent{from: "s", flags: ack, seq: 500, ack: 105, after: time.Second},
			sent{from: "c", flags: ack, seq: 100, ack: 500, data: "hel"}),
			[]seen{{Packets: "4+3 1-7", Flags: known, Bytes: [2]int64{5, 0}, Missed: [2]int64{3, 0}, StartMissed: [2]bool{true, false}, Ended: analysis.CloseEnd, Counts: counts{Retransmitted: 1, OutOfOrder: 1}}}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			r := newRig(TrackerOptions{ServerPorts: etcdPorts})
			r.play(test.script)
			r.Flush()
			for i := range test.want {
				test.want[i].Client, test.want[i].Server = clientHost, serverHost
			}
			if diff := cmp.Diff(test.want, r.got); diff != "" {
				t.Errorf("connections (-want +got):\n%s", diff)
			}
			r.checkEmpty(t)
		})
	}
}

// usedAgain is a connection that is opened while the server still has an earlier one between the same endpoints, of which it expects the
// number next (RFC 9293, Section 3.5.1).
func usedAgain(next uint32) []sent {
	return []sent{
		{from: "c", flags: syn, seq: 99}, {from: "s", flags: ack, seq: 77000, ack: next}, {from: "c", flags: rst, seq: next},
		{from: "c", flags: syn, seq: 99, after: time.Second}, {from: "s", flags: syn | ack, seq: 499, ack: 100},
		{from: "c", flags: ack, seq: 100, ack: 500, data: "hello"}, {from: "s", flags: ack, seq: 500, ack: 105, data: "hi"},
	}
}

// checkEmpty reports what a tracker still holds after Flush.
func (r *rig) checkEmpty(t *testing.T) {
	t.Helper()
	if r.table.used != 0 || r.active.length != 0 || r.waiting() != 0 || r.buffers.lent != 0 {
		t.Errorf("left: %d in the table, %d active, %d lingering, %d bytes lent", r.table.used, r.active.length, r.waiting(), r.buffers.lent)
	}
	for i, s := range r.table.slots {
		if s.index != 0 {
			t.Errorf("slot %d still holds connection %d", i, s.index)
		}
	}
	if r.held != 0 {
		t.Errorf("%d bytes are still counted as held", r.held)
	}
	if busy := len(r.attachments) - 1 - len(r.vacant); busy != 0 {
		t.Errorf("%d attachments are not given back", busy)
	}
}

func TestTrackerRoles(t *testing.T) {
	const request, response = "GET / HTTP/1.1\r\n", "HTTP/1.1 200 OK\r\n"
	tests := []struct {
		name    string
		ports   [2]uint16 // of c and s
		script  []sent
		client  string // "c" or "s"
		guessed bool
	}{
		{"SYN", [2]uint16{1000, 2000}, []sent{{from: "s", flags: syn}}, "s", false},
		{"SYN-ACK", [2]uint16{1000, 2000}, []sent{{from: "c", flags: syn | ack}}, "s", false},
		{"SYN-ACK against the ports", [2]uint16{1000, 2379}, []sent{{from: "c", flags: syn | ack}}, "s", false},
		{"server's port", [2]uint16{1000, 2379}, []sent{{from: "c", flags: ack}}, "c", true},
		{"server's port, server speaks", [2]uint16{1000, 2379}, []sent{{from: "s", flags: ack, data: request}}, "c", true},
		{"first bytes of a client", [2]uint16{1000, 2000}, []sent{{from: "c", flags: ack, data: request}}, "c", true},
		{"first bytes of a server", [2]uint16{1000, 2000}, []sent{{from: "s", flags: ack, data: response}}, "c", true},
		{"first bytes after acknowledgements", [2]uint16{1000, 2000}, []sent{{from: "c", flags: ack}, {from: "s", flags: ack}, {from: "c", flags: ack, data: request}}, "c", true},
		{"both are server's ports", [2]uint16{2380, 2379}, []sent{{from: "c", flags: ack, data: response}}, "s", true},
		{"lower port serves", [2]uint16{1000, 2000}, []sent{{from: "c", flags: ack, data: "\x01\x02\x03"}}, "s", true},
		{"lower port serves, seen from it", [2]uint16{1000, 2000}, []sent{{from: "s", flags: ack, data: "\x01\x02\x03"}}, "s", true},
		{"late SYN-ACK", [2]uint16{1000, 2000}, []sent{{from: "s", flags: ack, seq: 1, ack: 500}, {from: "s", flags: syn | ack, ack: 500}}, "c", false},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			r := newRig(TrackerOptions{ServerPorts: etcdPorts})
			for _, s := range test.script {
				s.ports = test.ports
				r.send(s)
			}
			r.Flush()
			if len(r.got) != 1 {
				t.Fatalf("%d connections", len(r.got))
			}
			got := "c"
			if strings.HasPrefix(r.got[0].Client, "10.0.0.2:") {
				got = "s"
			}
			if got != test.client || r.got[0].Guessed != test.guessed {
				t.Errorf("client is %s, guessed %t; want %s, %t", got, r.got[0].Guessed, test.client, test.guessed)
			}
		})
	}
}

// TestWithoutSYNACK: the client's first acknowledgement says where the server's stream begins, if it comes without a byte; one that may
// acknowledge data does not.
func TestWithoutSYNACK(t *testing.T) {
	open := sent{from: "c", flags: syn, seq: 99}
	completes := sent{from: "c", flags: ack, seq: 100, ack: 500}
	hello, answer := sent{from: "c", flags: ack, seq: 100, ack: 500, data: "hello"}, sent{from: "s", flags: ack, seq: 500, ack: 105, data: "answer"}
	late := sent{from: "s", flags: ack, seq: 505, ack: 105, data: "r"}
	for name, test := range map[string]struct {
		script  []sent
		unknown bool // where the server's stream begins
		missed  int64
	}{
		"at once":                     {script: []sent{open, completes, hello, answer}},
		"SYN again":                   {script: []sent{open, open, completes, hello, answer}},
		"the SYN-ACK comes later":     {script: []sent{open, completes, {from: "s", flags: syn | ack, seq: 499, ack: 100}, hello, answer}},
		"the answer's start is lost":  {script: []sent{open, completes, hello, late}, unknown: true, missed: 5},
		"the acknowledgement is lost": {script: []sent{open, hello, answer}, unknown: true},
		"no SYN":                      {script: []sent{completes, hello, answer}, unknown: true},
		"no SYN, from number 0":       {script: []sent{{from: "c", flags: ack, ack: 500}, {from: "c", flags: ack, ack: 500, data: "hello"}, {from: "s", flags: ack, seq: 500, ack: 5, data: "answer"}}, unknown: true},
		"closed at once":              {script: []sent{open, {from: "c", flags: fin | ack, seq: 100, ack: 506}, {from: "s", flags: ack, seq: 506, ack: 101, data: "more"}}, unknown: true},
		"a later acknowledgement":     {script: []sent{open, {from: "c", flags: ack, seq: 105, ack: 506}, {from: "s", flags: ack, seq: 506, ack: 105, data: "more"}}, unknown: true},
		"the server came first":       {script: []sent{open, {from: "s", flags: ack, seq: 500, ack: 100, data: "banner"}, {from: "c", flags: ack, seq: 100, ack: 506}}, unknown: true},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(TrackerOptions{ServerPorts: etcdPorts})
			r.play(test.script)
			r.Flush()
			if len(r.got) != 1 {
				t.Fatalf("%d connections, want 1", len(r.got))
			}
			if got := r.got[0]; got.StartMissed[1] != test.unknown || got.Missed[1] != test.missed {
				t.Errorf("start missed %t, want %t; %d bytes missed, want %d", got.StartMissed[1], test.unknown, got.Missed[1], test.missed)
			}
			r.checkEmpty(t)
		})
	}
}

// TestUnseenBulk: of a connection with one side in the capture, the other's bytes are counted by what is acknowledged, beyond
// the 4 GiB after which numbers come again.
func TestUnseenBulk(t *testing.T) {
	for _, data := range []string{"", "hello"} {
		r := newRig(TrackerOptions{})
		r.play([]sent{{from: "c", flags: syn, seq: 99}, {from: "c", flags: ack, seq: 100, ack: 500, data: data}})
		const step, steps = 8 << 20, 1200
		seq := 100 + uint32(len(data))
		for i := range uint32(steps) {
			r.play([]sent{{from: "c", flags: ack, seq: seq, ack: 500 + (i+1)*step}})
		}
		r.play([]sent{{from: "c", flags: fin | ack, seq: seq, ack: 500 + steps*step%(1<<32)}})
		r.Flush()
		if len(r.got) != 1 {
			t.Fatalf("%d connections, want 1", len(r.got))
		}
		if got := r.got[0]; got.Bytes[1] != steps*step || got.Missed[1] != steps*step || got.Bytes[0] != int64(len(data)) {
			t.Errorf("with %q: %d bytes of the server, %d of them missed, want %d", data, got.Bytes[1], got.Missed[1], int64(steps*step))
		}
	}
}

// TestAcknowledgedBefore: what acknowledges bytes before a stream that is known to begin is about an earlier connection of the port.
func TestAcknowledgedBefore(t *testing.T) {
	for _, start := range []uint32{1 << 30, 40} { // numbers go round
		var h half
		h.startAt(start)
		h.flags |= halfStartKnown
		if h.acknowledge(start-100) || h.is(halfAcked) {
			t.Errorf("begins at %d: %d is acknowledged", start, h.acked)
		}
		if !h.acknowledge(start) || h.acked != start {
			t.Errorf("begins at %d: its beginning is not acknowledged", start)
		}
	}
}
