//go:build !linux

package privilege

import (
	"fmt"
	"os"
	"syscall"
)

// Drop makes root the user of o and leaves all groups. There are no capabilities on this system.
//
// An error means that something may be left: the process must end.
func Drop(o Options) error {
	who, err := target(o.User)
	if err != nil {
		return fmt.Errorf("giving up privileges: %w", err)
	}
	if who.uid == leaveAsIsID {
		return nil
	}
	if err := syscall.Setgroups([]int{who.gid}); err != nil { // some systems take the first for the effective group
		return fmt.Errorf("giving up privileges: leaving all groups: %w", err)
	}
	if err := syscall.Setgid(who.gid); err != nil {
		return fmt.Errorf("giving up privileges: becoming group %d of user %s: %w", who.gid, who.name, err)
	}
	if err := syscall.Setuid(who.uid); err != nil {
		return fmt.Errorf("giving up privileges: becoming user %s: %w", who.name, err)
	}
	if who.uid != 0 && (os.Getuid() != who.uid || os.Geteuid() != who.uid || syscall.Setuid(0) == nil) {
		return fmt.Errorf("giving up privileges did not succeed: the user is %d, expected %d; this process must not go on", os.Geteuid(), who.uid)
	}
	return nil
}

// target is who Drop would become.
func target(user string) (identity, error) { return lookUp(user, os.Getuid()) }
