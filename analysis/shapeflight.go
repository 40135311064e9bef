package analysis

import (
	"slices"

	"github.com/etcdtap/etcdtap/analysis/tlswire"
)

// part is a message of an encrypted flight.
type part uint8

const (
	encryptedExtensions part = iota
	certificateRequest
	certificate
	emptyCertificate
	certificateVerify
	finished
)

// flight is what one side sends after the ServerHello, in order (RFC 8446, Section 2). The records that carry it hold one message
// each (Go, OpenSSL, GnuTLS, the JDK) or several (NSS), never one of them and what comes after the Finished,
// which has another key (Section 5.1).
type flight []part

// Lengths of messages, header included.
const (
	maxEE       = shortestEE + 200                               // more than any server has to say there
	minRequest  = tlswire.MessageHeaderLen + 1 + 2 + 4 + 2 + 3*2 // Section 4.3.2: an empty context and three signature algorithms
	certPrefix  = tlswire.MessageHeaderLen + 1 + 3               // Section 4.4.2: an empty context and the list's length
	certEntry   = 3 + 2                                          // for each certificate: its length and that of its extensions, none
	minDER      = 150                                            // no X.509 certificate is shorter
	minRawKey   = 44                                             // an Ed25519 SubjectPublicKeyInfo (RFC 7250), or a compressed chain (RFC 8879)
	verifyFixed = tlswire.MessageHeaderLen + 2 + 2               // Section 4.4.3: algorithm and the signature's length
	minVerify   = verifyFixed + 64                               // Ed25519
	maxVerify   = verifyFixed + 1024                             // RSA-8192, the longest that crypto/tls takes
	freeMessage = 1 << 14                                        // a record holds no more (Section 5.1)
	wholeRecord = freeMessage + innerType + tagLength            // one as long as that may hold part of a message
)

// Extensions of a ClientHello that allow what lengths do not show (IANA's TLS ExtensionType registry).
const (
	extClientCertType  = 19
	extServerCertType  = 20
	extCompressCert    = 27
	extRecordSizeLimit = 28
)

// smallRecords reports whether the client asked for records so small that messages are split over them (RFC 6066, Section 4; RFC 8449).
func (t *TLSFacts) smallRecords() bool {
	h := t.ClientHello
	if h == nil {
		return false
	}
	if h.MaxFragmentLength != 0 {
		return true
	}
	i := slices.IndexFunc(h.Extensions, func(e tlswire.Extension) bool { return e.Type == extRecordSizeLimit })
	if i < 0 {
		return false
	}
	d := h.Extensions[i].Data
	return len(d) != 2 || int(d[0])<<8|int(d[1]) < freeMessage
}

// otherCertificates reports whether the hello allows Certificate messages that are compressed or hold no X.509.
func (t *TLSFacts) otherCertificates() bool {
	return t.ClientHello == nil || slices.ContainsFunc(t.ClientHello.Extensions, func(e tlswire.Extension) bool {
		return e.Type == extCompressCert || e.Type == extClientCertType || e.Type == extServerCertType
	})
}

// limits is the shortest and the longest that a message can be.
func (p part) limits(t *TLSFacts, fin int) (least, most int) {
	switch p {
	case encryptedExtensions:
		return shortestEE, maxEE
	case certificateRequest:
		return minRequest, freeMessage
	case certificate:
		if t.otherCertificates() {
			return certPrefix + certEntry + minRawKey, freeMessage
		}
		return certPrefix + certEntry + minDER, freeMessage
	case emptyCertificate:
		return certPrefix, certPrefix
	case certificateVerify:
		return minVerify, maxVerify
	}
	return fin - innerType - tagLength, fin - innerType - tagLength
}

// claim is a value that readings have to agree on; 0 is a value like others.
type claim struct {
	value  int
	differ bool
}

func (c *claim) state(first bool, value int) {
	c.differ = c.differ || !first && c.value != value
	c.value = value
}

// consensus is what all readings of a flight say. Readings in which certificate, signature and Finished have records of their own
// are believed before others: three lengths fit, two of them exactly.
type consensus struct {
	pad         int  // bytes of padding in each record
	padded      bool // the sender's records may be padded: only readings with messages apart count
	readings    int
	clear       bool  // those that count have their messages apart
	finished    int   // the record with the Finished; -1 where readings differ
	request     claim // 1: with a CertificateRequest
	shown       claim // Presented, of the client's flight
	extensions  claim // length of EncryptedExtensions, 0 when it shares its record
	certificate claim // likewise
	signature   claim // of the CertificateVerify, without what is fixed
}

// constantPad is what JSSE, Java's TLS, adds to each record it sends (measured with OpenJDK 17, docs/tls13.md).
const constantPad = 16

// readFlights hears all readings of the flights: without padding, and when messages are not apart then, with JSSE's.
func readFlights(t *TLSFacts, r, whole []RecordShape, fin int, flights ...flight) consensus {
	c := consensus{padded: padded(whole)}
	for _, f := range flights {
		c.read(r, fin, f, t)
	}
	if c.clear {
		return c
	}
	jsse := consensus{pad: constantPad}
	for _, f := range flights {
		jsse.read(r, fin, f, t)
	}
	if jsse.clear {
		return jsse
	}
	return c
}

// reading is one way to cut a flight into records.
type reading struct {
	groups [5]int // messages in each record
	n      int    // records
}

// read tries all ways in which the records can hold the flight.
func (c *consensus) read(r []RecordShape, fin int, f flight, t *TLSFacts) {
	c.try(r, fin, f, t, reading{}, 0)
}

func (c *consensus) try(r []RecordShape, fin int, f flight, t *TLSFacts, so reading, at int) {
	if at == len(f) {
		c.take(r, f, so)
		return
	}
	if so.n == len(r) || r[so.n].Length >= wholeRecord {
		return
	}
	for n := 1; at+n <= len(f); n++ {
		if !t.fits(int(r[so.n].Length)-innerType-tagLength-c.pad, fin, f[at:at+n]) {
			continue
		}
		next := so
		next.groups[so.n] = n
		next.n++
		c.try(r, fin, f, t, next, at+n)
	}
}

// fits reports whether n bytes can be the messages.
func (t *TLSFacts) fits(n, fin int, messages flight) bool {
	least, most := 0, 0
	for _, p := range messages {
		a, b := p.limits(t, fin)
		least, most = least+a, most+b
	}
	if n < least || n > most {
		return false
	}
	switch first := messages[0]; {
	case first == certificateVerify: // alone, or with the Finished
		rest := n
		if len(messages) > 1 {
			rest -= fin - innerType - tagLength
		}
		return isSignature(rest - verifyFixed)
	case first == encryptedExtensions && len(messages) == 2 && messages[1] == certificateRequest:
		return t.alpnLength(n-shortestEE) < 0 // what EncryptedExtensions alone explains to the byte is that
	}
	return true
}

// take adds a reading.
func (c *consensus) take(r []RecordShape, f flight, so reading) {
	var extensions, chain, signature, largest int
	clear, request := true, 0
	for i, at := 0, 0; i < so.n; at, i = at+so.groups[i], i+1 {
		alone, length := so.groups[i] == 1, int(r[i].Length)-innerType-tagLength-c.pad
		switch p := f[at]; {
		case p == certificateRequest && alone:
			largest = length
		case p == certificate && alone:
			chain = length
		case p == encryptedExtensions && alone:
			extensions = length
		case p == certificateVerify && alone:
			signature = length - verifyFixed
		}
		clear = clear && (alone || f[at] == emptyCertificate || f[at] == encryptedExtensions && so.groups[i] == 2 && f[at+1] == certificateRequest)
	}
	if chain > 0 && largest >= chain {
		return // rather a Certificate message over two records, the first of them full
	}
	if !clear && (c.padded || c.pad > 0) {
		return
	}
	if slices.Contains(f, certificateRequest) {
		request = 1
	}
	c.agree(clear, so.n-1, request, int(f.shows()), extensions, chain, signature)
}

// shows is what a client that sends the flight presents.
func (f flight) shows() Presented {
	switch f[0] {
	case emptyCertificate:
		return PresentedEmpty
	case certificate:
		return PresentedChain
	}
	return PresentedNone
}

// agree adds what one reading says.
func (c *consensus) agree(clear bool, last, request, shown, extensions, chain, signature int) {
	switch {
	case c.readings > 0 && c.clear && !clear:
		return
	case clear && !c.clear:
		*c = consensus{pad: c.pad, padded: c.padded, clear: true}
	}
	first := c.readings == 0
	c.readings++
	if first {
		c.finished = last
	} else if c.finished != last {
		c.finished = -1
	}
	c.request.state(first, request)
	c.shown.state(first, shown)
	c.extensions.state(first, extensions)
	c.certificate.state(first, chain)
	c.signature.state(first, signature)
}

// Multiples, in bytes, to which records are rounded: 8, or 16 and more. Smaller ones arise by chance between the lengths of a few
// records, and hide nothing: an empty flight that is rounded to them stays far shorter than one with a certificate.
const (
	leastPadding = 8
	anyPadding   = 16
)

// padded reports whether all the sender's records may be rounded up to a multiple (RFC 8446, Section 5.4). A Finished message or
// an alert of its own length rules that out: both have lengths that are prime.
func padded(r []RecordShape) bool {
	divisor := 0
	for _, x := range r {
		for a, b := divisor, int(x.Length)-tagLength; ; a, b = b, a%b {
			if b <= 0 {
				divisor = a
				break
			}
		}
	}
	return divisor == 0 || divisor >= anyPadding || divisor == leastPadding
}

// derOf gives the sizes of DER that fit a Certificate message of the claimed length.
func (t *TLSFacts) derOf(c claim) (d DER) {
	if c.differ || c.value == 0 || t.otherCertificates() {
		return d
	}
	for i := range d {
		if der := c.value - certPrefix - certEntry*(i+1); der >= minDER*(i+1) {
			d[i] = der
		}
	}
	return d
}

// keyOf names the key by the claimed length of its signature.
func keyOf(c claim) string {
	if c.differ || c.value == 0 {
		return ""
	}
	return signatureKey(c.value)
}

// signatureKey names the kind of key that makes signatures of n bytes, "" when none that TLS 1.3 has does. ECDSA's are DER, of two
// numbers that may be some bytes short.
func signatureKey(n int) string {
	switch {
	case n == 64:
		return "Ed25519"
	case n >= 66 && n <= 72:
		return "ECDSA-P256"
	case n >= 98 && n <= 104:
		return "ECDSA-P384"
	case n == 114:
		return "Ed448"
	case n >= 133 && n <= 139 && n != 136:
		return "ECDSA-P521"
	case n == 256: // nearly always: it takes no memory
		return "RSA-2048"
	case isSignature(n):
		return "RSA-" + itoa(8*n)
	}
	return ""
}

// isSignature reports whether some key makes signatures of n bytes.
func isSignature(n int) bool {
	return n == 64 || n >= 66 && n <= 72 || n >= 98 && n <= 104 || n == 114 || n >= 133 && n <= 139 && n != 136 || n >= 128 && n <= 1024 && n%16 == 0
}
