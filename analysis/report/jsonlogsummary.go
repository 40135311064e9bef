package report

import (
	"time"

	"github.com/etcdtap/etcdtap/analysis"
)

// appendLogSummary appends the summary of logs, without the end of the line.
func appendLogSummary(b []byte, s *analysis.LogSummary) []byte {
	in := &s.Input
	b = appendInt(append(b, `{"type":"summary","schema":1,"files":`...), in.Files)
	b = appendInt(append(b, `,"lines":`...), in.Lines)
	b = appendInt(append(b, `,"entries":`...), s.Entries)
	b = appendInt(append(b, `,"passed_over":`...), in.PassedOver)
	b = appendInt(append(b, `,"unrecognised":`...), in.Unrecognised)
	b = appendInt(append(b, `,"overlong":`...), in.Overlong)
	b = appendInt(append(b, `,"broken":`...), in.Broken)
	b = appendInt(append(b, `,"without_time":`...), s.NoTime)
	b = appendTime(append(b, `,"start":`...), s.Start)
	b = appendTime(append(b, `,"end":`...), s.End)
	b = appendBool(append(b, `,"sampled":`...), s.Sampled)
	b = append(b, `,"groups":[`...)
	others := s.OtherGroups
	var gaps []time.Duration
	for i, g := range s.Groups() {
		if i >= maxGroupsShown {
			others += g.Count
			continue
		}
		if i > 0 {
			b = append(b, ',')
		}
		gaps = g.Gaps(gaps[:0])
		b = appendLogGroup(b, g, gaps)
	}
	b = appendInt(append(b, `],"other_groups":`...), others)
	return append(appendCounts(append(b, `,"other":`...), in.Other), '}')
}

// appendLogGroup appends one client's rejections for one cause.
func appendLogGroup(b []byte, g *analysis.LogGroup, gaps []time.Duration) []byte {
	f := &g.Findings[0]
	b = appendString(append(b, `{"code":`...), string(g.Code))
	b = appendName(append(b, `,"severity":`...), f.Severity.String())
	b = appendName(append(b, `,"confidence":`...), f.Confidence.String())
	b = appendName(append(b, `,"at_fault":`...), f.AtFault.String())
	b = appendString(append(b, `,"title":`...), f.Title)
	b = appendName(append(b, `,"kind":`...), g.Kind.String())
	b = appendAddr(append(b, `,"client":`...), g.Client)
	b = appendString(append(b, `,"tried":`...), g.Other)
	b = appendName(append(b, `,"endpoint":`...), g.Endpoint.String())
	b = appendBool(append(b, `,"gateway":`...), g.Gateway)
	b = appendInt(append(b, `,"count":`...), g.Count)
	b = appendInt(append(b, `,"at_least":`...), g.AtLeast)
	b = appendBool(append(b, `,"sampled":`...), g.Sampled)
	b = appendLogPlace(append(b, `,"first":`...), &g.First)
	b = appendLogPlace(append(b, `,"last":`...), &g.Last)
	b = appendGaps(append(b, `,"gaps":`...), gaps)
	b = append(b, `,"rhythm":`...)
	if r, ok := g.Rhythm(); ok {
		b = appendString(append(b, `{"code":`...), string(r.Code))
		b = appendName(append(b, `,"confidence":`...), r.Confidence.String())
		b = append(appendInt(append(b, `,"processes":`...), int64(r.Processes)), '}')
	} else {
		b = append(b, "null"...)
	}
	b = appendStrings(append(b, `,"etcd_versions":`...), g.Versions)
	return append(appendStrings(append(b, `,"server_names":`...), g.ServerNames), '}')
}

// appendLogPlace appends where and when a line stands.
func appendLogPlace(b []byte, p *analysis.LogPlace) []byte {
	b = appendTime(append(b, `{"at":`...), p.Time)
	b = appendString(append(b, `,"file":`...), p.File)
	b = appendInt(append(b, `,"line":`...), p.Line)
	return append(appendString(append(b, `,"error":`...), p.Text), '}')
}
