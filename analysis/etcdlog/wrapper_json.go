package etcdlog

import "bytes"

// unwrapJSON takes docker's json-file, journalctl -o json and objects that hold
// a line in "log". It leaves zap's own objects alone: those have neither.
func (l *line) unwrapJSON() Wrapper {
	var content value
	var t stamp
	w := WrapperNone
	stream, severity := false, false
	o := newObject(l.b)
	for key, v, ok := o.next(); ok; key, v, ok = o.next() {
		switch string(key) {
		case "log":
			content, w = v, WrapperGardener
		case "MESSAGE":
			content, w = v, WrapperJournalJSON
		case "msg": // a line of JSON inside another logger's message
			if w == WrapperNone && v.kind == '"' && bytes.HasPrefix(v.raw, []byte(`{\"`)) {
				content, w = v, WrapperGardener
			}
		case "message": // what log shippers name "log" otherwise
			if w == WrapperNone && v.kind == '"' {
				content, w = v, WrapperGardener
			}
		case "severity": // with "message": gRPC's own JSON (GRPC_GO_LOG_FORMATTER), no wrapper
			severity = true
		case "stream":
			stream = true
		case "time", "@timestamp", "timestamp", "ts":
			if x, _ := dateTime(v.raw); v.kind == '"' && x.ok() {
				t = x
			}
		case "__REALTIME_TIMESTAMP", "_SOURCE_REALTIME_TIMESTAMP":
			// The source's time is when it was written: it is preferred.
			if x := micros(v.raw); x.ok() && (!t.ok() || key[1] == 'S') {
				t = x
			}
		}
	}
	if w == WrapperNone || severity && w == WrapperGardener {
		return WrapperNone
	}
	b, ok := l.content(content)
	if !ok {
		return WrapperNone
	}
	if w == WrapperGardener && stream {
		w = WrapperDocker
	}
	l.e.Broken = l.e.Broken || o.broken
	return l.took(w, t, bytes.TrimRight(b, "\r\n"))
}

// content gives the text of a member: a string, or journald's array of bytes
// for texts that are not printable.
func (l *line) content(v value) ([]byte, bool) {
	switch v.kind {
	case '"':
		return l.unescaped(v.raw), true
	case '[':
		b := l.p.scratch[l.depth][:0]
		n, digits := 0, 0
		for _, c := range v.raw {
			if '0' <= c && c <= '9' && digits < 3 {
				n, digits = n*10+int(c-'0'), digits+1
				continue
			}
			if digits > 0 {
				b = append(b, byte(n))
			}
			n, digits = 0, 0
		}
		l.p.scratch[l.depth] = b
		return b, true
	}
	return nil, false
}
