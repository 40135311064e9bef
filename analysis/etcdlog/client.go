package etcdlog

import (
	"bytes"
	"strings"
)

// grpcClientMarks are texts of gRPC's client about a connection that failed.
var grpcClientMarks = [...]string{
	"createTransport failed to connect",
	"authentication handshake failed",
	"error reading server preface",
	"looked like an HTTP/1.1 header",
	"connection error: desc",
	"closed before server preface",
	"balancer error: write tcp ",
	"balancer error: read tcp ",
}

// clientError reads the message or error of a gRPC client: etcdctl,
// kube-apiserver, the grpc-gateway of etcd itself. What the error names as its
// address becomes Peer.
func (l *line) clientError(b []byte) bool {
	marked := false
	for _, m := range grpcClientMarks {
		if contains(b, m) {
			marked = true
			break
		}
	}
	if !marked {
		return false
	}
	e := l.e
	s := text(b)
	if strings.HasPrefix(s, `"`) { // klog quotes its structured messages
		q := quoted{b: []byte(s)}
		s, _ = q.text()
	}
	e.Kind = KindClient
	e.Error = innermost(s)
	if peer := dialTarget(s); peer != "" {
		l.setPeer(peer)
	}
	l.readError()
	return true
}

// maxQuotes bounds how often an error is found quoted in another: klog and
// cobra each add one to gRPC's.
const maxQuotes = 4

// innermost gives the text that the chain of "desc = …" of gRPC errors ends in.
func innermost(s string) string {
	for range maxQuotes {
		i := strings.LastIndex(s, "desc = ")
		if i < 0 {
			break
		}
		rest := s[i+len("desc = "):]
		if strings.HasPrefix(rest, `"`) {
			q := quoted{b: []byte(rest)}
			s, _ = q.text()
			continue
		}
		if !strings.HasPrefix(rest, `\`) {
			return rest
		}
		s = string(unescape(nil, []byte(s)))
	}
	for _, mark := range [...]string{"Err: ", "Err :", "authentication handshake failed", "error reading server preface"} {
		if i := strings.Index(s, mark); i > 0 {
			if strings.HasPrefix(mark, "Err") {
				return s[i+len(mark):]
			}
			return s[i:]
		}
	}
	return s
}

// dialTarget gives the address of "failed to connect to {Addr: \"H:P\", …}",
// of "{https://H:P  <nil> 0 <nil>}" and "{H:P H <nil> …}" (grpc 1.2x to 1.5x).
func dialTarget(s string) string {
	_, s, ok := strings.Cut(s, "failed to connect to {")
	if !ok {
		return ""
	}
	s = strings.TrimLeft(s, " \n")
	for _, name := range [...]string{`Addr: `, `"Addr": `, `\"Addr\": `} {
		s = strings.TrimPrefix(s, name)
	}
	s = strings.TrimLeft(s, `\"`)
	if i := strings.IndexAny(s, "\\\" ,}"); i >= 0 {
		s = s[:i]
	}
	_, after, ok := strings.Cut(s, "://")
	if ok {
		s = after
	}
	if !hostPort(s) {
		return ""
	}
	return s
}

// setPeer notes the other side as HOST:PORT, and its address if that is one.
func (l *line) setPeer(hostport string) {
	l.e.Peer = hostport
	l.e.Remote = addrPort(hostport)
}

// zapClient takes what etcdctl and other users of etcd's client package log,
// and gRPC's client inside etcd by way of zapgrpc.
func (l *line) zapClient(f *zapFields) bool {
	e := l.e
	if !l.clientError([]byte(e.Error)) && !l.clientError([]byte(e.Message)) {
		return false
	}
	target := l.string(f.target)
	if target == "" {
		target = l.string(f.endpoint)
	}
	target = target[strings.LastIndexByte(target, '/')+1:]
	if e.Peer == "" && hostPort(target) {
		l.setPeer(target)
	}
	return true
}

// clientText takes the plain lines that clients print.
func (l *line) clientText() bool {
	l.e.Format = FormatText
	l.e.Message = text(l.b)
	if l.curl() || l.grpcurl() || l.etcdctl() || l.openssl() || l.clientError(l.b) || l.goClient() {
		l.e.Kind = KindClient
		l.plainHeadTime()
		l.readError()
		return true
	}
	return false
}

// plainHeadTime reads a time that stands at the very begin of the line.
func (l *line) plainHeadTime() { l.own, _ = dateTime(l.b) }

// curl reads "curl: (35) OpenSSL/3.0.19: error:0A000412:SSL routines::…".
func (l *line) curl() bool {
	i := bytes.Index(l.b, []byte("curl: ("))
	if i < 0 || i > maxHead || !plainHead(l.b[:i]) {
		return false
	}
	s := scan{b: l.b[i+len("curl: ("):]}
	s.digits(3, false)
	s.one(")")
	if s.bad {
		return false
	}
	l.e.Error = text(l.b[i:])
	return true
}

// grpcurl reads `Failed to dial target host "HOST:2380": ERR`.
func (l *line) grpcurl() bool {
	const begin = "Failed to dial target host "
	i := bytes.Index(l.b, []byte(begin))
	if i < 0 || i > maxHead || !plainHead(l.b[:i]) {
		return false
	}
	q := quoted{b: l.b[i+len(begin):]}
	host, ok := q.text()
	if !ok || !q.skip(": ") {
		return false
	}
	if hostPort(host) {
		l.setPeer(host)
	}
	l.e.Error = text(q.b)
	return true
}

// etcdctl reads etcdctl's last line: "Error: context deadline exceeded" (API
// v3), "Error:  client: etcd cluster is unavailable or misconfigured; error
// #0: ERR" (API v2).
func (l *line) etcdctl() bool {
	s, ok := strings.CutPrefix(text(l.b), "Error: ")
	if !ok {
		return false
	}
	s = strings.TrimSpace(s)
	if s == "context deadline exceeded" {
		l.e.Error = s
		return true
	}
	if !strings.HasPrefix(s, "client: etcd cluster is unavailable") {
		return false
	}
	_, err, ok := strings.Cut(s, "error #0: ")
	if !ok {
		err = s
	}
	l.e.Error, _, _ = strings.Cut(err, "\n")
	return true
}

// openssl reads the errors of openssl s_client and of other users of OpenSSL.
func (l *line) openssl() bool {
	for _, mark := range [...]string{":SSL alert number ", ":wrong version number"} {
		if contains(l.b, mark) {
			if i := bytes.Index(l.b, []byte("error:")); i >= 0 && plainHead(l.b[:i]) {
				l.e.Error = text(l.b[i:])
				return true
			}
		}
	}
	if i := bytes.Index(l.b, []byte("verify error:num=")); i >= 0 {
		l.e.Error = text(l.b[i:])
		return true
	}
	i := bytes.Index(l.b, []byte("Verify return code: "))
	if i < 0 || contains(l.b, "Verify return code: 0 ") {
		return false
	}
	l.e.Error = text(l.b[i:])
	return true
}

// goClient reads the error of a Go program that found no TLS at the other end:
// `Get "https://10.0.0.8:2380/version": tls: first record does not look like a
// TLS handshake`. Servers of Kubernetes log their own clients in like words,
// with "http: TLS handshake error from"; those are none of etcd's.
func (l *line) goClient() bool {
	if contains(l.b, "TLS handshake error from") {
		return false
	}
	s := strings.TrimSpace(strings.TrimPrefix(text(l.b), "Error:"))
	i := max(strings.LastIndex(s, "tls: first record does not look"), strings.LastIndex(s, "http: server gave HTTP response"))
	if i < 0 || i > 0 && !strings.HasPrefix(s, `Get "https:`) && !strings.HasPrefix(s, `Post "https:`) {
		return false
	}
	l.e.Error = s[i:]
	l.e.Remote = urlAddr(s)
	return true
}
