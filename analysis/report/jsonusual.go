package report

import "github.com/etcdtap/etcdtap/analysis"

// usualKey is all that a line has to say between its endpoints and TLS, but for the numbers of bytes, where nothing unusual happened.
type usualKey struct {
	alike           alikeKey
	protocol, inner [2]analysis.Protocol // by Direction
}

// usualTexts remember what of a line is the same in most: up to the numbers of bytes and behind them, the latest for each outcome.
type usualTexts [analysis.OutcomeCount]struct {
	key            usualKey
	before, behind []byte // empty: none
}

// set makes k the key of a connection; ok is false when there is more to say than the key tells.
func (k *usualKey) set(c *analysis.Connection) (ok bool) {
	t := &c.TCP
	if c.Process != nil || c.Outgoing.IsValid() || t.Retransmitted|t.OutOfOrder|t.Conflicting|t.Truncated != 0 {
		return false
	}
	for d := range c.Stream {
		s := &c.Stream[d]
		if s.Missed != 0 || s.StartMissed || s.Then != analysis.ProtocolNone || s.Request != "" || s.InnerRequest != "" {
			return false
		}
		k.alike.close[d], k.protocol[d], k.inner[d] = s.Close, s.Protocol, s.Inner
	}
	k.alike.guessed, k.alike.endpoint, k.alike.outcome, k.alike.ended = c.RolesGuessed, c.Endpoint, c.Outcome, c.Ended
	return true
}

// append appends a line from its outgoing address up to TLS.
func (m *usualTexts) append(b []byte, c *analysis.Connection) []byte {
	client, server := c.Stream[analysis.FromClient].Bytes, c.Stream[analysis.FromServer].Bytes
	var key usualKey
	if !key.set(c) {
		b = appendBothInts(append(appendFate(b, c), `,"bytes":`...), client, server)
		return appendTransport(b, c)
	}
	known := &m[c.Outcome]
	if known.key != key || len(known.before) == 0 {
		known.key = key
		known.before = append(appendFate(known.before[:0], c), `,"bytes":`...)
		known.behind = appendTransport(known.behind[:0], c)
	}
	b = appendBothInts(append(b, known.before...), client, server)
	return append(b, known.behind...)
}
