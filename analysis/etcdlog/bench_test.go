package etcdlog

import (
	"bytes"
	"strings"
	"testing"
)

// The lines that fill a log of etcd, about 300 bytes each.
var irrelevant = []string{
	`{"level":"info","ts":"2026-11-23T07:43:09.129Z","caller":"mvcc/kvstore_compaction.go:66","msg":"finished scheduled compaction","compact-revision":3755939,"took":"45.478307ms","hash":2473834513,"current-db-size-bytes":31457280,"current-db-size":"31 MB","current-db-size-in-use-bytes":12582912,"current-db-size-in-use":"13 MB"}`,
	`{"level":"warn","ts":"2026-11-23T07:43:09.129Z","caller":"etcdserver/util.go:170","msg":"apply request took too long","took":"103.5ms","expected-duration":"100ms","prefix":"read-only range ","request":"key:\"/registry/health\" ","response":"range_response_count:0 size:6"}`,
	`2026-11-23T07:43:09.129312987Z stderr F {"level":"info","ts":"2026-11-23T07:43:09.129Z","logger":"raft","caller":"v3@v3.7.0/raft.go:1698","msg":"99cad3b8e3c9091e has received 1 MsgPreVoteResp votes and 0 vote rejections"}`,
	`I1123 07:38:18.155012       1 trace.go:236] Trace[1234]: "Update" accept:application/vnd.kubernetes.protobuf, */*,audit-id:1,client:10.0.0.7,api-group:coordination.k8s.io,name:cp-1,subresource:,namespace:kube-node-lease,protocol:HTTP/2.0,resource:leases,verb:PUT (23-Nov-2026 07:38:17.155) (total time: 1000ms):`,
}

func BenchmarkIrrelevant(b *testing.B) {
	file := []byte(strings.Repeat(strings.Join(irrelevant, "\n")+"\n", 200))
	lines := bytes.Count(file, []byte{'\n'})
	var r Reader
	b.SetBytes(int64(len(file)))
	b.ReportAllocs()
	for b.Loop() {
		r.Write(file, func(*Entry) { b.Fatal("an entry") })
	}
	b.ReportMetric(float64(b.N*lines)/b.Elapsed().Seconds(), "lines/s")
}

func BenchmarkEntry(b *testing.B) {
	_, cases, _ := goldenLines(b)
	for _, name := range []string{"etcd 3.5.0 to 3.5.7 zap", "capnslog with the certificate's names", "grpc 1.41 of etcd 3.5.7, two spaces", "docker json-file"} {
		for _, c := range cases {
			if c.title != name {
				continue
			}
			b.Run(strings.ReplaceAll(name, " ", "-"), func(b *testing.B) {
				var p Parser
				var e Entry
				line := []byte(c.line)
				b.ReportAllocs()
				for b.Loop() {
					if !p.Line(line, &e) {
						b.Fatal("no entry")
					}
				}
				b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "lines/s")
			})
		}
	}
}
