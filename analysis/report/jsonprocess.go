package report

import "github.com/etcdtap/etcdtap/analysis"

// appendProcess appends who opened the connection, null where that was not asked. Of a process that is not known it gives why, and the
// user where the kernel told at least that.
func appendProcess(b []byte, p *analysis.Process) []byte {
	switch {
	case p == nil:
		return append(b, "null"...)
	case !p.Known && p.UIDKnown:
		b = append(appendInt(append(b, `{"uid":`...), int64(p.UID)), ',')
		return append(appendString(append(b, `"unknown":`...), p.Why), '}')
	case !p.Known:
		return append(appendString(append(b, `{"unknown":`...), p.Why), '}')
	}
	b = appendInt(append(b, `{"pid":`...), int64(p.PID))
	if p.UIDKnown {
		b = appendInt(append(b, `,"uid":`...), int64(p.UID))
	} else {
		b = append(b, `,"uid":null`...)
	}
	b = appendString(append(b, `,"command":`...), p.Command)
	b = appendString(append(b, `,"executable":`...), p.Executable)
	b = appendStrings(append(b, `,"args":`...), p.Args)
	b = appendString(append(b, `,"unit":`...), p.Unit)
	b = appendString(append(b, `,"container":`...), p.Container)
	return append(appendString(append(b, `,"pod":`...), p.Pod), '}')
}
