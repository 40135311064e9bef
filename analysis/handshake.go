package analysis

import (
	"strings"

	"github.com/etcdtap/etcdtap/analysis/tlswire"
)

// handshakeRecord splits the content of a handshake record into messages. A message may begin in one record and end in a
// later one.
func (c *Conn) handshakeRecord(d Direction, h tlswire.RecordHeader, body []byte) {
	s := &c.stream[d]
	if s.lostPlace && !foundPlace(d, body, s.unseal.reading) {
		return
	}
	s.lostPlace = false
	if !s.unseal.reading && c.wrongVersion(d, h, body) {
		return
	}
	carried := len(s.message) > 0
	if carried {
		s.message = append(s.message, body...)
		body = s.message
	}
	whole := len(body)
	for len(body) > 0 {
		t, n, ok := tlswire.ParseMessageHeader(body)
		if ok && !c.knownMessage(d, t, n) {
			s.message, s.lostPlace = recycle(s.message), true
			return
		}
		if !ok || len(body) < tlswire.MessageHeaderLen+n {
			break
		}
		c.message(d, t, body[tlswire.MessageHeaderLen:tlswire.MessageHeaderLen+n])
		body = body[tlswire.MessageHeaderLen+n:]
	}
	if carried && len(body) == whole {
		return // nothing was used up: a long message that comes in many small records would be moved for each
	}
	s.message = refill(s.message, body) // moves what is left to the front, or keeps it from the caller's buffer
}

// foundPlace reports whether a message of d's side that fits begins at the record's beginning. A HelloRequest, four zeros, is no sign.
func foundPlace(d Direction, body []byte, protected bool) bool {
	t, n, ok := tlswire.ParseMessageHeader(body)
	return ok && t != tlswire.HandshakeHelloRequest && (messageType(t) || protected && protectedType(t)) && sentBy(d, t) && tlswire.MessageHeaderLen+n <= max(len(body), 1<<14)
}

// messageType reports whether t is sent in clear by any version.
func messageType(t tlswire.HandshakeType) bool {
	switch t {
	case tlswire.HandshakeHelloRequest, tlswire.HandshakeClientHello, tlswire.HandshakeServerHello, tlswire.HandshakeNewSessionTicket,
		tlswire.HandshakeCertificate, tlswire.HandshakeServerKeyExchange, tlswire.HandshakeCertificateRequest,
		tlswire.HandshakeServerHelloDone, tlswire.HandshakeCertificateVerify, tlswire.HandshakeClientKeyExchange,
		tlswire.HandshakeFinished, tlswire.HandshakeCertificateStatus:
		return true
	}
	return false
}

// sentBy reports whether d's side may send t.
func sentBy(d Direction, t tlswire.HandshakeType) bool {
	switch t {
	case tlswire.HandshakeClientHello, tlswire.HandshakeClientKeyExchange, tlswire.HandshakeEndOfEarlyData:
		return d == FromClient
	case tlswire.HandshakeHelloRequest, tlswire.HandshakeServerHello, tlswire.HandshakeNewSessionTicket, tlswire.HandshakeServerKeyExchange,
		tlswire.HandshakeCertificateRequest, tlswire.HandshakeServerHelloDone, tlswire.HandshakeCertificateStatus,
		tlswire.HandshakeEncryptedExtensions:
		return d == FromServer
	}
	return true
}

// knownMessage records a message header that cannot be one, and reports whether it can.
func (c *Conn) knownMessage(d Direction, t tlswire.HandshakeType, n int) bool {
	switch {
	case n > maxMessage:
		c.violate(d, ViolationTooLong, &tlswire.SyntaxError{Path: t.String() + ".length", Problem: "message of " + itoa(n) + " bytes, more than the 65536 that crypto/tls accepts"})
	case !messageType(t) && !(c.stream[d].unseal.reading && protectedType(t)):
		c.violate(d, ViolationUnexpected, &tlswire.SyntaxError{Path: "handshake.msg_type", Problem: t.String() + " is not sent in clear"})
	case !sentBy(d, t): // it must not stand for the other side's
		c.violate(d, ViolationUnexpected, &tlswire.SyntaxError{Path: "handshake.msg_type", Problem: t.String() + " is not the " + d.String() + "'s to send"})
	default:
		return true
	}
	return false
}

// wrongVersion records a record of another version than the one agreed on: crypto/tls answers it with protocol_version
// (conn.go, readRecordOrCCS: "received record with version %x when expecting version %x"). TLS 1.3 records say 1.2.
func (c *Conn) wrongVersion(d Direction, h tlswire.RecordHeader, body []byte) bool {
	first := c.tls.ServerHello == nil
	switch {
	case d != FromClient:
		return false
	case first:
		// Not the one that a HelloRetryRequest asks for, even if that is captured late: its record says 1.2 (RFC 8446, Section 5.1).
		if c.tls.ClientHello == nil || h.Version >= tlswire.VersionTLS12 || c.tls.ClientHello.MaxVersion() < tlswire.VersionTLS12 {
			return false
		}
	case h.Version == min(c.tls.Version, tlswire.VersionTLS12):
		return false
	}
	if len(body) == 0 || tlswire.HandshakeType(body[0]) != tlswire.HandshakeClientHello {
		return false // lenient stacks exist; only a hello begins anew
	}
	agreed := c.tls.Version.String() + " was agreed"
	if first {
		agreed = "the first one offered " + tlswire.VersionTLS12.String() + " or later"
	}
	c.violate(d, ViolationDesync, &tlswire.SyntaxError{Path: "record.version", Problem: "a second ClientHello, in a record of " + h.Version.String() + ", after " + agreed})
	c.stream[d].phase = passing
	return true
}

// message reads one whole handshake message. body is valid during the call.
func (c *Conn) message(d Direction, t tlswire.HandshakeType, body []byte) {
	s, f := &c.stream[d], &c.tls
	if s.unseal.reading {
		c.protectedMessage(d, t, body)
		return
	}
	var err *tlswire.SyntaxError
	switch t {
	case tlswire.HandshakeClientHello:
		err = c.readClientHello(s, body)
		f.ClientHelloAt, f.Malformed = Moment{c.at, c.packet}, err != nil
	case tlswire.HandshakeServerHello:
		var h *tlswire.ServerHello
		h, err = c.readServerHello(s, body)
		c.serverHello(h)
	case tlswire.HandshakeCertificate:
		err = c.certificates(d, body)
	case tlswire.HandshakeServerKeyExchange:
		if g, ok := tlswire.ParseServerKeyExchangeGroup(body); ok && strings.HasPrefix(f.CipherSuite.String(), "TLS_ECDHE_") {
			f.Group = g
		}
	case tlswire.HandshakeCertificateRequest:
		err = c.certificateRequest(body)
	case tlswire.HandshakeServerHelloDone:
		f.HelloDone = true
	case tlswire.HandshakeClientKeyExchange:
		f.ClientKeyExchange = true
	case tlswire.HandshakeNewSessionTicket:
		f.Tickets++
	}
	if err != nil {
		c.violate(d, ViolationMessage, err)
	}
}

// serverHello draws what the ServerHello agrees on.
func (c *Conn) serverHello(h *tlswire.ServerHello) {
	f := &c.tls
	f.Version = h.Version()
	if f.Version == tlswire.VersionTLS13 {
		f.Group = h.Group
	}
	if h.HelloRetryRequest() {
		f.HelloRetry = true
		return
	}
	f.ServerHello, f.ServerHelloAt = h, Moment{c.at, c.packet}
	f.CipherSuite, f.ALPN = h.CipherSuite, h.ALPN
	f.Resumed = f.Version == tlswire.VersionTLS13 && h.SelectedPSK
}

// certificates keeps the chain of a Certificate message.
func (c *Conn) certificates(d Direction, body []byte) *tlswire.SyntaxError {
	f := &c.tls.Certificates[d]
	var err *tlswire.SyntaxError
	if c.tls.Version == tlswire.VersionTLS13 && c.stream[d].unseal.reading {
		c.ders, err = tlswire.ParseCertificate13(body, c.ders[:0])
	} else {
		c.ders, err = tlswire.ParseCertificate(body, c.ders[:0])
	}
	if c.cache == nil {
		c.cache = new(CertificateCache)
	}
	f.Chain = f.Chain[:0]
	read := c.cache.read
	for _, der := range c.ders[:min(len(c.ders), maxChain)] {
		f.Chain = append(f.Chain, c.cache.Certificate(der))
	}
	c.own += timesOfDER * (c.cache.read - read)
	f.More = max(0, len(c.ders)-maxChain)
	clear(c.ders) // they point into the caller's buffer
	if cap(c.ders) > 4*maxChain {
		c.ders = nil
	}
	f.Packet, f.At, f.seen, f.decrypted = c.packet, c.at, true, c.stream[d].unseal.reading
	return err
}

// certificateRequest keeps the acceptable CAs.
func (c *Conn) certificateRequest(body []byte) *tlswire.SyntaxError {
	if c.cache == nil {
		c.cache = new(CertificateCache)
	}
	r, version := &c.cache.request, c.tls.Version
	if version == 0 { // the ServerHello was missed
		version = tlswire.VersionTLS12
	}
	err := r.Unmarshal(body, version)
	if c.tls.Version == 0 && err != nil {
		return nil // of another version, most likely
	}
	f := &c.tls.CertificateRequest
	f.Authorities, f.RawAuthorities = f.Authorities[:0], f.RawAuthorities[:0]
	read := c.cache.read
	for _, der := range r.Authorities[:min(len(r.Authorities), maxAuthorities)] {
		raw, text := c.cache.Name(der)
		f.Authorities, f.RawAuthorities = append(f.Authorities, text), append(f.RawAuthorities, raw)
	}
	c.own += timesOfDER * (c.cache.read - read)
	f.More = max(0, len(r.Authorities)-maxAuthorities)
	f.Packet, f.Visibility = c.packet, Seen
	if c.stream[FromServer].unseal.reading {
		f.Visibility = Decrypted
	}
	return err
}
