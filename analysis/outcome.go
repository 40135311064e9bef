package analysis

import (
	"strings"
	"time"

	"github.com/etcdtap/etcdtap/analysis/tlswire"
)

// Outcome is a connection's fate.
type Outcome uint8

const (
	OutcomePartial          Outcome = iota // seen from the middle or one side only
	OutcomeEstablished                     // the handshake completed
	OutcomeRejectedByServer                // the server ended the handshake
	OutcomeRejectedByClient                // the client ended the handshake with an alert
	OutcomePlaintextToTLS                  // the client did not speak TLS to a server that does
	OutcomeTLSToPlaintext                  // the client spoke TLS to a server that does not
	OutcomePlaintext                       // neither side wanted TLS
	OutcomeNoReply                         // the client spoke, the server never did
	OutcomeNoData                          // opened and closed
	OutcomeAborted                         // the handshake was cut
	OutcomeRefused                         // the SYN was answered by RST
	OutcomeUnanswered                      // the SYN was never answered
)

var outcomeNames = [...]string{"partial", "established", "rejected_by_server", "rejected_by_client", "plaintext_to_tls",
	"tls_to_plaintext", "plaintext", "no_reply", "no_data", "aborted", "refused", "unanswered"}

func (o Outcome) String() string { return outcomeNames[o] }

// OutcomeCount is the number of outcomes, for arrays indexed by them.
const OutcomeCount = int(OutcomeUnanswered) + 1

// outcome draws the fate from the facts and what is known of the server. A connection that was given up to bound memory has none,
// unless it was decided before.
func (v *view) outcome() Outcome {
	o := v.fate()
	switch o {
	case OutcomeNoReply, OutcomeUnanswered, OutcomeNoData, OutcomeAborted:
		if v.f.Ended == CloseEvicted {
			return OutcomePartial
		}
	}
	return o
}

func (v *view) fate() Outcome {
	f, c, s := v.f, &v.f.Stream[FromClient], &v.f.Stream[FromServer]
	switch {
	case f.TCP.Refused:
		return OutcomeRefused
	case f.DialError != "":
		return OutcomeUnanswered
	case f.TCP.SYN && !f.TCP.SYNACK && s.Bytes == 0 && f.TCP.Packets[FromServer] == 0 && !f.TCP.Established && c.Bytes == 0:
		return OutcomeUnanswered
	case c.Bytes == 0 && s.Bytes == 0:
		switch {
		case v.fromCapture() && !f.TCP.SYN && !f.TCP.SYNACK:
			return OutcomePartial
		case f.TCP.Established && c.Close == CloseNone && s.Close == CloseNone && f.Ended == CloseEnd && f.Until.Sub(f.End) < atOnce:
			return OutcomePartial // just opened when the capture ended
		}
		return OutcomeNoData
	case f.oneSided():
		return OutcomePartial
	case f.TLS != nil && c.speaksTLS():
		return v.outcomeTLS()
	case c.StartMissed || s.StartMissed:
		return OutcomePartial
	case c.Bytes == 0 && s.Protocol == ProtocolTLS:
		return OutcomeNoData // an alert to a client that never spoke
	case c.Bytes == 0:
		return OutcomePlaintext // the server spoke first
	case s.Protocol == ProtocolTLS && c.Protocol == ProtocolTLSBadVersion:
		return OutcomeRejectedByServer
	case s.Protocol == ProtocolTLS:
		return OutcomePlaintextToTLS
	case s.Bytes > 0:
		if c.Protocol == ProtocolTLSBadVersion {
			return OutcomeTLSToPlaintext
		}
		if v.badRequest() {
			return OutcomePlaintextToTLS
		}
		return OutcomePlaintext
	}
	return v.outcomeUnanswered()
}

// speaksTLS reports whether the stream's first bytes are TLS in any framing, or TLS followed them.
func (s *StreamFacts) speaksTLS() bool {
	return s.Protocol == ProtocolTLS || s.Protocol == ProtocolSSLv2 || s.Then == ProtocolTLS
}

// badRequest reports whether a server that speaks TLS answered plaintext in plaintext, as some do for their users' sake: Go's HTTP
// server with "HTTP/1.0 400 Bad Request" (net/http, server.go: "Client sent an HTTP request to an HTTPS server."), nginx with a 400
// of HTTP/1.1.
func (v *view) badRequest() bool {
	s := &v.f.Stream[FromServer]
	return s.Protocol == ProtocolHTTP1 && (s.Request == "HTTP/1.0 400 Bad Request" || v.known&speaksTLS != 0 && strings.Contains(s.Request, " 400"))
}

// outcomeUnanswered judges plaintext that was not answered by a byte. A TLS server that has read five bytes of it closes at once;
// one that takes its time is in other trouble.
func (v *view) outcomeUnanswered() Outcome {
	c, s := &v.f.Stream[FromClient], &v.f.Stream[FromServer]
	switch {
	case v.cut():
		return OutcomeAborted
	case s.Close == CloseNone || v.answerTime() > atOnce:
		return OutcomeNoReply
	case c.Protocol == ProtocolTLSBadVersion:
		return OutcomeRejectedByServer
	case v.expectTLS():
		return OutcomePlaintextToTLS
	case c.Missed > 0 && (c.Protocol == ProtocolProxyV1 || c.Protocol == ProtocolProxyV2):
		return OutcomePartial // the capture lacks what followed the header
	}
	return OutcomePlaintext
}

// atOnce is how soon a server that refuses what it read closes: measured are milliseconds.
const atOnce = time.Second

// answerTime is from the client's last byte to the server's close.
func (v *view) answerTime() time.Duration {
	return v.f.Stream[FromServer].ClosedAt.Sub(v.f.Stream[FromClient].LastAt)
}

// gaveUpAfter is how long the client waited after its last byte before it closed.
func (v *view) gaveUpAfter() time.Duration {
	c := &v.f.Stream[FromClient]
	return c.ClosedAt.Sub(c.LastAt)
}

// cut reports whether the client ended its stream before the five bytes of a record header.
func (v *view) cut() bool {
	c := &v.f.Stream[FromClient]
	return c.Bytes > 0 && c.Bytes < tlswire.RecordHeaderLen && v.clientClosedFirst()
}

// outcomeTLS judges a client that spoke TLS.
func (v *view) outcomeTLS() Outcome {
	f, t, c, s := v.f, v.f.TLS, &v.f.Stream[FromClient], &v.f.Stream[FromServer]
	switch {
	case c.StartMissed && t.ClientHello == nil && t.ServerHello == nil:
		return OutcomePartial
	case c.Then == ProtocolTLS && t.ServerHello == nil && v.expectTLS():
		return OutcomePlaintextToTLS // a PROXY header, say, before the ClientHello
	case v.established():
		return OutcomeEstablished
	case s.Bytes > 0 && !s.speaksTLS() && !s.StartMissed:
		return OutcomeTLSToPlaintext
	case s.Bytes == 0 && s.StartMissed:
		return OutcomePartial // nothing tells whether it was answered
	case s.Bytes == 0:
		return v.outcomeTLSUnanswered()
	}
	if a := v.deciding(); a != nil {
		if a.From == FromServer {
			return OutcomeRejectedByServer
		}
		return OutcomeRejectedByClient
	}
	switch {
	case c.EarlyGap || s.EarlyGap || c.StartMissed || s.StartMissed || t.joinedLate:
		return OutcomePartial
	case v.refusedAfter():
		return OutcomeRejectedByServer
	case t.Version == tlswire.VersionTLS13 && v.shape.ClientAlertInLieu:
		return OutcomeRejectedByClient
	case v.desyncRefused():
		return OutcomeRejectedByServer
	case c.Close == CloseNone && s.Close == CloseNone && f.Ended == CloseEnd:
		return OutcomePartial // still going on when the capture ended
	}
	return OutcomeAborted
}

// desyncRefused reports whether the server of TLS 1.3 answered what is no record of the connection with an encrypted alert.
func (v *view) desyncRefused() bool {
	e := &v.f.TLS.Encrypted[FromServer]
	return v.violation(FromClient, ViolationDesync) != nil && v.shape.ServerFinished >= 0 &&
		e.Records == int64(v.shape.ServerFinished)+2 && v.shape.isAlert(FromServer, &e.Last)
}

// outcomeTLSUnanswered judges TLS that was not answered by a byte.
func (v *view) outcomeTLSUnanswered() Outcome {
	c, s := &v.f.Stream[FromClient], &v.f.Stream[FromServer]
	hello := v.f.TLS.ClientHello != nil || v.f.TLS.SSLv2 != nil
	switch {
	case c.EarlyGap:
		return OutcomePartial
	case c.Close == CloseNone && s.Close == CloseNone:
		return OutcomeNoReply
	case !hello && v.deciding() != nil:
		return OutcomeRejectedByClient // an alert is all it sent; after a hello it may be about the server's silent close
	case v.dataFirst() && v.answerTime() <= atOnce:
		return OutcomePlaintextToTLS // crypto/tls calls it that, too, whatever follows the record's header
	case v.clientClosedFirst():
		if hello && v.gaveUpAfter() > atOnce {
			return OutcomeNoReply // it waited for an answer
		}
		return OutcomeAborted
	case !hello:
		return OutcomeAborted
	case v.answerTime() > atOnce, v.known&speaksTLS != 0:
		return OutcomeNoReply // it had the hello and did not answer, or it does speak TLS with others
	}
	return OutcomeTLSToPlaintext
}

// dataFirst reports whether the client began with a record that comes later in a connection: it was spliced into the middle of one.
func (v *view) dataFirst() bool {
	b := v.f.Stream[FromClient].FirstBytes
	if len(b) < tlswire.RecordHeaderLen {
		return false
	}
	t := tlswire.ContentType(b[0])
	return t == tlswire.ContentTypeApplicationData || t == tlswire.ContentTypeChangeCipherSpec
}

// established reports whether both sides completed the handshake as far as can be told.
func (v *view) established() bool {
	t := v.f.TLS
	if t.ServerHello == nil {
		return false
	}
	if t.Version != tlswire.VersionTLS13 {
		return t.Finished[FromClient] && t.Finished[FromServer]
	}
	switch {
	case v.shape.ClientAlertInLieu, v.plainAlert(), v.refusedAfter():
		return false
	case v.f.Stream[FromClient].EarlyGap || v.f.Stream[FromServer].EarlyGap:
		// Which record is which cannot be told any more. No handshake, nor what follows a refusal, has as many.
		return t.Encrypted[FromClient].Data > 2*maxFlight && t.Encrypted[FromServer].Data > 2*maxFlight
	case v.shape.ClientFinished >= 0:
		return true
	}
	return t.Encrypted[FromClient].Data > 0 && t.Encrypted[FromServer].Data > 1
}

// maxFlight is how many encrypted records a TLS 1.3 handshake takes at the most on one side: EncryptedExtensions to Finished.
const maxFlight = 5

// plainAlert reports whether anybody sent a fatal alert that ended the handshake: one in clear, which in TLS 1.3 happens only before the
// keys are there, or a decrypted one before any data.
func (v *view) plainAlert() bool {
	for i := range v.f.TLS.Alerts {
		if a := &v.f.TLS.Alerts[i]; !a.Encrypted && a.fatal() && (!a.Decrypted || a.BeforeData && !v.shape.Accepted) {
			return true
		}
	}
	return false
}

// refusedAfter reports whether a TLS 1.3 server closed right after the client's Finished although it had asked for a certificate:
// the client's handshake was over, the server's was not. On the peer port HTTP/2 is refused in the same way for another reason.
func (v *view) refusedAfter() bool {
	s := &v.shape
	if v.f.TLS.Version != tlswire.VersionTLS13 || s.Requested != Yes || s.ClientFinished < 0 && !s.RefusedAfter || s.Accepted {
		return false
	}
	if s.Client != PresentedEmpty && v.http2AtPeerPort() && !(s.RefusedAfter && v.ticketDue()) {
		return false // the alert is the close_notify that answers the client's preface
	}
	for i := range v.f.TLS.Alerts { // what looks like a refusal was opened, and is none
		if a := &v.f.TLS.Alerts[i]; a.From == FromServer && a.Decrypted && !a.fatal() {
			return false
		}
	}
	return (s.RefusedAfter || v.silentlyClosedAfter()) && v.refusalTime() <= atOnce
}

// refusalTime is from the client's Finished to the server's alert, or its close where the alert is lost.
func (v *view) refusalTime() time.Duration {
	end := v.f.Stream[FromServer].ClosedAt
	if v.shape.RefusedAfter {
		end = v.f.TLS.Encrypted[FromServer].Shape[v.shape.Answered].At()
	}
	return end.Sub(v.f.TLS.Encrypted[FromClient].Shape[max(v.shape.ClientFinished, 0)].At())
}

// silentlyClosedAfter reports whether the server sent nothing at all after the handshake and was the first to close: the alert
// may be lost when it resets the connection.
func (v *view) silentlyClosedAfter() bool {
	e, s := &v.f.TLS.Encrypted[FromServer], &v.f.Stream[FromServer]
	return v.shape.ServerFinished >= 0 && e.Records == int64(v.shape.ServerFinished)+1 && s.Close != CloseNone && !v.clientClosedFirst() && v.waited() < timeoutFloor
}

// deciding is the alert that ended the handshake: the first fatal one in clear, or in TLS 1.2 the first encrypted one before both
// had finished. nil if there is none.
func (v *view) deciding() *Alert {
	// Behind a gap an encrypted alert may as well be the close_notify of a handshake whose end was lost.
	whole := v.f.TLS.ServerHello != nil && !v.f.Stream[FromClient].EarlyGap && !v.f.Stream[FromServer].EarlyGap
	for i := range v.f.TLS.Alerts {
		if a := &v.f.TLS.Alerts[i]; !a.Encrypted && a.fatal() && (!a.Decrypted || a.BeforeData && !v.shape.Accepted) || a.Encrypted && !a.Inferred && a.BeforeData && whole {
			return a
		}
	}
	return nil
}

// fatal reports whether the alert ends a handshake. Senders get the level wrong, so the code counts (RFC 8446, Section 6).
func (a *Alert) fatal() bool {
	return a.Code != alertCloseNotify && a.Code != alertNoRenegotiation && (a.Level == tlswire.AlertLevelFatal || a.Code != alertUserCanceled)
}

// clientClosedFirst reports whether the client's FIN or RST came before the server's.
func (v *view) clientClosedFirst() bool {
	c, s := &v.f.Stream[FromClient], &v.f.Stream[FromServer]
	if c.Close == CloseNone || s.Close == CloseNone {
		return c.Close != CloseNone
	}
	if c.ClosePacket != s.ClosePacket {
		return (c.ClosePacket < s.ClosePacket) != v.f.TCP.ClosesSwapped
	}
	return c.ClosedAt.Before(s.ClosedAt)
}
