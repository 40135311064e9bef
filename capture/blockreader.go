package capture

import "io"

const (
	// firstBlock is what a file reads at once until it is being read in earnest: enough to see what it is and its first
	// packets, so that a thousand rotated files can be open for merging.
	firstBlock = 16 << 10
	// fullBlock is what a file reads at once from then on: large enough that system calls and the packets that straddle
	// two blocks cost nothing, small enough to stay in the processor's cache.
	fullBlock = 384 << 10
	// maxRecord bounds what has to be in memory at once: the largest packet (maxPacket) with its header and, in pcapng,
	// its options. A larger record is passed over without being held.
	maxRecord = 1 << 20
	// maxEmptyReads bounds how often a reader may return neither bytes nor an error (as bufio does).
	maxEmptyReads = 100
)

// blockReader reads a stream in large blocks into one buffer, in which records are parsed in place. A record that straddles
// the end of a block is moved to the front; one that is larger than the buffer grows it as its bytes arrive, never by what a
// length field claims. The zero value with r set is ready to use.
type blockReader struct {
	r        io.Reader
	kept     *keptBlocks // where blocks go that were left, and new ones come from; nil: one block is used over and over
	buf      []byte
	pos, end int   // buf[pos:end] has been read and not been taken
	base     int64 // offset of buf[0] in the stream
	err      error // why r gives no more, io.EOF included; what is in buf is still good
}

// offset is the place of the next byte in the stream.
func (b *blockReader) offset() int64 { return b.base + int64(b.pos) }

// peek returns the next n bytes, n <= maxRecord, without taking them; fewer when the stream ends before (b.err says why). They
// are valid until the next call of any method but take.
func (b *blockReader) peek(n int) []byte {
	if b.end-b.pos >= n {
		return b.buf[b.pos : b.pos+n]
	}
	return b.fill(n)
}

// take moves past n bytes that a peek has returned.
func (b *blockReader) take(n int) { b.pos += n }

// fill reads until n bytes are there or the stream ends.
func (b *blockReader) fill(n int) []byte {
	for empty := 0; b.end-b.pos < n && b.err == nil; {
		b.makeRoom(n)
		got, err := b.r.Read(b.buf[b.end:])
		b.end += got
		b.err = err
		if empty++; got > 0 {
			empty = 0
		} else if empty == maxEmptyReads && err == nil {
			b.err = io.ErrNoProgress
		}
	}
	return b.buf[b.pos:min(b.end, b.pos+n)]
}

// makeRoom makes the buffer able to take more bytes: what is left of the last block moves to the front, and a full buffer
// grows to the double.
func (b *blockReader) makeRoom(n int) {
	left := b.end - b.pos
	if b.end < len(b.buf) && b.pos+n <= len(b.buf) {
		return
	}
	into := b.buf
	switch {
	case len(b.buf) == 0:
		into = make([]byte, firstBlock)
	case len(b.buf) < fullBlock:
		into = b.kept.take()
	case left == len(b.buf):
		into = make([]byte, 2*len(b.buf))
	case b.kept != nil:
		into = b.kept.take()
	}
	copy(into, b.buf[b.pos:b.end])
	if b.kept != nil {
		b.kept.leave(b.buf)
	}
	b.base += int64(b.pos)
	b.buf, b.pos, b.end = into, 0, left
}

// skip passes over n bytes of any number without holding them, and reports whether they were there.
func (b *blockReader) skip(n int64) bool {
	for {
		have := min(n, int64(b.end-b.pos))
		b.pos += int(have)
		if n -= have; n == 0 {
			return true
		}
		if len(b.peek(1)) == 0 {
			return false
		}
	}
}

// appendTo appends the next n bytes to dst as they arrive, and reports whether all were there.
func (b *blockReader) appendTo(dst []byte, n int) ([]byte, bool) {
	for n > 0 {
		part := b.peek(1)
		if len(part) == 0 {
			return dst, false
		}
		part = b.buf[b.pos:min(b.end, b.pos+n)]
		dst = append(dst, part...)
		b.pos += len(part)
		n -= len(part)
	}
	return dst, true
}

// release gives the buffer back. What was read is no longer valid, and nothing can be read any more.
func (b *blockReader) release() {
	b.base += int64(b.pos)
	b.buf, b.pos, b.end = nil, 0, 0
	if b.err == nil {
		b.err = io.EOF
	}
}

// keptBlocks lets packets be valid for longer than until the next one is read: a block that its reader has left is not written to
// again before it is given back.
type keptBlocks struct {
	left [][]byte // since they were asked for last
	free [][]byte // of fullBlock bytes each
	full func()   // asks for those that were left, because they are maxLeft
}

// maxLeft is how many blocks are left before somebody has to ask for them: in a file that is nearly all UDP no batch ever gets full.
const maxLeft = 8

// take gives a block of fullBlock bytes.
func (k *keptBlocks) take() []byte {
	if k == nil || len(k.free) == 0 {
		return make([]byte, fullBlock)
	}
	last := len(k.free) - 1
	b := k.free[last]
	k.free = k.free[:last]
	return b
}

// leave notes a block that its reader has left. One of another size than the usual is for the collector.
func (k *keptBlocks) leave(b []byte) {
	if len(b) == fullBlock {
		k.left = append(k.left, b)
	}
	if len(k.left) >= maxLeft {
		k.full()
	}
}

// handOver appends the blocks that were left to dst, and forgets them.
func (k *keptBlocks) handOver(dst [][]byte) [][]byte {
	dst = append(dst, k.left...)
	clear(k.left)
	k.left = k.left[:0]
	return dst
}

// give takes blocks back in which nothing is looked at any more.
func (k *keptBlocks) give(blocks [][]byte) { k.free = append(k.free, blocks...) }
