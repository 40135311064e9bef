package main

import (
	"fmt"
	"runtime"
	"runtime/debug"

	"github.com/spf13/cobra"

	"github.com/etcdtap/etcdtap/capture"
)

// version is set by the Makefile (-ldflags -X) to what `git describe` says; without it the module's version stands.
var version string

func newVersion(e *environment) *cobra.Command {
	return &cobra.Command{
		Use:     "version",
		Short:   "Print the version",
		Example: `  etcdtap version`,
		Args:    arguments(0, 0, "no arguments"),
		RunE: func(*cobra.Command, []string) error {
			libpcap := "with libpcap: tcpdump filter expressions work"
			if !capture.HasPcap {
				libpcap = "without libpcap: no tcpdump filter expressions"
			}
			_, err := fmt.Fprintf(e.stdout, "etcdtap %s (%s, %s/%s, %s)\n", versionText(), runtime.Version(), runtime.GOOS, runtime.GOARCH, libpcap)
			return err
		},
	}
}

func versionText() string {
	if version != "" {
		return version
	}
	if b, ok := debug.ReadBuildInfo(); ok && b.Main.Version != "" {
		return b.Main.Version
	}
	return "(unknown)"
}
