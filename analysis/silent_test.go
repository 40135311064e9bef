package analysis

import (
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// TestSilentRules: for each shape that a connection without a byte can have, the rules for silent ones find what all rules find,
// whatever the server is known for and whatever the deployment says.
func TestSilentRules(t *testing.T) {
	t.Parallel()
	row := deployRow{files: map[string][]byte{"server.crt": testPKI().server.Certificate[0]}, config: tlsConfig + "tls-min-version: TLS1.3\n"}
	type world struct {
		known     habits
		all, some Diagnoser
	}
	worlds := make([]world, 4)
	for i := range worlds {
		w := &worlds[i]
		w.known = [...]habits{0, speaksTLS, speaksPlaintext, speaksTLS}[i]
		if i == 3 {
			w.all.Expectations, w.some.Expectations = row.expectations(t), row.expectations(t)
		}
		w.all.begin()
		w.some.begin()
	}
	found := map[Code]int{}
	silentFacts(func(f *Facts) {
		for i := range worlds {
			w := &worlds[i]
			if f.Server == testPeer && w.known != 0 && i < 3 {
				continue // as for testServer
			}
			clear(w.all.series.runs)
			clear(w.some.series.runs)
			clear(w.some.servers)
			w.some.servers[f.Server] = w.known
			want, got := w.all.byAllRules(f, w.known), w.some.Diagnose(f)
			if !sameJudgement(&want, &got) {
				t.Fatalf("%+v, server known for %d: (-all rules +those for silent ones)\n%s", *f, w.known, cmp.Diff(want.Findings, got.Findings))
			}
			for _, x := range got.Findings {
				found[x.Code]++
			}
		}
	})
	for _, code := range []Code{CodeRefused, CodeUnanswered, CodeConnectionWithoutData, CodeConnectionReset, CodeHandshakeTimeout, CodeOneSidedCapture, CodeConflictingRetransmission} {
		if found[code] == 0 {
			t.Errorf("no shape led to %s", code)
		}
	}
}

// byAllRules judges facts by all rules.
func (d *Diagnoser) byAllRules(f *Facts, known habits) Connection {
	v := d.look(f)
	v.silent, v.known = false, known
	v.result = v.outcome()
	for _, r := range rules {
		r(v)
	}
	v.judgeSeries(&d.series)
	return v.connection()
}

func sameJudgement(a, b *Connection) bool {
	return a.Outcome == b.Outcome && a.Endpoint == b.Endpoint && slices.EqualFunc(a.Findings, b.Findings, func(a, b Finding) bool {
		return a.Code == b.Code && a.Severity == b.Severity && a.Confidence == b.Confidence && a.AtFault == b.AtFault && a.Title == b.Title &&
			a.Meaning == b.Meaning && slices.Equal(a.Fix, b.Fix) && slices.EqualFunc(a.Evidence, b.Evidence, func(a, b Evidence) bool {
			return a.Text == b.Text && a.Packet == b.Packet && a.At.Equal(b.At) && a.From == b.From && len(a.Bytes)+len(b.Bytes) == 0
		})
	})
}

// silentFacts calls do with each shape.
func silentFacts(do func(*Facts)) {
	servers := []netip.AddrPort{testServer, testPeer, netip.MustParseAddrPort("[2001:db8::2]:443")}
	waits := []time.Duration{10 * time.Millisecond, 2 * time.Second, 6 * time.Second}
	const shapes = 3 * 2 * 2 * 2 * 2 * 2 * 2 * 2 * 3 * 3 * 2 * 2 * 4 * 3
	for n := range shapes {
		pick := func(of int) (k int) { k, n = n%of, n/of; return k }
		yes := func() bool { return pick(2) == 1 }
		f := Facts{Client: testClient, Server: servers[pick(len(servers))], Start: testTime, End: testTime.Add(6 * time.Second)}
		f.TCP = TCPFacts{FirstPacket: 1, LastPacket: 9, SYN: yes(), SYNACK: yes(), Established: yes(), Refused: yes()}
		f.TCP.Packets = [2]int64{int64(2 * pick(2)), int64(2 * pick(2))}
		if yes() {
			f.TCP.Conflicting, f.TCP.ConflictPacket = 3, 5
		}
		for d := range f.Stream {
			if how := CloseKind(pick(3)); how != CloseNone {
				f.Stream[d].Close, f.Stream[d].ClosePacket, f.Stream[d].ClosedAt = how, 8, testTime.Add(2*time.Second)
			}
		}
		serverFirst := yes()
		f.TCP.ClosesSwapped = yes()
		f.Ended = [...]CloseKind{CloseNone, CloseIdle, CloseEnd, CloseEvicted}[pick(4)]
		wait := waits[pick(len(waits))]
		c, s := &f.Stream[FromClient], &f.Stream[FromServer]
		if (serverFirst || f.TCP.ClosesSwapped) && (c.Close == CloseNone || s.Close == CloseNone) {
			continue // there is no order
		}
		if wait != waits[0] && s.Close == CloseNone && f.Ended == CloseNone {
			continue
		}
		if s.Close != CloseNone {
			s.ClosedAt = testTime.Add(wait)
			if serverFirst {
				s.ClosePacket--
			}
		}
		if f.Ended != CloseNone {
			f.Until = f.End.Add(wait)
		}
		do(&f)
	}
}

// TestResetUnused: a Conn that was told of nothing but ends keeps nothing of them.
func TestResetUnused(t *testing.T) {
	one, other := testClient, testServer
	c := NewConn(one, other, testTime)
	c.Close(FromServer, testTime.Add(1), CloseRST)
	c.Close(FromClient, testTime.Add(2), CloseFIN)
	c.Close(FromClient, testTime.Add(3), CloseEnd)
	c.SetTCP(TCPFacts{FirstPacket: 1, SYN: true, Conflicting: 1}, true, testTime.Add(4))
	f := c.Facts()
	f.Outgoing, f.Dialed, f.Role = one, other, EndpointPeer
	c.Reset(other, one, testTime)
	diffFacts(t, &Facts{Client: other, Server: one, Start: testTime, End: testTime}, c.Facts())
}
