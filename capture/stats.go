package capture

// Stats says what a file held and what of it was not used, so that a summary can say so.
type Stats struct {
	Packets  int64 // read and handed over
	Bytes    int64 // captured bytes of those packets
	Cut      int64 // packets cut by the snapshot length
	Inverted int64 // packets with more bytes captured than their length on the wire, which is then taken as captured
	Untimed  int64 // pcapng simple packets, which have no time and are given the one of the packet before them

	Interfaces  int64 // capture interfaces described, over all sections; 1 for pcap
	NoInterface int64 // packets passed over because their interface is not described or is beyond maxInterfaces
	Oversized   int64 // packets passed over because they are larger than maxPacket

	// What was lost while capturing, as told by whoever captured; a lower bound.
	InterfaceDrops uint64 // dropped by interfaces (isb_ifdrop)
	SystemDrops    uint64 // dropped by the operating system for want of buffer (isb_osdrop)
	PacketDrops    uint64 // told packet by packet (epb_dropcount); mostly the same ones again

	Skipped        []BlockCount // pcapng blocks passed over, by type, in the order of appearance
	SkippedOther   int64        // and blocks of yet other types, after maxBlockTypes
	SecretsDropped int64        // decryption-secrets blocks beyond maxSecrets

	Truncated *TruncatedError // why the file ended early; nil while it has not
}

// Dropped is how many packets were lost while capturing, as far as the file tells.
func (s *Stats) Dropped() uint64 { return max(s.InterfaceDrops+s.SystemDrops, s.PacketDrops) }

// BlockCount counts the pcapng blocks of one type.
type BlockCount struct {
	Type  uint32
	Count int64
}

// maxBlockTypes bounds how many types of skipped blocks are told apart; a dozen exist.
const maxBlockTypes = 64

func (s *Stats) skipped(kind uint32) {
	for i := range s.Skipped {
		if s.Skipped[i].Type == kind {
			s.Skipped[i].Count++
			return
		}
	}
	if len(s.Skipped) == maxBlockTypes {
		s.SkippedOther++
		return
	}
	s.Skipped = append(s.Skipped, BlockCount{kind, 1})
}
