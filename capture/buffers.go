package capture

import "math/bits"

// Bounds of the reassembly's buffers, over all connections together.
const (
	// maxLent is what may be lent at one time. Beyond it out-of-order bytes are not waited for and delivered bytes are
	// not kept for comparison: a flood of broken connections then costs detail, not memory.
	maxLent = 128 << 20
	// maxSpare is what is kept for use again.
	maxSpare = 16 << 20

	minBuffer    = 1 << minBufferLog
	minBufferLog = 9 // 512: below it the bookkeeping is dearer than the bytes
	maxBufferLog = 16
)

// buffers lends byte slices and takes them back, by powers of two. Larger ones than 64 KiB are made and dropped.
type buffers struct {
	free  [maxBufferLog - minBufferLog + 1][][]byte
	lent  int // bytes, by capacity
	spare int // bytes
}

// full reports whether n further bytes would go over what may be lent.
func (b *buffers) full(n int) bool { return b.lent+n > maxLent }

// take lends a slice of length n.
func (b *buffers) take(n int) []byte {
	c := bufferClass(n)
	if c >= len(b.free) {
		b.lent += n
		return make([]byte, n)
	}
	size := minBuffer << c
	b.lent += size
	if k := len(b.free[c]) - 1; k >= 0 {
		p := b.free[c][k]
		b.free[c] = b.free[c][:k]
		b.spare -= size
		return p[:n]
	}
	return make([]byte, n, size)
}

// give takes back what take lent. A nil p is nothing.
func (b *buffers) give(p []byte) {
	if cap(p) == 0 {
		return
	}
	size := cap(p)
	b.lent -= size
	if c := bufferClass(size); c < len(b.free) && size == minBuffer<<c && b.spare+size <= maxSpare {
		b.free[c] = append(b.free[c], p[:0])
		b.spare += size
	}
}

func bufferClass(n int) int {
	if n <= minBuffer {
		return 0
	}
	return bits.Len(uint(n-1)) - minBufferLog
}
