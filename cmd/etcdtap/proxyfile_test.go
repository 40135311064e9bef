//go:build unix

package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// TestProxyFile: the proxy's own file says of a connection what its packets cannot show, and why there was none, as the live report does.
func TestProxyFile(t *testing.T) {
	upstream := echoServer(t)
	dir := t.TempDir()
	listen, file := filepath.Join(dir, "in.sock"), filepath.Join(dir, "own.pcapng")
	said, says := io.Pipe()
	var out bytes.Buffer
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	status := make(chan int, 1)
	go func() {
		defer says.Close()
		status <- run(ctx, []string{"proxy", "-o", "json", "--processes=false", "-w", file, "--map", "unix:" + listen + "=" + upstream.String() + ",role=peer",
			"--map", "127.0.0.1:0=unix:" + filepath.Join(dir, "missing.sock")}, nil, strings.NewReader(""), &out, says)
	}()
	lines := bufio.NewScanner(said)
	waitForLine(t, lines, `forwarding 127`)
	address := regexp.MustCompile(`127\.0\.0\.1:\d+`).FindString(lines.Text())
	go io.Copy(io.Discard, said) // what else it says
	deaf, err := net.Dial("tcp", address)
	if err == nil {
		deaf.Read(make([]byte, 1)) // until it is reset
		deaf.Close()
	}
	c, err := net.Dial("unix", listen)
	if err != nil {
		t.Fatal(err)
	}
	echoes(t, c)
	c.Close()
	stop()
	if s := <-status; s != exitOK {
		t.Fatalf("exit status %d", s)
	}
	if !bytes.Contains(out.Bytes(), []byte("the proxy got no connection to the server: connecting to unix:")) {
		t.Errorf("live, the failed dial has no reason:\n%s", out.Bytes())
	}
	var again bytes.Buffer
	if s := run(t.Context(), []string{"read", "-o", "json", file}, nil, nil, &again, io.Discard); s != exitOK {
		t.Fatalf("reading the file: exit status %d", s)
	}
	if !bytes.Contains(again.Bytes(), []byte("the proxy got no connection to the server: connecting to unix:")) {
		t.Errorf("from the file, the failed dial has no reason:\n%s", again.Bytes())
	}
	live, read := proxiedPeer(t, out.Bytes()), proxiedPeer(t, again.Bytes())
	if live.Outgoing == nil || live.Client.IP != "" {
		t.Errorf("live: client %+v, outgoing %+v", live.Client, live.Outgoing)
	}
	if read.Outgoing == nil || live.Outgoing != nil && *read.Outgoing != *live.Outgoing || read.Client != live.Client || read.Server != live.Server {
		t.Errorf("live: %+v; from the file: %+v", live, read)
	}
}

type place struct {
	IP   string
	Port uint16
}

// proxied is what the test reads of a connection object.
type proxied struct {
	Endpoint       string
	Client, Server place
	Outgoing       *place
}

// proxiedPeer is the last report on a connection to the peer port: only the map says that it is one.
func proxiedPeer(t *testing.T, text []byte) (p proxied) {
	t.Helper()
	for line := range bytes.Lines(text) {
		var c proxied
		if !bytes.HasPrefix(line, []byte(`{"type":"connection"`)) {
			continue
		}
		if err := json.Unmarshal(line, &c); err != nil {
			t.Fatal(err)
		}
		if c.Endpoint == "peer" {
			p = c
		}
	}
	if p.Endpoint == "" {
		t.Fatalf("no connection to a peer port in\n%s", text)
	}
	return p
}
