package report

import (
	"github.com/etcdtap/etcdtap/analysis"
	"github.com/etcdtap/etcdtap/analysis/tlswire"
)

// appendTLS appends what TLS showed.
func (j *JSON) appendTLS(b []byte, f *analysis.Facts) []byte {
	t := f.TLS
	b = j.appendHandshake(b, t)
	b = appendShape(append(b, `,"shape":`...), f)
	b = j.appendAlerts(append(b, `,"alerts":`...), t.Alerts)
	if t.AlertsDropped|t.DecryptFailed[analysis.FromClient]|t.DecryptFailed[analysis.FromServer] != 0 || t.KeysFound || len(t.Violations) > 0 {
		return appendTrouble(b, t)
	}
	if len(j.noTrouble) == 0 {
		j.noTrouble = appendTrouble(nil, t)
	}
	return append(b, j.noTrouble...)
}

// appendTrouble ends the object with what went wrong in reading it.
func appendTrouble(b []byte, t *analysis.TLSFacts) []byte {
	b = appendInt(append(b, `,"alerts_dropped":`...), t.AlertsDropped)
	b = appendBool(append(b, `,"keys_found":`...), t.KeysFound)
	b = appendBothInts(append(b, `,"decrypt_failed":`...), t.DecryptFailed[analysis.FromClient], t.DecryptFailed[analysis.FromServer])
	return append(appendViolations(append(b, `,"violations":`...), t.Violations), '}')
}

// appendHandshake begins the object with the messages of the handshake, from memory where they came before.
func (j *JSON) appendHandshake(b []byte, t *analysis.TLSFacts) []byte {
	var kind tlsKind
	known := kind.set(t)
	if known {
		if text, ok := j.handshakes.texts[kind]; ok {
			return append(b, text...)
		}
	}
	from := len(b)
	b = j.appendMessages(b, t)
	if known {
		j.handshakes.add(&kind, b[from:])
	}
	return b
}

// appendMessages appends all that tlsKind holds, and nothing else.
func (j *JSON) appendMessages(b []byte, t *analysis.TLSFacts) []byte {
	b = append(b, `{"version":"`...)
	if t.Version != 0 {
		b = append(b, t.Version.String()...)
	}
	b = append(b, `","cipher_suite":"`...)
	if t.ServerHello != nil {
		b = append(b, t.CipherSuite.String()...)
	}
	b = append(b, `","group":"`...)
	if t.Group != 0 {
		b = append(b, t.Group.String()...)
	}
	b = appendString(append(b, `","alpn":`...), t.ALPN)
	b = appendName(append(b, `,"alpn_visibility":`...), t.ALPNVisibility.String())
	b = appendBool(append(b, `,"resumed":`...), t.Resumed)
	b = appendBool(append(b, `,"hello_retry":`...), t.HelloRetry)
	b = j.hellos.append(append(b, `,"client_hello":`...), t.ClientHello, t.Malformed)
	b = appendSSLv2(append(b, `,"sslv2_client_hello":`...), t.SSLv2)
	b = appendServerHello(append(b, `,"server_hello":`...), t.ServerHello)
	r := &t.CertificateRequest
	b = appendName(append(b, `,"certificate_request":{"visibility":`...), r.Visibility.String())
	b = appendStrings(append(b, `,"authorities":`...), r.Authorities)
	b = appendInt(append(b, `,"more":`...), int64(r.More))
	b = j.certs.appendChain(append(b, `},"server_certificates":`...), &t.Certificates[analysis.FromServer])
	return j.certs.appendChain(append(b, `,"client_certificates":`...), &t.Certificates[analysis.FromClient])
}

func appendServerHello(b []byte, h *tlswire.ServerHello) []byte {
	if h == nil {
		return append(b, "null"...)
	}
	b = appendName(append(b, `{"version":`...), h.Version().String())
	b = appendName(append(b, `,"cipher_suite":`...), h.CipherSuite.String())
	b = appendString(append(b, `,"alpn":`...), h.ALPN)
	b = append(b, `,"group":"`...)
	if h.Group != 0 {
		b = append(b, h.Group.String()...)
	}
	return append(h.AppendJA3S(append(b, `","ja3s":"`...)), `"}`...)
}

// appendSSLv2 appends a ClientHello in SSLv2's format. Cipher specs that are no TLS cipher suites are written as numbers.
func appendSSLv2(b []byte, h *tlswire.SSLv2ClientHello) []byte {
	if h == nil {
		return append(b, "null"...)
	}
	b = appendName(append(b, `{"version":`...), h.Version.String())
	b = append(b, `,"cipher_suites":[`...)
	for i, spec := range listed(h.CipherSpecs) {
		if i > 0 {
			b = append(b, ',')
		}
		if spec < 1<<16 {
			b = appendName(b, tlswire.CipherSuite(spec).String())
			continue
		}
		b = append(b, `"0x`...)
		for shift := 20; shift >= 0; shift -= 4 {
			b = append(b, hexDigits[spec>>shift&15])
		}
		b = append(b, '"')
	}
	return append(appendInt(append(b, `],"more":`...), beyond(len(h.CipherSpecs))), '}')
}

// appendAlerts appends alerts; what encryption hides of one is null.
func (j *JSON) appendAlerts(b []byte, list []analysis.Alert) []byte {
	b = append(b, '[')
	for i := range list {
		a := &list[i]
		if i > 0 {
			b = append(b, ',')
		}
		b = appendName(append(b, `{"from":`...), a.From.String())
		if a.Encrypted {
			b = append(b, `,"level":null,"code":null,"name":null`...)
		} else {
			b = appendName(append(b, `,"level":`...), a.Level.String())
			b = appendInt(append(b, `,"code":`...), int64(a.Code))
			b = appendName(append(b, `,"name":`...), a.Code.String())
		}
		b = j.seconds.append(append(b, `,"at":`...), a.At)
		b = appendPacket(append(b, `,"packet":`...), a.Packet)
		b = appendBool(append(b, `,"encrypted":`...), a.Encrypted || a.Decrypted)
		b = appendBool(append(b, `,"decrypted":`...), a.Decrypted)
		b = append(appendBool(append(b, `,"inferred":`...), a.Inferred), '}')
	}
	return append(b, ']')
}

func appendViolations(b []byte, list []analysis.Violation) []byte {
	b = append(b, '[')
	for i := range list {
		v := &list[i]
		if i > 0 {
			b = append(b, ',')
		}
		b = appendName(append(b, `{"from":`...), v.From.String())
		text := ""
		if v.Err != nil {
			text = v.Err.Error()
		}
		b = appendString(append(b, `,"error":`...), text)
		b = appendTime(append(b, `,"at":`...), v.At)
		b = append(appendPacket(append(b, `,"packet":`...), v.Packet), '}')
	}
	return append(b, ']')
}
