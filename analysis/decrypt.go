package analysis

import (
	"github.com/etcdtap/etcdtap/analysis/keylog"
	"github.com/etcdtap/etcdtap/analysis/tlscrypt"
	"github.com/etcdtap/etcdtap/analysis/tlswire"
)

// KeySource knows secrets of TLS connections by the random of their ClientHello: a *keylog.Log, or whoever fills one as it grows.
type KeySource interface {
	Lookup(clientRandom [32]byte) (keylog.Secrets, bool)
	// Len is how many connections it may know; where it is 0, Lookup would find none.
	Len() int
}

// UseKeys makes c decrypt what it can with the secrets of k: the handshake, alerts, and of each side's data as much as tells the
// protocol. Nil is no keys. It holds for all connections until it is called again.
func (c *Conn) UseKeys(k KeySource) { c.keys = k }

// keyStage is which keys protect a stream's next record.
type keyStage uint8

const (
	keysUntried   keyStage = iota // nothing protected has come
	keysHandshake                 // TLS 1.3: those of the handshake
	keysData                      // TLS 1.3: those of the data; before, the only ones
	keysNone                      // none are known, or the place is lost
)

// maxSmallRecord is the longest record of TLS 1.3, in bytes, that is opened once the protocol inside is known: alerts have 19 bytes
// and KeyUpdates 22; what is as short in HTTP/2 (a SETTINGS acknowledgement) has 26.
const maxSmallRecord = 24

// unsealing is what opens the protected records of one stream.
type unsealing struct {
	stage   keyStage
	asked   bool // the record being read is protected, and to be opened
	reading bool // what is being read came out of a protected record
	opened  bool // a record was opened
	last    bool // the last record was
	missed  bool // a record was lost whose content might have mattered
	data    bool // application data was seen
	named   bool // the protocol inside is known
	opener  *tlscrypt.Opener
	inner   []byte // the first bytes inside, until the protocol is known
}

func (u *unsealing) reset() {
	clear(u.inner)
	*u = unsealing{inner: u.inner[:0]}
}

// lose gives up: the place in the stream, or the key, is not known.
func (u *unsealing) lose() {
	u.stage, u.opener, u.asked = keysNone, nil, false
	clear(u.inner)
	u.inner = u.inner[:0]
}

// sealed reports whether the body of a protected record is needed, because there are keys for it and it may matter.
func (c *Conn) sealed(d Direction, h tlswire.RecordHeader) bool {
	u := &c.stream[d].unseal
	u.last = false
	if u.stage == keysUntried {
		c.findKeys(d)
	}
	if u.opener == nil {
		return false
	}
	small := c.tls.Version == tlswire.VersionTLS13 && h.Length <= maxSmallRecord
	if u.stage == keysData && u.named && h.Type == tlswire.ContentTypeApplicationData && !small {
		u.data = true
		if !u.opener.Skip() {
			u.lose()
		}
		return false
	}
	u.asked = true
	return true
}

// findKeys looks for the keys of a stream's first protected record.
func (c *Conn) findKeys(d Direction) {
	s, t := &c.stream[d], &c.tls
	if t.ServerHello == nil && t.ClientHello != nil && t.ClientHello.EarlyData {
		return // 0-RTT data, under keys of their own; those of the handshake follow
	}
	s.unseal.stage = keysNone
	if t.ServerHello == nil || t.ClientHello == nil || c.keys.Len() == 0 {
		return
	}
	if secrets, ok := c.keys.Lookup(c.random[FromClient]); ok {
		c.foundKeys(d, secrets)
	}
}

// foundKeys goes to the keys of a stream's first protected record. It is apart from findKeys so that the secrets are on the heap only
// where there are any.
func (c *Conn) foundKeys(d Direction, secrets keylog.Secrets) {
	s, t := &c.stream[d], &c.tls
	if t.Version == tlswire.VersionTLS13 {
		s.unseal.use(keysHandshake, t.CipherSuite, secrets.Handshake(d == FromServer))
	} else {
		c.use12(d, &secrets)
	}
	if s.unseal.opener != nil {
		s.message, s.lostPlace = recycle(s.message), false // no message goes on from clear to protected
		t.KeysFound = true
	}
}

// use goes to the keys of a TLS 1.3 secret.
func (u *unsealing) use(stage keyStage, suite tlswire.CipherSuite, secret []byte) {
	u.lose()
	if o, ok := tlscrypt.New13(suite, secret); ok {
		u.stage, u.opener = stage, o
	}
}

// use12 goes to the keys of TLS 1.2 and before, which begin at sequence number 0 after the ChangeCipherSpec.
func (c *Conn) use12(d Direction, secrets *keylog.Secrets) {
	t, u := &c.tls, &c.stream[d].unseal
	master := secrets.Master.Bytes()
	if master == nil || !c.stream[d].encrypted {
		return
	}
	client, server, ok := tlscrypt.New12(&tlscrypt.Params{Version: t.Version, Suite: t.CipherSuite, EncryptThenMAC: t.ServerHello.EncryptThenMAC,
		Master: master, ClientRandom: c.random[FromClient], ServerRandom: c.random[FromServer]})
	if ok {
		u.stage, u.opener = keysData, [2]*tlscrypt.Opener{client, server}[d]
	}
}

// dataKeys goes from the handshake's keys to those of the data, after the Finished message (RFC 8446, Section 7.1).
func (c *Conn) dataKeys(d Direction) {
	u := &c.stream[d].unseal
	missed := u.missed
	secrets, _ := c.keys.Lookup(c.random[FromClient])
	u.use(keysData, c.tls.CipherSuite, secrets.Traffic(d == FromServer))
	u.missed = missed
}

// unsealRecord opens a protected record and reads what is inside. body is valid during the call.
func (c *Conn) unsealRecord(d Direction, h tlswire.RecordHeader, body []byte) {
	u, e := &c.stream[d].unseal, &c.tls.Encrypted[d]
	u.asked = false
	t, content, ok := u.opener.Open(c.plain[:0], h, body)
	if !ok && u.missed && u.stage == keysHandshake { // what was lost may have been the Finished message
		if c.dataKeys(d); u.opener != nil {
			t, content, ok = u.opener.Open(c.plain[:0], h, body)
		}
	}
	if !ok {
		if d == FromClient && !u.opened && c.tls.ClientHello.EarlyData {
			return // 0-RTT data still
		}
		c.tls.DecryptFailed[d]++
		u.lose()
		return
	}
	e.Opened++
	u.opened, u.last, u.reading = true, true, true
	switch t {
	case tlswire.ContentTypeHandshake:
		c.handshakeRecord(d, h, content)
	case tlswire.ContentTypeAlert:
		c.openedAlert(d, content)
	case tlswire.ContentTypeApplicationData:
		c.innerData(d, content)
	}
	u.reading = false
	clear(content) // nothing of it is kept
	c.plain = recycle(content)
}

// openedAlert notes an alert that was protected. TLS 1.2's was noted already, without its code.
func (c *Conn) openedAlert(d Direction, content []byte) {
	level, code, ok := tlswire.ParseAlert(content)
	if !ok {
		return
	}
	a := Alert{From: d, Level: level, Code: code, Decrypted: true, At: c.at, Packet: c.packet, BeforeData: !c.stream[d].unseal.data}
	if c.tls.Version == tlswire.VersionTLS13 {
		c.alert(a)
		return
	}
	for i := len(c.tls.Alerts) - 1; i >= 0 && c.tls.AlertsDropped == 0; i-- {
		if b := &c.tls.Alerts[i]; b.From == d && b.Encrypted {
			a.At, a.Packet, a.BeforeData = b.At, b.Packet, b.BeforeData
			*b = a
			return
		}
	}
}

// protectedMessage reads a whole handshake message that was protected. Hellos are not heeded there: a renegotiation has keys of its
// own.
func (c *Conn) protectedMessage(d Direction, t tlswire.HandshakeType, body []byte) {
	f, u := &c.tls, &c.stream[d].unseal
	tls13 := f.Version == tlswire.VersionTLS13
	var err *tlswire.SyntaxError
	switch t {
	case tlswire.HandshakeEncryptedExtensions:
		f.ALPN, err = tlswire.ParseEncryptedExtensions(body)
		f.extensionsOpened = true
	case tlswire.HandshakeCertificate:
		if tls13 {
			err = c.certificates(d, body)
		}
	case tlswire.HandshakeCertificateRequest:
		if tls13 {
			err = c.certificateRequest(body)
		}
	case tlswire.HandshakeFinished:
		f.Finished[d] = true
		if u.stage == keysHandshake {
			f.flightOpened[d] = !u.missed
			c.dataKeys(d)
		}
	case tlswire.HandshakeNewSessionTicket:
		f.Tickets++
	case tlswire.HandshakeKeyUpdate:
		if tls13 && u.stage == keysData && !u.opener.Update() {
			u.lose()
		}
	case tlswire.HandshakeClientHello, tlswire.HandshakeHelloRequest:
		u.lose()
	}
	if err != nil {
		c.violate(d, ViolationMessage, err)
	}
}

// protectedType reports whether t is sent protected only.
func protectedType(t tlswire.HandshakeType) bool {
	switch t {
	case tlswire.HandshakeEncryptedExtensions, tlswire.HandshakeEndOfEarlyData, tlswire.HandshakeKeyUpdate:
		return true
	}
	return false
}

// innerData looks at a side's first application data until the protocol is known, and keeps nothing but its name and what
// requestLine takes.
func (c *Conn) innerData(d Direction, content []byte) {
	u := &c.stream[d].unseal
	u.data = true
	if u.named {
		return
	}
	u.inner = append(u.inner, content[:min(len(content), maxSniff-len(u.inner))]...)
	if _, more := classify(u.inner); !more || len(u.inner) == maxSniff {
		c.nameInner(d)
	}
}

// nameInner settles what the first application data are, with the bytes that there are.
func (c *Conn) nameInner(d Direction) {
	f, u := &c.facts.Stream[d], &c.stream[d].unseal
	if u.named || len(u.inner) == 0 {
		return
	}
	f.Inner, _ = classify(u.inner)
	f.InnerRequest = requestLine(f.Inner, u.inner)
	u.named = true
	clear(u.inner)
	u.inner = u.inner[:0]
}

// dropGuesses takes back the alerts that were inferred from the size of records that were opened.
func (c *Conn) dropGuesses() {
	kept := c.tls.Alerts[:0]
	for _, a := range c.tls.Alerts {
		if !a.Inferred || !c.stream[a.From].unseal.last {
			kept = append(kept, a)
		}
	}
	c.tls.Alerts = kept
}
