package capture

// minSlots is a table's first size, in slots of 8 bytes; when three quarters are used it grows to the fourfold. Each table is memory
// that was not touched before, so that few steps cost less than small ones, and a million connections take 2^21 slots in either case.
const minSlots = 1 << 11

// hashed finds indexes by their tags: open addressing with linear probing.
type hashed struct {
	slots []slot // the length is a power of two
	used  int
}

// slot is one place. The tag is the whole hash, so growing never looks at what the index stands for, which is 0 in an empty slot.
type slot struct{ tag, index uint32 }

func newHashed() hashed { return hashed{slots: make([]slot, minSlots)} }

// enter enters an index under its tag.
func (h *hashed) enter(tag, i uint32) {
	if (h.used+1)*4 > len(h.slots)*3 {
		h.grow()
	}
	h.place(slot{tag, i})
	h.used++
}

func (h *hashed) place(e slot) {
	mask := uint32(len(h.slots) - 1)
	at := e.tag & mask
	for h.slots[at].index != 0 {
		at = (at + 1) & mask
	}
	h.slots[at] = e
}

func (h *hashed) grow() {
	old := h.slots
	h.slots = make([]slot, 4*len(old))
	populate(h.slots)
	for _, e := range old {
		if e.index != 0 {
			h.place(e)
		}
	}
}

// home is the slot at which the search for a tag begins.
func (h *hashed) home(tag uint32) uint32 { return tag & uint32(len(h.slots)-1) }

// slotOf is the slot of an index that is in the table under a tag.
func (h *hashed) slotOf(i, tag uint32) uint32 {
	at := h.home(tag)
	for h.slots[at].index != i {
		at = h.home(at + 1)
	}
	return at
}

// empty empties all slots.
func (h *hashed) empty() {
	clear(h.slots)
	h.used = 0
}

// vacate empties a slot.
func (h *hashed) vacate(hole uint32) {
	mask := uint32(len(h.slots) - 1)
	// Close the hole: move back what had been pushed past it.
	for at := (hole + 1) & mask; h.slots[at].index != 0; at = (at + 1) & mask {
		home := h.slots[at].tag & mask
		if (at-home)&mask >= (at-hole)&mask {
			h.slots[hole] = h.slots[at]
			hole = at
		}
	}
	h.slots[hole] = slot{}
	h.used--
}
