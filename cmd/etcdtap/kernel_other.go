//go:build !linux

package main

import "runtime"

// kernelText is the system.
func kernelText() string { return runtime.GOOS }
