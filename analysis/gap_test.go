package analysis

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

// without loses the bytes of d's stream from offset from to offset to; known says whether their number is known.
func (t transcript) without(d Direction, from, to int, known bool) transcript {
	var out transcript
	at := 0
	for _, e := range t {
		if e.d != d || len(e.data) == 0 {
			out = append(out, e)
			continue
		}
		b := e.data
		lo, hi := min(max(from-at, 0), len(b)), min(max(to-at, 0), len(b))
		at += len(b)
		if lo > 0 {
			out = append(out, event{d: d, data: b[:lo]})
		}
		if hi > lo {
			n := int64(hi - lo)
			if !known {
				n = -1
			}
			out = append(out, loses(d, n))
		}
		if hi < len(b) {
			out = append(out, event{d: d, data: b[hi:]})
		}
	}
	return out
}

// gapGist is what a gap must not, or may, change.
type gapGist struct {
	StartMissed, EarlyGap   bool
	Missed                  int64
	Server, Client, Request Visibility
	ServerChain             int
	Alerts                  int
	Data                    int64
	Outcome                 Outcome
}

func TestGaps(t *testing.T) {
	whole := healthy12()
	// The server's records: ServerHello, Certificate, ServerKeyExchange, CertificateRequest, ServerHelloDone, ...
	var ends []int
	for i, b := 0, whole.bytesOf(FromServer); i < len(b); {
		i += 5 + int(b[i+3])<<8 + int(b[i+4])
		ends = append(ends, i)
	}
	refused := transcript{whole[0], whole[1], client(alert(alertUnknownCA)), closes(FromClient, CloseFIN), closes(FromServer, CloseFIN)}
	for _, tt := range []struct {
		name   string
		script transcript
		d      Direction
		want   gapGist
	}{
		{"inside an encrypted body", whole.without(FromServer, ends[6]+100, ends[6]+1500, true), FromServer,
			gapGist{Missed: 1400, Server: Seen, Client: Seen, Request: Seen, ServerChain: 1, Alerts: 1, Data: 1, Outcome: OutcomeEstablished}},
		{"a whole encrypted body", whole.without(FromServer, ends[6]+5, ends[7], true), FromServer,
			gapGist{Missed: 2000, Server: Seen, Client: Seen, Request: Seen, ServerChain: 1, Alerts: 1, Data: 1, Outcome: OutcomeEstablished}},
		{"inside the Certificate record", whole.without(FromServer, ends[0]+50, ends[0]+100, true), FromServer,
			gapGist{EarlyGap: true, Missed: 50, Server: Missed, Client: Seen, Request: Seen, Alerts: 1, Data: 1, Outcome: OutcomeEstablished}},
		{"the Certificate record and more", whole.without(FromServer, ends[0]+50, ends[1]+10, true), FromServer,
			gapGist{EarlyGap: true, Missed: int64(ends[1] + 10 - ends[0] - 50), Server: Missed, Client: Seen, Request: Seen, Alerts: 1, Data: 1, Outcome: OutcomeEstablished}},
		{"unknown length", whole.without(FromServer, ends[0]+50, ends[1]+10, false), FromServer,
			gapGist{EarlyGap: true, Server: Missed, Client: Seen, Request: Seen, Alerts: 1, Data: 1, Outcome: OutcomeEstablished}},
		{"at a record boundary", whole.without(FromServer, ends[1], ends[2], true), FromServer,
			gapGist{EarlyGap: true, Missed: int64(ends[2] - ends[1]), Server: Seen, Client: Seen, Request: Seen, ServerChain: 1, Alerts: 1, Data: 1, Outcome: OutcomeEstablished}},
		{"the beginning", whole.without(FromServer, 0, ends[0]+5, true), FromServer,
			gapGist{StartMissed: true, EarlyGap: true, Missed: int64(ends[0] + 5), Server: Missed, Client: Seen, Request: Seen, Alerts: 1, Data: 1, Outcome: OutcomePartial}},
		{"the beginning, to a record", whole.without(FromServer, 0, ends[0], false), FromServer,
			gapGist{StartMissed: true, EarlyGap: true, Server: Seen, Client: Seen, Request: Seen, ServerChain: 1, Alerts: 1, Data: 1, Outcome: OutcomePartial}},
		{"the ClientHello, then an alert", refused.without(FromClient, 0, 60, true), FromClient,
			gapGist{StartMissed: true, EarlyGap: true, Missed: 60, Server: Seen, Client: Missed, Request: Seen, ServerChain: 1, Alerts: 1, Outcome: OutcomeRejectedByClient}},
		{"nothing", whole, FromServer,
			gapGist{Server: Seen, Client: Seen, Request: Seen, ServerChain: 1, Alerts: 1, Data: 1, Outcome: OutcomeEstablished}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			for _, how := range []feeding{{}, {cut: pieces(1)}, {cut: pieces(7), overwrite: true}, {skip: true}} {
				var g Diagnoser
				c := g.Diagnose(how.facts(tt.script))
				s, f := &c.Stream[tt.d], c.TLS
				if f == nil {
					t.Fatal("no TLS")
				}
				got := gapGist{s.StartMissed, s.EarlyGap, s.Missed, f.Certificates[FromServer].Visibility, f.Certificates[FromClient].Visibility,
					f.CertificateRequest.Visibility, len(f.Certificates[FromServer].Chain), len(f.Alerts), f.Encrypted[FromServer].Data, c.Outcome}
				if diff := cmp.Diff(tt.want, got); diff != "" {
					t.Fatalf("-want +got:\n%s%v", diff, codesOf(c.Findings))
				}
				if len(f.Violations) > 0 {
					t.Errorf("violation: %v", f.Violations[0].Err)
				}
			}
		})
	}
}

// TestGapAnywhere: wherever 40 bytes of a handshake are lost, nothing is called malformed and the loss is told.
func TestGapAnywhere(t *testing.T) {
	for _, name := range []string{"TLS 1.2", "live TLS 1.2 client of another CA", "live TLS 1.3 mTLS", "split hello"} {
		script := allTranscripts()[name]
		for _, d := range []Direction{FromClient, FromServer} {
			for at := 0; at < len(script.bytesOf(d))-40; at += 3 {
				for _, known := range []bool{true, false} {
					f := feeding{}.facts(script.without(d, at, at+40, known))
					if f.TLS != nil && len(f.TLS.Violations) > 0 {
						t.Fatalf("%s, %v, at %d: %v", name, d, at, f.TLS.Violations[0].Err)
					}
					if s := &f.Stream[d]; known && s.Missed != 40 || len(s.FirstBytes) > at && at < maxFirstBytes {
						t.Fatalf("%s, %v, at %d: %d missed, first bytes %x", name, d, at, s.Missed, s.FirstBytes)
					}
				}
			}
		}
	}
}

// TestResyncIsBounded: plaintext picked up in the middle is given up.
func TestResyncIsBounded(t *testing.T) {
	for _, n := range []int{1000, 1 << 20} {
		c := NewConn(testClient, testServer, testTime)
		c.Gap(FromClient, testTime, -1)
		for range 4 << 20 / n {
			c.Data(FromClient, testTime, []byte(strings.Repeat("\x16\x03\x03\x40\x00garbage", n/12)))
		}
		if got := cap(c.stream[FromClient].buf); got > 4*maxResync {
			t.Errorf("%d bytes are kept", got)
		}
		if c.stream[FromClient].phase != passing {
			t.Error("still looking for a record")
		}
	}
}

func TestOneSided(t *testing.T) {
	var out transcript
	for _, e := range healthy12() {
		if e.d == FromServer {
			out = append(out, e)
		}
	}
	c := NewConn(testClient, testServer, testTime)
	feeding{}.tell(c, out)
	c.facts.TCP.Packets[FromClient] = 0
	var g Diagnoser
	got := g.Diagnose(c.Facts())
	if got.Outcome != OutcomePartial || got.TLS.Certificates[FromClient].Visibility != Missed || got.TLS.Certificates[FromServer].Visibility != Seen {
		t.Errorf("%v, client certificate %v, server's %v", got.Outcome, got.TLS.Certificates[FromClient].Visibility, got.TLS.Certificates[FromServer].Visibility)
	}
	if diff := cmp.Diff([]Code{CodeOneSidedCapture}, codesOf(got.Findings), cmpopts.EquateEmpty()); diff != "" {
		t.Error(diff)
	}
}

// TestAlertBehindGap: what is said of an alert behind lost bytes claims nothing of them, and names the packet that brought it, not the
// one that showed that nothing follows.
func TestAlertBehindGap(t *testing.T) {
	hello := handshake(clientHello(modern))
	for name, script := range map[string]transcript{
		"both hellos lost":        {client(hello[:2]), loses(FromClient, 400), server("\x16\x03"), loses(FromServer, 900), server(alert(alertUnknownCA))},
		"the server's hello":      {client(hello), loses(FromServer, 900), server(alert(alertUnexpectedMessage))},
		"by the client":           {client(hello), loses(FromServer, 900), client(alert(alertUnknownCA))},
		"by the client, no hello": {client(hello[:2]), loses(FromClient, 400), server("\x16\x03"), loses(FromServer, 900), client(alert(alertUnknownCA))},
	} {
		t.Run(name, func(t *testing.T) {
			alertIn := int64(len(script)) + 3
			who := script[len(script)-1].d
			c := script.and(finBy(who)...).diagnosed(testServer)
			if len(c.TLS.Alerts) != 1 || c.TLS.Alerts[0].Packet != alertIn {
				t.Fatalf("alerts %v, want one of packet %d", c.TLS.Alerts, alertIn)
			}
			for _, f := range c.Findings {
				if strings.Contains(f.Meaning, "before") && !strings.Contains(f.Meaning, "lacks bytes") {
					t.Errorf("%s: %s", f.Code, f.Meaning)
				}
				if f.Code != CodeCaptureLoss && f.Evidence[len(f.Evidence)-1].Packet != alertIn {
					t.Errorf("%s: evidence %v, want packet %d", f.Code, f.Evidence, alertIn)
				}
			}
			if len(c.Findings) < 2 {
				t.Errorf("findings %v", c.Findings)
			}
		})
	}
}

// TestLostHelloIsNotRefused: handshake_failure after the client's Certificate is not about its hello, even if the server's is lost.
func TestLostHelloIsNotRefused(t *testing.T) {
	c := transcript{client(handshake(clientHello(modern))), loses(FromServer, 900), client(handshake(certificateMessage()), handshake(cke)), server(alert(alertHandshakeFailure))}.and(finBy(FromServer)...).diagnosed(testServer)
	for _, f := range c.Findings {
		if f.Code == CodeCipherMismatch {
			t.Errorf("%s: %s", f.Code, f.Meaning)
		}
	}
}

// TestLostAfterHeader: who sent a PROXY header and then bytes that are not in the capture may have wanted TLS.
func TestLostAfterHeader(t *testing.T) {
	c := transcript{client("PROXY TCP4 192.0.2.1 192.0.2.2 1 2\r\n"), loses(FromClient, 500)}.and(finBy(FromServer)...).diagnosed(testOther)
	if c.Outcome != OutcomePartial {
		t.Errorf("outcome %v", c.Outcome)
	}
}

// TestAnswerNotCaptured: where nothing tells where the server's stream begins, nothing tells that it was silent.
func TestAnswerNotCaptured(t *testing.T) {
	c := transcript{client(handshake(clientHello(modern))), loses(FromServer, -1)}.and(finBy(FromClient)...).diagnosed(testServer)
	if c.Outcome != OutcomePartial || len(c.Findings) > 0 {
		t.Errorf("outcome %v, findings %v", c.Outcome, codesOf(c.Findings))
	}
	f := (feeding{}).facts(transcript{}.and(finBy(FromClient)...))
	f.TCP.SYNACK = false
	if c := (&Diagnoser{}).Diagnose(f); len(c.Findings) != 1 || c.Findings[0].Confidence != Likely {
		t.Errorf("without its SYN-ACK in the capture: %+v", c.Findings)
	}
}
