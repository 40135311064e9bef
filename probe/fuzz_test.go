package probe

import (
	"testing"

	"github.com/etcdtap/etcdtap/analysis"
)

// FuzzTake: whatever a server answers, what is kept of it is short.
func FuzzTake(f *testing.F) {
	f.Add([]byte(`{"etcdserver":"3.6.1","etcdcluster":"3.6.0"}`))
	f.Add([]byte(`{"health":"true","reason":""}`))
	f.Add([]byte("<html>\x1b[2J"))
	f.Add([]byte(`{"health":{"health":[[[[`))
	f.Fuzz(func(t *testing.T, body []byte) {
		var r analysis.ProbeRequest
		take(&r, body[:min(len(body), maxBody)])
		for _, s := range []string{r.Server, r.Cluster, r.Health, r.BodyPrefix} {
			if len(s) > maxPrefix {
				t.Errorf("%d bytes are kept", len(s))
			}
		}
	})
}
