//go:build linux && cgo && !nopcap

package live

// ways are the ways to packets that can be tested in this build.
func ways() []opener {
	return []opener{{"libpcap", openPcap}, {"packet sockets", openPacketSockets}}
}
