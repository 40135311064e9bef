//go:build !linux

package live

import (
	"errors"
	"runtime"
)

func open(*Options) (*Source, error) {
	return nil, errors.New("live capture needs Linux, and this is " + runtime.GOOS + ": pipe it in with tcpdump -w - tcp | etcdtap read -")
}

// within runs f; there are no network namespaces but our own.
func within(netns string, f func() error) error {
	if netns != "" {
		return errors.New("network namespaces need Linux, and this is " + runtime.GOOS)
	}
	return f()
}
