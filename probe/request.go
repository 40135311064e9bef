package probe

import (
	"bufio"
	"context"
	"crypto/tls"
	"encoding/json"
	"fmt"
	"io"
	"net/http"

	"github.com/etcdtap/etcdtap/analysis"
)

// Bounds on an answer, in bytes.
const (
	maxAnswer = 64 << 10 // headers and body on the wire
	maxBody   = 4 << 10  // of the body that is read: /version has 50, /health 30
	maxPrefix = 200      // of a body that is not what was expected, for the report
)

// get asks for one path inside TLS, over HTTP/1.1.
func (p *prober) get(ctx context.Context, path string) analysis.ProbeRequest {
	r := analysis.ProbeRequest{Path: path}
	r.Attempt = p.try(ctx, step{purpose: "request", offered: "http/1.1", certificate: true, versions: [2]uint16{p.MinVersion, p.MaxVersion},
		alpn: []string{"http/1.1"}, get: func(t *tls.Conn) error { return exchange(t, p.target.String(), &r) }})
	return r
}

// exchange sends the request and reads a bounded answer.
func exchange(t *tls.Conn, host string, r *analysis.ProbeRequest) error {
	if _, err := fmt.Fprintf(t, "GET %s HTTP/1.1\r\nHost: %s\r\nUser-Agent: etcdtap\r\nConnection: close\r\n\r\n", r.Path, host); err != nil {
		return err
	}
	answer, err := http.ReadResponse(bufio.NewReader(io.LimitReader(t, maxAnswer)), nil)
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	r.Status = answer.StatusCode
	body, err := io.ReadAll(io.LimitReader(answer.Body, maxBody))
	if err != nil && len(body) == 0 {
		return err
	}
	take(r, body)
	return nil
}

// take reads etcd's answer: of /version {"etcdserver":…,"etcdcluster":…}, of /health {"health":"true"}.
func take(r *analysis.ProbeRequest, body []byte) {
	var v struct {
		Server  string `json:"etcdserver"`
		Cluster string `json:"etcdcluster"`
		Health  string `json:"health"`
	}
	if json.Unmarshal(body, &v) != nil || v.Server == "" && v.Health == "" {
		r.BodyPrefix = string(body[:min(len(body), maxPrefix)])
		return
	}
	cut := func(s string) string { return s[:min(len(s), maxPrefix)] }
	r.Server, r.Cluster, r.Health = cut(v.Server), cut(v.Cluster), cut(v.Health)
}
