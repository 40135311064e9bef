package analysis

import (
	"github.com/etcdtap/etcdtap/analysis/tlswire"
)

// setVisibility says of each message that was not seen whether it was not sent, was hidden, or was missed.
func (f *Facts) setVisibility() {
	t := f.TLS
	for d := range t.Certificates {
		c := &t.Certificates[d]
		switch {
		case c.decrypted:
			c.Visibility = Decrypted
		case c.seen:
			c.Visibility = Seen
		default:
			c.Visibility = f.unseen(Direction(d))
		}
	}
	if r := &t.CertificateRequest; !r.Visibility.Shown() {
		r.Visibility = f.unseen(FromServer)
	}
	t.ALPNVisibility = f.alpnVisibility()
}

// unseen says why a Certificate or CertificateRequest message of d's side was not seen.
func (f *Facts) unseen(d Direction) Visibility {
	t, s := f.TLS, &f.Stream[d]
	if t.flightOpened[d] {
		return Absent
	}
	switch p := f.TCP.Packets; {
	case s.EarlyGap || t.joinedLate, f.oneSided() && p[d] == 0:
		return Missed
	case t.Version == tlswire.VersionTLS13:
		if t.Resumed || !t.Encrypted[d].Started {
			return Absent // RFC 8446, Section 2.2: no certificates with a PSK
		}
		return Hidden
	case t.Version == 0 && f.oneSided():
		return Missed
	case t.Version == 0 && d == FromClient && t.Encrypted[d].Started:
		return Hidden // the server's side was lost, the client went on to encrypt
	}
	return Absent
}

// oneSided reports whether only one direction's packets, or bytes, are in the capture.
func (f *Facts) oneSided() bool {
	p := f.TCP.Packets
	return p[FromClient]+p[FromServer] > 0 && (p[FromClient] == 0 || p[FromServer] == 0)
}

// alpnVisibility says how the server's choice of protocol is known. It is in the ServerHello, in TLS 1.3 in EncryptedExtensions.
func (f *Facts) alpnVisibility() Visibility {
	t := f.TLS
	switch {
	case t.Version == tlswire.VersionTLS13 && t.extensionsOpened:
		if t.ALPN != "" {
			return Decrypted
		}
		return Absent
	case t.ServerHello == nil:
		return f.unseen(FromServer)
	case t.ALPN != "":
		return Seen
	case t.Version == tlswire.VersionTLS13 && t.Encrypted[FromServer].Started:
		return Hidden
	}
	return Absent
}
