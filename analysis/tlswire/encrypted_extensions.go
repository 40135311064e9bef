package tlswire

import (
	"golang.org/x/crypto/cryptobyte"
)

// ParseEncryptedExtensions returns the protocol that the server chose in an EncryptedExtensions message (RFC 8446, Section 4.3.1),
// "" when it chose none. It is raw from the wire: escape it before printing. The message is encrypted: this is of use for decrypted
// traffic.
func ParseEncryptedExtensions(body []byte) (alpn string, err *SyntaxError) {
	d := newDecoder("EncryptedExtensions", body)
	s := cryptobyte.String(body)
	var seen []Extension
	var h ServerHello
	block := d.extensionBlock(&s)
	for d.nextExtension(&block, &seen) {
		if e := &seen[len(seen)-1]; e.Type == ExtensionALPN {
			h.unmarshalALPN(&d, e.Data)
		}
	}
	return h.ALPN, d.first
}
