package pki

import (
	"bytes"
	"encoding/pem"

	"golang.org/x/crypto/cryptobyte"
	"golang.org/x/crypto/cryptobyte/asn1"
)

// blockKind is what a piece of a file is.
type blockKind uint8

const (
	blockCertificate blockKind = iota
	blockPEMCRL
	blockDERCRL
	blockBroken // says that it is a certificate, and is not
)

var (
	pemBegin  = []byte("-----BEGIN ") // RFC 7468, Section 2
	pemEnd    = []byte("-----END ")
	pemDashes = []byte("-----")
)

// forEachBlock calls each with the certificates and lists in data, in order. Blocks of other types, private keys above all, are
// passed over: nothing between their lines is decoded or copied. der is valid during the call.
func forEachBlock(data []byte, each func(kind blockKind, der []byte)) {
	if !bytes.Contains(data, pemBegin) {
		derBlock(data, each)
		return
	}
	for {
		at := bytes.Index(data, pemBegin)
		if at < 0 {
			return
		}
		data = data[at:]
		label, _, ok := bytes.Cut(firstLine(data[len(pemBegin):]), pemDashes)
		if !ok {
			data = data[len(pemBegin):]
			continue
		}
		length := blockLength(data, label)
		switch string(label) {
		case "CERTIFICATE", "X509 CERTIFICATE":
			pemBlock(data[:length], blockCertificate, each)
		case "X509 CRL":
			each(blockPEMCRL, nil)
		}
		data = data[length:]
	}
}

// maxLabel bounds a BEGIN line, in bytes: the longest label in use, "ENCRYPTED PRIVATE KEY", has 21.
const maxLabel = 64

func firstLine(data []byte) []byte {
	data = data[:min(len(data), maxLabel)]
	if i := bytes.IndexByte(data, '\n'); i >= 0 {
		return data[:i]
	}
	return data
}

// blockLength is how far the block that data begins with goes: to the end of its own END line, else to the next BEGIN, else to the
// end. It is never zero.
func blockLength(data, label []byte) int {
	rest := data[len(pemBegin):]
	next := bytes.Index(rest, pemBegin)
	if next < 0 {
		next = len(rest)
	}
	if end := bytes.Index(rest[:next], pemEnd); end >= 0 {
		if after, ok := bytes.CutPrefix(rest[end+len(pemEnd):], label); ok && bytes.HasPrefix(after, pemDashes) {
			return len(data) - len(after) + len(pemDashes)
		}
	}
	return len(pemBegin) + next
}

func pemBlock(text []byte, kind blockKind, each func(blockKind, []byte)) {
	if b, _ := pem.Decode(text); b != nil {
		each(kind, b.Bytes)
		return
	}
	each(blockBroken, nil)
}

// derBlock tells a certificate from a list by their first fields (RFC 5280, Sections 4.1 and 5.1): the TBSCertificate of version 2
// and 3 begins with a context tag or, in version 1, with the serial number and an algorithm; a list has dates in third place. What
// is neither, a key in DER for one, is left alone.
func derBlock(data []byte, each func(blockKind, []byte)) {
	s := cryptobyte.String(data)
	var whole, tbs cryptobyte.String
	if !s.ReadASN1(&whole, asn1.SEQUENCE) || !whole.ReadASN1(&tbs, asn1.SEQUENCE) {
		return
	}
	var algorithm, signature cryptobyte.String
	if !whole.ReadASN1(&algorithm, asn1.SEQUENCE) || !whole.ReadASN1(&signature, asn1.BIT_STRING) || !whole.Empty() {
		return
	}
	der := data[:len(data)-len(s)]
	if tbs.PeekASN1Tag(asn1.Tag(0).Constructed().ContextSpecific()) {
		each(blockCertificate, der)
		return
	}
	tbs.SkipOptionalASN1(asn1.INTEGER)
	named := tbs.SkipASN1(asn1.SEQUENCE) // signature algorithm
	named = tbs.SkipASN1(asn1.SEQUENCE) && named
	if named && (tbs.PeekASN1Tag(asn1.UTCTime) || tbs.PeekASN1Tag(asn1.GeneralizedTime)) {
		each(blockDERCRL, nil)
		return
	}
	each(blockCertificate, der)
}
