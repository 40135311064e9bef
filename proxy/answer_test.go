package proxy

import (
	"context"
	"crypto/tls"
	"io"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/etcdtap/etcdtap/analysis"
)

// TestAnswerPlaintext: HTTP in clear to a TLS upstream is explained, and all else passes.
func TestAnswerPlaintext(t *testing.T) {
	var got atomic.Int64
	up := upstream(t, func(c net.Conn) {
		n, _ := io.Copy(struct{ io.Writer }{c}, struct{ io.Reader }{c})
		got.Add(n)
	})
	r := &recorder{}
	m := parsed(t, "127.0.0.1:0="+up)
	m.TLS = true
	p := start(t, &Server{Maps: []Map{m}, AnswerPlaintext: true, Observer: r}, "")

	response, err := http.Post("http://"+p.addr()+"/v3/kv/range", "application/json", strings.NewReader(strings.Repeat("x", 100_000)))
	if err != nil {
		t.Fatal(err)
	}
	body, err := io.ReadAll(response.Body)
	if err != nil || response.StatusCode != 400 || !strings.Contains(string(body), "https://") {
		t.Errorf("%d, %q, %v", response.StatusCode, body, err)
	}
	response.Body.Close()
	http.DefaultClient.CloseIdleConnections()
	if _, f, e := r.first(t, 1); !e.Answered || f.Stream[0].Protocol != analysis.ProtocolHTTP1 || got.Load() != 0 {
		t.Errorf("%+v, %v, the upstream got %d bytes", e, f.Stream[0].Protocol, got.Load())
	}

	for _, contentType := range []string{"application/grpc", "text/plain"} {
		var protocols http.Protocols
		protocols.SetUnencryptedHTTP2(true)
		transport := &http.Transport{Protocols: &protocols, DisableKeepAlives: true}
		request, _ := http.NewRequestWithContext(context.Background(), "POST", "http://"+p.addr()+"/etcdserverpb.KV/Range", strings.NewReader("xxxxx"))
		request.Header.Set("Content-Type", contentType)
		response, err := transport.RoundTrip(request)
		if err != nil {
			t.Fatalf("%s: %v", contentType, err)
		}
		body, err := io.ReadAll(response.Body)
		text, status := string(body), 400
		if contentType == "application/grpc" {
			text, status = response.Header.Get("Grpc-Message"), 200
			if response.Header.Get("Grpc-Status") != "14" {
				t.Errorf("%v", response.Header)
			}
		}
		if err != nil || response.StatusCode != status || !strings.Contains(text, "-plaintext") {
			t.Errorf("%s: %d, %q, %v", contentType, response.StatusCode, text, err)
		}
		response.Body.Close()
		transport.CloseIdleConnections()
	}

	for _, other := range []string{"GETTING", "SSH-2.0-x\r\n", "P", "\x16\x03\x01", "POSTAGE STAMP", "PRI * HTTP/1.1"} {
		c := p.dial()
		for i := range other {
			io.WriteString(c, other[i:i+1])
		}
		c.(*net.TCPConn).CloseWrite()
		if got, err := io.ReadAll(c); err != nil || string(got) != other {
			t.Errorf("%q: came back as %q, %v", other, got, err)
		}
	}
}

// TestLearnsTLS: whether an upstream speaks TLS is learned from what it answers.
func TestLearnsTLS(t *testing.T) {
	certificate, pool := testCertificate(t)
	up := upstream(t, func(c net.Conn) {
		tls.Server(c, &tls.Config{Certificates: []tls.Certificate{certificate}}).Handshake()
	})
	p := start(t, &Server{AnswerPlaintext: true}, up)
	ask := func() string {
		c := p.dial()
		defer c.Close()
		io.WriteString(c, "GET / HTTP/1.1\r\nHost: x\r\n\r\n")
		got, _ := io.ReadAll(c)
		return string(got)
	}
	if got := ask(); strings.Contains(got, "400") {
		t.Errorf("answered %q before it was known", got)
	}
	c := tls.Client(p.dial(), &tls.Config{RootCAs: pool, ServerName: "etcd"})
	if err := c.Handshake(); err != nil {
		t.Fatal(err)
	}
	c.Close()
	eventually(t, "it is learned", func() bool { return strings.HasPrefix(ask(), "HTTP/1.1 400 ") })
}
