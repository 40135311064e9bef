package analysis

// Silent reports whether neither side sent a byte, captured or not: all that there is to judge is how the connection was opened and
// closed. A flood leaves a million such connections, so what they need not pass through they do not.
func (f *Facts) Silent() bool {
	return f.TLS == nil && f.Stream[FromClient].silent() && f.Stream[FromServer].silent()
}

func (s *StreamFacts) silent() bool {
	return s.Bytes == 0 && s.Missed == 0 && !s.StartMissed && !s.EarlyGap && !s.Incomplete &&
		s.Protocol == ProtocolNone && s.Then == ProtocolNone && s.Inner == ProtocolNone &&
		len(s.FirstBytes) == 0 && s.Request == "" && s.InnerRequest == ""
}

// silentRules are those of the rules that can find something in a silent connection, in the same order. None of them asks what else the
// server is known for.
var silentRules = [...]func(*view){
	(*view).refused,
	(*view).unanswered,
	(*view).connectionWithoutData,
	(*view).connectionReset,
	(*view).handshakeTimeout,
	(*view).oneSidedCapture,
	(*view).conflictingRetransmission,
}

// open reports whether a silent connection was answered and is as it was opened: none of the rules finds anything in it.
func (v *view) open() bool {
	return v.result == OutcomeNoData && v.f.Stream[FromClient].Close == CloseNone && v.f.Stream[FromServer].Close == CloseNone && v.f.TCP.Conflicting == 0
}
