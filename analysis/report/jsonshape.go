package report

import "github.com/etcdtap/etcdtap/analysis"

// appendShape appends what TLS 1.3's record lengths give away, null where there are none to read.
func appendShape(b []byte, f *analysis.Facts) []byte {
	if !f.HasShape() {
		return append(b, "null"...)
	}
	s := f.Shape()
	b = appendName(append(b, `{"visibility":"inferred","certificate_requested":`...), s.Requested.String())
	b = appendName(append(b, `,"client_certificate":`...), s.Client.String())
	b = appendDER(append(b, `,"server_certificate_bytes":`...), &s.DER[analysis.FromServer])
	b = appendDER(append(b, `,"client_certificate_bytes":`...), &s.DER[analysis.FromClient])
	b = appendName(append(b, `,"server_key":`...), s.Key[analysis.FromServer])
	b = appendName(append(b, `,"client_key":`...), s.Key[analysis.FromClient])
	b = appendName(append(b, `,"ticket":`...), s.Ticket.String())
	from := s.LastAlert.String()
	switch s.LastAlert {
	case analysis.Yes:
		from = s.LastAlertFrom.String()
	case analysis.No:
		from = "none"
	}
	b = appendName(append(b, `,"last_alert_from":`...), from)
	return append(appendName(append(b, `,"last_alert_place":`...), s.LastAlertPlace.String()), '}')
}

// appendDER appends the sizes that fit, by the number of certificates.
func appendDER(b []byte, d *analysis.DER) []byte {
	b = append(b, '[')
	for i, n := range d {
		if n == 0 {
			break
		}
		if i > 0 {
			b = append(b, ',')
		}
		b = appendInt(b, int64(n))
	}
	return append(b, ']')
}
