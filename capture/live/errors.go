package live

import (
	"errors"
	"fmt"
	"strings"
)

// ErrIdle says that nothing came for about 100 ms. It is no failure: call Next again.
var ErrIdle = errors.New("no packet came")

// DownError says that an interface went down, vanished, or was down when it was opened.
type DownError struct {
	Interface string
	Gone      bool // it does not exist any more, and nothing will come of it
}

func (e *DownError) Error() string {
	if e.Gone {
		return fmt.Sprintf("interface %s vanished: no packet will come from it any more; see what there is with etcdtap capture -D", e.Interface)
	}
	return fmt.Sprintf("interface %s is down: no packet comes from it until it is up again; run ip link set %s up", e.Interface, e.Interface)
}

// PermissionError says that a capture needs a privilege that the process does not have. errors.Is finds fs.ErrPermission in it.
type PermissionError struct {
	Doing      string // "capturing packets", "entering the network namespace /run/netns/x"
	Capability string // the one that is missing: "CAP_NET_RAW", "CAP_SYS_ADMIN"
	Err        error  // the system's
}

func (e *PermissionError) Error() string {
	return fmt.Sprintf("%s needs %s, and this process does not have it: run it as root, or give it the capability (%v)", e.Doing, e.Capability, e.Err)
}

// Unwrap gives the cause.
func (e *PermissionError) Unwrap() error { return e.Err }

// noInterface says that there is no interface of a name, and which there are in the network namespace of this thread.
func noInterface(name string) error {
	devices, err := list()
	if err != nil {
		return fmt.Errorf("there is no interface %q: run etcdtap capture -D to see what there is", name)
	}
	var names []string
	for _, d := range devices {
		names = append(names, d.Name)
	}
	return fmt.Errorf("there is no interface %q, there are %s: run etcdtap capture -D for more about them", name, strings.Join(names, ", "))
}
