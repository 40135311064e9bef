package savefile

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/etcdtap/etcdtap/capture"
)

// testTime is when all packets of tests begin.
var testTime = time.Date(2026, 11, 25, 12, 0, 0, 123456789, time.UTC)

// ethernet is an interface for tests.
func ethernet() []Interface { return []Interface{{Name: "eth0", Link: capture.LinkEthernet}} }

// testPacket is an Ethernet frame of n bytes that tells its number.
func testPacket(number, n int) *capture.Packet {
	data := bytes.Repeat([]byte{0xee}, n)
	copy(data[14:], fmt.Sprintf("%08d", number))
	return &capture.Packet{Number: int64(number), Time: testTime.UnixNano() + int64(number), Data: data, Length: n, Link: capture.LinkEthernet}
}

func mustCreate(t testing.TB, o Options) *Writer {
	t.Helper()
	w, err := Create(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { w.Close() })
	return w
}

func mustWrite(t testing.TB, w *Writer, packets ...*capture.Packet) {
	t.Helper()
	for _, p := range packets {
		if err := w.Packet(p); err != nil {
			t.Fatal(err)
		}
	}
}

func mustClose(t testing.TB, w *Writer) {
	t.Helper()
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
}

// readBack reads a whole file.
func readBack(t testing.TB, r io.Reader) ([]capture.Packet, *capture.File) {
	t.Helper()
	f, err := capture.OpenReader("test", r)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var all []capture.Packet
	for {
		var p capture.Packet
		if err := f.Next(&p); err == io.EOF {
			return all, f
		} else if err != nil {
			t.Fatal(err)
		}
		p.Data = slices.Clone(p.Data)
		all = append(all, p)
	}
}

func readFile(t testing.TB, name string) ([]capture.Packet, *capture.File) {
	t.Helper()
	b, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return readBack(t, bytes.NewReader(b))
}

// sampleOptions say all that a file can say.
func sampleOptions(name string) Options {
	return Options{
		Name: name,
		Interfaces: []Interface{
			{Name: "eth0", Description: "uplink", Link: capture.LinkEthernet, SnapLength: 262144, Filter: "tcp port 2379 or tcp port 2380"},
			{Name: "lo", Link: capture.LinkEthernet, SnapLength: 262144},
		},
		Host: "Linux 6.8.0, control-plane-1", Hardware: "amd64", Tool: "etcdtap v1.2.3", Comment: "ticket 42: zoë", HandshakesOnly: true,
		Now: func() time.Time { return testTime.Add(time.Second) },
	}
}

func samplePackets() []capture.Packet {
	at := testTime.UnixNano()
	frame := testPacket(1, 60).Data
	return []capture.Packet{
		{Number: 1, Time: at, Data: frame, Length: 60, Link: capture.LinkEthernet},
		{Number: 2, Time: at + 1, Data: frame[:57], Length: 1514, Link: capture.LinkEthernet, Interface: 1},
		{Number: 3, Time: at + 1e9, Data: frame[:59], Length: 59, Link: capture.LinkEthernet},
		{Number: 4, Time: at + 2e9, Data: frame[:58], Length: 58, Link: capture.LinkEthernet, Interface: 1},
	}
}

func writeSample(t testing.TB, o Options) {
	t.Helper()
	w := mustCreate(t, o)
	for _, p := range samplePackets() {
		mustWrite(t, w, &p)
	}
	w.SetStats(0, Stats{Received: 1000, Dropped: 20, InterfaceDropped: 3})
	w.SetStats(1, Stats{Received: 7})
	mustClose(t, w)
}

func TestRoundTrip(t *testing.T) {
	name := filepath.Join(t.TempDir(), "a.pcapng")
	writeSample(t, sampleOptions(name))
	packets, f := readFile(t, name)
	if diff := cmp.Diff(samplePackets(), packets); diff != "" {
		t.Errorf("packets differ (-want +got):\n%s", diff)
	}
	if !f.HandshakesOnly() {
		t.Error("the file does not say that it holds handshakes only")
	}
	want := capture.Stats{Packets: 4, Bytes: 60 + 57 + 59 + 58, Cut: 1, Interfaces: 2, InterfaceDrops: 3, SystemDrops: 20}
	if diff := cmp.Diff(want, f.Stats()); diff != "" {
		t.Errorf("statistics differ (-want +got):\n%s", diff)
	}
}

// TestStdout: what goes to standard output is the same file, and the header goes at once.
func TestStdout(t *testing.T) {
	var out, file bytes.Buffer
	o := sampleOptions("-")
	o.Stdout = &out
	w := mustCreate(t, o)
	if out.Len() == 0 {
		t.Error("a reader of the pipe does not learn what it is before the first packets")
	}
	mustClose(t, w)
	o.Stdout = &file
	writeSample(t, o)
	if packets, _ := readBack(t, &file); len(packets) != 4 {
		t.Errorf("%d packets came through standard output, want 4", len(packets))
	}
}

// TestFlush: packets are kept back until they are enough, until Flush, or not at all.
func TestFlush(t *testing.T) {
	for _, unbuffered := range []bool{false, true} {
		var out bytes.Buffer
		w := mustCreate(t, Options{Name: "-", Stdout: &out, Interfaces: ethernet(), Unbuffered: unbuffered})
		header := out.Len()
		mustWrite(t, w, testPacket(1, 100))
		if at := out.Len() > header; at != unbuffered {
			t.Errorf("unbuffered %v: the packet was written at once: %v", unbuffered, at)
		}
		if err := w.Flush(); err != nil {
			t.Fatal(err)
		}
		if packets, _ := readBack(t, bytes.NewReader(out.Bytes())); len(packets) != 1 {
			t.Errorf("unbuffered %v: %d packets after Flush, want 1", unbuffered, len(packets))
		}
		for i := range 2 * flushAt / 1000 {
			mustWrite(t, w, testPacket(i, 1000))
		}
		if out.Len() < flushAt {
			t.Errorf("unbuffered %v: only %d bytes were written of twice what is gathered", unbuffered, out.Len())
		}
	}
}

// TestOtherReaders shows the file to the tools that people open it with: none may complain.
func TestOtherReaders(t *testing.T) {
	name := filepath.Join(t.TempDir(), "a.pcapng")
	writeSample(t, sampleOptions(name))
	for _, tool := range []struct {
		args []string
		want []string
	}{
		{[]string{"capinfos", name}, []string{"Number of packets:   4", "etcdtap v1.2.3", "Linux 6.8.0, control-plane-1", "amd64", "ticket 42: zoë", capture.HandshakesOnly,
			"nanosecond", "Name = eth0", "Description = uplink", "Filter string = tcp port 2379 or tcp port 2380", "Name = lo"}},
		{[]string{"tshark", "-r", name, "-T", "fields", "-e", "frame.time_epoch", "-e", "frame.interface_name", "-e", "frame.len"},
			[]string{"1795608000.123456789\teth0\t60", "1795608000.123456790\tlo\t1514"}},
		{[]string{"tcpdump", "-n", "-r", name, "-tt", "--nano"}, []string{"1795608000.123456789", "1795608002.123456789"}},
	} {
		t.Run(tool.args[0], func(t *testing.T) {
			out, complaints := runTool(t, tool.args...)
			for _, w := range tool.want {
				if !strings.Contains(out, w) {
					t.Errorf("it does not say %q:\n%s", w, out)
				}
			}
			if complaints != "" {
				t.Errorf("it complains:\n%s", complaints)
			}
		})
	}
}

// runTool runs a reader of captures and returns what it says and what it complains about.
func runTool(t testing.TB, args ...string) (out, complaints string) {
	t.Helper()
	if _, err := exec.LookPath(args[0]); err != nil {
		t.Skipf("SKIPPED: %s is not installed, so nobody but etcdtap has read the file", args[0])
	}
	var stdout, stderr bytes.Buffer
	cmd := exec.Command(args[0], args[1:]...)
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	cmd.Env = append(os.Environ(), "LC_ALL=C.UTF-8", "HOME="+t.TempDir(), "XDG_CONFIG_HOME="+t.TempDir())
	if err := cmd.Run(); err != nil {
		t.Errorf("%s: %v", strings.Join(args, " "), err)
	}
	var kept []string
	for line := range strings.Lines(stderr.String()) {
		if !strings.HasPrefix(line, "reading from file ") && !strings.HasPrefix(line, "Running as user ") {
			kept = append(kept, line)
		}
	}
	return stdout.String(), strings.Join(kept, "")
}

// TestRefusals: what makes no sense is refused in words.
func TestRefusals(t *testing.T) {
	for _, tt := range []struct {
		name   string
		change func(*Options)
		want   string
	}{
		{"no name", func(o *Options) { o.Name = "" }, "an empty one"},
		{"no interface", func(o *Options) { o.Interfaces = nil }, "needs an interface"},
		{"no standard output", func(o *Options) { o.Name = "-" }, "standard output is closed"},
		{"standard output rotated by size", func(o *Options) { o.Name, o.Stdout, o.RotateSize = "-", io.Discard, 1e6 }, "cannot be rotated"},
		{"standard output rotated by time", func(o *Options) { o.Name, o.Stdout, o.RotateEvery = "-", io.Discard, time.Hour }, "cannot be rotated"},
		{"negative size", func(o *Options) { o.RotateSize = -1 }, "above 0"},
		{"half a second", func(o *Options) { o.RotateEvery = 1500 * time.Millisecond }, "whole seconds"},
		{"name too long", func(o *Options) { o.Name = strings.Repeat("a/", 3000) }, "shorter"},
		{"name with a zero", func(o *Options) { o.Name += "\x00" }, "without a zero"},
	} {
		o := Options{Name: filepath.Join(t.TempDir(), "a"), Interfaces: ethernet()}
		tt.change(&o)
		w, err := Create(o)
		if err == nil {
			w.Close()
		}
		if err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: %v, want %q in it", tt.name, err, tt.want)
		}
	}
}

// TestWrongPackets: a packet that the file cannot describe is refused, and the others are written.
func TestWrongPackets(t *testing.T) {
	var out bytes.Buffer
	w := mustCreate(t, Options{Name: "-", Stdout: &out, Interfaces: ethernet()})
	for _, change := range []func(*capture.Packet){
		func(p *capture.Packet) { p.Interface = 1 },
		func(p *capture.Packet) { p.Interface = -1 },
		func(p *capture.Packet) { p.Link = capture.LinkRaw },
	} {
		p := testPacket(1, 60)
		change(p)
		if err := w.Packet(p); err == nil {
			t.Errorf("%+v was taken", p)
		}
	}
	huge := testPacket(2, 300_000)
	early := testPacket(3, 60)
	early.Time = -5
	mustWrite(t, w, huge, early)
	mustClose(t, w)
	packets, _ := readBack(t, &out)
	if len(packets) != 2 || len(packets[0].Data) != maxPacket || packets[0].Length != 300_000 || packets[1].Time != 0 {
		t.Errorf("read back %d packets, want a huge one cut to %d bytes and one without a time", len(packets), maxPacket)
	}
}

// TestLongTexts: texts that do not fit into an option are cut between two characters, and what is no UTF-8 does not get in.
func TestLongTexts(t *testing.T) {
	var out bytes.Buffer
	long := strings.Repeat("é", 40_000)
	w := mustCreate(t, Options{Name: "-", Stdout: &out, Comment: "x" + long, Host: "a\xffb", Interfaces: []Interface{{Link: capture.LinkEthernet, Filter: long}}})
	mustWrite(t, w, testPacket(1, 60))
	mustClose(t, w)
	file := out.String()
	if packets, _ := readBack(t, &out); len(packets) != 1 {
		t.Errorf("read back %d packets, want 1", len(packets))
	}
	if !strings.Contains(file, "ab\x00\x00") {
		t.Error("what is no UTF-8 was not left out")
	}
}
