package capture

import "math"

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
	q := t.table.runs(nil, 1, t.table.slabs.made)
	q = t.table.runs(q, embryonic|1, embryonic|t.table.embryos.made)
	for i := len(q)/2 - 1; i >= 0; i-- {
		q.sink(i)
	}
	return q
}

// runs appends the runs among the indexes from i to before end.
func (t *table) runs(q runs, i, end uint32) runs {
	last := int64(math.MaxInt64)
	for ; i < end; i++ {
		first := t.first(i)
		if first == 0 {
			continue
		}
		if first < last {
			q = append(q, run{first: first, next: i})
		}
		last = first
		q[len(q)-1].end = i + 1
	}
	return q
}

// first is the number of the first packet of a connection or embryo; 0 if it is in no use.
func (t *table) first(i uint32) int64 {
	if i&embryonic != 0 {
		return t.embryo(i).first
	}
	if c := t.at(i); c.flags&connFree == 0 {
		return c.first
	}
	return 0
}

// pop takes the connection off that began earliest of all.
func (q *runs) pop(t *table) uint32 {
	top := &(*q)[0]
	i := top.next
	for top.next++; top.next < top.end; top.next++ {
		if first := t.first(top.next); first != 0 {
			top.first = first
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
