package report

import (
	"crypto/x509"

	"github.com/etcdtap/etcdtap/analysis"
	"github.com/etcdtap/etcdtap/analysis/pki"
)

// Bounds on the rendered certificates that are remembered. The same few certificates come in almost every handshake; at a bound
// all are forgotten.
const (
	maxCertTexts     = 4096     // as many as analysis remembers parsed
	maxCertTextBytes = 16 << 20 // of JSON; a usual one has 500 bytes
	maxCertText      = 64 << 10 // of one; larger ones are made up, and not remembered
)

// certTexts remembers the JSON of certificates. The zero value is ready.
type certTexts struct {
	files *pki.Store // the PKI that certificates are looked up in; nil for none
	texts map[*analysis.Certificate][]byte
	bytes int
}

// appendChain appends a Certificate message, or why there is none.
func (k *certTexts) appendChain(b []byte, c *analysis.CertificateFacts) []byte {
	b = appendName(append(b, `{"visibility":`...), c.Visibility.String())
	b = append(b, `,"chain":[`...)
	for i, cert := range c.Chain {
		if i > 0 {
			b = append(b, ',')
		}
		b = k.append(b, cert)
	}
	return append(appendInt(append(b, `],"more":`...), int64(c.More)), '}')
}

// append appends a certificate as an object.
func (k *certTexts) append(b []byte, c *analysis.Certificate) []byte {
	if text, ok := k.texts[c]; ok {
		return append(b, text...)
	}
	from := len(b)
	b = append(appendFiles(appendCertificateFields(append(b, '{'), c, `,"more":`), k.files, c), '}')
	if len(b)-from > maxCertText {
		return b
	}
	if k.texts == nil || len(k.texts) >= maxCertTexts || k.bytes+len(b)-from > maxCertTextBytes {
		k.texts, k.bytes = make(map[*analysis.Certificate][]byte), 0
	}
	k.texts[c] = append([]byte(nil), b[from:]...)
	k.bytes += len(b) - from
	return b
}

// appendCertificateFields appends the fields of a certificate. What an unreadable one does not show is null or empty, and "error"
// says why. more begins the field that counts what is beyond the lists: a line of type certificate has a "more" of its own.
func appendCertificateFields(b []byte, c *analysis.Certificate, more string) []byte {
	b = appendHex(append(b, `"sha256":`...), c.SHA256[:])
	x := c.X509
	if x == nil {
		b = append(b, `,"subject":"","issuer":"","serial":"","not_before":null,"not_after":null,"dns_names":[],"ip_addresses":[],`...)
		b = append(b, `"key":"unknown","signature_algorithm":"","key_usage":[],"ext_key_usage":[]`...)
		b = append(appendInt(append(b, more...), 0), `,"is_ca":false,"error":`...)
		text := "not parsed"
		if c.Err != nil {
			text = c.Err.Error()
		}
		return appendString(b, text)
	}
	b = appendString(append(b, `,"subject":`...), c.Subject)
	b = appendString(append(b, `,"issuer":`...), c.Issuer)
	b = appendString(append(b, `,"serial":`...), serial(x))
	b = appendTime(append(b, `,"not_before":`...), x.NotBefore)
	b = appendTime(append(b, `,"not_after":`...), x.NotAfter)
	b = appendStrings(append(b, `,"dns_names":`...), x.DNSNames)
	b = append(b, `,"ip_addresses":[`...)
	for i, ip := range listed(x.IPAddresses) {
		if i > 0 {
			b = append(b, ',')
		}
		b = appendString(b, ip.String())
	}
	b = appendName(append(b, `],"key":`...), c.Key())
	b = appendString(append(b, `,"signature_algorithm":`...), x.SignatureAlgorithm.String())
	b = appendStrings(append(b, `,"key_usage":`...), keyUsages(x.KeyUsage))
	usages := analysis.ExtKeyUsages(x)
	b = appendStrings(append(b, `,"ext_key_usage":`...), usages)
	b = appendInt(append(b, more...), beyond(len(x.DNSNames))+beyond(len(x.IPAddresses))+beyond(len(usages)))
	return appendBool(append(b, `,"is_ca":`...), x.BasicConstraintsValid && x.IsCA)
}

// serial is the serial number in hexadecimal, two digits for each byte as in openssl's output.
func serial(x *x509.Certificate) string {
	if x.SerialNumber == nil {
		return ""
	}
	sign, digits := "", x.SerialNumber.Text(16)
	if digits[0] == '-' {
		sign, digits = "-", digits[1:]
	}
	if len(digits)%2 == 1 {
		digits = "0" + digits
	}
	return sign + digits
}

// keyUsageNames are the key usages by bit, named as in RFC 5280, Section 4.2.1.3.
var keyUsageNames = [...]string{"digitalSignature", "nonRepudiation", "keyEncipherment", "dataEncipherment", "keyAgreement",
	"keyCertSign", "cRLSign", "encipherOnly", "decipherOnly"}

func keyUsages(u x509.KeyUsage) []string {
	var names []string
	for i, name := range keyUsageNames {
		if u&(1<<i) != 0 {
			names = append(names, name)
		}
	}
	return names
}
