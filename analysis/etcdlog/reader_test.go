package etcdlog

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/google/go-cmp/cmp"
)

// mixed is all golden lines in one file, with other lines between.
func mixed(t testing.TB) []byte {
	_, cases, _ := goldenLines(t)
	var b bytes.Buffer
	for i, c := range cases {
		fmt.Fprintf(&b, "something else %d\n\n%s\r\n", i, c.line)
	}
	return b.Bytes()
}

// TestChunks reads one file in pieces of several sizes: the entries are the same.
func TestChunks(t *testing.T) {
	file := mixed(t)
	want, wantStats := readAll(t, file)
	if wantStats.Lines == 0 || wantStats.Entries < 50 || wantStats.Unrecognised != 1 {
		t.Fatalf("%+v", wantStats)
	}
	for _, n := range []int{1, 2, 3, 7, 100, 4096} {
		var r Reader
		var got []string
		for i := 0; i < len(file); i += n {
			r.Write(file[i:min(i+n, len(file))], func(e *Entry) { got = append(got, fmt.Sprint(*e)) })
		}
		r.End(func(e *Entry) { got = append(got, fmt.Sprint(*e)) })
		var all []string
		for _, e := range want {
			all = append(all, fmt.Sprint(e))
		}
		if diff := cmp.Diff(all, got); diff != "" {
			t.Errorf("pieces of %d: %s", n, diff)
		}
		if diff := cmp.Diff(wantStats, r.Stats); diff != "" {
			t.Errorf("pieces of %d: %s", n, diff)
		}
	}
}

// TestLongLines reads lines at and beyond the bound, in one piece and in many.
func TestLongLines(t *testing.T) {
	const entry = `rejected connection from "10.0.0.7:1" (error "EOF", ServerName "")`
	file := strings.Repeat("x", MaxLine) + "\n" +
		strings.Repeat("x", MaxLine+1) + "\n" +
		entry + strings.Repeat("y", 2*MaxLine) + "\n" + entry
	for _, n := range []int{100, 1000, len(file)} {
		var r Reader
		var lines []int64
		for i := 0; i < len(file); i += n {
			r.Write([]byte(file[i:min(i+n, len(file))]), func(e *Entry) { lines = append(lines, e.Line) })
		}
		r.End(func(e *Entry) { lines = append(lines, e.Line) })
		want := Stats{Lines: 4, Entries: 2, PassedOver: 2, Overlong: 2, Broken: 1}
		if diff := cmp.Diff(want, r.Stats); diff != "" {
			t.Errorf("pieces of %d: %s", n, diff)
		}
		if diff := cmp.Diff([]int64{3, 4}, lines); diff != "" {
			t.Errorf("pieces of %d: %s", n, diff)
		}
	}
}

func TestReadErrors(t *testing.T) {
	broken := errors.New("broken")
	var r Reader
	if err := r.Read(iotest.ErrReader(broken), nil); !errors.Is(err, broken) {
		t.Errorf("got %v", err)
	}
	if err := r.Read(stuck{}, nil); !errors.Is(err, io.ErrNoProgress) {
		t.Errorf("got %v", err)
	}
	n := 0
	if err := r.Read(iotest.OneByteReader(bytes.NewReader(mixed(t))), func(*Entry) { n++ }); err != nil || n < 50 {
		t.Errorf("%d entries, %v", n, err)
	}
}

// stuck is a reader that gives nothing and no error.
type stuck struct{}

func (stuck) Read([]byte) (int, error) { return 0, nil }
