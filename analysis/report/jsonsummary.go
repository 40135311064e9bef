package report

import (
	"time"

	"github.com/etcdtap/etcdtap/analysis"
)

// maxGroupsShown bounds the groups in the summary's line: the worst ones say it all, and readers of lines have buffers.
const maxGroupsShown = 256

// appendSummary appends the line of type "summary", without the end of the line. beyond counts what the certificates had no room for,
// log is the object on the log that was joined, if there was one.
func appendSummary(b []byte, s *analysis.Summary, beyond int64, log []byte) []byte {
	b = appendInt(append(b, `{"type":"summary","schema":1,"connections":`...), s.Connections)
	b = appendInt(append(b, `,"failed":`...), s.Failed)
	b = appendInt(append(b, `,"warned":`...), s.Warned)
	b = appendInt(append(b, `,"with_gaps":`...), s.WithGaps)
	b = appendTime(append(b, `,"start":`...), s.Start)
	b = appendTime(append(b, `,"end":`...), s.End)
	b = appendOutcomes(append(b, `,"outcomes":`...), s)
	b = append(b, `,"findings":[`...)
	for i, c := range s.Codes() {
		if i > 0 {
			b = append(b, ',')
		}
		b = appendString(append(b, `{"code":`...), string(c.Code))
		b = appendName(append(b, `,"severity":`...), c.Severity.String())
		b = appendString(append(b, `,"title":`...), c.Title)
		b = appendInt(append(b, `,"connections":`...), c.Connections)
		b = appendTime(append(b, `,"first":`...), c.First)
		b = append(appendTime(append(b, `,"last":`...), c.Last), '}')
	}
	b = appendGroups(append(b, `],"groups":`...), s)
	b = appendInt(append(b, `,"other_certificates":`...), beyond)
	b = append(b, `,"log":`...)
	if len(log) == 0 {
		log = []byte("null")
	}
	b = append(b, log...)
	return append(appendInput(append(b, `,"input":`...), &s.Input), '}')
}

// appendOutcomes appends, for each endpoint that was met, the outcomes that were met.
func appendOutcomes(b []byte, s *analysis.Summary) []byte {
	b = append(b, '{')
	for e := range s.Outcomes {
		if s.Outcomes[e] == [analysis.OutcomeCount]int64{} {
			continue
		}
		if b[len(b)-1] == '}' {
			b = append(b, ',')
		}
		b = append(appendName(b, analysis.Endpoint(e).String()), ':', '{')
		for o, n := range s.Outcomes[e] {
			if n == 0 {
				continue
			}
			if b[len(b)-1] != '{' {
				b = append(b, ',')
			}
			b = appendInt(append(appendName(b, analysis.Outcome(o).String()), ':'), n)
		}
		b = append(b, '}')
	}
	return append(b, '}')
}

// appendGroups appends the worst groups, and how many connections the others hold.
func appendGroups(b []byte, s *analysis.Summary) []byte {
	others := s.OtherGroups
	var gaps []time.Duration
	b = append(b, '[')
	for i, g := range s.Groups() {
		if i >= maxGroupsShown {
			others += g.Count
			continue
		}
		if i > 0 {
			b = append(b, ',')
		}
		b = appendAddr(append(b, `{"client":`...), g.Client)
		b = appendAddrPort(append(b, `,"server":`...), g.Server)
		b = appendName(append(b, `,"endpoint":`...), g.Endpoint.String())
		b = appendString(append(b, `,"code":`...), string(g.Code))
		b = appendName(append(b, `,"severity":`...), g.Severity.String())
		b = appendInt(append(b, `,"connections":`...), g.Count)
		b = appendTime(append(b, `,"first":`...), g.First)
		b = appendTime(append(b, `,"last":`...), g.Last)
		gaps = g.Gaps(gaps[:0])
		b = append(appendGaps(append(b, `,"gaps":`...), gaps), `,"series":`...)
		if g.Series == nil {
			b = append(b, "null}"...)
		} else {
			b = append(appendString(b, string(g.Series.Code)), '}')
		}
	}
	return appendInt(append(b, `],"other_groups":`...), others)
}

// appendGaps appends times between attempts in seconds.
func appendGaps(b []byte, gaps []time.Duration) []byte {
	b = append(b, '[')
	for i, gap := range gaps {
		if i > 0 {
			b = append(b, ',')
		}
		b = appendSeconds(b, gap)
	}
	return append(b, ']')
}

func appendInput(b []byte, in *analysis.Input) []byte {
	b = appendInt(append(b, `{"files":`...), in.Files)
	b = appendInt(append(b, `,"packets":`...), in.Packets)
	b = appendInt(append(b, `,"bytes":`...), in.Bytes)
	b = appendCounts(append(b, `,"not_tcp":`...), in.NotTCP)
	b = appendCounts(append(b, `,"undecodable":`...), in.Undecodable)
	b = appendCounts(append(b, `,"unknown_link_types":`...), in.UnknownLinkTypes)
	b = appendCounts(append(b, `,"truncated_files":`...), in.TruncatedFiles)
	b = appendCounts(append(b, `,"drops":`...), in.Drops)
	b = appendInt(append(b, `,"fragments_lost":`...), in.FragmentsLost)
	b = appendInt(append(b, `,"out_of_scope":`...), in.OutOfScope)
	b = appendInt(append(b, `,"evicted":`...), in.Evicted)
	b = appendBool(append(b, `,"handshakes_only":`...), in.HandshakesOnly)
	b = appendInt(append(b, `,"secrets_kept":`...), in.SecretsKept)
	return append(appendCounts(append(b, `,"other":`...), in.Other), '}')
}
