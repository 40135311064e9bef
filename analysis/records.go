package analysis

import (
	"github.com/etcdtap/etcdtap/analysis/tlswire"
)

// ViolationKind says which layer was malformed.
type ViolationKind uint8

const (
	ViolationMessage    ViolationKind = iota // a handshake message does not parse
	ViolationOversized                       // a record longer than any may be (RFC 8446, Section 5.2)
	ViolationDesync                          // something that is no TLS record, or of another version, where a record was due
	ViolationTooLong                         // a handshake message longer than any implementation takes
	ViolationUnexpected                      // a message that has no place there
)

// records reads one record, or what there is of it, and returns what is left of p.
func (c *Conn) records(d Direction, p []byte) []byte {
	s := &c.stream[d]
	if s.skip > 0 {
		n := min(s.skip, int64(len(p)))
		s.skip -= n
		return p[n:]
	}
	if len(s.buf) == 0 {
		if h, ok := tlswire.ParseRecordHeader(p); ok {
			if !c.header(d, h, p, len(p)) {
				return p[min(len(p), tlswire.RecordHeaderLen):]
			}
			if need := tlswire.RecordHeaderLen + h.Length; len(p) >= need {
				c.record(d, h, p[tlswire.RecordHeaderLen:need])
				return p[need:]
			}
		}
		if cap(s.buf) == 0 {
			s.buf = c.cache.takeBuffer()
		}
		s.buf = append(s.buf, p...)
		return nil
	}
	return c.fillRecord(d, p)
}

// fillRecord completes the record whose beginning is in the buffer.
func (c *Conn) fillRecord(d Direction, p []byte) []byte {
	s := &c.stream[d]
	if n := tlswire.RecordHeaderLen - len(s.buf); n > 0 {
		n = min(n, len(p))
		s.buf, p = append(s.buf, p[:n]...), p[n:]
		if len(s.buf) < tlswire.RecordHeaderLen {
			return p
		}
		if h, _ := tlswire.ParseRecordHeader(s.buf); !c.header(d, h, s.buf, len(s.buf)+len(p)) {
			s.buf = s.buf[:0]
			return p
		}
	}
	h, _ := tlswire.ParseRecordHeader(s.buf)
	need := tlswire.RecordHeaderLen + h.Length
	n := min(need-len(s.buf), len(p))
	s.buf = append(s.buf, p[:n]...)
	if len(s.buf) == need {
		body := s.buf[tlswire.RecordHeaderLen:]
		s.buf = s.buf[:0] // record does not write to the buffer
		c.record(d, h, body)
		if len(s.buf) == 0 && (c.cache.giveBuffer(s.buf) || cap(s.buf) > keepBuffer) {
			s.buf = nil
		}
	}
	return p[n:]
}

// header looks at a record's header b and reports whether its body is needed. The body of an encrypted record is passed over where
// there are no keys for it, and
// what is no record ends the reading of the stream. left is the number of bytes that are being read, the header's included.
func (c *Conn) header(d Direction, h tlswire.RecordHeader, b []byte, left int) bool {
	s := &c.stream[d]
	if !h.Plausible() {
		c.badHeader(d, h, b, left)
		s.phase = passing
		return false
	}
	if !c.encryptedRecord(d, h) {
		return true
	}
	c.shape(d, h)
	if c.keys != nil && c.sealed(d, h) {
		return true
	}
	s.skip = int64(h.Length)
	return false
}

// badHeader records why b is no TLS record.
func (c *Conn) badHeader(d Direction, h tlswire.RecordHeader, b []byte, left int) {
	offset := int(min(c.facts.Stream[d].Bytes-int64(left+c.stream[d].after), 1<<30))
	known := h.Version>>8 == 3 && h.Type >= tlswire.ContentTypeChangeCipherSpec && h.Type <= tlswire.ContentTypeHeartbeat
	switch {
	case known && h.Length > tlswire.MaxCiphertext:
		c.violate(d, ViolationOversized, &tlswire.SyntaxError{Offset: offset, Path: "record.length", Problem: itoa(h.Length) + " bytes, more than the 18432 that TLS allows"})
		return
	case known && h.Version <= tlswire.VersionTLS13: // crypto/tls (conn.go, readRecordOrCCS): unexpected_message
		c.violate(d, ViolationUnexpected, &tlswire.SyntaxError{Offset: offset, Path: "record.length", Problem: itoa(h.Length) + " bytes in a record of type " + h.Type.String()})
		return
	}
	c.violate(d, ViolationDesync, &tlswire.SyntaxError{Offset: offset, Path: "record", Problem: "bytes " + spelled(b[:tlswire.RecordHeaderLen]) + " are no TLS record"})
}

// encryptedRecord reports whether a record with header h is encrypted. Records of type application_data always are. In TLS 1.3
// every encrypted record has that type, so that alerts and ChangeCipherSpec are in clear; before, all that follows the
// ChangeCipherSpec is encrypted.
func (c *Conn) encryptedRecord(d Direction, h tlswire.RecordHeader) bool {
	switch {
	case h.Type == tlswire.ContentTypeApplicationData:
		return true
	case !c.stream[d].encrypted || h.Type == tlswire.ContentTypeChangeCipherSpec:
		return false
	case c.tls.Version == tlswire.VersionTLS13, h.Type == tlswire.ContentTypeAlert && h.Length == 2:
		return false
	}
	return true
}

// shape notes an encrypted record.
func (c *Conn) shape(d Direction, h tlswire.RecordHeader) {
	e := &c.tls.Encrypted[d]
	if !e.Started {
		e.Started, e.At, e.Packet = true, c.at, c.packet
	}
	c.told++
	r := RecordShape{Type: h.Type, Length: uint16(h.Length), Ns: c.at.UnixNano(), Packet: c.packet, told: c.told}
	if len(e.Shape) < maxShape {
		e.Shape = append(e.Shape, r)
	}
	e.Last = r
	e.Records++
	switch h.Type {
	case tlswire.ContentTypeApplicationData:
		e.Data++
	case tlswire.ContentTypeHandshake:
		if c.tls.Version != tlswire.VersionTLS13 {
			c.tls.Finished[d] = true // TLS 1.2: what is encrypted first is the Finished message
		}
	case tlswire.ContentTypeAlert:
		c.alert(Alert{From: d, Encrypted: true, At: c.at, Packet: c.packet, BeforeData: e.Data == 0})
	}
}

func (c *Conn) alert(a Alert) {
	if len(c.tls.Alerts) == maxAlerts {
		c.tls.AlertsDropped++
		return
	}
	c.tls.Alerts = append(c.tls.Alerts, a)
}

func (c *Conn) violate(d Direction, kind ViolationKind, err *tlswire.SyntaxError) {
	if len(c.tls.Violations) < maxViolations {
		c.tls.Violations = append(c.tls.Violations, Violation{From: d, Kind: kind, Err: err, At: c.at, Packet: c.packet})
	}
}

// record reads a whole record, in clear or with keys. body is valid during the call.
func (c *Conn) record(d Direction, h tlswire.RecordHeader, body []byte) {
	if c.stream[d].unseal.asked {
		c.unsealRecord(d, h, body)
		return
	}
	switch h.Type {
	case tlswire.ContentTypeHandshake:
		c.handshakeRecord(d, h, body)
	case tlswire.ContentTypeAlert:
		if level, code, ok := tlswire.ParseAlert(body); ok {
			c.alert(Alert{From: d, Level: level, Code: code, At: c.at, Packet: c.packet, BeforeData: c.tls.Encrypted[d].Data == 0})
		}
	case tlswire.ContentTypeChangeCipherSpec:
		c.changeCipherSpec(d)
	}
}

// changeCipherSpec is where TLS 1.2 begins to encrypt, and a meaningless record in TLS 1.3 (RFC 8446, Appendix D.4).
func (c *Conn) changeCipherSpec(d Direction) {
	s, t := &c.stream[d], &c.tls
	if s.encrypted {
		if t.Version != tlswire.VersionTLS13 {
			s.unseal.lose() // a renegotiation's keys
		}
		return
	}
	s.encrypted = true
	if t.Version == tlswire.VersionTLS13 {
		return
	}
	// RFC 5246, Section 7.3, figure 2: in an abbreviated handshake the server goes from its hello to ChangeCipherSpec.
	if d == FromServer && t.ServerHello != nil && !t.HelloDone && !t.Certificates[FromServer].seen && !c.facts.Stream[d].EarlyGap {
		t.Resumed = true
	}
}
