package report

import (
	"encoding/hex"
	"strings"

	"github.com/etcdtap/etcdtap/analysis"
)

// Certificates shows each certificate once, in the order in which they were found.
func (t *Text) Certificates(c *Certificates) error {
	if t.err != nil || len(c.found) == 0 {
		return t.err
	}
	t.buf = append(t.buf, '\n')
	t.put(plural(int64(len(c.found)), "certificate"), bold)
	t.buf = append(t.buf, '\n')
	for i := range c.found {
		c.found[i].files = fileNames(c.Files, c.found[i].cert)
		t.certificate(&c.found[i])
		if err := t.written(); err != nil {
			return err
		}
	}
	t.count("certificates beyond what was kept", c.Beyond, yellow)
	return t.err
}

func (t *Text) certificate(f *foundCertificate) {
	t.buf = append(t.buf, '\n')
	x := f.cert.X509
	if x == nil {
		t.put("a certificate that cannot be read", yellow)
		t.buf = append(t.buf, '\n')
		if f.cert.Err != nil {
			t.certificateLine("error", analysis.Quote(f.cert.Err.Error()))
		}
	} else {
		t.put(analysis.Quote(f.cert.Subject), bold)
		t.buf = append(t.buf, '\n')
		t.certificateLine("issuer", analysis.Quote(f.cert.Issuer))
		names := make([]string, 0, len(x.DNSNames)+len(x.IPAddresses))
		for _, n := range x.DNSNames {
			names = append(names, analysis.Quote(n))
		}
		for _, ip := range x.IPAddresses {
			names = append(names, ip.String())
		}
		t.certificateLine("SANs", listOrNone(names))
		use := strings.Join(keyUsages(x.KeyUsage), ", ")
		if x.BasicConstraintsValid && x.IsCA {
			use = "CA, " + use
		}
		t.certificateLine("key usage", strings.Trim(use, ", "))
		t.certificateLine("extended", listOrNone(analysis.ExtKeyUsages(x)))
		const format = "2006-01-02 15:04:05"
		t.certificateLine("valid", x.NotBefore.UTC().Format(format)+" to "+x.NotAfter.UTC().Format(format)+" UTC")
		t.certificateLine("key", f.cert.Key()+", signed with "+x.SignatureAlgorithm.String())
		t.certificateLine("serial", serial(x))
	}
	t.certificateLine("SHA-256", hex.EncodeToString(f.cert.SHA256[:]))
	for _, name := range f.files {
		t.certificateLine("file", analysis.Quote(name))
	}
	if f.count > 0 { // a probe has one server, and says so
		t.certificateLine("presented", presented(f))
	}
}

func (t *Text) certificateLine(label, text string) {
	if text != "" {
		const column = 11
		t.paragraph(text, string(appendPadded([]byte(indent), label, column)), strings.Repeat(" ", len(indent)+column), plain)
	}
}

func listOrNone(list []string) string {
	if len(list) == 0 {
		return "none"
	}
	return strings.Join(list, ", ")
}

// presented says who showed a certificate to whom.
func presented(f *foundCertificate) string {
	servers := make([]string, len(f.servers))
	for i, s := range f.servers {
		servers[i] = printable(s.String())
	}
	clients := make([]string, len(f.clients))
	for i, a := range f.clients {
		clients[i] = printable(a.String())
	}
	var s string
	switch {
	case f.by[analysis.FromClient] && f.by[analysis.FromServer]:
		s = "by server and clients (" + strings.Join(clients, ", ") + ") at "
	case f.by[analysis.FromClient]:
		s = "by " + strings.Join(clients, ", ") + " to "
	default:
		s = "by "
	}
	s += strings.Join(servers, ", ")
	if f.more {
		s += " and others"
	}
	s += ", " + number(f.count) + " ×"
	if f.firstPacket > 0 {
		s += ", first in packet " + number(f.firstPacket)
	}
	return s
}
