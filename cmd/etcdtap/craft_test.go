package main

import (
	"encoding/binary"
	"net/netip"
)

// craft makes captures of conversations that no real program would have.
type craft struct {
	b       []byte
	packets int
	port    uint16
	seq     [2]uint32 // by sender: 0 is the client
}

// newCraft begins a capture file of Ethernet frames.
func newCraft() *craft {
	b := binary.LittleEndian.AppendUint32(nil, 0xa1b2c3d4)
	b = binary.LittleEndian.AppendUint16(b, 2)
	b = binary.LittleEndian.AppendUint16(b, 4)
	b = append(b, make([]byte, 8)...)
	b = binary.LittleEndian.AppendUint32(b, 1<<18)
	return &craft{b: binary.LittleEndian.AppendUint32(b, 1), port: 30000}
}

// open begins another connection to etcd's client port.
func (c *craft) open() *craft {
	c.port++
	c.seq = [2]uint32{999, 4999}
	c.packet(0, 2, nil)
	c.packet(1, 2|16, nil)
	c.packet(0, 16, nil)
	return c
}

// say sends bytes in segments of at most so many.
func (c *craft) say(from int, p []byte, size int) *craft {
	for len(p) > 0 {
		n := min(size, len(p))
		c.packet(from, 16|8, p[:n])
		p = p[n:]
	}
	return c
}

// close ends both sides, the server first.
func (c *craft) close() *craft {
	c.packet(1, 1|16, nil)
	c.packet(0, 1|16, nil)
	return c
}

func (c *craft) packet(from int, flags byte, payload []byte) {
	ends := [2]netip.AddrPort{netip.AddrPortFrom(netip.AddrFrom4([4]byte{192, 0, 2, 1}), c.port), netip.MustParseAddrPort("192.0.2.2:2379")}
	src, dst := ends[from], ends[1-from]
	f := append(make([]byte, 12), 8, 0)
	f = append(f, 0x45, 0)
	f = binary.BigEndian.AppendUint16(f, uint16(40+len(payload)))
	f = append(f, 0, 0, 0x40, 0, 64, 6, 0, 0)
	f = append(append(f, src.Addr().AsSlice()...), dst.Addr().AsSlice()...)
	f = binary.BigEndian.AppendUint16(f, src.Port())
	f = binary.BigEndian.AppendUint16(f, dst.Port())
	f = binary.BigEndian.AppendUint32(f, c.seq[from])
	ack := c.seq[1-from]
	if flags&16 == 0 {
		ack = 0
	}
	f = binary.BigEndian.AppendUint32(f, ack)
	f = append(f, 5<<4, flags, 255, 255, 0, 0, 0, 0)
	f = append(f, payload...)
	c.seq[from] += uint32(len(payload))
	if flags&3 != 0 {
		c.seq[from]++
	}
	c.packets++
	c.b = binary.LittleEndian.AppendUint32(c.b, uint32(1_750_000_000+c.packets/1000))
	c.b = binary.LittleEndian.AppendUint32(c.b, uint32(c.packets%1000*1000))
	c.b = binary.LittleEndian.AppendUint32(c.b, uint32(len(f)))
	c.b = binary.LittleEndian.AppendUint32(c.b, uint32(len(f)))
	c.b = append(c.b, f...)
}

// record frames TLS 1.2 plaintext.
func record(kind byte, body []byte) []byte {
	b := []byte{kind, 3, 3}
	return append(binary.BigEndian.AppendUint16(b, uint16(len(body))), body...)
}

// records frames a body over as many records as it takes, of so many bytes each.
func records(kind byte, body []byte, size int) []byte {
	var b []byte
	for len(body) > 0 {
		n := min(size, len(body))
		b = append(b, record(kind, body[:n])...)
		body = body[n:]
	}
	return b
}

// message frames a handshake message.
func message(kind byte, body []byte) []byte {
	return append([]byte{kind, byte(len(body) >> 16), byte(len(body) >> 8), byte(len(body))}, body...)
}

// vector puts a length of so many bytes before a body.
func vector(size int, body []byte) []byte {
	var b []byte
	for i := size - 1; i >= 0; i-- {
		b = append(b, byte(len(body)>>(8*i)))
	}
	return append(b, body...)
}
