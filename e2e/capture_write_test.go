package e2e

import (
	"bytes"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// sizeOf is a file's size; 0 when there is none.
func sizeOf(name string) int64 {
	info, err := os.Stat(name)
	if err != nil {
		return 0
	}
	return info.Size()
}

// captureWrite writes a file, which says the same as what was said live, and has every packet that was counted.
func captureWrite(t *testing.T, s *site) {
	for _, unbuffered := range []bool{false, true} {
		file := filepath.Join(t.TempDir(), "etcd.pcapng")
		args := []string{"-o", "json", "-w", file}
		if unbuffered {
			args = append(args, "-U")
		}
		c := s.capturing(t, args...)
		empty := sizeOf(file)
		client := s.reject(t)
		eventually(t, "no packet is in the file while the capture goes on", func() bool { return sizeOf(file) > empty })
		s.put(t, 100_000)
		c.expectCode(t, client, "plaintext-to-tls")
		c.stop(t)
		compareLive(t, "etcdtap capture -w", s.readable(t, file), c.objects(t, "connection"))
		packets := packetsIn(t, file)
		if want := fmt.Sprintf("\n%d packets captured\n", packets); !strings.Contains(c.stderr.String(), want) {
			t.Errorf("the file has %d packets, etcdtap says\n%s", packets, c.stderr.String())
		}
		if info, err := exec.Command("capinfos", file).Output(); err == nil {
			for _, text := range []string{"etcdtap", "lo", "Linux"} {
				if !bytes.Contains(info, []byte(text)) {
					t.Errorf("capinfos does not know %q:\n%s", text, info)
				}
			}
		}
	}
}

// packetsIn counts a capture file's packets with tcpdump.
func packetsIn(t *testing.T, file string) int {
	t.Helper()
	out, err := exec.Command("tcpdump", "-n", "-t", "-r", file).Output()
	if err != nil {
		t.Fatalf("tcpdump -r %s: %v", file, err)
	}
	return bytes.Count(out, []byte("\n"))
}

// captureWriteStdout pipes packets into tcpdump while findings go to standard error.
func captureWriteStdout(t *testing.T, s *site) {
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(etcdtap(), append([]string{"capture"}, s.arguments("-w", "-")...)...)
	cmd.Stdout = w
	dump := exec.Command("tcpdump", "-n", "-l", "-r", "-")
	dump.Stdin = r
	d := starting(t, dump)
	c := capturingWith(t, cmd)
	w.Close()
	r.Close()
	client := s.reject(t)
	d.reported(t, fmt.Sprintf("127.0.0.1.%d > 127.0.0.1.%d: Flags [S]", client.Port(), s.lab.Ports.Client))
	c.says(t, "plaintext-to-tls")
	c.stop(t)
	if status := d.wait(t); status != 0 {
		t.Errorf("tcpdump -r - ends with status %d\n%s", status, d.stderr.String())
	}
}

// captureWriteHandshakes leaves bulk out, and what is read of the file is all the same what was said of all packets.
func captureWriteHandshakes(t *testing.T, s *site) {
	file := filepath.Join(t.TempDir(), "handshakes.pcapng")
	c := s.capturing(t, "-o", "json", "-w", file, "--write-handshakes")
	client := s.reject(t)
	const bulk = 1_000_000
	for range 4 {
		s.put(t, bulk)
	}
	bad := exec.Command("curl", "-sS", "-m", "10", "-k", "--cert", filepath.Join(s.pki, "bad/expired-client.crt"), "--key", filepath.Join(s.pki, "bad/expired-client.key"), "https://"+s.address()+"/health")
	bad.Run()
	c.reported(t, `"client-cert-expired"`)
	c.expectCode(t, client, "plaintext-to-tls")
	c.stop(t)
	if size := sizeOf(file); size > 2*bulk { // of each connection 256 KiB at the most, until its fate is settled
		t.Errorf("the file has %d bytes, of four values of %d bytes each", size, bulk)
	}
	read := s.readable(t, file)
	if len(read) < 6 {
		t.Errorf("%d connections are in the file", len(read))
	}
	for _, want := range read {
		got := report(want, c.objects(t, "connection"))
		if got == nil {
			t.Errorf("nothing was said live of %v, which is in the file", want["client"])
			continue
		}
		a, b := comparable(want), comparable(got)
		delete(a, "missed") // which is what the file is for
		delete(b, "missed")
		if d := cmp.Diff(a, b); d != "" {
			t.Errorf("%v: the file of handshakes (-) and all packets (+) differ:\n%s", want["client"], d)
		}
	}
}

// captureRotateSize keeps a ring of files.
func captureRotateSize(t *testing.T, s *site) {
	dir := openDirectory(t)
	c := s.capturing(t, "-w", filepath.Join(dir, "ring"), "-C", "1", "-W", "3")
	for range 6 {
		s.put(t, 1_000_000)
	}
	c.stop(t)
	want := []string{"ring0", "ring1", "ring2"}
	if got := names(t, dir); !slices.Equal(got, want) {
		t.Fatalf("the files are %v, expected %v", got, want)
	}
	for _, name := range want {
		file := filepath.Join(dir, name)
		s.readable(t, file)
		if size := sizeOf(file); size > 1_400_000 { // one packet more than a million, and loopback's packets are large
			t.Errorf("%s has %d bytes", name, size)
		}
	}
}

func names(t *testing.T, dir string) (names []string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return names
}

// captureRotateTime ends by itself after so many files.
func captureRotateTime(t *testing.T, s *site) {
	dir := openDirectory(t)
	c := s.capturing(t, "-w", filepath.Join(dir, "at-%s"), "-G", "1", "-W", "2")
	for end := time.Now().Add(patience); time.Now().Before(end); time.Sleep(100 * time.Millisecond) {
		s.reject(t)
		if s := c.cmd.ProcessState; s != nil {
			break
		}
		select {
		case <-c.ended:
			end = time.Time{}
		default:
		}
	}
	if status := c.wait(t); status != 0 {
		t.Errorf("exit status %d after the last file\n%s", status, c.stderr.String())
	}
	got := names(t, dir)
	if len(got) != 2 {
		t.Errorf("-W 2 wrote %v", got)
	}
	connections := 0 // on a busy machine a whole second may pass without one
	for _, name := range got {
		connections += len(s.readable(t, filepath.Join(dir, name)))
	}
	if connections == 0 {
		t.Errorf("%v have no connection", got)
	}
}

// captureRotateDenied: root has become nobody, who may not make the next file. It has to be said, and the first file to be whole.
func captureRotateDenied(t *testing.T, s *site) {
	requireRoot(t, "rotation without permission is not tested")
	dir := openDirectory(t)
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	out, err := exec.Command(etcdtap(), append([]string{"capture", "--duration", "1s"}, s.arguments("-w", filepath.Join(dir, "ring"), "-C", "1")...)...).CombinedOutput()
	if err == nil || !strings.Contains(string(out), "nobody") || !strings.Contains(string(out), "-Z") {
		t.Errorf("later files cannot be made, and that is not said at the beginning (%v):\n%s", err, out)
	}
	if got := names(t, dir); len(got) > 1 {
		t.Errorf("it wrote %v", got)
	}
	c := s.capturing(t, "-w", filepath.Join(dir, "root"), "-C", "1", "-Z", "root") // who owns the directory
	for range 2 {
		s.put(t, 1_000_000)
	}
	c.stop(t)
	for _, name := range []string{"root", "root1"} {
		s.readable(t, filepath.Join(dir, name))
	}
}

// captureCount ends by itself.
func captureCount(t *testing.T, s *site) {
	c := s.capturing(t, "-c", "3")
	s.reject(t)
	if status := c.wait(t); status != 0 || !strings.Contains(c.stderr.String(), "\n3 packets captured\n") {
		t.Errorf("-c 3 ends with status %d and says\n%s", status, c.stderr.String())
	}
	c = s.capturing(t, "--duration", "1s", "--exit-code")
	s.reject(t)
	if status := c.wait(t); status != 3 && status != 0 { // 0 where a busy machine was late
		t.Errorf("--duration with --exit-code ends with status %d\n%s", status, c.stderr.String())
	}
}

// captureStatistics asks for them with SIGUSR1, and has them now and then.
func captureStatistics(t *testing.T, s *site) {
	c := s.capturing(t, "--statistics", "0")
	client := s.reject(t)
	c.reported(t, client.String())
	c.cmd.Process.Signal(syscall.SIGUSR1)
	c.says(t, "connections: 1 ended, 1 of them failed")
	c.stop(t)
	c = s.capturing(t, "--statistics", "300ms", "-o", "json")
	eventually(t, "there are no periodic statistics", func() bool { return len(c.objects(t, "statistics")) >= 2 })
	c.stop(t)
}

// captureEnd signals the moment that something has happened: packets that the kernel still holds back have to be in the report.
func captureEnd(t *testing.T, s *site) {
	for i, program := range []string{etcdtap(), pureGo(), etcdtap(), pureGo()} {
		file := filepath.Join(t.TempDir(), "end.pcapng")
		c := capturingWith(t, exec.Command(program, append([]string{"capture"}, s.arguments("-o", "json", "-w", file)...)...))
		client := s.reject(t)
		signal := []os.Signal{syscall.SIGTERM, os.Interrupt}[i/2]
		c.cmd.Process.Signal(signal)
		time.Sleep(5 * time.Millisecond)
		c.cmd.Process.Signal(signal) // as timeout(1) does
		if status := c.wait(t); status != 0 {
			t.Errorf("exit status %d\n%s", status, c.stderr.String())
		}
		for what, reports := range map[string][]object{"live": c.objects(t, "connection"), "in the file": s.readable(t, file)} {
			found := last(reports, client)
			if found == nil || !slices.Contains(codes(found), "plaintext-to-tls") {
				t.Errorf("%s: a connection that ended right before the signal is %v %s", filepath.Base(program), found, what)
			}
		}
	}
}

// captureTrickle: a few packets a second, as an etcd's heartbeats are, never leave it idle, and hold up neither reports nor the file nor the end.
func captureTrickle(t *testing.T, s *site) {
	trickle(t, fmt.Sprintf("127.0.0.2:%d", s.lab.Ports.Client))
	for _, program := range []string{etcdtap(), pureGo()} {
		file := filepath.Join(t.TempDir(), "trickle.pcapng")
		c := capturingWith(t, exec.Command(program, append([]string{"capture"}, s.arguments("-o", "json", "-w", file)...)...))
		client := s.reject(t)
		c.expectCode(t, client, "plaintext-to-tls")
		time.Sleep(time.Second)
		if last(s.readable(t, file), client) == nil {
			t.Errorf("%s: a second later the file lacks a connection that was reported", filepath.Base(program))
		}
		begun := time.Now()
		c.stop(t)
		if took := time.Since(begun); took > time.Second {
			t.Errorf("%s: the end took %v", filepath.Base(program), took)
		}
	}
}

// trickle sends a byte every tenth of a second over a connection to address, which it listens at, until the test ends.
func trickle(t *testing.T, address string) {
	t.Helper()
	l, err := net.Listen("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	from, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	to, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	go io.Copy(io.Discard, to)
	done := make(chan struct{})
	go func() {
		defer close(done)
		for err := error(nil); err == nil; time.Sleep(100 * time.Millisecond) {
			_, err = from.Write([]byte{0})
		}
	}()
	t.Cleanup(func() {
		from.Close()
		to.Close()
		l.Close()
		<-done
	})
}

// captureKilled leaves a file that can be read.
func captureKilled(t *testing.T, s *site) {
	file := filepath.Join(t.TempDir(), "killed.pcapng")
	c := s.capturing(t, "-w", file)
	empty := sizeOf(file)
	client := s.reject(t)
	c.reported(t, client.String())
	eventually(t, "nothing was written", func() bool { return sizeOf(file) > empty })
	c.cmd.Process.Kill()
	c.wait(t)
	if last(s.readable(t, file), client) == nil {
		t.Error("the file of a killed capture lacks a connection that was reported before")
	}
}

// captureDiskFull ends with what there is, which can be read.
func captureDiskFull(t *testing.T, s *site) {
	requireRoot(t, "a full disk is not tested")
	dir := openDirectory(t)
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "size=512k"); err != nil {
		t.Skipf("SKIPPED, a full disk is not tested: no file system can be mounted: %v", err)
	}
	defer syscall.Unmount(dir, syscall.MNT_DETACH)
	file := filepath.Join(dir, "full.pcapng")
	c := s.capturing(t, "-o", "json", "-w", file)
	client := s.reject(t)
	c.expectCode(t, client, "plaintext-to-tls")
	s.put(t, 1_000_000)
	if status := c.wait(t); status != 1 {
		t.Errorf("exit status %d", status)
	}
	for _, text := range []string{"no space left on device", "packets captured", "can be read"} {
		if !strings.Contains(c.stderr.String(), text) {
			t.Errorf("standard error lacks %q:\n%s", text, c.stderr.String())
		}
	}
	if len(c.objects(t, "summary")) != 1 {
		t.Error("there is no summary")
	}
	if last(s.readable(t, file), client) == nil {
		t.Error("the file lacks the connection from before the disk was full")
	}
}

// captureReaderGone is `| head -1`: the capture ends, and its file is whole.
func captureReaderGone(t *testing.T, s *site) {
	file := filepath.Join(t.TempDir(), "head.pcapng")
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(etcdtap(), append([]string{"capture"}, s.arguments("-o", "json", "-w", file)...)...)
	cmd.Stdout = w
	c := capturingWith(t, cmd)
	w.Close()
	client := s.reject(t)
	io.ReadFull(r, make([]byte, 1))
	r.Close()
	for range 100 { // the next line tells it
		s.reject(t)
		select {
		case <-c.ended:
		case <-time.After(100 * time.Millisecond):
			continue
		}
		break
	}
	if status := c.wait(t); status != 0 {
		t.Errorf("exit status %d\n%s", status, c.stderr.String())
	}
	if last(s.readable(t, file), client) == nil {
		t.Error("the file lacks a connection that was reported")
	}
}

// captureReaderStalls: a reader that takes nothing any more does not keep it from ending, and is told.
func captureReaderStalls(t *testing.T, s *site) {
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	cmd := exec.Command(etcdtap(), append([]string{"capture"}, s.arguments("-o", "json")...)...)
	cmd.Stdout = w
	c := capturingWith(t, cmd)
	w.Close()
	for range 100 { // more than a pipe holds
		s.reject(t)
	}
	time.Sleep(time.Second)
	c.cmd.Process.Signal(syscall.SIGTERM)
	if status := c.wait(t); status != 1 || !strings.Contains(c.stderr.String(), "nobody takes it") {
		t.Errorf("exit status %d\n%s", status, c.stderr.String())
	}
}
