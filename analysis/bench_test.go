package analysis

import (
	"strings"
	"testing"
)

// BenchmarkHandshake is one TLS 1.3 handshake with client certificates, a ping and a pong, from the first byte to the verdict.
func BenchmarkHandshake(b *testing.B) {
	for _, name := range []string{"TLS 1.3 mTLS", "TLS 1.2 mTLS", "TLS 1.2 client of another CA"} {
		b.Run(name, func(b *testing.B) {
			steps := live(name)
			var d Diagnoser
			c := NewConn(testClient, testServer, testTime)
			c.Share(new(CertificateCache))
			b.ReportAllocs()
			for b.Loop() {
				c.Reset(testClient, testServer, testTime)
				feeding{}.tell(c, steps)
				if d.Diagnose(c.Facts()).Outcome == OutcomePartial {
					b.Fatal("partial")
				}
			}
		})
	}
}

// BenchmarkBulk is records of 16 KiB after the handshake, in segments of Ethernet's size, shown or passed over.
func BenchmarkBulk(b *testing.B) {
	stream := []byte(strings.Repeat(data(16401), 16))
	for _, skip := range []bool{false, true} {
		name := map[bool]string{false: "shown", true: "passed over"}[skip]
		b.Run(name, func(b *testing.B) {
			c := NewConn(testClient, testServer, testTime)
			feeding{}.tell(c, healthy12()[:6])
			b.ReportAllocs()
			b.SetBytes(int64(len(stream)))
			for b.Loop() {
				feeding{cut: pieces(1448), skip: skip}.tellData(c, FromServer, testTime, stream)
			}
		})
	}
}
