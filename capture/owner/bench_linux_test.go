package owner

import (
	"net"
	"net/netip"
	"testing"
	"time"
)

// BenchmarkAnswer is the time from a question to its answer, with nothing else to do.
func BenchmarkAnswer(b *testing.B) {
	f, err := Start(Options{})
	if err != nil {
		b.Fatal(err)
	}
	defer f.Close()
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	defer l.Close()
	at := time.Now()
	for b.Loop() {
		c, err := net.Dial("tcp4", l.Addr().String())
		if err != nil {
			b.Fatal(err)
		}
		client, server := c.LocalAddr().(*net.TCPAddr).AddrPort(), c.RemoteAddr().(*net.TCPAddr).AddrPort()
		at = at.Add(1)
		begun := time.Now()
		f.Ask(client, server, at)
		if p, _ := f.Answer(client, server, at, patience); !p.Known && p.Why != whyTooMany {
			b.Fatalf("%+v", p)
		}
		took := time.Since(begun)
		b.ReportMetric(float64(took.Microseconds()), "last-µs")
		c.Close()
	}
}

// BenchmarkForeign is what a client elsewhere costs the capture.
func BenchmarkForeign(b *testing.B) {
	f, err := Start(Options{})
	if err != nil {
		b.Fatal(err)
	}
	defer f.Close()
	client, server, at := netip.MustParseAddrPort("203.0.113.77:4000"), netip.MustParseAddrPort("203.0.113.78:2379"), time.Now()
	for b.Loop() {
		f.Ask(client, server, at)
	}
}

// BenchmarkSearch is one search of the likely processes, and one of all.
func BenchmarkSearch(b *testing.B) {
	p, err := openProc("/proc")
	if err != nil {
		b.Fatal(err)
	}
	b.Run("likely", func(b *testing.B) {
		var s *search
		for b.Loop() {
			s = p.search([]uint32{1})
			s.likely()
		}
		b.ReportMetric(float64(len(s.everyone)), "processes")
	})
	b.Run("all", func(b *testing.B) {
		var s *search
		for b.Loop() {
			s = p.search([]uint32{1})
			for s.step(fullStep) {
			}
		}
		b.ReportMetric(float64(maxLinks-s.budget), "links")
	})
	b.Run("describe", func(b *testing.B) {
		for b.Loop() {
			p.describe(1)
		}
	})
}
