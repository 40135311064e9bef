package capture

// Packet is one packet as captured. A Source fills it in place, so that reading allocates nothing.
type Packet struct {
	Number    int64    // 1-based over the whole capture, all files together, in the order of reading
	Time      int64    // nanoseconds since the Unix epoch; 0 when the capture has none (pcapng simple packets)
	Data      []byte   // the captured bytes, from the link header on; valid until the source's next Next
	Length    int      // bytes on the wire; at least len(Data)
	Link      LinkType // how Data begins
	Interface int32    // index of the capture interface within its file; 0 for pcap
	Detour    *Detour  // what a proxy's file says of the connection that begins with this packet; else nil
}

// Source is a capture being read: a file, several files merged, or an interface.
type Source interface {
	// Next fills p with the next packet. It returns io.EOF after the last one. A capture that ends in the middle of
	// a packet ends with a *TruncatedError (the packets before it are good), any other error is fatal.
	Next(p *Packet) error
}
