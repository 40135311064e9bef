package report

import (
	"net/netip"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/etcdtap/etcdtap/analysis"
)

// appendWrapped appends text in lines of at most width columns (a longer word gets a line of its own). The first line begins with
// first, the others with rest.
func appendWrapped(dst []byte, text, first, rest string, width int) []byte {
	dst = append(dst, first...)
	column, begun := utf8.RuneCountInString(first), false
	for word := range strings.FieldsSeq(text) {
		n := utf8.RuneCountInString(word)
		switch {
		case !begun:
			begun = true
		case column+1+n > width:
			dst = append(append(dst, '\n'), rest...)
			column = utf8.RuneCountInString(rest)
		default:
			dst = append(dst, ' ')
			column++
		}
		dst = append(dst, word...)
		column += n
	}
	return append(dst, '\n')
}

// appendPadded appends s and blanks up to width columns.
func appendPadded(dst []byte, s string, width int) []byte {
	dst = append(dst, s...)
	for n := utf8.RuneCountInString(s); n < width; n++ {
		dst = append(dst, ' ')
	}
	return dst
}

// appendRight appends s after as many blanks as make it end at column width, at least two. column is where dst's line ends.
func appendRight(dst []byte, s string, column, width int) []byte {
	dst = append(dst, ' ', ' ')
	for n := column + 2 + utf8.RuneCountInString(s); n < width; n++ {
		dst = append(dst, ' ')
	}
	return append(dst, s...)
}

// printable escapes what a terminal must not see. The findings' texts are escaped already where they quote the wire; this is the
// second lock on that door, and it leaves backslashes alone so that nothing is escaped twice.
func printable(s string) string {
	for _, r := range s {
		if r != ' ' && r != '\n' && !strconv.IsPrint(r) || r == utf8.RuneError {
			return analysis.Quote(s)
		}
	}
	return s
}

// appendEnd appends an address and port. A zone is whatever somebody called an interface, or wrote into a log.
func appendEnd(dst []byte, a netip.AddrPort) []byte {
	if a.Addr().Zone() != "" {
		return append(dst, printable(a.String())...)
	}
	if !a.IsValid() {
		return append(dst, analysis.EndpointText(a)...)
	}
	return a.AppendTo(dst)
}

// style is an SGR sequence (ECMA-48, Section 8.3.117).
type style string

const (
	plain  style = ""
	red    style = "\x1b[31m"
	green  style = "\x1b[32m"
	yellow style = "\x1b[33m"
	dim    style = "\x1b[2m"
	bold   style = "\x1b[1m"

	resetStyle = "\x1b[0m"
)

// appendClock appends the time of day with milliseconds, as in 02:56:29.148.
func appendClock(dst []byte, t time.Time) []byte {
	t = t.UTC()
	hour, minute, second := t.Clock()
	dst = append(appendDigits(append(appendDigits(dst, hour, 2), ':'), minute, 2), ':')
	return appendDigits(append(appendDigits(dst, second, 2), '.'), t.Nanosecond()/1e6, 3)
}

// interval writes a time between two attempts with three digits or so.
func interval(d time.Duration) string {
	switch {
	case d < time.Second:
		return number(d.Milliseconds()) + " ms"
	case d < 10*time.Second:
		return strconv.FormatFloat(d.Seconds(), 'f', 2, 64) + " s"
	case d < 2*time.Minute:
		return strconv.FormatFloat(d.Seconds(), 'f', 1, 64) + " s"
	}
	return d.Round(time.Second).String()
}

func number(n int64) string { return strconv.FormatInt(n, 10) }

// plural is "1 packet", "2 packets".
func plural(n int64, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return number(n) + " " + noun + "s"
}
