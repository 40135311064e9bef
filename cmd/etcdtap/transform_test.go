package main

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"slices"
	"testing"

	"go.uber.org/zap"

	"github.com/etcdtap/etcdtap/analysis"
	"github.com/etcdtap/etcdtap/capture"
)

// TestTransformed: what is said of a capture does not depend on how its packets came into the file: their link, tags and tunnels, how IP
// cut them, what their headers say besides, where sequence numbers wrap round, the file's format, byte order and clock, and how many
// files there are. The number of workers changes no byte of it.
func TestTransformed(t *testing.T) {
	for _, name := range smallCaptures(t, 16<<10) {
		t.Run(captureName(name), func(t *testing.T) {
			p := load(t, name)
			list := p.datagrams()
			want := told(t, readAs(t, p.bytes(p.list), "json"))
			workers := 1
			for _, kind := range []func([]datagram) map[string][][]byte{linked, tunnelled, cutUp, headed, wrapped, stored, seenTwice} {
				for what, files := range kind(list) {
					got := readFiles(t, files, capture.PipelineOptions{Workers: workers})
					sameTold(t, fmt.Sprintf("%s, %d workers", what, workers), want, told(t, got))
					if workers = workers%4 + 1; workers == 1 && !bytes.Equal(got, readFiles(t, files, capture.PipelineOptions{Workers: 1})) {
						t.Errorf("%s: another output with 4 workers than with one", what)
					}
				}
			}
		})
	}
}

// readFiles reads several files together as JSON.
func readFiles(t testing.TB, files [][]byte, o capture.PipelineOptions) []byte {
	t.Helper()
	var list []*capture.File
	for i, b := range files {
		f, err := capture.OpenReader(fmt.Sprint("file ", i+1), bytes.NewReader(b))
		if err != nil {
			t.Fatal(err)
		}
		list = append(list, f)
	}
	var out bytes.Buffer
	e := &environment{stdout: &out, stderr: io.Discard, log: zap.NewNop()}
	flags := &outputFlags{formatFlags: formatFlags{output: "json", color: "never"}, certs: true}
	s := scope{all: true, expect: analysis.DefaultExpectations()}
	if err := e.report(context.Background(), list, s, o, nil, flags); err != nil {
		t.Error(err)
	}
	return out.Bytes()
}

// linked gives packets the headers of other links.
func linked(list []datagram) map[string][][]byte {
	family := func(order binary.AppendByteOrder, six uint32) func(int, []byte) []byte {
		return func(_ int, ip []byte) []byte {
			f := uint32(2)
			if ip[0]>>4 == 6 {
				f = six
			}
			return append(order.AppendUint32(nil, f), ip...)
		}
	}
	ppp := func(_ int, ip []byte) []byte { return slices.Concat([]byte{0xff, 3}, pppOf(ip), ip) }
	files := map[string][][]byte{}
	for name, l := range map[string]struct {
		link uint32
		wrap func(int, []byte) []byte
	}{
		"Ethernet": {1, inEthernet}, "Linux SLL": {113, inSLL}, "Linux SLL2": {276, inSLL2}, "raw IP": {101, bare}, "raw IP of BSD": {12, bare},
		"null, little-endian": {0, family(binary.LittleEndian, 30)}, "null, big-endian": {0, family(binary.BigEndian, 10)},
		"loop": {108, family(binary.BigEndian, 24)}, "PPP": {9, ppp},
		"padded":              {1, func(i int, ip []byte) []byte { return append(inEthernet(i, ip), "padding, and a check sequence"...) }},
		"VLAN":                {1, func(_ int, ip []byte) []byte { return frame(0x8100, be(0x2005, etherTypeOf(ip)), ip) }},
		"QinQ":                {1, func(_ int, ip []byte) []byte { return frame(0x88a8, be(0x2005, 0x8100, 7, etherTypeOf(ip)), ip) }},
		"VLANs of every kind": {1, func(i int, ip []byte) []byte { return frame(0x8100, be(uint16(i), etherTypeOf(ip)), ip) }},
		"MPLS":                {1, func(_ int, ip []byte) []byte { return frame(0x8847, []byte{0, 1, 0, 64, 0, 2, 1, 64}, ip) }},
		"PPPoE": {1, func(_ int, ip []byte) []byte {
			return frame(0x8864, be(0x1100, 1, uint16(len(ip)+2)), pppOf(ip), ip)
		}},
	} {
		files[name] = [][]byte{pcapOf(binary.LittleEndian, microseconds, l.link, list, l.wrap)}
	}
	return files
}

// tunnelled puts packets into tunnels.
func tunnelled(list []datagram) map[string][][]byte {
	vni := []byte{8, 0, 0, 0, 0, 0, 7, 0}
	vxlan := func(i int, ip []byte) []byte { return udp(4789, slices.Concat(vni, inEthernet(i, ip))) }
	inIP := func(ip []byte) byte {
		if ip[0]>>4 == 6 {
			return 41
		}
		return 4
	}
	files := map[string][][]byte{}
	for name, wrap := range map[string]func(i int, ip []byte) []byte{
		"GRE": func(_ int, ip []byte) []byte { return ip4(47, slices.Concat(be(0, etherTypeOf(ip)), ip)) },
		"GRE with key and number": func(i int, ip []byte) []byte {
			return ip4(47, slices.Concat(be(0x3000, etherTypeOf(ip), 0, 7, 0, uint16(i)), ip))
		},
		"GRE with frames": func(i int, ip []byte) []byte { return ip4(47, slices.Concat(be(0, 0x6558), inEthernet(i, ip))) },
		"VXLAN":           func(i int, ip []byte) []byte { return ip4(17, vxlan(i, ip)) },
		"VXLAN over IPv6": func(i int, ip []byte) []byte { return ip6(17, vxlan(i, ip)) },
		"Geneve": func(i int, ip []byte) []byte {
			return ip4(17, udp(6081, slices.Concat([]byte{1, 0, 0x65, 0x58, 0, 0, 7, 0, 0, 1, 2, 0}, inEthernet(i, ip))))
		},
		"IP in IP":   func(_ int, ip []byte) []byte { return ip4(inIP(ip), ip) },
		"IP in IPv6": func(_ int, ip []byte) []byte { return ip6(inIP(ip), ip) },
		"every second in a tunnel": func(i int, ip []byte) []byte {
			if i%2 == 0 {
				return ip
			}
			return ip4(17, vxlan(i, ip))
		},
	} {
		files[name] = [][]byte{pcapOf(binary.LittleEndian, microseconds, 1, list, func(i int, ip []byte) []byte { return inEthernet(i, wrap(i, ip)) })}
	}
	outer := slices.Clone(list)
	for i := range outer {
		outer[i].ip = ip4(17, vxlan(i, list[i].ip))
	}
	files["fragments of VXLAN"] = [][]byte{ethernetOf(fragmented(outer, 552, forward))}
	return files
}

// cutUp cuts packets into fragments.
func cutUp(list []datagram) map[string][][]byte {
	files := map[string][][]byte{}
	for name, order := range map[string]func(int) []int{"forward": forward, "backward": backward, "twice": twice} {
		for _, size := range []int{16, 24, 64, 552} {
			files[fmt.Sprintf("fragments of %d, %s", size, name)] = [][]byte{ethernetOf(fragmented(list, size, order))}
		}
	}
	return files
}

// headed changes what headers say besides.
func headed(list []datagram) map[string][][]byte {
	files := map[string][][]byte{}
	for name, change := range map[string]func(tcp []byte) []byte{
		"time stamps":         func(tcp []byte) []byte { return withOptions(tcp, append([]byte{1, 1, 8, 10}, make([]byte, 8)...)) },
		"40 bytes of options": func(tcp []byte) []byte { return withOptions(tcp, bytes.Repeat([]byte{1}, 40)) },
		"no options":          func(tcp []byte) []byte { return withOptions(tcp, nil) },
		"senseless options":   func(tcp []byte) []byte { return withOptions(tcp, []byte{255, 0, 0, 7}) },
		"MD5":                 func(tcp []byte) []byte { return withOptions(tcp, append([]byte{19, 18}, make([]byte, 18)...)) },
		"ECN":                 func(tcp []byte) []byte { tcp[13] |= 0xc0; return tcp },
		"urgent data":         func(tcp []byte) []byte { tcp[13] |= 0x20; tcp[19] = 1; return tcp },
		"no PSH":              func(tcp []byte) []byte { tcp[13] &^= 8; return tcp },
		"no window":           func(tcp []byte) []byte { tcp[14], tcp[15] = 0, 0; return tcp },
	} {
		files[name] = [][]byte{ethernetOf(changed(list, func(_, tcp []byte) []byte { return change(tcp) }))}
	}
	options, lengths := slices.Clone(list), slices.Clone(list)
	for i, d := range list {
		options[i].ip = withIPOptions(d.ip)
		if d.ip[0]>>4 == 4 { // as the network card gets what it has to split
			lengths[i].ip = bytes.Clone(d.ip)
			lengths[i].ip[2], lengths[i].ip[3] = 0, 0
		}
	}
	files["coalesced"] = [][]byte{ethernetOf(coalesced(list))}
	files["data in the SYN"] = [][]byte{ethernetOf(fastOpened(list))}
	files["options of IP"] = [][]byte{ethernetOf(options)}
	files["no length in IP"] = [][]byte{pcapOf(binary.LittleEndian, microseconds, 101, lengths, bare)}
	return files
}

// wrapped lets sequence numbers wrap round after so many bytes of each stream.
func wrapped(list []datagram) map[string][][]byte {
	files := map[string][][]byte{}
	for _, after := range []uint32{0, 1, 2, 3, 5, 6, 100, 517, 600, 1500, 3000, 1 << 31} {
		files[fmt.Sprintf("wraps after %d", after)] = [][]byte{ethernetOf(renumbered(list, after))}
	}
	return files
}

// stored puts packets into files of every kind, and into several.
func stored(list []datagram) map[string][][]byte {
	little, big := binary.LittleEndian, binary.BigEndian
	half := len(list) / 2
	files := map[string][][]byte{
		"big-endian":                 {pcapOf(big, microseconds, 1, list, inEthernet)},
		"nanoseconds":                {pcapOf(little, nanoseconds, 1, list, inEthernet)},
		"big-endian and nanoseconds": {pcapOf(big, nanoseconds, 1, list, inEthernet)},
		"pcapng":                     {pcapngOf(little, list, everyInterface())},
		"pcapng, big-endian":         {pcapngOf(big, list, everyInterface())},
		"pcapng, two sections":       {append(pcapngOf(big, list[:half], everyInterface()), pcapngOf(little, list[half:], everyInterface()[:1])...)},
		"rotated":                    {pcapOf(little, microseconds, 1, list[half:], inEthernet), pcapOf(big, nanoseconds, 113, list[:half], inSLL)},
		"rotated into other formats": {pcapngOf(big, list[half:], everyInterface()), pcapOf(big, nanoseconds, 113, list[:half], inSLL)},
		"the same file twice":        {ethernetOf(list), ethernetOf(list)},
	}
	for _, n := range []int{2, 3, 7} {
		dealt := make([][]datagram, n)
		for i, d := range list {
			dealt[n-1-i%n] = append(dealt[n-1-i%n], d)
		}
		for _, part := range dealt {
			files[fmt.Sprintf("dealt to %d files", n)] = append(files[fmt.Sprintf("dealt to %d files", n)], ethernetOf(part))
		}
	}
	for _, by := range []int64{-1e9, 1e9, 3e9 + 123e3} {
		moved := slices.Clone(list)
		for i := range moved {
			moved[i].at += by
		}
		files[fmt.Sprintf("clock moved by %d", by)] = [][]byte{ethernetOf(moved)}
	}
	return files
}

// seenTwice repeats packets as the any device sees them on two interfaces: some packets later, routed.
func seenTwice(list []datagram) map[string][][]byte {
	files := map[string][][]byte{}
	for _, lag := range []int{0, 1, 3} {
		var all, later []datagram
		for i, d := range list {
			all = append(all, d)
			again := datagram{d.at, bytes.Clone(d.ip)}
			if d.ip[0]>>4 == 4 {
				again.ip[8]--
			}
			later = append(later, again)
			for len(later) > 0 && (len(later) > lag || i+1 < len(list) && list[i+1].at-later[0].at > 5e8) {
				later[0].at = d.at
				all, later = append(all, later[0]), later[1:]
			}
		}
		files[fmt.Sprintf("on two interfaces, %d packets later", lag)] = [][]byte{pcapOf(binary.LittleEndian, microseconds, 113, append(all, later...), inSLL)}
	}
	return files
}
