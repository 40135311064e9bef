package analysis

import (
	"encoding/hex"
	"net/netip"
	"strconv"
	"unicode/utf8"
)

func itoa[T ~int | ~int64](n T) string { return strconv.FormatInt(int64(n), 10) }

// HostText is an address for people. Those who come by a unix socket have none.
func HostText(a netip.Addr) string {
	if !a.IsValid() {
		return "unix socket"
	}
	return a.String()
}

// EndpointText is an endpoint for people. A port alone is that of a server by name, of which the proxy found no address.
func EndpointText(a netip.AddrPort) string {
	if !a.IsValid() {
		if a.Port() != 0 {
			return "unresolved:" + itoa(int(a.Port()))
		}
		return "unix socket"
	}
	return a.String()
}

// count writes a number of things.
func count(n int64, thing string) string {
	if n == 1 {
		return "1 " + thing
	}
	return itoa(n) + " " + thing + "s"
}

func hexBytes(b []byte) string { return hex.EncodeToString(b) }

// spelled writes bytes in hexadecimal, and as text where they are nothing else.
func spelled(b []byte) string {
	for _, c := range b {
		if c < 0x20 || c >= 0x7f {
			return hexBytes(b)
		}
	}
	return hexBytes(b) + " (" + strconv.Quote(string(b)) + ")"
}

// Quote escapes text that came from the wire or a log so that it can be printed: control characters, invalid UTF-8 and
// everything that could move a terminal's cursor or reorder a line become escapes.
func Quote(s string) string {
	for i := 0; i < len(s); i++ {
		if c := s[i]; c < 0x20 || c >= 0x7f || c == '\\' {
			return quote(s)
		}
	}
	return s
}

// maxBrief bounds, in bytes, a text from the wire inside a finding: the longest domain name has 253. Certificates, server names and
// protocol names can have 64 KiB.
const maxBrief = 256

// brief is Quote for a sentence: it cuts what is too long.
func brief(s string) string {
	q := Quote(s[:min(len(s), maxBrief)])
	if len(s) <= maxBrief && len(q) <= maxBrief {
		return q
	}
	n := min(len(q), maxBrief)
	for n > 0 && n < len(q) && !utf8.RuneStart(q[n]) {
		n--
	}
	return q[:n] + "…"
}

// listMost is how many elements of a list from the wire a sentence names.
const listMost = 12

// briefly joins a list from the wire.
func briefly(list []string) string {
	out := ""
	for i, s := range list {
		if i == listMost {
			return out + " and " + itoa(len(list)-listMost) + " more"
		}
		if i > 0 {
			out += ", "
		}
		out += brief(s)
	}
	return out
}

func quote(s string) string {
	b := make([]byte, 0, len(s)+16)
	for len(s) > 0 {
		r, n := utf8.DecodeRuneInString(s)
		switch {
		case r == '\\':
			b = append(b, `\\`...)
		case r == '\n':
			b = append(b, `\n`...)
		case r == '\r':
			b = append(b, `\r`...)
		case r == '\t':
			b = append(b, `\t`...)
		case r == utf8.RuneError && n == 1, r < 0x20, r == 0x7f:
			b = append(b, `\x`...)
			b = append(b, hexBytes([]byte{s[0]})...)
		case !strconv.IsPrint(r):
			q := strconv.QuoteRuneToASCII(r)
			b = append(b, q[1:len(q)-1]...)
		default:
			b = append(b, s[:n]...)
		}
		s = s[n:]
	}
	return string(b)
}
