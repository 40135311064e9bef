package analysis

import (
	"strconv"
	"time"
)

// Statistics is how live work goes, told now and then and when it is asked for. All counts are since the beginning.
type Statistics struct {
	At          time.Time
	Since       time.Time // the beginning
	Packets     int64     // captured; proxy: 0
	Bytes       int64     // of packets; proxy: passed through
	Dropped     int64     // packets that the kernel or an interface dropped; proxy: events that the observer had no time for
	Connections int64     // that have ended
	Failed      int64     // of them, with a finding of severity error
	Open        int64     // begun and not ended
	OutOfScope  int64     // ended, and not reported: no etcd port and no TLS
}

// Text is one line for people.
func (s *Statistics) Text() string {
	b := s.At.UTC().AppendFormat(nil, "15:04:05 ")
	b = append(b, s.At.Sub(s.Since).Round(time.Second).String()...)
	if s.Packets > 0 || s.Dropped > 0 {
		b = append(strconv.AppendInt(append(b, ": "...), s.Packets, 10), " packets, "...)
		b = append(strconv.AppendInt(b, s.Dropped, 10), " dropped"...)
	} else {
		b = append(strconv.AppendInt(append(b, ": "...), s.Bytes, 10), " bytes"...)
	}
	b = append(strconv.AppendInt(append(b, "; connections: "...), s.Connections, 10), " ended, "...)
	b = append(strconv.AppendInt(b, s.Failed, 10), " of them failed, "...)
	return string(append(strconv.AppendInt(b, s.Open, 10), " open"...))
}
