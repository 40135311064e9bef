package scenario

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"syscall"
	"time"

	"github.com/etcdtap/etcdtap/e2e/lab"
)

// connectTimeout bounds what the steps below do on loopback.
const connectTimeout = 5 * time.Second

func connectClose() Step {
	return Step{How: "TCP connect to 127.0.0.1:$CLIENT, close", Do: func(ctx context.Context, s *Stage) error {
		c, err := s.dial(ctx)
		if err != nil {
			return err
		}
		return c.Close()
	}}
}

func connectReset() Step {
	return Step{How: "TCP connect to 127.0.0.1:$CLIENT, close with SO_LINGER 0", Do: func(ctx context.Context, s *Stage) error {
		c, err := s.dial(ctx)
		if err != nil {
			return err
		}
		if err := c.SetLinger(0); err != nil {
			return err
		}
		return c.Close()
	}}
}

// helloClose sends crypto/tls's ClientHello and then its FIN, without reading.
func helloClose() Step {
	return Step{How: "TCP connect to 127.0.0.1:$CLIENT, send a ClientHello, close for writing", Do: func(ctx context.Context, s *Stage) error {
		c, err := s.dial(ctx)
		if err != nil {
			return err
		}
		defer c.Close()
		hello, err := clientHello()
		if err != nil {
			return err
		}
		if _, err := c.Write(hello); err != nil {
			return err
		}
		if err := c.CloseWrite(); err != nil {
			return err
		}
		for buffer := make([]byte, 4096); err == nil; { // until etcd closes
			_, err = c.Read(buffer)
		}
		return nil
	}}
}

// clientHello is the record that crypto/tls sends first.
func clientHello() ([]byte, error) {
	near, far := net.Pipe()
	defer far.Close()
	failed := make(chan error, 1)
	go func() { failed <- tls.Client(near, &tls.Config{ServerName: "localhost"}).Handshake() }()
	record := make([]byte, 16<<10)
	far.SetReadDeadline(time.Now().Add(connectTimeout))
	n, err := far.Read(record)
	near.Close()
	<-failed
	return record[:n], err
}

// fullQueue connects to a listener that never accepts, until the kernel drops the SYN.
func fullQueue() Step {
	how := "listen on 127.0.0.1:$CLIENT with a backlog of 0 and fill it; TCP connect, give up after 4 s"
	return Step{How: how, Do: func(ctx context.Context, s *Stage) error {
		fd, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC, 0)
		if err != nil {
			return err
		}
		defer syscall.Close(fd)
		address := &syscall.SockaddrInet4{Port: int(s.Lab.Ports.Client), Addr: [4]byte{127, 0, 0, 1}}
		if err := syscall.SetsockoptInt(fd, syscall.SOL_SOCKET, syscall.SO_REUSEADDR, 1); err != nil {
			return err
		}
		if err := errors.Join(syscall.Bind(fd, address), syscall.Listen(fd, 0)); err != nil {
			return fmt.Errorf("listening: %w", err)
		}
		filler, err := s.dial(ctx)
		if err != nil {
			return err
		}
		defer filler.Close()
		if err := s.Recapture(); err != nil { // what filled the queue is no part of the story
			return err
		}
		late := net.Dialer{Timeout: 4 * time.Second}
		if c, err := late.DialContext(ctx, "tcp4", s.client()); err == nil {
			c.Close()
			return errors.New("the queue was not full")
		}
		return s.EndCapture()
	}}
}

// raftAttempts bounds how often raftPair begins anew.
const raftAttempts = 8

// raftPair runs two members at once. The one that starts a little earlier may find the other's port still closed; then
// all is done again, for that is another story.
func raftPair() Step {
	how := "etcd members cp-1 on 127.0.0.1 and cp-2 on 127.0.0.2 with peer TLS, started at the same time, until 2 s after both are healthy"
	return Step{How: how, Do: func(ctx context.Context, s *Stage) error {
		for range raftAttempts {
			if err := s.runPair(ctx); err != nil {
				return err
			}
			refused, err := lab.AnyRefused(ctx, s.pcap)
			if err != nil || !refused {
				return err
			}
			if err := s.Recapture(); err != nil {
				return err
			}
		}
		return fmt.Errorf("one member was too early in all of %d attempts", raftAttempts)
	}}
}

// runPair runs both members for a while and ends the capture before it stops them.
func (s *Stage) runPair(ctx context.Context) error {
	peer := fmt.Sprintf("https://127.0.0.%%d:%d", s.Lab.Ports.Peer)
	cluster := "cp-1=" + fmt.Sprintf(peer, 1) + ",cp-2=" + fmt.Sprintf(peer, 2)
	var members []*lab.Etcd
	for _, m := range []lab.Member{{Name: "cp-1", Host: "127.0.0.1"}, {Name: "cp-2", Host: "127.0.0.2"}} {
		m.Program, m.PKI, m.Cluster, m.NotReady = s.Program, s.PKI, cluster, true
		m.Client, m.Peer = &lab.Keys{Authority: "ca", Pair: "server"}, &lab.Keys{Authority: "ca", Pair: "peer"}
		if m.Name == "cp-2" {
			m.Client.Pair, m.Peer.Pair = "cp-2/server", "cp-2/peer"
		}
		e, err := s.Lab.Start(ctx, m)
		if err != nil {
			return err
		}
		defer e.Stop()
		members = append(members, e)
	}
	if err := errors.Join(members[0].WaitHealthy(ctx), members[1].WaitHealthy(ctx)); err != nil {
		return err
	}
	time.Sleep(2 * time.Second)
	if err := s.EndCapture(); err != nil {
		return err
	}
	var err error
	s.Log, err = members[0].Since(0)
	return err
}

func (s *Stage) client() string { return fmt.Sprintf("127.0.0.1:%d", s.Lab.Ports.Client) }

func (s *Stage) dial(ctx context.Context) (*net.TCPConn, error) {
	c, err := (&net.Dialer{Timeout: connectTimeout}).DialContext(ctx, "tcp4", s.client())
	if err != nil {
		return nil, err
	}
	return c.(*net.TCPConn), nil
}
