package etcdlog

import (
	"fmt"
	"testing"
)

// FuzzLine parses arbitrary lines: no panic, every bound kept, and the same
// line gives the same entry to a parser that has seen it before.
func FuzzLine(f *testing.F) {
	_, cases, _ := goldenLines(f)
	for _, c := range cases {
		f.Add([]byte(c.line))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		var p Parser
		var first, second Entry
		ok := p.Line(b, &first)
		if !ok {
			return
		}
		checkBounds(t, &first)
		p = Parser{scratch: p.scratch, text: p.text} // the scratch memory stays, the date is forgotten
		if !p.Line(b, &second) || fmt.Sprintf("%+v", first) != fmt.Sprintf("%+v", second) {
			t.Errorf("%+v, then %+v", first, second)
		}
	})
}

// FuzzScanner reads arbitrary bytes whole and in pieces: the same lines and entries.
func FuzzScanner(f *testing.F) {
	_, cases, _ := goldenLines(f)
	for i := 1; i < len(cases); i++ {
		f.Add([]byte(cases[i-1].line+"\n"+cases[i].line), 7)
	}
	f.Add([]byte("a\n\n\r\nrejected connection"), 1)
	f.Fuzz(func(t *testing.T, b []byte, n int) {
		if n <= 0 {
			return
		}
		entries, want := readAll(t, b)
		var r Reader
		next := 0
		each := func(e *Entry) {
			if checkBounds(t, e); next >= len(entries) || e.Line != entries[next].Line || e.Error != entries[next].Error {
				t.Errorf("entry %d is %+v", next, *e)
			}
			next++
		}
		for i := 0; i < len(b); {
			end := i + min(n, len(b)-i)
			r.Write(b[i:end], each)
			i = end
		}
		r.End(each)
		if r.Stats != want {
			t.Errorf("pieces of %d: %+v, want %+v", n, r.Stats, want)
		}
	})
}
