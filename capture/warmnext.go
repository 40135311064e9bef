package capture

// warmedNext is how many connections are visited at a time before they are handed over, or forgotten.
const warmedNext = 16

// warmNext visits the memory of the connections that will be handed over or forgotten next. By then hundreds of others have come between,
// and it is in the processor's nearest cache no more. See table.warm. Observers are not visited where another goroutine judges them.
func (t *Tracker) warmNext() {
	t.untilWarm = warmedNext - 1
	next := t.lingering.next(warmedNext)
	var seen int64
	for _, i := range next {
		seen += t.table.more(t.table.at(i)).closing[0].at
	}
	for _, i := range next {
		if c := t.table.at(i); c.attached() && t.later == nil {
			seen += t.attachments[c.stream].warm()
		}
	}
	gone := t.buried.next(warmedNext)
	for i := range gone {
		c := t.table.at(gone[i].index)
		seen += int64(c.tag) + int64(c.flags)
	}
	for i := range gone {
		seen += int64(t.table.slots[t.table.home(t.table.at(gone[i].index).tag)].tag)
	}
	t.table.warmed += uint32(seen)
}

// warm visits an attachment and its observer.
func (x *attachment) warm() int64 {
	return x.retransmitted + int64(x.store[0].heldBytes) + int64(x.store[1].heldBytes) + int64(x.store[1].waited) + x.conn.Warm()
}
