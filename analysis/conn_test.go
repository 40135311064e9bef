package analysis

import (
	"testing"
	"unsafe"
)

// TestConnFitsItsSizeClass: every connection through the proxy and every one with data in a capture has a Conn. One byte more than this, and
// Go's allocator gives each of them 384 bytes more (internal/runtime/gc, sizeclasses.go).
func TestConnFitsItsSizeClass(t *testing.T) {
	const class = 2304
	if size := unsafe.Sizeof(Conn{}); size > class {
		t.Errorf("a Conn takes %d bytes, the size class is %d", size, class)
	}
}
