package analysis

// Warm visits the memory of the facts, from one line of the processor's cache to the next, and says what it has seen, so that the
// compiler lets it look. The processor fetches what several connections need at the same time, as it cannot when each has to be judged
// before the next one is looked at.
func (c *Conn) Warm() (seen int64) {
	f, t := &c.facts, &c.tls
	seen = int64(f.Client.Port()) + int64(f.Outgoing.Port()) + int64(f.Role) + int64(f.Ended) + f.TCP.FirstPacket + f.TCP.Conflicting
	for d := range f.Stream {
		s, e := &f.Stream[d], &t.Encrypted[d]
		seen += int64(s.Protocol) + s.FirstPacket + s.Missed + s.ClosePacket + int64(len(s.InnerRequest))
		seen += int64(t.Certificates[d].Visibility) + t.Certificates[d].Packet
		seen += e.Packet + e.Data + int64(e.Last.Type)
		if n := len(e.Shape); n > 0 {
			seen += int64(e.Shape[0].Length) + int64(e.Shape[n/2].Length) + int64(e.Shape[n-1].Length)
		}
		seen += int64(c.stream[d].phase) + int64(c.stream[d].seeked) + int64(len(c.stream[d].unseal.inner))
	}
	if n := len(t.Alerts); n > 0 {
		seen += t.Alerts[0].Packet + t.Alerts[n-1].Packet
	}
	seen += int64(t.Version) + t.ClientHelloAt.Packet + t.ServerHelloAt.Packet + int64(t.CertificateRequest.More)
	return seen + t.Tickets + t.AlertsDropped + int64(t.shape.LastAlert) + int64(t.shape.ALPNLength) + int64(c.random[0][0]) + int64(c.random[1][0])
}
