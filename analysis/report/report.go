package report

import (
	"strconv"

	"github.com/etcdtap/etcdtap/analysis"
)

// Report shows what was found, one connection after the other, and what it adds up to. JSON and Text are its implementations.
// A Report keeps nothing of what it is given after a call returns, but for certificates, which are immutable. Its errors are the
// writer's; after the first one nothing more is written and every call returns it. It is not safe for concurrent use.
type Report interface {
	// Connection shows one connection. It may stay in the buffer until Flush.
	Connection(c *analysis.Connection) error
	// Certificates shows the certificates that were collected, before the summary.
	Certificates(c *Certificates) error
	// Summary ends the report and flushes it.
	Summary(s *analysis.Summary) error
	// Flush writes what is in the buffer, as is wanted from time to time when capturing live.
	Flush() error
}

// flushAt is how much output is gathered, in bytes, before it is written: large enough that the cost of a write does not count.
const flushAt = 64 << 10

// AppendID appends the name by which JSON refers to a connection: "c" and the number of its first packet, which no other connection
// of the same run has and which does not depend on how the work was shared out. Where there are no packets (proxy) it is "p", the
// start in nanoseconds, and the client's address.
func AppendID(dst []byte, f *analysis.Facts) []byte {
	if f.TCP.FirstPacket > 0 {
		return strconv.AppendInt(append(dst, 'c'), f.TCP.FirstPacket, 10)
	}
	dst = strconv.AppendInt(append(dst, 'p'), f.Start.UnixNano(), 10)
	return f.Client.AppendTo(append(dst, '-'))
}
