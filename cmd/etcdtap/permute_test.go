package main

import (
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
)

// TestDuplicated: a capture with packets in it twice tells the same: each twice in a row, as from a bridge's two ports, and each once
// more some packets later, as a retransmission or from a second file.
func TestDuplicated(t *testing.T) {
	for _, name := range smallCaptures(t, 1<<20) {
		t.Run(captureName(name), func(t *testing.T) {
			p := load(t, name)
			want := told(t, readAs(t, p.bytes(p.list), "json"))
			var twice []packet
			for _, one := range p.list {
				twice = append(twice, one, one)
			}
			sameTold(t, "each packet twice", want, told(t, readAs(t, p.bytes(twice), "json")))
			if n := len(p.list); n > 0 && p.list[n-1].at()-p.list[0].at() < 1.9 { // as long as a closed connection is remembered
				sameTold(t, "the whole once more", want, told(t, readAs(t, p.bytes(slices.Concat(p.list, p.list)), "json")))
			}
			for _, later := range []int{1, 2, 5, 20} {
				sameTold(t, fmt.Sprintf("each packet again %d later", later), want, told(t, readAs(t, p.bytes(p.again(later)), "json")))
			}
		})
	}
}

// again repeats each packet so many packets later, at that time, where that is within the two seconds that a closed connection is
// remembered.
func (p packets) again(later int) []packet {
	var list []packet
	for i, one := range p.list {
		list = append(list, one)
		if i >= later && one.at()-p.list[i-later].at() < 1 {
			repeated := p.list[i-later]
			repeated.time = one.time
			list = append(list, repeated)
		}
	}
	return list
}

// TestPermuted: within what reassembly waits for, the order of a connection's packets in the file does not matter, whichever they are
// and whoever sent them: what follows what is in their numbers and acknowledgements. Times stay in their places, as from one clock, or
// go with the packets, as from a merge of several queues.
func TestPermuted(t *testing.T) {
	for _, name := range smallCaptures(t, 1<<20) {
		t.Run(captureName(name), func(t *testing.T) {
			p := load(t, name)
			want := told(t, readAs(t, p.bytes(p.list), "json"))
			random := rand.New(rand.NewPCG(1, 2))
			for _, window := range []int{2, 3, 4, 6} {
				for round := range 6 {
					list := p.shuffled(random, window, round%window, round%2 == 0)
					want, got := want, told(t, readAs(t, p.bytes(list), "json"))
					if round%2 == 1 { // attempts begin at other times, so that their rhythm may be another
						want, got = withoutRhythm(want), withoutRhythm(got)
					}
					sameTold(t, fmt.Sprintf("window %d, round %d", window, round), want, got)
				}
			}
		})
	}
}

// shuffled puts the packets of each connection in another order within windows of so many of them, the first at an offset. A window
// spans less than the second that reassembly waits, and a side's FIN and RST stay in order: nothing else tells which was meant.
func (p packets) shuffled(random *rand.Rand, window, from int, timesStay bool) []packet {
	list := slices.Clone(p.list)
	places := map[string][]int{}
	var order []string
	for i := range list {
		c := p.connection(list[i].data)
		if c == "" {
			continue
		}
		if places[c] == nil {
			order = append(order, c)
		}
		places[c] = append(places[c], i)
	}
	for _, c := range order {
		for at := places[c][min(from, len(places[c])):]; len(at) > 1; {
			n := 1
			for n < min(window, len(at)) && list[at[n]].at()-list[at[0]].at() < 0.3 && !p.ends(list[at[n]].data) {
				n++
			}
			random.Shuffle(n, func(i, j int) {
				a, b := &list[at[i]], &list[at[j]]
				*a, *b = *b, *a
				if timesStay {
					a.time, b.time = b.time, a.time
				}
			})
			at = at[n:]
		}
	}
	return list
}

// ends reports whether the packet carries a RST.
func (p packets) ends(data []byte) bool {
	_, tcp := p.segmentOf(data)
	return tcp[13]&4 != 0
}

func withoutRhythm(list []string) []string {
	list = slices.Clone(list)
	for i := range list {
		for _, code := range []string{" grpc-backoff info likely client", " grpc-backoff info certain client", " grpc-backoff info possible client"} {
			list[i] = strings.ReplaceAll(list[i], code, "")
		}
	}
	return list
}

// TestSplit: segments cut into pieces tell the same, down to pieces of one byte: records split at every byte.
func TestSplit(t *testing.T) {
	for _, name := range smallCaptures(t, 64<<10) {
		t.Run(captureName(name), func(t *testing.T) {
			p := load(t, name)
			want := told(t, readAs(t, p.bytes(p.list), "json"))
			sizes := []int{1, 7, 100}
			if testing.Short() {
				sizes = sizes[1:]
			}
			for _, size := range sizes {
				sameTold(t, fmt.Sprintf("pieces of %d", size), want, told(t, readAs(t, p.bytes(p.resegmented(size, 0)), "json")))
			}
			for _, size := range []int{50, 333} {
				sameTold(t, fmt.Sprintf("overlapping pieces of %d", size), want, told(t, readAs(t, p.bytes(p.resegmented(size, size/3)), "json")))
			}
		})
	}
}

// resegmented cuts every payload into pieces that repeat so many bytes of the one before. FIN and PSH are the last piece's.
func (p packets) resegmented(size, overlap int) []packet {
	var list []packet
	for _, one := range p.list {
		payload := p.payload(one.data)
		if len(payload) <= size || int(one.orig) != len(one.data) {
			list = append(list, one)
			continue
		}
		for at := 0; at < len(payload); at += size {
			from, to := max(0, at-overlap), min(at+size, len(payload))
			piece := one
			piece.data = p.part(one.data, from, to)
			piece.orig = uint32(len(piece.data))
			list = append(list, piece)
		}
	}
	return list
}

// part is the packet with only a part of its payload.
func (p packets) part(data []byte, from, to int) []byte {
	payload := p.payload(data)
	head := len(data) - len(payload)
	for head > 0 && &data[head] != &payload[0] { // a frame may be padded
		head--
	}
	b := append(slices.Clone(data[:head]), payload[from:to]...)
	ip, tcp := p.segmentOf(b)
	if tcp == nil {
		panic("no segment")
	}
	if ip[0]>>4 == 6 {
		binary.BigEndian.PutUint16(ip[4:], uint16(len(ip)-40))
	} else {
		binary.BigEndian.PutUint16(ip[2:], uint16(len(ip)))
	}
	binary.BigEndian.PutUint32(tcp[4:], binary.BigEndian.Uint32(tcp[4:])+uint32(from))
	if to < len(payload) {
		tcp[13] &^= 1 | 8
	}
	return b
}
