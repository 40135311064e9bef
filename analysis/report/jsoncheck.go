package report

import (
	"io"

	"github.com/etcdtap/etcdtap/analysis"
)

// CheckJSON writes a check for programs: a line of type "certificate" for each, and one of type "summary" with the findings.
func CheckJSON(w io.Writer, k *analysis.Check) error {
	l := newLines(w)
	for i := range k.Certificates {
		l.buf = append(appendChecked(l.buf, &k.Certificates[i]), '\n')
		if err := l.written(); err != nil {
			return err
		}
	}
	b := append(l.buf, `{"type":"summary","schema":1,"at":`...)
	b = appendTime(b, k.At)
	b = append(b, `,"configuration":`...)
	if k.Source == "" {
		b = append(b, "null"...)
	} else {
		b = appendString(b, k.Source)
	}
	b = appendInt(append(b, `,"certificates":`...), int64(len(k.Certificates)))
	b = appendInt(append(b, `,"errors":`...), int64(k.Count(analysis.Error)))
	b = appendInt(append(b, `,"warnings":`...), int64(k.Count(analysis.Warning)))
	b = appendFindings(append(b, `,"findings":`...), k.Findings)
	b = append(b, `,"skipped":[`...)
	for i, s := range k.Skipped {
		if i > 0 {
			b = append(b, ',')
		}
		b = appendString(append(b, `{"file":`...), s.File)
		b = append(appendString(append(b, `,"why":`...), s.Why), '}')
	}
	l.buf = append(appendInt(append(b, `],"more_skipped":`...), int64(k.MoreSkipped)), "}\n"...)
	return l.Flush()
}

// appendChecked appends a certificate with its file, without the end of the line.
func appendChecked(b []byte, c *analysis.CheckedCertificate) []byte {
	b = append(b, `{"type":"certificate","schema":1,`...)
	b = appendCertificateFields(b, c.Certificate, `,"more":`)
	b = appendString(append(b, `,"file":`...), c.File)
	b = appendInt(append(b, `,"index":`...), int64(c.Index))
	b = appendName(append(b, `,"role":`...), c.Role.String())
	b = appendStrings(append(b, `,"configured_as":`...), c.Configured)
	b = appendName(append(b, `,"issuer_check":`...), c.Issued.String())
	b = append(b, `,"issuer_file":`...)
	if c.IssuerFile == "" {
		b = append(b, "null"...)
	} else {
		b = appendString(b, c.IssuerFile)
	}
	b = appendInt(append(b, `,"seconds_left":`...), int64(c.Left.Seconds()))
	return append(appendInt(append(b, `,"problems":`...), int64(c.Problems)), '}')
}
