package metrics

import (
	"time"

	"github.com/etcdtap/etcdtap/analysis"
	"github.com/etcdtap/etcdtap/analysis/tlswire"
)

// handshakeDuration is the time from the ClientHello that was answered to the later of the two Finished messages. It is known iff the
// connection was established and both can be placed: up to TLS 1.2 a side's Finished is the first thing it encrypts, in TLS 1.3 the
// client's is found by the lengths of its records and the server's came before it. A time that runs backwards, as clocks that were set
// make it, is no duration.
func handshakeDuration(c *analysis.Connection) (time.Duration, bool) {
	t := c.TLS
	if c.Outcome != analysis.OutcomeEstablished || t.ClientHello == nil || t.ServerHello == nil || t.ClientHelloAt.At.IsZero() {
		return 0, false
	}
	var end time.Time
	client, server := &t.Encrypted[analysis.FromClient], &t.Encrypted[analysis.FromServer]
	switch {
	case t.Version == tlswire.VersionTLS13:
		s := c.Facts.Shape()
		if s.ClientFinished < 0 || s.ClientFinished >= len(client.Shape) {
			return 0, false
		}
		end = client.Shape[s.ClientFinished].At()
	case client.Started && server.Started:
		end = client.At
		if server.At.After(end) {
			end = server.At
		}
	}
	if d := end.Sub(t.ClientHelloAt.At); !end.IsZero() && d >= 0 {
		return d, true
	}
	return 0, false
}
