package analysis

import (
	"bytes"
	"crypto/sha1"
	"encoding"
	"encoding/binary"
	"hash"
	"net/netip"
	"slices"
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
	from, to, n := a.Addr().Unmap(), b.Addr().Unmap(), 0
	switch {
	case from.Is4() && to.Is4():
		n = m.enter4(from.As4(), to.As4(), a.Port(), b.Port())
	case from.Is6() && to.Is6():
		n = m.enter6(from.As16(), to.As16(), a.Port(), b.Port())
	default:
		return dst
	}
	return appendBase64(append(dst, "1:"...), (*[sha1.Size]byte)(m.sum(n)))
}

// appendBase64 appends a SHA-1 as encoding/base64's StdEncoding does, in half the time: twelve bits at a time.
func appendBase64(dst []byte, sum *[sha1.Size]byte) []byte {
	const length = (sha1.Size + 2) / 3 * 4
	dst = slices.Grow(dst, length)
	dst = dst[:len(dst)+length]
	text := (*[length]byte)(dst[len(dst)-length:])
	for i := range 3 {
		v := binary.BigEndian.Uint64(sum[6*i:])
		binary.LittleEndian.PutUint64(text[8*i:], uint64(base64Pairs[v>>52])|uint64(base64Pairs[v>>40&0xfff])<<16|
			uint64(base64Pairs[v>>28&0xfff])<<32|uint64(base64Pairs[v>>16&0xfff])<<48)
	}
	last := uint32(binary.BigEndian.Uint16(sum[18:])) << 8 // with eight bits of padding
	binary.LittleEndian.PutUint32(text[24:], uint32(base64Pairs[last>>12])|uint32(base64Pairs[last&0xfff]&0xff|'='<<8)<<16)
	return dst
}

// base64Pairs are the two characters that stand for twelve bits, the first one in the lower byte.
var base64Pairs = func() (pairs [1 << 12]uint16) {
	const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/" // RFC 4648, Section 4
	for i := range pairs {
		pairs[i] = uint16(alphabet[i>>6]) | uint16(alphabet[i&63])<<8
	}
	return pairs
}()

// enter4 enters what is digested into the block: the seed, the smaller endpoint's address and the other's, the protocol, and the ports. It
// returns how many bytes that is.
func (m *CommunityIDs) enter4(a, b [4]byte, aPort, bPort uint16) int {
	from, to := uint64(binary.BigEndian.Uint32(a[:]))<<16|uint64(aPort), uint64(binary.BigEndian.Uint32(b[:]))<<16|uint64(bPort)
	from, to = min(from, to), max(from, to)
	binary.BigEndian.PutUint16(m.block[:], 0)
	binary.BigEndian.PutUint32(m.block[2:], uint32(from>>16))
	binary.BigEndian.PutUint32(m.block[6:], uint32(to>>16))
	return m.enterPorts(10, uint16(from), uint16(to))
}

// enter6 is enter4 for IPv6.
func (m *CommunityIDs) enter6(a, b [16]byte, aPort, bPort uint16) int {
	if order := bytes.Compare(a[:], b[:]); order > 0 || order == 0 && aPort > bPort {
		a, b, aPort, bPort = b, a, bPort, aPort
	}
	binary.BigEndian.PutUint16(m.block[:], 0)
	copy(m.block[2:], a[:])
	copy(m.block[18:], b[:])
	return m.enterPorts(34, aPort, bPort)
}

// enterPorts enters the rest at n.
func (m *CommunityIDs) enterPorts(n int, from, to uint16) int {
	binary.BigEndian.PutUint16(m.block[n:], protocolTCP<<8)
	binary.BigEndian.PutUint16(m.block[n+2:], from)
	binary.BigEndian.PutUint16(m.block[n+4:], to)
	return n + 6
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
