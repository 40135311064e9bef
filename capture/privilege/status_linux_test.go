package privilege

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

const dropped = `Name:	etcdtap
Uid:	65534	65534	65534	65534
Gid:	65534	65534	65534	65534
Groups:	
CapInh:	0000000000000000
CapPrm:	0000000000000000
CapEff:	0000000000000000
CapBnd:	0000000000000000
CapAmb:	0000000000000000
NoNewPrivs:	1
`

// Anything left in one of the threads fails the verification: this is the lock that must close.
func TestVerifyFindsWhatIsLeft(t *testing.T) {
	g := goal{who: identity{65534, 65534, "nobody"}, groups: true}
	for name, c := range map[string]struct{ old, new, want string }{
		"nothing":     {"", "", ""},
		"permitted":   {"CapPrm:	0000000000000000", "CapPrm:	0000000000002000", "permitted capabilities are 0000000000002000"},
		"effective":   {"CapEff:	0000000000000000", "CapEff:	0000000000002000", "effective"},
		"inheritable": {"CapInh:	0000000000000000", "CapInh:	0000000000002000", "inheritable"},
		"ambient":     {"CapAmb:	0000000000000000", "CapAmb:	0000000000002000", "ambient"},
		"bounding":    {"CapBnd:	0000000000000000", "CapBnd:	000001ffffffffff", "bounding"},
		"saved user":  {"Uid:	65534	65534	65534", "Uid:	65534	65534	0", "its users are [65534 65534 0 65534]"},
		"group":       {"Gid:	65534	65534	65534	65534", "Gid:	0	65534	65534	65534", "its groups [0"},
		"groups":      {"Groups:	", "Groups:	4 27 ", "in the groups 4 27"},
		"privileges":  {"NoNewPrivs:	1", "NoNewPrivs:	0", "new privileges"},
		"no line":     {"CapEff:	0000000000000000\n", "", "no line CapEff"},
		"no number":   {"CapEff:	0000000000000000\n", "CapEff:	none\n", "CapEff"},
		"few users":   {"Uid:	65534	65534	65534	65534", "Uid:	65534", "four numbers"},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			bad := strings.Replace(dropped, c.old, c.new, 1)
			writeThreads(t, dir, map[string]string{"100": dropped, "101": bad, "102": dropped})
			err := g.verify(dir)
			switch {
			case c.want == "" && err != nil:
				t.Errorf("got %v", err)
			case c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want) || !strings.Contains(err.Error(), "101")):
				t.Errorf("got %v, want %q of thread 101", err, c.want)
			}
		})
	}
	if err := g.verify(t.TempDir()); err == nil {
		t.Error("no thread at all was accepted")
	}
}

// A thread that has something left and ends is no danger; one that stays is.
func TestVerifyWaitsForThreadsThatEnd(t *testing.T) {
	g := goal{who: identity{65534, 65534, "nobody"}, groups: true}
	dir := t.TempDir()
	writeThreads(t, dir, map[string]string{"100": dropped, "101": strings.Replace(dropped, "CapPrm:	0", "CapPrm:	1", 1)})
	if err := g.verifySoon(dir, 20*time.Millisecond); err == nil || !strings.Contains(err.Error(), "thread 101") {
		t.Errorf("a thread that stays: got %v", err)
	}
	ended := time.AfterFunc(20*time.Millisecond, func() { os.RemoveAll(filepath.Join(dir, "101")) })
	defer ended.Stop()
	if err := g.verifySoon(dir, time.Minute); err != nil {
		t.Errorf("a thread that ends: got %v", err)
	}
}

// writeThreads makes a directory like /proc/self/task, by the threads' names.
func writeThreads(t *testing.T, dir string, status map[string]string) {
	t.Helper()
	for thread, text := range status {
		if err := os.MkdirAll(filepath.Join(dir, thread), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, thread, "status"), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}
