// Package keylog reads key logs: the text that TLS libraries write to the file named by SSLKEYLOGFILE, with the secrets of each
// connection under its ClientHello's random (RFC 9850; the NSS key log format before it). It does no I/O. Everything in a key log
// is taken to be hostile, and none of its secrets ever leaves the package but through Lookup.
package keylog

import (
	"bytes"
	"encoding/hex"
)

// Bounds on what a key log makes us keep.
const (
	// MaxEntries is how many connections' secrets are kept, some 40 MiB; beyond it the oldest is forgotten for a new one, which is
	// what a log that grows beside a live capture needs.
	MaxEntries = 1 << 17
	// MaxLine is the longest line that is read, in bytes: the longest of TLS has 226 (a label of 31, a random of 64 digits and a
	// SHA-512 secret of 128). Of a longer one nothing is kept.
	MaxLine = 1024
	// MaxSecret is the longest secret in bytes: TLS 1.2's master secret and what SHA-384 gives.
	MaxSecret = 48
)

// Secret is one secret; the zero value is none.
type Secret struct {
	length uint8
	bytes  [MaxSecret]byte
}

// Bytes is the secret; nil when there is none. It aliases s.
func (s *Secret) Bytes() []byte {
	if s.length == 0 {
		return nil
	}
	return s.bytes[:s.length]
}

// String never shows a secret, so that printing one by mistake gives nothing away.
func (s Secret) String() string { return "[secret]" }

// GoString is String for %#v.
func (s Secret) GoString() string { return s.String() }

// Secrets are what is known of one connection.
type Secrets struct {
	Master          Secret // TLS 1.2 and before: CLIENT_RANDOM, 48 bytes
	ClientHandshake Secret // TLS 1.3: CLIENT_HANDSHAKE_TRAFFIC_SECRET
	ServerHandshake Secret // TLS 1.3: SERVER_HANDSHAKE_TRAFFIC_SECRET
	ClientTraffic   Secret // TLS 1.3: CLIENT_TRAFFIC_SECRET_0
	ServerTraffic   Secret // TLS 1.3: SERVER_TRAFFIC_SECRET_0
}

// Stats counts what a key log held.
type Stats struct {
	Lines     int64 // whole ones, without comments and empty ones
	Secrets   int64 // kept, also when later ones took their place
	Ignored   int64 // lines with labels that decrypt nothing of what is looked at (exporter, early data, QUIC, ECH)
	Malformed int64 // lines that are none of a key log
	TooLong   int64 // lines longer than MaxLine
	Forgotten int64 // connections forgotten for newer ones, at MaxEntries
}

// Log is a key log as far as it was read. The zero value is an empty one. It is not safe for concurrent use.
type Log struct {
	index   map[[32]byte]uint32 // in entries
	entries []entry             // a ring once it is full
	oldest  int                 // in entries; valid when it is full
	partial []byte              // a line whose end has not come yet
	long    bool                // the line that is being read is too long
	stats   Stats
}

type entry struct {
	random  [32]byte
	secrets Secrets
}

// Stats is what was counted so far.
func (l *Log) Stats() Stats { return l.stats }

// Len is the number of connections that something is known of.
func (l *Log) Len() int { return len(l.index) }

// Lookup returns what is known of the connection whose ClientHello has that random.
func (l *Log) Lookup(clientRandom [32]byte) (Secrets, bool) {
	i, ok := l.index[clientRandom]
	if !ok {
		return Secrets{}, false
	}
	return l.entries[i].secrets, true
}

// Write takes the next bytes of a key log, however they are cut; a line counts when its end has come. It never fails.
func (l *Log) Write(p []byte) (int, error) {
	n := len(p)
	for len(p) > 0 {
		i := bytes.IndexByte(p, '\n')
		if i < 0 {
			l.keep(p)
			break
		}
		switch {
		case l.long:
			l.long = false
		case len(l.partial) == 0 && i <= MaxLine:
			l.line(p[:i])
		default:
			if l.keep(p[:i]); !l.long {
				l.line(l.partial)
			}
			l.long = false
		}
		l.forgetPartial()
		p = p[i+1:]
	}
	return n, nil
}

// End says that no more comes of one file: its last line may lack its end.
func (l *Log) End() {
	if !l.long && len(l.partial) > 0 {
		l.line(l.partial)
	}
	l.long = false
	l.forgetPartial()
}

// Settle reads the last line although its end has not come, as far as it is whole; when more of it comes it is read again. It is for
// files that may still grow.
func (l *Log) Settle() {
	if l.long || len(l.partial) == 0 {
		return
	}
	before := l.stats
	if l.line(l.partial); l.stats.Secrets == before.Secrets {
		l.stats = before
	}
}

// forgetPartial empties the buffer, which held a secret.
func (l *Log) forgetPartial() {
	clear(l.partial)
	l.partial = l.partial[:0]
}

// keep holds the part of a line that has come, unless the line is too long.
func (l *Log) keep(p []byte) {
	if l.long {
		return
	}
	if len(l.partial)+len(p) > MaxLine {
		l.stats.TooLong++
		l.long = true
		l.forgetPartial()
		return
	}
	l.partial = append(l.partial, p...)
}

// line reads one line: a label, a random and a secret, in hexadecimal, with one space between them.
func (l *Log) line(b []byte) {
	b = bytes.TrimSpace(b)
	if len(b) == 0 || b[0] == '#' {
		return
	}
	l.stats.Lines++
	label, rest, _ := bytes.Cut(b, []byte(" "))
	if !secretLabel(label) {
		if plausibleLabel(label) {
			l.stats.Ignored++
		} else {
			l.stats.Malformed++
		}
		return
	}
	digits, secretDigits, ok := bytes.Cut(rest, []byte(" "))
	var random [32]byte
	var secret Secret
	if !ok || len(digits) != hex.EncodedLen(len(random)) || len(secretDigits) > hex.EncodedLen(MaxSecret) {
		l.stats.Malformed++
		return
	}
	_, err := hex.Decode(random[:], digits)
	n, err2 := hex.Decode(secret.bytes[:], secretDigits)
	secret.length = uint8(n)
	if err != nil || err2 != nil || !secret.fits(label) {
		l.stats.Malformed++
		return
	}
	l.stats.Secrets++
	*l.entry(random).named(string(label)) = secret
}

// secretLabel reports whether the label is of a secret that is kept.
func secretLabel(label []byte) bool { return new(Secrets).named(string(label)) != nil }

// named is the field for a label, nil when there is none.
func (s *Secrets) named(label string) *Secret {
	switch label {
	case "CLIENT_RANDOM":
		return &s.Master
	case "CLIENT_HANDSHAKE_TRAFFIC_SECRET":
		return &s.ClientHandshake
	case "SERVER_HANDSHAKE_TRAFFIC_SECRET":
		return &s.ServerHandshake
	case "CLIENT_TRAFFIC_SECRET_0":
		return &s.ClientTraffic
	case "SERVER_TRAFFIC_SECRET_0":
		return &s.ServerTraffic
	}
	return nil
}

// fits reports whether the secret has a length that the label allows: 48 bytes for a master secret (RFC 5246, Section 8.1), a hash's
// for the others.
func (s *Secret) fits(label []byte) bool {
	if string(label) == "CLIENT_RANDOM" {
		return s.length == 48
	}
	return s.length == 32 || s.length == 48
}

// plausibleLabel reports whether a word looks like a label: those of RFC 9850 and of QUIC, ECH and NSS's RSA are all of this kind.
func plausibleLabel(label []byte) bool {
	for _, c := range label {
		if (c < 'A' || c > 'Z') && (c < '0' || c > '9') && c != '_' {
			return false
		}
	}
	return bytes.IndexByte(label, '_') > 0 || string(label) == "RSA"
}

// entry finds or makes the secrets of a connection.
func (l *Log) entry(random [32]byte) *Secrets {
	if i, ok := l.index[random]; ok {
		return &l.entries[i].secrets
	}
	if l.index == nil {
		l.index = make(map[[32]byte]uint32)
	}
	i := len(l.entries)
	if i < MaxEntries {
		l.entries = append(l.entries, entry{random: random})
	} else {
		i = l.oldest
		l.oldest = (l.oldest + 1) % MaxEntries
		delete(l.index, l.entries[i].random)
		l.entries[i] = entry{random: random}
		l.stats.Forgotten++
	}
	l.index[random] = uint32(i)
	return &l.entries[i].secrets
}

// Complete reports whether nothing is missing that is needed to decrypt a connection from its beginning.
func (s *Secrets) Complete() bool {
	return s.Master.length > 0 || s.ClientHandshake.length > 0 && s.ServerHandshake.length > 0 && s.ClientTraffic.length > 0 && s.ServerTraffic.length > 0
}

// Handshake is the traffic secret of a TLS 1.3 handshake, of the server or the client; nil when it is not known.
func (s *Secrets) Handshake(server bool) []byte {
	if server {
		return s.ServerHandshake.Bytes()
	}
	return s.ClientHandshake.Bytes()
}

// Traffic is the first traffic secret of TLS 1.3's data, of the server or the client; nil when it is not known.
func (s *Secrets) Traffic(server bool) []byte {
	if server {
		return s.ServerTraffic.Bytes()
	}
	return s.ClientTraffic.Bytes()
}
