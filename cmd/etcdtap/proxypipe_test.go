//go:build unix

package main

import (
	"bufio"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"syscall"
	"testing"
	"time"
)

// TestProxyOutlivesItsReader: connections go on, and new ones come, when whoever reads the findings has gone (etcdtap proxy | head).
func TestProxyOutlivesItsReader(t *testing.T) {
	upstream := echoServer(t)
	output, theirs, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("etcdtap", "proxy", "-o", "json", "--processes=false", "--listen", "127.0.0.1:0", "--upstream", upstream.String())
	cmd.Stdout = theirs
	lines := saying(t, cmd)
	theirs.Close()
	waitForLine(t, lines, `forwarding 127`)
	address := regexp.MustCompile(`127\.0\.0\.1:\d+`).FindString(lines.Text())
	old := echoing(t, address)
	output.Close()
	echoing(t, address).Close() // its report finds nobody
	waitForLine(t, lines, `forwarding goes on`)
	echoing(t, address).Close()
	echoes(t, old)
}

// TestProxyWithoutReaders: when nobody reads what the proxy says, on standard output or on standard error, it forwards all the same and
// obeys SIGHUP.
func TestProxyWithoutReaders(t *testing.T) {
	upstream := echoServer(t)
	gone, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	gone.Close()
	dir := t.TempDir()
	maps, listen := filepath.Join(dir, "maps"), filepath.Join(dir, "listen")
	write := func(upstream net.Addr) {
		if err := os.WriteFile(maps, []byte("unix:"+listen+"="+upstream.String()+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write(upstream)
	cmd := exec.Command("etcdtap", "proxy", "-v", "-o", "json", "--processes=false", "--map-file", maps)
	cmd.Stdout, cmd.Stderr = full(t), full(t)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer cmd.Wait()
	defer cmd.Process.Kill()
	reaches := func(want bool) {
		t.Helper()
		for end := time.Now().Add(time.Minute); ; time.Sleep(10 * time.Millisecond) {
			c, err := net.Dial("unix", listen)
			if err == nil {
				c.SetDeadline(time.Now().Add(time.Minute))
				io.WriteString(c, "x")
				_, err = io.ReadFull(c, make([]byte, 1))
				c.Close()
			}
			if (err == nil) == want {
				return
			}
			if time.Now().After(end) {
				t.Fatalf("reaches the upstream: want %v, got %v", want, err)
			}
		}
	}
	for range 3 { // the upstream comes and goes, which is said each time
		reaches(true)
		write(gone.Addr())
		cmd.Process.Signal(syscall.SIGHUP)
		reaches(false)
		write(upstream)
		cmd.Process.Signal(syscall.SIGHUP)
	}
	reaches(true)
}

// TestProxyInheritedReload: the socket that systemd passed is forwarded from after a reload, too.
func TestProxyInheritedReload(t *testing.T) {
	upstream := echoServer(t)
	socket, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer socket.Close()
	file, err := socket.(*net.TCPListener).File()
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	maps := filepath.Join(t.TempDir(), "maps")
	if err := os.WriteFile(maps, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("sh", "-c", `LISTEN_FDS=1 LISTEN_PID=$$ exec etcdtap proxy --processes=false --upstream "$0" --map-file "$1"`, upstream.String(), maps)
	cmd.ExtraFiles = []*os.File{file}
	lines := saying(t, cmd)
	waitForLine(t, lines, "forwarding "+socket.Addr().String())
	old := echoing(t, socket.Addr().String()) // it serves, and so it obeys signals
	if err := os.WriteFile(maps, []byte("127.0.0.1:0="+upstream.String()+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	cmd.Process.Signal(syscall.SIGHUP)
	waitForLine(t, lines, "forwarding "+socket.Addr().String())
	waitForLine(t, lines, "forwarding 127")
	echoing(t, socket.Addr().String()).Close()
	echoes(t, old)
}

// full is a pipe that takes nothing, and that nobody reads.
func full(t *testing.T) *os.File {
	t.Helper()
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.Close(); w.Close() })
	w.SetWriteDeadline(time.Now().Add(50 * time.Millisecond))
	for {
		if _, err := w.Write(make([]byte, 4096)); err != nil {
			break
		}
	}
	return w
}

// echoServer answers each connection with what it sent, until the test ends.
func echoServer(t *testing.T) net.Addr {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				io.Copy(c, c)
				c.Close()
			}()
		}
	}()
	return l.Addr()
}

// saying starts a command, which ends with the test or after a minute, and gives what it says on standard error.
func saying(t *testing.T, cmd *exec.Cmd) *bufio.Scanner {
	t.Helper()
	said, err := cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	late := time.AfterFunc(time.Minute, func() { cmd.Process.Kill() })
	t.Cleanup(func() {
		late.Stop()
		cmd.Process.Kill()
		cmd.Wait()
	})
	return bufio.NewScanner(said)
}

// echoing is a connection that was proven to pass.
func echoing(t *testing.T, address string) net.Conn {
	t.Helper()
	c, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	echoes(t, c)
	return c
}

func echoes(t *testing.T, c net.Conn) {
	t.Helper()
	c.SetDeadline(time.Now().Add(time.Minute))
	const text = "GET / HTTP/1.1\r\n\r\n"
	got := make([]byte, len(text))
	if _, err := io.WriteString(c, text); err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadFull(c, got); err != nil || string(got) != text {
		t.Fatalf("%q came back: %v", got, err)
	}
}

// waitForLine reads to a line that fits.
func waitForLine(t *testing.T, lines *bufio.Scanner, want string) {
	t.Helper()
	fits := regexp.MustCompile(want)
	for lines.Scan() {
		if fits.MatchString(lines.Text()) {
			return
		}
	}
	t.Fatalf("no line has %q: %v", want, lines.Err())
}
