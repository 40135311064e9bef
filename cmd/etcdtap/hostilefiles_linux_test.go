package main

import (
	"bytes"
	"context"
	"encoding/pem"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"crypto/x509"
	"crypto/x509/pkix"

	"golang.org/x/sys/unix"
)

// command runs etcdtap as main does.
func command(args ...string) (status int, stdout, stderr []byte) {
	var out, errs bytes.Buffer
	status = run(context.Background(), args, nil, strings.NewReader(""), &out, &errs)
	return status, out.Bytes(), errs.Bytes()
}

// TestHostilePKIDirectory: links in circles, pipes, devices, huge files, thousands of files, names that move the cursor: the one
// certificate among them is found, nothing blocks, and little is read.
func TestHostilePKIDirectory(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "pki")
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	at := func(name string) string { return filepath.Join(dir, name) }
	must(os.MkdirAll(at("deep/er/and/deeper/still/and/more"), 0o700))
	cert := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: certificate(t, &x509.Certificate{Subject: pkix.Name{CommonName: "found \x1b[2J"}}, &caKey().PublicKey)})
	must(os.WriteFile(at("a.crt"), cert, 0o600))
	must(os.WriteFile(at("deep/er/and/deeper/still/and/more/b.crt"), cert, 0o600))
	must(os.Symlink("loop2.crt", at("loop1.crt")))
	must(os.Symlink("loop1.crt", at("loop2.crt")))
	must(os.Symlink(".", at("self")))
	must(os.Symlink("..", at("deep/up.crt")))
	must(os.Symlink("/dev/zero", at("zero.crt")))
	must(os.Symlink("/dev/tty", at("tty.pem")))
	must(os.Symlink("/sys/kernel/tracing/trace_pipe", at("blocking.pem"))) // says that it is regular, and blocks who may read it: root
	must(unix.Mkfifo(at("pipe.crt"), 0o600))
	huge, err := os.Create(at("huge.pem"))
	must(err)
	must(huge.Truncate(8 << 30)) // a hole
	must(huge.Close())
	must(os.WriteFile(at("\x1b[2J\u202e.crt"), []byte("-----BEGIN CERTIFICATE-----\n\x1b[2J"), 0o600))
	must(os.WriteFile(at("blocks.pem"), bytes.Repeat([]byte("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"), 10_000), 0o600))
	many := at("many")
	must(os.Mkdir(many, 0o700))
	for i := range 5000 {
		must(os.WriteFile(filepath.Join(many, fmt.Sprint(i, ".crt")), []byte("x"), 0o600))
	}
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	for _, format := range []string{"json", "text"} {
		status, out, errs := command("check", "--pki", dir, "--etcd-config", "", "-o", format)
		if status == exitUsage || !bytes.Contains(out, []byte("found ")) {
			t.Fatalf("status %d: %.500s%.500s", status, out, errs)
		}
		checkText(t, out)
		checkText(t, errs)
		if len(out) > 1<<20 {
			t.Errorf("%d bytes of output", len(out))
		}
	}
	runtime.ReadMemStats(&after)
	if work := after.TotalAlloc - before.TotalAlloc; work > 256<<20 {
		t.Errorf("%d MiB were allocated", work>>20)
	}
}

// TestHostileFilesOfOtherKinds: what is named as a configuration, key log, filter or capture and is a pipe, a device, a directory or
// rubbish is refused in words, without a byte that a terminal obeys.
func TestHostileFilesOfOtherKinds(t *testing.T) {
	dir := t.TempDir()
	capture := "../../testdata/pcaps/refused.pcap"
	whole, err := os.ReadFile(capture)
	if err != nil {
		t.Fatal(err)
	}
	pipe, rubbish, bomb := filepath.Join(dir, "pipe"), filepath.Join(dir, "rubbish"), filepath.Join(dir, "bomb.yaml")
	cut := filepath.Join(dir, "\x1b[2J\u202e.pcap")
	yaml := "a: &a [x,x,x,x,x,x,x,x]\n"
	for c := 'b'; c < 'k'; c++ {
		p := string(c - 1)
		yaml += fmt.Sprintf("%c: &%c [*%s,*%s,*%s,*%s,*%s,*%s,*%s,*%s]\n", c, c, p, p, p, p, p, p, p, p)
	}
	for _, err := range []error{
		unix.Mkfifo(pipe, 0o600),
		os.WriteFile(rubbish, []byte("ETCD_CONFIG_FILE=/\x1b[2J\u202e\nETCD_NAME=\x1b]0;x\x07\n"), 0o600),
		os.WriteFile(bomb, []byte(yaml), 0o600),
		os.WriteFile(cut, whole[:len(whole)-1], 0o600),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	for _, args := range [][]string{
		{"check", "--pki", dir, "--etcd-config", pipe},
		{"check", "--pki", dir, "--etcd-config", rubbish},
		{"check", "--pki", dir, "--etcd-config", bomb},
		{"check", "--pki", dir, "--etcd-config", "/dev/zero"},
		{"check", "--pki", dir, "--etcd-config", dir},
		{"check", "--pki", "\x1b[2J"},
		{"read", "--keylog", pipe, capture},
		{"read", "--keylog", "/dev/zero", capture},
		{"read", "--keylog", dir, capture},
		{"read", "--keylog", rubbish, capture},
		{"read", rubbish},
		{"read", cut},
		{"read", "-v", cut},
		{"read", dir},
		{"read", "\x1b[2J"},
		{"read", "--log", dir, capture},
		{"explain", "\x1b[2J"},
		{"explain", rubbish},
		{"\x1b[2J"},
		{"read", "--\x1b[2J"},
		{"read", "--port", "\x1b[2J", capture},
	} {
		t.Run(strings.Join(args[:len(args)-1], " "), func(t *testing.T) {
			status, out, errs := command(args...)
			checkText(t, out)
			checkText(t, errs)
			if bytes.ContainsRune(errs, '\u202e') {
				t.Errorf("%q", errs)
			}
			if status != exitOK && len(errs) == 0 {
				t.Errorf("status %d and no word", status)
			}
		})
	}
}
