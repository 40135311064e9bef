//go:build !cgo || nopcap

package live

// ways are the ways to packets that can be tested in this build.
func ways() []opener { return []opener{{"packet sockets", openPacketSockets}} }
