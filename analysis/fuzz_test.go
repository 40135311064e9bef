package analysis

import (
	"testing"
	"time"
)

// script reads a transcript from fuzz bytes: an operation, a length, and that many bytes.
func script(b []byte) transcript {
	var t transcript
	for len(b) >= 3 && len(t) < 200 {
		op, n := b[0], int(b[1])<<8+int(b[2])
		b = b[3:]
		d := Direction(op & 1)
		switch op >> 1 & 7 {
		case 0:
			t = append(t, loses(d, int64(n)))
		case 1:
			t = append(t, loses(d, -1))
		case 2:
			t = append(t, event{d: d, close: CloseKind(1 + n%5), after: time.Duration(n) * time.Millisecond})
		default:
			n = min(n, len(b))
			if n > 0 {
				t = append(t, event{d: d, data: b[:n]})
			}
			b = b[n:]
		}
	}
	return t
}

// unscript writes a transcript so that script reads it.
func unscript(t transcript) []byte {
	var b []byte
	for _, e := range t {
		op := byte(e.d)
		n := len(e.data)
		switch {
		case e.lost && e.gap >= 0:
			n = int(e.gap)
		case e.lost:
			op |= 1 << 1
		case e.close != CloseNone:
			op, n = op|2<<1, int(e.close)-1
		default:
			op |= 3 << 1
		}
		b = append(append(b, op, byte(n>>8), byte(n)), e.data...)
	}
	return b
}

func seed(f *testing.F) {
	for _, t := range handmade() {
		if len(t.bytesOf(FromClient)) < 4000 {
			f.Add(unscript(t))
		}
	}
	f.Add(unscript(healthy12().without(FromServer, 100, 200, true)))
	f.Add(unscript(healthy12().without(FromServer, 0, 200, false)))
	for _, name := range []string{"TLS 1.3 mTLS", "TLS 1.2 client of another CA", "HelloRetryRequest", "TLS 1.2 resumed"} {
		f.Add(unscript(live(name)))
	}
}

// checkConn holds the buffers of a Conn to their bounds.
func checkConn(t *testing.T, c *Conn) {
	t.Helper()
	for d := range c.stream {
		s := &c.stream[d]
		if len(s.buf) > max(maxResync, 2+0x7fff) || len(s.message) > maxMessage+maxRecord || len(s.hello) > maxMessage {
			t.Errorf("buffers of %d, %d and %d bytes", len(s.buf), len(s.message), len(s.hello))
		}
	}
	f := &c.tls
	if len(f.Alerts) > maxAlerts+2 || len(f.Violations) > maxViolations || len(f.CertificateRequest.Authorities) > maxAuthorities {
		t.Errorf("%d alerts, %d violations, %d authorities", len(f.Alerts), len(f.Violations), len(f.CertificateRequest.Authorities))
	}
	for d := range f.Encrypted {
		if len(f.Encrypted[d].Shape) > maxShape || len(f.Certificates[d].Chain) > maxChain {
			t.Errorf("%d shapes, %d certificates", len(f.Encrypted[d].Shape), len(f.Certificates[d].Chain))
		}
	}
}

func FuzzConn(f *testing.F) {
	seed(f)
	f.Fuzz(func(t *testing.T, b []byte) {
		steps := script(b)
		want := feeding{}.facts(steps)
		for _, how := range []feeding{{cut: pieces(1), overwrite: true}, {cut: pieces(17)}, {skip: true}} {
			c := NewConn(testClient, testServer, testTime)
			how.tell(c, steps)
			checkConn(t, c)
			diffFacts(t, want, c.Facts())
		}
	})
}

func FuzzDiagnose(f *testing.F) {
	seed(f)
	f.Fuzz(func(t *testing.T, b []byte) {
		steps := script(b)
		var d Diagnoser
		for _, to := range []feeding{{server: testServer}, {server: testPeer}, {server: testOther}, {server: testPeer}} {
			c := d.Diagnose(to.facts(steps))
			checkFindings(t, c.Findings)
			if _, found := c.Severity(); !found && (c.Outcome == OutcomeRejectedByServer || c.Outcome == OutcomeRejectedByClient || c.Outcome == OutcomePlaintextToTLS || c.Outcome == OutcomeTLSToPlaintext) {
				t.Errorf("%v: no finding", c.Outcome)
			}
			again := (&Diagnoser{}).Diagnose(to.facts(steps))
			if again.Endpoint != c.Endpoint {
				t.Errorf("endpoint %v, then %v", c.Endpoint, again.Endpoint)
			}
		}
	})
}

func FuzzClassify(f *testing.F) {
	for _, t := range handmade() {
		b := t.bytesOf(FromClient)
		f.Add(b[:min(len(b), maxSniff)])
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		b = b[:min(len(b), maxSniff)]
		decided, at := ProtocolNone, -1
		for n := range len(b) + 1 {
			p, more := classify(b[:n])
			if n < maxSniff && !more && at < 0 {
				decided, at = p, n
			} else if at >= 0 && p != decided {
				t.Fatalf("%v after %d bytes, %v after %d", decided, at, p, n)
			}
			if line := requestLine(p, b[:n]); len(line) > maxRequest {
				t.Fatalf("request line of %d bytes", len(line))
			}
			Speaker(b[:n])
			if p.String() == "" {
				t.Fatal("no name")
			}
		}
	})
}
