package stacks

import (
	"bufio"
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"os/exec"
	"strconv"
	"sync"
	"syscall"
	"time"
)

// Server is a TLS stack as server. Go's is served by serveGo.
type Server struct {
	Name     string
	Programs []string
	Command  func(s *Store, port int, of Scenario) []string
}

// Servers are the stacks that Go's client speaks to.
func Servers() []Server {
	return []Server{
		{Name: "OpenSSL", Programs: []string{"openssl"}, Command: func(s *Store, port int, of Scenario) []string {
			a := []string{"openssl", "s_server", "-accept", "127.0.0.1:" + strconv.Itoa(port), "-cert", s.path(of.Server + ".crt"), "-key", s.path(of.Server + ".key"),
				"-cert_chain", s.path(of.Server + ".crt"), "-www", "-quiet"}
			if of.Ask {
				a = append(a, "-Verify", "3", "-verify_return_error", "-CAfile", s.path("ca.crt"))
			}
			return a
		}},
		{Name: "GnuTLS", Programs: []string{"gnutls-serv"}, Command: func(s *Store, port int, of Scenario) []string {
			a := []string{"gnutls-serv", "--http", "-q", "-p", strconv.Itoa(port), "--x509certfile", s.path(of.Server + ".crt"), "--x509keyfile", s.path(of.Server + ".key")}
			if of.Ask {
				return append(a, "--x509cafile", s.path("ca.crt"), "--require-client-cert", "--verify-client-cert")
			}
			return append(a, "--disable-client-cert")
		}},
		{Name: "NSS", Programs: []string{"selfserv", "certutil", "pk12util"}, Command: func(s *Store, port int, of Scenario) []string {
			a := []string{"selfserv", "-d", "sql:" + s.path("nss-ca-"+of.Server), "-n", of.Server, "-p", strconv.Itoa(port), "-V", "tls1.3:tls1.3", "-w", ""}
			if of.Ask {
				a = append(a, "-r", "-r")
			}
			return a
		}},
		{Name: "BoringSSL", Programs: []string{"bssl-tool"}, Command: func(s *Store, port int, of Scenario) []string { // takes any client certificate
			a := []string{"bssl-tool", "server", "-accept", strconv.Itoa(port), "-cert", s.path(of.Server + ".crt"), "-key", s.path(of.Server + ".key"), "-loop", "-www"}
			if of.Ask {
				a = append(a, "-require-any-client-cert")
			}
			return a
		}},
	}
}

// start runs the server until stop is called. It returns when the port answers.
func (v *Server) start(ctx context.Context, s *Store, port int, of Scenario, log io.Writer) (stop func(), err error) {
	args := v.Command(s, port, of)
	cmd := exec.CommandContext(ctx, args[0], args[1:]...)
	cmd.Stdout, cmd.Stderr = log, log
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	stop = func() { cmd.Process.Kill(); cmd.Wait() }
	for deadline := time.Now().Add(playTimeout); time.Now().Before(deadline); time.Sleep(50 * time.Millisecond) {
		c, err := net.Dial("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(port)))
		if err == nil {
			c.Close()
			return stop, nil
		}
	}
	stop()
	return nil, fmt.Errorf("%v does not listen on port %d", args, port)
}

// GoServer is crypto/tls, as in etcd, for one scenario.
type GoServer struct {
	Port     int
	listener net.Listener
	wait     sync.WaitGroup
}

// firstPort is below those that the kernel gives to clients, so that a port stands for one scenario.
const firstPort = 20000

// listen takes the next free port; used is the last one taken.
func listen(used *int) (l net.Listener, err error) {
	for *used = max(*used, firstPort) + 1; *used < firstPort+10000; *used++ {
		if l, err = net.Listen("tcp", "127.0.0.1:"+strconv.Itoa(*used)); err == nil {
			return l, nil
		}
	}
	return nil, err
}

// serveGo listens and answers until Close.
func serveGo(s *Store, of Scenario, keys io.Writer, used *int) (*GoServer, error) {
	config := &tls.Config{Certificates: []tls.Certificate{s.All[of.Server].TLS}, NextProtos: []string{"h2", "http/1.1"}, KeyLogWriter: keys}
	if of.Ask {
		config.ClientAuth, config.ClientCAs = tls.RequireAndVerifyClientCert, s.Pool("ca")
	}
	l, err := listen(used)
	if err != nil {
		return nil, err
	}
	g := &GoServer{Port: l.Addr().(*net.TCPAddr).Port, listener: l}
	g.wait.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			g.wait.Go(func() { answer(tls.Server(c, config)) })
		}
	})
	return g, nil
}

// answer plays the server's part of one connection.
func answer(c *tls.Conn) {
	defer c.Close()
	c.SetDeadline(time.Now().Add(playTimeout))
	if c.Handshake() != nil {
		return
	}
	for lines := bufio.NewReader(c); ; {
		line, err := lines.ReadString('\n')
		if err != nil {
			return
		}
		if line == "\r\n" || line == "\n" {
			break
		}
	}
	io.WriteString(c, response)
}

// Close ends the server and waits for its connections.
func (g *GoServer) Close() {
	g.listener.Close()
	g.wait.Wait()
}
