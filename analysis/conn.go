package analysis

import (
	"bytes"
	"math"
	"net/netip"
	"time"

	"github.com/etcdtap/etcdtap/analysis/tlswire"
)

// Conn observes one connection. A producer (capture or proxy) tells it what passes with Packet, Data, Pass, Gap and Close,
// and asks for the Facts when all is over. It does no I/O, has no clock, and does not depend on how the bytes were cut into
// calls. It is not safe for concurrent use.
//
// Memory: at most maxRecord + maxMessage + maxHello bytes of buffers for a direction (about 150 KiB), and in practice the few
// kilobytes of a ClientHello; nothing is buffered for bulk data.
type Conn struct {
	facts  Facts
	tls    TLSFacts
	parsed *parsedHellos // nil until there was a hello of no known kind
	random [2][32]byte   // by Direction: of the hello
	v2     tlswire.SSLv2ClientHello
	stream [2]stream
	packet int64     // the packet that the current call comes from
	at     time.Time // its time
	cache  *CertificateCache
	keys   KeySource // nil: none
	plain  []byte    // scratch: the content of an opened record
	ders   [][]byte  // scratch
	own    int       // see Held: bytes of what is not shared with other connections
	told   int64     // counts what was told, to tell what came first whatever its packet and time
	done   bool      // Facts was called
	used   bool      // something was told of the streams
}

// phase is how a stream's next bytes are read.
type phase uint8

const (
	sniffing  phase = iota // the first bytes: which protocol is it?
	inRecords              // TLS records
	inSSLv2                // an SSLv2 ClientHello
	seeking                // plaintext that TLS may follow (STARTTLS, PROXY header)
	resyncing              // after a gap: where does the next record begin?
	passing                // nothing that follows is of use
)

// Bounds on what is kept for one direction.
const (
	maxRecord     = tlswire.RecordHeaderLen + tlswire.MaxCiphertext // one record whose end has not come yet
	maxMessage    = 1 << 16                                         // a handshake message over several records; crypto/tls (common.go, maxHandshake) refuses longer ones
	maxSeek       = 16 << 10                                        // plaintext searched for the beginning of TLS: no dialogue before STARTTLS is longer
	maxResync     = 2 * maxRecord                                   // bytes after a gap in which a record boundary is looked for
	maxFirstBytes = 32                                              // kept as evidence of what a stream began with
	maxShape      = 16                                              // encrypted records whose length is kept: the longest handshake flight has nine
	maxAlerts     = 16                                              // alerts kept; more are counted
	maxViolations = 8                                               // malformed things kept: the first explains the rest
	keepBuffer    = 8 << 10                                         // buffers that a reset keeps for the next connection
)

// stream is the reading state of one direction.
type stream struct {
	phase     phase
	encrypted bool                // encryption began, at TLS 1.2's ChangeCipherSpec
	lostPlace bool                // the message boundary inside the handshake records is not known
	ended     bool                // finish was called
	abandoned bool                // Abandon was called
	gap       bool                // there was one: what follows is not the stream's beginning
	skip      int64               // bytes of the current record that are of no use
	buf       []byte              // by phase: the first bytes, an incomplete record, a window in which to look for TLS
	message   []byte              // a handshake message that is not complete yet
	first     [maxFirstBytes]byte // the stream's first bytes
	seeked    int                 // bytes searched so far in this phase
	seekedIn  int64               // the packet that the last of them came from; valid iff resyncing
	after     int                 // bytes of the present call behind those being read, which are from the buffer
	hello     []byte              // owns what the parsed hello points into
	unseal    unsealing           // opens protected records, where there are keys
}

// What a Conn takes in bytes, for Held: itself with what its producer has beside it, a hello that is read by itself, for each byte of a
// certificate or name that nobody presented before what crypto/x509 makes of it, and its buffers.
const (
	bytesOfConn   = 3 << 10
	bytesOfHello  = 2 << 10 // at the least: see bytesOfParsed
	timesOfDER    = 6
	timesOfBuffer = 2 // of its contents: it grows by more than it needs, and was copied to do so
)

// Held is about how many bytes of memory c takes: its buffers, as far as they are full, and what was read of no connection before. It
// depends on nothing but what was told. It is cheap.
func (c *Conn) Held() int {
	client, server := &c.stream[FromClient], &c.stream[FromServer]
	return bytesOfConn + c.own + timesOfBuffer*(len(client.buf)+len(client.message)+len(server.buf)+len(server.message))
}

// NewConn begins the observation of a connection at its first packet, or when the proxy accepted it.
func NewConn(client, server netip.AddrPort, at time.Time) *Conn {
	c := new(Conn)
	c.Reset(client, server, at)
	return c
}

// Reset makes c observe another connection, keeping its buffers. Facts that it gave before are no longer valid.
func (c *Conn) Reset(client, server netip.AddrPort, at time.Time) {
	c.packet, c.at, c.told, c.done = 0, at, 0, false
	if !c.used { // a million half-open connections are reported with one Conn
		c.resetUnused(client, server, at)
		return
	}
	c.facts = Facts{Client: client, Server: server, Start: at, End: at}
	if c.own > keepBuffer { // it may have been a large hello
		c.parsed, c.v2 = nil, tlswire.SSLv2ClientHello{}
	}
	c.used, c.own = false, 0
	t := &c.tls
	clear(t.CertificateRequest.Authorities) // what is kept for another connection keeps nothing of this one
	clear(t.CertificateRequest.RawAuthorities)
	clear(t.Certificates[FromClient].Chain)
	clear(t.Certificates[FromServer].Chain)
	shape, alerts, violations := [2][]RecordShape{t.Encrypted[0].Shape, t.Encrypted[1].Shape}, t.Alerts, t.Violations
	chains, names, raws := [2][]*Certificate{t.Certificates[0].Chain, t.Certificates[1].Chain}, t.CertificateRequest.Authorities, t.CertificateRequest.RawAuthorities
	*t = TLSFacts{Alerts: alerts[:0], Violations: violations[:0]}
	t.CertificateRequest.Authorities, t.CertificateRequest.RawAuthorities = names[:0], raws[:0]
	for d := range c.stream {
		t.Encrypted[d].Shape = shape[d][:0]
		t.Certificates[d].Chain = chains[d][:0]
		c.stream[d].reset()
	}
	c.plain = recycle(c.plain)
}

// resetUnused is Reset where nothing was told of the streams but how they ended: it puts back what may have been set since, and no more.
func (c *Conn) resetUnused(client, server netip.AddrPort, at time.Time) {
	f := &c.facts
	f.Client, f.Server, f.Start, f.End = client, server, at, at
	f.Outgoing, f.Dialed, f.DialError = netip.AddrPort{}, netip.AddrPort{}, "" // what a producer may have added
	f.Role, f.RolesGuessed, f.Ended = EndpointOther, false, CloseNone
	f.Until = time.Time{}
	f.TCP = TCPFacts{}
	for d := range f.Stream {
		s := &f.Stream[d]
		if s.Close != CloseNone {
			s.Close, s.ClosedAt, s.ClosePacket = CloseNone, time.Time{}, 0
		}
		c.stream[d].ended = false
	}
}

func (s *stream) reset() {
	s.unseal.reset()
	*s = stream{buf: recycle(s.buf), message: recycle(s.message), hello: recycle(s.hello), unseal: s.unseal}
}

// recycle empties a buffer, and gives a large one up.
func recycle(b []byte) []byte {
	if cap(b) > keepBuffer {
		return nil
	}
	return b[:0]
}

// refill empties a buffer and puts p into it, which may lie there. A large one that would be nearly empty is given up: Held does not see
// what is not full.
func refill(b, p []byte) []byte {
	if cap(b) > keepBuffer && len(p) < cap(b)/4 {
		return bytes.Clone(p)
	}
	return append(b[:0], p...)
}

// Share makes c look certificates up in cache, which may serve many connections of one goroutine. Without it c has its own.
func (c *Conn) Share(cache *CertificateCache) { c.cache = cache }

// Packet says which packet the calls that follow come from: its 1-based number in the capture. The proxy never calls it.
func (c *Conn) Packet(n int64) { c.packet = n }

// Data gives the next bytes of a stream, in order. p is not retained.
func (c *Conn) Data(d Direction, at time.Time, p []byte) {
	if len(p) == 0 {
		return
	}
	f, s := &c.facts.Stream[d], &c.stream[d]
	c.used = true
	if f.FirstAt.IsZero() {
		c.told++
		f.FirstAt, f.FirstPacket, f.told = at, c.packet, c.told
	}
	if n := len(f.FirstBytes); n < maxFirstBytes && !s.gap {
		n += copy(s.first[n:], p)
		f.FirstBytes = s.first[:n]
	}
	f.Bytes += int64(len(p))
	f.LastAt, c.at = at, at
	c.feed(d, p)
}

// feed gives p to the stream's phases, one after the other.
func (c *Conn) feed(d Direction, p []byte) {
	for len(p) > 0 {
		switch c.stream[d].phase {
		case sniffing:
			p = c.sniff(d, p)
		case inRecords:
			p = c.records(d, p)
		case inSSLv2:
			p = c.sslv2(d, p)
		case seeking:
			p = c.seek(d, p)
		case resyncing:
			p = c.resync(d, p)
		case passing:
			return
		}
	}
}

// Skip says how many of d's coming bytes are of no use, so that the producer may pass over them: 0 when they are to be shown,
// math.MaxInt64 when nothing that follows is wanted.
func (c *Conn) Skip(d Direction) int64 {
	s, f := &c.stream[d], &c.facts.Stream[d]
	if s.abandoned {
		return math.MaxInt64
	}
	if f.Bytes < maxFirstBytes && !s.gap {
		return 0 // evidence, however the bytes are cut
	}
	switch s.phase {
	case passing:
		return math.MaxInt64
	case inRecords:
		return s.skip
	}
	return 0
}

// Pass says that n bytes, at most Skip(d), went by without being shown.
func (c *Conn) Pass(d Direction, at time.Time, n int64) {
	f := &c.facts.Stream[d]
	c.used = true
	f.Bytes += n
	f.LastAt, c.at = at, at
	c.stream[d].pass(n)
}

func (s *stream) pass(n int64) {
	if s.phase == inRecords {
		s.skip -= min(n, s.skip)
	}
}

// Gap says that n bytes of a stream were lost in the capture; n < 0 when nobody knows how many, as when the capture starts in
// mid-stream.
func (c *Conn) Gap(d Direction, at time.Time, n int64) {
	f, s := &c.facts.Stream[d], &c.stream[d]
	first := f.Bytes == 0
	c.at = at
	if n == 0 {
		return
	}
	c.used = true
	s.gap = true
	if n > 0 {
		f.Bytes += n
		f.Missed += n
	}
	if first {
		f.StartMissed, f.EarlyGap = true, true
		s.phase, s.lostPlace = resyncing, true
		return
	}
	switch s.phase {
	case passing:
	case seeking:
		s.buf = s.buf[:0]
	case resyncing:
		s.restartResync()
	case inRecords:
		c.gapInRecords(d, n)
	default:
		f.EarlyGap = true
		c.gapInSniff(d)
		if s.phase != seeking && s.phase != passing {
			s.restartResync()
		}
	}
}

// gapInRecords finds its place again when the gap ends in the record that it began in.
func (c *Conn) gapInRecords(d Direction, n int64) {
	s := &c.stream[d]
	if n >= 0 && n <= s.skip {
		s.skip -= n
		return // inside a body that nobody needs
	}
	if c.gapInSealed(d, n) {
		return
	}
	c.facts.Stream[d].EarlyGap = c.facts.Stream[d].EarlyGap || !c.handshakeOver()
	s.lostPlace, s.message = true, recycle(s.message)
	if h, ok := tlswire.ParseRecordHeader(s.buf); ok && n >= 0 {
		if left := int64(tlswire.RecordHeaderLen + h.Length - len(s.buf)); n <= left {
			s.buf, s.skip = recycle(s.buf), left-n
			return
		}
	}
	s.restartResync()
}

// gapInSealed takes a gap that ends in the protected record that it began in, and that was to be opened. Without keys its body would
// have been passed over: no less is known now than then.
func (c *Conn) gapInSealed(d Direction, n int64) bool {
	s := &c.stream[d]
	h, ok := tlswire.ParseRecordHeader(s.buf)
	if !ok || !s.unseal.asked || n < 0 {
		return false
	}
	left := int64(tlswire.RecordHeaderLen + h.Length - len(s.buf))
	if n > left {
		return false
	}
	s.unseal.asked, s.unseal.missed = false, true
	if !s.unseal.opener.Skip() {
		s.unseal.lose()
	}
	s.lostPlace, s.message = true, recycle(s.message)
	s.buf, s.skip = recycle(s.buf), left-n
	return true
}

func (s *stream) restartResync() {
	s.phase, s.skip, s.buf, s.lostPlace = resyncing, 0, recycle(s.buf), true
	s.unseal.lose()
}

// handshakeOver reports whether both sides have begun to encrypt and have sent something encrypted.
func (c *Conn) handshakeOver() bool {
	if v := c.tls.Version; v != 0 && v != tlswire.VersionTLS13 {
		return c.tls.Finished[FromClient] && c.tls.Finished[FromServer]
	}
	return c.tls.Encrypted[FromClient].Data > 0 && c.tls.Encrypted[FromServer].Data > 0 && (c.tls.Version != tlswire.VersionTLS13 || c.tls.Encrypted[FromServer].Records > 5)
}

// Close says how the sender of d ended its stream (CloseFIN, CloseRST), after all of the stream's bytes were told; or that
// watching ended (CloseIdle, CloseEnd, CloseEvicted), whatever d is.
func (c *Conn) Close(d Direction, at time.Time, how CloseKind) {
	c.at = at
	switch how {
	case CloseFIN, CloseRST:
		if f := &c.facts.Stream[d]; f.Close == CloseNone {
			f.Close, f.ClosedAt, f.ClosePacket = how, at, c.packet
		}
		c.finish(d)
	default:
		c.facts.Ended, c.facts.Until = how, at
		c.finish(FromClient)
		c.finish(FromServer)
	}
}

// SetTCP gives what only the transport knows, once, before Facts. end is the time of the connection's last packet.
func (c *Conn) SetTCP(t TCPFacts, rolesGuessed bool, end time.Time) {
	*c.TCP(rolesGuessed, end) = t
}

// TCP is SetTCP for who fills in what it returns: all of it, in the place where it is to be.
func (c *Conn) TCP(rolesGuessed bool, end time.Time) *TCPFacts {
	c.facts.RolesGuessed, c.facts.End = rolesGuessed, end
	return &c.facts.TCP
}

// finish reads what can be read of a stream's last, incomplete bytes.
func (c *Conn) finish(d Direction) {
	s := &c.stream[d]
	if s.ended {
		return
	}
	s.ended = true
	if !c.used {
		return
	}
	c.nameInner(d)
	switch s.phase {
	case sniffing:
		c.endSniff(d)
	case resyncing:
		c.endResync(d)
	}
	if (s.phase == inRecords && (len(s.buf) > 0 || s.skip > 0)) || s.phase == inSSLv2 || len(s.message) > 0 {
		c.facts.Stream[d].Incomplete = true
	}
}

// Unread reports whether End may still read bytes that are kept until it is known what they are. It needs the cache and the keys for
// that, as Data does. Otherwise it needs no keys, and any cache serves.
func (c *Conn) Unread() bool {
	for d := range c.stream {
		if s := &c.stream[d]; !s.ended && len(s.buf) > 0 && (s.phase == sniffing || s.phase == resyncing) {
			return true
		}
	}
	return false
}

// End says that nothing more comes. Facts says so, too; after End it touches nothing but c, so that another goroutine may call it.
func (c *Conn) End() {
	c.finish(FromClient)
	c.finish(FromServer)
	if f := &c.facts; f.TLS == nil && f.hasTLS() {
		f.TLS = &c.tls
		c.inferAlerts()
	}
}

// Facts is what was seen so far. It stays valid until Reset.
func (c *Conn) Facts() *Facts {
	if !c.done {
		c.done = true
		if !c.used {
			return &c.facts // there is nothing to finish
		}
		c.End()
		if f := &c.facts; f.TLS != nil {
			c.dropGuesses()
			f.setVisibility()
			if c.tls.lengthsRead {
				c.tls.shape.alerts(&c.tls)
			}
			c.tls.shaped = true
		}
	}
	return &c.facts
}

// hasTLS reports whether either stream carried TLS.
func (f *Facts) hasTLS() bool {
	for d := range f.Stream {
		switch s := &f.Stream[d]; {
		case s.Protocol == ProtocolTLS, s.Protocol == ProtocolSSLv2, s.Then == ProtocolTLS:
			return true
		}
	}
	return false
}
