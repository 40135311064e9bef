package privilege

import (
	"fmt"
	"os"
	"strings"
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
	"kernel.org/pub/linux/libs/security/libcap/psx"
)

// Drop gives up, in all threads, what o does not keep: the root user, all groups, all capabilities, the bounding set where that is allowed
// (CAP_SETPCAP), and the right to get any of it back by executing a program (PR_SET_NO_NEW_PRIVS). The process can no longer be dumped
// or traced by others of its user. Files opened before stay open; /proc/self/fd, and so /dev/stdout, cannot be opened afterwards.
//
// Where root cannot become anybody else, in a container with CAP_NET_RAW alone or a user namespace without others, it stays the user 0, which
// without capabilities is a user like others; unless o names somebody to become, which is an error then.
//
// An error means that something may be left: the process must end.
func Drop(o Options) error {
	had, err := statusOf("/proc/thread-self/status")
	if err != nil {
		return fmt.Errorf("giving up privileges: %w", err)
	}
	who, err := toBecome(o.User, had)
	if err != nil {
		return fmt.Errorf("giving up privileges: %w", err)
	}
	want := wanted(had, who, o.Keep)
	if err := want.apply(had); err != nil {
		return fmt.Errorf("giving up privileges: %w", err)
	}
	if err := want.verifySoon("/proc/self/task", patience); err != nil {
		return fmt.Errorf("giving up privileges did not succeed: %w; this process must not go on", err)
	}
	return nil
}

// patience is how long a thread that is about to end may take to do so.
const patience = 5 * time.Second

// target is who Drop would become.
func target(user string) (identity, error) {
	had, err := statusOf("/proc/thread-self/status")
	if err != nil {
		return identity{}, err
	}
	return toBecome(user, had)
}

// toBecome is who to become, which is nobody else where the kernel would not let us and nobody was named.
func toBecome(user string, had *status) (identity, error) {
	who, err := lookUp(user, os.Getuid())
	if err == nil && (user == "" || who.uid == os.Getuid()) && !mayBecome(had, who) {
		who = identity{leaveAsIsID, leaveAsIsID, ""}
	}
	return who, err
}

// goal is what every thread shall be afterwards.
type goal struct {
	who      identity
	groups   bool // that there are none can be had, and is demanded
	bounding set  // at most these
	keep     set  // permitted and effective: exactly these
}

// wanted is the least that o and the kernel's rules allow.
func wanted(had *status, who identity, keep []Capability) goal {
	g := goal{who: who, keep: setOf(keep...) & had.permitted, bounding: had.bounding}
	g.groups = had.effective.has(SetGID) && !groupsFixed() || who.uid != leaveAsIsID
	if had.effective.has(SetPCAP) {
		g.bounding = 0
	}
	return g
}

// mayBecome reports whether the kernel would let the process become who.
func mayBecome(had *status, who identity) bool {
	if who.uid == leaveAsIsID {
		return true
	}
	return had.effective.has(SetUID) && had.effective.has(SetGID) && !groupsFixed() && mapped("/proc/self/uid_map", who.uid) && mapped("/proc/self/gid_map", who.gid)
}

// groupsFixed reports whether the user namespace forbids to leave groups (user_namespaces(7)).
func groupsFixed() bool {
	text, err := os.ReadFile("/proc/self/setgroups")
	return err == nil && strings.TrimSpace(string(text)) == "deny"
}

// mapped reports whether an id exists in the user namespace, whose map has lines of first id inside, first id outside, number of ids. A
// kernel without user namespaces has no map.
func mapped(name string, id int) bool {
	text, err := os.ReadFile(name)
	if err != nil {
		return true
	}
	for line := range strings.Lines(string(text)) {
		var inside, outside, count int64
		if n, _ := fmt.Sscan(line, &inside, &outside, &count); n == 3 && int64(id) >= inside && int64(id)-inside < count {
			return true
		}
	}
	return false
}

// apply goes from had to the goal. The order matters: each step may need what a later one gives up.
func (g *goal) apply(had *status) error {
	if err := everyThread("no new privileges", unix.PR_SET_NO_NEW_PRIVS, 1, 0); err != nil {
		return err
	}
	if g.bounding == 0 {
		for c := Capability(0); c < 64; c++ {
			if !had.bounding.has(c) {
				continue
			}
			if err := everyThread("bounding set without "+c.String(), unix.PR_CAPBSET_DROP, uintptr(c), 0); err != nil {
				return err
			}
		}
	}
	// Kernels before 4.3 have no ambient set, and nothing to clear.
	if err := everyThread("ambient set", unix.PR_CAP_AMBIENT, unix.PR_CAP_AMBIENT_CLEAR_ALL, 0); err != nil && had.ambient != 0 {
		return err
	}
	if g.keep != 0 { // else a new uid would take them
		if err := everyThread("keeping capabilities", unix.PR_SET_KEEPCAPS, 1, 0); err != nil {
			return err
		}
	}
	if err := g.become(); err != nil {
		return err
	}
	if err := setCapabilities(g.keep); err != nil {
		return err
	}
	if g.keep != 0 {
		if err := everyThread("keeping no more", unix.PR_SET_KEEPCAPS, 0, 0); err != nil {
			return err
		}
	}
	return unix.Prctl(unix.PR_SET_DUMPABLE, 0, 0, 0, 0)
}

// become changes groups and user. Package syscall does so for all threads.
func (g *goal) become() error {
	if g.groups {
		if err := syscall.Setgroups(nil); err != nil {
			return fmt.Errorf("leaving all groups: %w; expected root, or CAP_SETGID", err)
		}
	}
	if g.who.uid == leaveAsIsID {
		return nil
	}
	if err := syscall.Setresgid(g.who.gid, g.who.gid, g.who.gid); err != nil {
		return fmt.Errorf("becoming group %d of user %s: %w; expected root, or CAP_SETGID", g.who.gid, g.who.name, err)
	}
	if err := syscall.Setresuid(g.who.uid, g.who.uid, g.who.uid); err != nil {
		return fmt.Errorf("becoming user %s: %w; expected root, or CAP_SETUID", g.who.name, err)
	}
	return nil
}

// everyThread calls prctl in each thread, those of C libraries included: capabilities belong to threads, and Go may run anything on
// any of them. Package psx, of libcap's authors, knows how where there is cgo; without it it uses syscall.AllThreadsSyscall.
func everyThread(what string, option int, arg2, arg3 uintptr) error {
	if _, _, errno := psx.Syscall6(unix.SYS_PRCTL, uintptr(option), arg2, arg3, 0, 0, 0); errno != 0 {
		return fmt.Errorf("%s: prctl(%d): %w", what, option, errno)
	}
	return nil
}

// setCapabilities makes the permitted and effective sets of each thread s, and the inheritable one empty.
func setCapabilities(s set) error {
	head := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3} // thread 0: the one that calls
	data := [2]unix.CapUserData{
		{Effective: uint32(s), Permitted: uint32(s)},
		{Effective: uint32(s >> 32), Permitted: uint32(s >> 32)},
	}
	if _, _, errno := psx.Syscall3(unix.SYS_CAPSET, uintptr(unsafe.Pointer(&head)), uintptr(unsafe.Pointer(&data[0])), 0); errno != 0 {
		return fmt.Errorf("capabilities: capset: %w", errno)
	}
	return nil
}
