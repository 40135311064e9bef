package analysis

import (
	"crypto/sha1"
	"encoding"
	"encoding/base64"
	"encoding/binary"
	"hash"
	"net/netip"
)

// protocolTCP is TCP's number in the IP header.
const protocolTCP = 6

// CommunityIDs makes Community IDs. The zero value is ready. It is not safe for concurrent use.
type CommunityIDs struct {
	digest hash.Hash
	state  encoding.BinaryAppender // of digest; nil if that has none that we know
	block  [sha1.BlockSize]byte
	room   [2 * sha1.BlockSize]byte
}

// Append appends the Community ID, version 1 with seed 0, of the TCP connection between a and b: "1:" and 28 characters
// that are the same for both directions, so that the connection can be found in the output of Zeek, Suricata and others
// (github.com/corelight/community-id-spec). It appends nothing when the addresses are of two families or not valid.
func (m *CommunityIDs) Append(dst []byte, a, b netip.AddrPort) []byte {
	n := m.enter4(a, b)
	if n == 0 {
		n = m.enter(a, b)
	}
	if n == 0 {
		return dst
	}
	return base64.StdEncoding.AppendEncode(append(dst, "1:"...), m.sum(n))
}

// enter enters what is digested into the block: the seed, the smaller endpoint's address and the other's, the protocol, and the ports. It
// returns how many bytes that is, 0 if there is no such tuple.
func (m *CommunityIDs) enter(a, b netip.AddrPort) int {
	from, to := a.Addr().Unmap().WithZone(""), b.Addr().Unmap().WithZone("")
	if from.BitLen() != to.BitLen() || !from.IsValid() {
		return 0
	}
	fromPort, toPort := a.Port(), b.Port()
	if order := from.Compare(to); order > 0 || order == 0 && fromPort > toPort {
		from, to, fromPort, toPort = to, from, toPort, fromPort
	}
	tuple := append(m.block[:0], 0, 0)
	tuple = append(append(tuple, from.AsSlice()...), to.AsSlice()...)
	tuple = append(tuple, protocolTCP, 0, byte(fromPort>>8), byte(fromPort), byte(toPort>>8), byte(toPort))
	return len(tuple)
}

// enter4 is enter for IPv4 addresses, which nearly all are.
func (m *CommunityIDs) enter4(a, b netip.AddrPort) int {
	if !a.Addr().Is4() || !b.Addr().Is4() {
		return 0
	}
	x, y := a.Addr().As4(), b.Addr().As4()
	from, to := uint64(binary.BigEndian.Uint32(x[:]))<<16|uint64(a.Port()), uint64(binary.BigEndian.Uint32(y[:]))<<16|uint64(b.Port())
	from, to = min(from, to), max(from, to)
	binary.BigEndian.PutUint16(m.block[:], 0)
	binary.BigEndian.PutUint32(m.block[2:], uint32(from>>16))
	binary.BigEndian.PutUint32(m.block[6:], uint32(to>>16))
	binary.BigEndian.PutUint16(m.block[10:], protocolTCP<<8)
	binary.BigEndian.PutUint16(m.block[12:], uint16(from))
	binary.BigEndian.PutUint16(m.block[14:], uint16(to))
	return 16
}

// sum is the SHA-1 of the first n bytes of the block, which have to leave room for the padding. It is valid until the next call. It pads
// the block itself (FIPS 180-4, Section 5.1.1): then the digest's state is the sum, and to take it as it is takes half the time that
// crypto/sha1 needs to copy the digest, pad and sum.
func (m *CommunityIDs) sum(n int) []byte {
	if m.digest == nil {
		m.digest = sha1.New()
		m.state = knownState(m.digest)
	}
	m.digest.Reset()
	if m.state == nil {
		m.digest.Write(m.block[:n])
		return m.digest.Sum(m.room[:0])
	}
	clear(m.block[n:])
	m.block[n] = 0x80
	binary.BigEndian.PutUint64(m.block[len(m.block)-8:], uint64(8*n))
	m.digest.Write(m.block[:])
	state, _ := m.state.AppendBinary(m.room[:0])
	return state[len(stateMagic):][:sha1.Size]
}

// stateMagic is what the state of crypto/sha1 begins with. Its five words follow.
const stateMagic = "sha\x01"

// knownState is the digest as what tells its state, nil if that does not look as we know it.
func knownState(digest hash.Hash) encoding.BinaryAppender {
	state, ok := digest.(encoding.BinaryAppender)
	if !ok {
		return nil
	}
	b, err := state.AppendBinary(nil)
	const first = "\x67\x45\x23\x01" // FIPS 180-4, Section 5.3.1
	if err != nil || len(b) > 2*sha1.BlockSize || len(b) < len(stateMagic)+sha1.Size || string(b[:len(stateMagic)+len(first)]) != stateMagic+first {
		return nil
	}
	return state
}
