//go:build unix

package main

import (
	"bufio"
	"io"
	"net"
	"os"
	"os/exec"
	"regexp"
	"testing"
	"time"
)

// TestProxyOutlivesItsReader: connections go on, and new ones come, when whoever reads the findings has gone (etcdtap proxy | head).
func TestProxyOutlivesItsReader(t *testing.T) {
	upstream, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer upstream.Close()
	go echoAll(upstream)
	output, theirs, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("etcdtap", "proxy", "-o", "json", "--processes=false", "--listen", "127.0.0.1:0", "--upstream", upstream.Addr().String())
	cmd.Stdout = theirs
	said, err := cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer cmd.Wait()
	defer cmd.Process.Kill()
	theirs.Close()
	lines := bufio.NewScanner(said)
	waitForLine(t, lines, `forwarding 127`)
	address := regexp.MustCompile(`127\.0\.0\.1:\d+`).FindString(lines.Text())
	old := echoing(t, address)
	output.Close()
	echoing(t, address).Close() // its report finds nobody
	waitForLine(t, lines, `forwarding goes on`)
	echoing(t, address).Close()
	echoes(t, old)
}

func echoAll(l net.Listener) {
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
