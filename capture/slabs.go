package capture

// slabSize is how many elements are in a slab: of connections, 512 KiB. What of it was never used is not in memory.
const slabSize = 1 << 12

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
		s.list = append(s.list, make([]T, slabSize))
	}
	s.made++
	return s.made - 1
}
