package analysis

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// liveRig is a LiveJoin whose output is written down.
type liveRig struct {
	*LiveJoin
	got []string
	now time.Time
}

func newLiveRig() *liveRig {
	r := &liveRig{now: testTime}
	r.LiveJoin = &LiveJoin{
		Report: func(c *Connection) {
			r.got = append(r.got, fmt.Sprintf("%v %v %v lines %d", c.Stage, c.Client.Port(), codesOf(c.Findings), len(c.Log)))
		},
		Entry: func(e *LogEntry) { r.got = append(r.got, "entry of "+e.Connection+" "+e.NotJoined) },
	}
	return r
}

func (r *liveRig) pass(d time.Duration) {
	r.now = r.now.Add(d)
	r.Tick(r.now)
}

// refusedFrom is a client that spoke plaintext to a TLS port.
func refusedFrom(port uint16) Connection {
	f := feeding{}.facts(transcript{client("GET / HTTP/1.1\r\n\r\n"), closes(FromServer, CloseFIN)})
	f.Client, f.TCP.FirstPacket = netip.AddrPortFrom(testClient.Addr(), port), int64(port)
	var d Diagnoser
	return d.Diagnose(f)
}

func (r *liveRig) line(remote string) {
	r.LogEntry(entriesOf(rejectionAt(testTime, remote, noRecord))[0], r.now)
}

func TestLiveJoin(t *testing.T) {
	const found = "[plaintext-to-tls]"
	tests := []struct {
		name string
		do   func(r *liveRig)
		want []string
	}{
		{"the packets first", func(r *liveRig) {
			c := refusedFrom(7)
			r.Connection(&c, r.now)
			r.pass(200 * time.Millisecond)
			r.line("127.0.0.1:7")
			r.pass(time.Second)
		}, []string{"whole 7 " + found + " lines 1", "entry of c7 "}},
		{"the line first", func(r *liveRig) {
			r.line("127.0.0.1:7")
			r.pass(2 * time.Second)
			c := refusedFrom(7)
			r.Connection(&c, r.now)
			r.pass(time.Second)
		}, []string{"whole 7 " + found + " lines 1", "entry of c7 "}},
		{"the line is late", func(r *liveRig) {
			c := refusedFrom(7)
			r.Connection(&c, r.now)
			r.pass(3 * time.Second)
			r.line("127.0.0.1:7")
			r.pass(time.Minute)
		}, []string{"whole 7 " + found + " lines 0", "late 7 " + found + " lines 1", "entry of c7 "}},
		{"no line, and none without packets", func(r *liveRig) {
			c := refusedFrom(7)
			r.Connection(&c, r.now)
			r.line("127.0.0.1:8")
			r.pass(2 * time.Second)
			r.pass(time.Minute)
		}, []string{"whole 7 " + found + " lines 0", "entry of  no connection from 127.0.0.1:8 was seen within 10 s of it: NAT, a proxy in front of etcd, another interface, or dropped packets"}},
		{"through a proxy", func(r *liveRig) {
			c := refusedFrom(7)
			c.Outgoing = netip.MustParseAddrPort("127.0.0.1:9")
			r.line("127.0.0.1:9")
			r.Connection(&c, r.now)
			r.pass(time.Second)
		}, []string{"whole 7 " + found + " lines 1", "entry of c7 "}},
		{"the same port again", func(r *liveRig) {
			c := refusedFrom(7)
			r.Connection(&c, r.now)
			r.line("127.0.0.1:7")
			r.pass(time.Second)
			d := refusedFrom(7)
			d.Start, d.TCP.FirstPacket = d.Start.Add(time.Second), 77
			r.Connection(&d, r.now)
			r.line("127.0.0.1:7")
			r.pass(time.Second)
		}, []string{"whole 7 " + found + " lines 1", "entry of c7 ", "whole 7 " + found + " lines 1", "entry of c77 "}},
		{"the same port again, the line before its connection", func(r *liveRig) {
			c := refusedFrom(7) // etcd has left its line out
			r.Connection(&c, r.now)
			r.pass(5 * time.Second)
			r.line("127.0.0.1:7")
			r.pass(time.Second)
			d := refusedFrom(7)
			d.Start, d.TCP.FirstPacket = d.Start.Add(5*time.Second), 77
			r.Connection(&d, r.now)
			r.pass(time.Minute)
		}, []string{"whole 7 " + found + " lines 0", "whole 7 " + found + " lines 1", "entry of c77 "}},
		{"the line is so late that its connection is almost forgotten", func(r *liveRig) {
			c := refusedFrom(7)
			r.Connection(&c, r.now)
			r.pass(2 * time.Second)
			r.pass(joinWindow - 2*time.Second - time.Millisecond)
			r.line("127.0.0.1:7")
			r.pass(time.Millisecond)
		}, []string{"whole 7 " + found + " lines 0", "late 7 " + found + " lines 1", "entry of c7 "}},
		{"late, at the end", func(r *liveRig) {
			c := refusedFrom(7)
			r.Connection(&c, r.now)
			r.pass(2 * time.Second)
			r.line("127.0.0.1:7")
		}, []string{"whole 7 " + found + " lines 0", "late 7 " + found + " lines 1", "entry of c7 "}},
		{"at the end", func(r *liveRig) {
			c := refusedFrom(7)
			r.Connection(&c, r.now)
			r.line("127.0.0.1:8")
		}, []string{"whole 7 " + found + " lines 0", "entry of  no connection from 127.0.0.1:8 was seen within 10 s of it: NAT, a proxy in front of etcd, another interface, or dropped packets"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := newLiveRig()
			tt.do(r)
			r.Close(r.now)
			if d := cmp.Diff(tt.want, r.got); d != "" {
				t.Errorf("(-want +got):\n%s", d)
			}
			if len(r.recent)+len(r.order)+len(r.entries)+len(r.queue) != 0 {
				t.Errorf("left behind: %d %d %d %d", len(r.recent), len(r.order), len(r.entries), len(r.queue))
			}
		})
	}
}

// TestLiveJoinOpen: a healthy connection that was reported open, then closed by a check after its handshake, gets its line at its end.
func TestLiveJoinOpen(t *testing.T) {
	r := newLiveRig()
	c := allTranscripts()["live TLS 1.3 mTLS"].diagnosed(testServer)
	c.Stage = StageOpen
	r.Connection(&c, r.now)
	r.pass(time.Second)
	c.Stage = StageEnd
	r.Connection(&c, r.now)
	r.Close(r.now)
	if d := cmp.Diff([]string{"open 40000 [] lines 0", "end 40000 [] lines 0"}, r.got); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
}

// TestLiveJoinLongOpen: a connection that was reported open is reported at its end, whenever that is, and gets its line then.
func TestLiveJoinLongOpen(t *testing.T) {
	const found = "[plaintext-to-tls]"
	tests := []struct {
		name  string
		lived time.Duration // from the report to the end
		end   Stage
		line  time.Duration // from the end to the line; negative: before it
		want  []string
	}{
		{"no line", joinWindow - time.Millisecond, StageUpdate, time.Hour, []string{"update 7 " + found + " lines 0"}},
		{"a line at the end", joinWindow - time.Millisecond, StageUpdate, 100 * time.Millisecond, []string{"update 7 " + found + " lines 1", "entry of c7 "}},
		{"a line later", joinWindow - time.Millisecond, StageUpdate, joinWindow - time.Second, []string{"update 7 " + found + " lines 0", "late 7 " + found + " lines 1", "entry of c7 "}},
		{"forgotten meanwhile, the line first", time.Minute, StageEnd, -time.Second, []string{"update 7 " + found + " lines 1", "entry of c7 "}},
		{"forgotten meanwhile, the end first", time.Minute, StageEnd, time.Second, []string{"update 7 " + found + " lines 1", "entry of c7 "}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := newLiveRig()
			c := refusedFrom(7)
			c.Stage = StageOpen
			r.Connection(&c, r.now)
			for range 10 {
				r.pass((tt.lived + min(tt.line, 0)) / 10)
			}
			if tt.line < 0 {
				r.line("127.0.0.1:7")
				r.pass(-tt.line)
			}
			c.Stage = tt.end
			r.Connection(&c, r.now)
			for range 10 {
				r.pass(min(max(tt.line, 0), joinWindow*2) / 10)
			}
			if 0 <= tt.line && tt.line < joinWindow {
				r.line("127.0.0.1:7")
			}
			for range 10 {
				r.pass(joinWindow)
			}
			if d := cmp.Diff(append([]string{"open 7 " + found + " lines 0"}, tt.want...), r.got); d != "" {
				t.Errorf("(-want +got):\n%s", d)
			}
			if len(r.recent)+len(r.order)+len(r.entries)+len(r.queue) != 0 {
				t.Errorf("left behind: %d %d %d %d", len(r.recent), len(r.order), len(r.entries), len(r.queue))
			}
		})
	}
}

// TestLiveJoinIsBounded: what comes beyond the bounds goes out at once.
func TestLiveJoinIsBounded(t *testing.T) {
	r := newLiveRig()
	for i := range maxLiveConnections + 10 {
		c := refusedFrom(uint16(i + 1))
		r.Connection(&c, r.now)
	}
	if len(r.got) != 10 || len(r.order) != maxLiveConnections {
		t.Errorf("%d went out, %d wait", len(r.got), len(r.order))
	}
	for i := range maxLiveEntries + 10 {
		r.line(fmt.Sprintf("10.0.0.1:%d", i+1))
	}
	if s := r.Stats(); s.Beyond != 10 || len(r.queue) != maxLiveEntries {
		t.Errorf("%+v, %d wait", s, len(r.queue))
	}
	r.Close(r.now)
}

// TestLiveJoinCrowded: where connections were too many to be remembered, neither they nor their lines say that there was nothing.
func TestLiveJoinCrowded(t *testing.T) {
	r := newLiveRig()
	var without string
	report := r.Report
	r.Report = func(c *Connection) {
		if report(c); c.Client.Port() == 60000 {
			without = c.NoLog
		}
	}
	for i := range maxLiveConnections {
		c := refusedFrom(uint16(i + 1))
		r.Connection(&c, r.now)
	}
	c := refusedFrom(60000)
	r.Connection(&c, r.now)
	if !strings.Contains(without, "too many connections at once") {
		t.Errorf("its report says %q", without)
	}
	r.line("127.0.0.1:60000")
	r.got = nil
	r.pass(joinWindow)
	if last := r.got[len(r.got)-1]; !strings.Contains(last, "too many connections at once: none from 127.0.0.1:60000") {
		t.Errorf("its line says %q", last)
	}
	r.pass(joinWindow)
	r.line("127.0.0.1:60000")
	r.pass(joinWindow)
	if last := r.got[len(r.got)-1]; !strings.Contains(last, "no connection from 127.0.0.1:60000 was seen") {
		t.Errorf("later a line says %q", last)
	}
}
