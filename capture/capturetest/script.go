package capturetest

import (
	"bytes"
	"crypto/tls"
	"fmt"
)

// mss is the payload of a full segment on a path of 1500 bytes, with time stamps.
const mss = 1448

// TCP flag bits (RFC 9293, Section 3.1).
const (
	flagFIN = 1 << 0
	flagSYN = 1 << 1
	flagPSH = 1 << 3
	flagACK = 1 << 4
)

// script is a connection that any number of connections of a capture are made from: its packets, with numbers relative to the
// initial ones.
type script struct {
	outcome string
	port    uint16 // the server's
	version uint16 // TLS; 0 if none
	streams [2][]byte
	patches []patch
	steps   []step
	closing int // the step at which the sides begin to close
}

// step is one packet.
type step struct {
	from  int
	flags uint8
	seq   uint32 // the SYN is 0
	ack   uint32 // valid iff flags has ACK
	n     int    // payload bytes, of streams[from] from seq-1 on
}

// patch is a place in a stream that differs from connection to connection.
type patch struct {
	from, offset int
	length       int
	source       int // where in the connection's random bytes
}

// randomBytes is what a connection has of its own: two hellos' randoms, without the last eight bytes that say something
// (RFC 8446, Section 4.1.3), and a session id.
const (
	helloRandom = 24
	sessionID   = 32
	randomBytes = 2*helloRandom + sessionID
)

// tlsScript makes a script of a dialogue between crypto/tls endpoints.
func tlsScript(p *pki, e exchange, outcome string) (*script, error) {
	chunks, open, err := e.play(p)
	if err != nil {
		return nil, fmt.Errorf("making a connection of %s, %s: %w", tls.VersionName(e.version), outcome, err)
	}
	s := newScript(chunks, open)
	s.outcome, s.port, s.version = outcome, 2379, e.version
	const random, id = 5 + 4 + 2, 5 + 4 + 2 + 32 + 1 // behind the headers of record and message, and the version
	session := s.streams[client][id : id+sessionID]
	for side, b := range s.streams {
		s.patches = append(s.patches, patch{side, random, helloRandom, side * helloRandom})
		if len(b) >= id+sessionID && bytes.Equal(b[id:id+sessionID], session) {
			s.patches = append(s.patches, patch{side, id, sessionID, 2 * helloRandom})
		}
	}
	return s, nil
}

// plainScript is a dialogue without TLS.
func plainScript() *script {
	s := newScript([]chunk{
		{client, []byte("GET /metrics HTTP/1.1\r\nHost: node-exporter:9100\r\nAccept: */*\r\n\r\n")},
		{server, append([]byte("HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 3000\r\n\r\n"), bytes.Repeat([]byte("node_cpu 1\n"), 3000)[:3000]...)},
	}, 2)
	s.outcome, s.port = "plaintext", 9100
	return s
}

// halfOpenScripts are a SYN that is answered, several times over, and never acknowledged, and one that is answered twice.
func halfOpenScripts() (both [2]*script) {
	steps := []step{{from: client, flags: flagSYN}, {from: server, flags: flagSYN | flagACK, ack: 1},
		{from: server, flags: flagSYN | flagACK, ack: 1}, {from: client, flags: flagSYN}}
	for i := range both {
		n := len(steps) - i
		both[i] = &script{outcome: "no_data", port: 2379, steps: steps[:n], closing: n}
	}
	return both
}

// scripter turns what was written into packets.
type scripter struct {
	*script
	sent    [2]uint32 // numbers used, the SYN included
	unacked [2]int    // full segments that the other side has not acknowledged
}

// newScript makes a script of what was written. The first open chunks come before the connection begins to close.
func newScript(chunks []chunk, open int) *script {
	w := &scripter{script: new(script)}
	w.add(client, flagSYN, 0)
	w.add(server, flagSYN|flagACK, 0)
	w.add(client, flagACK, 0)
	for i, c := range chunks {
		if i == open {
			w.closing = len(w.steps)
		}
		w.streams[c.from] = append(w.streams[c.from], c.data...)
		for left := len(c.data); left > 0; {
			n := min(left, mss)
			left -= n
			flags := uint8(flagACK)
			if left == 0 {
				flags |= flagPSH
			}
			w.add(c.from, flags, n)
			answered := left == 0 && i+1 < len(chunks) && chunks[i+1].from != c.from
			if w.unacked[c.from] >= 2 || left == 0 && !answered {
				w.add(1-c.from, flagACK, 0)
			}
		}
	}
	if open >= len(chunks) {
		w.closing = len(w.steps)
	}
	w.add(client, flagFIN|flagACK, 0)
	w.add(server, flagFIN|flagACK, 0)
	w.add(client, flagACK, 0)
	return w.script
}

func (w *scripter) add(from int, flags uint8, n int) {
	w.steps = append(w.steps, step{from: from, flags: flags, seq: w.sent[from], ack: w.sent[1-from], n: n})
	w.unacked[1-from] = 0
	w.sent[from] += uint32(n)
	if n > 0 {
		w.unacked[from]++
	}
	if flags&(flagSYN|flagFIN) != 0 {
		w.sent[from]++
	}
}
