package capture

import (
	"syscall"
	"unsafe"
)

// hugePage is the size of a huge page on amd64 and arm64, in bytes; elsewhere the advice only fits less well.
const hugePage = 2 << 20

// adviseHugePages asks Linux to put huge pages under memory that will be visited at random. With the usual ones of 4 KiB nearly
// every visit costs a walk through the page tables besides the memory itself, in virtual machines a double one. The advice is
// all it is: where it is not taken, everything works as before.
func adviseHugePages[T any](s []T) {
	size := uintptr(len(s)) * unsafe.Sizeof(s[0])
	begin := uintptr(unsafe.Pointer(unsafe.SliceData(s)))
	skip := -begin & (hugePage - 1)
	if size < skip+hugePage {
		return
	}
	inside := unsafe.Slice((*byte)(unsafe.Add(unsafe.Pointer(unsafe.SliceData(s)), skip)), (size-skip)&^(hugePage-1))
	_ = syscall.Madvise(inside, syscall.MADV_HUGEPAGE)
}
