// Package privilege gives up what a capture needed to begin and does not need to go on. Opening an interface takes CAP_NET_RAW, entering
// another process' network takes root; reading packets off an open socket takes nothing. So everything is opened first, and then
//
//	err := privilege.Drop(privilege.Options{})
//
// makes root the user nobody and takes every capability off every thread, for good. It looks at what the kernel says afterwards, and an
// error means that the process must not go on: it may hold more than it should.
//
// Advice is what to tell somebody who does not have the privilege to begin with.
package privilege

import "strconv"

// Capability is one of Linux' capabilities, by number as in <linux/capability.h>.
type Capability uint8

// The capabilities that this program knows of.
const (
	DACReadSearch Capability = 2  // read files and directories of others
	SetGID        Capability = 6  // change groups
	SetUID        Capability = 7  // change user
	SetPCAP       Capability = 8  // drop from the bounding set
	NetRaw        Capability = 13 // open packet sockets
	SysPtrace     Capability = 19 // look into processes of others
	SysAdmin      Capability = 21 // enter namespaces, among much else
)

func (c Capability) String() string {
	switch c {
	case DACReadSearch:
		return "CAP_DAC_READ_SEARCH"
	case SetGID:
		return "CAP_SETGID"
	case SetUID:
		return "CAP_SETUID"
	case SetPCAP:
		return "CAP_SETPCAP"
	case NetRaw:
		return "CAP_NET_RAW"
	case SysPtrace:
		return "CAP_SYS_PTRACE"
	case SysAdmin:
		return "CAP_SYS_ADMIN"
	}
	return "capability " + strconv.Itoa(int(c))
}

// set is a set of capabilities, as the kernel prints it: bit n is capability n.
type set uint64

func setOf(list ...Capability) (s set) {
	for _, c := range list {
		s |= 1 << c
	}
	return s
}

func (s set) has(c Capability) bool { return s>>c&1 != 0 }

// Options says what Drop leaves. The zero value leaves nothing, and makes root nobody.
type Options struct {
	// User is who to become, by name or number. Empty is nobody where the process is root's, and no change where it is not. Root
	// may be named: it stays root then, without any capability.
	User string
	// Keep is what stays of the capabilities that the process has; it is no error when it does not have one.
	Keep []Capability
}
