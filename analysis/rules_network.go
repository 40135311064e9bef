package analysis

import (
	"slices"
	"time"
)

func (v *view) refused() {
	if v.result != OutcomeRefused {
		return
	}
	f := v.add(CodeRefused, Certain, "nothing listens on "+v.f.Server.String()+", or a firewall rejects: the SYN was answered with RST")
	f.saw(FromClient, v.f.TCP.FirstPacket, v.f.Start, "SYN")
	f.saw(FromServer, v.f.TCP.LastPacket, v.f.End, "RST")
}

func (v *view) unanswered() {
	if v.result != OutcomeUnanswered {
		return
	}
	if v.f.DialError != "" {
		f := v.add(CodeUnanswered, Certain, "the proxy got no connection to the server: "+brief(v.f.DialError))
		f.saw(FromClient, v.f.TCP.FirstPacket, v.f.Start, "the client's connection")
		switch {
		case v.f.Server.IsValid():
		case v.f.Server.Port() != 0:
			f.Fix = []string{"See what the name of the upstream resolves to, where the proxy runs: `getent ahosts HOST`"}
		default:
			f.Fix = []string{"See whether somebody listens on the socket, and takes what comes (Recv-Q below Send-Q), where the proxy runs: `ss -lx`"}
		}
		return
	}
	if v.f.Ended == CloseEnd && v.f.Until.Sub(v.f.Start) < atOnce {
		f := v.add(CodeUnanswered, Possible, "a SYN came just before the capture ended, and no answer any more")
		f.Severity = Info
		f.saw(FromClient, v.f.TCP.FirstPacket, v.f.Start, "SYN")
		return
	}
	f := v.add(CodeUnanswered, Likely, itoa(v.f.TCP.Packets[FromClient])+" SYN in "+seconds(v.f.End.Sub(v.f.Start))+" and no answer: the packets or the answers are dropped on the way, or the host is down")
	f.saw(FromClient, v.f.TCP.FirstPacket, v.f.Start, "SYN")
}

func (v *view) noReply() {
	if v.result != OutcomeNoReply {
		return
	}
	c := &v.f.Stream[FromClient]
	what := c.firstBytes()
	if v.f.TLS != nil && v.f.TLS.ClientHello != nil {
		what = "a ClientHello of " + itoa(c.Bytes) + " bytes"
	}
	f := v.add(CodeNoReply, Likely, "the client sent "+what+" and the server sent nothing in the "+seconds(v.f.End.Sub(c.FirstAt))+" that were captured after it")
	switch {
	case v.f.Ended != CloseNone && v.f.Stream[FromClient].Close == CloseNone && v.f.Stream[FromServer].Close == CloseNone:
	case v.clientClosedFirst():
		f.Meaning = "the client sent " + what + ", waited " + seconds(v.gaveUpAfter()) + " for an answer, and gave up: the server sent nothing"
		v.sawClose(f, FromClient)
	case v.known&speaksTLS != 0 && v.answerTime() <= atOnce:
		f.Confidence, f.Meaning = Possible, "the client sent "+what+" and the server closed without a byte, although it spoke TLS with others in this capture: it was stopping, overloaded, or something in front of it closed"
		v.sawClose(f, FromServer)
	default:
		f.Meaning = "the client sent " + what + "; the server sent nothing and closed after " + seconds(v.answerTime()) + ": it hangs, or its answer got lost"
		v.sawClose(f, FromServer)
	}
	if v.f.Ended == CloseEnd && v.f.End.Sub(c.FirstAt) < time.Second {
		f.Confidence = Possible
		f.Meaning += "; the capture may simply have ended too early"
	}
	f.Title = "Client spoke and never got an answer"
	if v.f.TLS != nil {
		f.Title = "Client spoke TLS and never got an answer"
	}
	f.saw(FromClient, c.FirstPacket, c.FirstAt, "the client's first bytes")
}

// seconds writes a duration as people say it.
func seconds(d time.Duration) string {
	if d < 0 {
		d = 0
	}
	switch {
	case d < 10*time.Millisecond:
		return d.Round(10 * time.Microsecond).String()
	case d < time.Second:
		return d.Round(time.Millisecond).String()
	}
	return d.Round(10 * time.Millisecond).String()
}

func (v *view) connectionWithoutData() {
	c, s := &v.f.Stream[FromClient], &v.f.Stream[FromServer]
	if v.result != OutcomeNoData || c.Close == CloseRST || c.Close == CloseNone && s.Close == CloseNone {
		return
	}
	if !v.clientClosedFirst() && v.waited() >= timeoutFloor {
		return // handshakeTimeout
	}
	who := "client"
	if !v.clientClosedFirst() {
		who = "server"
	}
	f := v.add(CodeConnectionWithoutData, v.sureIfWhole(), "the connection was opened and closed again by the "+who+" after "+seconds(v.f.End.Sub(v.f.Start))+", without a byte from either side")
	v.sawClose(f, FromClient)
	v.sawClose(f, FromServer)
}

// sureIfWhole is how sure one can be that nothing was said: where the capture lacks one of the SYNs, it may lack more.
func (v *view) sureIfWhole() Confidence {
	if v.fromCapture() && !(v.f.TCP.SYN && v.f.TCP.SYNACK) {
		return Likely
	}
	return Certain
}

func (v *view) connectionReset() {
	c, s := &v.f.Stream[FromClient], &v.f.Stream[FromServer]
	switch {
	case v.result == OutcomeNoData && c.Close == CloseRST && v.clientClosedFirst():
		f := v.add(CodeConnectionReset, v.sureIfWhole(), "the client opened the connection and reset it after "+seconds(v.f.End.Sub(v.f.Start))+" without a byte, as a load balancer's health check does")
		v.sawClose(f, FromClient)
	case v.result != OutcomeAborted:
	case c.Close == CloseRST && v.clientClosedFirst():
		f := v.add(CodeConnectionReset, Certain, "the client reset the connection "+v.stage())
		v.sawClose(f, FromClient)
	case s.Close == CloseRST && !v.clientClosedFirst() && v.waited() < timeoutFloor:
		f := v.add(CodeConnectionReset, Certain, "the server reset the connection "+v.stage())
		f.Title, f.AtFault = "Server broke the connection off with RST", FaultUnknown
		v.sawClose(f, FromServer)
	}
}

// stage says how far the handshake had come, as a phrase that can follow "closed".
func (v *view) stage() string {
	t, c, s := v.f.TLS, &v.f.Stream[FromClient], &v.f.Stream[FromServer]
	if t == nil {
		t = new(TLSFacts)
	}
	switch {
	case (c.EarlyGap || c.StartMissed) && !t.ClientKeyExchange, (s.EarlyGap || s.StartMissed) && t.ServerHello == nil:
		return "at a place that cannot be told, for the capture lacks bytes before it"
	case t.ClientHello == nil && t.SSLv2 == nil:
		return "before a ClientHello had come"
	case t.ServerHello == nil:
		return "after the ClientHello, before the server's hello"
	case t.ClientKeyExchange || t.Encrypted[FromClient].Started:
		return "after both hellos and the client's key exchange"
	}
	return "after the server's hello and certificate, before the client's part of the handshake"
}

func (v *view) handshakeCut() {
	c := &v.f.Stream[FromClient]
	if v.result != OutcomeAborted || c.Close != CloseFIN || !v.clientClosedFirst() {
		return
	}
	if !c.Incomplete && !v.cut() {
		return
	}
	what := "in the middle of a TLS record, after " + itoa(c.Bytes) + " bytes"
	if v.cut() {
		what = "after " + itoa(c.Bytes) + " bytes (hex " + hexBytes(c.FirstBytes) + "), fewer than the five of a TLS record header"
	}
	f := v.add(CodeHandshakeCut, Certain, "the client closed the connection "+what)
	f.sawBytes(FromClient, c.FirstPacket, c.FirstAt, "first bytes of the client", quotable(c))
	v.sawClose(f, FromClient)
}

func (v *view) handshakeAbandoned() {
	c := &v.f.Stream[FromClient]
	if v.result != OutcomeAborted || c.Incomplete || v.f.TLS == nil || v.cut() {
		return
	}
	if a := v.alertFirst(); a != nil {
		f := v.add(CodeHandshakeAbandoned, Certain, "the client's first and only record is the alert "+a.Code.String()+": it gave up before it had sent a ClientHello")
		f.sawAlert(a)
		return
	}
	if c.Close != CloseFIN || !v.clientClosedFirst() {
		return
	}
	f := v.add(CodeHandshakeAbandoned, Certain, "the client closed the connection "+v.stage()+", and sent no alert that would say why")
	f.AtFault = FaultUnknown
	if t := v.f.TLS; t.ServerHello != nil {
		f.Meaning += "; a client that does not like the server's certificate, or whose user interrupted it, looks like this"
	}
	v.sawClose(f, FromClient)
}

// alertFirst is the alert that the client began with, nil if it did not.
func (v *view) alertFirst() *Alert {
	t := v.f.TLS
	if t.ClientHello != nil || t.SSLv2 != nil || len(t.Alerts) == 0 || t.Alerts[0].From != FromClient || v.f.Stream[FromClient].Missed > 0 {
		return nil
	}
	return &t.Alerts[0]
}

// handshakeEnded is for a handshake that was cut in a way that no other rule explains.
func (v *view) handshakeEnded() {
	c := &v.f.Stream[FromClient]
	if v.result != OutcomeAborted || len(v.found) > 0 {
		return
	}
	if a := v.closeNotify(); a != nil && a.From == FromClient || a == nil && c.Close != CloseNone && v.clientClosedFirst() {
		f := v.add(CodeHandshakeAbandoned, Certain, "the client ended the connection "+v.stage())
		f.AtFault = FaultUnknown
		if a != nil {
			f.sawAlert(a)
		}
		v.sawClose(f, FromClient)
		return
	}
	f := v.add(CodeServerShutdown, Possible, "the server ended the connection "+v.stage()+", and sent no alert that would say why: a server that is being stopped does")
	f.Severity = Warning
	if a := v.closeNotify(); a != nil {
		f.sawAlert(a)
	}
	v.sawClose(f, FromServer)
}

// closeNotify is the first close_notify in clear, nil if there is none.
func (v *view) closeNotify() *Alert {
	if v.f.TLS == nil {
		return nil
	}
	for i := range v.f.TLS.Alerts {
		if a := &v.f.TLS.Alerts[i]; !a.Encrypted && a.Code == alertCloseNotify {
			return a
		}
	}
	return nil
}

func (v *view) handshakeTimeout() {
	s := &v.f.Stream[FromServer]
	if v.result != OutcomeNoData && v.result != OutcomeAborted || s.Close == CloseNone || v.clientClosedFirst() || v.waited() < timeoutFloor {
		return
	}
	what := "the client sent nothing"
	if t := v.f.TLS; t != nil && t.ServerHello != nil {
		what = "the client sent nothing after the server's answer; if it is alive, the answer was lost on the way (suspect the MTU)"
	} else if v.f.Stream[FromClient].Bytes > 0 {
		what = "the client never completed its ClientHello"
	}
	f := v.add(CodeHandshakeTimeout, Certain, "the server closed after waiting "+seconds(v.waited())+": "+what)
	v.sawClose(f, FromServer)
}

func (v *view) oneSidedCapture() {
	if v.result != OutcomePartial || v.f.Ended == CloseEvicted {
		return
	}
	if !v.f.oneSided() || v.f.TCP.Packets[FromClient]+v.f.TCP.Packets[FromServer] < 2 {
		return
	}
	side := FromClient
	if v.f.TCP.Packets[FromClient] == 0 {
		side = FromServer
	}
	a, only := v.sentAlert(side), "only the "+side.String()+"'s packets are in the capture ("+itoa(v.f.TCP.Packets[side])+" of them): what the other side said"
	switch {
	case a != nil:
		v.add(CodeOneSidedCapture, Certain, only+" cannot be seen; the "+side.String()+" sent the alert "+a.Code.String()+" in clear").sawAlert(a)
		v.alertAlone(a)
	case side == FromClient && v.f.Stream[side].plainStart():
		v.add(CodeOneSidedCapture, Certain, only+" cannot be seen; the client began with "+v.f.Stream[side].firstBytes()+": a server that expects TLS hangs up on that")
	default:
		v.add(CodeOneSidedCapture, Certain, only+", and so the cause, cannot be seen")
	}
}

// alertAlone says what an alert can only mean, where what the other side had said is not in the capture. It reports false when it may mean
// many things.
func (v *view) alertAlone(a *Alert) bool {
	var code Code
	also := ""
	switch {
	case a.From == FromClient && slices.Contains(certificateAlerts, a.Code):
		code = CodeServerCertRefused
	case a.From == FromServer && slices.Contains(certificateOnly, a.Code):
		code = CodeClientCertRefused
	case a.From == FromServer && a.Code == alertProtocolVersion:
		code, also = CodeVersionMismatch, "; a hello of SSL 2.0 and records out of step get the same answer"
	case a.From == FromServer && a.Code == alertNoApplicationProtocol:
		code = CodeALPNMismatch
	default:
		return false
	}
	v.add(code, Likely, "the "+a.From.String()+" ended the handshake with the alert "+a.Code.String()+"; the "+a.From.Other().String()+"'s part of it is not in the capture"+also).sawAlert(a)
	return true
}

// plainStart reports whether the stream began with something other than TLS, and the capture has its begin.
func (s *StreamFacts) plainStart() bool {
	return s.Bytes > 0 && !s.StartMissed && !s.speaksTLS() && s.Protocol != ProtocolNone && s.Protocol != ProtocolTLSBadVersion
}

func (v *view) captureLoss() {
	c, s := &v.f.Stream[FromClient], &v.f.Stream[FromServer]
	lost := func(s *StreamFacts, syn bool) bool { // else the capture begins in mid-stream
		return s.EarlyGap && (!s.StartMissed || syn && s.Missed > 0)
	}
	if v.f.oneSided() || !lost(c, v.f.TCP.SYN) && !lost(s, v.f.TCP.SYNACK) {
		return
	}
	f := v.add(CodeCaptureLoss, Certain, "not in the capture are "+count(c.Missed, "byte")+" of the client and "+itoa(s.Missed)+" of the server, some of them from the handshake: findings that rest on what is absent may be wrong")
	if v.f.TCP.Truncated > 0 {
		f.Meaning += "; " + itoa(v.f.TCP.Truncated) + " packets were cut by the snapshot length"
		f.Fix = append([]string{"capture whole packets: `tcpdump -s 0`"}, f.Fix...)
	}
}

func (v *view) conflictingRetransmission() {
	if v.f.TCP.Conflicting == 0 {
		return
	}
	v.add(CodeConflictingRetransmission, Certain, itoa(v.f.TCP.Conflicting)+" bytes came twice with different values; those that came first were used").
		saw(FromClient, v.f.TCP.ConflictPacket, time.Time{}, "first conflicting segment").Evidence[0].From = ""
}
