package etcdlog

import (
	"unicode/utf16"
	"unicode/utf8"
)

// object walks the members of one flat JSON object without allocating. It is
// lenient where a log may have been cut: what was whole before the cut is given.
type object struct {
	b      []byte
	i      int
	broken bool // the object ended too early or is not JSON
}

// value is the value of a member, as it stands between its delimiters.
type value struct {
	kind byte   // '"' string, '{', '[' or '0' for numbers and literals
	raw  []byte // a string without its quotes, escapes kept; anything else whole
}

func newObject(b []byte) object {
	o := object{b: b}
	if o.space(); o.i < len(b) && b[o.i] == '{' {
		o.i++
	} else {
		o.i, o.broken = len(b), true
	}
	return o
}

// next gives the next member; ok is false at the end of the object.
func (o *object) next() (key []byte, v value, ok bool) {
	for o.space(); o.i < len(o.b) && o.b[o.i] == ','; o.space() {
		o.i++
	}
	if o.i >= len(o.b) || o.b[o.i] != '"' {
		o.broken = o.broken || o.i >= len(o.b) || o.b[o.i] != '}'
		return nil, value{}, false
	}
	if key, ok = o.string(); !ok {
		return nil, value{}, false
	}
	o.space()
	if o.i >= len(o.b) || o.b[o.i] != ':' {
		o.broken = true
		return nil, value{}, false
	}
	o.i++
	o.space()
	v, ok = o.value()
	return key, v, ok
}

func (o *object) space() {
	for o.i < len(o.b) && (o.b[o.i] == ' ' || o.b[o.i] == '\t' || o.b[o.i] == '\n' || o.b[o.i] == '\r') {
		o.i++
	}
}

// string takes a string. A string that is cut gives what is there of it.
func (o *object) string() ([]byte, bool) {
	o.i++
	begin := o.i
	for o.i < len(o.b) {
		switch o.b[o.i] {
		case '\\':
			o.i++
		case '"':
			o.i++
			return o.b[begin : o.i-1], true
		}
		o.i++
	}
	o.i, o.broken = len(o.b), true
	return o.b[min(begin, len(o.b)):], true
}

func (o *object) value() (value, bool) {
	if o.i >= len(o.b) {
		o.broken = true
		return value{}, false
	}
	begin := o.i
	switch o.b[o.i] {
	case '"':
		s, ok := o.string()
		return value{'"', s}, ok
	case '{', '[':
		o.nested()
		return value{o.b[begin], o.b[begin:o.i]}, true
	}
	for o.i < len(o.b) && o.b[o.i] != ',' && o.b[o.i] != '}' && o.b[o.i] != ' ' {
		o.i++
	}
	return value{'0', o.b[begin:o.i]}, o.i > begin
}

// nested passes over an array or object by counting brackets: no recursion,
// however deep it goes.
func (o *object) nested() {
	depth := 0
	for o.i < len(o.b) {
		switch o.b[o.i] {
		case '"':
			o.string()
			continue
		case '{', '[':
			depth++
		case '}', ']':
			depth--
		}
		o.i++
		if depth == 0 {
			return
		}
	}
	o.broken = true
}

// Bounds on the names of a certificate, as they come out of a log: RFC 1035
// has 253 characters for a name, and 64 names are more than any member has.
const (
	maxName  = 256
	maxNames = 64
)

// strings gives the strings of an array, unescaped: the first maxNames.
func (v value) strings() []string {
	if v.kind != '[' {
		return nil
	}
	list := []string{}
	o := object{b: v.raw, i: 1}
	for o.i < len(o.b) && len(list) < maxNames {
		if o.b[o.i] != '"' {
			o.i++
			continue
		}
		s, _ := o.string()
		s = unescape(nil, s[:min(len(s), 2*maxName)])
		list = append(list, string(s[:min(len(s), maxName)]))
	}
	return list
}

// unescape appends the text of a JSON string to dst. What is no escape of JSON
// is kept as it stands; \x.. and \a of Go's strings are understood as well,
// since logfmt and %q write those.
func unescape(dst, s []byte) []byte {
	for i := 0; i < len(s); i++ {
		if s[i] != '\\' || i+1 >= len(s) {
			dst = append(dst, s[i])
			continue
		}
		i++
		switch s[i] {
		case 'n':
			dst = append(dst, '\n')
		case 't':
			dst = append(dst, '\t')
		case 'r':
			dst = append(dst, '\r')
		case 'b':
			dst = append(dst, '\b')
		case 'f':
			dst = append(dst, '\f')
		case 'a':
			dst = append(dst, '\a')
		case 'v':
			dst = append(dst, '\v')
		case '"', '\\', '/', '\'':
			dst = append(dst, s[i])
		case 'u', 'x', 'U':
			var n int
			dst, n = unescapeHex(dst, s[i:])
			i += n
		default:
			dst = append(dst, '\\', s[i])
		}
	}
	return dst
}

// unescapeHex appends the character of s, "u00e9…", "x1b…" or "U0001f600…", and
// gives how many digits it used. \x is a byte, not a character.
func unescapeHex(dst, s []byte) ([]byte, int) {
	digits := 4
	switch s[0] {
	case 'x':
		digits = 2
	case 'U':
		digits = 8
	}
	r, ok := hexDigits(s[1:], digits)
	if !ok {
		return append(dst, '\\', s[0]), 0
	}
	if s[0] == 'x' {
		return append(dst, byte(r)), digits
	}
	if utf16.IsSurrogate(r) && len(s) >= 11 && s[5] == '\\' && s[6] == 'u' {
		if low, ok := hexDigits(s[7:], 4); ok {
			return utf8.AppendRune(dst, utf16.DecodeRune(r, low)), 10
		}
	}
	return utf8.AppendRune(dst, r), digits
}

func hexDigits(s []byte, n int) (rune, bool) {
	if len(s) < n {
		return 0, false
	}
	var r rune
	for _, c := range s[:n] {
		switch {
		case '0' <= c && c <= '9':
			r = r<<4 | rune(c-'0')
		case 'a' <= c && c <= 'f':
			r = r<<4 | rune(c-'a'+10)
		case 'A' <= c && c <= 'F':
			r = r<<4 | rune(c-'A'+10)
		default:
			return 0, false
		}
	}
	return r, true
}
