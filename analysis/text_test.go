package analysis

import (
	"strings"
	"testing"
	"unicode"
)

// unprintable returns the first rune that could move a cursor or reorder a line, -1 when there is none.
func unprintable(s string) rune {
	for _, r := range s {
		if unicode.IsControl(r) || unicode.Is(unicode.Cf, r) || r == unicode.ReplacementChar || r == '\u2028' || r == '\u2029' {
			return r
		}
	}
	return -1
}

func TestQuote(t *testing.T) {
	for _, tt := range []struct{ in, want string }{
		{"", ""},
		{"etcd.test", "etcd.test"},
		{"Zürich", "Zürich"},
		{"a\x1b[2Jb\r\n\t\\", `a\x1b[2Jb\r\n\t\\`},
		{"\u202egnp\u2066", `\u202egnp\u2066`},
		{"\xff\xc3", `\xff\xc3`},
		{"\u0085\u2028", `\u0085\u2028`},
	} {
		if got := Quote(tt.in); got != tt.want {
			t.Errorf("Quote(%q) = %q, want %q", tt.in, got, tt.want)
		}
	}
}

func TestBriefTexts(t *testing.T) {
	for _, s := range []string{strings.Repeat("x", 1<<16), strings.Repeat("\x00", 300), strings.Repeat("ü", 200), strings.Repeat("x", maxBrief-1) + "ü"} {
		got := brief(s)
		if len(got) > maxBrief+len("…") || !strings.HasSuffix(got, "…") || unprintable(got) >= 0 {
			t.Errorf("brief of %d bytes has %d: %q", len(s), len(got), got)
		}
	}
	if got := brief("etcd"); got != "etcd" {
		t.Errorf("brief: %q", got)
	}
	if got := briefly(strings.Split(strings.Repeat("a", 20), "")); got != "a, a, a, a, a, a, a, a, a, a, a, a and 8 more" {
		t.Errorf("briefly: %q", got)
	}
}

func FuzzQuote(f *testing.F) {
	f.Add("a\x1b[0m\u202e\xff")
	f.Fuzz(func(t *testing.T, s string) {
		for _, q := range []string{Quote(s), brief(s)} {
			if r := unprintable(strings.ReplaceAll(q, "\ufffd", "")); r >= 0 {
				t.Errorf("%U in %q", r, q)
			}
		}
	})
}
