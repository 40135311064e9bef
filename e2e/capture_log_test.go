package e2e

import (
	"bytes"
	"fmt"
	"io"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// rejected makes a connection that etcd rejects and returns etcd's line about it.
func (s *site) rejected(t *testing.T) (netip.AddrPort, []byte) {
	t.Helper()
	mark, err := s.etcd.Mark()
	if err != nil {
		t.Fatal(err)
	}
	client := s.reject(t)
	return client, s.lineAbout(t, mark, client)
}

func (s *site) lineAbout(t *testing.T, mark int64, client netip.AddrPort) (line []byte) {
	t.Helper()
	eventually(t, fmt.Sprintf("etcd's log does not speak of %v", client), func() bool {
		text, err := s.etcd.Since(mark)
		if err != nil {
			t.Fatal(err)
		}
		for l := range bytes.Lines(text) {
			if bytes.Contains(l, []byte(client.String())) && bytes.HasSuffix(l, []byte("\n")) {
				line = l
			}
		}
		return line != nil
	})
	return line
}

func (c *tap) expectJoined(t *testing.T, client netip.AddrPort) {
	t.Helper()
	eventually(t, fmt.Sprintf("the log's line is not joined to the connection of %v", client), func() bool {
		found := last(c.objects(t, "connection"), client)
		if found == nil {
			return false
		}
		log, _ := found["log"].([]any)
		return len(log) == 1
	})
}

func appendTo(t *testing.T, name string, text []byte) {
	t.Helper()
	f, err := os.OpenFile(name, os.O_APPEND|os.O_WRONLY|os.O_CREATE, 0o644)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := f.Write(text); err != nil {
		t.Fatal(err)
	}
}

func captureLog(t *testing.T, s *site) {
	name := filepath.Join(openDirectory(t), "etcd.log")
	old, oldLine := s.rejected(t)
	appendTo(t, name, oldLine) // before the capture: it has no connection
	c := s.capturing(t, "-o", "json", "--log", name, "--log", s.etcd.LogFile())

	direct, _ := s.rejected(t) // etcd's own log, which has the line before the connection is reported
	c.expectJoined(t, direct)
	c.stop(t)
	if last(c.objects(t, "connection"), old) != nil {
		t.Errorf("a connection of before the capture was reported")
	}

	c = s.capturing(t, "-o", "json", "--log", name)
	client, line := s.rejected(t)
	appendTo(t, name, line)
	c.expectJoined(t, client)

	client, line = s.rejected(t)
	c.expectCode(t, client, "plaintext-to-tls") // given up waiting for the log: the line comes after
	appendTo(t, name, line)
	c.expectJoined(t, client)

	if err := os.Rename(name, name+".1"); err != nil { // logrotate's create
		t.Fatal(err)
	}
	client, line = s.rejected(t)
	appendTo(t, name, line)
	c.expectJoined(t, client)

	if err := os.Truncate(name, 0); err != nil { // its copytruncate
		t.Fatal(err)
	}
	time.Sleep(300 * time.Millisecond) // it is the size that tells, at a look at it
	client, line = s.rejected(t)
	appendTo(t, name, line)
	c.expectJoined(t, client)

	if err := os.Remove(name); err != nil {
		t.Fatal(err)
	}
	c.says(t, "the log has vanished")
	client, line = s.rejected(t)
	c.expectCode(t, client, "plaintext-to-tls")
	appendTo(t, name, line)
	c.says(t, "the log is there again")
	c.expectJoined(t, client)
	c.stop(t)
}

func captureLogPiped(t *testing.T, s *site) {
	r, w := io.Pipe()
	cmd := exec.Command(etcdtap(), append([]string{"capture"}, s.arguments("-o", "json", "--log", "-")...)...)
	cmd.Stdin = r
	c := capturingWith(t, cmd)
	client, line := s.rejected(t)
	if _, err := w.Write(line); err != nil {
		t.Fatal(err)
	}
	c.expectJoined(t, client)
	w.Close() // the log's end is not the capture's
	client, _ = s.rejected(t)
	c.expectCode(t, client, "plaintext-to-tls")
	c.stop(t)
	if !strings.Contains(c.stdout.String(), `"type":"summary"`) {
		t.Error("there is no summary")
	}
}
