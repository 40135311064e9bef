package tlswire

import (
	"crypto/md5"
	"crypto/sha256"
	"encoding/hex"
	"slices"
	"strconv"
)

// The Append methods use the room behind dst as scratch, so that they allocate nothing when dst has about 1 KiB to spare.

// JA3 is AppendJA3 as a string.
func (h *ClientHello) JA3() string { return string(h.AppendJA3(nil)) }

// AppendJA3 appends the client's JA3 fingerprint, 32 hexadecimal digits (github.com/salesforce/ja3).
func (h *ClientHello) AppendJA3(dst []byte) []byte {
	n := len(dst)
	dst = h.AppendJA3Text(dst)
	sum := md5.Sum(dst[n:])
	return hex.AppendEncode(dst[:n], sum[:])
}

// AppendJA3Text appends what JA3 is the MD5 of: version, cipher suites, extensions, groups and point formats as decimal
// numbers in the order of the wire, GREASE left out.
func (h *ClientHello) AppendJA3Text(dst []byte) []byte {
	dst = strconv.AppendUint(dst, uint64(h.LegacyVersion), 10)
	dst = appendDecimals(append(dst, ','), h.CipherSuites)
	dst = append(dst, ',')
	dst = appendTypes(dst, h.Extensions)
	dst = appendDecimals(append(dst, ','), h.Groups)
	dst = append(dst, ',')
	for i, f := range h.PointFormats {
		if i > 0 {
			dst = append(dst, '-')
		}
		dst = strconv.AppendUint(dst, uint64(f), 10)
	}
	return dst
}

// JA3S is AppendJA3S as a string.
func (h *ServerHello) JA3S() string { return string(h.AppendJA3S(nil)) }

// AppendJA3S appends the server's JA3S fingerprint, 32 hexadecimal digits (github.com/salesforce/ja3).
func (h *ServerHello) AppendJA3S(dst []byte) []byte {
	n := len(dst)
	dst = h.AppendJA3SText(dst)
	sum := md5.Sum(dst[n:])
	return hex.AppendEncode(dst[:n], sum[:])
}

// AppendJA3SText appends what JA3S is the MD5 of: version, cipher suite and extensions as decimal numbers.
func (h *ServerHello) AppendJA3SText(dst []byte) []byte {
	dst = strconv.AppendUint(dst, uint64(h.LegacyVersion), 10)
	dst = strconv.AppendUint(append(dst, ','), uint64(h.CipherSuite), 10)
	return appendTypes(append(dst, ','), h.Extensions)
}

// JA4 is AppendJA4 as a string.
func (h *ClientHello) JA4() string { return string(h.AppendJA4(nil)) }

// AppendJA4 appends the client's JA4 fingerprint for TLS over TCP, 36 characters such as
// "t13d1516h2_8daaf6152771_e5627efa2ab1" (github.com/FoxIO-LLC/ja4, technical_details/JA4.md).
func (h *ClientHello) AppendJA4(dst []byte) []byte {
	var suites, types [ja4Room]uint16
	ciphers := suites[:0]
	for _, c := range h.CipherSuites {
		if !IsGREASE(uint16(c)) {
			ciphers = append(ciphers, uint16(c))
		}
	}
	count, extensions := 0, types[:0]
	for i := range h.Extensions {
		t := h.Extensions[i].Type
		if IsGREASE(uint16(t)) {
			continue
		}
		count++
		if t != ExtensionServerName && t != ExtensionALPN {
			extensions = append(extensions, uint16(t))
		}
	}
	slices.Sort(ciphers)
	slices.Sort(extensions)

	dst = append(dst, 't')
	dst = append(dst, ja4Version(h.MaxVersion())...)
	if h.Has(ExtensionServerName) {
		dst = append(dst, 'd')
	} else {
		dst = append(dst, 'i')
	}
	dst = appendTwoDigits(dst, len(ciphers))
	dst = appendTwoDigits(dst, count)
	dst = h.appendJA4ALPN(dst)
	dst = append(dst, '_')
	n := len(dst)
	dst = appendJA4Hash(appendHex(dst, ciphers), n)
	dst = append(dst, '_')
	n = len(dst)
	dst = appendHex(dst, extensions)
	if len(extensions) > 0 {
		dst = h.appendJA4SignatureAlgorithms(dst)
	}
	return appendJA4Hash(dst, n)
}

// ja4Room is how many numbers of a kind JA4 sorts without allocating: more than any real hello carries.
const ja4Room = 128

func ja4Version(v Version) string {
	switch v {
	case VersionTLS13:
		return "13"
	case VersionTLS12:
		return "12"
	case VersionTLS11:
		return "11"
	case VersionTLS10:
		return "10"
	case VersionSSL30:
		return "s3"
	case VersionSSL20:
		return "s2"
	}
	return "00"
}

// appendJA4ALPN appends the first and last characters of the first protocol name, or of its hexadecimal digits.
func (h *ClientHello) appendJA4ALPN(dst []byte) []byte {
	if len(h.ALPN) == 0 || h.ALPN[0] == "" {
		return append(dst, "00"...)
	}
	first, last := h.ALPN[0][0], h.ALPN[0][len(h.ALPN[0])-1]
	if !alphanumeric(first) || !alphanumeric(last) {
		return append(dst, hexDigits[first>>4], hexDigits[last&15])
	}
	return append(dst, first, last)
}

func alphanumeric(c byte) bool {
	return '0' <= c && c <= '9' || 'A' <= c && c <= 'Z' || 'a' <= c && c <= 'z'
}

func (h *ClientHello) appendJA4SignatureAlgorithms(dst []byte) []byte {
	separator := byte('_')
	for _, s := range h.SignatureAlgorithms {
		if !IsGREASE(uint16(s)) {
			dst = appendHex4(append(dst, separator), uint16(s))
			separator = ','
		}
	}
	return dst
}

// appendJA4Hash replaces the text from n on by the first twelve digits of its SHA-256; no text gives zeros.
func appendJA4Hash(dst []byte, n int) []byte {
	if len(dst) == n {
		return append(dst, "000000000000"...)
	}
	sum := sha256.Sum256(dst[n:])
	return hex.AppendEncode(dst[:n], sum[:6])
}

func appendTwoDigits(dst []byte, n int) []byte {
	n = min(n, 99)
	return append(dst, byte('0'+n/10), byte('0'+n%10))
}

func appendHex(dst []byte, list []uint16) []byte {
	for i, v := range list {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = appendHex4(dst, v)
	}
	return dst
}

func appendHex4(dst []byte, v uint16) []byte {
	return append(dst, hexDigits[v>>12], hexDigits[v>>8&15], hexDigits[v>>4&15], hexDigits[v&15])
}

func appendDecimals[T ~uint16](dst []byte, list []T) []byte {
	n := len(dst)
	for _, v := range list {
		if IsGREASE(uint16(v)) {
			continue
		}
		if len(dst) > n {
			dst = append(dst, '-')
		}
		dst = strconv.AppendUint(dst, uint64(v), 10)
	}
	return dst
}

func appendTypes(dst []byte, list []Extension) []byte {
	n := len(dst)
	for i := range list {
		if IsGREASE(uint16(list[i].Type)) {
			continue
		}
		if len(dst) > n {
			dst = append(dst, '-')
		}
		dst = strconv.AppendUint(dst, uint64(list[i].Type), 10)
	}
	return dst
}
