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
	from, to := a.Addr().Unmap(), b.Addr().Unmap()
	if from.BitLen() != to.BitLen() || !from.IsValid() {
		return dst
	}
	from, to = from.WithZone(""), to.WithZone("")
	fromPort, toPort := a.Port(), b.Port()
	if order := from.Compare(to); order > 0 || order == 0 && fromPort > toPort {
		from, to, fromPort, toPort = to, from, toPort, fromPort
	}
	tuple := append(m.block[:0], 0, 0) // the seed
	if from.Is4() {
		x, y := from.As4(), to.As4()
		tuple = append(append(tuple, x[:]...), y[:]...)
	} else {
		x, y := from.As16(), to.As16()
		tuple = append(append(tuple, x[:]...), y[:]...)
	}
	tuple = append(tuple, protocolTCP, 0, byte(fromPort>>8), byte(fromPort), byte(toPort>>8), byte(toPort))
	return base64.StdEncoding.AppendEncode(append(dst, "1:"...), m.sum(len(tuple)))
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
