//go:build !linux

package capture

// adviseHugePages is for Linux, which does not use huge pages without being asked.
func adviseHugePages[T any]([]T) {}
