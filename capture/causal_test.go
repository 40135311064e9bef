package capture

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/etcdtap/etcdtap/analysis"
)

// dialogue is a connection in the order in which it happened: greetings, three requests with their answers, and both ends.
func dialogue() []sent {
	return []sent{
		{from: "c", flags: syn, seq: 99},
		{from: "s", flags: syn | ack, seq: 499, ack: 100},
		{from: "c", flags: ack, seq: 100, ack: 500},
		{from: "c", flags: ack, seq: 100, ack: 500, data: "\x16\x03\x01\x00\x04\x01\x00\x00\x00"},
		{from: "s", flags: ack, seq: 500, ack: 109, data: "\x16\x03\x03\x00\x04\x02\x00\x00\x00"},
		{from: "c", flags: ack, seq: 109, ack: 509, data: "\x16\x03\x03\x00\x04\x10\x00\x00\x00"},
		{from: "s", flags: ack, seq: 509, ack: 118, data: "\x15\x03\x03\x00\x02\x02\x2a"},
		{from: "s", flags: fin | ack, seq: 516, ack: 118},
		{from: "c", flags: fin | ack, seq: 118, ack: 517},
		{from: "s", flags: ack, seq: 517, ack: 119},
	}
}

// TestAnyOrder: the packets of a connection may be captured in any order at all. The observer is told the same, and in the order in
// which it happened.
func TestAnyOrder(t *testing.T) {
	ports := map[string][2]uint16{"the server's port is known": {40000, 2379}, "who is who has to be found out": {8080, 9090}, "the other way round": {9090, 8080}}
	for name, p := range ports {
		t.Run(name, func(t *testing.T) {
			random := rand.New(rand.NewPCG(3, 4))
			want := tellDialogue(dialogue(), p)
			for round := range 500 {
				script := dialogue()
				random.Shuffle(len(script), func(i, j int) { script[i], script[j] = script[j], script[i] })
				if got := tellDialogue(script, p); got != want {
					t.Fatalf("round %d: %v\n%s", round, script, cmp.Diff(want, got))
				}
			}
		})
	}
}

// tellDialogue is what a tracker makes of a script, without what depends on the order of packets.
func tellDialogue(script []sent, ports [2]uint16) string {
	var b strings.Builder
	tr := NewTracker(TrackerOptions{ServerPorts: etcdPorts}, func(f *analysis.Facts) {
		fmt.Fprintln(&b, f.Client.Port(), f.Server.Port(), f.RolesGuessed, f.TCP.SYN, f.TCP.SYNACK, f.TCP.Established, f.TCP.Refused)
		for d := range f.Stream {
			s := &f.Stream[d]
			fmt.Fprintln(&b, s.Bytes, s.Missed, s.StartMissed, s.Protocol, s.Close)
		}
		if f.TLS != nil {
			fmt.Fprintln(&b, f.TLS.ClientKeyExchange, len(f.TLS.Alerts), len(f.TLS.Violations))
		}
		c := (&analysis.Diagnoser{}).Diagnose(f)
		fmt.Fprintln(&b, c.Outcome)
		for i := range c.Findings {
			fmt.Fprintln(&b, c.Findings[i].Code)
		}
	})
	p := Packet{Time: 1e18}
	for i := range script {
		s := &script[i]
		seg := Segment{Src: hosts[0], Dst: hosts[1], SrcPort: ports[0], DstPort: ports[1], Flags: s.flags, Seq: s.seq, Ack: s.ack, Length: len(s.data), Payload: []byte(s.data)}
		if s.from == "s" {
			seg.Src, seg.Dst, seg.SrcPort, seg.DstPort = seg.Dst, seg.Src, seg.DstPort, seg.SrcPort
		}
		p.Number++
		p.Time += int64(time.Millisecond)
		tr.Segment(&p, &seg)
	}
	tr.Flush()
	return b.String()
}

// TestRefusedInAnyOrder: a RST that is captured before the SYN that it answers.
func TestRefusedInAnyOrder(t *testing.T) {
	script := []sent{{from: "c", flags: syn, seq: 99}, {from: "s", flags: rst | ack, seq: 0, ack: 100}}
	want := tellDialogue(script, [2]uint16{40000, 2379})
	slices.Reverse(script)
	if got := tellDialogue(script, [2]uint16{40000, 2379}); got != want || !strings.Contains(got, "refused") {
		t.Error(cmp.Diff(want, got))
	}
}

// TestLossDoesNotBlock: what answers bytes that the capture has lost is told all the same, soon after, and what was lost is counted.
func TestLossDoesNotBlock(t *testing.T) {
	for lost := range dialogue() {
		script := slices.Delete(dialogue(), lost, lost+1)
		if got := tellDialogue(script, [2]uint16{40000, 2379}); strings.Count(got, "\n") < 4 {
			t.Errorf("without packet %d: %s", lost+1, got)
		}
	}
}

// TestWithoutSYN: in a capture that starts after the SYNs, or keeps no packets without data, nothing says where a stream begins, so both
// sides wait to the end. They are told in the order in which they answered each other, whoever closed first.
func TestWithoutSYN(t *testing.T) {
	const keyExchangeAlertsViolations = "true 1 2" // as of the whole dialogue, whose hellos are malformed
	scripts := map[string][]sent{"the SYNs": dialogue()[2:], "the handshake of TCP": dialogue()[3:]}
	scripts["all without data but the ends"] = slices.Delete(dialogue()[3:], 6, 7)
	if whole := tellDialogue(dialogue(), [2]uint16{40000, 2379}); !strings.Contains(whole, keyExchangeAlertsViolations) {
		t.Fatal(whole)
	}
	for name, script := range scripts {
		if got := tellDialogue(script, [2]uint16{40000, 2379}); !strings.Contains(got, keyExchangeAlertsViolations) {
			t.Errorf("without %s: %s", name, got)
		}
	}
}

// TestResetCountsWhatWasSent: a RST's numbers tell what was sent and received before it. What of that is not in the capture is missed, and a
// SYN that had more answers than the RST was not refused.
func TestResetCountsWhatWasSent(t *testing.T) {
	hello := "\x16\x03\x01\x00\x04\x01\x00\x00\x00"
	opened := []sent{{from: "c", flags: syn, seq: 99}, {from: "s", flags: syn | ack, seq: 499, ack: 100}, {from: "c", flags: ack, seq: 100, ack: 500}}
	for _, tt := range []struct {
		name   string
		script []sent
		says   []string // lines that there must be
	}{
		{"nothing is missing", append(opened[:3:3], sent{from: "c", flags: ack, seq: 100, ack: 500, data: hello}, sent{from: "s", flags: rst | ack, seq: 500, ack: 109}), []string{"9 0 false tls none", "0 0 false none rst"}},
		{"the server's alert", append(opened[:3:3], sent{from: "c", flags: ack, seq: 100, ack: 500, data: hello}, sent{from: "s", flags: rst | ack, seq: 507, ack: 109}), []string{"9 0 false tls none", "7 7 true none rst", "partial"}},
		{"all data", append(opened[:3:3], sent{from: "s", flags: rst, seq: 502}), []string{"2 2 true none rst", "partial"}},
		{"all but the SYN and the RST", []sent{opened[0], {from: "s", flags: rst | ack, seq: 507, ack: 109}}, nil},
		{"the SYN-ACK", []sent{opened[0], opened[2], {from: "s", flags: rst, seq: 500}}, []string{"false true false true false", "no_data"}},
	} {
		got := tellDialogue(tt.script, [2]uint16{40000, 2379})
		for _, line := range tt.says {
			if !strings.Contains(got, line) {
				t.Errorf("%s: no %q in\n%s", tt.name, line, got)
			}
		}
		if strings.Contains(got, "refused") {
			t.Errorf("%s: %s", tt.name, got)
		}
	}
}
