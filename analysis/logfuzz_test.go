package analysis

import (
	"bytes"
	"encoding/binary"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/etcdtap/etcdtap/analysis/etcdlog"
	"github.com/google/go-cmp/cmp"
)

// FuzzExplain takes arbitrary bytes through reader, judgement and summary.
func FuzzExplain(f *testing.F) {
	for _, rows := range [...][]textRow{serverRows[:], clientRows[:]} {
		for _, row := range rows {
			f.Add([]byte(row.line + "\n" + row.line))
		}
	}
	f.Add([]byte(strings.Join(append(rejections(startsAt(seedSeconds...)), grpcAt(testTime, port(1), noRecord)), "\n")))
	f.Add([]byte(zapLine("tls: \x1b[2J\u202e oversized record received with length 99999999999999999999")))
	f.Fuzz(func(t *testing.T, b []byte) {
		var r etcdlog.Reader
		var x Explainer
		var s LogSummary
		var n int64
		each := func(e *etcdlog.Entry) {
			le := x.Explain(e, "etcd.log")
			checkTexts(t, le.Findings)
			s.Add(&le)
			n++
		}
		if err := r.Read(bytes.NewReader(b), each); err != nil {
			t.Fatal(err)
		}
		r.End(each)
		var lines, atLeast int64
		for _, g := range s.Groups() {
			lines, atLeast = lines+g.Count, atLeast+g.AtLeast
			g.Rhythm()
			if g.AtLeast < g.Count || g.Last.Line < g.First.Line {
				t.Errorf("%+v", g)
			}
		}
		if s.Entries != n || lines != n || atLeast > s.AtLeast {
			t.Errorf("%d entries, %d counted, %d in groups; at least %d and %d", n, s.Entries, lines, s.AtLeast, atLeast)
		}
	})
}

// joinScript makes connections and entries of fuzz bytes, six for each: few ports, errors and moments, so that they collide.
func joinScript(b []byte) (list []Connection, entries []*LogEntry) {
	texts := [...]string{noRecord, server120 + unknownCA, "EOF", "local error: tls: bad record MAC", "a text of the future"}
	codes := [...]Code{CodePlaintextToTLS, CodeClientCertRefused, CodeHandshakeAbandoned, CodeServerCertRefused, CodeTLSToPlaintext, CodeCertExpiresSoon}
	var x Explainer
	for ; len(b) >= 6 && len(list)+len(entries) < 500; b = b[6:] {
		from := netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, 0, 0, b[1] >> 3 & 3}), uint16(b[1]&7))
		after := time.Duration(binary.BigEndian.Uint16(b[2:])) * 50 * time.Millisecond
		if b[0]&1 == 0 {
			s := seenConn{from.String(), after, nil}
			if b[4] < 250 {
				s.found = []Finding{onPackets(codes[int(b[4])%len(codes)], Confidence(b[5]%3))}
			}
			c := connections(s)[0]
			c.TCP.FirstPacket = int64(len(list) + 1)
			list = append(list, c)
			continue
		}
		e := etcdlog.Entry{Line: int64(len(entries) + 1), Kind: etcdlog.Kind(1 + b[0]>>1%5), Remote: from, Error: texts[int(b[4])%len(texts)], Text: "x", Precision: time.Millisecond, HasTime: b[5]&1 == 0, Zone: b[5]&2 == 0}
		e.Time = testTime.Add(after + time.Duration(int8(b[5]))*time.Minute)
		if b[5]&4 == 0 {
			e.Time, e.Precision = e.Time.Truncate(time.Second), time.Second
		}
		if b[5]&8 == 0 {
			e.Local = from
		}
		if !e.HasTime {
			e.Time, e.Precision = time.Time{}, 0
		}
		le := x.Explain(&e, "etcd.log")
		entries = append(entries, &le)
	}
	return list, entries
}

// FuzzJoin: whatever is joined, each entry is with one connection or says why with none, and it is the same every time.
func FuzzJoin(f *testing.F) {
	f.Add([]byte("\x00\x01\x00\x00\x00\x00\x01\x01\x00\x00\x00\x04\x00\x02\x00\x20\x01\x01\x01\x02\x00\x20\x01\x04"))
	f.Add([]byte("\x00\x01\x00\x00\x00\x00\x00\x01\x00\x10\x00\x00\x00\x01\x00\x20\x00\x00\x01\x01\x00\x00\x00\x01\x01\x01\x00\x10\x00\x3c\x01\x01\x00\x20\x00\x3c"))
	f.Add([]byte("\x00\x01\x00\x00\x00\x00\x01\x11\x00\x00\x00\x04\x01\x12\x00\x00\x00\x04"))
	f.Fuzz(func(t *testing.T, b []byte) {
		var first []int64
		for run := range 2 {
			list, entries := joinScript(b)
			var out []Connection
			j := NewJoin(func(c *Connection) error { out = append(out, *c); return nil })
			for _, e := range entries {
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
			if run == 0 {
				first = connOf(j)
			} else if d := cmp.Diff(first, connOf(j)); d != "" {
				t.Errorf("another join (-first +second):\n%s", d)
			}
		}
	})
}
