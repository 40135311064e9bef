package capture

import (
	"encoding/binary"
	"fmt"
	"io"
	"math/bits"
)

// pcapng block types (draft-ietf-opsawg-pcapng, Section 11.1).
const (
	blockInterface      = 0x00000001
	blockOldPacket      = 0x00000002
	blockSimplePacket   = 0x00000003
	blockStatistics     = 0x00000005
	blockEnhancedPacket = 0x00000006
	blockSecrets        = 0x0000000a
	blockSection        = 0x0a0d0d0a
)

const (
	// blockHead and blockTail are the bytes around a block's body: type and total length, and the total length again.
	blockHead, blockTail = 8, 4
	// minBlock is an empty block.
	minBlock = blockHead + blockTail
	// maxInterfaces bounds the interfaces of a section: more than a host has, 4 MiB of memory. Packets of later ones are counted.
	maxInterfaces = 65_536
	// maxSecrets bounds in bytes the decryption secrets kept of a file: some 80,000 TLS 1.3 connections.
	maxSecrets = 16 << 20
)

// Secrets is a pcapng decryption-secrets block (draft-ietf-opsawg-pcapng, Section 4.7), kept for whoever decrypts.
type Secrets struct {
	Type uint32 // SecretsTLSKeyLog, or another kind
	Data []byte // for TLS the text of a key log file
}

// SecretsTLSKeyLog is the type of secrets in the format of SSLKEYLOGFILE.
const SecretsTLSKeyLog = 0x544c534b

// pcapngReader reads the blocks of a pcapng file.
type pcapngReader struct {
	bigEndian  bool        // of this section
	interfaces []iface     // of this section
	base       int32       // interfaces of earlier sections
	lastTime   int64       // of the last packet; simple packets have none of their own
	block      pcapngBlock // being read
	zones      zones       // of addresses in comments
}

// pcapngBlock is where a block lies.
type pcapngBlock struct {
	at   int64 // offset of its first byte in the file
	kind uint32
	size int // total length in bytes
}

func (r *pcapngReader) uint16(b []byte) uint16 {
	v := binary.LittleEndian.Uint16(b)
	if r.bigEndian {
		return bits.ReverseBytes16(v)
	}
	return v
}

func (r *pcapngReader) uint32(b []byte) uint32 {
	v := binary.LittleEndian.Uint32(b)
	if r.bigEndian {
		return bits.ReverseBytes32(v)
	}
	return v
}

func (r *pcapngReader) next(f *File, p *Packet) error {
	for {
		if err := r.head(f); err != nil {
			return err
		}
		var isPacket bool
		var err error
		switch r.block.kind {
		case blockEnhancedPacket, blockOldPacket, blockSimplePacket:
			isPacket, err = r.packetBlock(f, p)
		case blockInterface, blockSection, blockStatistics:
			err = r.describingBlock(f)
		case blockSecrets:
			err = r.secretsBlock(f)
		default:
			f.stats.skipped(r.block.kind)
			err = r.skip(f, int64(r.block.size))
		}
		if isPacket || err != nil {
			return err
		}
	}
}

// head looks at the first bytes of the next block: what it is and how long. A section header sets the byte order before its own
// length is read.
func (r *pcapngReader) head(f *File) error {
	h := f.blocks.peek(blockHead)
	r.block.at = f.blocks.offset()
	if len(h) == 0 && f.blocks.err == io.EOF {
		return io.EOF
	}
	if len(h) < blockHead {
		return r.cut(f)
	}
	r.block.kind = r.uint32(h)
	if r.block.kind == blockSection { // the same in either byte order
		if h = f.blocks.peek(minBlock); len(h) < minBlock {
			return r.cut(f)
		}
		if err := r.byteOrder(f, h[blockHead:minBlock]); err != nil {
			return err
		}
	}
	size := r.uint32(h[4:8])
	if size < minBlock || size%4 != 0 || size > 1<<31-4 {
		return f.corrupt(r.block.at, fmt.Sprintf("block of type %#x with the impossible length %d", r.block.kind, size))
	}
	r.block.size = int(size)
	return nil
}

// byteOrder reads the byte-order magic of a section header.
func (r *pcapngReader) byteOrder(f *File, magic []byte) error {
	switch binary.LittleEndian.Uint32(magic) {
	case 0x1a2b3c4d:
		r.bigEndian = false
	case 0x4d3c2b1a:
		r.bigEndian = true
	default:
		return f.corrupt(r.block.at, fmt.Sprintf("section header with the byte-order magic %x", magic))
	}
	return nil
}

// packetBlock reads a block that holds a packet, and reports whether it gave one.
func (r *pcapngReader) packetBlock(f *File, p *Packet) (bool, error) {
	if r.block.size > maxRecord {
		f.stats.Oversized++
		return false, r.skip(f, int64(r.block.size))
	}
	body, err := r.body(f)
	if err != nil {
		return false, err
	}
	switch r.block.kind {
	case blockEnhancedPacket:
		return r.enhancedPacket(f, p, body)
	case blockSimplePacket:
		return r.simplePacket(f, p, body)
	default:
		return r.oldPacket(f, p, body)
	}
}

// body takes the whole block and returns what is between its head and its tail.
func (r *pcapngReader) body(f *File) ([]byte, error) {
	size := r.block.size
	b := f.blocks.peek(size)
	if len(b) < size {
		return nil, r.cut(f)
	}
	if tail := r.uint32(b[size-blockTail:]); tail != uint32(size) {
		return nil, r.mismatch(f, tail)
	}
	f.blocks.take(size)
	return b[blockHead : size-blockTail], nil
}

// skip passes over what is left of the block, n bytes with its tail.
func (r *pcapngReader) skip(f *File, n int64) error {
	if !f.blocks.skip(n - blockTail) {
		return r.cut(f)
	}
	tail := f.blocks.peek(blockTail)
	if len(tail) < blockTail {
		return r.cut(f)
	}
	if got := r.uint32(tail); got != uint32(r.block.size) {
		return r.mismatch(f, got)
	}
	f.blocks.take(blockTail)
	return nil
}

func (r *pcapngReader) mismatch(f *File, tail uint32) error {
	return f.corrupt(r.block.at, fmt.Sprintf("block of type %#x says %d bytes at its start and %d at its end",
		r.block.kind, r.block.size, tail))
}

func (r *pcapngReader) malformed(f *File, what string) error {
	return f.corrupt(r.block.at, fmt.Sprintf("block of type %#x and %d bytes %s", r.block.kind, r.block.size, what))
}

// cut ends the file in the middle of the block.
func (r *pcapngReader) cut(f *File) error {
	switch {
	case f.stats.Packets == 0 && r.block.at == 0:
		return f.cut(0, "the first block")
	case r.block.kind == blockEnhancedPacket || r.block.kind == blockOldPacket || r.block.kind == blockSimplePacket:
		return f.cut(r.block.at, fmt.Sprintf("packet %d", f.stats.Packets+1))
	}
	return f.cut(r.block.at, fmt.Sprintf("a block after packet %d", f.stats.Packets))
}

// secretsBlock keeps decryption secrets, as far as maxSecrets goes.
func (r *pcapngReader) secretsBlock(f *File) error {
	const fixed = 8 // type and length of the secrets
	h := f.blocks.peek(blockHead + fixed)
	if len(h) < blockHead+fixed {
		return r.cut(f)
	}
	s := Secrets{Type: r.uint32(h[8:12])}
	length := int64(r.uint32(h[12:16]))
	if length > int64(r.block.size-minBlock-fixed) {
		return r.malformed(f, "has longer secrets than itself")
	}
	if f.secretBytes+length > maxSecrets {
		f.stats.SecretsDropped++
		return r.skip(f, int64(r.block.size))
	}
	f.blocks.take(blockHead + fixed)
	var whole bool
	if s.Data, whole = f.blocks.appendTo(nil, int(length)); !whole {
		return r.cut(f)
	}
	f.secretBytes += max(length, minBlock) // empty ones take memory too
	if f.beforeSecrets != nil {
		f.beforeSecrets()
	}
	f.secrets = append(f.secrets, s)
	return r.skip(f, int64(r.block.size)-blockHead-fixed-length)
}
