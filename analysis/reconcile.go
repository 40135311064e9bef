package analysis

import (
	"slices"

	"github.com/etcdtap/etcdtap/analysis/tlswire"
)

// The judgement on a connection and its log lines together: the log gives the reason that TLS 1.3 hides, the packets give the bytes
// that etcd refused.

// sharper lists for a code drawn from packets the codes of a log line that say the same more exactly.
func sharper(packets Code) []Code {
	switch packets {
	case CodeServerAlert: // one that nothing in the packets explains: whatever etcd sends an alert for
		return append(sharper(CodeClientCertRefused), CodeVersionMismatch, CodeCipherMismatch, CodeGroupMismatch, CodeSignatureAlgorithmMismatch, CodeALPNMismatch,
			CodeSSLv2Hello, CodeOversizedRecord, CodeMalformedHandshake, CodeRecordDesync, CodeRecordMACFailure, CodeServerCertUnreadable)
	case CodeClientAlert:
		return []Code{CodeServerCertRefused}
	case CodeClientCertRefused, CodeClientCertNotAllowed, CodeClientCertMissing:
		return []Code{CodeClientCertMissing, CodeClientCertUntrusted, CodeClientCertExpired, CodeClientCertKeyUsage, CodeClientCertChainInvalid,
			CodeClientCertInvalid, CodeClientCertNotAllowed, CodeClientCertRevoked, CodeCARegenerated, CodeCRLUnreadable, CodeFIPSRefused, CodeMalformedClientHello}
	case CodeClientCertUntrusted:
		return []Code{CodeCARegenerated, CodeClientCertChainInvalid}
	case CodePeerSANMismatch, CodeClientCertRevoked:
		return []Code{CodePeerSANMismatch, CodeClientCertRevoked, CodeCRLUnreadable}
	case CodeVersionMismatch: // where the hello is not in the capture
		return []Code{CodeSSLv2Hello, CodeRecordDesync}
	case CodeHandshakeAbandoned:
		return []Code{CodeServerShutdown}
	case CodeConnectionReset:
		return []Code{CodeServerShutdown, CodeHandshakeTimeout}
	case CodeServerCertUnreadable, CodeMalformedHandshake, CodeMalformedClientHello:
		return []Code{CodeServerCertUnreadable, CodeMalformedHandshake}
	}
	return nil
}

// coarser lists for a code of a log line the codes drawn from packets that say the same more exactly: the text cannot tell.
func coarser(log Code) []Code {
	switch log {
	case CodePlaintextToTLS:
		return []Code{CodeProxyProtocolToTLS, CodeGRPCToPeerPort, CodeServerSpeaksFirst}
	case CodeGRPCToPeerPort:
		return []Code{CodePlaintextToTLS}
	case CodeRecordMACFailure:
		return []Code{CodeServerCertRefused, CodeServerCertUntrusted}
	case CodeConnectionWithoutData:
		return []Code{CodeHandshakeAbandoned, CodeConnectionReset, CodePeriodicProbe, CodeHandshakeCut}
	case CodeHandshakeAbandoned:
		return []Code{CodeConnectionWithoutData, CodeServerNameMismatch, CodeServerCertRefused}
	case CodeMalformedHandshake:
		return []Code{CodeMalformedClientHello, CodeOversizedRecord, CodeRecordDesync}
	case CodeServerCertRefused:
		return []Code{CodeServerNameMismatch, CodeServerCertExpired, CodeServerCertUntrusted}
	case CodeClientAlert:
		return []Code{CodeServerCertRefused}
	case CodeCipherMismatch:
		return []Code{CodeGroupMismatch, CodeSignatureAlgorithmMismatch}
	case CodeConnectionReset:
		return []Code{CodeConnectionWithoutData, CodeHandshakeAbandoned}
	case CodeHandshakeTimeout:
		return []Code{CodeConnectionWithoutData, CodeNoReply}
	case CodeClientCertUntrusted:
		return []Code{CodeCARegenerated, CodeClientCertChainInvalid}
	case CodeClientCertRefused: // in words that are not known, or cut
		return sharper(CodeClientCertRefused)
	}
	return nil
}

// sameCause reports whether a finding on packets and one on a line can be about the same thing.
func sameCause(packets, log Code) bool {
	return packets == log || slices.Contains(sharper(packets), log) || slices.Contains(coarser(log), packets)
}

// agree reports whether any finding on packets fits any on the line.
func agree(packets, log []Finding) bool {
	for i := range packets {
		for k := range log {
			if sameCause(packets[i].Code, log[k].Code) {
				return true
			}
		}
	}
	return false
}

// reconcile makes one list of findings of the connection's own and those of its log lines.
func (c *Connection) reconcile() {
	for _, e := range c.Log {
		c.reconcileWith(e)
	}
	if len(c.Log) > 0 {
		c.Findings = ranked(c.Findings)
	}
}

// reconcileWith takes one entry's causes in turn, likelier first: what the text leaves open the packets may decide.
func (c *Connection) reconcileWith(e *LogEntry) {
	text := &e.Findings[0]
	line := text.Evidence[0]
	if c.Answered && text.Code == CodeConnectionWithoutData && len(c.Findings) > 0 {
		c.Findings[0].rest(line) // the server got nothing of what the client sent
		return
	}
	c.yield(text.Code)
	if text.Code == CodeUnrecognisedRejection {
		c.Findings = append(c.Findings, text.clone())
		return
	}
	for k := range e.Findings {
		if c.takeIn(&e.Findings[k], line) {
			c.settleGuesses(e.Findings[k].Code)
			return
		}
	}
	if c.refutes(text.Code) {
		d := findingOf(CodeLogDisagrees, Certain)
		d.Meaning = "a line of the log with this connection's address and time says " + string(text.Code) + ", and the packets show that it was not so: the line is about another connection, or another member's"
		d.Evidence = append(d.Evidence, line)
		c.Findings = append(c.Findings, d)
		return
	}
	if byClient&(1<<e.Kind) != 0 && text.Code == CodeConnectionReset && c.Outcome == OutcomeRejectedByServer && len(c.Findings) > 0 {
		c.Findings[0].rest(line) // the other end of the same: the client saw the server hang up
		return
	}
	if f := c.decisive(); f != nil {
		d := findingOf(CodeLogDisagrees, Certain)
		d.Meaning = "the packets show " + string(f.Code) + ", the line in the log says " + string(text.Code) + ": one of the two belongs to another connection, or something between client and etcd changes what they say"
		d.Evidence = append(d.Evidence, line)
		c.Findings = append(c.Findings, d)
	}
	added := text.clone()
	if c.ByTime {
		added.Confidence = min(added.Confidence, Likely)
	}
	if added.Code == CodeConnectionWithoutData && c.proxied() && c.Ended == CloseIdle {
		added.Confidence = Certain
		added.Meaning = "the client said nothing, and the proxy closed the connection when its time was up (`--first-byte-timeout`, `--idle-timeout`); of that etcd saw the end"
	}
	c.Findings = append(c.Findings, added)
}

// yield gives up what was guessed from the lengths of TLS 1.3 alone, where the line knows better whether the client's certificate was
// refused in the handshake, after it, or HTTP/2 at the peer port: where no ticket is due, the lengths are the same.
func (c *Connection) yield(code Code) {
	instead := CodeClientCertRefused
	switch {
	case slices.Contains(sharper(CodePeerSANMismatch), code): // after the handshake
		instead = CodePeerSANMismatch
		if c.Outcome == OutcomeRejectedByServer && slices.ContainsFunc(c.Findings, func(f Finding) bool { return f.Code == CodeClientCertRefused && f.Confidence < Certain }) {
			c.Outcome = OutcomeEstablished
		}
	case !slices.Contains(sharper(CodeClientCertRefused), code):
		return
	}
	i := slices.IndexFunc(c.Findings, func(f Finding) bool { return f.Code == CodeGRPCToPeerPort && f.Confidence < Certain })
	if i < 0 || c.Outcome != OutcomeEstablished {
		return
	}
	f := findingOf(instead, Likely)
	f.Meaning, f.Evidence = "the server closed at once after the client's part of the handshake", c.Findings[i].Evidence
	c.Findings[i] = f
	if instead == CodeClientCertRefused {
		c.Outcome = OutcomeRejectedByServer
	}
}

// refutes reports whether the packets rule a line's cause out: TLS was spoken from the first byte, or the handshake completed and data
// went both ways, so that nothing before that can have failed.
func (c *Connection) refutes(code Code) bool {
	t := c.TLS
	switch code {
	case CodePlaintextToTLS, CodeProxyProtocolToTLS, CodeSSLv2Hello:
		s := &c.Stream[FromClient]
		return s.Protocol == ProtocolTLS && !s.StartMissed && t != nil && t.ClientHello != nil
	case CodePeerSANMismatch, CodeClientCertRevoked, CodeCRLUnreadable, CodeGRPCToPeerPort, CodeServerShutdown, CodeUnrecognisedRejection:
		return false // these come after the handshake, or at any time
	}
	if c.Outcome != OutcomeEstablished || t == nil {
		return false
	}
	client, server := t.Encrypted[FromClient].Data, t.Encrypted[FromServer].Data
	if t.Version == tlswire.VersionTLS13 {
		return client > maxFlight && server > maxFlight+2 // more than two handshake flights and two tickets
	}
	return client > 0 && server > 0
}

// takeIn finds what the packets showed of the same cause, and makes the two one. It reports false when they showed nothing of it.
func (c *Connection) takeIn(text *Finding, line Evidence) bool {
	for i := range c.Findings {
		if f := &c.Findings[i]; f.Code == text.Code {
			c.confirm(f, line)
			f.Severity = max(f.Severity, text.Severity)
			return true
		}
	}
	for i := range c.Findings {
		if f := &c.Findings[i]; slices.Contains(coarser(text.Code), f.Code) {
			f.rest(line) // the packets say it more exactly; that much the line does not confirm
			return true
		}
	}
	for i := range c.Findings {
		if f := &c.Findings[i]; slices.Contains(sharper(f.Code), text.Code) {
			c.sharpen(i, text)
			return true
		}
	}
	return false
}

// decisive is the finding on packets that leaves no room for another cause; nil when there is none.
func (c *Connection) decisive() *Finding {
	f := c.Worst()
	if f == nil || f.Severity < Error || f.Confidence < Certain || c.Outcome == OutcomePartial {
		return nil
	}
	switch f.Code {
	case CodeCaptureLoss, CodeOneSidedCapture, CodeConflictingRetransmission, CodeServerCertExpired, CodeServerCertKeyUsage, CodeServerNameMismatch, CodeCertExpiresSoon, CodeWeakCertificate:
		return nil // true beside any other cause
	}
	return f
}

// settleGuesses drops what was guessed of why the client's certificate was refused, where the line knows it.
func (c *Connection) settleGuesses(known Code) {
	if known != CodePeerSANMismatch && !slices.Contains(sharper(CodeClientCertRefused), known) {
		return
	}
	kept := c.Findings[:0:0]
	for i := range c.Findings {
		f := &c.Findings[i]
		vaguer := f.Code == CodeClientCertRefused
		switch f.Code {
		case CodeClientCertNotAllowed, CodeClientCertRevoked, CodePeerSANMismatch:
			vaguer = f.Confidence < Certain
		}
		if f.Code == known || !vaguer {
			kept = append(kept, *f)
		}
	}
	c.Findings = kept
}

// rest adds the line to what the finding rests on.
func (f *Finding) rest(line Evidence) {
	f.Evidence = append(slices.Clone(f.Evidence[:min(len(f.Evidence), maxEvidence-1)]), line)
}

// confirm adds the line, and what rested on inference alone is now certain. A line that was found by its time alone proves less.
func (c *Connection) confirm(f *Finding, line Evidence) {
	f.rest(line)
	switch {
	case f.Confidence == Certain:
	case c.ByTime:
		f.Meaning += "; a line of etcd's log at the same moment says so, too"
	default:
		f.Confidence = Certain
		f.Meaning += "; etcd's log confirms it"
	}
}

// sharpen replaces finding i by what the line says more exactly, keeping what the packets showed. Other guesses at the same thing go.
func (c *Connection) sharpen(i int, text *Finding) {
	old := c.Findings[i]
	f := text.clone()
	f.Meaning = text.Meaning + ". In the packets: " + old.Meaning
	f.Evidence = append(slices.Clone(old.Evidence), f.Evidence...)
	f.Evidence = f.Evidence[max(0, len(f.Evidence)-maxEvidence):]
	if f.AtFault == FaultUnknown {
		f.AtFault = old.AtFault
	}
	if c.ByTime {
		f.Confidence = min(f.Confidence, Likely)
	}
	kept := c.Findings[:0:0]
	for k := range c.Findings {
		if k == i {
			kept = append(kept, f)
		} else if !slices.Contains(sharper(c.Findings[k].Code), text.Code) {
			kept = append(kept, c.Findings[k])
		}
	}
	c.Findings = kept
}

func (f *Finding) clone() Finding {
	g := *f
	g.Evidence = slices.Clone(f.Evidence)
	return g
}

// ranked orders findings by severity, then certainty; the order between equals stays.
func ranked(list []Finding) []Finding {
	slices.SortStableFunc(list, func(a, b Finding) int {
		if a.Severity != b.Severity {
			return int(b.Severity) - int(a.Severity)
		}
		return int(b.Confidence) - int(a.Confidence)
	})
	return list
}
