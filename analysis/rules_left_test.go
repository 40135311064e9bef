package analysis

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/etcdtap/etcdtap/analysis/tlswire"
)

// tls13 are the hellos of a TLS 1.3 handshake and then records of these lengths, the client's negative.
func tls13(lengths ...int) transcript {
	hello := message(tlswire.HandshakeServerHello, "\x03\x03"+strings.Repeat("S", 32)+"\x00\x13\x01\x00"+
		"\x00\x2e"+"\x00\x2b\x00\x02\x03\x04"+"\x00\x33\x00\x24\x00\x1d\x00\x20"+strings.Repeat("K", 32))
	t := transcript{client(handshake(clientHello(modern))), server(handshake(hello))}
	for _, n := range lengths {
		if n < 0 {
			t = append(t, client(data(-n)))
		} else {
			t = append(t, server(data(n)))
		}
	}
	return t
}

// TestLeftAfterHandshake: a client that ends the connection at once after the handshake and without a word may have disliked the server's
// certificate, which is a hint beside an established connection; one that says anything, or stays, is not suspected.
func TestLeftAfterHandshake(t *testing.T) {
	complete := healthy12()[:4]
	fin := transcript{closes(FromClient, CloseFIN), closes(FromServer, CloseFIN)}
	reset := transcript{closes(FromClient, CloseRST)}
	oneRecord, ofEach := tls13(asking(-1105, 1686)...), tls13(asking(-902, -281, -53, 1686)...)
	for _, tt := range []struct {
		name   string
		script transcript
		other  bool // a port that is not etcd's
		want   bool
	}{
		{"TLS 1.2, FIN", slices.Concat(complete, fin), false, true},
		{"TLS 1.2, RST", slices.Concat(complete, reset), false, true},
		{"TLS 1.3, a flight in one record", slices.Concat(oneRecord, reset), false, true},
		{"TLS 1.3, a record for each message", slices.Concat(ofEach, fin), false, true},
		{"TLS 1.3, a request in a record more", slices.Concat(oneRecord, tls13(-60)[2:], reset), false, false},
		{"TLS 1.3, close_notify", slices.Concat(ofEach, tls13(-19)[2:], fin), false, false},
		{"close_notify", closedByNotify(), false, false},
		{"a request and its answer", healthy12(), false, false},
		{"it waited for something", slices.Concat(complete, transcript{closes(FromClient, CloseFIN).waiting(2 * time.Second), closes(FromServer, CloseFIN)}), false, false},
		{"the server was first", slices.Concat(complete, finBy(FromServer)), false, false},
		{"the capture ends", complete, false, false},
		{"bytes are missing", slices.Concat(complete, transcript{loses(FromClient, 100)}, fin), false, false},
		{"a server that is not etcd", slices.Concat(complete, fin), true, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			to := testServer
			if tt.other {
				to = testOther
			}
			c := tt.script.diagnosed(to)
			if tt.want && c.Outcome != OutcomeEstablished {
				t.Fatalf("outcome %v", c.Outcome)
			}
			i := slices.IndexFunc(c.Findings, func(f Finding) bool { return f.Code == CodeHandshakeAbandoned })
			if got := i >= 0; got != tt.want {
				t.Fatalf("found %v, want %v: %v", got, tt.want, verdicts(c.Findings))
			}
			if f := (verdict{CodeHandshakeAbandoned, Possible, Info, FaultUnknown}); tt.want && verdicts(c.Findings)[i] != f {
				t.Errorf("%v, want %v", verdicts(c.Findings)[i], f)
			}
		})
	}
}
