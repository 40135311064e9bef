package analysis

import (
	"testing"
	"time"
)

// TestPeek: a look in the middle is what the facts would be if the connection ended there, and disturbs nothing.
func TestPeek(t *testing.T) {
	everyTranscript(t, func(t *testing.T, script transcript) {
		c := NewConn(testClient, testServer, testTime)
		at := testTime
		for i, e := range script {
			at = at.Add(time.Millisecond + e.after)
			c.Packet(int64(i) + 4)
			switch {
			case e.lost:
				c.Gap(e.d, at, e.gap)
			case e.close != CloseNone:
				c.Close(e.d, at, e.close)
			default:
				c.Data(e.d, at, e.data)
			}
			got := c.Peek(at, CloseNone)
			want := feeding{}.facts(script[:i+1])
			got.TCP, got.End = want.TCP, want.End
			diffFacts(t, want, got)
			if t.Failed() {
				t.Fatalf("after event %d of %d", i+1, len(script))
			}
		}
		want, got := feeding{}.facts(script), c.Facts()
		got.TCP, got.End = want.TCP, want.End
		diffFacts(t, want, got)
	})
}

// TestPeekIdle: what is given up for being silent says so.
func TestPeekIdle(t *testing.T) {
	c := NewConn(testClient, testServer, testTime)
	c.Data(FromClient, testTime, []byte("GET"))
	f := c.Peek(testTime.Add(time.Minute), CloseIdle)
	if f.Ended != CloseIdle || !f.Until.Equal(testTime.Add(time.Minute)) {
		t.Errorf("ended %v until %v, want idle after a minute", f.Ended, f.Until)
	}
	if again := c.Peek(testTime, CloseNone); again.Ended != CloseNone {
		t.Errorf("the look left its mark: ended %v", again.Ended)
	}
}

// TestSettled: the fate is not settled before anything that judges it, and stays settled.
func TestSettled(t *testing.T) {
	everyTranscript(t, func(t *testing.T, script transcript) {
		full := script.diagnosed(testServer)
		c := NewConn(testClient, testServer, testTime)
		for i, e := range script {
			if e.lost || e.close != CloseNone {
				return
			}
			c.Data(e.d, testTime, e.data)
			if !c.Settled() {
				continue
			}
			early := script[:i+1].diagnosed(testServer)
			if early.Outcome != full.Outcome {
				t.Errorf("settled after event %d as %v, but it ended as %v", i+1, early.Outcome, full.Outcome)
			}
			return
		}
	})
}

// TestAbandon: bytes that are told with Pass count, are no gap, and leave what was seen of the handshake as it was.
func TestAbandon(t *testing.T) {
	script := allTranscripts()["live TLS 1.3 mTLS"]
	want := feeding{}.facts(script)
	c := NewConn(testClient, testServer, testTime)
	feeding{}.tell(c, script[:len(script)-2])
	for _, d := range [...]Direction{FromClient, FromServer} {
		before := c.Peek(testTime, CloseNone).Stream[d].Bytes
		c.Abandon(d)
		if skip := c.Skip(d); skip < 1<<40 {
			t.Errorf("%v: %d bytes may be passed over, want all", d, skip)
		}
		c.Pass(d, testTime, 1<<30)
		c.Close(d, testTime, CloseFIN)
		f := c.Peek(testTime, CloseNone).Stream[d]
		if f.Bytes != before+1<<30 || f.Missed != 0 || f.EarlyGap || f.Incomplete {
			t.Errorf("%v: %+v", d, f)
		}
	}
	if got := c.Facts(); got.TLS == nil || got.TLS.Version != want.TLS.Version || got.TLS.ServerHello == nil {
		t.Errorf("the handshake is gone: %+v", got.TLS)
	}
}

// TestAbandonedEnd: of the last bytes of a stream that was abandoned an alert is known, however much passed before.
func TestAbandonedEnd(t *testing.T) {
	for _, tt := range []struct {
		name string
		last []byte
		want int
	}{
		{"an alert", append([]byte{21, 3, 3, 0, 26}, make([]byte, 26)...), 1},
		{"the end of a record and an alert", append(append(make([]byte, 65), 21, 3, 3, 0, 26), make([]byte, 26)...), 1},
		{"data", append([]byte{23, 3, 3, 0, 26}, make([]byte, 26)...), 0},
		{"no end of a record", append([]byte{21, 3, 3, 0, 27}, make([]byte, 26)...), 0},
		{"nothing", nil, 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			script := allTranscripts()["live TLS 1.2 resumed"]
			c := NewConn(testClient, testServer, testTime)
			feeding{}.tell(c, script[:len(script)-2])
			before := len(c.Peek(testTime, CloseNone).TLS.Alerts)
			c.Abandon(FromServer)
			c.Pass(FromServer, testTime, 12345)
			c.Data(FromServer, testTime, tt.last)
			c.Close(FromServer, testTime, CloseFIN)
			f := c.Facts()
			if got := len(f.TLS.Alerts) - before; got != tt.want {
				t.Errorf("%d alerts, want %d: %+v", got, tt.want, f.TLS.Alerts)
			}
			if f.Stream[FromServer].Missed != 0 || len(f.TLS.Violations) > 0 {
				t.Errorf("%+v, %+v", f.Stream[FromServer], f.TLS.Violations)
			}
		})
	}
}
