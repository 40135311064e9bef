package analysis

import (
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
)

// allTranscripts are the live ones and those made by hand.
var allTranscripts = sync.OnceValue(func() map[string]transcript {
	all := handmade()
	for _, s := range liveScenarios {
		all["live "+s.name] = s.record(failing{})
	}
	return all
})

// failing stands for a test where there is none.
type failing struct{ testing.TB }

func (failing) Helper()                      {}
func (failing) Errorf(f string, args ...any) { panic(fmt.Sprintf(f, args...)) }

func everyTranscript(t *testing.T, f func(*testing.T, transcript)) {
	for name, script := range allTranscripts() {
		t.Run(name, func(t *testing.T) { f(t, script) })
	}
}

func pieces(n int) func(int) int { return func(int) int { return n } }

// TestChunkInvariance: how the bytes are cut into calls, whether the producer passes over what is not wanted, and what becomes of
// its buffer afterwards changes nothing.
func TestChunkInvariance(t *testing.T) {
	everyTranscript(t, func(t *testing.T, script transcript) {
		want := feeding{}.facts(script)
		diffFacts(t, want, feeding{skip: true}.facts(script))
		diffFacts(t, want, feeding{overwrite: true}.facts(script))
		for _, n := range []int{1, 2, 3, 5, 7, 64} {
			diffFacts(t, want, feeding{cut: pieces(n)}.facts(script))
			diffFacts(t, want, feeding{cut: pieces(n), skip: true, overwrite: true}.facts(script))
		}
		for seed := range uint64(8) {
			r := rand.New(rand.NewPCG(seed, 1))
			diffFacts(t, want, feeding{cut: func(left int) int { return 1 + r.IntN(min(left, 1+r.IntN(900))) }, skip: seed%2 == 0, overwrite: true}.facts(script))
		}
		if t.Failed() {
			t.FailNow()
		}
	})
}

// TestReset: a Conn that served another connection gives the facts of a new one.
func TestReset(t *testing.T) {
	c, cache := NewConn(testOther, testOther, testTime), new(CertificateCache)
	c.Share(cache)
	for range 2 {
		everyTranscript(t, func(t *testing.T, script transcript) {
			c.Reset(testClient, testServer, testTime)
			feeding{}.tell(c, script)
			diffFacts(t, feeding{}.facts(script), c.Facts())
		})
	}
}

// TestPrefixes: bytes that are merely incomplete are never malformed, and a stream that ends inside a record or message says so.
func TestPrefixes(t *testing.T) {
	for _, name := range []string{"TLS 1.2", "split hello", "sslv2 then tls", "live TLS 1.3 mTLS", "live TLS 1.3 RSA mTLS", "live HelloRetryRequest", "live TLS 1.2 resumed", "smtp then tls"} {
		script, ok := allTranscripts()[name]
		if !ok {
			t.Fatalf("no transcript %q", name)
		}
		for _, d := range []Direction{FromClient, FromServer} {
			t.Run(name+" "+d.String(), func(t *testing.T) { testPrefixes(t, script, d) })
		}
	}
}

func testPrefixes(t *testing.T, script transcript, d Direction) {
	whole := script.bytesOf(d)
	ends := recordEnds(script, d)
	for n := 0; n < min(len(whole), 3000); n += 1 + n/200 {
		f := feeding{cut: pieces(61)}.facts(shorten(script, d, n))
		if f.TLS == nil {
			continue
		}
		if len(f.TLS.Violations) > 0 {
			t.Fatalf("%d of %d bytes: %v", n, len(whole), f.TLS.Violations[0].Err)
		}
		if end, known := ends[n], ends[0]; known && n > 4 && !end && f.Stream[d].Then == ProtocolNone && !f.Stream[d].Incomplete {
			t.Fatalf("%d of %d bytes: inside a record, and not incomplete", n, len(whole))
		}
	}
}

// shorten keeps n bytes of d's stream, all of the other, and the ends.
func shorten(script transcript, d Direction, n int) transcript {
	var out transcript
	for _, e := range script {
		if e.d == d && e.close == CloseNone {
			e.data = e.data[:min(len(e.data), n)]
			n -= len(e.data)
		}
		out = append(out, e)
	}
	return out
}

// recordEnds are the offsets at which a record ends; empty when the stream is not TLS from its first byte.
func recordEnds(script transcript, d Direction) map[int]bool {
	b := script.bytesOf(d)
	if len(b) == 0 || b[0] != 22 {
		return nil
	}
	ends := map[int]bool{0: true}
	for i := 0; i+5 <= len(b); {
		i += 5 + int(b[i+3])<<8 + int(b[i+4])
		ends[i] = true
	}
	return ends
}
