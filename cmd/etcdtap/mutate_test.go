package main

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// packets is a classic capture file in memory, for tests that change captures: little-endian, as those of testdata/pcaps are.
type packets struct {
	header []byte
	list   []packet
}

// packet is one record of a capture file.
type packet struct {
	time [8]byte // as in the record's header
	orig uint32
	data []byte
}

// load reads a capture, or gives up the test.
func load(t testing.TB, name string) packets {
	t.Helper()
	b, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	p := packets{header: b[:24]}
	if magic := binary.LittleEndian.Uint32(b); magic != 0xa1b2c3d4 && magic != 0xa1b23c4d {
		t.Skipf("SKIPPED: %s is no little-endian pcap file", name)
	}
	for b = b[24:]; len(b) >= 16; {
		n := binary.LittleEndian.Uint32(b[8:])
		p.list = append(p.list, packet{time: [8]byte(b[:8]), orig: binary.LittleEndian.Uint32(b[12:]), data: b[16 : 16+n]})
		b = b[16+n:]
	}
	return p
}

// bytes is the file with these packets in this order.
func (p packets) bytes(list []packet) []byte {
	b := bytes.Clone(p.header)
	for i := range list {
		b = append(b, list[i].time[:]...)
		b = binary.LittleEndian.AppendUint32(b, uint32(len(list[i].data)))
		b = binary.LittleEndian.AppendUint32(b, list[i].orig)
		b = append(b, list[i].data...)
	}
	return b
}

// segmentOf finds the IP header and the TCP header of an Ethernet, Linux-cooked, or raw frame by the capture's link type.
func (p packets) segmentOf(data []byte) (ip, tcp []byte) {
	skip := map[uint32]int{1: 14, 113: 16, 276: 20, 101: 0}[binary.LittleEndian.Uint32(p.header[20:])]
	if len(data) < skip+40 {
		return nil, nil
	}
	ip = data[skip:]
	n := int(ip[0]&15) * 4
	proto := ip[9]
	if ip[0]>>4 == 6 {
		n, proto = 40, ip[6]
	}
	if proto != 6 || len(ip) < n+20 {
		return nil, nil
	}
	return ip, ip[n:]
}

// connection names a packet's two ends, whoever sent it; "" for what is not TCP.
func (p packets) connection(data []byte) string {
	ip, tcp := p.segmentOf(data)
	if tcp == nil {
		return ""
	}
	a, b := string(ip[12:16]), string(ip[16:20])
	if ip[0]>>4 == 6 {
		a, b = string(ip[8:24]), string(ip[24:40])
	}
	a, b = a+string(tcp[:2]), b+string(tcp[2:4])
	return min(a, b) + max(a, b)
}

// payload is what TCP carries.
func (p packets) payload(data []byte) []byte {
	ip, tcp := p.segmentOf(data)
	if tcp == nil {
		return nil
	}
	end := int(binary.BigEndian.Uint16(ip[2:]))
	if ip[0]>>4 == 6 {
		end = 40 + int(binary.BigEndian.Uint16(ip[4:]))
	}
	head := len(ip) - len(tcp) + int(tcp[12]>>4)*4
	end = min(end, len(ip))
	return ip[min(head, end):end]
}

// at is the packet's time in seconds.
func (p *packet) at() float64 {
	return float64(binary.LittleEndian.Uint32(p.time[:])) + float64(binary.LittleEndian.Uint32(p.time[4:]))/1e6
}

// smallCaptures are the captures of testdata/pcaps of at most so many bytes, and those that the project was specified with, where they
// are at hand.
func smallCaptures(t testing.TB, most int64) []string {
	t.Helper()
	all, err := filepath.Glob("../../testdata/pcaps/*.pcap")
	if err != nil || len(all) == 0 {
		t.Fatalf("no captures in testdata/pcaps (%v)", err)
	}
	cases, _ := filepath.Glob("../../../shared/cases/*/capture.pcap")
	return slices.DeleteFunc(append(all, cases...), func(name string) bool {
		info, err := os.Stat(name)
		return err != nil || info.Size() > most
	})
}

// told is what a capture's JSON says that must not depend on the order and number of its packets: outcome, findings, streams and
// TLS. Times, packets' numbers and counts of what was repeated are left out.
func told(t testing.TB, out []byte) []string {
	t.Helper()
	var all []string
	for line := range bytes.Lines(out) {
		var c map[string]any
		if err := json.Unmarshal(line, &c); err != nil {
			t.Fatalf("not JSON: %v: %.200s", err, line)
		}
		if c["type"] != "connection" {
			continue
		}
		var findings []string
		for _, f := range c["findings"].([]any) {
			f := f.(map[string]any)
			findings = append(findings, fmt.Sprint(f["code"], " ", f["severity"], " ", f["confidence"], " ", f["at_fault"]))
		}
		withoutPlaces(c["tls"])
		all = append(all, fmt.Sprint(c["client"], c["server"], " ", c["outcome"], " ", findings, " ", c["client_protocol"], c["server_protocol"], c["client_then"], c["server_then"],
			c["client_request"], c["server_request"], c["bytes"], c["missed"], c["start_missed"], c["close"], c["tls"]))
	}
	slices.Sort(all)
	return all
}

// withoutPlaces removes the packet numbers and times from a value, whatever its depth.
func withoutPlaces(v any) {
	switch v := v.(type) {
	case map[string]any:
		delete(v, "packet")
		delete(v, "at")
		for _, e := range v {
			withoutPlaces(e)
		}
	case []any:
		for _, e := range v {
			withoutPlaces(e)
		}
	}
}

// sameTold compares what two readings told, and says in short where they differ.
func sameTold(t *testing.T, what string, want, got []string) {
	t.Helper()
	if slices.Equal(want, got) {
		return
	}
	t.Errorf("%s: another result: %s", what, firstDifference(strings.Join(want, "\n"), strings.Join(got, "\n")))
}

func firstDifference(want, got string) string {
	n := 0
	for n < len(want) && n < len(got) && want[n] == got[n] {
		n++
	}
	from := max(0, n-150)
	return fmt.Sprintf("\nwant …%.400s\ngot  …%.400s", want[from:], got[from:])
}

// checkOutput reads a capture of any bytes and checks what holds for all: valid JSON lines, the last of them a summary, and not more
// of them than the input can account for.
func checkOutput(t testing.TB, b []byte) {
	t.Helper()
	out := readAs(t, b, "json")
	if out == nil {
		return // not opened: said in one line, see FuzzOpen
	}
	if len(out) > 64<<10+200*len(b) {
		t.Fatalf("%d bytes of output from %d", len(out), len(b))
	}
	last := ""
	for line := range bytes.Lines(out) {
		var c struct{ Type string }
		if err := json.Unmarshal(line, &c); err != nil {
			t.Fatalf("not JSON: %v: %.200s", err, line)
		}
		last = c.Type
	}
	if last != "summary" {
		t.Fatalf("the last line is of type %q", last)
	}
}

// captureName names a capture in a test: its file, or its directory where all files have one name.
func captureName(path string) string {
	if name := filepath.Base(path); name != "capture.pcap" {
		return name
	}
	return filepath.Base(filepath.Dir(path))
}
