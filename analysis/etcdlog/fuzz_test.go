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
	f.Add(mixed(f), 7)
	f.Add([]byte("a\n\n\r\nrejected connection"), 1)
	f.Fuzz(func(t *testing.T, b []byte, n int) {
		if n <= 0 {
			return
		}
		_, want := readAll(t, b)
		var r Reader
		none := func(e *Entry) { checkBounds(t, e) }
		for i := 0; i < len(b); {
			end := i + min(n, len(b)-i)
			r.Write(b[i:end], none)
			i = end
		}
		r.End(none)
		if r.Stats != want {
			t.Errorf("pieces of %d: %+v, want %+v", n, r.Stats, want)
		}
	})
}
