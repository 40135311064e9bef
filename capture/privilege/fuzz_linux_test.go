package privilege

import "testing"

// The kernel is believed; that what it writes is read without a slip is not.
func FuzzParseStatus(f *testing.F) {
	f.Add("Name:\tx\nUid:\t0\t0\t0\t0\nGid:\t1\t1\t1\t1\nGroups:\t4 \nCapInh:\t0\nCapPrm:\t1ff\nCapEff:\t1ff\nCapBnd:\t1ff\nCapAmb:\t0\nNoNewPrivs:\t1\n")
	f.Add("Uid:\t0\nUid\n:\n")
	f.Fuzz(func(t *testing.T, text string) {
		s, err := parseStatus(text)
		if (s == nil) == (err == nil) || err != nil && err.Error() == "" {
			t.Errorf("%v, %v", s, err)
		}
	})
}
