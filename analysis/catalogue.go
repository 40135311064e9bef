package analysis

import (
	"slices"
	"strings"
)

// catalogue is every cause, one slice per subject, each in alphabetical order of its codes. Nothing writes to it.
var catalogue = [...][]Cause{
	plaintextCauses,
	clientCauses,
	serverCauses,
	handshakeCauses,
	networkCauses,
	seriesCauses,
	deployCauses,
}

// CauseOf is the page of a code. The slices in it are shared by all callers and must not be changed. It does not
// allocate and may be called from several goroutines.
func CauseOf(c Code) (Cause, bool) {
	for _, causes := range catalogue {
		i, found := slices.BinarySearchFunc(causes, c, compareToCode)
		if found {
			return causes[i], true
		}
	}
	return Cause{}, false
}

func compareToCode(cause Cause, c Code) int { return strings.Compare(string(cause.Code), string(c)) }

// Causes is the whole catalogue in alphabetical order of the codes. The slice is the caller's; the slices within its
// elements are shared and must not be changed.
func Causes() []Cause {
	all := slices.Concat(catalogue[:]...)
	slices.SortFunc(all, func(a, b Cause) int { return compareToCode(a, b.Code) })
	return all
}

// Bounds of the search for a code that was mistyped.
const (
	maxCodeLength   = 40 // bytes; the longest code has 31, anything far longer is no typing mistake
	maxCodeDistance = 4  // as editDistance counts; with more, the guess is more often wrong than right
)

// NearestCode is the code that whoever typed s most probably meant: the only one that begins with s, else the one that
// needs the fewest edits, else the only one that holds s. It is false when nothing comes near, or when s is the
// beginning of several. Case, blanks and underscores are forgiven.
func NearestCode(s string) (Code, bool) {
	if len(s) > maxCodeLength {
		return "", false
	}
	s = strings.ToLower(strings.NewReplacer(" ", "-", "_", "-").Replace(strings.TrimSpace(s)))
	if s == "" || len(s) > maxCodeLength { // lower case may be longer, and so are replaced invalid bytes
		return "", false
	}
	if _, ok := CauseOf(Code(s)); ok {
		return Code(s), true
	}
	if c, n := codesThat(strings.HasPrefix, s); n > 0 {
		return c, n == 1
	}
	// A short word is near to everything: allow one edit for every three bytes.
	best, bestDistance := Code(""), min(maxCodeDistance, len(s)/3)+1
	for _, cause := range Causes() {
		if d := editDistance(s, string(cause.Code)); d < bestDistance {
			best, bestDistance = cause.Code, d
		}
	}
	if best != "" {
		return best, true
	}
	c, n := codesThat(strings.Contains, s)
	return c, n == 1
}

// codesThat counts the codes that match s; only is the one if there is one, else "".
func codesThat(match func(code, s string) bool, s string) (only Code, n int) {
	for _, cause := range Causes() {
		if match(string(cause.Code), s) {
			only, n = cause.Code, n+1
		}
	}
	if n != 1 {
		only = ""
	}
	return only, n
}

// editDistance counts the insertions and deletions of a byte that turn a into b; a replacement counts as both, so that
// a forgotten word is nearer than another word. Both are at most maxCodeLength long.
func editDistance(a, b string) int {
	var row [maxCodeLength + 1]int // row[j]: distance of a[:i] and b[:j]
	for j := range len(b) + 1 {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			replace := diagonal
			if a[i] != b[j] {
				replace += 2
			}
			diagonal = row[j+1]
			row[j+1] = min(replace, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(b)]
}
