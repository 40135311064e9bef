package privilege

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// status is what the kernel says of a thread: the lines of proc_pid_status(5) that matter here.
type status struct {
	uids, gids                                           [4]int // real, effective, saved, file system
	groups                                               string
	inheritable, permitted, effective, bounding, ambient set
	noNewPrivs                                           bool
}

// statusOf reads a thread's status. A kernel that leaves out a line that is needed is an error: nothing could be verified.
func statusOf(name string) (*status, error) {
	data, err := os.ReadFile(name)
	if err != nil {
		return nil, fmt.Errorf("%w; expected the proc file system at /proc", err)
	}
	s, err := parseStatus(string(data))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return s, nil
}

// Has reports whether the calling thread has all of these capabilities in effect.
func Has(list ...Capability) bool {
	s, err := statusOf("/proc/thread-self/status")
	return err == nil && s.effective&setOf(list...) == setOf(list...)
}

func parseStatus(text string) (*status, error) {
	s := new(status)
	missing := map[string]bool{"Uid": true, "Gid": true, "Groups": true, "CapInh": true, "CapPrm": true, "CapEff": true, "CapBnd": true, "NoNewPrivs": true}
	for line := range strings.Lines(text) {
		name, value, _ := strings.Cut(line, ":")
		value = strings.TrimSpace(value)
		var err error
		switch name {
		case "Uid":
			s.uids, err = parseIDs(value)
		case "Gid":
			s.gids, err = parseIDs(value)
		case "Groups":
			s.groups = value
		case "CapInh":
			s.inheritable, err = parseSet(value)
		case "CapPrm":
			s.permitted, err = parseSet(value)
		case "CapEff":
			s.effective, err = parseSet(value)
		case "CapBnd":
			s.bounding, err = parseSet(value)
		case "CapAmb":
			s.ambient, err = parseSet(value)
		case "NoNewPrivs":
			s.noNewPrivs = value == "1"
		}
		if err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		delete(missing, name)
	}
	for name := range missing {
		return nil, fmt.Errorf("there is no line %s, expected one", name)
	}
	return s, nil
}

func parseSet(s string) (set, error) {
	n, err := strconv.ParseUint(s, 16, 64)
	return set(n), err
}

func parseIDs(s string) (ids [4]int, err error) {
	fields := strings.Fields(s)
	if len(fields) != len(ids) {
		return ids, fmt.Errorf("expected four numbers, found %q", s)
	}
	for i, f := range fields {
		if ids[i], err = strconv.Atoi(f); err != nil {
			return ids, err
		}
	}
	return ids, nil
}

// verify looks at each thread of tasks, a directory as /proc/self/task, for anything that is more than the goal. A thread may end while
// it is looked at; one that begins has what the thread has that began it.
func (g *goal) verify(tasks string) error {
	threads, err := filepath.Glob(tasks + "/[0-9]*/status")
	if err != nil || len(threads) == 0 {
		return fmt.Errorf("found no thread in %s, expected at least this one", tasks)
	}
	looked := 0
	for _, name := range threads {
		s, err := statusOf(name)
		if errors.Is(err, os.ErrNotExist) || errors.Is(err, syscall.ESRCH) {
			continue
		}
		if err != nil {
			return err
		}
		if err := g.check(s); err != nil {
			return fmt.Errorf("thread %s: %w", filepath.Base(filepath.Dir(name)), err)
		}
		looked++
	}
	if looked == 0 {
		return fmt.Errorf("could read no thread's status in %s, expected at least this one's", tasks)
	}
	return nil
}

// verifySoon is verify, again and again for as long as patience lasts. Go takes a thread that ends, such as one that was in another
// namespace, off its list of threads before it ends: what every thread shall do it does no more, nor does it run anything else, but on a
// busy machine it may be there for a while.
func (g *goal) verifySoon(tasks string, patience time.Duration) error {
	for end := time.Now().Add(patience); ; time.Sleep(time.Millisecond) {
		if err := g.verify(tasks); err == nil || time.Now().After(end) {
			return err
		}
	}
}

// check says what a thread has left beyond the goal.
func (g *goal) check(s *status) error {
	for _, c := range [...]struct {
		what       string
		have, want set
	}{{"permitted", s.permitted, g.keep}, {"effective", s.effective, g.keep}, {"inheritable", s.inheritable, 0}, {"ambient", s.ambient, 0}, {"bounding", s.bounding, s.bounding & g.bounding}} {
		if c.have != c.want {
			return fmt.Errorf("its %s capabilities are %016x, expected %016x", c.what, uint64(c.have), uint64(c.want))
		}
	}
	if g.groups && s.groups != "" {
		return fmt.Errorf("it is in the groups %s, expected none", s.groups)
	}
	if w := g.who; w.uid != leaveAsIsID && (s.uids != [4]int{w.uid, w.uid, w.uid, w.uid} || s.gids != [4]int{w.gid, w.gid, w.gid, w.gid}) {
		return fmt.Errorf("its users are %v and its groups %v, expected %d and %d", s.uids, s.gids, w.uid, w.gid)
	}
	if !s.noNewPrivs {
		return errors.New("it may get new privileges, expected PR_SET_NO_NEW_PRIVS")
	}
	return nil
}
