// Package pcaps holds the capture that is built into the binary; the others beside it are read as files. README.md says how
// each was made.
package pcaps

import _ "embed"

// DemoName is the name of the capture behind Demo.
const DemoName = "demo.pcap"

// Demo is a capture of a real etcd 3.5: `etcdtap demo` analyses it.
//
//go:embed demo.pcap
var Demo []byte
