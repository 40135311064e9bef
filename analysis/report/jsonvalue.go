package report

import (
	"encoding/binary"
	"encoding/hex"
	"math/bits"
	"net/netip"
	"slices"
	"strconv"
	"time"
	"unicode/utf8"

	"github.com/etcdtap/etcdtap/analysis"
)

// The functions here append one JSON value each, without reflection: output is more than half of the work of a tool like this
// when it is made by reflection.

// Bounds on what comes from the wire, where analysis has no narrower one. A message of 64 KiB may hold 32,767 cipher suites, whose names
// have twenty times as many bytes, or one name of 64 KiB.
const (
	maxListed = 512     // elements of a list: ten times what any real hello or certificate has. More are counted
	maxText   = 4 << 10 // bytes of a text before escaping: as many as of a line of a log. What was cut ends in "…"
)

const hexDigits = "0123456789abcdef"

// appendString appends s as a JSON string (RFC 8259, Section 7) that is also harmless in a terminal and in JavaScript: control
// characters, DEL, C1 and the line separators U+2028 and U+2029 are escaped, and bytes that are not UTF-8 become U+FFFD.
func appendString(dst []byte, s string) []byte {
	dst = append(dst, '"')
	if len(s) > maxText {
		return append(append(appendEscaped(dst, s[:cutAt(s, maxText)]), "…"...), '"')
	}
	return append(appendEscaped(dst, s), '"')
}

// cutAt is the last place up to n where s can be cut without cutting a character.
func cutAt(s string, n int) int {
	for at := n; at > n-utf8.UTFMax; at-- {
		if utf8.RuneStart(s[at]) {
			return at
		}
	}
	return n
}

func appendEscaped(dst []byte, s string) []byte {
	from := 0
	for i := 0; i < len(s); {
		if c := s[i]; c >= 0x20 && c < 0x7f && c != '"' && c != '\\' {
			i++
			continue
		}
		r, n := utf8.DecodeRuneInString(s[i:])
		if r >= 0xa0 && r != '\u2028' && r != '\u2029' && (r != utf8.RuneError || n > 1) {
			i += n
			continue
		}
		dst = appendEscape(append(dst, s[from:i]...), r)
		i += n
		from = i
	}
	return append(dst, s[from:]...)
}

func appendEscape(dst []byte, r rune) []byte {
	switch r {
	case '"', '\\':
		return append(dst, '\\', byte(r))
	case '\n':
		return append(dst, `\n`...)
	case '\r':
		return append(dst, `\r`...)
	case '\t':
		return append(dst, `\t`...)
	}
	return append(dst, '\\', 'u', hexDigits[r>>12&15], hexDigits[r>>8&15], hexDigits[r>>4&15], hexDigits[r&15])
}

// appendName appends a string of ours, which needs no escapes.
func appendName(dst []byte, s string) []byte {
	return append(append(append(dst, '"'), s...), '"')
}

func appendHex(dst, b []byte) []byte {
	return append(hex.AppendEncode(append(dst, '"'), b), '"')
}

// appendInt appends a number. Most are a single digit.
func appendInt(dst []byte, n int64) []byte {
	switch {
	case n >= 0 && n < 10:
		return append(dst, '0'+byte(n))
	case n < 0 || n >= 1e8:
		return strconv.AppendInt(dst, n, 10)
	}
	digits := eightDigits(uint32(n))
	none := bits.TrailingZeros64(digits) &^ 7 // bits of leading zeros
	dst = binary.LittleEndian.AppendUint64(dst, (digits|asciiZeros)>>none)
	return dst[:len(dst)-none/8]
}

// asciiZeros makes digits text.
const asciiZeros = 0x3030_3030_3030_3030

// eightDigits gives the decimal digits of a number below 10^8, one a byte, the first one lowest. It splits the number into halves, these
// into quarters and those into eighths, and all parts of a kind at once: multiplying by 10486 and dropping 20 bits divides what is below
// 10,000 by 100, multiplying by 103 and dropping 10 bits divides what is below 100 by 10.
func eightDigits(n uint32) uint64 {
	v := uint64(n/10_000) | uint64(n%10_000)<<32
	high := v * 10486 >> 20 & 0x0000_007f_0000_007f
	v = high | (v-100*high)<<16
	high = v * 103 >> 10 & 0x000f_000f_000f_000f
	return high | (v-10*high)<<8
}

func appendBool(dst []byte, v bool) []byte { return strconv.AppendBool(dst, v) }

// appendTime appends a time in UTC with nine digits of the second, so that text order is time order; null when it is zero or no
// year of four digits.
func appendTime(dst []byte, t time.Time) []byte {
	const secondsPerDay = 24 * 60 * 60
	seconds := t.Unix()
	if t.IsZero() || seconds < firstSecond || seconds > lastSecond {
		return append(dst, "null"...)
	}
	since := uint64(seconds - firstSecond)
	year, month, day := date(uint32(since / secondsPerDay))
	clock, ns := uint32(since%secondsPerDay), uint32(t.Nanosecond())
	text := [...]byte{'"', 0, 0, 0, 0, '-', 0, 0, '-', 0, 0, 'T', 0, 0, ':', 0, 0, ':', 0, 0, '.'}
	twoDigits(text[1:3], year/100)
	twoDigits(text[3:5], year%100)
	twoDigits(text[6:8], month)
	twoDigits(text[9:11], day)
	twoDigits(text[12:14], clock/3600)
	twoDigits(text[15:17], clock/60%60)
	twoDigits(text[18:20], clock%60)
	return appendFraction(append(dst, text[:]...), ns)
}

// appendFraction appends what comes after the point of a time: the nanoseconds, and its end.
func appendFraction(dst []byte, ns uint32) []byte {
	dst = binary.LittleEndian.AppendUint64(dst, eightDigits(ns/10)|asciiZeros)
	return append(dst, '0'+byte(ns%10), 'Z', '"')
}

// The years from 0 to 9999, in seconds since the Unix epoch.
const (
	firstSecond = -62167219200
	lastSecond  = 253402300799
)

// date gives the day that comes so many days after the first of January of the year 0, in the Gregorian calendar. Years are counted
// from March on for it, so that the leap day is their last.
func date(days uint32) (year, month, day uint32) {
	const perEra, perCentury, perFour = 146_097, 36_524, 1461 // days in 400, 100 and 4 years
	const sinceMarch = 60                                     // days from January to March of the year 0, which is a leap year
	days += perEra - sinceMarch
	era := days / perEra
	day = days % perEra
	year = (day - day/(perFour-1) + day/perCentury - day/(perEra-1)) / 365
	day -= 365*year + year/4 - year/100
	month = (5*day + 2) / 153
	day -= (153*month+2)/5 - 1
	year += era*400 - 400 // may be below zero for the moment
	if month < 10 {
		return year, month + 3, day
	}
	return year + 1, month - 9, day
}

// twoDigits writes a number below 100.
func twoDigits(dst []byte, n uint32) {
	dst[1] = '0' + byte(n%10)
	dst[0] = '0' + byte(n/10)
}

// appendDigits appends n in decimal, width digits wide.
func appendDigits(dst []byte, n, width int) []byte {
	var room [9]byte
	for i := width - 1; i >= 0; i-- {
		room[i] = '0' + byte(n%10)
		n /= 10
	}
	return append(dst, room[:width]...)
}

// appendSeconds appends a duration in seconds, to the microsecond.
func appendSeconds(dst []byte, d time.Duration) []byte {
	return strconv.AppendFloat(dst, float64(d.Microseconds())/1e6, 'f', -1, 64)
}

func appendAddr(dst []byte, a netip.Addr) []byte {
	if !a.IsValid() {
		return append(dst, `""`...)
	}
	if a.Is4() {
		return append(appendIPv4(append(dst, '"'), a.As4()), '"')
	}
	if a.Zone() != "" {
		return appendString(dst, a.String())
	}
	return append(a.AppendTo(append(dst, '"')), '"')
}

// appendIPv4 appends an address in dotted decimal. Each number is written with a point and whatever comes to four bytes, and the next one
// over what was too much: how many digits there are, no processor can foretell.
func appendIPv4(dst []byte, a [4]byte) []byte {
	n := len(dst)
	dst = append(dst, "255.255.255.255."...)
	room := (*[16]byte)(dst[n:])
	end := 0
	for _, octet := range a {
		o := &octets[octet]
		binary.LittleEndian.PutUint32(room[end&15:], o.text)
		end += int(o.length)
	}
	return dst[:n+end-1]
}

// octets are the numbers up to 255 in decimal, each with a point behind it.
var octets = func() (all [256]struct{ text, length uint32 }) {
	for i := range all {
		var text [4]byte
		b := append(strconv.AppendInt(text[:0], int64(i), 10), '.')
		all[i].text, all[i].length = binary.LittleEndian.Uint32(text[:]), uint32(len(b))
	}
	return all
}()

func appendAddrPort(dst []byte, a netip.AddrPort) []byte {
	dst = appendAddr(append(dst, `{"ip":`...), a.Addr())
	return append(appendInt(append(dst, `,"port":`...), int64(a.Port())), '}')
}

// listed is what of a list is shown.
func listed[T any](list []T) []T { return list[:min(len(list), maxListed)] }

// beyond is how many elements of a list are not shown.
func beyond(n int) int64 { return int64(max(0, n-maxListed)) }

// appendStrings appends a list of texts from the wire.
func appendStrings(dst []byte, list []string) []byte {
	dst = append(dst, '[')
	for i, s := range listed(list) {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = appendString(dst, s)
	}
	return append(dst, ']')
}

// appendNames appends a list of registered names.
func appendNames[T interface{ String() string }](dst []byte, list []T) []byte {
	dst = append(dst, '[')
	for i, v := range listed(list) {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = appendName(dst, v.String())
	}
	return append(dst, ']')
}

// appendBothInts appends {"client":…,"server":…}.
func appendBothInts(dst []byte, client, server int64) []byte {
	dst = appendInt(append(dst, `{"client":`...), client)
	return append(appendInt(append(dst, `,"server":`...), server), '}')
}

// appendPacket appends a packet's number, null when there are no packets.
func appendPacket(dst []byte, n int64) []byte {
	if n == 0 {
		return append(dst, "null"...)
	}
	return appendInt(dst, n)
}

func appendCounts(dst []byte, list []analysis.Count) []byte {
	dst = append(dst, '[')
	if len(list) > maxListed {
		others := analysis.Count{Name: "others"}
		for i := maxListed - 1; i < len(list); i++ {
			others.N += list[i].N
		}
		list = append(slices.Clone(list[:maxListed-1]), others)
	}
	for i := range list {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = appendString(append(dst, `{"name":`...), list[i].Name)
		dst = append(appendInt(append(dst, `,"count":`...), list[i].N), '}')
	}
	return append(dst, ']')
}
