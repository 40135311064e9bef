package analysis

import (
	"crypto/sha1"
	"encoding/base64"
	"encoding/binary"
	"net/netip"
)

// protocolTCP is TCP's number in the IP header.
const protocolTCP = 6

// AppendCommunityID appends the Community ID, version 1 with seed 0, of the TCP connection between a and b: "1:" and 28 characters
// that are the same for both directions, so that the connection can be found in the output of Zeek, Suricata and others
// (github.com/corelight/community-id-spec). It appends nothing when the addresses are of two families or not valid.
func AppendCommunityID(dst []byte, a, b netip.AddrPort) []byte {
	from, to := a.Addr().Unmap(), b.Addr().Unmap()
	if from.BitLen() != to.BitLen() || !from.IsValid() {
		return dst
	}
	from, to = from.WithZone(""), to.WithZone("")
	fromPort, toPort := a.Port(), b.Port()
	if order := from.Compare(to); order > 0 || order == 0 && fromPort > toPort {
		from, to, fromPort, toPort = to, from, toPort, fromPort
	}
	var room [2 + 16 + 16 + 2 + 4]byte
	tuple := append(room[:0], 0, 0) // the seed
	tuple = appendAddr(appendAddr(tuple, from), to)
	tuple = append(tuple, protocolTCP, 0)
	tuple = binary.BigEndian.AppendUint16(tuple, fromPort)
	tuple = binary.BigEndian.AppendUint16(tuple, toPort)
	sum := sha1.Sum(tuple)
	return base64.StdEncoding.AppendEncode(append(dst, "1:"...), sum[:])
}

func appendAddr(dst []byte, a netip.Addr) []byte {
	if a.Is4() {
		b := a.As4()
		return append(dst, b[:]...)
	}
	b := a.As16()
	return append(dst, b[:]...)
}
