package live

import (
	"fmt"
	"sync/atomic"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// retireAfter is when the kernel hands over a block that is not full. It looks at this interval, and a block has to be there for all of
// one, so that a packet may wait for twice as long. After idleAfter without a packet Next returns ErrIdle: long enough for every packet
// that was there before to have been handed over.
const (
	retireAfter = 40 * time.Millisecond
	idleAfter   = 3 * retireAfter
)

// ring is the kernel's buffer of one packet socket, shared with it by mmap: blocks of packets that the kernel fills one after another
// and hands over when they are full or retireAfter has passed (TPACKET_V3, Documentation/networking/packet_mmap.rst). A block that
// has been read is handed back when the packet after its last is asked for.
type ring struct {
	memory    []byte
	blockSize int
	block     int    // where the block being read begins, or the next one
	held      bool   // the block is ours
	left      uint32 // packets in it that have not been taken
	at        int    // where the next packet begins
}

// Sizes of the ring.
const (
	minBlock     = 512 << 10 // bytes; holds some packets of the largest size on loopback
	minBlocks    = 4         // so that the kernel has somewhere to write while one is read
	blockHeaders = 4096      // more than what the kernel puts before the first packet of a block
)

// newRing gives a packet socket a ring of about so many bytes, in which packets of snapLen bytes find place.
func newRing(fd, buffer, snapLen int) (*ring, error) {
	if err := unix.SetsockoptInt(fd, unix.SOL_PACKET, unix.PACKET_VERSION, unix.TPACKET_V3); err != nil {
		return nil, fmt.Errorf("this kernel has no TPACKET_V3, which Linux has since 3.2: %w", err)
	}
	block := minBlock
	for block < snapLen+blockHeaders {
		block *= 2
	}
	blocks := max(minBlocks, buffer/block)
	request := unix.TpacketReq3{
		Block_size: uint32(block), Block_nr: uint32(blocks),
		Frame_size: uint32(block), Frame_nr: uint32(blocks), // without a meaning, but checked
		Retire_blk_tov: uint32(retireAfter / time.Millisecond),
	}
	if err := unix.SetsockoptTpacketReq3(fd, unix.SOL_PACKET, unix.PACKET_RX_RING, &request); err != nil {
		return nil, fmt.Errorf("a kernel buffer of %d MiB: %w: try a smaller one (-B, in KiB)", block*blocks>>20, err)
	}
	memory, err := unix.Mmap(fd, 0, block*blocks, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
	if err != nil {
		return nil, fmt.Errorf("mapping a kernel buffer of %d MiB: %w", block*blocks>>20, err)
	}
	return &ring{memory: memory, blockSize: block}, nil
}

func (r *ring) close() error { return unix.Munmap(r.memory) }

// blockHeader is struct tpacket_block_desc.
type blockHeader struct {
	version, private uint32
	unix.TpacketHdrV1
}

func (r *ring) header() *blockHeader { return (*blockHeader)(unsafe.Pointer(&r.memory[r.block])) }

// ready reports whether there is a packet to take. It hands back the block of the packet taken last if that was the last in it.
func (r *ring) ready() bool {
	for r.left == 0 {
		if r.held {
			atomic.StoreUint32(&r.header().Block_status, unix.TP_STATUS_KERNEL)
			r.held = false
			if r.block += r.blockSize; r.block == len(r.memory) {
				r.block = 0
			}
		}
		h := r.header()
		if atomic.LoadUint32(&h.Block_status)&unix.TP_STATUS_USER == 0 {
			return false
		}
		r.held, r.left, r.at = true, h.Num_pkts, r.block+int(h.Offset_to_first_pkt)
	}
	return true
}

// packet is the header of the packet that is ready.
func (r *ring) packet() *unix.Tpacket3Hdr {
	return (*unix.Tpacket3Hdr)(unsafe.Pointer(&r.memory[r.at]))
}

// skip goes on to the packet after it.
func (r *ring) skip() {
	r.at += int(r.packet().Next_offset)
	r.left--
}
