package analysis

import (
	"bytes"
	"encoding/binary"

	"github.com/etcdtap/etcdtap/analysis/tlswire"
)

// sniff reads a stream's first bytes until they name the protocol, and returns what is left of p.
func (c *Conn) sniff(d Direction, p []byte) []byte {
	s := &c.stream[d]
	if len(s.buf) == 0 {
		if proto, more := classify(p[:min(len(p), maxSniff)]); !more || len(p) >= maxSniff {
			c.begin(d, proto, p)
			return p
		}
	}
	// The bytes of this call that are needed at most are copied; what is beyond them is read in the next phase.
	n := min(len(p), maxSniff-len(s.buf))
	for i := range n {
		s.buf = append(s.buf, p[i])
		if proto, more := classify(s.buf); !more || len(s.buf) == maxSniff {
			s.after = len(p) - i - 1
			c.replaySniffed(d, proto)
			s.after = 0
			return p[i+1:]
		}
	}
	return p[n:]
}

// replaySniffed begins the protocol with the bytes collected so far.
func (c *Conn) replaySniffed(d Direction, proto Protocol) {
	s := &c.stream[d]
	var store [maxSniff]byte
	head := store[:copy(store[:], s.buf)]
	s.buf = s.buf[:0]
	c.begin(d, proto, head)
	c.feed(d, head)
}

// gapInSniff decides on the bytes there are when the next ones are lost. Two bytes of a record header are enough to look for the
// next record; of anything else too little was seen to say what it is.
func (c *Conn) gapInSniff(d Direction) {
	f, s := &c.facts.Stream[d], &c.stream[d]
	if _, more := classify(s.buf); !more {
		c.endSniff(d)
		return
	}
	if len(s.buf) >= 2 && s.buf[0] >= byte(tlswire.ContentTypeChangeCipherSpec) && s.buf[0] <= byte(tlswire.ContentTypeApplicationData) && s.buf[1] == 3 {
		c.replaySniffed(d, ProtocolTLS)
		return
	}
	f.Protocol, f.StartMissed = ProtocolUnknown, true
	s.buf = s.buf[:0]
}

// endSniff decides on the bytes there are: no more come.
func (c *Conn) endSniff(d Direction) {
	if s := &c.stream[d]; len(s.buf) > 0 {
		proto, _ := classify(s.buf)
		c.replaySniffed(d, proto)
	}
}

// begin records what the stream is and enters the phase that reads it. head is the stream's beginning.
func (c *Conn) begin(d Direction, proto Protocol, head []byte) {
	f, s := &c.facts.Stream[d], &c.stream[d]
	f.Protocol = proto
	switch proto {
	case ProtocolTLS:
		s.phase = inRecords
	case ProtocolSSLv2:
		s.phase = inSSLv2
	case ProtocolHTTP2, ProtocolRaftHTTP, ProtocolDTLS, ProtocolTLSBadVersion, ProtocolRDP:
		s.phase = passing // TLS never follows these on the same stream in clear
	default:
		s.phase = seeking
	}
	f.Request = requestLine(proto, head[:min(len(head), maxSniff)])
}

// sslv2 collects an SSLv2 ClientHello; TLS records follow it when the server agrees (RFC 5246, Appendix E.2).
func (c *Conn) sslv2(d Direction, p []byte) []byte {
	s := &c.stream[d]
	for len(s.buf) < 2 && len(p) > 0 {
		s.buf, p = append(s.buf, p[0]), p[1:]
	}
	if len(s.buf) < 2 {
		return nil
	}
	need := 2 + int(binary.BigEndian.Uint16(s.buf)&0x7fff)
	n := min(len(p), need-len(s.buf))
	s.buf = append(s.buf, p[:n]...)
	if len(s.buf) == need {
		s.hello = append(s.hello[:0], s.buf...) // what is parsed points into it, and the buffer is used again
		if err := c.v2.Unmarshal(s.hello); err != nil {
			c.violate(d, ViolationMessage, err)
		}
		c.tls.SSLv2 = &c.v2
		c.own += bytesOfParsed(c.v2.Held()) + 2*len(s.hello)
		s.buf, s.phase = recycle(s.buf), inRecords
	}
	return p[n:]
}

// helloPattern is how many bytes of a record it takes to recognise a hello inside plaintext.
const helloPattern = 11

// seek looks for the hello of d's side in plaintext: a PROXY header or a STARTTLS-like dialogue may come before TLS.
func (c *Conn) seek(d Direction, p []byte) []byte {
	s := &c.stream[d]
	if s.seeked >= maxSeek {
		s.phase, s.buf = passing, s.buf[:0]
		return nil
	}
	n := min(len(p), maxSeek-s.seeked)
	s.seeked += n
	if i := c.seekIn(d, p[:n]); i >= 0 {
		return p[i:]
	}
	return p[n:]
}

// seekIn looks for a hello in the bytes carried over from the call before and in p. It returns the offset in p from which to
// read on, or -1 when there is none.
func (c *Conn) seekIn(d Direction, p []byte) int {
	s := &c.stream[d]
	carried := len(s.buf)
	if carried > 0 { // the last bytes of the call before, so that a hello cut in two is found
		s.buf = append(s.buf, p[:min(len(p), helloPattern)]...)
		if i := findHello(d, s.buf); i >= 0 && i < carried {
			c.foundTLS(d)
			head := append([]byte(nil), s.buf[i:carried]...)
			s.buf = s.buf[:0]
			s.after = len(p)
			for len(head) > 0 {
				head = c.records(d, head)
			}
			s.after = 0
			return 0
		}
	}
	if i := findHello(d, p); i >= 0 {
		c.foundTLS(d)
		s.buf = s.buf[:0]
		return i
	}
	if len(p) >= helloPattern-1 {
		s.buf = append(s.buf[:0], p[len(p)-(helloPattern-1):]...)
	} else if n := len(s.buf); n > helloPattern-1 {
		s.buf = append(s.buf[:0], s.buf[n-(helloPattern-1):]...)
	} else if carried == 0 {
		s.buf = append(s.buf, p...)
	}
	return -1
}

func (c *Conn) foundTLS(d Direction) {
	c.facts.Stream[d].Then = ProtocolTLS
	c.stream[d].phase, c.stream[d].seeked = inRecords, 0
}

// findHello returns where in b a record begins that holds d's hello, or -1. A record header, a message header and a version
// that agree with each other do not come by chance.
func findHello(d Direction, b []byte) int {
	want := tlswire.HandshakeClientHello
	if d == FromServer {
		want = tlswire.HandshakeServerHello
	}
	for i := 0; ; i++ {
		n := bytes.IndexByte(b[i:], byte(tlswire.ContentTypeHandshake))
		if n < 0 || i+n+helloPattern > len(b) {
			return -1
		}
		i += n
		h, ok := tlswire.ParseRecordHeader(b[i:])
		t, length, _ := tlswire.ParseMessageHeader(b[i+tlswire.RecordHeaderLen:])
		if ok && h.Plausible() && t == want && length >= 38 && length < maxMessage && length+tlswire.MessageHeaderLen >= h.Length && b[i+9] == 3 && b[i+10] <= 4 {
			return i
		}
	}
}
