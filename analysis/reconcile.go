package analysis

import "slices"

// The judgement on a connection and its log lines together: the log gives the reason that TLS 1.3 hides, the packets give the bytes
// that etcd refused.

// sharper lists for a code drawn from packets the codes of a log line that say the same more exactly.
func sharper(packets Code) []Code {
	switch packets {
	case CodeClientCertRefused, CodeClientCertNotAllowed, CodeClientCertMissing, CodeServerAlert:
		return []Code{CodeClientCertMissing, CodeClientCertUntrusted, CodeClientCertExpired, CodeClientCertKeyUsage, CodeClientCertChainInvalid,
			CodeClientCertInvalid, CodeClientCertNotAllowed, CodeClientCertRevoked, CodeCARegenerated, CodeCRLUnreadable, CodeFIPSRefused}
	case CodeClientCertUntrusted:
		return []Code{CodeCARegenerated, CodeClientCertChainInvalid}
	case CodePeerSANMismatch, CodeClientCertRevoked:
		return []Code{CodePeerSANMismatch, CodeClientCertRevoked, CodeCRLUnreadable}
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
		return []Code{CodeServerNameMismatch, CodeServerCertExpired, CodeServerCertUntrusted, CodeClientAlert}
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
	case CodeUnrecognisedRejection:
		return nil
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

func (c *Connection) reconcileWith(e *LogEntry) {
	text := &e.Findings[0]
	line := text.Evidence[0]
	if text.Code == CodeUnrecognisedRejection {
		c.Findings = append(c.Findings, *text)
		return
	}
	for i := range c.Findings {
		f := &c.Findings[i]
		if f.Code == text.Code || slices.Contains(coarser(text.Code), f.Code) {
			f.confirm(line) // the packets are as exact as the line, or more so
			return
		}
	}
	for i := range c.Findings {
		if f := &c.Findings[i]; slices.Contains(sharper(f.Code), text.Code) {
			c.sharpen(i, text)
			return
		}
	}
	added := text.clone()
	if worst, found := c.Severity(); found && worst == Error && c.Findings[0].Confidence == Certain && c.Findings[0].Code != CodeCaptureLoss {
		d := findingOf(CodeLogDisagrees, Certain)
		d.Meaning = "the packets show " + string(c.Findings[0].Code) + ", the line in the log says " + string(text.Code) + ": one of the two belongs to another connection, or something between client and etcd changes what they say"
		d.Evidence = append(d.Evidence, line)
		c.Findings = append(c.Findings, d)
	}
	c.Findings = append(c.Findings, added)
}

// confirm adds the line to what the finding rests on, and what rested on inference alone is now certain.
func (f *Finding) confirm(line Evidence) {
	f.Evidence = slices.Clone(f.Evidence)
	if len(f.Evidence) < maxEvidence {
		f.Evidence = append(f.Evidence, line)
	}
	if f.Confidence < Certain {
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
