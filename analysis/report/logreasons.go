package report

import (
	"cmp"
	"slices"

	"github.com/etcdtap/etcdtap/analysis"
)

// Bounds on what is said about entries without a connection. What comes beyond them is counted.
const (
	maxReasons       = 16 // reasons: most differ by an address only
	maxReasonEntries = 3  // entries that are shown for each
)

// reason is why entries were not joined, and which.
type reason struct {
	text    string
	count   int64
	entries []*analysis.LogEntry // the first ones, at most maxReasonEntries
}

// reasons are in the order of their first entry, until they are sorted.
type reasons struct {
	list  []reason
	other int64 // entries whose reason found no room
}

// notJoined gathers the entries without a connection by their reason, the most frequent first.
func notJoined(entries []*analysis.LogEntry) reasons {
	var r reasons
	for _, e := range entries {
		if e.Connection == "" {
			r.add(e)
		}
	}
	slices.SortStableFunc(r.list, func(a, b reason) int { return cmp.Compare(b.count, a.count) })
	return r
}

func (r *reasons) add(e *analysis.LogEntry) {
	i := slices.IndexFunc(r.list, func(x reason) bool { return x.text == e.NotJoined })
	if i < 0 {
		if len(r.list) >= maxReasons {
			r.other++
			return
		}
		i = len(r.list)
		r.list = append(r.list, reason{text: e.NotJoined})
	}
	x := &r.list[i]
	x.count++
	if len(x.entries) < maxReasonEntries {
		x.entries = append(x.entries, e)
	}
}

// counts gives them as counts.
func (r reasons) counts() []analysis.Count {
	out := make([]analysis.Count, 0, len(r.list)+1)
	for i := range r.list {
		out = append(out, analysis.Count{Name: r.list[i].text, N: r.list[i].count})
	}
	if r.other > 0 {
		out = append(out, analysis.Count{Name: "other reasons", N: r.other})
	}
	return out
}
