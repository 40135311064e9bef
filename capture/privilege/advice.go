package privilege

import (
	"errors"
	"fmt"
	"io/fs"
	"strings"
)

// ErrMissing is in every error that Advice made, for errors.Is.
var ErrMissing = errors.New("capturing needs CAP_NET_RAW, which this process does not have")

// Advice adds to an error of opening an interface what to do about it, when it is that the process may not: the exact command that gives
// this very program CAP_NET_RAW, what a pod has to say, and ways without. Other errors come back as they are.
func Advice(err error) error {
	if err == nil || errors.Is(err, ErrMissing) || !denied(err) {
		return err
	}
	return &missingError{err, advice(look())}
}

// missingError is an error of opening an interface, and what to do about it.
type missingError struct {
	err    error
	advice string
}

// Error says once what is missing: the system's words often do not.
func (e *missingError) Error() string {
	text := e.err.Error()
	if !strings.Contains(text, NetRaw.String()) {
		text += ": " + ErrMissing.Error()
	}
	return text + "\n" + e.advice
}

// Unwrap gives the cause and ErrMissing.
func (e *missingError) Unwrap() []error { return []error{e.err, ErrMissing} }

// Missing is the error of a process that may not capture, before it tries; nil when it may, or when that cannot be known.
func Missing() error {
	s := look()
	if s.capable {
		return nil
	}
	return fmt.Errorf("%w\n%s", ErrMissing, advice(s))
}

// denied reports whether err says that something is not allowed. libpcap gives its errors as texts.
func denied(err error) bool {
	text := strings.ToLower(err.Error())
	return errors.Is(err, fs.ErrPermission) || strings.Contains(text, "operation not permitted") || strings.Contains(text, "permission denied") ||
		strings.Contains(text, "don't have permission")
}

// situation is what the advice depends on.
type situation struct {
	capable    bool   // the process has CAP_NET_RAW
	executable string // path of the running program, links followed; "" when it is not known
	bounding   bool   // CAP_NET_RAW is in the bounding set: a program may be given it
	noNewPrivs bool   // a program's own capabilities count for nothing
	noSUID     bool   // likewise, for the file system that the program is on
}

// advice is the ways to capture all the same, one below the other.
func advice(s situation) string {
	var b strings.Builder
	name := s.executable
	if name == "" {
		name = "/path/to/etcdtap"
	}
	if no := s.fileCapabilitiesFail(); no == "" {
		fmt.Fprintf(&b, "  give it to this program, once:  sudo setcap cap_net_raw=ep %s\n", shellWord(name))
	} else {
		fmt.Fprintf(&b, "  not by a capability of the program's file (sudo setcap cap_net_raw=ep %s), as things are: %s\n", shellWord(name), no)
	}
	b.WriteString("  in a pod, the container needs:  securityContext: {runAsUser: 0, capabilities: {add: [NET_RAW], drop: [ALL]}}\n" +
		"                                  (etcdtap gives up root and NET_RAW as soon as it captures)\n" +
		"  without it, let who may record: sudo tcpdump -i any -s 0 -w etcd.pcap 'tcp port 2379 or tcp port 2380'\n" +
		"                                  and then: etcdtap read etcd.pcap\n" +
		"  or watch without packets:       etcdtap proxy --help")
	return b.String()
}

// fileCapabilitiesFail says why setcap would not help here; "" when it would.
func (s *situation) fileCapabilitiesFail() string {
	switch {
	case !s.bounding:
		return "NET_RAW is not in this container's (or service's) bounding set, so no program in it can have it, and one that asks is not even started"
	case s.noNewPrivs:
		return "this process was started with no_new_privs (allowPrivilegeEscalation: false in a pod, NoNewPrivileges= in a unit)"
	case s.noSUID:
		return "its file system is mounted nosuid; copy it to another, such as /usr/local/bin"
	}
	return ""
}

// shellWord quotes a path for a shell where it has to be.
func shellWord(s string) string {
	plain := func(r rune) bool {
		return r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("/._-+,@%:=", r)
	}
	if s != "" && strings.TrimFunc(s, plain) == "" {
		return s
	}
	return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
}
