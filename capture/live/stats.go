package live

// Stats says how many packets came and how many were lost, since the capture began.
type Stats struct {
	InterfaceStats                  // of all interfaces together
	Interfaces     []InterfaceStats // in the order of Packet.Interface
}

// InterfaceStats counts the packets of one interface, in the words of tcpdump's last lines.
type InterfaceStats struct {
	Received  uint64 // selected by the filter; with those that were then dropped
	Dropped   uint64 // by the kernel, because its buffer was full
	IfDropped uint64 // by the network card or its driver, because theirs were; not known for "any"
}

// Stats counts. It is cheap (two system calls an interface) and may be called by any goroutine, also after Close, when it gives
// the last counts.
func (s *Source) Stats() Stats {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.closed {
		s.reader.count(s.counts)
	}
	total := Stats{Interfaces: append([]InterfaceStats(nil), s.counts...)}
	for _, c := range s.counts {
		total.Received += c.Received
		total.Dropped += c.Dropped
		total.IfDropped += c.IfDropped
	}
	return total
}
