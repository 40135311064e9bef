package report

import (
	"net/netip"
	"time"

	"github.com/etcdtap/etcdtap/analysis"
)

// Of a flood of half-open connections the lines are the same but for addresses, times and numbers of packets. What is the same is
// rendered once and copied.

// alikeKey is what the end of a line depends on, from the connection's outgoing address on, where all else has nothing to say.
type alikeKey struct {
	guessed  bool
	endpoint analysis.Endpoint
	outcome  analysis.Outcome
	ended    analysis.CloseKind
	close    [2]analysis.CloseKind
}

// alikeTexts are the ends of lines, the latest for each outcome.
type alikeTexts [analysis.OutcomeCount]struct {
	key  alikeKey
	text []byte // empty: none
}

// keyOfAlike gives the key of a connection's line; ok is false when there is more to say than the key tells.
func keyOfAlike(c *analysis.Connection) (k alikeKey, ok bool) {
	t := &c.TCP
	if len(c.Findings)+len(c.Log) > 0 || c.Process != nil || c.ByTime || c.NoLog != "" || c.Outgoing.IsValid() ||
		t.Retransmitted|t.OutOfOrder|t.Conflicting|t.Truncated != 0 || !c.Silent() {
		return alikeKey{}, false
	}
	client, server := c.Stream[analysis.FromClient].Close, c.Stream[analysis.FromServer].Close
	return alikeKey{c.RolesGuessed, c.Endpoint, c.Outcome, c.Ended, [2]analysis.CloseKind{client, server}}, true
}

// appendRest appends a connection's line from its outgoing address on.
func (j *JSON) appendRest(b []byte, c *analysis.Connection) []byte {
	key, alike := keyOfAlike(c)
	if !alike {
		return j.renderRest(b, c)
	}
	known := &j.alike[c.Outcome]
	if known.key != key || len(known.text) == 0 {
		known.key, known.text = key, j.renderRest(known.text[:0], c)
	}
	return append(b, known.text...)
}

// secondTexts remember the text of some seconds, each at the place that its last bits say: most times are in one of the same few as the
// time before.
type secondTexts [4]struct {
	second int64
	text   []byte // up to the point before the fraction; empty: none
}

// append appends what appendTime does.
func (m *secondTexts) append(dst []byte, t time.Time) []byte {
	const upToPoint = len(`"2006-01-02T15:04:05.`)
	second := t.Unix()
	known := &m[second&int64(len(m)-1)]
	if second != known.second || len(known.text) == 0 {
		from := len(dst)
		dst = appendTime(dst, t)
		if text := dst[from:]; len(text) > upToPoint { // else it is null
			known.second, known.text = second, append(known.text[:0], text[:upToPoint]...)
		}
		return dst
	}
	dst = append(dst, known.text...)
	return appendFraction(dst, uint32(t.Nanosecond()))
}

// endpointTexts remember the text of some endpoints, each at the place that its address says: servers are few.
type endpointTexts [8]struct {
	endpoint netip.AddrPort
	text     []byte // empty: none
}

// append appends what appendAddrPort does.
func (m *endpointTexts) append(dst []byte, a netip.AddrPort) []byte {
	last := a.Addr().As16()[15]
	known := &m[int(last)%len(m)]
	if a != known.endpoint || len(known.text) == 0 {
		known.endpoint, known.text = a, appendAddrPort(known.text[:0], a)
	}
	return append(dst, known.text...)
}

// appendID appends the connection's name, as its AppendID does.
func appendID(dst []byte, f *analysis.Facts) []byte {
	if n := f.TCP.FirstPacket; n > 0 {
		return appendInt(append(dst, 'c'), n)
	}
	return f.AppendID(dst)
}
