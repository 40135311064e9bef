package analysis

import (
	"github.com/etcdtap/etcdtap/analysis/tlswire"
)

// maxResyncTotal bounds the bytes searched for a boundary after a gap: eight of the longest records, more than any that are in
// flight when a stream is picked up in the middle.
const maxResyncTotal = 4 * maxResync

// resync looks for the next record's beginning after a gap. It keeps a window of at most maxResync bytes: a place where a
// record header is followed, at the distance that it names, by another one, or where a whole handshake message begins.
func (c *Conn) resync(d Direction, p []byte) []byte {
	s := &c.stream[d]
	n := min(len(p), maxResync-len(s.buf), maxResyncTotal-s.seeked)
	s.buf = append(s.buf, p[:n]...)
	s.seekedIn = c.packet
	i, found := findBoundary(s.buf, false)
	if found {
		s.after = len(p) - n
		c.resume(d, i)
		s.after = 0
		return p[n:]
	}
	s.seeked += n
	if s.seeked >= maxResyncTotal {
		s.phase, s.buf = passing, recycle(s.buf)
		return nil
	}
	if i == 0 && len(s.buf) == maxResync {
		i = 1 // a first candidate that asks for more than the window holds
	}
	if i > 0 { // else a stream that comes byte by byte would be moved as often
		s.buf = refill(s.buf, s.buf[i:])
	}
	return p[n:]
}

// resume goes on with records from offset i of the window.
func (c *Conn) resume(d Direction, i int) {
	s, f := &c.stream[d], &c.facts.Stream[d]
	if f.Protocol == ProtocolNone {
		f.Protocol = ProtocolTLS
	}
	s.phase, s.seeked = inRecords, 0
	if s.encrypted = s.encrypted || c.midStream(s.buf[i:]); s.encrypted && f.StartMissed {
		c.tls.joinedLate = true
	}
	window := s.buf[i:]
	s.buf = nil // the window is read in place
	rest := window
	for len(rest) > 0 && s.phase == inRecords {
		rest = c.records(d, rest)
	}
	if s.buf == nil {
		s.buf = recycle(window)
	}
}

// midStream guesses whether a record that follows a gap is encrypted: application data comes after the handshake only.
func (c *Conn) midStream(b []byte) bool {
	return tlswire.ContentType(b[0]) == tlswire.ContentTypeApplicationData
}

// endResync takes a last candidate whose records fill the window exactly: no more bytes come that could confirm it. They came before
// whatever told that.
func (c *Conn) endResync(d Direction) {
	s, f := &c.stream[d], &c.facts.Stream[d]
	if i, found := findBoundary(s.buf, true); found {
		end := Moment{c.at, c.packet}
		c.at, c.packet = f.LastAt, s.seekedIn
		c.resume(d, i)
		c.at, c.packet = end.At, end.Packet
	} else if f.Protocol == ProtocolNone && f.Bytes > f.Missed {
		f.Protocol = ProtocolUnknown
	}
}

// findBoundary returns the first offset of b at which a record certainly begins. Otherwise found is false and i is the first
// offset that may still prove to be one.
func findBoundary(b []byte, final bool) (i int, found bool) {
	for i = 0; i < len(b); i++ {
		switch boundary(b[i:], final) {
		case yes:
			return i, true
		case perhaps:
			if !final {
				return i, false
			}
		}
	}
	return len(b), false
}

type answer uint8

const (
	no answer = iota
	perhaps
	yes
)

// boundary judges whether a record begins at b.
func boundary(b []byte, final bool) answer {
	if b[0] < byte(tlswire.ContentTypeChangeCipherSpec) || b[0] > byte(tlswire.ContentTypeApplicationData) || len(b) > 1 && b[1] != 3 {
		return no
	}
	h, ok := tlswire.ParseRecordHeader(b)
	if !ok {
		return perhaps
	}
	if !h.Plausible() || h.Length == 0 || h.Version > tlswire.VersionTLS12 {
		return no
	}
	body := b[tlswire.RecordHeaderLen:]
	if h.Type == tlswire.ContentTypeHandshake {
		t, n, ok := tlswire.ParseMessageHeader(body)
		if ok && messageType(t) && tlswire.MessageHeaderLen+n == h.Length {
			return yes
		}
	}
	if len(body) == h.Length && final {
		return yes
	}
	if len(body) < h.Length+tlswire.RecordHeaderLen {
		return perhaps
	}
	if next, _ := tlswire.ParseRecordHeader(body[h.Length:]); next.Plausible() && next.Version == h.Version {
		return yes
	}
	return no
}
