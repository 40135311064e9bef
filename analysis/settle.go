package analysis

import (
	"bytes"
	"time"
)

// What it takes to know a connection's fate before its end. A peer port that refuses HTTP/2 answers with a few records and closes, a
// refused certificate with one alert, and etcd closes after its own checks without any data: who has sent more than that has accepted.
const (
	settledRecords = maxFlight + 2*maxPeerAnswer // encrypted records of each side, its handshake flight included
	settledBytes   = 256 << 10                   // of a direction, whatever they are: no handshake is as long
)

// Settled reports whether the connection's fate is known: nothing that follows can change what is said of its handshake, only how and
// when it ends. A producer may then stop showing bytes (Abandon). It is cheap, and once true it stays so.
func (c *Conn) Settled() bool {
	client, server := &c.facts.Stream[FromClient], &c.facts.Stream[FromServer]
	if max(client.Bytes, server.Bytes) > settledBytes {
		return true
	}
	if c.stream[FromClient].phase == passing && c.stream[FromServer].phase == passing {
		return client.Bytes > 0 && server.Bytes > 0
	}
	return c.tls.Encrypted[FromClient].Records > settledRecords && c.tls.Encrypted[FromServer].Records > settledRecords
}

// Abandon says that what follows in d will not be shown: its bytes are told with Pass. It is for producers that hand a stream to the
// kernel once the fate is Settled. Those that know the stream's last bytes may still give them as Data: an alert may be among them.
func (c *Conn) Abandon(d Direction) {
	s := &c.stream[d]
	if s.phase == sniffing {
		c.endSniff(d)
	}
	next := passing
	if s.phase == inRecords || s.phase == resyncing {
		next = resyncing // where the records of the last bytes begin is not known
	}
	s.phase, s.skip, s.buf, s.message, s.seeked, s.lostPlace, s.abandoned = next, 0, recycle(s.buf), recycle(s.message), 0, true, true
	s.unseal.lose()
}

// Peek is what was seen so far, as Facts would give it if the connection ended here; c goes on observing. The result is independent of
// c. how is why the look is taken: CloseNone, or CloseIdle when nothing has come for so long that this is the news; at is when.
func (c *Conn) Peek(at time.Time, how CloseKind) *Facts {
	if c.done {
		return c.facts.Clone()
	}
	now := new(Conn)
	*now = *c
	now.tls = *c.tls.clone()
	now.cache, now.parsed, now.plain, now.ders = nil, nil, nil, nil // shared, or scratch
	for d := range now.stream {
		s := &now.stream[d]
		s.buf, s.message, s.hello = bytes.Clone(s.buf), bytes.Clone(s.message), bytes.Clone(s.hello)
		s.unseal.inner = bytes.Clone(s.unseal.inner)
		now.facts.Stream[d].FirstBytes = s.first[:len(c.facts.Stream[d].FirstBytes)]
	}
	if how != CloseNone {
		now.facts.Ended, now.facts.Until = how, at
	}
	return now.Facts().Clone()
}
