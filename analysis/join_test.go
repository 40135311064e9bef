package analysis

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/etcdtap/etcdtap/analysis/etcdlog"
	"github.com/google/go-cmp/cmp"
)

// seenConn is a connection that ended at a moment, with findings of these codes.
type seenConn struct {
	client string
	ended  time.Duration // after testTime
	found  []Finding
}

// sure and guess are findings on packets.
func sure(c Code) Finding  { return onPackets(c, Certain) }
func guess(c Code) Finding { return onPackets(c, Likely) }

func onPackets(c Code, sureness Confidence) Finding {
	f := findingOf(c, sureness)
	f.Evidence = []Evidence{{Text: "seen in packet 7", Packet: 7}}
	return f
}

// connections are numbered by their first packets: 1, 2, 3 …
func connections(seen ...seenConn) (list []Connection) {
	for i, s := range seen {
		at := testTime.Add(s.ended)
		f := &Facts{Client: netip.MustParseAddrPort(s.client), Server: testServer, Start: at.Add(-10 * time.Millisecond), End: at}
		f.TCP.FirstPacket = int64(i + 1)
		f.Stream[FromServer].Close, f.Stream[FromServer].ClosedAt = CloseFIN, at
		list = append(list, Connection{Facts: f, Endpoint: EndpointClient, Outcome: OutcomeRejectedByServer, Findings: slices.Clone(s.found)})
	}
	return list
}

// joining reads a log and joins it with connections. It checks what holds for every join.
func joining(t testing.TB, list []Connection, lines ...string) (*Join, []Connection) {
	t.Helper()
	var out []Connection
	j := NewJoin(func(c *Connection) error {
		kept := *c
		kept.Facts = c.Facts.Clone()
		out = append(out, kept)
		return nil
	})
	for _, e := range entriesOf(lines...) {
		j.Entry(e)
	}
	for i := range list {
		if err := j.Connection(&list[i]); err != nil {
			t.Fatal(err)
		}
	}
	if err := j.Close(); err != nil {
		t.Fatal(err)
	}
	checkJoin(t, j, out, len(list))
	return j, out
}

func entriesOf(lines ...string) (entries []*LogEntry) {
	var r etcdlog.Reader
	var x Explainer
	each := func(e *etcdlog.Entry) {
		le := x.Explain(e, "etcd.log")
		entries = append(entries, &le)
	}
	r.Write([]byte(strings.Join(lines, "\n")+"\n"), each)
	return entries
}

// checkJoin: connections come out in their order; an entry is with one connection or says why with none.
func checkJoin(t testing.TB, j *Join, out []Connection, n int) {
	t.Helper()
	if len(out) != n {
		t.Errorf("%d connections of %d came out", len(out), n)
	}
	with := make(map[*LogEntry]string)
	for i := range out {
		c := &out[i]
		if i > 0 && c.TCP.FirstPacket <= out[i-1].TCP.FirstPacket {
			t.Errorf("connection %d came after %d", c.TCP.FirstPacket, out[i-1].TCP.FirstPacket)
		}
		for _, e := range c.Log {
			if with[e] != "" {
				t.Errorf("line %d is with connections %s and %d", e.Line, with[e], c.TCP.FirstPacket)
			}
			with[e] = string(c.AppendID(nil))
		}
		if len(c.Log) > 0 && c.NoLog != "" {
			t.Errorf("connection %d has lines and says why not: %s", c.TCP.FirstPacket, c.NoLog)
		}
		for k, f := range c.Findings {
			if len(f.Evidence) > maxEvidence {
				t.Errorf("%s: %d pieces of evidence", f.Code, len(f.Evidence))
			}
			if k > 0 && f.Severity > c.Findings[k-1].Severity {
				t.Errorf("%s stands behind a lighter finding", f.Code)
			}
		}
	}
	joined := int64(0)
	for _, e := range j.Entries() {
		if e.Connection != with[e] || (e.Connection == "") == (e.NotJoined == "") {
			t.Errorf("line %d: connection %s (with %s), %q", e.Line, e.Connection, with[e], e.NotJoined)
		}
		if e.Connection != "" {
			joined++
		}
	}
	if s := j.Stats(); s.Joined != joined || s.Entries != int64(len(j.Entries()))+s.Beyond {
		t.Errorf("%+v, %d joined", s, joined)
	}
}

// connOf are the connections of the entries, in order, by their first packets; 0 for none.
func connOf(j *Join) (list []int64) {
	for _, e := range j.Entries() {
		n, _ := strconv.ParseInt(strings.TrimPrefix(e.Connection, "c"), 10, 64)
		list = append(list, n)
	}
	return list
}

func port(n int) string { return fmt.Sprintf("10.0.0.7:%d", n) }

// localAt is a line in local time without zone.
func localAt(at time.Time, zone time.Duration, remote, err string) string {
	return at.UTC().Add(zone).Format("2006-01-02 15:04:05.000000") + ` I | embed: rejected connection from "` + remote + `" (error "` + err + `", ServerName "")`
}

// three are connections of one client, a minute apart.
func three() []Connection {
	p := []Finding{sure(CodePlaintextToTLS)}
	return connections(seenConn{port(1), 0, p}, seenConn{port(2), 61 * time.Second, p}, seenConn{port(3), 133 * time.Second, p})
}

func threeLines(line func(at time.Time, remote string) string) []string {
	return []string{line(testTime, port(1)), line(testTime.Add(61*time.Second), port(2)), line(testTime.Add(133*time.Second), port(3))}
}

func TestJoinClocks(t *testing.T) {
	zap := func(skew time.Duration) []string {
		return threeLines(func(at time.Time, r string) string { return rejectionAt(at.Add(skew), r, noRecord) })
	}
	local := func(zone time.Duration) []string {
		return threeLines(func(at time.Time, r string) string { return localAt(at, zone, r, noRecord) })
	}
	all, none := []int64{1, 2, 3}, []int64{0, 0, 0}
	for _, tt := range []struct {
		name            string
		lines           []string
		want            []int64
		zoned, unzoned  time.Duration
		zKnown, uzKnown bool
	}{
		{"exact", zap(0), all, 0, 0, true, false},
		{"3 s slow", zap(-3 * time.Second), all, -3 * time.Second, 0, true, false},
		{"40 s fast", zap(40 * time.Second), all, 40 * time.Second, 0, true, false},
		{"7 h fast", zap(7 * time.Hour), all, 7 * time.Hour, 0, true, false},
		{"one line, 40 s fast", zap(40 * time.Second)[:1], all[:1], 40 * time.Second, 0, true, false},
		{"one line of another day", zap(26 * time.Hour)[:1], none[:1], 0, 0, false, false},
		{"UTC+1", local(time.Hour), all, 0, time.Hour, false, true},
		{"UTC-5:30", local(-330 * time.Minute), all, 0, -330 * time.Minute, false, true},
		{"one line of UTC+1", local(time.Hour)[:1], all[:1], 0, time.Hour, false, true},
		{"no time zone", local(7 * time.Minute), none, 0, 0, false, false},
		{"beyond all zones", local(17 * time.Hour), none, 0, 0, false, false},
		{"both in one log", append(zap(40 * time.Second)[:2], localAt(testTime.Add(133*time.Second), time.Hour, port(3), noRecord)), all, 40 * time.Second, time.Hour, true, true},
		{"whole seconds", threeLines(func(at time.Time, r string) string { return grpcAt(at.UTC().Add(time.Hour), r, noRecord) }), all, 0, time.Hour, false, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			j, _ := joining(t, three(), tt.lines...)
			if d := cmp.Diff(tt.want, connOf(j)); d != "" {
				t.Errorf("connections of the lines (-want +got):\n%s", d)
			}
			s := j.Stats()
			near := func(a, b time.Duration) bool { return (a - b).Abs() <= time.Second/2 }
			if !near(s.Zoned.By, tt.zoned) || !near(s.Unzoned.By, tt.unzoned) || s.Zoned.Known != tt.zKnown || s.Unzoned.Known != tt.uzKnown {
				t.Errorf("clocks: %+v", s)
			}
		})
	}
}

// TestJoinFollowsDrift: a clock that loses 10 s in the course of a long capture.
func TestJoinFollowsDrift(t *testing.T) {
	const n = 9 * enoughPairs
	var seen []seenConn
	var lines []string
	for i := range n {
		at := time.Duration(i) * time.Minute
		seen = append(seen, seenConn{port(1000 + i), at, []Finding{sure(CodePlaintextToTLS)}})
		lines = append(lines, rejectionAt(testTime.Add(at+5*time.Second-time.Duration(i)*20*time.Millisecond), port(1000+i), noRecord))
	}
	j, _ := joining(t, connections(seen...), lines...)
	if s := j.Stats(); s.Joined != n {
		t.Errorf("%d of %d lines joined", s.Joined, n)
	}
}

func TestJoinOnePortOftenUsed(t *testing.T) {
	p := []Finding{sure(CodePlaintextToTLS)}
	again := func(gap time.Duration) []Connection {
		return connections(seenConn{port(1), 0, p}, seenConn{port(1), gap, p}, seenConn{port(1), 2 * gap, p})
	}
	for _, tt := range []struct {
		name string
		gap  time.Duration
		line func(at time.Time) string
	}{
		{"a minute", time.Minute, func(at time.Time) string { return rejectionAt(at, port(1), noRecord) }},
		{"half a second", time.Second / 2, func(at time.Time) string { return rejectionAt(at, port(1), noRecord) }},
		{"whole seconds", 700 * time.Millisecond, func(at time.Time) string { return grpcAt(at.UTC(), port(1), noRecord) }},
		{"no time", time.Minute, func(time.Time) string { return capnsLine(noRecord)[len("2026-11-23 07:38:18.155012 "):] }},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var lines []string
			for i := range 3 {
				lines = append(lines, strings.Replace(tt.line(testTime.Add(time.Duration(i)*tt.gap+time.Millisecond)), "10.0.0.42:49824", port(1), 1))
			}
			j, _ := joining(t, again(tt.gap), lines...)
			if d := cmp.Diff([]int64{1, 2, 3}, connOf(j)); d != "" {
				t.Errorf("(-want +got):\n%s", d)
			}
		})
	}
	t.Run("the first has no line", func(t *testing.T) {
		j, out := joining(t, again(time.Second), rejectionAt(testTime.Add(time.Second), port(1), noRecord), rejectionAt(testTime.Add(2*time.Second), port(1), noRecord))
		if d := cmp.Diff([]int64{2, 3}, connOf(j)); d != "" || out[0].NoLog == "" {
			t.Errorf("why none for the first: %q; (-want +got):\n%s", out[0].NoLog, d)
		}
	})
}

func TestJoinSeveralLinesOfOneConnection(t *testing.T) {
	list := connections(seenConn{port(1), 0, []Finding{sure(CodePlaintextToTLS)}})
	rejected := rejectionAt(testTime.Add(time.Millisecond), port(1), noRecord)
	j, out := joining(t, list, rejected, grpcAt(testTime.UTC(), port(1), noRecord), rejected)
	if d := cmp.Diff([]int64{1, 1, 1}, connOf(j)); d != "" || len(out[0].Log) != 3 {
		t.Errorf("(-want +got):\n%s", d)
	}
}

// TestJoinReasons: what is not joined says why, and the reason is true.
func TestJoinReasons(t *testing.T) {
	p := []Finding{sure(CodePlaintextToTLS)}
	one := func() []Connection {
		return connections(seenConn{port(1), 0, p}, seenConn{"10.0.0.9:1", time.Minute, p})
	}
	const untimed = `rejected connection from "10.0.0.7:1" (error "tls: client didn't provide a certificate", ServerName "")`
	for _, tt := range []struct {
		name string
		list []Connection
		line string
		want string
	}{
		{"no capture", nil, rejectionAt(testTime, port(1), noRecord), "no connection in the capture"},
		{"another time", one(), rejectionAt(testTime.Add(-time.Hour), port(1), noRecord), "does not cover its time"},
		{"another moment", one(), rejectionAt(testTime.Add(20*time.Second), port(1), "tls: a text of the future"), "none that ended at this time"},
		{"another port", one(), rejectionAt(testTime, port(2), noRecord), "this client is in the capture, but not this connection"},
		{"another client", one(), rejectionAt(testTime.Add(10*time.Second), "192.168.0.1:5", noRecord), "no packet from 192.168.0.1"},
		{"no address", one(), `2026-11-23 rejected connection, somehow`, "names no client address"},
		{"a client's line", one(), etcdctlLine("authentication handshake failed: EOF"), "names no client address"},
		{"no time, another cause", one(), untimed, "has no time"},
		{"NAT, two at its moment", connections(seenConn{port(1), 0, p}, seenConn{port(2), 10 * time.Millisecond, p}), rejectionAt(testTime, "192.168.0.1:5", noRecord), "its moment alone does not tell"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			j, out := joining(t, tt.list, tt.line)
			if got := j.Entries()[0]; got.Connection != "" || !strings.Contains(got.NotJoined, tt.want) {
				t.Errorf("connection %s, %q; want %q", got.Connection, got.NotJoined, tt.want)
			}
			for _, c := range out {
				if codes := codesOf(c.Findings); len(codes) != 1 {
					t.Errorf("%v", codes)
				}
			}
		})
	}
}

// TestJoinSilence: a connection that failed and has no line says why, one that needs none is silent.
func TestJoinSilence(t *testing.T) {
	other := rejectionAt(testTime.Add(-time.Minute), "10.9.9.9:1", noRecord)
	last := rejectionAt(testTime.Add(time.Hour), "10.9.9.9:2", noRecord)
	open := func(c *Connection) { c.Stream[FromServer].Close = CloseNone }
	for _, tt := range []struct {
		name   string
		found  Finding
		change func(*Connection)
		lines  []string
		want   string
	}{
		{"sampled", sure(CodePlaintextToTLS), nil, []string{other, last}, "zap leaves lines out"},
		{"another time", sure(CodePlaintextToTLS), nil, []string{last}, "do not cover its time"},
		{"no log", sure(CodePlaintextToTLS), nil, nil, ""},
		{"still open", sure(CodePlaintextToTLS), open, []string{other}, "neither side had closed"},
		{"plaintext etcd", sure(CodeTLSToPlaintext), nil, []string{other}, "logs nothing of this"},
		{"peer port", guess(CodeGRPCToPeerPort), nil, []string{other}, "3.6 and later log nothing"},
		{"refused", sure(CodeRefused), nil, []string{other}, "cannot know"},
		{"healthy, expires soon", sure(CodeCertExpiresSoon), func(c *Connection) { c.Outcome = OutcomeEstablished }, []string{other}, ""},
		{"missed", sure(CodeCaptureLoss), nil, []string{other}, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			list := connections(seenConn{port(1), 0, []Finding{tt.found}})
			if tt.change != nil {
				tt.change(&list[0])
			}
			_, out := joining(t, list, tt.lines...)
			if got := out[0].NoLog; (got == "") != (tt.want == "") || !strings.Contains(got, tt.want) {
				t.Errorf("%q; want %q", got, tt.want)
			}
		})
	}
}

// TestJoinByTime: the client's address was changed on the way.
func TestJoinByTime(t *testing.T) {
	p, m := []Finding{sure(CodePlaintextToTLS)}, []Finding{guess(CodeClientCertRefused)}
	list := connections(seenConn{port(1), 0, p}, seenConn{"10.0.0.8:2", 10 * time.Second, p}, seenConn{"10.0.0.9:3", 10*time.Second + time.Millisecond, m}, seenConn{"10.0.0.9:4", 30 * time.Second, nil})
	through := func(after time.Duration, n int, err string) string {
		return rejectionAt(testTime.Add(after), fmt.Sprintf("192.168.0.1:%d", n), err)
	}
	j, out := joining(t, list, through(time.Millisecond, 1, noRecord), through(10*time.Second, 2, noRecord), through(10*time.Second, 3, server120+unknownCA),
		through(30*time.Second, 4, noRecord), through(10*time.Second+200*time.Millisecond, 5, noRecord))
	if d := cmp.Diff([]int64{1, 2, 3, 0, 0}, connOf(j)); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
	for _, c := range out[:3] {
		if !c.ByTime {
			t.Errorf("connection %d was not joined by its time alone", c.TCP.FirstPacket)
		}
	}
	if f := out[2].Findings[0]; f.Code != CodeClientCertUntrusted || f.Confidence != Likely {
		t.Errorf("%s, %v: a moment alone makes nothing certain", f.Code, f.Confidence)
	}
	j, _ = joining(t, connections(seenConn{port(1), 0, p}), through(0, 1, noRecord), through(time.Millisecond, 2, noRecord))
	if d := cmp.Diff([]int64{0, 0}, connOf(j)); d != "" {
		t.Errorf("two clients claim one connection (-want +got):\n%s", d)
	}
}

func TestJoinMappedAddresses(t *testing.T) {
	list := connections(seenConn{"[::ffff:10.0.0.7]:1", 0, []Finding{sure(CodePlaintextToTLS)}})
	j, _ := joining(t, list, rejectionAt(testTime, "[::ffff:10.0.0.7]:1", noRecord), grpcAt(testTime.UTC(), port(1), noRecord))
	if d := cmp.Diff([]int64{1, 1}, connOf(j)); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
}

func TestJoinBounds(t *testing.T) {
	e := explain(t, zapLine(noRecord))
	j := NewJoin(func(*Connection) error { return nil })
	const more = 100
	for i := range maxJoinEntries + more {
		x := e
		x.Remote = netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, byte(i >> 16), byte(i >> 8), byte(i)}), 1)
		j.Entry(&x)
		if over := i >= maxJoinEntries; over != (x.NotJoined != "") {
			t.Fatalf("entry %d: %q", i, x.NotJoined)
		}
	}
	if s := j.Stats(); s.Beyond != more || s.Entries != maxJoinEntries+more {
		t.Errorf("%+v", s)
	}
	j = NewJoin(func(*Connection) error { return nil })
	for range maxOfAddr + more {
		x := e
		j.Entry(&x)
	}
	out := 0
	j.emit = func(*Connection) error { out++; return nil }
	for _, c := range connections(slices.Repeat([]seenConn{{"10.1.1.1:1", 0, nil}}, maxJoinHeld+more)...) {
		if err := j.Connection(&c); err != nil {
			t.Fatal(err)
		}
	}
	if out != maxJoinHeld+more || len(j.held) != 0 {
		t.Errorf("%d came out, %d are held", out, len(j.held))
	}
}

func TestJoinReportsErrors(t *testing.T) {
	full := errors.New("disk full")
	j := NewJoin(func(*Connection) error { return full })
	c := three()
	if err := j.Connection(&c[0]); err != nil {
		t.Fatal(err)
	}
	if err := j.Close(); !errors.Is(err, full) {
		t.Errorf("%v", err)
	}
}

// TestJoinIsBoundedByBytes: few lines and few connections may be large, and are held no longer than the many small ones.
func TestJoinIsBoundedByBytes(t *testing.T) {
	e := explain(t, zapLine(noRecord))
	e.Text, e.Error = strings.Repeat("x", 4<<10), strings.Repeat("y", 4<<10)
	j := NewJoin(func(*Connection) error { return nil })
	most := maxJoinTexts / (8 << 10)
	for range most + 1 {
		x := e
		j.Entry(&x)
	}
	if s := j.Stats(); s.Beyond == 0 || len(j.entries) > most || j.texts > maxJoinTexts {
		t.Errorf("%+v, %d entries with %d bytes", s, len(j.entries), j.texts)
	}
	large := &Certificate{Raw: make([]byte, 64<<10)}
	most = maxHeldBack/(timesOfDER*len(large.Raw)) + 1
	out := 0
	j = NewJoin(func(*Connection) error { out++; return nil })
	live := &LiveJoin{Report: func(*Connection) { out++ }}
	list := connections(slices.Repeat([]seenConn{{"10.1.1.1:1", 0, nil}}, most)...)
	for i := range list {
		list[i].TLS = new(TLSFacts)
		list[i].TLS.Certificates[FromClient].Chain = []*Certificate{large}
		list[i].Client = netip.AddrPortFrom(list[i].Client.Addr(), uint16(i+1))
		if err := j.Connection(&list[i]); err != nil {
			t.Fatal(err)
		}
	}
	if out != most || len(j.held) > 0 {
		t.Errorf("%d of %d came out, %d are held", out, most, len(j.held))
	}
	for i := range list {
		live.Connection(&list[i], testTime)
	}
	if live.bytes > maxLiveBytes || len(live.order) >= most || len(live.order) == 0 {
		t.Errorf("%d connections with %d bytes wait", len(live.order), live.bytes)
	}
	if live.Close(testTime); live.bytes != 0 {
		t.Errorf("%d bytes are left", live.bytes)
	}
}
