package etcdlog

import (
	"bytes"
)

// klog parses the lines of kube-apiserver that come from its client of etcd:
// "W1123 07:38:18.155012       1 logging.go:59] [core] [Channel #1 SubChannel
// #2] grpc: addrConn.createTransport failed to connect to {…}. Err: …". Other
// TLS errors of kube-apiserver are of its own clients and web hooks, and none of etcd's.
func (l *line) klog() bool {
	t, level, rest := klogHead(l.b)
	if !t.ok() {
		return false
	}
	caller, msg, ok := bytes.Cut(rest[:min(len(rest), MaxText)], []byte("] "))
	if !ok {
		return false
	}
	caller = caller[bytes.LastIndexByte(caller, ' ')+1:]
	if !l.clientError(msg) {
		return false
	}
	e := l.e
	l.own = t
	e.Format, e.Level, e.Caller = FormatKlog, level, text(caller)
	e.Message = text(msg)
	return true
}

// klogHead reads "W1123 07:38:18.155012 ": level, month and day, time.
func klogHead(b []byte) (t stamp, level string, rest []byte) {
	if len(b) < len("W1123 07:38:18.155012 ") || bytes.IndexByte([]byte("IWEF"), b[0]) < 0 || b[5] != ' ' {
		return stamp{}, "", b
	}
	s := scan{b: b[1:]}
	month := s.digits(2, true)
	day := s.digits(2, true)
	s.one(" ")
	if s.bad {
		return stamp{}, "", b
	}
	t, rest = s.finish(b, 0, month, day)
	t.noYear = true
	return t, string(b[:1]), rest
}
