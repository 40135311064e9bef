package privilege

import (
	"fmt"
	"os/user"
	"strconv"
	"strings"
)

// Where the system does not name them, as in a container image without /etc/passwd, nobody has these numbers.
const (
	nobodyUser  = "nobody"
	nobodyID    = 65534
	leaveAsIsID = -1
)

// identity is a user to become.
type identity struct {
	uid, gid int // leaveAsIsID: no change
	name     string
}

// lookUp finds the user to become. current is who the process is.
func lookUp(name string, current int) (identity, error) {
	switch {
	case name == "" && current != 0:
		return identity{leaveAsIsID, leaveAsIsID, ""}, nil
	case name == "":
		if u, err := byName(nobodyUser); err == nil {
			return u, nil
		}
		return identity{nobodyID, nobodyID, nobodyUser}, nil
	}
	u, err := byName(name)
	if err != nil {
		return identity{}, fmt.Errorf("the user to become: %s; expected a user of this system, see: getent passwd", strings.TrimPrefix(err.Error(), "user: "))
	}
	if current != 0 && u.uid == current {
		return identity{leaveAsIsID, leaveAsIsID, name}, nil
	}
	return u, nil
}

// Target is who Drop will become with this Options.User; change is false where it stays who it is. A file that is to be written after
// Drop belongs to that user.
func Target(name string) (uid, gid int, change bool, err error) {
	who, err := target(name)
	if err != nil {
		return 0, 0, false, fmt.Errorf("giving up privileges: %w", err)
	}
	return who.uid, who.gid, who.uid != leaveAsIsID, nil
}

func byName(name string) (identity, error) {
	u, err := user.Lookup(name)
	if n, notNumber := strconv.ParseUint(name, 10, 31); err != nil && notNumber == nil {
		if u, err = user.LookupId(name); err != nil {
			return identity{int(n), int(n), name}, nil // a number needs no name
		}
	}
	if err != nil {
		return identity{}, err
	}
	uid, errUID := strconv.ParseUint(u.Uid, 10, 31)
	gid, errGID := strconv.ParseUint(u.Gid, 10, 31)
	if errUID != nil || errGID != nil {
		return identity{}, fmt.Errorf("user %s has the ids %q and %q, expected numbers", name, u.Uid, u.Gid)
	}
	return identity{int(uid), int(gid), name}, nil
}
