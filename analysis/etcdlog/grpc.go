package etcdlog

import (
	"bytes"
	"strings"
)

// grpc parses the lines of gRPC's own logger in etcd:
//
//	WARNING: 2026/11/23 07:45:23 grpc: Server.Serve failed to complete security handshake from "IP:P": ERR
//	WARNING: 2026/11/23 07:45:23 [core] grpc: Server.Serve failed to create ServerTransport:  connection error: desc = "ServerHandshake(\"IP:P\") failed: ERR"
//	2026/11/23 07:45:23 WARNING: [core] [Server #3] grpc: …
//
// and, if GRPC_GO_LOG_FORMATTER=json, the same in an object: that is zapJSON's.
func (l *line) grpc() bool {
	e := l.e
	if !l.grpcServer(l.b) {
		return false
	}
	e.Format = FormatGRPC
	l.grpcHead()
	i := max(bytes.Index(l.b, []byte("grpc: ")), 0)
	e.Message = text(l.b[i:])
	return true
}

// grpcHead reads the level, the time and, from their order, the versions.
func (l *line) grpcHead() {
	e := l.e
	b := l.b
	levelFirst := false
	for _, level := range [...]string{"WARNING", "INFO", "ERROR"} {
		i := bytes.Index(b[:min(len(b), maxHead)], []byte(level+": "))
		if i < 0 {
			continue
		}
		e.Level = level
		t, _ := dateTime(b[i+len(level)+2:])
		levelFirst = t.ok()
		break
	}
	for i := 0; i < min(len(b), maxHead) && !l.own.ok(); i++ {
		l.own, _ = dateTime(b[i:])
	}
	if !l.own.ok() {
		return
	}
	core := contains(b, "[core]")
	security := contains(b, "security handshake")
	switch {
	case security && core:
		e.Versions = versionsSecurityCore
	case security:
		e.Versions = versionsSecurityNoCore
	case levelFirst:
		e.Versions = versionsTransport
	default:
		e.Versions = versionsDateFirst
	}
}

// grpcServer reads the message of a gRPC server about a failed handshake, in b
// or anywhere within.
func (l *line) grpcServer(b []byte) bool {
	e := l.e
	if i := bytes.Index(b, []byte("security handshake from ")); i >= 0 {
		q := quoted{b: b[i+len("security handshake from "):]}
		remote, ok := q.text()
		if !ok || !q.skip(": ") {
			return false
		}
		e.Kind, e.Remote, e.Error = KindServerHandshake, addrPort(remote), text(q.b)
		l.readError()
		return true
	}
	if !contains(b, "ServerHandshake(") {
		return false
	}
	s := string(b[:min(len(b), MaxText)])
	if _, after, ok := strings.Cut(s, `desc = "`); ok {
		q := quoted{b: []byte(`"` + after)}
		var closed bool
		s, closed = q.text()
		e.Broken = e.Broken || !closed
	}
	_, s, _ = strings.Cut(s, "ServerHandshake(")
	q := quoted{b: []byte(s)}
	remote, ok := q.text()
	if !ok || !q.skip(") failed: ") {
		return false
	}
	e.Kind, e.Remote, e.Error = KindServerHandshake, addrPort(remote), string(q.b)
	l.readError()
	return true
}
