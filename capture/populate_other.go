//go:build !linux

package capture

// populate is for Linux.
func populate[T any]([]T) {}
