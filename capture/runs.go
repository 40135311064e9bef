package capture

// run is a part of the slabs whose connections in use began in the order in which they lie there.
type run struct {
	first int64  // number of the first packet of the next one
	next  uint32 // its index
	end   uint32 // index after the run
}

// runs is a heap of runs, the one whose next connection began earliest on top. Connections that are in use lie nearly in order, for
// places are handed out in order, and given back from the oldest on in a flood: there are a few runs, and visiting them in turn goes
// through memory as it lies. Sorting a list of all would take as long as tracking a tenth of their packets.
type runs []run

// openRuns are the connections that are in use.
func (t *Tracker) openRuns() runs {
	var q runs
	last := int64(0)
	for i := uint32(1); i < t.table.slabs.made; i++ {
		c := t.table.at(i)
		if c.flags&connFree != 0 {
			continue
		}
		if len(q) == 0 || c.first < last {
			q = append(q, run{first: c.first, next: i})
		}
		last = c.first
		q[len(q)-1].end = i + 1
	}
	for i := len(q)/2 - 1; i >= 0; i-- {
		q.sink(i)
	}
	return q
}

// pop takes the connection off that began earliest of all.
func (q *runs) pop(t *table) uint32 {
	top := &(*q)[0]
	i := top.next
	for top.next++; top.next < top.end; top.next++ {
		if c := t.at(top.next); c.flags&connFree == 0 {
			top.first = c.first
			q.sink(0)
			return i
		}
	}
	last := len(*q) - 1
	(*q)[0] = (*q)[last]
	*q = (*q)[:last]
	q.sink(0)
	return i
}

// sink moves a run of the heap down to where those below it do not begin earlier.
func (q runs) sink(i int) {
	for {
		child := 2*i + 1
		if child >= len(q) {
			return
		}
		if next := child + 1; next < len(q) && q[next].first < q[child].first {
			child = next
		}
		if q[child].first >= q[i].first {
			return
		}
		q[i], q[child] = q[child], q[i]
		i = child
	}
}
