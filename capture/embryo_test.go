package capture

import (
	"math"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/etcdtap/etcdtap/analysis"
)

// TestEmbryosAgainstConnections plays random openings to a tracker that has embryos and to one that has none, because somebody wants to
// see its connections early: both tell the same of the same connections in the same order.
func TestEmbryosAgainstConnections(t *testing.T) {
	type told struct {
		Seen       seen
		Start, End time.Time
	}
	for round := range uint64(300) {
		rnd := rand.New(rand.NewPCG(round, 7))
		script := randomOpenings(rnd, round%2 == 0)
		o := TrackerOptions{MaxConnections: 3 + rnd.IntN(30), IdleTimeout: time.Minute, ServerPorts: etcdPorts}
		var got [2][]told
		var stats [2]TrackerStats
		for i := range got {
			if i == 1 {
				o.Early = func(*analysis.Facts, Early) bool { return false }
			}
			r := &rig{packet: Packet{Time: 1e18}}
			r.Tracker = NewTracker(o, func(f *analysis.Facts) { got[i] = append(got[i], told{summarize(f), f.Start, f.End}) })
			for _, s := range script {
				r.send(s)
				r.check(t)
			}
			r.Flush()
			r.checkEmpty(t)
			stats[i] = r.Stats()
		}
		if diff := cmp.Diff(got[1], got[0]); diff != "" {
			t.Fatalf("round %d: without embryos (-), with them (+):\n%s", round, diff)
		}
		if diff := cmp.Diff(stats[1], stats[0]); diff != "" {
			t.Fatalf("round %d: without embryos (-), with them (+):\n%s", round, diff)
		}
	}
}

// randomOpenings are mostly SYNs and answers, from few ports, with few numbers, and now and then something else. Whoever looks at
// connections early gives holes up when it is quiet, so slow ones carry no data.
func randomOpenings(rnd *rand.Rand, slow bool) (script []sent) {
	for range 400 {
		port, number := uint16(1000+rnd.IntN(40)), uint32(99+100*(rnd.IntN(12)/11))
		after := time.Duration(rnd.IntN(1000)) * time.Microsecond
		if slow {
			after = time.Duration(rnd.IntN(1000)) * time.Millisecond
		}
		s := sent{from: "c", flags: syn, seq: number, ports: [2]uint16{port, 2379}, after: after}
		if rnd.IntN(10) == 0 {
			s.flags |= flagsECN
		}
		switch n := rnd.IntN(20); {
		case n < 8:
		case n < 15:
			s.from, s.flags, s.seq, s.ack = "s", s.flags|ack, 499+100*uint32(rnd.IntN(12)/11), number+1
		case n < 16:
			s.flags, s.seq, s.ack = ack, number+1, 500
		case n < 17:
			s.from, s.flags, s.seq, s.ack = "s", rst|ack, 0, number+1
		case n < 18:
			s.flags, s.seq, s.ack = fin|ack, number+1, 500
		case n < 19:
			s.from, s.flags = "s", syn // both open at once, or a scan of an ephemeral port
		case !slow:
			s.flags, s.seq, s.ack, s.data = ack, number+1, 500, "GET / HTTP/1.1\r\n\r\n"
			if rnd.IntN(2) == 0 {
				s.flags, s.seq, s.ack = syn, number, 0 // TCP Fast Open
			}
		}
		script = append(script, s)
	}
	return script
}

// TestEmbryoBounds: what an embryo has no room for makes a connection of it.
func TestEmbryoBounds(t *testing.T) {
	r := newRig(TrackerOptions{})
	r.play([]sent{
		{from: "c", flags: syn, seq: 99, times: 70_000},
		{from: "s", flags: syn | ack, seq: 499, ack: 100, times: 70_000},
	})
	if r.table.used != 1 || r.active.length != 1 || r.active.head&embryonic != 0 {
		t.Errorf("%d in the table, %d active, the first is %#x", r.table.used, r.active.length, r.active.head)
	}
	second := sent{from: "c", flags: syn, seq: 99, ports: [2]uint16{1, 2379}}
	r.send(second)
	r.packet.Number += math.MaxUint32
	r.send(second)
	r.Flush()
	if len(r.got) != 2 || r.got[0].Packets != "70000+70000 1-140000" || r.got[1].Packets != "2+0 140001-4295107297" {
		t.Errorf("got %+v", r.got)
	}
}

// TestHatched: what an embryo becomes is the connection that the same segments make where there are no embryos, in every field but those
// that depend on where it lies.
func TestHatched(t *testing.T) {
	first, answered := sent{from: "c", flags: syn, seq: 99}, sent{from: "s", flags: syn | ack, seq: 499, ack: 100, after: time.Second}
	cookie := answered
	cookie.seq = 777
	for name, script := range map[string][]sent{
		"a SYN":                       {first},
		"twice":                       {first, first},
		"answered":                    {first, answered},
		"and everything again":        {first, answered, first, answered},
		"answered with other numbers": {first, answered, cookie},
	} {
		t.Run(name, func(t *testing.T) {
			var got [2]connection
			for i, early := range []EarlySink{nil, func(*analysis.Facts, Early) bool { return false }} {
				r := newRig(TrackerOptions{Early: early})
				r.play(script)
				c := r.table.at(r.whole(r.active.head))
				c.tag, c.links = 0, links{} // the table's seed is random
				got[i] = *c
			}
			if diff := cmp.Diff(got[1], got[0], cmp.AllowUnexported(connection{}, ends{}, half{}, links{})); diff != "" {
				t.Errorf("without embryos (-), with them (+):\n%s", diff)
			}
		})
	}
}
