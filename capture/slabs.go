package capture

const (
	// slabSize is how many elements are in a slab: of connections, 512 KiB. What of it was never used is not in memory.
	slabSize = 1 << 12
	// slabsAtOnce is how many slabs are made at once when there are twice as many: of connections 32 MiB, so that most of it can have
	// huge pages.
	slabsAtOnce = 64
)

// slabs hold elements without pointers that never move, by index. Index 0 is never used.
type slabs[T any] struct {
	list [][]T
	made uint32 // indexes handed out so far, with 0
}

// at is the element of an index that was handed out.
func (s *slabs[T]) at(i uint32) *T { return &s.list[i/slabSize][i%slabSize] }

// add hands out one more index. Its element is zero.
func (s *slabs[T]) add() uint32 {
	s.made = max(s.made, 1)
	if int(s.made/slabSize) == len(s.list) {
		s.grow()
	}
	s.made++
	return s.made - 1
}

// grow makes room for more: a little in the beginning, and a lot at a time when there are many.
func (s *slabs[T]) grow() {
	n := min(max(1, len(s.list)/2), slabsAtOnce)
	room := make([]T, n*slabSize)
	if len(s.list) > 0 {
		adviseHugePages(room)
	}
	for ; len(room) > 0; room = room[slabSize:] {
		s.list = append(s.list, room[:slabSize:slabSize])
	}
}
