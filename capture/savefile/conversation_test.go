package savefile

import (
	"bytes"
	"fmt"
	"net/netip"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/etcdtap/etcdtap/analysis"
	"github.com/etcdtap/etcdtap/capture"
)

const (
	fromClient, fromServer = analysis.FromClient, analysis.FromServer
	noClose                = analysis.CloseNone
	closeFIN, closeRST     = analysis.CloseFIN, analysis.CloseRST
)

var (
	client4 = netip.MustParseAddrPort("10.0.0.7:40000")
	server4 = netip.MustParseAddrPort("10.0.0.1:2379")
	client6 = netip.MustParseAddrPort("[fd00::7%eth0]:40000")
	server6 = netip.MustParseAddrPort("[fd00::1]:2379")
)

// event is one call.
type event struct {
	d     analysis.Direction
	data  []byte
	gap   int64
	close analysis.CloseKind
}

func says(d analysis.Direction, text string) event { return event{d: d, data: []byte(text)} }

// rawFile is a file in memory with an interface for conversations.
func rawFile(t testing.TB) (*Writer, *bytes.Buffer) {
	t.Helper()
	out := new(bytes.Buffer)
	return mustCreate(t, Options{Name: "-", Stdout: out, Interfaces: []Interface{{Name: "proxy", Link: capture.LinkRaw}}}), out
}

// observer is what an analysis.Conn and a Conversation have in common.
type observer interface {
	Data(d analysis.Direction, at time.Time, p []byte)
	Gap(d analysis.Direction, at time.Time, n int64)
	Close(d analysis.Direction, at time.Time, how analysis.CloseKind)
}

// play gives the events to o, a millisecond apart.
func play(o observer, begin time.Time, script []event) {
	at := begin
	for _, e := range script {
		at = at.Add(time.Millisecond)
		switch {
		case e.gap != 0:
			o.Gap(e.d, at, e.gap)
		case e.close != noClose:
			o.Close(e.d, at, e.close)
		default:
			o.Data(e.d, at, e.data)
		}
	}
}

// strict fails the test when a Conversation gives an error.
type strict struct {
	t testing.TB
	c *Conversation
}

func (s strict) must(err error) {
	s.t.Helper()
	if err != nil {
		s.t.Fatal(err)
	}
}
func (s strict) Data(d analysis.Direction, at time.Time, p []byte) { s.must(s.c.Data(d, at, p)) }
func (s strict) Gap(d analysis.Direction, at time.Time, n int64)   { s.must(s.c.Gap(d, at, n)) }
func (s strict) Close(d analysis.Direction, at time.Time, how analysis.CloseKind) {
	s.must(s.c.Close(d, at, how))
}

// track reads a file as etcdtap does, and calls each with the facts of every connection.
func track(t testing.TB, file *bytes.Buffer, each func(*analysis.Facts)) (capture.TrackerStats, []capture.Packet) {
	t.Helper()
	packets, _ := readBack(t, bytes.NewReader(file.Bytes()))
	tracker := capture.NewTracker(capture.TrackerOptions{}, each)
	var decoder capture.Decoder
	var s capture.Segment
	for i := range packets {
		if got := decoder.Decode(&packets[i], &s); got != capture.TCP {
			t.Fatalf("packet %d is %v, want TCP: % x", i+1, got, packets[i].Data[:40])
		}
		tracker.Segment(&packets[i], &s)
	}
	tracker.Flush()
	return tracker.Stats(), packets
}

// sameFacts compares what was seen of a connection: all but packets, which a proxy has not, and fields that the caller names.
func sameFacts(t testing.TB, want, got *analysis.Facts, but ...string) {
	t.Helper()
	options := cmp.Options{
		cmp.Exporter(func(reflect.Type) bool { return true }),
		cmp.Comparer(func(a, b netip.AddrPort) bool { return a == b }),
		cmp.Comparer(func(a, b *analysis.Certificate) bool { return bytes.Equal(a.Raw, b.Raw) }),
		cmp.Comparer(func(a, b *analysis.HelloKind) bool { return true }), // which hellos are remembered is no fact
		cmp.FilterPath(func(p cmp.Path) bool {
			switch p.Last().String() {
			case ".Packet", ".FirstPacket", ".ClosePacket", ".TCP", ".End", ".Until":
				return true
			}
			return slices.Contains(but, p.Last().String())
		}, cmp.Ignore()),
		cmpopts.EquateEmpty(),
	}
	if diff := cmp.Diff(want, got, options); diff != "" {
		t.Errorf("facts differ (-told +read):\n%s", diff)
	}
}

// TestSameFacts: what a reader makes of the packets is what an analysis.Conn makes of the calls.
func TestSameFacts(t *testing.T) {
	for name, script := range scripts(t) {
		for _, ends := range [][2]netip.AddrPort{{client4, server4}, {client6, server6}, {client4, server6}, {netip.AddrPort{}, server4}} {
			t.Run(fmt.Sprintf("%s/%v-%v", name, ends[0], ends[1]), func(t *testing.T) {
				begin := wrapping(testTime)
				w, file := rawFile(t)
				c := NewConversation(w, ends[0], ends[1])
				strict{t, c}.must(c.Open(begin))
				play(strict{t, c}, begin, script)
				mustClose(t, w)

				conn := analysis.NewConn(plain(ends[0]), plain(ends[1]), begin)
				play(conn, begin, script)
				if !ended(script) {
					conn.Close(fromClient, begin, analysis.CloseEnd)
				}
				want, n := conn.Facts(), 0
				var but []string
				if name == "large" {
					but = []string{".LastAt"} // the tracker tells of bytes that nobody wants at the end, all at once
				}
				track(t, file, func(got *analysis.Facts) {
					n++
					sameFacts(t, want, got, but...)
					if !got.TCP.SYN || !got.TCP.SYNACK || !got.TCP.Established || got.RolesGuessed {
						t.Errorf("its opening was not seen: %+v", got.TCP)
					}
				})
				if n != 1 {
					t.Errorf("%d connections were read, want 1", n)
				}
			})
		}
	}
}

// wrapping is a time near t at which initial sequence numbers are about to wrap round.
func wrapping(t time.Time) time.Time {
	const round = int64(1<<32) * 1000
	return time.Unix(0, (t.UnixNano()/round+1)*round-500_000).UTC()
}

func ended(script []event) bool {
	var closed [2]bool
	for _, e := range script {
		if e.close == closeRST {
			return true
		}
		closed[e.d] = closed[e.d] || e.close == closeFIN
	}
	return closed[0] && closed[1]
}

// scripts are real handshakes, and what else may pass through a proxy.
func scripts(t testing.TB) map[string][]event {
	hello := "GET /version HTTP/1.1\r\nHost: etcd\r\n\r\n"
	all := map[string][]event{
		"plaintext":       {says(fromClient, hello), says(fromServer, "HTTP/1.1 200 OK\r\n\r\n{}"), {d: fromServer, close: closeFIN}, {d: fromClient, close: closeFIN}},
		"nothing":         {{d: fromClient, close: closeFIN}, {d: fromServer, close: closeFIN}},
		"half-closed":     {says(fromClient, hello), {d: fromClient, close: closeFIN}, says(fromServer, "late"), says(fromServer, "r"), {d: fromServer, close: closeFIN}},
		"reset":           {says(fromClient, hello), {d: fromServer, close: closeRST}},
		"reset after FIN": {says(fromClient, hello), {d: fromServer, close: closeFIN}, says(fromClient, "more"), {d: fromClient, close: closeRST}},
		"left open":       {says(fromServer, "SSH-2.0-OpenSSH_9.6\r\n"), says(fromClient, "SSH-2.0-Go\r\n")},
		"large":           {says(fromClient, strings.Repeat("x", 200_000)), says(fromServer, strings.Repeat("y", 3*maxSegment)), {d: fromClient, close: closeFIN}, {d: fromServer, close: closeFIN}},
	}
	for name, script := range handshakes(t) {
		all[name] = script
		cut := slices.IndexFunc(script, func(e event) bool { return e.close != noClose })
		record := says(fromServer, "\x17\x03\x03\x00\x40"+strings.Repeat("z", 64))
		all[name+", then 40 MB unseen"] = slices.Concat(script[:cut], []event{{d: fromServer, gap: 40 << 20}, {d: fromClient, gap: 7}, record, {d: fromServer, gap: 3}}, script[cut:])
		all[name+", then 9 GB unseen and reset"] = slices.Concat(script[:cut], []event{{d: fromServer, gap: 9 << 30}, {d: fromClient, gap: 20 << 20}, {d: fromServer, close: closeRST}})
	}
	return all
}

// TestDialing: connections that were never there.
func TestDialing(t *testing.T) {
	at := testTime
	for _, tt := range []struct {
		name string
		say  func(c *Conversation) error
		want string
	}{
		{"refused", func(c *Conversation) error { return c.Refuse(at) }, "c S, s RA: syn refused"},
		{"dialed and refused", func(c *Conversation) error { c.Dial(at); return c.Refuse(at.Add(time.Second)) }, "c S, s RA: syn refused"},
		{"dialed and reset", func(c *Conversation) error { c.Dial(at); return c.Close(fromServer, at, closeRST) }, "c S, s RA: syn refused"},
		{"unanswered", func(c *Conversation) error { return c.Dial(at) }, "c S: syn"},
		{"given up by the client", func(c *Conversation) error {
			c.Dial(at)
			c.Close(fromClient, at, closeFIN)
			return c.Data(fromServer, at, []byte("x"))
		}, "c S: syn"},
		{"opened", func(c *Conversation) error { return c.Open(at) }, "c S, s SA, c A: syn synack established"},
		{"told twice", func(c *Conversation) error { c.Dial(at); c.Dial(at); c.Open(at); c.Dial(at); return c.Open(at) }, "c S, s SA, c A: syn synack established"},
		{"opened by data", func(c *Conversation) error { return c.Data(fromServer, at, []byte("x")) }, "c S, s SA, c A, s PA: syn synack established"},
		{"opened by its end", func(c *Conversation) error { return c.Close(fromClient, at, closeRST) }, "c S, s SA, c A, c RA: syn synack established"},
		{"refused when open", func(c *Conversation) error { c.Open(at); return c.Refuse(at) }, "c S, s SA, c A, s RA: syn synack established"},
		{"reset twice", func(c *Conversation) error {
			c.Refuse(at)
			c.Refuse(at)
			c.Gap(fromClient, at, 7)
			return c.Close(fromServer, at, closeRST)
		}, "c S, s RA: syn refused"},
		{"nothing told", func(c *Conversation) error {
			c.Close(fromClient, at, analysis.CloseEnd)
			return c.Gap(fromClient, at, -1)
		}, ": "},
		{"data after the end", func(c *Conversation) error {
			c.Open(at)
			c.Close(fromClient, at, closeFIN)
			c.Data(fromClient, at, []byte("late"))
			c.Close(fromServer, at, closeFIN)
			c.Close(fromServer, at, closeFIN)
			return c.Close(fromServer, at, closeRST)
		}, "c S, s SA, c A, c FA, s A, s FA, c A: syn synack established"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w, file := rawFile(t)
			if err := tt.say(NewConversation(w, client4, server4)); err != nil {
				t.Fatal(err)
			}
			mustClose(t, w)
			var facts []string
			_, packets := track(t, file, func(f *analysis.Facts) {
				for _, x := range []struct {
					name string
					is   bool
				}{{"syn", f.TCP.SYN}, {"synack", f.TCP.SYNACK}, {"established", f.TCP.Established}, {"refused", f.TCP.Refused}} {
					if x.is {
						facts = append(facts, x.name)
					}
				}
			})
			var flags []string
			for i := range packets {
				flags = append(flags, inShort(t, &packets[i]))
			}
			if got := strings.Join(flags, ", ") + ": " + strings.Join(facts, " "); got != tt.want {
				t.Errorf("got  %s\nwant %s", got, tt.want)
			}
		})
	}
}

// inShort is a packet's sender and flags.
func inShort(t testing.TB, p *capture.Packet) string {
	var decoder capture.Decoder
	var s capture.Segment
	if decoder.Decode(p, &s) != capture.TCP {
		t.Fatal("not TCP")
	}
	text := "s "
	if s.SrcPort == client4.Port() {
		text = "c "
	}
	for i, letter := range "FSRPA" {
		if s.Flags&(1<<i) != 0 {
			text += string(letter)
		}
	}
	return text
}

// TestSamePortsAgain: a client that uses its port again is another connection.
func TestSamePortsAgain(t *testing.T) {
	w, file := rawFile(t)
	for i := range 3 {
		at := testTime.Add(time.Duration(i) * time.Millisecond)
		c := NewConversation(w, client4, server4)
		play(strict{t, c}, at, []event{says(fromClient, "x"), {d: fromServer, close: closeFIN}})
	}
	mustClose(t, w)
	n := 0
	track(t, file, func(f *analysis.Facts) {
		n++
		if f.Stream[fromClient].Bytes != 1 {
			t.Errorf("connection %d has %d bytes of the client, want 1", n, f.Stream[fromClient].Bytes)
		}
	})
	if n != 3 {
		t.Errorf("%d connections were read, want 3", n)
	}
}

// TestLongestGap: how much a gap is written as, and that sequence numbers stay right beyond that.
func TestLongestGap(t *testing.T) {
	w, file := rawFile(t)
	c := NewConversation(w, client4, server4)
	const gap = 5<<40 + 12345
	play(strict{t, c}, testTime, []event{says(fromServer, "x"), {d: fromServer, gap: gap}, says(fromServer, "y"), {d: fromServer, close: closeFIN}, {d: fromClient, close: closeFIN}})
	mustClose(t, w)
	track(t, file, func(f *analysis.Facts) {
		if s := &f.Stream[fromServer]; s.Missed != maxGap+12345 || s.Bytes != s.Missed+2 || s.Close != closeFIN {
			t.Errorf("%+v, want a gap of %d bytes and a byte on both sides of it", s, int64(maxGap+12345))
		}
	})
	if w.Packets() > 9000 {
		t.Errorf("a gap took %d packets", w.Packets())
	}
}

// TestConversationInWireshark: checksums are right, TLS is dissected, and nothing is said to be lost but what is.
func TestConversationInWireshark(t *testing.T) {
	dir := t.TempDir()
	complete, gaps := writeScripts(t, dir+"/complete.pcapng", false), writeScripts(t, dir+"/gaps.pcapng", true)
	args := func(name string, more ...string) []string {
		return append([]string{"tshark", "-n", "-r", dir + "/" + name + ".pcapng", "-d", "tcp.port==2379,tls",
			"-o", "tcp.check_checksum:TRUE", "-o", "ip.check_checksum:TRUE", "-T", "fields", "-e", "frame.number", "-e", "_ws.expert.message"}, more...)
	}
	const wrong = "tcp.checksum.status != 1 || ip.checksum.status == 0 || _ws.malformed"
	for name, conversations := range map[string]int{"complete": complete, "gaps": gaps} {
		out, complaints := runTool(t, args(name, "-Y", wrong)...)
		if out+complaints != "" {
			t.Errorf("%s: tshark finds something wrong:\n%s%s", name, out, complaints)
		}
		out, _ = runTool(t, args(name, "-Y", "tls.handshake.type == 1")...)
		if n := strings.Count(out, "\n"); n != conversations {
			t.Errorf("%s: tshark finds %d ClientHellos, want %d", name, n, conversations)
		}
	}
	if out, _ := runTool(t, args("complete", "-Y", "tcp.analysis.flags && !tcp.analysis.reused_ports")...); out != "" {
		t.Errorf("tshark is not content with the transport:\n%s", out)
	}
	out, _ := runTool(t, args("gaps", "-Y", "tcp.analysis.lost_segment")...)
	if n := strings.Count(out, "\n"); n == 0 || n > 4*gaps {
		t.Errorf("tshark finds %d gaps in %d connections that have up to four each:\n%s", n, gaps, out)
	}
}

// writeScripts writes all scripts with gaps, or all without, and returns in how many there is a handshake.
func writeScripts(t testing.TB, name string, gaps bool) (tls int) {
	t.Helper()
	w := mustCreate(t, Options{Name: name, Interfaces: []Interface{{Name: "proxy", Link: capture.LinkRaw}}})
	port := uint16(40000)
	for name, script := range scripts(t) {
		if slices.ContainsFunc(script, func(e event) bool { return e.gap > 0 }) != gaps {
			continue
		}
		if strings.HasPrefix(name, "TLS") {
			tls += 2
		}
		for _, ends := range [][2]netip.AddrPort{{client4, server4}, {client6, server6}} {
			port++
			c := NewConversation(w, netip.AddrPortFrom(ends[0].Addr(), port), ends[1])
			c.Detour = &capture.Detour{Outgoing: netip.AddrPortFrom(ends[1].Addr(), port), Role: analysis.EndpointPeer}
			play(strict{t, c}, wrapping(testTime), script)
		}
	}
	mustClose(t, w)
	return tls
}

// TestDetourIsRead: it is in the first packet of a connection and in no other.
func TestDetourIsRead(t *testing.T) {
	name := t.TempDir() + "/complete.pcapng"
	writeScripts(t, name, false)
	f, err := capture.Open(name, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var p capture.Packet
	var d capture.Decoder
	detours, syns := 0, 0
	for f.Next(&p) == nil {
		var s capture.Segment
		if d.Decode(&p, &s) != capture.TCP {
			t.Fatalf("packet %d is no TCP", p.Number)
		}
		first := s.Flags == flagSYN
		if first {
			syns++
		}
		if p.Detour != nil {
			detours++
			if !first || p.Detour.Outgoing.Port() != s.SrcPort || p.Detour.Role != analysis.EndpointPeer {
				t.Errorf("packet %d: %+v", p.Number, p.Detour)
			}
		}
	}
	if syns == 0 || detours != syns {
		t.Errorf("%d connections, %d detours", syns, detours)
	}
}
