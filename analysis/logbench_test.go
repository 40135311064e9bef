package analysis

import (
	"bytes"
	"fmt"
	"testing"
	"time"

	"github.com/etcdtap/etcdtap/analysis/etcdlog"
)

// usualLine is what fills a log of etcd.
const usualLine = `{"level":"info","ts":"2026-11-23T07:43:09.129Z","caller":"mvcc/kvstore_compaction.go:66","msg":"finished scheduled compaction","compact-revision":3755939,"took":"45.478307ms","hash":2473834513,"current-db-size-bytes":31457280,"current-db-size":"31 MB"}`

// BenchmarkLog takes a log from its bytes to the summary: lines of which one in so many is a rejection.
func BenchmarkLog(b *testing.B) {
	const lines = 20_000
	texts := [...]string{noRecord, "EOF", server120 + unknownCA, "read tcp 10.0.0.8:2379->10.0.0.42:49824: read: connection reset by peer"}
	for _, every := range []int{1000, 10, 1} {
		b.Run(fmt.Sprintf("one-in-%d", every), func(b *testing.B) {
			var file bytes.Buffer
			for i := range lines {
				line := usualLine
				if i%every == 0 {
					line = rejectionAt(testTime.Add(time.Duration(i)*time.Millisecond), fmt.Sprintf("10.0.%d.7:%d", i%16, 20000+i), texts[i/every%len(texts)])
				}
				file.WriteString(line + "\n")
			}
			b.SetBytes(int64(file.Len()))
			b.ReportAllocs()
			for b.Loop() {
				var r etcdlog.Reader
				var x Explainer
				var s LogSummary
				each := func(e *etcdlog.Entry) {
					le := x.Explain(e, "etcd.log")
					s.Add(&le)
				}
				if err := r.Read(bytes.NewReader(file.Bytes()), each); err != nil || s.Entries != lines/int64(every) {
					b.Fatal(err, s.Entries)
				}
			}
			b.ReportMetric(float64(b.N)*lines/b.Elapsed().Minutes()/1e6, "Mlines/min")
		})
	}
}

// BenchmarkJoin joins a connection with its line.
func BenchmarkJoin(b *testing.B) {
	const n = 10_000
	var lines []string
	var seen []seenConn
	for i := range n {
		at := time.Duration(i) * 10 * time.Millisecond
		client := fmt.Sprintf("10.0.%d.7:%d", i%16, 20000+i)
		lines = append(lines, rejectionAt(testTime.Add(at), client, noRecord))
		seen = append(seen, seenConn{client, at, []Finding{guess(CodePlaintextToTLS)}})
	}
	b.ReportAllocs()
	for b.Loop() {
		b.StopTimer()
		entries, list := entriesOf(lines...), connections(seen...)
		b.StartTimer()
		j := NewJoin(func(*Connection) error { return nil })
		for _, e := range entries {
			j.Entry(e)
		}
		for i := range list {
			if err := j.Connection(&list[i]); err != nil {
				b.Fatal(err)
			}
		}
		if err := j.Close(); err != nil || j.Stats().Joined != n {
			b.Fatal(err, j.Stats())
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/n, "ns/connection")
}
