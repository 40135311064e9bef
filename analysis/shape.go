package analysis

import (
	"slices"

	"github.com/etcdtap/etcdtap/analysis/tlswire"
)

// Answer is what inference has to say to a question. Its zero value is that it cannot tell.
type Answer uint8

const (
	CannotTell Answer = iota
	No
	Yes
)

func (a Answer) String() string { return [...]string{"unknown", "no", "yes"}[a] }

// Presented is what a client showed of itself in its handshake.
type Presented uint8

const (
	PresentedUnknown Presented = iota // cannot tell
	PresentedNone                     // it was not asked, so it sent no Certificate message
	PresentedEmpty                    // asked, it sent a Certificate message without a certificate
	PresentedChain                    // asked, it sent at least one certificate
)

func (p Presented) String() string { return [...]string{"unknown", "none", "empty", "presented"}[p] }

// AlertPlace is when the last alert came.
type AlertPlace uint8

const (
	AlertUnknown      AlertPlace = iota // cannot tell, or there is none
	AlertForFinished                    // the client sent it where its Finished was due
	AlertBeforeAnswer                   // after the handshake, and the server had sent neither a ticket nor data
	AlertAfterAnswer                    // after a ticket or data of the server
)

func (p AlertPlace) String() string {
	return [...]string{"unknown", "instead_of_finished", "before_ticket_or_data", "after_ticket_or_data"}[p]
}

// Shape is what the lengths of TLS 1.3's encrypted handshake records give away. All of it is inference, and each field can say
// that it cannot tell: a reading is taken only when every reading that fits the lengths agrees with it. What the readings allow for
// is in shapeflight.go. Lengths that the sender padded (RFC 8446, Section 5.4) at random are not recognised as such; those rounded to a
// multiple are.
type Shape struct {
	ServerFinished    int       // index in Encrypted[FromServer].Shape of the record with the server's Finished; -1: cannot tell
	ClientFinished    int       // the same for the client
	Answered          int       // index of the server's first record after the client's Finished; -1: none, or cannot tell
	Requested         Answer    // a CertificateRequest was in the handshake; one after it (post-handshake authentication) does not count
	Client            Presented // what the client answered
	DER               [2]DER    // by Direction: the sizes that the certificates presented may have
	Key               [2]string // by Direction: key by the length of its signature: "RSA-2048", "ECDSA-P256"; "" cannot tell
	Ticket            Answer    // the server gave a ticket to resume with
	LastAlertFrom     Direction // valid iff LastAlert == Yes
	LastAlert         Answer    // either side's last record is an alert, close_notify included
	LastAlertPlace    AlertPlace
	Pad               [2]int // by Direction: bytes that the sender adds to every record; 0 also when that cannot be told
	ALPNLength        int    // bytes of the protocol name that the server chose, 0 for none; -1: cannot tell
	ClientAlertInLieu bool   // the client sent an alert where its Finished was due; false: it did not, or it cannot be told
	Accepted          bool   // after the client's Finished the server sent a ticket or data: it took the client's certificate
	RefusedAfter      bool   // after the client's Finished the server sent an alert and nothing before it
}

// DER holds, by the number of certificates less one, how many bytes of DER a Certificate message carries if it has that many and no
// OCSP response or SCT. 0: it cannot have as many, or nothing can be told.
type DER [4]int

// Lengths of inner plaintexts (RFC 8446, Section 5.2: content type, then padding, none here).
const (
	tagLength   = 16 // AES-GCM, ChaCha20-Poly1305
	innerType   = 1
	alertRecord = 2 + innerType + tagLength
	shortestEE  = tlswire.MessageHeaderLen + 2 // EncryptedExtensions without extensions (Section 4.3.1)
)

// finishedRecord is the length of a record that holds a Finished message under the suite, 0 when its tag length is another.
func finishedRecord(s tlswire.CipherSuite) int {
	switch s {
	case 0x1301, 0x1303: // TLS_AES_128_GCM_SHA256, TLS_CHACHA20_POLY1305_SHA256
		return tlswire.MessageHeaderLen + 32 + innerType + tagLength
	case 0x1302: // TLS_AES_256_GCM_SHA384
		return tlswire.MessageHeaderLen + 48 + innerType + tagLength
	}
	return 0
}

// unknownShape is the answer when nothing can be told.
func unknownShape() Shape {
	return Shape{ServerFinished: -1, ClientFinished: -1, Answered: -1, ALPNLength: -1}
}

// Shape reads the record lengths of both sides. Nothing is inferred for other versions, suites of other lengths, when bytes of the
// handshake are missing, or when the hellos allow what the lengths would not show.
func (f *Facts) Shape() Shape {
	if t := f.TLS; t != nil && t.shaped {
		return t.shape
	}
	s, ok := f.lengths()
	if ok {
		s.alerts(f.TLS)
	}
	return s
}

// lengths is the Shape without what the alerts add; ok is false when nothing is inferred.
func (f *Facts) lengths() (s Shape, ok bool) {
	s, t := unknownShape(), f.TLS
	if !f.hasLengths() {
		return s, false
	}
	fin := finishedRecord(t.CipherSuite)
	if fin == 0 || t.smallRecords() {
		return s, false
	}
	server, client := t.Encrypted[FromServer].Shape, t.Encrypted[FromClient].Shape
	early := t.ClientHello == nil || t.ClientHello.EarlyData // what the client sent first may be 0-RTT data
	if !early && len(client) > 0 {
		s.inLieu(client)
	}
	s.server(t, server[:beforeClient(server, client, early)], fin)
	if !early && !s.ClientAlertInLieu {
		s.client(t, client, fin)
	}
	s.after(t, server, client)
	return s, true
}

// hasLengths reports whether there are record lengths of TLS 1.3 that can be read, as far as that does not depend on the hellos.
func (f *Facts) hasLengths() bool {
	t := f.TLS
	return t != nil && t.Version == tlswire.VersionTLS13 && t.ServerHello != nil && !t.joinedLate && !f.Stream[FromClient].EarlyGap && !f.Stream[FromServer].EarlyGap
}

// HasShape reports whether there are encrypted records of TLS 1.3 to read, whatever they tell.
func (f *Facts) HasShape() bool {
	t := f.TLS
	return t != nil && t.Version == tlswire.VersionTLS13 && t.ServerHello != nil && t.Encrypted[FromServer].Records+t.Encrypted[FromClient].Records > 0
}

// Text says in one line whether a client certificate was asked for and shown, and how that is known; "" when it cannot be told.
func (s *Shape) Text() string {
	text := "inferred from record lengths: "
	switch {
	case s.Requested == No:
		return text + "no client certificate requested"
	case s.Requested != Yes:
		return ""
	}
	text += "client certificate requested"
	switch s.Client {
	case PresentedEmpty:
		return text + ", an empty one sent"
	case PresentedChain:
		text += ", one presented"
		if n := s.DER[FromClient][0]; n != 0 {
			text += " (" + itoa(n) + " bytes of DER if it is one certificate"
			if two := s.DER[FromClient][1]; two != 0 {
				text += ", " + itoa(two) + " if two"
			}
			text += ")"
		}
	}
	return text
}

// beforeClient is how many of the server's records came before the client's flight, which answers the server's.
func beforeClient(server, client []RecordShape, early bool) int {
	if early || len(client) == 0 || client[0].Length <= alertRecord+constantPad {
		return len(server) // an alert: the client may not have waited
	}
	n := slices.IndexFunc(server, func(r RecordShape) bool { return earlier(&client[0], &r) })
	if n < 0 {
		return len(server)
	}
	return n
}

// inLieu recognises an alert where the client's Finished was due: no message of its flight is as short.
func (s *Shape) inLieu(client []RecordShape) {
	switch n := int(client[0].Length); {
	case n == alertRecord+constantPad && len(client) == 1:
		s.Pad[FromClient] = constantPad
	case n != alertRecord:
		return
	}
	s.ClientAlertInLieu, s.LastAlertPlace = true, AlertForFinished
}

// isAlert reports whether d's record has the length of an alert.
func (s *Shape) isAlert(d Direction, r *RecordShape) bool {
	return int(r.Length) == alertRecord+s.Pad[d]
}

// server reads EncryptedExtensions, CertificateRequest, Certificate, CertificateVerify, Finished: the second is optional, and
// with a PSK all but the first and the last are left out (RFC 8446, Section 2.2).
func (s *Shape) server(t *TLSFacts, r []RecordShape, fin int) {
	flights := []flight{{encryptedExtensions, certificate, certificateVerify, finished},
		{encryptedExtensions, certificateRequest, certificate, certificateVerify, finished}}
	if t.Resumed {
		flights = []flight{{encryptedExtensions, finished}}
	}
	c := readFlights(t, r, t.Encrypted[FromServer].Shape, fin, flights...)
	if c.readings == 0 {
		return
	}
	s.ServerFinished, s.Pad[FromServer] = c.finished, c.pad
	switch {
	case !c.request.differ && c.request.value > 0:
		s.Requested = Yes
	case !c.request.differ:
		s.Requested = No
	}
	s.DER[FromServer], s.Key[FromServer] = t.derOf(c.certificate), keyOf(c.signature)
	if c.extensions.value > 0 && !c.extensions.differ {
		s.ALPNLength = t.alpnLength(c.extensions.value - shortestEE)
	}
}

// client reads Certificate, CertificateVerify, Finished, or what of them is due.
func (s *Shape) client(t *TLSFacts, r []RecordShape, fin int) {
	flights := make([]flight, 0, 3)
	if s.Requested != Yes {
		flights = append(flights, flight{finished})
	}
	if s.Requested != No && !t.Resumed {
		flights = append(flights, flight{emptyCertificate, finished}, flight{certificate, certificateVerify, finished})
	}
	c := readFlights(t, r, r, fin, flights...)
	if c.readings == 0 {
		return
	}
	s.ClientFinished, s.Pad[FromClient] = c.finished, c.pad
	if c.shown.differ {
		return
	}
	s.Client = Presented(c.shown.value)
	if s.Requested == CannotTell { // only a client that was asked sends a Certificate message
		s.Requested = Yes
		if s.Client == PresentedNone {
			s.Requested = No
		}
	}
	s.DER[FromClient], s.Key[FromClient] = t.derOf(c.certificate), keyOf(c.signature)
}

// after reads what the server sent after the handshake.
func (s *Shape) after(t *TLSFacts, server, client []RecordShape) {
	if s.ServerFinished < 0 || s.ClientAlertInLieu || t.ClientHello == nil || t.ClientHello.EarlyData {
		return
	}
	if s.ClientFinished < 0 {
		s.afterUnread(t, server, client)
		return
	}
	fin := &client[s.ClientFinished]
	for i := s.ServerFinished + 1; i < len(server); i++ {
		r := &server[i]
		alert := s.isAlert(FromServer, r)
		if earlier(r, fin) && (!alert || earlier(r, &client[0])) { // a server need not wait for the Finished to refuse a certificate
			continue
		}
		s.Answered = i
		s.RefusedAfter = alert && !s.laterThanClose(*r, client)
		s.Accepted = !alert
		break
	}
	s.Ticket = s.ticket(t, server, client)
}

// afterUnread recognises a refusal where the client's flight cannot be read: a server that had asked, and would have given a ticket,
// answered whatever the client sent with an alert.
func (s *Shape) afterUnread(t *TLSFacts, server, client []RecordShape) {
	if i := s.ServerFinished + 1; s.Requested == Yes && len(client) > 0 && i < len(server) && slices.Contains(t.ClientHello.PSKModes, pskWithDHE) {
		if r := &server[i]; s.isAlert(FromServer, r) && !earlier(r, &client[0]) {
			s.Answered, s.RefusedAfter = i, true
		}
	}
}

// ticket tells a NewSessionTicket by its place and length: it comes before the client has asked for anything, and servers of HTTP
// have nothing else to say then but short HTTP/2 SETTINGS.
func (s *Shape) ticket(t *TLSFacts, server, client []RecordShape) Answer {
	const (
		nonce    = 1 + 8 // usual; Go sends none
		shortest = tlswire.MessageHeaderLen + 4 + 4 + nonce + 2 + 64 + 2 + innerType + tagLength
	)
	if s.ServerFinished+1 >= len(server) || s.isAlert(FromServer, &server[s.ServerFinished+1]) {
		return No
	}
	first := &server[s.ServerFinished+1]
	asked := s.ClientFinished+1 < len(client) && earlier(&client[s.ClientFinished+1], first)
	if first.Length >= shortest && !asked && slices.Contains(t.ClientHello.PSKModes, pskWithDHE) {
		return Yes
	}
	return CannotTell
}

// alerts says who sent the last alert, where the handshake could be read.
func (s *Shape) alerts(t *TLSFacts) {
	inClear := slices.ContainsFunc(t.Alerts, func(a Alert) bool { return a.From == FromClient && !a.Encrypted }) && t.Encrypted[FromClient].Records == 0
	if inClear { // OpenSSL refuses a server before it has begun to encrypt
		s.LastAlertPlace = AlertForFinished
	}
	if s.ClientFinished < 0 && !s.ClientAlertInLieu && !inClear {
		return
	}
	s.LastAlert = No
	if n := len(t.Alerts); n > 0 {
		s.LastAlert, s.LastAlertFrom = Yes, t.Alerts[n-1].From
	}
	switch {
	case s.LastAlert != Yes || s.LastAlertPlace == AlertForFinished && s.LastAlertFrom != FromClient:
		s.LastAlertPlace = AlertUnknown
	case s.LastAlertPlace == AlertUnknown && s.ServerFinished >= 0:
		s.LastAlertPlace = AlertBeforeAnswer
		if r := t.Encrypted[FromServer].Shape; s.ServerFinished+1 < len(r) && !s.isAlert(FromServer, &r[s.ServerFinished+1]) {
			s.LastAlertPlace = AlertAfterAnswer
		}
	}
}

// alpnLength explains n bytes of extensions in EncryptedExtensions by the length of a name that the client offered, 0 for none,
// or -1 when nothing explains them. Servers of Go 1.24 and later also acknowledge a server_name (RFC 6066, Section 3).
func (t *TLSFacts) alpnLength(n int) int {
	const (
		acknowledged = 4 // an empty extension
		header       = 7 // extension header 4, list length 2, name length 1, then the name (RFC 7301, Section 3.1)
	)
	if t.ClientHello == nil || t.ClientHello.EncryptedClientHello {
		return -1
	}
	others := [2]int{0, acknowledged}
	for _, other := range others[:1+min(1, len(t.ClientHello.ServerName))] {
		if n == other {
			return 0
		}
		for _, name := range t.ClientHello.ALPN {
			if n == other+header+len(name) {
				return len(name)
			}
		}
	}
	return -1
}

// laterThanClose reports whether the client had already sent an alert, its close_notify, when the server sent r.
func (s *Shape) laterThanClose(r RecordShape, client []RecordShape) bool {
	for _, c := range client {
		if s.isAlert(FromClient, &c) && earlier(&c, &r) { // by time where there are no packets
			return true
		}
	}
	return false
}

// H2 reports whether HTTP/2 was agreed on, and whether that was seen rather than inferred from EncryptedExtensions' length.
func (t *TLSFacts) H2(s Shape) (agreed, seen bool) {
	if t.ALPN != "" || t.Version != tlswire.VersionTLS13 || t.extensionsOpened {
		return t.ALPN == "h2", true
	}
	if t.ClientHello == nil {
		return false, false
	}
	return s.ALPNLength == len("h2") && slices.Contains(t.ClientHello.ALPN, "h2"), false
}

// inferAlerts adds TLS 1.3's encrypted alerts: a stream's last record, when it has an alert's length. Before the Finished
// message nothing else is as short; later it could be two bytes of data, so it stays an inference. It also keeps the lengths' Shape,
// of which the alerts are not a part yet.
func (c *Conn) inferAlerts() {
	t := &c.tls
	s, read := c.cache.readLengths(&c.facts)
	t.shape, t.lengthsRead = s, read
	if t.Version != tlswire.VersionTLS13 || finishedRecord(t.CipherSuite) == 0 {
		return
	}
	var found [2]*RecordShape
	for d := range t.Encrypted {
		if e := &t.Encrypted[d]; e.Records > 0 && s.isAlert(Direction(d), &e.Last) {
			found[d] = &e.Last
		}
	}
	order := [2]Direction{FromClient, FromServer}
	if found[0] != nil && found[1] != nil && earlier(found[1], found[0]) {
		order = [2]Direction{FromServer, FromClient}
	}
	for _, d := range order {
		if r := found[d]; r != nil {
			c.alert(Alert{From: d, Encrypted: true, Inferred: true, At: r.At(), Packet: r.Packet})
		}
	}
}

// earlier reports whether a was sent before b, of the other side. The order in which they were told counts: packets may be captured in
// another.
func earlier(a, b *RecordShape) bool { return a.told < b.told }
