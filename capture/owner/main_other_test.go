//go:build !linux

package owner

var roles map[string]func() error
