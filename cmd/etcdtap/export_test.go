package main

import (
	"crypto/sha256"
	"runtime"
	"testing"

	"github.com/etcdtap/etcdtap/analysis"
)

// TestExportKeepsNoCertificate: what is remembered of certificates that were written is little, however large they are.
func TestExportKeepsNoCertificate(t *testing.T) {
	x, err := newCertExporter(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	heap := func() uint64 {
		var m runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&m)
		return m.HeapAlloc
	}
	before := heap()
	for i := range 200 {
		raw := make([]byte, 64<<10)
		raw[0] = byte(i)
		c := &analysis.Connection{Facts: &analysis.Facts{TLS: new(analysis.TLSFacts)}}
		c.TLS.Certificates[analysis.FromServer].Chain = []*analysis.Certificate{{Raw: raw, SHA256: sha256.Sum256(raw)}}
		if err := x.add(c); err != nil {
			t.Fatal(err)
		}
	}
	if kept := int64(heap()) - int64(before); kept > 2<<20 || len(x.done) != 200 {
		t.Errorf("%d KiB are kept of %d certificates", kept>>10, len(x.done))
	}
	runtime.KeepAlive(x)
}
