//go:build !cgo || nopcap

package live

// open opens the way to packets that this build has: packet sockets.
func open(o *Options) (*Source, error) { return openPacketSockets(o) }
