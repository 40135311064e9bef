package analysis

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// watching is a Watch whose reports are written down.
func watching() (*Watch, *[]string) {
	got := new([]string)
	w := &Watch{Report: func(c *Connection) {
		*got = append(*got, fmt.Sprintf("%v %v %v", c.Stage, c.Outcome, codesOf(c.Findings)))
	}}
	return w, got
}

// TestWatch: a connection is reported when its fate is known, and again only when its end brought something new.
func TestWatch(t *testing.T) {
	mtls, refused := allTranscripts()["live TLS 1.3 mTLS"], transcript{client("GET / HTTP/1.1\r\n\r\n"), closes(FromServer, CloseFIN)}
	open := func(s transcript) transcript {
		return slices.DeleteFunc(slices.Clone(s), func(e event) bool { return e.close != CloseNone })
	}
	tests := []struct {
		name           string
		early          transcript // nil: no look before the end
		settled, stuck bool
		whole          transcript
		enough         bool
		want           []string
	}{
		{"healthy, shown before its end", open(mtls), false, false, mtls, true, []string{"open established []", "end established []"}},
		{"healthy and short", nil, false, false, mtls, false, []string{"whole established []"}},
		{"a hello is not enough", mtls[:1], false, false, mtls, false, []string{"whole established []"}},
		{"a hello that waits, then goes on", mtls[:1], false, true, mtls, true, []string{"open no_reply [no-reply]", "update established []"}},
		{"refused", nil, false, false, refused, false, []string{"whole plaintext_to_tls [plaintext-to-tls]"}},
		{"joined in mid-stream", transcript{loses(FromClient, -1), client("more")}, true, false, transcript{loses(FromClient, -1), client("more")}, true, []string{"whole partial []"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			w, got := watching()
			if tt.early != nil {
				f := feeding{}.facts(tt.early)
				if tt.stuck {
					f.Ended, f.Until = CloseIdle, f.End.Add(6*time.Second)
				}
				if enough := w.Early(f, tt.settled, tt.stuck); enough != tt.enough {
					t.Errorf("enough: %v, want %v", enough, tt.enough)
				}
			}
			w.End(feeding{}.facts(tt.whole))
			if d := cmp.Diff(tt.want, *got); d != "" {
				t.Errorf("reports (-want +got):\n%s", d)
			}
			if w.Open() != 0 {
				t.Errorf("%d connections are remembered", w.Open())
			}
		})
	}
}

// TestWatchCountsAttemptsOnce: a look before the end does not make two attempts of one.
func TestWatchCountsAttemptsOnce(t *testing.T) {
	var last []Code
	w := &Watch{Report: func(c *Connection) { last = codesOf(c.Findings) }}
	waits := transcript{client("\x16\x03\x01\x02")}
	for i, after := range []time.Duration{0, time.Second, 2600 * time.Millisecond, 5200 * time.Millisecond} {
		f := feeding{}.facts(waits)
		f.Start, f.End = f.Start.Add(after), f.End.Add(after)
		f.Ended, f.Until = CloseIdle, f.End.Add(6*time.Second)
		w.Early(f, false, true)
		early := last
		g := f.Clone()
		w.End(g)
		if series := slices.Contains(early, CodeGRPCBackoff); series != (i >= 2) {
			t.Errorf("attempt %d: %v", i+1, early)
		}
		if slices.Contains(last, CodeGRPCBackoff) != slices.Contains(early, CodeGRPCBackoff) {
			t.Errorf("attempt %d: %v before its end and %v at its end", i+1, early, last)
		}
	}
}

// TestRepeats: the first of a kind is shown, the others are counted.
func TestRepeats(t *testing.T) {
	var r Repeats
	now := testTime
	refused := transcript{client("GET / HTTP/1.1\r\n\r\n"), closes(FromServer, CloseFIN)}.diagnosed(testServer)
	shown := 0
	for range 18 {
		if r.Connection(&refused, now) {
			shown++
		}
		now = now.Add(time.Second)
	}
	if shown != 1 {
		t.Errorf("%d shown, want 1", shown)
	}
	var told []string
	tell := func(n *Repeat) { told = append(told, fmt.Sprintf("%d %s %s", n.Count, n.Client, n.Code)) }
	r.Tick(now, false, tell)
	if len(told) != 0 {
		t.Errorf("told after 18 s: %v", told)
	}
	r.Tick(testTime.Add(RepeatWindow), false, tell)
	r.Tick(testTime.Add(2*RepeatWindow), false, tell)
	if d := cmp.Diff([]string{"17 127.0.0.1 plaintext-to-tls"}, told); d != "" {
		t.Errorf("told (-want +got):\n%s", d)
	}
	if !r.Connection(&refused, testTime.Add(3*RepeatWindow)) {
		t.Error("not shown again after a quiet minute")
	}
	r.Tick(testTime.Add(3*RepeatWindow), true, tell)
	if len(told) != 1 || len(r.kinds) != 0 {
		t.Errorf("at the end: %v, %d kinds left", told, len(r.kinds))
	}
}

// TestRepeatsOfLines: lines of one cause about two members, or from two clients, are two things to know.
func TestRepeatsOfLines(t *testing.T) {
	var r Repeats
	line := proberAt(testTime, "ROUND_TRIPPER_RAFT_MESSAGE")
	lines := []string{line, line, strings.Replace(line, "8211f1d0f64f3269", "91bc3c398fb3c146", 1), rejectionAt(testTime, "10.0.0.7:1", noRecord),
		rejectionAt(testTime, "10.0.0.7:2", noRecord), rejectionAt(testTime, "10.0.0.8:1", noRecord)}
	var shown []bool
	for _, e := range entriesOf(lines...) {
		shown = append(shown, r.LogEntry(e, testTime))
	}
	if d := cmp.Diff([]bool{true, false, true, true, false, true}, shown); d != "" {
		t.Errorf("shown (-want +got):\n%s", d)
	}
	var told []string
	r.Tick(testTime.Add(RepeatWindow), false, func(n *Repeat) { told = append(told, fmt.Sprint(n.Client, n.Other, n.Count)) })
	if d := cmp.Diff([]string{"invalid IP8211f1d0f64f32691", "10.0.0.71"}, told); d != "" {
		t.Errorf("told (-want +got):\n%s", d)
	}
}

// TestWatchTurnedRound: a connection whose client and server were taken for each other is still the same one.
func TestWatchTurnedRound(t *testing.T) {
	w, got := watching()
	s := transcript{loses(FromClient, -1), client("more")}
	f := feeding{}.facts(s)
	f.Client, f.Server = f.Server, f.Client
	w.Early(f, false, true)
	w.End(feeding{}.facts(s))
	if d := cmp.Diff([]string{"whole partial []"}, *got); d != "" || w.Open() != 0 {
		t.Errorf("%d remembered, reports (-want +got):\n%s", w.Open(), d)
	}
}

// TestRepeatsOfCertificates: who presents another certificate is shown, though all else is the same.
func TestRepeatsOfCertificates(t *testing.T) {
	var r Repeats
	show := func(first byte) bool {
		c := Connection{Facts: &Facts{Client: testClient, Server: testServer, TLS: new(TLSFacts)}, Outcome: OutcomeEstablished}
		c.TLS.Certificates[FromClient].Chain = []*Certificate{{SHA256: [32]byte{first}}}
		return r.Connection(&c, testTime)
	}
	for i, want := range []bool{true, false, true, false} {
		if got := show(byte(i / 2)); got != want {
			t.Errorf("connection %d shown: %v, want %v", i+1, got, want)
		}
	}
}
