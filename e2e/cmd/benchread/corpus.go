package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
)

// corpus is a capture that speed is measured on.
type corpus struct {
	letter, kind, what string
	unit               string // the flag of mkcapture that says how large it is
	size               int    // at scale 1
	targets            []target
}

// sliceShare is the scale of what nDPI, tshark and ssldump read: the whole would take tshark minutes and gigabytes, and ssldump for ever,
// for its time grows with the square of the number of connections.
const sliceShare = 0.02

func corpora() []corpus {
	mixed := []target{cpu(asJSON, 1.3)}
	return []corpus{
		{"a", "bulk", "bulk etcd traffic, few connections, packets of full size", "-packets", 820_000,
			[]target{cpu(asJSON, 0.45), memory(asJSON, 40)}},
		{"b", "handshakes", "short mutual-TLS connections, half of them TLS 1.2, half 1.3", "-connections", 200_000,
			[]target{cpu(asJSON, 2.5), cpu(problems, 1.7), memory(asJSON, 64), wall(twoWorkers, withCerts, 0.62)}},
		{"c", "mix", "IPv4 and IPv6, VLAN, loss, reordering, noise, failures, half-open connections", "-packets", 590_000, mixed},
		{"c2", "mix-bulk", "the same with more bulk: for nDPI as heavy, beside tcpdump, as the mix that the target of c was set with", "-packets", 480_000, mixed},
		{"d", "halfopen", "connections that nobody ever completes", "-connections", 1_200_000,
			[]target{cpu(asJSON, 2.5), memory(asJSON, 512)}},
	}
}

// file is a capture on disk.
type file struct {
	name        string
	size        int64 // bytes on disk
	Packets     int64
	Connections int64
}

// capture makes a capture, or finds the one that an earlier run has made, and brings it into the page cache.
func (s *settings) capture(c corpus, scale float64, form string, stderr io.Writer) (*file, error) {
	n := max(1000, int(float64(c.size)*scale))
	f := &file{name: filepath.Join(s.dir, fmt.Sprintf("%s-%d.%s", c.kind, n, form))}
	counts := f.name + ".json"
	if known, err := os.ReadFile(counts); err != nil || json.Unmarshal(known, f) != nil {
		fmt.Fprintln(stderr, "making", f.name)
		args := []string{"-json", "-kind", c.kind, c.unit, strconv.Itoa(n), "-o", f.name}
		if form == "pcapng" {
			args = append(args, "-pcapng")
		}
		var said bytes.Buffer
		cmd := exec.Command(s.mkcapture, args...)
		cmd.Stderr = &said
		if err := cmd.Run(); err != nil {
			return nil, fmt.Errorf("%w: %s", err, said.String())
		}
		if err := json.Unmarshal(said.Bytes(), f); err != nil {
			return nil, err
		}
		if err := os.WriteFile(counts, said.Bytes(), 0o644); err != nil {
			return nil, err
		}
	}
	return f, f.warm()
}

// empty makes a capture without packets, to see what programs need to start.
func (s *settings) empty() (*file, error) {
	f := &file{name: filepath.Join(s.dir, "empty.pcap")}
	const header = "\xd4\xc3\xb2\xa1\x02\x00\x04\x00\x00\x00\x00\x00\x00\x00\x00\x00\xff\xff\x00\x00\x01\x00\x00\x00" // Ethernet
	return f, os.WriteFile(f.name, []byte(header), 0o644)
}

// warm reads the file once: disks are not what is measured.
func (f *file) warm() error {
	r, err := os.Open(f.name)
	if err != nil {
		return err
	}
	defer r.Close()
	f.size, err = io.Copy(io.Discard, r)
	return err
}

// compressed makes a compressed copy with a program, or finds it.
func (s *settings) compressed(f *file, suffix string, program ...string) (*file, error) {
	packed := &file{name: f.name + suffix, Packets: f.Packets, Connections: f.Connections}
	if _, err := os.Stat(packed.name); err != nil {
		out, err := os.Create(packed.name + ".part")
		if err != nil {
			return nil, err
		}
		cmd := exec.Command(program[0], append(program[1:], f.name)...)
		cmd.Stdout = out
		err = cmd.Run()
		out.Close()
		if err != nil {
			return nil, fmt.Errorf("%v: %w", program, err)
		}
		if err := os.Rename(packed.name+".part", packed.name); err != nil {
			return nil, err
		}
	}
	return packed, packed.warm()
}

// processor is what the machine calls its processor.
func processor() string {
	b, _ := os.ReadFile("/proc/cpuinfo")
	for line := range strings.Lines(string(b)) {
		if name, value, ok := strings.Cut(line, ":"); ok && strings.TrimSpace(name) == "model name" {
			return strings.TrimSpace(value)
		}
	}
	return "unknown processor"
}
