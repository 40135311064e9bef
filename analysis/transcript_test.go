package analysis

import (
	"bytes"
	"net/netip"
	"reflect"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

// The endpoints and the time of all transcripts; certificates made for tests are valid around it.
var (
	testClient = netip.MustParseAddrPort("127.0.0.1:40000")
	testServer = netip.MustParseAddrPort("127.0.0.1:2379")
	testPeer   = netip.MustParseAddrPort("127.0.0.1:2380")
	testOther  = netip.MustParseAddrPort("127.0.0.1:8443")
	testTime   = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
)

// event is one step of a transcript: bytes of one direction, a gap in them, or their end.
type event struct {
	d     Direction
	data  []byte
	gap   int64         // valid iff lost
	lost  bool          // a gap instead of data
	close CloseKind     // an end instead of data; CloseNone otherwise
	after time.Duration // waited before it, beyond the millisecond that every event takes
}

// transcript is what passed on a connection, in order. Each event is a packet of its own.
type transcript []event

func says(d Direction, parts ...string) event {
	var b []byte
	for _, p := range parts {
		b = append(b, p...)
	}
	return event{d: d, data: b}
}

func client(parts ...string) event                { return says(FromClient, parts...) }
func server(parts ...string) event                { return says(FromServer, parts...) }
func loses(d Direction, n int64) event            { return event{d: d, gap: n, lost: true} }
func closes(d Direction, how CloseKind) event     { return event{d: d, close: how} }
func (e event) waiting(d time.Duration) event     { e.after = d; return e }
func (t transcript) and(more ...event) transcript { return slices.Concat(t, more) }

// bytesOf is one direction's stream.
func (t transcript) bytesOf(d Direction) []byte {
	var b []byte
	for _, e := range t {
		if e.d == d {
			b = append(b, e.data...)
		}
	}
	return b
}

// feeding is how a transcript is told to a Conn. Its zero value tells each event as one piece.
type feeding struct {
	cut       func(left int) int // the length of the next piece; nil: all
	skip      bool               // pass over what the Conn has no use for
	overwrite bool               // spoil the caller's buffer after each call
	server    netip.AddrPort     // testServer when not valid
	keys      KeySource          // nil: none
}

// tell feeds the transcript to c.
func (how feeding) tell(c *Conn, t transcript) {
	at := testTime
	var packets [2]int64
	for i, e := range t {
		at = at.Add(time.Millisecond + e.after)
		packets[e.d]++
		c.Packet(int64(i) + 4) // 1 to 3 are TCP's handshake
		switch {
		case e.lost:
			c.Gap(e.d, at, e.gap)
		case e.close != CloseNone:
			c.Close(e.d, at, e.close)
		default:
			how.tellData(c, e.d, at, e.data)
		}
	}
	c.SetTCP(TCPFacts{FirstPacket: 1, LastPacket: int64(len(t)) + 3, Packets: [2]int64{2 + packets[0], 1 + packets[1]}, SYN: true, SYNACK: true, Established: true}, false, at)
}

func (how feeding) tellData(c *Conn, d Direction, at time.Time, p []byte) {
	for len(p) > 0 {
		n := len(p)
		if how.cut != nil {
			n = min(n, max(1, how.cut(n)))
		}
		piece := p[:n]
		p = p[n:]
		if skip := c.Skip(d); how.skip && skip > 0 {
			k := min(skip, int64(len(piece)))
			c.Pass(d, at, k)
			piece = piece[k:]
		}
		if how.overwrite {
			piece = bytes.Clone(piece)
		}
		c.Data(d, at, piece)
		if how.overwrite {
			for i := range piece {
				piece[i] = 0xa5
			}
		}
	}
}

// facts feeds the transcript to a new Conn.
func (how feeding) facts(t transcript) *Facts {
	to := how.server
	if !to.IsValid() {
		to = testServer
	}
	c := NewConn(testClient, to, testTime)
	c.UseKeys(how.keys)
	how.tell(c, t)
	return c.Facts()
}

// diagnosed judges the transcript by itself.
func (t transcript) diagnosed(server netip.AddrPort) Connection {
	var d Diagnoser
	return d.Diagnose(feeding{server: server}.facts(t))
}

// compareFacts are the options for comparing Facts: all that is a fact counts.
var compareFacts = cmp.Options{
	cmp.Exporter(func(reflect.Type) bool { return true }),
	cmp.Comparer(func(a, b netip.AddrPort) bool { return a == b }),
	cmp.Comparer(func(a, b *Certificate) bool { return bytes.Equal(a.Raw, b.Raw) }),
	cmp.Comparer(func(a, b *HelloKind) bool { return true }), // which hellos are remembered is no fact
	cmpopts.EquateEmpty(),
}

func diffFacts(t *testing.T, want, got *Facts) {
	t.Helper()
	if reflect.DeepEqual(want, got) {
		return // cmp takes a hundred times as long
	}
	if diff := cmp.Diff(want, got, compareFacts); diff != "" {
		t.Errorf("facts differ (-want +got):\n%s", diff)
	}
}

// verdict is a finding in short: code, confidence, severity, fault.
type verdict struct {
	Code       Code
	Confidence Confidence
	Severity   Severity
	AtFault    Fault
}

func verdicts(found []Finding) []verdict {
	var v []verdict
	for _, f := range found {
		v = append(v, verdict{f.Code, f.Confidence, f.Severity, f.AtFault})
	}
	return v
}

func codesOf(found []Finding) []Code {
	var c []Code
	for _, f := range found {
		c = append(c, f.Code)
	}
	return c
}
