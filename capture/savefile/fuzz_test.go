package savefile

import (
	"bytes"
	"encoding/binary"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/etcdtap/etcdtap/analysis"
	"github.com/etcdtap/etcdtap/capture"
)

// FuzzPackets writes packets of any content, length and time and reads them back.
func FuzzPackets(f *testing.F) {
	f.Add("etcdtap v1", "tcp port 2379", []byte("\x00\x20\x00\x00\x00\x00\x00\x00\x00\x09\x01\x00packet"))
	f.Add("", "", []byte{})
	f.Add("é\xff", strings.Repeat("x", 70_000), bytes.Repeat([]byte{1, 200}, 900))
	f.Fuzz(func(t *testing.T, text, filter string, script []byte) {
		var out bytes.Buffer
		w := mustCreate(t, Options{Name: "-", Stdout: &out, Tool: text, Host: text, Comment: filter, HandshakesOnly: len(script)%2 == 0,
			Interfaces: []Interface{{Name: text, Link: capture.LinkEthernet, Filter: filter}, {Description: text, Link: capture.LinkLinuxSLL2}}})
		var want []capture.Packet
		for len(script) >= 12 {
			p := capture.Packet{Number: int64(len(want) + 1), Time: int64(binary.BigEndian.Uint64(script)), Link: capture.LinkEthernet}
			n := int(binary.BigEndian.Uint16(script[8:]))
			p.Data = script[12:min(len(script), 12+n)]
			p.Length = len(p.Data) + int(script[10])
			if script[11]%2 == 1 {
				p.Interface, p.Link = 1, capture.LinkLinuxSLL2
			}
			script = script[12+len(p.Data):]
			mustWrite(t, w, &p)
			if p.Time%3 == 0 {
				if err := w.Flush(); err != nil {
					t.Fatal(err)
				}
			}
			p.Time = max(p.Time, 0)
			want = append(want, p)
		}
		w.SetStats(1, Stats{Received: 5, Dropped: uint64(len(want))})
		mustClose(t, w)
		got, file := readBack(t, &out)
		if diff := cmp.Diff(want, got, cmpopts.EquateEmpty()); diff != "" {
			t.Fatalf("packets differ (-want +got):\n%s", diff)
		}
		if s := file.Stats(); s.Interfaces != 2 || s.SystemDrops != uint64(len(want)) || s.Oversized+s.NoInterface != 0 || len(s.Skipped) != 0 {
			t.Fatalf("read back as %+v", s)
		}
		if file.HandshakesOnly() != w.options.HandshakesOnly {
			t.Fatal("the mark of a file with handshakes only was lost or found")
		}
	})
}

// FuzzConversation tells a Conversation anything, in any order, and holds what a reader makes of the packets against what was told.
func FuzzConversation(f *testing.F) {
	hello := "\x16\x03\x01\x00\x10\x01\x00\x00\x0c\x03\x03"
	f.Add([]byte("\x05\x00\x00\x00\x0b\x00"+hello+"\x01\x00\x00\x08\x10\x00\x03\x00\x00\x02\x00\x00"), false)
	f.Add([]byte("\x04\x00\x00\x06\x00\x00"), true)
	f.Add([]byte("\x08\xff\x14\x09\xff\x14\x00\x05\x00hello\x02\x00\x00\x0b\x00\x00"), true)
	f.Add([]byte("\x0a\x00\x00\x01\xff\xff"+strings.Repeat("y", 40_000)+"\x02\x00\x00"), false)
	f.Fuzz(func(t *testing.T, script []byte, ipv6 bool) {
		client, server := client4, server4
		if ipv6 {
			client, server = plain(client6), server6
		}
		w, file := rawFile(t)
		c := NewConversation(w, client, server)
		at := wrapping(testTime)
		told := analysis.NewConn(client, server, at)
		gaps := int64(0)
		for len(script) >= 3 {
			op, d, n := script[0]>>1&7, analysis.Direction(script[0]&1), int64(script[1])
			e := event{d: d}
			switch op {
			case 0, 1, 5:
				n = min(int64(binary.LittleEndian.Uint16(script[1:])), int64(len(script)-3))
				e.data = script[3 : 3+n]
				script = script[n:]
			case 2:
				e.close = closeFIN
			case 3:
				e.close = closeRST
			case 4:
				if e.gap = n << (script[2] & 31); gaps+e.gap > 16<<30 {
					e.gap = 0
				}
				gaps += e.gap
			case 6:
				strict{t, c}.must(c.Dial(at))
			case 7:
				strict{t, c}.must(c.Open(at))
			}
			script = script[3:]
			if op > 5 || op == 4 && e.gap == 0 || len(e.data) == 0 && e.gap == 0 && e.close == noClose {
				continue
			}
			counts := c.state < over && (!c.closed[d] || e.close == closeRST) && !(c.state == dialed && e.close != noClose && (d == fromClient || e.close == closeRST))
			play(strict{t, c}, at, []event{e})
			if counts {
				play(told, at, []event{e})
			}
			at = at.Add(time.Millisecond)
		}
		mustClose(t, w)
		checkConversation(t, w, file, told)
	})
}

// checkConversation compares bytes, gaps and ends.
func checkConversation(t *testing.T, w *Writer, file *bytes.Buffer, told *analysis.Conn) {
	t.Helper()
	want, n := told.Facts(), 0
	stats, packets := track(t, file, func(got *analysis.Facts) {
		n++
		for d := range got.Stream {
			g, w := &got.Stream[d], &want.Stream[d]
			if g.Bytes != w.Bytes || g.Missed != w.Missed || g.Protocol != w.Protocol || g.Request != w.Request || !bytes.Equal(g.FirstBytes, w.FirstBytes) || g.Close != w.Close && !got.TCP.Refused {
				t.Fatalf("%s: told %+v\nread %+v", analysis.Direction(d), *w, *g)
			}
		}
		if got.TCP.Retransmitted+got.TCP.Conflicting+got.TCP.Truncated != 0 {
			t.Fatalf("read as %+v", got.TCP)
		}
	})
	if connections := min(1, len(packets)); n != connections {
		t.Fatalf("%d packets were read as %d connections", len(packets), n)
	}
	if stats.Implausible+stats.AfterClose+stats.IgnoredResets+stats.Late != 0 || w.Packets() != int64(len(packets)) {
		t.Fatalf("the reader says %+v", stats)
	}
}
