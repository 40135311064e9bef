package analysis

import "strconv"

// AppendID appends the name by which output refers to a connection: "c" and the number of its first packet, which no other connection
// of the same run has and which does not depend on how the work was shared out. Where there are no packets (proxy) it is "p", the
// start in nanoseconds since the Unix epoch, and the client's address.
func (f *Facts) AppendID(dst []byte) []byte {
	if f.TCP.FirstPacket > 0 {
		return strconv.AppendInt(append(dst, 'c'), f.TCP.FirstPacket, 10)
	}
	dst = strconv.AppendInt(append(dst, 'p'), f.Start.UnixNano(), 10)
	return f.Client.AppendTo(append(dst, '-'))
}
