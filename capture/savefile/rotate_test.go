package savefile

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/etcdtap/etcdtap/capture"
)

// Files of -C are compared packet by packet: all packets are of one length, so that so many fit into a file of a million bytes.
const (
	rotatedLength = 1484
	perFile       = (1_000_000-24)/(rotatedLength+16) + 1 // pcap: headers of 24 and 16 bytes
	rotatedTotal  = 2500
)

// rotations are tcpdump's options, and what comes of them: files by name, with their first and last packet.
var rotations = []struct {
	args  string // of tcpdump
	name  string
	size  bool
	every time.Duration
	files int
	want  map[string]string
}{
	{"", "f", false, 0, 0, map[string]string{"f": "1-2500"}},
	{"-W 5", "f", false, 0, 5, map[string]string{"f": "1-2500"}},
	{"-C 1", "f%F", true, 0, 0, map[string]string{"f%F": "1-667", "f%F1": "668-1334", "f%F2": "1335-2001", "f%F3": "2002-2500"}},
	{"-C 1 -W 1", "f", true, 0, 1, map[string]string{"f": "2002-2500"}},
	{"-C 1 -W 3", "f", true, 0, 3, map[string]string{"f0": "2002-2500", "f1": "668-1334", "f2": "1335-2001"}},
	{"-C 1 -W 10", "f", true, 0, 10, map[string]string{"f0": "1-667", "f1": "668-1334", "f2": "1335-2001", "f3": "2002-2500"}},
	{"-C 1 -W 11", "f", true, 0, 11, map[string]string{"f00": "1-667", "f01": "668-1334", "f02": "1335-2001", "f03": "2002-2500"}},
	{"-C 1 -W 1000", "f", true, 0, 1000, map[string]string{"f000": "1-667", "f001": "668-1334", "f002": "1335-2001", "f003": "2002-2500"}},
	{"-G 3600", "f%%", false, time.Hour, 0, map[string]string{"f%": "1-2500"}},
	{"-G 3600 -W 2", "f", false, time.Hour, 2, map[string]string{"f": "1-2500"}},
	{"-C 1 -G 3600", "f%%", true, time.Hour, 0, map[string]string{"f%": "1-667", "f%1": "668-1334", "f%2": "1335-2001", "f%3": "2002-2500"}},
	{"-C 1 -G 3600 -W 3", "f", true, time.Hour, 3, map[string]string{"f0": "2002-2500", "f1": "668-1334", "f2": "1335-2001"}},
	{"-C 1 -G 3600 -W 1", "f", true, time.Hour, 1, map[string]string{"f": "2002-2500"}},
}

// rotateSize makes perFile packets fit into a file of ours, as into one of tcpdump's. Nobody counts the headers' bytes but this test.
func rotateSize(t *testing.T, o Options) int64 {
	o.Name = filepath.Join(t.TempDir(), "a")
	w := mustCreate(t, o)
	return w.size() + (perFile-1)*(rotatedLength+packetOverhead)
}

func TestRotation(t *testing.T) {
	for _, r := range rotations {
		t.Run(r.args, func(t *testing.T) {
			dir := t.TempDir()
			o := Options{Interfaces: ethernet(), RotateEvery: r.every, Files: r.files, Name: filepath.Join(dir, r.name)}
			if r.size {
				o.RotateSize = rotateSize(t, Options{Interfaces: ethernet()})
			}
			w := mustCreate(t, o)
			for i := range rotatedTotal {
				mustWrite(t, w, testPacket(i+1, rotatedLength))
			}
			mustClose(t, w)
			if diff := cmp.Diff(r.want, filesIn(t, dir)); diff != "" {
				t.Errorf("files differ (-want +got):\n%s", diff)
			}
		})
	}
}

// TestRotationOfTcpdump holds what the table says against the real tcpdump.
func TestRotationOfTcpdump(t *testing.T) {
	tcpdump := findTcpdump(t)
	input := filepath.Join(t.TempDir(), "input.pcap")
	var b bytes.Buffer
	pcapHeader(&b)
	for i := range rotatedTotal {
		pcapRecord(&b, testPacket(i+1, rotatedLength))
	}
	if err := os.WriteFile(input, b.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, r := range rotations {
		t.Run(r.args, func(t *testing.T) {
			dir := t.TempDir()
			args := append(asOurselves(), "-r", input, "-w", filepath.Join(dir, r.name))
			if out, err := exec.Command(tcpdump, append(args, strings.Fields(r.args)...)...).CombinedOutput(); err != nil {
				t.Fatalf("tcpdump: %v\n%s", err, out)
			}
			if diff := cmp.Diff(r.want, filesIn(t, dir)); diff != "" {
				t.Errorf("files differ (-ours +tcpdump's):\n%s", diff)
			}
		})
	}
}

// TestRotationByTime lets the real tcpdump rotate every second, takes from its files' names (%s) when it did so, and has ours write
// the same packets at the same times: names and contents must be the same.
func TestRotationByTime(t *testing.T) {
	tcpdump := findTcpdump(t)
	for _, tt := range []struct {
		args    string
		burst   int // packets a tenth of a second
		windows int // after which the input ends; 0: tcpdump ends by itself
		ours    Options
	}{
		{"-G 1 -W 3", 2, 0, Options{RotateEvery: time.Second, Files: 3}},
		{"-G 1 -C 1 -W 100", 150, 3, Options{RotateEvery: time.Second, Files: 100, RotateSize: 1}},
	} {
		t.Run(tt.args, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			last := feedTcpdump(t, exec.Command(tcpdump, append(append(asOurselves(), strings.Fields("-r - "+tt.args)...), "-w", filepath.Join(dir, "%s."))...),
				dir, tt.burst, tt.windows)
			theirs := filesIn(t, dir)
			replay(t, tt.ours, theirs, last)
		})
	}
}

// feedTcpdump gives tcpdump packets until it ends, or until so many seconds have files, and returns how many it was given.
func feedTcpdump(t *testing.T, cmd *exec.Cmd, dir string, burst, windows int) (given int) {
	t.Helper()
	stdin, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	var said bytes.Buffer
	cmd.Stdout, cmd.Stderr = &said, &said
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	deadline := time.Now().Add(time.Minute)
	for ended := false; !ended && time.Now().Before(deadline); time.Sleep(100 * time.Millisecond) {
		var b bytes.Buffer
		if given == 0 {
			pcapHeader(&b)
		}
		for range burst {
			given++
			pcapRecord(&b, testPacket(given, rotatedLength))
		}
		_, err := stdin.Write(b.Bytes())
		ended = err != nil || windows > 0 && len(secondsIn(t, dir)) > windows
	}
	stdin.Close()
	if err := cmd.Wait(); err != nil {
		t.Fatalf("tcpdump: %v\n%s", err, &said)
	}
	return given
}

// secondsIn are the times in files' names.
func secondsIn(t *testing.T, dir string) []int64 {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var all []int64
	for _, e := range entries {
		all = append(all, second(t, e.Name()))
	}
	slices.Sort(all)
	return slices.Compact(all)
}

func second(t *testing.T, name string) int64 {
	t.Helper()
	text, _, _ := strings.Cut(name, ".")
	s, err := strconv.ParseInt(text, 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// replay writes packets at the times at which tcpdump's files were begun and compares the files.
func replay(t *testing.T, o Options, theirs map[string]string, given int) {
	t.Helper()
	when := make([]int64, given+2) // by packet
	first := int64(1 << 62)
	for name, packets := range theirs {
		first = min(first, second(t, name))
		for i, to := span(t, packets); i <= to && i > 0; i++ {
			when[i] = second(t, name)
		}
	}
	dir := t.TempDir()
	now := first
	o.Name, o.Interfaces = filepath.Join(dir, "%s."), ethernet()
	o.Now = func() time.Time { return time.Unix(now, 0) }
	if o.RotateSize > 0 {
		o.RotateSize = rotateSize(t, Options{Interfaces: ethernet()})
	}
	w := mustCreate(t, o)
	written := 1
	for ; written <= given && when[written] != 0; written++ {
		now = when[written]
		mustWrite(t, w, testPacket(written, rotatedLength))
	}
	if o.Files == 3 { // tcpdump has ended by itself
		now += int64(o.RotateEvery / time.Second)
		if err := w.Packet(testPacket(written, rotatedLength)); !errors.Is(err, ErrFilesWritten) {
			t.Errorf("after the last file Packet gives %v, want ErrFilesWritten", err)
		}
		if len(theirs) != o.Files {
			t.Errorf("tcpdump has written %d files, want %d", len(theirs), o.Files)
		}
	}
	mustClose(t, w)
	if diff := cmp.Diff(theirs, filesIn(t, dir)); diff != "" {
		t.Errorf("files differ (-tcpdump's +ours):\n%s", diff)
	}
}

// TestWindows: how -G counts its seconds and files, and what it does to -C's count.
func TestWindows(t *testing.T) {
	dir := t.TempDir()
	now := testTime
	o := Options{Name: filepath.Join(dir, "%H%M%S."), Interfaces: ethernet(), RotateEvery: 10 * time.Second, RotateSize: 1000, Files: 3, Now: func() time.Time { return now }}
	w := mustCreate(t, o)
	number := 0
	at := func(after time.Duration, packets int) {
		now = testTime.Add(after)
		for range packets {
			number++
			mustWrite(t, w, testPacket(number, 1000))
		}
	}
	at(0, 2)
	at(9*time.Second, 3)               // -C goes round its ring, -G is not due
	at(9877*time.Millisecond, 1)       // the tenth second has begun, though ten seconds have not passed
	at(-time.Hour, 1)                  // the clock is set back: nothing ends
	at(45*time.Second, 1)              // late, and counted from now on
	at(54*time.Second, 1)              // not due
	at(55*time.Second, 1)              // due
	w.SetStats(0, Stats{Received: 12}) // counted since the beginning, told by file
	mustClose(t, w)
	want := map[string]string{"120000.0": "4-4", "120000.1": "5-5", "120000.2": "3-3", "120010.0": "6-6", "120010.1": "7-7",
		"120045.0": "8-8", "120045.1": "9-9", "120055.0": "10-10"}
	if diff := cmp.Diff(want, filesIn(t, dir)); diff != "" {
		t.Errorf("files differ (-want +got):\n%s", diff)
	}
}

// TestFilesWritten: -G with -W ends the capture when the packet comes that would need one file more, and stays ended.
func TestFilesWritten(t *testing.T) {
	dir := t.TempDir()
	now := testTime
	w := mustCreate(t, Options{Name: filepath.Join(dir, "%S"), Interfaces: ethernet(), RotateEvery: time.Second, Files: 2, Now: func() time.Time { return now }})
	mustWrite(t, w, testPacket(1, 60))
	now = now.Add(time.Second)
	mustWrite(t, w, testPacket(2, 60))
	now = now.Add(time.Second)
	for range 2 {
		if err := w.Packet(testPacket(3, 60)); !errors.Is(err, ErrFilesWritten) {
			t.Errorf("Packet gives %v, want ErrFilesWritten", err)
		}
	}
	if err := w.Flush(); !errors.Is(err, ErrFilesWritten) {
		t.Errorf("Flush gives %v, want ErrFilesWritten", err)
	}
	mustClose(t, w)
	if diff := cmp.Diff(map[string]string{"00": "1-1", "01": "2-2"}, filesIn(t, dir)); diff != "" {
		t.Errorf("files differ (-want +got):\n%s", diff)
	}
	if w.Packets() != 2 || filepath.Base(w.Name()) != "01" {
		t.Errorf("%d packets, the last file is %s", w.Packets(), w.Name())
	}
}

// TestStatsByFile: interfaces count from the beginning of the capture, files tell what was lost while they were written.
func TestStatsByFile(t *testing.T) {
	dir := t.TempDir()
	w := mustCreate(t, Options{Name: filepath.Join(dir, "f"), Interfaces: ethernet(), RotateSize: 1000})
	for i, s := range []Stats{{100, 5, 1}, {250, 5, 1}, {400, 12, 2}} {
		mustWrite(t, w, testPacket(i+1, 1000))
		w.SetStats(0, s)
	}
	mustClose(t, w)
	for i, want := range []uint64{6, 0, 8} {
		name := filepath.Join(dir, "f")
		if i > 0 {
			name += strconv.Itoa(i)
		}
		_, f := readFile(t, name)
		if s := f.Stats(); s.Dropped() != want {
			t.Errorf("%s tells of %d dropped packets, want %d", filepath.Base(name), s.Dropped(), want)
		}
	}
}

func findTcpdump(t *testing.T) string {
	t.Helper()
	path, err := exec.LookPath("tcpdump")
	if err != nil {
		t.Skipf("SKIPPED: tcpdump is not installed, so rotation was not compared with its own")
	}
	return path
}

// asOurselves keeps tcpdump from becoming a user who may not write to our directories.
func asOurselves() []string {
	if os.Geteuid() == 0 {
		return []string{"-Z", "root"}
	}
	return nil
}

// filesIn says which packets each file in dir holds: "1-667", or "0-0" for none.
func filesIn(t *testing.T, dir string) map[string]string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	all := map[string]string{}
	for _, e := range entries {
		packets, _ := readFile(t, filepath.Join(dir, e.Name()))
		first, last := 0, 0
		for i, p := range packets {
			n, err := strconv.Atoi(string(p.Data[14:22]))
			if err != nil || i > 0 && n != last+1 {
				t.Fatalf("%s: packet %d after packet %d (%v)", e.Name(), n, last, err)
			}
			if i == 0 {
				first = n
			}
			last = n
		}
		all[e.Name()] = fmt.Sprintf("%d-%d", first, last)
	}
	return all
}

func span(t *testing.T, s string) (first, last int) {
	t.Helper()
	if _, err := fmt.Sscanf(s, "%d-%d", &first, &last); err != nil {
		t.Fatal(err)
	}
	return first, last
}

// pcapHeader and pcapRecord write a pcap file for tcpdump to read.
func pcapHeader(w io.Writer) {
	var b []byte
	for _, n := range []uint32{0xa1b2c3d4, 4<<16 | 2, 0, 0, maxPacket, uint32(capture.LinkEthernet)} {
		b = le.AppendUint32(b, n)
	}
	w.Write(b)
}

func pcapRecord(w io.Writer, p *capture.Packet) {
	var b []byte
	for _, n := range []uint32{uint32(p.Time / 1e9), uint32(p.Time % 1e9 / 1e3), uint32(len(p.Data)), uint32(p.Length)} {
		b = le.AppendUint32(b, n)
	}
	w.Write(append(b, p.Data...))
}
