package tlswire

import (
	"golang.org/x/crypto/cryptobyte"
)

// CertificateRequest is the server's request for a client certificate. The zero value is ready for Unmarshal, and so is
// a used one. Authorities and Extensions alias the message; the slices are valid until the next Unmarshal.
type CertificateRequest struct {
	Types                   []uint8           // ClientCertificateType; empty in TLS 1.3
	SignatureAlgorithms     []SignatureScheme // empty before TLS 1.2
	SignatureAlgorithmsCert []SignatureScheme // TLS 1.3
	Authorities             [][]byte          // acceptable issuers as DER names; empty: any
	Extensions              []Extension       // TLS 1.3
}

// Unmarshal parses the body of a CertificateRequest of version v: RFC 2246 and RFC 4346, Section 7.4.4 without signature
// algorithms, RFC 5246, Section 7.4.4 with them, RFC 8446, Section 4.3.2 as extensions. It overwrites r, reusing its
// slices. After an error r holds what could be parsed.
func (r *CertificateRequest) Unmarshal(body []byte, v Version) *SyntaxError {
	d := newDecoder("CertificateRequest", body)
	s := cryptobyte.String(body)
	*r = CertificateRequest{
		Types:                   reuse(r.Types),
		SignatureAlgorithms:     reuse(r.SignatureAlgorithms),
		SignatureAlgorithmsCert: reuse(r.SignatureAlgorithmsCert),
		Authorities:             reuse(r.Authorities),
		Extensions:              reuse(r.Extensions),
	}
	if v >= VersionTLS13 {
		r.unmarshal13(&d, &s)
	} else {
		r.unmarshal12(&d, &s, v == VersionTLS12)
	}
	return d.first
}

// unmarshal12 is RFC 5246, Section 7.4.4.
func (r *CertificateRequest) unmarshal12(d *decoder, s *cryptobyte.String, withAlgorithms bool) {
	d.field = "certificate_types"
	at := *s
	var list cryptobyte.String
	if !d.vector8(s, &list) {
		return
	}
	if list.Empty() {
		d.fail(at, emptyList)
	}
	r.Types = append(r.Types, list...)
	if withAlgorithms {
		d.field = "supported_signature_algorithms"
		at = *s
		if !d.vector16(s, &list) {
			return
		}
		if list.Empty() {
			d.fail(at, emptyList)
		}
		r.SignatureAlgorithms = uint16s(d, list, r.SignatureAlgorithms)
	}
	d.field = "certificate_authorities"
	if !d.vector16(s, &list) {
		return
	}
	d.used(*s)
	r.unmarshalAuthorities(d, list)
}

// unmarshal13 is RFC 8446, Section 4.3.2.
func (r *CertificateRequest) unmarshal13(d *decoder, s *cryptobyte.String) {
	d.field = "certificate_request_context"
	var context cryptobyte.String
	if !d.vector8(s, &context) {
		return
	}
	block := d.extensionBlock(s)
	for d.nextExtension(&block, &r.Extensions) {
		e := &r.Extensions[len(r.Extensions)-1]
		switch e.Type {
		case ExtensionSignatureAlgorithms:
			r.SignatureAlgorithms = d.signatureAlgorithms(e.Data, r.SignatureAlgorithms)
		case ExtensionSignatureAlgorithmsCert:
			r.SignatureAlgorithmsCert = d.signatureAlgorithms(e.Data, r.SignatureAlgorithmsCert)
		case ExtensionCertificateAuthorities: // RFC 8446, Section 4.2.4
			data := cryptobyte.String(e.Data)
			var list cryptobyte.String
			if d.list16(&data, &list) {
				r.unmarshalAuthorities(d, list)
			}
		}
	}
}

func (r *CertificateRequest) unmarshalAuthorities(d *decoder, list cryptobyte.String) {
	for !list.Empty() {
		at := list
		var name cryptobyte.String
		if !d.vector16(&list, &name) {
			return
		}
		if name.Empty() {
			d.fail(at, "empty name")
		}
		r.Authorities = append(r.Authorities, name)
	}
}
