package etcdlog

import "bytes"

// unwrap takes up to MaxDepth wrappers off l.b, outermost first.
func (l *line) unwrap() {
	for l.depth < MaxDepth {
		l.b = bytes.TrimLeft(l.b, " \t")
		w := l.unwrapOne()
		if w == WrapperNone {
			return
		}
		l.e.Wrappers[l.depth] = w
		l.depth++
	}
}

// unwrapOne takes one wrapper off.
func (l *line) unwrapOne() Wrapper {
	if len(l.b) < 2 {
		return WrapperNone
	}
	switch c := l.b[0]; {
	case c == '{':
		return l.unwrapJSON()
	case c == '[':
		return l.unwrapPod()
	case c == '<':
		return l.unwrapSyslog()
	case c == 't' && bytes.HasPrefix(l.b, []byte("time=")):
		return l.unwrapLogfmt()
	case '0' <= c && c <= '9':
		return l.unwrapStamp()
	case 'A' <= c && c <= 'Z':
		if t, rest := monthTime(l.b); t.ok() {
			return l.unwrapUnit(t, rest)
		}
		return l.unwrapWeekday()
	}
	return WrapperNone
}

// took notes the time of a wrapper, if it says more than those outside, and
// goes on with its content.
func (l *line) took(w Wrapper, t stamp, content []byte) Wrapper {
	if t.ok() && (!l.wrapped.ok() || t.zone && !l.wrapped.zone) {
		l.wrapped = t
	}
	l.b = content
	return w
}

// unwrapStamp takes what begins with a full date: CRI's and kubectl's RFC 3339
// with a fraction, journalctl's short-iso. The times of capnslog, gRPC and the
// console format are the line's own and stay.
func (l *line) unwrapStamp() Wrapper {
	t, rest := dateTime(l.b)
	if !t.ok() || !t.zone || len(rest) == 0 || rest[0] != ' ' {
		return WrapperNone
	}
	if content, _, ok := criContent(rest); ok {
		return l.took(WrapperCRI, t, content)
	}
	if w := l.unwrapUnit(t, rest); w != WrapperNone {
		return w
	}
	return l.took(WrapperKubectl, t, rest[1:])
}

// unwrapUnit takes " host etcd[123]: " or " host etcd: ", as journald's short
// forms and syslog files have it after the time.
func (l *line) unwrapUnit(t stamp, rest []byte) Wrapper {
	content, ok := unitContent(rest)
	if !ok {
		return WrapperNone
	}
	return l.took(WrapperJournalShort, t, content)
}

// maxTag bounds host and unit: a host name has at most 255 bytes, the tag of
// RFC 3164 32, a systemd unit 255.
const maxTag = 255

func unitContent(rest []byte) ([]byte, bool) {
	_, rest, ok := word(rest) // host
	if !ok {
		return nil, false
	}
	tag, rest, ok := word(rest)
	if !ok || len(tag) < 2 || tag[len(tag)-1] != ':' || bytes.IndexByte(tag, '"') >= 0 {
		return nil, false
	}
	return rest, true
}

// word takes a word after spaces, and what follows the one space behind it.
func word(b []byte) (w, rest []byte, ok bool) {
	b = bytes.TrimLeft(b, " ")
	i := bytes.IndexByte(b[:min(len(b), maxTag)], ' ')
	if i <= 0 {
		return nil, nil, false
	}
	return b[:i], b[i+1:], true
}

// unwrapWeekday takes journalctl's short-full: "Mon 2026-11-23 07:38:18 UTC host etcd[1]: ".
func (l *line) unwrapWeekday() Wrapper {
	if len(l.b) < 24 || l.b[3] != ' ' {
		return WrapperNone
	}
	t, rest := dateTime(l.b[4:])
	if !t.ok() {
		return WrapperNone
	}
	name, rest, ok := word(rest)
	if !ok {
		return WrapperNone
	}
	t.zone = t.zone || string(name) == "UTC"
	return l.unwrapUnit(t, rest)
}

// unwrapPod takes "[pod/etcd-cp-1/etcd] ", of kubectl logs --prefix.
func (l *line) unwrapPod() Wrapper {
	const prefix = "[pod/"
	if !bytes.HasPrefix(l.b, []byte(prefix)) {
		return WrapperNone
	}
	i := bytes.Index(l.b[:min(len(l.b), 2*maxTag)], []byte("] "))
	if i < 0 {
		return WrapperNone
	}
	return l.took(WrapperPod, stamp{}, l.b[i+2:])
}

// unwrapSyslog takes the header of RFC 3164, "<30>Nov 23 07:38:18 cp-1 etcd[1]: ",
// or of RFC 5424, "<30>1 2026-11-23T07:38:18Z cp-1 etcd 1 - - ".
func (l *line) unwrapSyslog() Wrapper {
	end := bytes.IndexByte(l.b[:min(len(l.b), 5)], '>')
	if end < 2 {
		return WrapperNone
	}
	b := l.b[end+1:]
	if t, rest := monthTime(b); t.ok() {
		if content, ok := unitContent(rest); ok {
			return l.took(WrapperSyslog, t, content)
		}
		return WrapperNone
	}
	if !bytes.HasPrefix(b, []byte("1 ")) {
		return WrapperNone
	}
	t, rest := dateTime(b[2:])
	words := 4 // HOSTNAME APP-NAME PROCID MSGID
	if !t.ok() {
		words++ // the time is NILVALUE
	}
	for range words {
		var ok bool
		if _, rest, ok = word(rest); !ok {
			return WrapperNone
		}
	}
	return l.took(WrapperSyslog, t, afterStructuredData(rest))
}

// afterStructuredData passes over "-" or "[id name=\"value\" …]…" (RFC 5424, Section 6.3).
func afterStructuredData(b []byte) []byte {
	b = bytes.TrimLeft(b, " ")
	if len(b) > 0 && b[0] == '-' {
		b = b[1:]
	}
	quoted := false
	for i := 0; len(b) > 0 && b[0] == '['; {
		i++
		switch {
		case i >= len(b):
			return nil
		case b[i] == '\\':
			i++
		case b[i] == '"':
			quoted = !quoted
		case b[i] == ']' && !quoted:
			b, i = b[i+1:], 0
		}
	}
	return bytes.TrimPrefix(bytes.TrimLeft(b, " "), []byte("\xef\xbb\xbf"))
}

// unwrapLogfmt takes k0s' supervisor line: time="…" level=… msg="…" component=etcd.
func (l *line) unwrapLogfmt() Wrapper {
	const msg = ` msg="`
	i := bytes.Index(l.b, []byte(msg))
	if i < 0 {
		return WrapperNone
	}
	t, _ := dateTime(bytes.TrimLeft(l.b[len("time="):], `"`))
	o := object{b: l.b, i: i + len(msg) - 1}
	quoted, _ := o.string()
	l.e.Broken = l.e.Broken || o.broken
	return l.took(WrapperK0s, t, l.unescaped(quoted))
}

// unescaped unescapes into the scratch of this level of wrapping.
func (l *line) unescaped(s []byte) []byte {
	l.p.scratch[l.depth] = unescape(l.p.scratch[l.depth][:0], s)
	return l.p.scratch[l.depth]
}
