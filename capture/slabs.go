package capture

const (
	// slabSize is how many elements are in a slab: of connections, 512 KiB.
	slabSize = 1 << 12
	// fewSlabs are in memory only as far as they are used. Who needs more of them mostly needs many more.
	fewSlabs = 4
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
		slab := make([]T, slabSize)
		if len(s.list) >= fewSlabs {
			populate(slab)
		}
		s.list = append(s.list, slab)
	}
	s.made++
	return s.made - 1
}
