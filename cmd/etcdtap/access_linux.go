package main

import "golang.org/x/sys/unix"

// mayCreateIn says whether files can be made in a directory by whoever we are now.
func mayCreateIn(dir string) error { return unix.Access(dir, unix.W_OK|unix.X_OK) }
