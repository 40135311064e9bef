package main

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"testing"
)

// some gives every nth of n places where -short is asked for or there are many, so that a test reads at most so many captures.
func some(n, most int) int {
	if testing.Short() {
		most /= 10
	}
	return max(1, n/most)
}

// spread is a few of many captures, of all kinds.
func spread(names []string) []string {
	var few []string
	for i := 0; i < len(names); i += some(len(names), 24) {
		few = append(few, names[i])
	}
	return few
}

// TestCutAnywhere: a capture that ends at any byte gives what came before, and says that it is cut.
func TestCutAnywhere(t *testing.T) {
	for _, name := range spread(smallCaptures(t, 8<<10)) {
		t.Run(captureName(name), func(t *testing.T) {
			p := load(t, name)
			whole := p.bytes(p.list)
			for n := 24; n < len(whole); n += some(len(whole), 200) {
				checkOutput(t, whole[:n])
			}
		})
	}
}

// extremes are what a length field is set to.
var extremes = []uint64{0, 1, 0x7f, 0x80, 0xff, 0x7fff, 0x8000, 0xffff, 0x7fffffff, 0x80000000, 0xffffffff}

// put writes an extreme as a number of so many bytes, big-endian.
func put(b []byte, size int, v uint64) {
	for i := range size {
		b[size-1-i] = byte(v >> (8 * i))
	}
}

// TestLengthsOfPackets sets the lengths in pcap's record headers, IP and TCP to extremes, and each byte of those headers to others.
func TestLengthsOfPackets(t *testing.T) {
	for _, name := range spread(smallCaptures(t, 8<<10)) {
		t.Run(captureName(name), func(t *testing.T) {
			p := load(t, name)
			whole := p.bytes(p.list)
			at := 24
			for i := range p.list {
				body := at + 16
				head := len(p.list[i].data) - len(p.payload(p.list[i].data))
				for k, v := range extremes {
					if i%3 != k%3 {
						continue
					}
					for _, field := range []int{at + 8, at + 12} { // captured and original length, little-endian
						b := bytes.Clone(whole)
						binary.LittleEndian.PutUint32(b[field:], uint32(v))
						checkOutput(t, b)
					}
				}
				step := some(head*len(p.list), 60)
				for field := i % step; field < head; field += step {
					for _, v := range []byte{0, 1, 0x7f, 0xff} {
						b := bytes.Clone(whole)
						b[body+field] = v
						checkOutput(t, b)
					}
				}
				at = body + len(p.list[i].data)
			}
		})
	}
}

// TestLengthsInTLS sets each place where TLS may have a length of one, two or three bytes to extremes: record and message lengths,
// vectors of hellos and certificates, DER.
func TestLengthsInTLS(t *testing.T) {
	for _, name := range spread(smallCaptures(t, 8<<10)) {
		t.Run(captureName(name), func(t *testing.T) {
			p := load(t, name)
			total := 0
			for i := range p.list {
				total += len(p.payload(p.list[i].data))
			}
			place, step := 0, some(total, 30)
			for i := range p.list {
				payload := p.payload(p.list[i].data)
				head := len(p.list[i].data) - len(payload)
				for at := range payload {
					if place++; place%step != 0 && (at > 4 || testing.Short()) { // the first bytes are always lengths
						continue
					}
					list := slices.Clone(p.list)
					for _, size := range []int{1, 2, 3} {
						for _, v := range []uint64{0, 1, 0x8000, 0xffffff} {
							list[i].data = bytes.Clone(p.list[i].data)
							if head+at+size > len(list[i].data) {
								continue
							}
							put(list[i].data[head+at:], size, v)
							checkOutput(t, p.bytes(list))
						}
					}
				}
			}
		})
	}
}

// ng makes a pcapng file.
type ng struct{ b []byte }

func (n *ng) block(kind uint32, body []byte) {
	body = append(body, make([]byte, (4-len(body)%4)%4)...)
	size := uint32(12 + len(body))
	n.b = binary.LittleEndian.AppendUint32(binary.LittleEndian.AppendUint32(n.b, kind), size)
	n.b = binary.LittleEndian.AppendUint32(append(n.b, body...), size)
}

func numbers(list ...uint32) []byte {
	var b []byte
	for _, v := range list {
		b = binary.LittleEndian.AppendUint32(b, v)
	}
	return b
}

func (n *ng) section(options []byte) {
	n.block(0x0a0d0d0a, append(numbers(0x1a2b3c4d, 1, 0xffffffff, 0xffffffff), options...))
}

func (n *ng) iface(options []byte) { n.block(1, append(numbers(1, 0), options...)) }

// packet writes an enhanced packet block.
func (n *ng) packet(iface uint32, data, options []byte) {
	padded := append(bytes.Clone(data), make([]byte, (4-len(data)%4)%4)...)
	n.block(6, slices.Concat(numbers(iface, 0x63f2a, 0x8c5d1000, uint32(len(data)), uint32(len(data))), padded, options))
}

func option(code uint16, value []byte) []byte {
	b := binary.LittleEndian.AppendUint16(nil, code)
	b = append(binary.LittleEndian.AppendUint16(b, uint16(len(value))), value...)
	return append(b, make([]byte, (4-len(value)%4)%4)...)
}

// TestPcapngBombs: sections, interfaces, options and blocks without measure cost what they take, and hide no packet that is whole.
func TestPcapngBombs(t *testing.T) {
	syn := newCraft().open().b[24+16 : 24+16+54]
	comment := option(1, bytes.Repeat([]byte("\x1b[2J"), 10_000))
	bombs := map[string]func(n *ng){
		"100,000 interfaces": func(n *ng) {
			for range 100_000 {
				n.iface(nil)
			}
		},
		"100,000 sections": func(n *ng) {
			for range 100_000 {
				n.section(nil)
				n.iface(nil)
			}
		},
		"an interface with 60,000 options": func(n *ng) { n.iface(bytes.Repeat(option(9, []byte{6}), 60_000)) },
		"options without an end":           func(n *ng) { n.iface(bytes.Repeat([]byte{1, 0, 0, 0}, 100_000)) },
		"an option longer than its block":  func(n *ng) { n.iface([]byte{9, 0, 0xff, 0xff, 6, 0, 0, 0}) },
		"long comments everywhere": func(n *ng) {
			n.section(comment)
			n.iface(comment)
			n.packet(0, syn, comment)
		},
		"resolutions of every kind": func(n *ng) {
			for i := range 256 {
				n.iface(slices.Concat(option(9, []byte{byte(i)}), option(14, bytes.Repeat([]byte{0x80}, 8))))
				n.packet(uint32(i), syn, nil)
			}
		},
		"packets of interfaces that are not there": func(n *ng) {
			for i := range uint32(50_000) {
				n.packet(1<<31+i, syn, nil)
			}
		},
		"100,000 types of blocks": func(n *ng) {
			for i := range uint32(100_000) {
				n.block(0x40000000+i, nil)
			}
		},
		"name resolution, statistics, secrets": func(n *ng) {
			for range 20_000 {
				n.block(4, bytes.Repeat([]byte{1, 0, 0, 0}, 20))
				n.block(5, append(numbers(0, 0, 0), option(5, bytes.Repeat([]byte{0xff}, 8))...))
				n.block(10, numbers(0x544c534b, 8, 0x41414141, 0x0a414141))
			}
		},
	}
	for name, write := range bombs {
		t.Run(name, func(t *testing.T) {
			n := &ng{}
			n.section(nil)
			n.iface(nil)
			n.packet(0, syn, nil)
			write(n)
			n.section(nil)
			n.iface(nil)
			n.packet(0, syn, nil)
			out := checkBomb(t, n.b, anyConnections) // a wrong clock makes the same SYN another connection
			if !bytes.Contains(out, []byte(`"last_packet":`)) || bytes.Contains(out, []byte(`"packets":1,"client"`)) && bytes.Count(out, []byte("\n")) < 3 {
				t.Errorf("a packet is missing: %s", out)
			}
		})
	}
}

// TestLengthsOfBlocks sets the lengths in pcapng's blocks, both of them, and those inside the blocks and options, to extremes.
func TestLengthsOfBlocks(t *testing.T) {
	n := &ng{}
	n.section(option(4, []byte("made by hand")))
	n.iface(slices.Concat(option(9, []byte{9}), option(14, make([]byte, 8))))
	n.packet(0, newCraft().open().b[24+16:24+16+54], option(1, []byte("a comment")))
	n.block(10, numbers(0x544c534b, 4, 0x41414141))
	n.block(5, append(numbers(0, 0, 0), option(5, make([]byte, 8))...))
	for at := 0; at+4 <= len(n.b); at += 2 {
		for _, v := range extremes {
			b := bytes.Clone(n.b)
			binary.LittleEndian.PutUint32(b[at:], uint32(v))
			checkOutput(t, b)
		}
	}
}

// TestClaimsAllocateNothing: a few bytes that claim gigabytes do not get them.
func TestClaimsAllocateNothing(t *testing.T) {
	small := newCraft().open().b
	claims := map[string][]byte{}
	for _, v := range []uint32{1 << 20, 1 << 28, 0x7ffffff0, 0xfffffff0} {
		b := bytes.Clone(small)
		binary.LittleEndian.PutUint32(b[24+8:], v)
		claims[fmt.Sprint("pcap record of ", v)] = b
		for _, kind := range []uint32{0x0a0d0d0a, 1, 5, 6, 3, 10, 0xbad} {
			n := &ng{}
			n.section(nil)
			n.b = append(n.b, numbers(kind, v, 0x1a2b3c4d, v, v, v, v, v)...)
			claims[fmt.Sprintf("pcapng block %#x of %d", kind, v)] = n.b
		}
	}
	for _, length := range []int{0xffffff, 0xfffff0, 70_000} { // a handshake message that claims so much, without it
		body := []byte{1, byte(length >> 16), byte(length >> 8), byte(length), 3, 3}
		claims[fmt.Sprint("message of ", length)] = newCraft().open().say(0, record(22, body), 1400).b
	}
	for name, b := range claims {
		t.Run(strings.ReplaceAll(name, " ", "_"), func(t *testing.T) {
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			checkOutput(t, b)
			runtime.ReadMemStats(&after)
			if work := after.TotalAlloc - before.TotalAlloc; work > 16<<20 {
				t.Errorf("%d MiB allocated for %d bytes", work>>20, len(b))
			}
		})
	}
}
