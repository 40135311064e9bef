package main

import (
	"bytes"
	"encoding/binary"
	"slices"
)

// datagram is a packet from its IP header on, without padding.
type datagram struct {
	at int64 // nanoseconds since the Unix epoch
	ip []byte
}

// datagrams are those of a capture of Ethernet frames.
func (p packets) datagrams() (list []datagram) {
	for i := range p.list {
		one := &p.list[i]
		if binary.LittleEndian.Uint32(p.header[20:]) != 1 || len(one.data) < 34 || one.data[12] != 8 && one.data[12] != 0x86 {
			continue
		}
		ip := one.data[14:]
		n := int(binary.BigEndian.Uint16(ip[2:]))
		if ip[0]>>4 == 6 {
			n = 40 + int(binary.BigEndian.Uint16(ip[4:]))
		}
		at := int64(binary.LittleEndian.Uint32(one.time[:]))*1e9 + int64(binary.LittleEndian.Uint32(one.time[4:]))*1e3
		list = append(list, datagram{at, ip[:min(n, len(ip))]})
	}
	return list
}

// The magic numbers of pcap files by the resolution of their times.
const (
	microseconds = 0xa1b2c3d4
	nanoseconds  = 0xa1b23c4d
)

// pcapOf writes a pcap file. wrap gives packet i what is before its IP header.
func pcapOf(order binary.AppendByteOrder, magic, link uint32, list []datagram, wrap func(i int, ip []byte) []byte) []byte {
	b := order.AppendUint32(nil, magic)
	b = order.AppendUint16(order.AppendUint16(b, 2), 4)
	for _, v := range []uint32{0, 0, 1 << 18, link} {
		b = order.AppendUint32(b, v)
	}
	unit := int64(1000)
	if magic == nanoseconds {
		unit = 1
	}
	for i, d := range list {
		data := wrap(i, d.ip)
		for _, v := range []uint32{uint32(d.at / 1e9), uint32(d.at % 1e9 / unit), uint32(len(data)), uint32(len(data))} {
			b = order.AppendUint32(b, v)
		}
		b = append(b, data...)
	}
	return b
}

func ethernetOf(list []datagram) []byte {
	return pcapOf(binary.LittleEndian, microseconds, 1, list, inEthernet)
}

// ngInterface is an interface of a pcapng file.
type ngInterface struct {
	link       uint16
	resolution byte                   // if_tsresol
	offset     int64                  // if_tsoffset, in seconds
	ticks      func(ns uint64) uint64 // of that resolution
	wrap       func(i int, ip []byte) []byte
}

// everyInterface are interfaces of many links and clocks.
func everyInterface() []ngInterface {
	whole := func(ns uint64) uint64 { return ns }
	thousandth := func(ns uint64) uint64 { return ns / 1000 }
	return []ngInterface{
		{1, 6, 0, thousandth, inEthernet},
		{113, 9, 0, whole, inSLL},
		{276, 9, 1000, whole, inSLL2},
		{101, 0x80 | 30, 0, func(ns uint64) uint64 { return ns/1e9<<30 + (ns%1e9<<30+999_999_999)/1e9 }, bare},
		{101, 6, -3600, thousandth, bare},
		{101, 9, 1 << 30, whole, bare},
	}
}

// pcapngOf writes a section whose packets come from the interfaces by turns.
func pcapngOf(order binary.AppendByteOrder, list []datagram, interfaces []ngInterface) []byte {
	var b []byte
	block := func(kind uint32, parts ...[]byte) {
		body := slices.Concat(parts...)
		size := uint32(12 + len(body))
		b = order.AppendUint32(order.AppendUint32(b, kind), size)
		b = order.AppendUint32(append(b, body...), size)
	}
	number := func(list ...uint32) (n []byte) {
		for _, v := range list {
			n = order.AppendUint32(n, v)
		}
		return n
	}
	short := func(a, b uint16) []byte { return order.AppendUint16(order.AppendUint16(nil, a), b) }
	block(0x0a0d0d0a, number(0x1a2b3c4d), short(1, 0), number(0xffffffff, 0xffffffff))
	for _, f := range interfaces {
		block(1, short(f.link, 0), number(0), short(9, 1), []byte{f.resolution, 0, 0, 0}, short(14, 8), order.AppendUint64(nil, uint64(f.offset)))
	}
	for i, d := range list {
		n := i % len(interfaces)
		f := interfaces[n]
		data, ticks := f.wrap(i, d.ip), f.ticks(uint64(d.at-f.offset*1e9))
		size := uint32(len(data))
		block(6, number(uint32(n), uint32(ticks>>32), uint32(ticks), size, size), data, make([]byte, (4-size%4)%4), short(1, 4), []byte("note"))
	}
	return b
}

// be are numbers of two bytes, as the network has them.
func be(list ...uint16) (b []byte) {
	for _, v := range list {
		b = binary.BigEndian.AppendUint16(b, v)
	}
	return b
}

func etherTypeOf(ip []byte) uint16 {
	if ip[0]>>4 == 6 {
		return 0x86dd
	}
	return 0x0800
}

// pppOf is the protocol number of PPP.
func pppOf(ip []byte) []byte {
	if ip[0]>>4 == 6 {
		return be(0x57)
	}
	return be(0x21)
}

func frame(etherType uint16, rest ...[]byte) []byte {
	return append(append([]byte{2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2}, be(etherType)...), slices.Concat(rest...)...)
}

func bare(_ int, ip []byte) []byte       { return ip }
func inEthernet(_ int, ip []byte) []byte { return frame(etherTypeOf(ip), ip) }
func inSLL(i int, ip []byte) []byte {
	return append(be(uint16(i%2*4), 1, 6, 1, 2, 3, 4, etherTypeOf(ip)), ip...)
}
func inSLL2(i int, ip []byte) []byte {
	return append(be(etherTypeOf(ip), 0, 0, uint16(i), 1, 6, 1, 2, 3, 4), ip...)
}

// ip4 and ip6 are packets between two routers, and udp what a tunnel has in them.
func ip4(proto byte, body []byte) []byte {
	b := []byte{0x45, 0, 0, 0, 0, 0, 0, 0, 64, proto, 0, 0, 10, 9, 8, 7, 10, 9, 8, 6}
	binary.BigEndian.PutUint16(b[2:], uint16(20+len(body)))
	return append(b, body...)
}

func ip6(proto byte, body []byte) []byte {
	b := make([]byte, 40)
	b[0], b[6], b[7], b[8], b[24] = 0x60, proto, 64, 0x20, 0x20
	binary.BigEndian.PutUint16(b[4:], uint16(len(body)))
	return append(b, body...)
}

func udp(port uint16, body []byte) []byte {
	return append(be(33333, port, uint16(8+len(body)), 0), body...)
}

// Orders of fragments.
func forward(n int) (list []int) {
	for i := range n {
		list = append(list, i)
	}
	return list
}

func backward(n int) []int {
	list := forward(n)
	slices.Reverse(list)
	return list
}

func twice(n int) []int { // but the last: what comes after a datagram is whole begins another
	if n == 0 {
		return nil
	}
	return append(forward(n-1), forward(n)...)
}

// fragmented cuts every packet into fragments with so many bytes.
func fragmented(list []datagram, size int, order func(n int) []int) (all []datagram) {
	const mostFragments = 120 // of one datagram; more are refused
	for i, d := range list {
		parts := fragments(d.ip, uint16(i+1), size)
		if len(parts) > mostFragments {
			parts = [][]byte{d.ip}
		}
		for _, k := range order(len(parts)) {
			all = append(all, datagram{d.at, parts[k]})
		}
	}
	return all
}

func fragments(ip []byte, id uint16, size int) (all [][]byte) {
	head := ip[:headerOf(ip)]
	body := ip[len(head):]
	for at := 0; at < len(body); at += size {
		end := min(at+size, len(body))
		var f []byte
		if ip[0]>>4 == 4 {
			field := uint16(at / 8)
			if end < len(body) {
				field |= 0x2000
			}
			f = slices.Concat(head[:2], be(0, id, field), head[8:], body[at:end])
		} else {
			field := uint16(at)
			if end < len(body) {
				field |= 1
			}
			f = slices.Concat(head[:6], []byte{44}, head[7:], []byte{ip[6], 0}, be(field, 0, id), body[at:end])
		}
		all = append(all, withLength(f))
	}
	return all
}

// headerOf is the length of the IP header.
func headerOf(ip []byte) int {
	if ip[0]>>4 == 6 {
		return 40
	}
	return int(ip[0]&15) * 4
}

// withLength sets the length that the IP header states.
func withLength(ip []byte) []byte {
	if ip[0]>>4 == 6 {
		binary.BigEndian.PutUint16(ip[4:], uint16(len(ip)-40))
	} else {
		binary.BigEndian.PutUint16(ip[2:], uint16(len(ip)))
	}
	return ip
}

// changed gives each segment another TCP header and payload.
func changed(list []datagram, change func(ip, tcp []byte) []byte) (all []datagram) {
	for _, d := range list {
		n := headerOf(d.ip)
		if len(d.ip) >= n+20 && (d.ip[0]>>4 == 4 && d.ip[9] == 6 || d.ip[0]>>4 == 6 && d.ip[6] == 6) {
			ip := bytes.Clone(d.ip)
			d.ip = withLength(slices.Concat(ip[:n], change(ip[:n], ip[n:])))
		}
		all = append(all, d)
	}
	return all
}

func withOptions(tcp, options []byte) []byte {
	b := append(bytes.Clone(tcp[:20]), options...)
	b[12] = byte(len(b)/4) << 4
	return append(b, tcp[int(tcp[12]>>4)*4:]...)
}

// withIPOptions gives a packet 40 bytes of options of IPv4, or two extension headers of IPv6.
func withIPOptions(ip []byte) []byte {
	if ip[0]>>4 == 4 {
		b := slices.Concat(ip[:20], bytes.Repeat([]byte{1}, 40), ip[headerOf(ip):])
		b[0] = 0x4f
		return withLength(b)
	}
	b := slices.Concat(ip[:40], []byte{60, 0, 1, 4, 0, 0, 0, 0, ip[6], 0, 1, 4, 0, 0, 0, 0}, ip[40:])
	b[6] = 0 // hop-by-hop options, then destination options
	return withLength(b)
}

// renumbered adds to the sequence numbers of each stream, so that they wrap round after so many bytes.
func renumbered(list []datagram, after uint32) []datagram {
	key := func(ip, tcp []byte, from, to int) string {
		addresses, n := ip[12:], 4
		if ip[0]>>4 == 6 {
			addresses, n = ip[8:], 16
		}
		return string(slices.Concat(addresses[from*n:from*n+n], tcp[from*2:from*2+2], addresses[to*n:to*n+n], tcp[to*2:to*2+2]))
	}
	add := map[string]uint32{}
	changed(list, func(ip, tcp []byte) []byte {
		if k := key(ip, tcp, 0, 1); add[k] == 0 {
			add[k] = -after - binary.BigEndian.Uint32(tcp[4:])
		}
		return tcp
	})
	return changed(list, func(ip, tcp []byte) []byte {
		seq, ack := tcp[4:8], tcp[8:12]
		if tcp[13]&4 == 0 || binary.BigEndian.Uint32(seq) != 0 { // a RST without a number has none to change
			binary.BigEndian.PutUint32(seq, binary.BigEndian.Uint32(seq)+add[key(ip, tcp, 0, 1)])
		}
		if tcp[13]&16 != 0 {
			binary.BigEndian.PutUint32(ack, binary.BigEndian.Uint32(ack)+add[key(ip, tcp, 1, 0)])
		}
		return tcp
	})
}

// tcpOf is what TCP has of a packet, header and payload; nil for others.
func tcpOf(ip []byte) (header, payload []byte) {
	n := headerOf(ip)
	if len(ip) < n+20 || ip[0]>>4 == 4 && ip[9] != 6 || ip[0]>>4 == 6 && ip[6] != 6 {
		return nil, nil
	}
	end := n + int(ip[n+12]>>4)*4
	return ip[n:end], ip[end:]
}

// follows reports whether packet b carries the bytes after n more than a's number, in the same direction.
func follows(a, b []byte, n int) bool {
	x, _ := tcpOf(a)
	y, payload := tcpOf(b)
	from := 12
	if len(a) > 8 && a[0]>>4 == 6 {
		from = 8
	}
	return x != nil && len(payload) > 0 && y[13]&7 == 0 && bytes.Equal(a[from:headerOf(a)], b[from:headerOf(b)]) && bytes.Equal(x[:4], y[:4]) &&
		binary.BigEndian.Uint32(y[4:]) == binary.BigEndian.Uint32(x[4:])+uint32(n)
}

// coalesced joins segments that follow each other, as a network card does.
func coalesced(list []datagram) (all []datagram) {
	for _, d := range list {
		if n := len(all); n > 0 {
			header, before := tcpOf(all[n-1].ip)
			_, payload := tcpOf(d.ip)
			if len(before) > 0 && header[13]&7 == 0 && follows(all[n-1].ip, d.ip, len(before)) && len(all[n-1].ip)+len(payload) < 0xffff {
				all[n-1].ip = withLength(append(bytes.Clone(all[n-1].ip), payload...))
				continue
			}
		}
		all = append(all, d)
	}
	return all
}

// fastOpened moves each client's first bytes into its SYN (RFC 7413).
func fastOpened(list []datagram) (all []datagram) {
	moved := map[int]bool{}
	for i, d := range list {
		if header, payload := tcpOf(d.ip); header != nil && header[13]&(2|16) == 2 && len(payload) == 0 {
			for k := i + 1; k < len(list); k++ {
				if !moved[k] && follows(d.ip, list[k].ip, 1) {
					_, first := tcpOf(list[k].ip)
					d.ip = withLength(append(bytes.Clone(d.ip), first...))
					moved[k] = true
					break
				}
			}
		}
		if !moved[i] {
			all = append(all, d)
		}
	}
	return all
}
