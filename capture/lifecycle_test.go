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

// order says which connections the sink was given, by client port and why they ended.
func (r *rig) order() (s []string) {
	for _, c := range r.got {
		ended := c.Ended.String()
		if c.Ended == analysis.CloseNone {
			ended = "closed"
		}
		s = append(s, c.Client[len("10.0.0.1:"):]+" "+ended)
	}
	return s
}

func from(port uint16, s sent) sent {
	s.from, s.ports = "c", [2]uint16{port, 2379}
	return s
}

func answer(port uint16, s sent) sent {
	s.from, s.ports = "s", [2]uint16{port, 2379}
	return s
}

func TestIdleConnectionsAreGivenUp(t *testing.T) {
	r := newRig(TrackerOptions{IdleTimeout: time.Minute, ServerPorts: etcdPorts})
	r.play([]sent{
		from(1001, sent{flags: syn, seq: 99}),
		from(1002, sent{flags: syn, seq: 99}),
		from(1003, sent{flags: syn, seq: 99, after: 30 * time.Second}),
		answer(1001, sent{flags: syn | ack, seq: 499, ack: 100, after: 10 * time.Second}),
	})
	r.play([]sent{from(1004, sent{flags: syn, after: 20 * time.Second})}) // 1002 has been silent for a minute
	if diff := cmp.Diff([]string{"1002 idle"}, r.order()); diff != "" {
		t.Errorf("after a minute (-want +got):\n%s", diff)
	}
	r.Advance(r.packet.Time + int64(35*time.Second))
	if diff := cmp.Diff([]string{"1002 idle", "1003 idle"}, r.order()); diff != "" {
		t.Errorf("35 s later (-want +got):\n%s", diff)
	}
	r.play([]sent{from(1002, sent{flags: ack, seq: 100, ack: 1, data: "x"})})
	r.Flush()
	if diff := cmp.Diff([]string{"1002 idle", "1003 idle", "1001 end", "1004 end", "1002 end"}, r.order()); diff != "" {
		t.Errorf("at the end (-want +got):\n%s", diff)
	}
	if s := r.Stats(); s.Idle != 2 || s.Connections != 5 {
		t.Errorf("%d idle of %d", s.Idle, s.Connections)
	}
	r.checkEmpty(t)
}

func TestFinishedConnectionsComeInOrder(t *testing.T) {
	r := newRig(TrackerOptions{})
	refused := func(port uint16) []sent {
		return []sent{from(port, sent{flags: syn, seq: 99}), answer(port, sent{flags: rst | ack, ack: 100})}
	}
	r.play([]sent{from(1001, sent{flags: syn, seq: 99}), from(1005, sent{flags: syn, seq: 99})})
	r.play(refused(1003))
	r.play(refused(1002))
	r.play([]sent{from(1005, sent{flags: syn, seq: 9999, after: time.Second})}) // replaces, but comes after those before it
	if len(r.got) != 0 {
		t.Fatalf("handed over before lingering: %v", r.order())
	}
	r.play([]sent{answer(1001, sent{flags: rst | ack, ack: 100, after: time.Second})})
	if diff := cmp.Diff([]string{"1003 closed", "1002 closed", "1005 idle"}, r.order()); diff != "" {
		t.Errorf("after two seconds (-want +got):\n%s", diff)
	}
	r.Flush()
	if diff := cmp.Diff([]string{"1003 closed", "1002 closed", "1005 idle", "1001 closed", "1005 end"}, r.order()); diff != "" {
		t.Errorf("at the end (-want +got):\n%s", diff)
	}
	r.checkEmpty(t)
}

func TestLingeringIsBounded(t *testing.T) {
	r := newRig(TrackerOptions{})
	const over = 1000
	for i := range uint16(maxLingering + maxUnsettled + over) {
		r.play([]sent{from(i+1, sent{flags: syn, seq: 99}), answer(i+1, sent{flags: rst | ack, ack: 100})})
		if r.lingering.length() > maxLingering+1 || r.unsettled.length() > maxUnsettled+1 {
			t.Fatalf("%d linger, and %d that are not settled", r.lingering.length(), r.unsettled.length())
		}
	}
	if n := len(r.got); n != over-1 {
		t.Errorf("%d handed over", n)
	}
	r.Flush()
	r.checkEmpty(t)
}

func TestEviction(t *testing.T) {
	r := newRig(TrackerOptions{MaxConnections: 2, ServerPorts: etcdPorts})
	r.play([]sent{
		from(1001, sent{flags: ack, seq: 1, ack: 1, data: "x"}),
		from(1002, sent{flags: syn, seq: 99}),
		from(1001, sent{flags: ack, seq: 2, ack: 1, data: "y", after: 100 * time.Millisecond}),
		from(1003, sent{flags: syn, seq: 99}),
		from(1004, sent{flags: syn, seq: 99}),
	})
	r.Flush()
	if diff := cmp.Diff([]string{"1002 evicted", "1001 evicted", "1003 end", "1004 end"}, r.order()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if s := r.Stats(); s.Evicted != 2 || r.got[0].Flags != "syn evicted" {
		t.Errorf("%d evicted; flags %q", s.Evicted, r.got[0].Flags)
	}
	r.checkEmpty(t)
}

// TestEvictionOfMany: of many connections, too, who has spoken since is kept, and those that have not go in their order.
func TestEvictionOfMany(t *testing.T) {
	const most = 2 * shortList
	r := newRig(TrackerOptions{MaxConnections: most, ServerPorts: etcdPorts})
	for i := range uint16(most) {
		r.send(from(1001+i, sent{flags: syn, seq: 99}))
	}
	r.send(from(1001, sent{flags: syn, seq: 99, after: time.Minute}))
	r.send(from(1003, sent{flags: ack, seq: 100, ack: 500, data: "x"}))
	r.play([]sent{from(60_001, sent{flags: syn, seq: 99}), from(60_002, sent{flags: syn, seq: 99}), from(60_003, sent{flags: syn, seq: 99})})
	r.Flush()
	if diff := cmp.Diff([]string{"1002 evicted", "1004 evicted", "1005 evicted"}, r.order()[:3]); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	r.checkEmpty(t)
}

// TestWrongTimeStamp has one packet from the far future: it must not make all that follow idle, nor linger for ever.
func TestWrongTimeStamp(t *testing.T) {
	r := newRig(TrackerOptions{})
	century := 100 * 365 * 24 * time.Hour
	r.play([]sent{
		from(1001, sent{flags: syn, seq: 99, after: century}),
		answer(1001, sent{flags: rst | ack, ack: 100}),
		from(1002, sent{flags: syn, seq: 99, after: -century}),
		answer(1002, sent{flags: syn | ack, seq: 499, ack: 100, after: time.Second}),
		from(1002, sent{flags: ack, seq: 100, ack: 500, after: time.Second}),
	})
	if diff := cmp.Diff([]string{"1001 closed"}, r.order()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	r.Flush()
	if s := r.Stats(); s.Idle != 0 || s.Connections != 2 {
		t.Errorf("%d idle of %d", s.Idle, s.Connections)
	}
}

func TestNoTimeStamps(t *testing.T) {
	r := newRig(TrackerOptions{})
	r.packet.Time = 0
	r.play(append(opened[:3:3], sent{from: "s", flags: rst, seq: 500}))
	r.Flush()
	if len(r.got) != 1 || r.got[0].Close[1] != analysis.CloseRST {
		t.Errorf("got %+v", r.got)
	}
}

// TestHalfOpenFlood opens more connections than fit: memory stays bounded, and nothing but the slabs grows.
func TestHalfOpenFlood(t *testing.T) {
	const most = 20_000
	n := 0
	tr := NewTracker(TrackerOptions{MaxConnections: most}, func(*analysis.Facts) { n++ })
	p, s := Packet{Time: 1e18}, Segment{Src: hosts[0], Dst: hosts[1], DstPort: 2379, Flags: syn}
	for i := range 3 * most {
		p.Number++
		s.SrcPort, s.Src[15], s.Seq = uint16(i), byte(i>>16), uint32(i)
		tr.Segment(&p, &s)
	}
	table := &tr.table
	if n < 2*most-maxLingering || tr.active.length != most || table.embryos.made > most+2 || table.slabs.made > maxLingering+2 || len(tr.attachments) != 1 {
		t.Errorf("%d handed over, %d active, %d embryos and %d connections made, %d attachments", n, tr.active.length, table.embryos.made, table.slabs.made, len(tr.attachments))
	}
	tr.Flush()
	if n != 3*most {
		t.Errorf("%d of %d connections handed over", n, 3*most)
	}
}

// TestOrderIsTheSameOnEveryRun: the table's random seed must not show.
func TestOrderIsTheSameOnEveryRun(t *testing.T) {
	run := func() string {
		r := newRig(TrackerOptions{MaxConnections: 50, IdleTimeout: 20 * time.Second})
		for i := range 2000 {
			port := uint16(1 + i*i%97)
			s := []sent{from(port, sent{flags: syn, seq: uint32(i % 3)}), answer(port, sent{flags: rst | ack, ack: uint32(i%3 + 1)}),
				from(port, sent{flags: ack, seq: 1, data: "x", after: time.Second})}[i%7%3]
			r.send(s)
		}
		r.Flush()
		return fmt.Sprint(r.got)
	}
	if a, b := run(), run(); a != b {
		t.Errorf("two runs differ:\n%s\n%s", a, b)
	}
}

// TestBuriedTwice has two connections between the same endpoints: what trails the second is known for that.
func TestBuriedTwice(t *testing.T) {
	r := newRig(TrackerOptions{ServerPorts: etcdPorts})
	second := []sent{from(1000, sent{flags: syn, seq: 9099}), answer(1000, sent{flags: syn | ack, seq: 9499, ack: 9100}),
		from(1000, sent{flags: fin | ack, seq: 9100, ack: 9500}), answer(1000, sent{flags: fin | ack, seq: 9500, ack: 9101}), from(1000, sent{flags: ack, seq: 9101, ack: 9501})}
	for i, script := range [][]sent{closedAndSettled(1000), second} {
		r.play(script)
		for port := range uint16(maxLingering + 10) {
			r.play(closedAndSettled(2000 + 1000*uint16(i) + port))
		}
	}
	r.play(second[:1])
	if s := r.Stats(); s.Late != 1 || s.Replaced != 1 || s.Connections != 2+2*(maxLingering+10) {
		t.Errorf("%d late packets, %d replaced, %d connections", s.Late, s.Replaced, s.Connections)
	}
	r.Flush()
	r.checkEmpty(t)
}

// closedAndSettled is a connection without data that is closed by both sides.
func closedAndSettled(port uint16) []sent {
	return append(closedUnsettled(port), from(port, sent{flags: ack, seq: 101, ack: 501}))
}

// closedUnsettled is the same without the last acknowledgement.
func closedUnsettled(port uint16) []sent {
	return []sent{from(port, sent{flags: syn, seq: 99}), answer(port, sent{flags: syn | ack, seq: 499, ack: 100}),
		from(port, sent{flags: fin | ack, seq: 100, ack: 500}), answer(port, sent{flags: fin | ack, seq: 500, ack: 101})}
}

// TestUnsettled: a connection that waits for an acknowledgement does so for longer than those that have all.
func TestUnsettled(t *testing.T) {
	r := newRig(TrackerOptions{ServerPorts: etcdPorts})
	r.play(closedUnsettled(1000))
	settle := func(first, n uint16) {
		for port := first; port < first+n; port++ {
			r.play(closedAndSettled(port))
		}
	}
	settle(2000, maxLingering+10)
	r.play([]sent{answer(1000, sent{flags: fin | ack, seq: 500, ack: 101}), from(1000, sent{flags: ack, seq: 101, ack: 501})})
	if s := r.Stats(); s.Late != 0 || len(r.got) != 10 || r.unsettled.length() != 1 {
		t.Errorf("%d late packets, %d handed over, %d not settled", s.Late, len(r.got), r.unsettled.length())
	}
	for i := range uint16(maxUnsettled) {
		r.play(closedUnsettled(5000 + i))
	}
	settle(8000, maxLingering+10)
	r.Flush()
	if last := r.got[len(r.got)-1].Client; last != "10.0.0.1:8073" {
		t.Errorf("the last one that was handed over is %s, not that which finished last", last)
	}
	at := slices.Index(r.order(), "1000 closed")
	if at < maxLingering+10 || at > 2*maxLingering || !strings.HasPrefix(r.got[at].Packets, "3+3 ") {
		t.Errorf("the first was handed over as number %d with packets %s", at, r.got[max(at, 0)].Packets)
	}
	r.checkEmpty(t)
}

// TestBuried has more connections finish at once than may linger: those handed over early still own the packets that trail them.
func TestBuried(t *testing.T) {
	r := newRig(TrackerOptions{ServerPorts: etcdPorts})
	const early = 10
	for port := uint16(1000); port < 1000+maxLingering+early; port++ {
		r.play(closedAndSettled(port))
	}
	r.Advance(r.packet.Time)
	for range 3 {
		r.play([]sent{from(1000, sent{flags: ack, seq: 101, ack: 501})})
	}
	if s := r.Stats(); len(r.got) != early || s.Late != 3 || s.Connections != maxLingering+early {
		t.Errorf("%d handed over, %d late packets, %d connections", len(r.got), s.Late, s.Connections)
	}
	r.play([]sent{from(1000, sent{flags: syn, seq: 9999})})
	r.play([]sent{from(1001, sent{flags: ack, seq: 101, ack: 501, after: time.Duration(lingerTime)})})
	if s := r.Stats(); len(r.got) != maxLingering+early || s.Late != 3 || s.Connections != maxLingering+early+2 {
		t.Errorf("after lingerTime: %d handed over, %d late packets, %d connections", len(r.got), s.Late, s.Connections)
	}
	r.Flush()
	r.checkEmpty(t)
}
