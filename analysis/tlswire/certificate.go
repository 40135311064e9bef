package tlswire

import (
	"golang.org/x/crypto/cryptobyte"
)

// ParseCertificate appends the DER certificates of a Certificate message of TLS 1.2 and before (RFC 5246, Section
// 7.4.2) to dst, leaf first. They alias body. No certificate and no error is a message with an empty list: "I have
// none". After an error ders holds what could be parsed.
func ParseCertificate(body []byte, dst [][]byte) (ders [][]byte, err *SyntaxError) {
	d := newDecoder("Certificate", body)
	s := cryptobyte.String(body)
	list := d.certificateList(&s)
	for !list.Empty() {
		var der cryptobyte.String
		if !d.certificate(&list, &der) {
			break
		}
		dst = append(dst, der)
	}
	return dst, d.first
}

// ParseCertificate13 is ParseCertificate for TLS 1.3 (RFC 8446, Section 4.4.2), where the message is encrypted: it is
// of use for decrypted traffic. The extensions of each certificate are passed over.
func ParseCertificate13(body []byte, dst [][]byte) (ders [][]byte, err *SyntaxError) {
	d := newDecoder("Certificate", body)
	s := cryptobyte.String(body)
	d.field = "certificate_request_context"
	var context cryptobyte.String
	if !d.vector8(&s, &context) {
		return dst, d.first
	}
	list := d.certificateList(&s)
	for !list.Empty() {
		var der, extensions cryptobyte.String
		if !d.certificate(&list, &der) {
			break
		}
		dst = append(dst, der)
		if !d.vector16(&list, &extensions) {
			break
		}
	}
	return dst, d.first
}

// certificateList takes the list, which must be the rest of the message. One that is cut short yields what there is.
func (d *decoder) certificateList(s *cryptobyte.String) cryptobyte.String {
	d.field = "certificate_list"
	at := *s
	var list cryptobyte.String
	if d.vector24(s, &list) {
		d.used(*s)
		return list
	}
	at.Skip(min(3, len(at)))
	return at
}

func (d *decoder) certificate(list, der *cryptobyte.String) bool {
	at := *list
	if !d.vector24(list, der) {
		return false
	}
	if der.Empty() {
		d.fail(at, "empty certificate")
	}
	return true
}
