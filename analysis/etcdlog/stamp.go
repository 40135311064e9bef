package etcdlog

import (
	"strconv"
	"strings"
	"time"
)

// stamp is a time as a log states it.
type stamp struct {
	at        time.Time // UTC; of a local time without zone, as if that were UTC
	precision time.Duration
	zone      bool
	noYear    bool // the year of at is 0
}

func (s stamp) ok() bool { return s.precision > 0 }

// scan reads digits and fixed characters off the begin of a text.
type scan struct {
	b   []byte
	bad bool
}

// digits takes 1 to n digits, and all n when exact.
func (s *scan) digits(n int, exact bool) int {
	v, i := 0, 0
	for i < n && i < len(s.b) && '0' <= s.b[i] && s.b[i] <= '9' {
		v = v*10 + int(s.b[i]-'0')
		i++
	}
	if i == 0 || exact && i < n {
		s.bad = true
		return 0
	}
	s.b = s.b[i:]
	return v
}

// one takes a character out of set.
func (s *scan) one(set string) byte {
	if len(s.b) == 0 || strings.IndexByte(set, s.b[0]) < 0 {
		s.bad = true
		return 0
	}
	c := s.b[0]
	s.b = s.b[1:]
	return c
}

// clock takes "07:38:18" and a fraction of any length, of which 9 digits count.
func (s *scan) clock() (h, m, sec, ns int, precision time.Duration) {
	h = s.digits(2, true)
	s.one(":")
	m = s.digits(2, true)
	s.one(":")
	sec = s.digits(2, true)
	precision = time.Second
	if s.bad || len(s.b) < 2 || s.b[0] != '.' && s.b[0] != ',' || s.b[1] < '0' || s.b[1] > '9' {
		return h, m, sec, 0, precision
	}
	s.b = s.b[1:]
	n := 0
	for len(s.b) > 0 && '0' <= s.b[0] && s.b[0] <= '9' {
		if n < 9 {
			ns = ns*10 + int(s.b[0]-'0')
			n++
		}
		s.b = s.b[1:]
	}
	// RFC3339Nano drops trailing zeros: any fraction beyond µs means ns.
	switch {
	case n <= 3:
		precision = time.Millisecond
	case n <= 6:
		precision = time.Microsecond
	default:
		precision = time.Nanosecond
	}
	for ; n < 9; n++ {
		ns *= 10
	}
	return h, m, sec, ns, precision
}

// zone takes "Z", "+08:00", "+0800" or " +0800 UTC", if there is one.
func (s *scan) zone() (offset time.Duration, ok bool) {
	if len(s.b) == 0 {
		return 0, false
	}
	if s.b[0] == 'Z' {
		s.b = s.b[1:]
		return 0, true
	}
	z := scan{b: s.b}
	sign := z.one("+-")
	h := z.digits(2, true)
	if len(z.b) > 0 && z.b[0] == ':' {
		z.b = z.b[1:]
	}
	m := z.digits(2, true)
	if z.bad || h > 23 || m > 59 {
		return 0, false
	}
	s.b = z.b
	offset = time.Duration(h)*time.Hour + time.Duration(m)*time.Minute
	if sign == '-' {
		offset = -offset
	}
	return offset, true
}

// dateTime reads "2026-11-23T07:38:18.155Z", "2026-11-23 07:38:18.155012" or
// "2026/11/23 07:38:18" off the begin of b and gives what follows.
func dateTime(b []byte) (stamp, []byte) {
	s := scan{b: b}
	year := s.digits(4, true)
	sep := s.one("-/")
	month := s.digits(2, true)
	if s.one("-/") != sep {
		s.bad = true
	}
	day := s.digits(2, false)
	s.one("T ")
	if s.bad {
		return stamp{}, b
	}
	return s.finish(b, year, month, day)
}

// monthTime reads "Nov 23 07:38:18" and "Nov 23 07:38:18.155012" off the begin of b.
func monthTime(b []byte) (stamp, []byte) {
	const months = "JanFebMarAprMayJunJulAugSepOctNovDec"
	if len(b) < 15 || b[3] != ' ' {
		return stamp{}, b
	}
	at := strings.Index(months, string(b[:3]))
	if at < 0 || at%3 != 0 {
		return stamp{}, b
	}
	s := scan{b: b[4:]}
	if s.b[0] == ' ' {
		s.b = s.b[1:]
	}
	day := s.digits(2, false)
	s.one(" ")
	if s.bad {
		return stamp{}, b
	}
	// rsyslog and journalctl may put a year before the clock: "Nov 23 2026 07:38:18".
	year := 0
	if len(s.b) > 5 && s.b[4] == ' ' && s.b[2] != ':' {
		year = s.digits(4, true)
		s.one(" ")
	}
	t, rest := s.finish(b, year, at/3+1, day)
	t.noYear = year == 0
	return t, rest
}

// finish takes the clock and the zone, and checks the ranges.
func (s *scan) finish(whole []byte, year, month, day int) (stamp, []byte) {
	h, m, sec, ns, precision := s.clock()
	if s.bad || month < 1 || month > 12 || day < 1 || day > 31 || h > 23 || m > 59 || sec > 60 {
		return stamp{}, whole
	}
	offset, zone := s.zone()
	at := time.Date(year, time.Month(month), day, h, m, sec, ns, time.UTC).Add(-offset)
	return stamp{at: at, precision: precision, zone: zone}, s.b
}

// Bounds on times since 1970: seconds up to the year 4147, milliseconds likewise.
const (
	maxEpoch       = 1 << 36
	maxEpochMillis = maxEpoch * 1000
)

// epoch reads seconds since 1970 with a fraction, as zap's epoch encoders
// write, or milliseconds, which are told by their size.
func epoch(b []byte) stamp {
	whole, fraction, _ := strings.Cut(string(b[:min(len(b), 32)]), ".")
	sec, err := strconv.ParseInt(whole, 10, 64)
	if err != nil || sec < 0 || sec > maxEpochMillis {
		return stamp{}
	}
	if sec > maxEpoch { // Kubernetes' JSON format counts milliseconds
		return stamp{at: time.UnixMilli(sec).UTC(), precision: time.Millisecond, zone: true}
	}
	fraction = (fraction + "000000000")[:9]
	ns, err := strconv.ParseUint(fraction, 10, 32)
	if err != nil {
		return stamp{}
	}
	return stamp{at: time.Unix(sec, int64(ns)).UTC(), precision: time.Microsecond, zone: true}
}

// micros reads the microseconds since 1970 of journald's __REALTIME_TIMESTAMP.
func micros(b []byte) stamp {
	us, err := strconv.ParseInt(string(b[:min(len(b), 20)]), 10, 64)
	if err != nil || us < 0 || us > 1<<56 {
		return stamp{}
	}
	return stamp{at: time.UnixMicro(us).UTC(), precision: time.Microsecond, zone: true}
}
