package analysis

import (
	"fmt"
	"net/netip"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/etcdtap/etcdtap/analysis/etcdlog"
)

// rejectionAt is a line of etcd's at a time, about a client.
func rejectionAt(at time.Time, remote, err string) string {
	return `{"level":"warn","ts":"` + at.UTC().Format("2006-01-02T15:04:05.000000Z") +
		`","caller":"embed/config_logging.go:169","msg":"rejected connection","remote-addr":"` + remote + `","server-name":"","error":"` + err + `"}`
}

// grpcAt is a line of gRPC's server within etcd: local time, whole seconds.
func grpcAt(at time.Time, remote, err string) string {
	return "WARNING: " + at.Format("2006/01/02 15:04:05") + ` grpc: Server.Serve failed to complete security handshake from "` + remote + `": ` + err
}

func proberAt(at time.Time, name string) string {
	return `{"level":"warn","ts":"` + at.UTC().Format("2006-01-02T15:04:05.000Z") + `","caller":"rafthttp/probing_status.go:68","msg":"prober detected unhealthy status","round-tripper-name":"` +
		name + `","remote-peer-id":"8211f1d0f64f3269","rtt":"0s","error":"EOF"}`
}

// summarised reads lines and gathers them.
func summarised(lines ...string) *LogSummary {
	var r etcdlog.Reader
	var x Explainer
	var s LogSummary
	each := func(e *etcdlog.Entry) {
		le := x.Explain(e, "etcd.log")
		s.Add(&le)
	}
	r.Write([]byte(strings.Join(lines, "\n")+"\n"), each)
	r.End(each)
	return &s
}

// rejections are lines about one client, each from a port of its own.
func rejections(starts []time.Time) (lines []string) {
	for i, at := range starts {
		lines = append(lines, rejectionAt(at, fmt.Sprintf("10.0.0.7:%d", 40000+i), noRecord))
	}
	return lines
}

// only is the summary's single group.
func only(t *testing.T, s *LogSummary) *LogGroup {
	t.Helper()
	groups := s.Groups()
	if len(groups) != 1 {
		t.Fatalf("%d groups, want 1", len(groups))
	}
	return groups[0]
}

var seedSeconds = []float64{29.148, 30.150, 31.480, 33.865, 37.999}

func TestLogGroupsAreByCauseAndClient(t *testing.T) {
	at := testTime
	s := summarised(
		rejectionAt(at, "10.0.0.7:1", noRecord), rejectionAt(at.Add(time.Second), "10.0.0.7:2", "EOF"), rejectionAt(at.Add(2*time.Second), "10.0.0.8:1", noRecord),
		"nothing", rejectionAt(at.Add(3*time.Second), "10.0.0.7:3", noRecord), rejectionAt(at.Add(3*time.Second), "10.0.0.7:3", "a text of the future"))
	groups := s.Groups()
	if len(groups) != 4 || s.Entries != 5 || !s.Failed() {
		t.Fatalf("%d groups, %d entries, failed: %v", len(groups), s.Entries, s.Failed())
	}
	g := groups[0] // errors first, then the largest
	if g.Code != CodePlaintextToTLS || g.Client != netip.MustParseAddr("10.0.0.7") || g.Count != 2 || g.AtLeast != 2 || g.Sampled ||
		g.First.Line != 1 || g.Last.Line != 5 || !g.First.Time.Equal(at) || !g.Last.Time.Equal(at.Add(3*time.Second)) || g.First.File != "etcd.log" {
		t.Errorf("%+v", g)
	}
	if last := groups[3]; last.Code != CodeConnectionWithoutData {
		t.Errorf("the lightest is last, got %s", last.Code)
	}
	if !s.Start.Equal(at) || !s.End.Equal(at.Add(3*time.Second)) || s.NoTime != 0 {
		t.Errorf("from %v to %v", s.Start, s.End)
	}
}

func TestLogRhythm(t *testing.T) {
	seed := startsAt(seedSeconds...)
	restarted := startsAt(append(seedSeconds, 60, 61.003, 62.61, 65.2, 69.4)...)
	var whole, probers []string
	for i, at := range seed {
		whole = append(whole, grpcAt(at, fmt.Sprintf("10.0.0.7:%d", 40000+i), noRecord))
	}
	for i := range 6 {
		at := testTime.Add(time.Duration(i) * 5 * time.Second)
		probers = append(probers, proberAt(at, "ROUND_TRIPPER_RAFT_MESSAGE"), proberAt(at.Add(3*time.Millisecond), "ROUND_TRIPPER_SNAPSHOT"))
	}
	var twice []time.Time // two streams of a member, each every 100 ms
	for _, at := range every(100*time.Millisecond, 20) {
		twice = append(twice, at, at.Add(7*time.Millisecond))
	}
	onPeer := strings.Split(strings.ReplaceAll(strings.Join(rejections(twice), "\n"), "rejected connection", "rejected connection on peer endpoint"), "\n")
	onClient := strings.Split(strings.ReplaceAll(strings.Join(rejections(twice), "\n"), "rejected connection", "rejected connection on client endpoint"), "\n")
	for _, tt := range []struct {
		name       string
		lines      []string
		want       Code
		confidence Confidence
		processes  int
	}{
		{"seed", rejections(seed), CodeGRPCBackoff, Certain, 1},
		{"a second process", rejections(restarted), CodeGRPCBackoff, Certain, 2},
		{"one that has stopped", rejections(append(seed, seed[4].Add(time.Hour))), CodeGRPCBackoff, Certain, 1},
		{"whole seconds", whole, CodeGRPCBackoff, Likely, 1},
		{"probers in pairs", probers, CodeRaftReconnect, Likely, 0},
		{"a member's streams", onPeer, CodeRaftReconnect, Likely, 0},
		{"the same on the client port", onClient, "", 0, 0},
		{"a probe", rejections(every(10*time.Second, 5)), CodePeriodicProbe, Likely, 0},
		{"a probe at the peer port", strings.Split(strings.ReplaceAll(strings.Join(rejections(every(5*time.Second, 5)), "\n"), "rejected connection", "rejected connection on peer endpoint"), "\n"), CodePeriodicProbe, Likely, 0},
		{"a flood", rejections(every(500*time.Microsecond, 60)), "", 0, 0},
		{"two lines", rejections(seed[:2]), "", 0, 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			g := only(t, summarised(tt.lines...))
			r, ok := g.Rhythm()
			if ok != (tt.want != "") || r.Code != tt.want || r.Confidence != tt.confidence || r.Processes != tt.processes {
				t.Errorf("%v %+v; want %s, %v, %d processes", ok, r, tt.want, tt.confidence, tt.processes)
			}
			if g.Count != int64(len(tt.lines)) {
				t.Errorf("%d lines of %d", g.Count, len(tt.lines))
			}
		})
	}
}

// TestWholeSecondsHideLittle: back-off is seen through gRPC's whole seconds wherever the seconds are cut, and nothing else is taken for it.
func TestWholeSecondsHideLittle(t *testing.T) {
	backoff := []float64{0, 1.002, 2.6, 5.1, 9.3, 15.9, 26.1}
	for cut := range 20 {
		var whole []string
		for i, at := range startsAt(backoff...) {
			whole = append(whole, grpcAt(at.Add(time.Duration(cut)*50*time.Millisecond), fmt.Sprintf("10.0.0.7:%d", 40000+i), noRecord))
		}
		if r, ok := only(t, summarised(whole...)).Rhythm(); !ok || r.Code != CodeGRPCBackoff || r.Confidence != Likely {
			t.Errorf("cut at %d/20 s: %v, %v", cut, ok, r)
		}
	}
	for period := 500 * time.Millisecond; period < 11*time.Second; period += 70 * time.Millisecond {
		var whole []string
		for i, at := range every(period, 30) {
			whole = append(whole, grpcAt(at, fmt.Sprintf("10.0.0.7:%d", 40000+i), noRecord))
		}
		if r, ok := only(t, summarised(whole...)).Rhythm(); ok && r.Code == CodeGRPCBackoff {
			t.Errorf("every %v is taken for gRPC's back-off: %v", period, r.Gaps)
		}
	}
}

// sampledLines are what zap writes of n rejections in a second: the first hundred, then every hundredth.
func sampledLines(n int, client func(i int) string) (lines []string) {
	at := testTime.Add(700 * time.Millisecond) // the second begins with the first line
	for i := range n {
		if i < sampleFirst || (i-sampleFirst+1)%sampleEvery == 0 {
			lines = append(lines, rejectionAt(at.Add(time.Duration(i)*time.Second/time.Duration(n)), client(i), noRecord))
		}
	}
	return lines
}

func TestLogSampled(t *testing.T) {
	one := func(i int) string { return fmt.Sprintf("10.0.0.7:%d", 30000+i) }
	lines := sampledLines(2000, one)
	if len(lines) != 119 {
		t.Fatalf("%d lines", len(lines))
	}
	s := summarised(lines...)
	if g := only(t, s); g.Count != 119 || g.AtLeast != 2000 || !g.Sampled || !s.Sampled || s.AtLeast != 2000 {
		t.Errorf("%d lines, at least %d, sampled %v; all: at least %d", g.Count, g.AtLeast, g.Sampled, s.AtLeast)
	}
	two := summarised(sampledLines(2000, func(i int) string { return fmt.Sprintf("10.0.0.%d:%d", 7+i%2, 30000+i) })...)
	if two.AtLeast != 2000 {
		t.Errorf("all: at least %d", two.AtLeast)
	}
	for _, g := range two.Groups() {
		if g.AtLeast != g.Count {
			t.Errorf("%v: whose the missing lines are nobody knows: %d lines, at least %d", g.Client, g.Count, g.AtLeast)
		}
	}
	var old []string // capnslog writes them all
	for i := range 300 {
		old = append(old, strings.Replace(capnsLine(noRecord), "49824", fmt.Sprint(30000+i), 1))
	}
	if g := only(t, summarised(old...)); g.AtLeast != 300 || g.Sampled {
		t.Errorf("capnslog: at least %d, sampled %v", g.AtLeast, g.Sampled)
	}
}

// TestSampledGapsAreZaps: the times between lines of which zap left out those between show nothing of the client.
func TestSampledGapsAreZaps(t *testing.T) {
	var starts []time.Time
	for i := range 2000 {
		if i < sampleFirst || i%sampleEvery == 0 {
			starts = append(starts, testTime.Add(time.Duration(i)*400*time.Microsecond))
		}
	}
	g := only(t, summarised(rejections(starts)...))
	if r, ok := g.Rhythm(); ok || !g.Sampled {
		t.Errorf("sampled: %v, rhythm %s of gaps %v", g.Sampled, r.Code, r.Gaps)
	}
}

// TestMembersAreSampledApart: a hundred lines a second are one process's; those of three members are more.
func TestMembersAreSampledApart(t *testing.T) {
	var s LogSummary
	var x Explainer
	for i := range 180 {
		var p etcdlog.Parser
		var e etcdlog.Entry
		if !p.Line([]byte(rejectionAt(testTime.Add(time.Duration(i)*time.Millisecond), "10.0.0.7:1", noRecord)), &e) {
			t.Fatal("no entry")
		}
		le := x.Explain(&e, fmt.Sprintf("member-%d", i%3))
		s.Add(&le)
	}
	if s.Sampled || s.AtLeast != 180 {
		t.Errorf("sampled %v, at least %d", s.Sampled, s.AtLeast)
	}
}

// TestLogSummaryIsBounded: a million clients take no more memory than the groups that there may be.
func TestLogSummaryIsBounded(t *testing.T) {
	e := explain(t, zapLine(noRecord))
	var s LogSummary
	var before, after runtime.MemStats
	const clients = 1_000_000
	for i := range clients {
		if i == 2*maxLogGroups {
			runtime.GC()
			runtime.ReadMemStats(&before)
		}
		e.Remote = netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, byte(i >> 16), byte(i >> 8), byte(i)}), 40000)
		e.Message = fmt.Sprint("message ", i)
		e.Versions = e.Message
		s.Add(&e)
	}
	runtime.GC()
	runtime.ReadMemStats(&after)
	if grown := int64(after.HeapAlloc) - int64(before.HeapAlloc); grown > 1<<20 {
		t.Errorf("grown by %d bytes", grown)
	}
	if len(s.Groups()) != maxLogGroups || s.OtherGroups != clients-maxLogGroups || s.Entries != clients {
		t.Errorf("%d groups, %d beyond, %d entries", len(s.Groups()), s.OtherGroups, s.Entries)
	}
	g := s.Groups()[0]
	for i := range 20 {
		e.Remote = netip.AddrPortFrom(g.Client, 1)
		e.Versions, e.ServerName = fmt.Sprint(i), fmt.Sprint(i)
		s.Add(&e)
	}
	if len(g.Versions) != maxNames || len(g.ServerNames) != maxNames {
		t.Errorf("%d versions, %d names", len(g.Versions), len(g.ServerNames))
	}
	runtime.KeepAlive(&s)
}
