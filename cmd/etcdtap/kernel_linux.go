package main

import "golang.org/x/sys/unix"

// kernelText is the system and its release, as uname -sr has them.
func kernelText() string {
	var u unix.Utsname
	if unix.Uname(&u) != nil {
		return "Linux"
	}
	return unix.ByteSliceToString(u.Sysname[:]) + " " + unix.ByteSliceToString(u.Release[:])
}
