package etcdlog

import "strconv"

// DecodeLength gives the two characters that a peer without TLS sent where TLS
// has the length of a record: bytes 4 and 5 of its text. 21536 is "T ", from
// "POST ". ok is false unless both are printable ASCII. A length of
// "oversized record received with length N" is meant (crypto/tls).
func DecodeLength(n int) (chars string, ok bool) {
	if n < 0 || n > 0xffff {
		return "", false
	}
	return printable(byte(n>>8), byte(n))
}

// DecodeVersion gives the two characters behind a version that is none, in the
// hexadecimal form of "received record with version 4554 when expecting …"
// (crypto/tls): 4554 is "ET", from "GET ". ok is false unless both are
// printable ASCII.
func DecodeVersion(hex string) (chars string, ok bool) {
	n, err := strconv.ParseUint(hex, 16, 16)
	if err != nil {
		return "", false
	}
	return printable(byte(n>>8), byte(n))
}

func printable(a, b byte) (string, bool) {
	if a < ' ' || a > '~' || b < ' ' || b > '~' {
		return "", false
	}
	return string([]byte{a, b}), true
}
