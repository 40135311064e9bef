package analysis

import (
	"slices"
	"time"

	"github.com/etcdtap/etcdtap/analysis/tlswire"
)

// leavesWithin is how soon a client that dislikes the server's certificate is gone, at the most: it looks at it as soon as it can.
// Who stays longer without a request waits for something else.
const leavesWithin = time.Second

// leftAfterHandshake: programs in JavaScript (Node.js, Bun, Deno; measured, docs/tls13.md) look at the server's certificate themselves once
// the handshake is over, and when they dislike it they close without a request, an alert or a close_notify. A health check that is
// content with a handshake may do the same, so this is no more than a hint beside a connection that is called established.
func (v *view) leftAfterHandshake() {
	if v.result != OutcomeEstablished || v.endpoint != EndpointClient && v.endpoint != EndpointPeer {
		return
	}
	if !v.leftWithoutAWord() || slices.ContainsFunc(v.found, func(f Finding) bool { return f.Severity > Info }) { // which explains it
		return
	}
	c := &v.f.Stream[FromClient]
	f := v.add(CodeHandshakeAbandoned, Possible, "the client's handshake was complete, and "+seconds(c.ClosedAt.Sub(v.lastWord()))+" later it closed the connection without a request and without a close_notify; "+
		"a client that looks at the server's certificate only then (Node.js, Bun, Deno) and does not like it does so, and so does a health check that needs no more than a handshake")
	f.Title, f.Severity, f.AtFault = "Client left right after the handshake", Info, FaultUnknown
	v.sawClose(f, FromClient)
}

// leftWithoutAWord reports whether the client's last record is that with its Finished, and the client was the first to end the connection,
// and at once. That a resumed handshake shows no certificate rules it out.
func (v *view) leftWithoutAWord() bool {
	t, c, s := v.f.TLS, &v.f.Stream[FromClient], &v.f.Stream[FromServer]
	e, finished := &t.Encrypted[FromClient], int64(1)
	if t.Version == tlswire.VersionTLS13 && v.shape.ClientFinished >= 0 {
		finished = int64(v.shape.ClientFinished) + 1
	}
	if e.Records != finished || t.Resumed || t.joinedLate || c.Missed+s.Missed > 0 || c.Incomplete || c.Close != CloseFIN && c.Close != CloseRST || !v.clientClosedFirst() {
		return false
	}
	for i := range t.Alerts {
		if t.Alerts[i].From == FromClient {
			return false
		}
	}
	return c.ClosedAt.Sub(v.lastWord()) < leavesWithin
}

// lastWord is when the last byte came before the client's end, from either side.
func (v *view) lastWord() time.Time {
	c, s := &v.f.Stream[FromClient], &v.f.Stream[FromServer]
	if s.LastAt.After(c.LastAt) && !s.LastAt.After(c.ClosedAt) {
		return s.LastAt
	}
	return c.LastAt
}
