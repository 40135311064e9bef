package stacks

import (
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/etcdtap/etcdtap/e2e/lab"
)

// playTimeout bounds one handshake and request.
const playTimeout = 20 * time.Second

// request is what clients ask and servers answer.
const (
	request  = "GET / HTTP/1.0\r\nHost: localhost\r\n\r\n"
	response = "HTTP/1.0 200 OK\r\nContent-Length: 3\r\nConnection: close\r\n\r\nok\n"
)

// Client is a TLS stack as client.
type Client struct {
	Name     string
	Programs []string                                           // what it needs
	From     string                                             // where to get them, "" where e2e/setup.sh does
	Prepare  func(s *Store) error                               // may be nil
	Command  func(s *Store, port int, of Scenario) []string     // reads the request from its standard input
	Dial     func(s *Store, port int, of Scenario, l io.Writer) // instead of Command
}

// Clients are the stacks that play.
func Clients() []Client {
	return []Client{
		{Name: "Go", Dial: dialGo},
		{Name: "OpenSSL", Programs: []string{"openssl"}, Command: openssl()},
		{Name: "OpenSSL, SHA-384", Programs: []string{"openssl"}, Command: openssl("-ciphersuites", "TLS_AES_256_GCM_SHA384")},
		{Name: "OpenSSL, ChaCha20", Programs: []string{"openssl"}, Command: openssl("-ciphersuites", "TLS_CHACHA20_POLY1305_SHA256")},
		{Name: "OpenSSL, padded to 512", Programs: []string{"openssl"}, Command: openssl("-record_padding", "512")},
		{Name: "OpenSSL, padded to 16", Programs: []string{"openssl"}, Command: openssl("-record_padding", "16")},
		{Name: "OpenSSL, split at 512", Programs: []string{"openssl"}, Command: openssl("-max_send_frag", "512")},
		{Name: "OpenSSL, hello retry", Programs: []string{"openssl"}, Command: openssl("-groups", "ffdhe2048:P-256")},
		{Name: "curl (OpenSSL)", Programs: []string{"curl"}, Command: curl},
		{Name: "GnuTLS", Programs: []string{"gnutls-cli"}, Command: gnutls},
		{Name: "NSS", Programs: []string{"tstclnt", "certutil", "pk12util"}, Prepare: prepareNSS, Command: nss},
		{Name: "Java (JSSE)", Programs: []string{"java"}, Command: java},
		{Name: "BoringSSL", Programs: []string{"bssl-tool"}, Command: boringSSL()},
		{Name: "BoringSSL, GREASE", Programs: []string{"bssl-tool"}, Command: boringSSL("-grease", "-ech-grease", "-permute-extensions")},
		{Name: "BoringSSL (Bun)", Programs: []string{"bun"}, From: "the npm package bun", Command: javaScript("bun")},
		{Name: "rustls (Deno)", Programs: []string{"deno"}, From: "the npm package deno",
			Command: javaScript("deno", "run", "--quiet", "--no-config", "--allow-net=127.0.0.1", "--allow-read")},
	}
}

// missing says which of its programs this machine lacks and how to get them; nil if it has them all.
func (c *Client) missing() error {
	err := lab.Missing(c.Programs...)
	if err != nil && c.From != "" {
		return fmt.Errorf("this machine has no %s: install %s and put it on PATH", strings.Join(c.Programs, ", "), c.From)
	}
	return err
}

// Play makes one connection. That the client fails is part of some scenarios.
func (c *Client) Play(ctx context.Context, s *Store, port int, of Scenario, log io.Writer) {
	if c.Dial != nil {
		c.Dial(s, port, of, log)
		return
	}
	ctx, cancel := context.WithTimeout(ctx, playTimeout)
	defer cancel()
	args := c.Command(s, port, of)
	cmd := exec.CommandContext(ctx, args[0], args[1:]...)
	cmd.Stdout, cmd.Stderr, cmd.Stdin = log, log, slowly{strings.NewReader(request)}
	cmd.WaitDelay = time.Second
	cmd.Run()
}

// slowly is an input that stays open for a while after its end, so that the answer is read.
type slowly struct{ io.Reader }

func (s slowly) Read(p []byte) (int, error) {
	n, err := s.Reader.Read(p)
	if err == io.EOF {
		time.Sleep(500 * time.Millisecond)
	}
	return n, err
}

func dialGo(s *Store, port int, of Scenario, log io.Writer) {
	config := &tls.Config{RootCAs: s.Pool(of.Trust), ServerName: "localhost", NextProtos: []string{"http/1.1"}, MinVersion: tls.VersionTLS13, KeyLogWriter: log}
	if of.Client != "" {
		config.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return &s.All[of.Client].TLS, nil }
	}
	c, err := tls.Dial("tcp", "127.0.0.1:"+strconv.Itoa(port), config)
	if err != nil {
		return
	}
	defer c.Close()
	c.SetDeadline(time.Now().Add(playTimeout))
	io.WriteString(c, request)
	io.Copy(io.Discard, c)
}

func openssl(more ...string) func(*Store, int, Scenario) []string {
	return func(s *Store, port int, of Scenario) []string {
		a := []string{"openssl", "s_client", "-connect", "127.0.0.1:" + strconv.Itoa(port), "-tls1_3", "-quiet", "-verify_return_error", "-servername", "localhost",
			"-CAfile", s.path(of.Trust + ".crt")}
		if of.Client != "" {
			a = append(a, "-cert", s.path(of.Client+".crt"), "-key", s.path(of.Client+".key"), "-cert_chain", s.path(of.Client+".crt"))
		}
		return append(a, more...)
	}
}

func curl(s *Store, port int, of Scenario) []string {
	a := []string{"curl", "-sS", "--tlsv1.3", "--http1.1", "--cacert", s.path(of.Trust + ".crt"), "https://localhost:" + strconv.Itoa(port) + "/", "-4"}
	if of.Client != "" {
		a = append(a, "--cert", s.path(of.Client+".crt"), "--key", s.path(of.Client+".key"))
	}
	return a
}

func gnutls(s *Store, port int, of Scenario) []string {
	a := []string{"gnutls-cli", "-p", strconv.Itoa(port), "--x509cafile", s.path(of.Trust + ".crt"), "--sni-hostname=localhost", "--verify-hostname=localhost",
		"--priority=NORMAL:-VERS-ALL:+VERS-TLS1.3"}
	if of.Client != "" {
		a = append(a, "--x509certfile", s.path(of.Client+".crt"), "--x509keyfile", s.path(of.Client+".key"))
	}
	return append(a, "127.0.0.1")
}

// prepareNSS makes a database for each identity, so that a client without one has none, and for each trusted authority.
func prepareNSS(s *Store) error {
	for _, trust := range []string{"ca", "otherca"} {
		for _, name := range []string{"", "rsa-2048", "rsa-3072", "p256", "p384", "chain", "other"} {
			dir := "sql:" + s.path("nss-"+trust+"-"+name)
			if err := run("mkdir", "-p", strings.TrimPrefix(dir, "sql:")); err != nil {
				return err
			}
			if err := run("certutil", "-N", "-d", dir, "--empty-password"); err != nil {
				return err
			}
			if err := run("certutil", "-A", "-d", dir, "-n", trust, "-t", "CT,C,C", "-i", s.path(trust+".crt")); err != nil {
				return err
			}
			if name == "" {
				continue
			}
			if err := run("pk12util", "-i", s.path(name+".p12"), "-d", dir, "-W", password, "-K", ""); err != nil {
				return err
			}
		}
	}
	return nil
}

func nss(s *Store, port int, of Scenario) []string {
	a := []string{"tstclnt", "-4", "-h", "localhost", "-p", strconv.Itoa(port), "-d", "sql:" + s.path("nss-"+of.Trust+"-"+of.Client), "-V", "tls1.3:tls1.3", "-f"}
	if of.Client != "" {
		a = append(a, "-n", of.Client, "-w", "")
	}
	return a
}

func java(s *Store, port int, of Scenario) []string {
	a := []string{"java", "-XX:TieredStopAtLevel=1", "testdata/Client.java", strconv.Itoa(port), s.path(of.Trust + ".crt")}
	if of.Client != "" {
		a = append(a, s.path(of.Client+".p12"), password)
	}
	return a
}

func boringSSL(more ...string) func(*Store, int, Scenario) []string {
	return func(s *Store, port int, of Scenario) []string {
		a := []string{"bssl-tool", "client", "-connect", "127.0.0.1:" + strconv.Itoa(port), "-min-version", "tls1.3", "-server-name", "localhost",
			"-root-certs", s.path(of.Trust + ".crt")}
		if of.Client != "" {
			a = append(a, "-cert", s.path(of.Client+".crt"), "-key", s.path(of.Client+".key"))
		}
		return append(a, more...)
	}
}

// javaScript runs the client with the TLS stack of the program that runs it.
func javaScript(run ...string) func(*Store, int, Scenario) []string {
	return func(s *Store, port int, of Scenario) []string {
		a := append(slices.Clone(run), "testdata/client.mjs", strconv.Itoa(port), s.path(of.Trust+".crt"))
		if of.Client != "" {
			a = append(a, s.path(of.Client+".crt"), s.path(of.Client+".key"))
		}
		return a
	}
}
