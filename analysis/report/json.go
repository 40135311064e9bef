package report

import (
	"io"

	"github.com/etcdtap/etcdtap/analysis"
	"github.com/etcdtap/etcdtap/analysis/pki"
)

// JSON writes one object per line; docs/json.md describes each field. It is meant for programs: names are fixed, and nothing is
// left out because it was the same before.
type JSON struct {
	lines
	certs      certTexts
	hellos     helloTexts
	handshakes tlsTexts
	beyond     int64  // certificates that were not kept
	join       []byte // the summary's object on the log; empty when there is no log

	communityIDs analysis.CommunityIDs

	seconds   secondTexts
	servers   endpointTexts
	alike     alikeTexts
	usual     usualTexts
	findings  findingTexts
	noTrouble []byte // how the object of a handshake ends that nothing went wrong with; empty until it was needed
	noFinding []byte // how a line without findings and log entries ends, likewise
}

// NewJSON makes a Report that writes to w.
func NewJSON(w io.Writer) *JSON { return &JSON{lines: newLines(w), findings: make(findingTexts)} }

// NameFiles makes certificates say which files of a PKI hold them. It is to be called before the first connection.
func (j *JSON) NameFiles(files *pki.Store) { j.certs.files = files }

// Connection writes a line of type "connection".
func (j *JSON) Connection(c *analysis.Connection) error {
	if j.err != nil {
		return j.err
	}
	b := append(j.buf, `{"type":"connection","schema":1,"id":"`...)
	b = appendID(b, c.Facts)
	b = j.communityIDs.Append(append(b, `","community_id":"`...), c.Client, c.Server)
	b = appendName(append(b, `","stage":`...), c.Stage.String())
	b = j.appendPlace(b, c)
	j.buf = append(j.appendRest(b, c), '\n')
	return j.written()
}

// renderRest appends what comes after the endpoints: how the connection ended, what it carried, and what was found.
func (j *JSON) renderRest(b []byte, c *analysis.Connection) []byte {
	b = j.usual.append(b, c)
	b = append(b, `,"tls":`...)
	if c.TLS == nil {
		b = append(b, "null"...)
	} else {
		b = j.appendTLS(b, c.Facts)
	}
	if len(c.Findings)+len(c.Log) > 0 || c.ByTime || c.NoLog != "" {
		return j.appendFound(b, c)
	}
	if len(j.noFinding) == 0 {
		j.noFinding = j.appendFound(nil, c)
	}
	return append(b, j.noFinding...)
}

// appendFound ends the line with what was found.
func (j *JSON) appendFound(b []byte, c *analysis.Connection) []byte {
	b = j.findings.appendFindings(append(b, `,"findings":`...), c.Findings)
	b = appendLog(append(b, `,"log":`...), c.Log)
	b = appendBool(append(b, `,"log_by_time":`...), c.ByTime)
	return append(appendString(append(b, `,"no_log":`...), c.NoLog), '}')
}

// Certificates writes a line of type "certificate" for each.
func (j *JSON) Certificates(c *Certificates) error {
	j.beyond = c.Beyond
	for i := range c.found {
		if j.err != nil {
			return j.err
		}
		j.buf = append(c.found[i].appendJSON(j.buf, c.Files), '\n')
		if err := j.written(); err != nil {
			return err
		}
	}
	return j.err
}

// Summary writes the line of type "summary" and flushes.
func (j *JSON) Summary(s *analysis.Summary) error {
	if j.err != nil {
		return j.err
	}
	j.buf = append(appendSummary(j.buf, s, j.beyond, j.join), '\n')
	return j.Flush()
}

// appendPlace appends when and between whom the connection was.
func (j *JSON) appendPlace(b []byte, c *analysis.Connection) []byte {
	t := &c.TCP
	b = j.seconds.append(append(b, `,"start":`...), c.Start)
	b = j.seconds.append(append(b, `,"end":`...), c.End)
	b = appendPacket(append(b, `,"first_packet":`...), t.FirstPacket)
	b = appendPacket(append(b, `,"last_packet":`...), t.LastPacket)
	b = appendInt(append(b, `,"packets":`...), t.Packets[analysis.FromClient]+t.Packets[analysis.FromServer])
	b = appendAddrPort(append(b, `,"client":`...), c.Client)
	return j.servers.append(append(b, `,"server":`...), c.Server)
}

// appendFate appends how the connection ended, and what both sides spoke.
func appendFate(b []byte, c *analysis.Connection) []byte {
	b = appendAddrPortOrNull(append(b, `,"outgoing":`...), c.Outgoing)
	b = appendBool(append(b, `,"roles_guessed":`...), c.RolesGuessed)
	b = appendName(append(b, `,"endpoint":`...), c.Endpoint.String())
	b = appendName(append(b, `,"outcome":`...), c.Outcome.String())
	b = appendName(append(b, `,"ended":`...), c.Ended.String())
	return appendProtocols(b, c.Facts)
}

func appendProtocols(b []byte, f *analysis.Facts) []byte {
	c, s := &f.Stream[analysis.FromClient], &f.Stream[analysis.FromServer]
	b = appendName(append(b, `,"client_protocol":`...), c.Protocol.String())
	b = appendName(append(b, `,"server_protocol":`...), s.Protocol.String())
	b = appendName(append(b, `,"client_then":`...), c.Then.String())
	b = appendName(append(b, `,"server_then":`...), s.Then.String())
	b = appendString(append(b, `,"client_request":`...), c.Request)
	b = appendString(append(b, `,"server_request":`...), s.Request)
	b = appendName(append(b, `,"client_inner_protocol":`...), c.Inner.String())
	b = appendName(append(b, `,"server_inner_protocol":`...), s.Inner.String())
	b = appendString(append(b, `,"client_inner_request":`...), c.InnerRequest)
	return appendString(append(b, `,"server_inner_request":`...), s.InnerRequest)
}

// appendTransport appends what became of the streams' bytes, and who opened the connection.
func appendTransport(b []byte, conn *analysis.Connection) []byte {
	c, s, t := &conn.Stream[analysis.FromClient], &conn.Stream[analysis.FromServer], &conn.TCP
	b = appendBothInts(append(b, `,"missed":`...), c.Missed, s.Missed)
	b = appendBool(append(b, `,"start_missed":{"client":`...), c.StartMissed)
	b = appendBool(append(b, `,"server":`...), s.StartMissed)
	b = appendName(append(b, `},"close":{"client":`...), c.Close.String())
	b = appendName(append(b, `,"server":`...), s.Close.String())
	b = appendInt(append(b, `},"retransmitted":`...), t.Retransmitted)
	b = appendInt(append(b, `,"out_of_order":`...), t.OutOfOrder)
	b = appendInt(append(b, `,"conflicting":`...), t.Conflicting)
	b = appendInt(append(b, `,"truncated":`...), t.Truncated)
	return appendProcess(append(b, `,"process":`...), conn.Process)
}

func appendFindings(b []byte, list []analysis.Finding) []byte {
	return findingTexts(nil).appendFindings(b, list)
}

// appendEvidence leaves out what a piece of evidence does not have.
func appendEvidence(b []byte, list []analysis.Evidence) []byte {
	b = append(b, '[')
	for i := range list {
		e := &list[i]
		if i > 0 {
			b = append(b, ',')
		}
		b = appendString(append(b, `{"text":`...), e.Text)
		if e.Packet != 0 {
			b = appendInt(append(b, `,"packet":`...), e.Packet)
		}
		if !e.At.IsZero() {
			b = appendTime(append(b, `,"at":`...), e.At)
		}
		if e.From != "" {
			b = appendString(append(b, `,"from":`...), e.From)
		}
		if len(e.Bytes) > 0 {
			b = appendHex(append(b, `,"bytes":`...), e.Bytes)
		}
		b = append(b, '}')
	}
	return append(b, ']')
}
