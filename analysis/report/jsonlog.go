package report

import (
	"io"
	"net/netip"
	"time"

	"github.com/etcdtap/etcdtap/analysis"
	"github.com/etcdtap/etcdtap/analysis/etcdlog"
)

// LogJSON writes one object per line, as JSON does: each log entry, and what they add up to. docs/json.md describes each field.
type LogJSON struct{ lines }

// NewLogJSON makes a LogReport that writes to w.
func NewLogJSON(w io.Writer) *LogJSON { return &LogJSON{newLines(w)} }

// Entry writes a line of type "log_entry".
func (j *LogJSON) Entry(e *analysis.LogEntry) error {
	if j.err != nil {
		return j.err
	}
	j.buf = appendLogEntry(j.buf, e)
	return j.written()
}

// Group writes nothing: each entry has its line already.
func (j *LogJSON) Group(*analysis.LogGroup) error { return j.err }

// Repeats writes nothing, as Group.
func (j *LogJSON) Repeats(*analysis.LogGroup) error { return j.err }

// Summary writes the line of type "summary" and flushes.
func (j *LogJSON) Summary(s *analysis.LogSummary) error {
	if j.err != nil {
		return j.err
	}
	j.buf = append(appendLogSummary(j.buf, s), '\n')
	return j.Flush()
}

// LogEntries writes a line of type "log_entry" for each. Their numbers follow in the summary.
func (j *JSON) LogEntries(entries []*analysis.LogEntry, s analysis.JoinStats) error {
	for _, e := range entries {
		if j.err != nil {
			return j.err
		}
		j.buf = appendLogEntry(j.buf, e)
		if err := j.written(); err != nil {
			return err
		}
	}
	b := appendInt(append(j.join[:0], `{"entries":`...), s.Entries)
	b = appendInt(append(b, `,"joined":`...), s.Joined)
	b = appendInt(append(b, `,"beyond":`...), s.Beyond)
	b = appendCounts(append(b, `,"not_joined":`...), notJoined(entries).counts())
	b = appendOffset(append(b, `,"clock":`...), s.Zoned)
	j.join = append(appendOffset(append(b, `,"clock_without_zone":`...), s.Unzoned), '}')
	return j.err
}

// appendLogEntry appends a line of type "log_entry".
func appendLogEntry(b []byte, e *analysis.LogEntry) []byte {
	b = appendLogFields(append(b, `{"type":"log_entry","schema":1,`...), e)
	b = appendFindings(append(b, `,"findings":`...), e.Findings)
	b = append(b, `,"connection":`...)
	if e.Connection != "" {
		b = appendName(b, e.Connection)
	} else {
		b = append(b, "null"...)
	}
	return append(appendString(append(b, `,"not_joined":`...), e.NotJoined), '}', '\n')
}

// appendOffset appends how much later the log's clock is, null when nothing tells.
func appendOffset(b []byte, o analysis.Offset) []byte {
	if !o.Known {
		return append(b, "null"...)
	}
	b = appendSeconds(append(b, `{"offset":`...), o.By)
	return append(appendInt(append(b, `,"connections":`...), int64(o.Pairs)), '}')
}

// appendLog appends the entries that a connection was joined to.
func appendLog(b []byte, list []*analysis.LogEntry) []byte {
	b = append(b, '[')
	for i, e := range list {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(appendLogFields(append(b, '{'), e), '}')
	}
	return append(b, ']')
}

// appendLogFields appends what the line itself says, and what it is about.
func appendLogFields(b []byte, e *analysis.LogEntry) []byte {
	b = append(b, `"at":`...)
	if e.HasTime {
		b = appendTime(b, e.Time)
	} else {
		b = append(b, "null"...)
	}
	b = appendString(append(b, `,"file":`...), e.File)
	b = appendInt(append(b, `,"line":`...), e.Line)
	b = appendString(append(b, `,"text":`...), e.Text)
	b = appendName(append(b, `,"kind":`...), e.Kind.String())
	b = appendName(append(b, `,"endpoint":`...), e.Endpoint.String())
	b = appendAddrPortOrNull(append(b, `,"remote":`...), e.Remote)
	b = appendString(append(b, `,"server_name":`...), e.ServerName)
	b = appendString(append(b, `,"error":`...), e.Error)
	b = appendString(append(b, `,"etcd_versions":`...), e.Versions)
	b = appendLogCertificate(b, e)
	b = appendLogPeer(b, e)
	b = appendBool(append(b, `,"gateway":`...), e.Gateway)
	return appendLogForm(b, e)
}

// appendAddrPortOrNull appends an address, null when the line has none.
func appendAddrPortOrNull(b []byte, a netip.AddrPort) []byte {
	if !a.IsValid() {
		return append(b, "null"...)
	}
	return appendAddrPort(b, a)
}

// appendLogCertificate appends what the line says of the client's certificate; null when it says nothing.
func appendLogCertificate(b []byte, e *analysis.LogEntry) []byte {
	if !e.Names {
		return append(b, `,"ip_addresses":null,"dns_names":null`...)
	}
	b = appendStrings(append(b, `,"ip_addresses":`...), e.IPAddresses)
	return appendStrings(append(b, `,"dns_names":`...), e.DNSNames)
}

// appendLogPeer appends etcd's own address and whom a member or client tried.
func appendLogPeer(b []byte, e *analysis.LogEntry) []byte {
	b = appendAddrPortOrNull(append(b, `,"local":`...), e.Local)
	b = appendString(append(b, `,"peer":`...), e.Peer)
	b = appendString(append(b, `,"peer_url":`...), e.PeerURL)
	return appendString(append(b, `,"prober":`...), e.Prober)
}

// appendLogForm appends how the line was written and how good its time is.
func appendLogForm(b []byte, e *analysis.LogEntry) []byte {
	b = appendName(append(b, `,"format":`...), e.Format.String())
	b = append(b, `,"wrappers":[`...)
	for _, w := range e.Wrappers {
		if w == etcdlog.WrapperNone {
			continue
		}
		if b[len(b)-1] != '[' {
			b = append(b, ',')
		}
		b = appendName(b, w.String())
	}
	b = appendString(append(b, `],"level":`...), e.Level)
	b = appendString(append(b, `,"caller":`...), e.Caller)
	b = appendString(append(b, `,"message":`...), e.Message)
	b = appendPrecision(append(b, `,"time_precision":`...), e)
	b = appendBool(append(b, `,"time_zone":`...), e.Zone)
	b = appendBool(append(b, `,"time_from_wrapper":`...), e.FromWrapper)
	b = appendBool(append(b, `,"year_guessed":`...), e.YearGuessed)
	return appendBool(append(b, `,"broken":`...), e.Broken)
}

func appendPrecision(b []byte, e *analysis.LogEntry) []byte {
	switch {
	case !e.HasTime:
		return append(b, "null"...)
	case e.Precision < time.Microsecond: // appendSeconds stops at the microsecond
		return append(b, "1e-9"...)
	}
	return appendSeconds(b, e.Precision)
}
