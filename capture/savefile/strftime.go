package savefile

import (
	"strconv"
	"strings"
	"time"
)

// strftime fills in the conversions of strftime(3) in the C locale, with glibc's flags and widths; what it does not know stays as it
// is. A result of more than maxName bytes is cut somewhere beyond that.
func strftime(format string, t time.Time) string {
	var out strings.Builder
	for format != "" && out.Len() <= maxName {
		text, rest, found := strings.Cut(format, "%")
		out.WriteString(text)
		if !found {
			break
		}
		c, after := parseConversion(rest)
		value, known := c.convert(t)
		if !known {
			value = "%" + rest[:len(rest)-len(after)]
		}
		out.WriteString(value)
		format = after
	}
	return out.String()
}

// conversion is what stands behind a percent sign.
type conversion struct {
	pad   byte // '_', '-', '0', or 0 for the letter's own
	upper bool // ^
	swap  bool // #
	width int
	what  byte // 0 at the end of the format
}

func parseConversion(s string) (c conversion, rest string) {
flags:
	for ; s != ""; s = s[1:] {
		switch s[0] {
		case '_', '-', '0':
			c.pad = s[0]
		case '^':
			c.upper = true
		case '#':
			c.swap = true
		default:
			break flags
		}
	}
	for ; s != "" && s[0] >= '0' && s[0] <= '9'; s = s[1:] {
		c.width = min(c.width*10+int(s[0]-'0'), maxName+1)
	}
	if s != "" && (s[0] == 'E' || s[0] == 'O') { // other numerals and calendars, which the C locale has not
		s = s[1:]
	}
	if s == "" {
		return c, ""
	}
	c.what = s[0]
	return c, s[1:]
}

// convert gives the text of a conversion.
func (c *conversion) convert(t time.Time) (text string, known bool) {
	if n, digits, blank, ok := number(c.what, t); ok {
		return c.number(n, digits, blank), true
	}
	text, known = c.text(t)
	if !known {
		return "", false
	}
	if c.upper {
		text = strings.ToUpper(text)
	}
	if n := c.width - len(text); n > 0 && c.pad != '-' {
		fill := " "
		if c.pad == '0' {
			fill = "0"
		}
		text = strings.Repeat(fill, n) + text
	}
	return text, true
}

// number pads a number: to its own digits, or to a width.
func (c *conversion) number(n int64, digits int, blank bool) string {
	fill := "0"
	if c.pad == '_' || c.pad == 0 && blank {
		fill = " "
	}
	if c.pad == '-' {
		digits = 0
	}
	text := strconv.FormatInt(n, 10)
	if missing := max(digits, c.width) - len(text); missing > 0 {
		text = strings.Repeat(fill, missing) + text
	}
	return text
}

// number gives the conversions that are numbers, how many digits they have, and whether they are padded with blanks.
func number(what byte, t time.Time) (n int64, digits int, blank, known bool) {
	isoYear, isoWeek := t.ISOWeek()
	v, digits := 0, 2
	switch what {
	case 'C':
		v = t.Year() / 100
	case 'd', 'e':
		v, blank = t.Day(), what == 'e'
	case 'g':
		v = isoYear % 100
	case 'G':
		v, digits = isoYear, 4
	case 'H', 'k':
		v, blank = t.Hour(), what == 'k'
	case 'I', 'l':
		v, blank = (t.Hour()+11)%12+1, what == 'l'
	case 'j':
		v, digits = t.YearDay(), 3
	case 'm':
		v = int(t.Month())
	case 'M':
		v = t.Minute()
	case 's':
		return t.Unix(), 1, false, true
	case 'S':
		v = t.Second()
	case 'u':
		v, digits = (int(t.Weekday())+6)%7+1, 1
	case 'U': // weeks that begin on Sunday
		v = (t.YearDay() + 6 - int(t.Weekday())) / 7
	case 'V':
		v = isoWeek
	case 'w':
		v, digits = int(t.Weekday()), 1
	case 'W': // weeks that begin on Monday
		v = (t.YearDay() + 6 - (int(t.Weekday())+6)%7) / 7
	case 'y':
		v = t.Year() % 100
	case 'Y':
		v, digits = t.Year(), 4
	default:
		return 0, 0, false, false
	}
	return int64(v), digits, blank, true
}

// text gives the conversions that are words, and those made of others.
func (c *conversion) text(t time.Time) (string, bool) {
	switch c.what {
	case 'a', 'A', 'b', 'B', 'h':
		c.upper = c.upper || c.swap
		layout := map[byte]string{'a': "Mon", 'A': "Monday", 'b': "Jan", 'B': "January", 'h': "Jan"}[c.what]
		return t.Format(layout), true
	case 'p':
		if c.swap {
			c.upper = false
			return t.Format("pm"), true
		}
		return t.Format("PM"), true
	case 'P':
		c.upper = false
		return t.Format("pm"), true
	case 'z':
		return t.Format("-0700"), true
	case 'Z':
		name := t.Format("MST")
		if c.swap {
			c.upper = false
			return strings.ToLower(name), true
		}
		return name, true
	case '%', 'n', 't':
		return map[byte]string{'%': "%", 'n': "\n", 't': "\t"}[c.what], true
	}
	inner, known := composed(c.what)
	return strftime(inner, t), known
}

// composed gives the conversions that others make up.
func composed(what byte) (format string, known bool) {
	switch what {
	case 'c':
		return "%a %b %e %H:%M:%S %Y", true
	case 'D', 'x':
		return "%m/%d/%y", true
	case 'F':
		return "%Y-%m-%d", true
	case 'r':
		return "%I:%M:%S %p", true
	case 'R':
		return "%H:%M", true
	case 'T', 'X':
		return "%H:%M:%S", true
	}
	return "", false
}
