package capture

// enhancedPacket reads an Enhanced Packet Block (draft-ietf-opsawg-pcapng, Section 4.3).
func (r *pcapngReader) enhancedPacket(f *File, p *Packet, body []byte) (bool, error) {
	const fixed = 20 // interface, time (high, low), captured length, original length
	const dropCount = 4
	if len(body) < fixed {
		return false, r.malformed(f, "is too short for a packet")
	}
	given, err := r.packet(f, p, r.uint32(body), body[4:], body[fixed:])
	if end := fixed + (len(p.Data)+3)&^3; given && end < len(body) {
		for o := (options{r: r, rest: body[end:]}); o.next(); {
			switch {
			case o.code == dropCount && len(o.value) == 8:
				f.stats.PacketDrops += r.uint64(o.value)
			case o.code == optionComment && p.Detour == nil:
				p.Detour = parseDetour(o.value, &r.zones)
			}
		}
	}
	return given, err
}

// oldPacket reads the obsolete Packet Block (draft-ietf-opsawg-pcapng, Appendix A).
func (r *pcapngReader) oldPacket(f *File, p *Packet, body []byte) (bool, error) {
	const fixed = 20 // interface and drops in 16 bits each, then as in an Enhanced Packet Block
	const unknown = 0xffff
	if len(body) < fixed {
		return false, r.malformed(f, "is too short for a packet")
	}
	if drops := r.uint16(body[2:4]); drops != unknown {
		f.stats.PacketDrops += uint64(drops)
	}
	return r.packet(f, p, uint32(r.uint16(body)), body[4:], body[fixed:])
}

// packet fills p from what enhanced and old packets have in common: fields are time and lengths, data the packet with padding
// and options behind it.
func (r *pcapngReader) packet(f *File, p *Packet, index uint32, fields, data []byte) (bool, error) {
	captured, length := r.uint32(fields[8:12]), r.uint32(fields[12:16])
	if uint64(captured) > uint64(len(data)) {
		return false, r.malformed(f, "has a longer packet than itself")
	}
	if captured > maxPacket {
		f.stats.Oversized++
		return false, nil
	}
	if uint64(index) >= uint64(len(r.interfaces)) {
		f.stats.NoInterface++
		return false, nil
	}
	on := &r.interfaces[index]
	p.Time = on.clock.nanoseconds(uint64(r.uint32(fields))<<32 | uint64(r.uint32(fields[4:8])))
	p.Data = data[:captured]
	p.Length = int(length)
	p.Link = on.link
	p.Interface = r.base + int32(index)
	r.lastTime = p.Time
	return true, nil
}

// simplePacket reads a Simple Packet Block (draft-ietf-opsawg-pcapng, Section 4.4). It has no time, and gets the one of the
// packet before it; it belongs to the section's first interface, and its captured length follows from that one's snapshot length.
func (r *pcapngReader) simplePacket(f *File, p *Packet, body []byte) (bool, error) {
	if len(body) < 4 {
		return false, r.malformed(f, "is too short for a packet")
	}
	if len(r.interfaces) == 0 {
		f.stats.NoInterface++
		return false, nil
	}
	on := &r.interfaces[0]
	length := r.uint32(body)
	captured := min(uint64(length), uint64(len(body)-4))
	if on.snapshot != 0 {
		captured = min(captured, uint64(on.snapshot))
	}
	if captured > maxPacket {
		f.stats.Oversized++
		return false, nil
	}
	f.stats.Untimed++
	p.Time = r.lastTime
	p.Data = body[4 : 4+captured]
	p.Length = int(length)
	p.Link = on.link
	p.Interface = r.base
	return true, nil
}
