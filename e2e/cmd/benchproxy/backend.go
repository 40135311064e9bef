package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/binary"
	"io"
	"math/big"
	"net"
	"time"
)

// What a client wants of the backend, by ALPN.
const (
	wantBulk = "bulk" // records without end
	wantEcho = "echo" // each record back
	wantIdle = "idle" // nothing
)

const (
	bulkWrite = 256 << 10 // bytes of records that the backend writes at once
	maxBody   = 16 << 10  // of a record
	smallBody = 200       // bytes of a small request and of its answer
)

// backend is the server behind all proxies.
type backend struct {
	listener net.Listener
	server   *tls.Config
	client   *tls.Config
}

func newBackend() (*backend, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "etcd"}, DNSNames: []string{"etcd"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		return nil, err
	}
	certificate, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, err
	}
	pool := x509.NewCertPool()
	pool.AddCert(certificate)
	b := &backend{
		server: &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}, NextProtos: []string{wantBulk, wantEcho, wantIdle}, SessionTicketsDisabled: true},
		client: &tls.Config{RootCAs: pool, ServerName: "etcd"},
	}
	if b.listener, err = net.Listen("tcp", "127.0.0.1:0"); err != nil {
		return nil, err
	}
	go b.accept()
	return b, nil
}

func (b *backend) close() { b.listener.Close() }

func (b *backend) accept() {
	for {
		c, err := b.listener.Accept()
		if err != nil {
			return
		}
		go b.serve(c)
	}
}

// serve ends when the client goes.
func (b *backend) serve(raw net.Conn) {
	defer raw.Close()
	c := tls.Server(raw, b.server)
	if c.Handshake() != nil {
		return
	}
	if _, err := raw.Write(ready()); err != nil {
		return
	}
	switch c.ConnectionState().NegotiatedProtocol {
	case wantBulk:
		records := dataRecords(bulkWrite)
		for {
			if _, err := raw.Write(records); err != nil {
				return
			}
		}
	case wantEcho:
		record := make([]byte, recordHeader+smallBody)
		for {
			if _, err := io.ReadFull(raw, record); err != nil {
				return
			}
			if _, err := raw.Write(record); err != nil {
				return
			}
		}
	}
	io.Copy(io.Discard, raw)
}

const recordHeader = 5

// ready is what the backend says first. A client that spoke before it would be read by the handshake, which reads ahead.
func ready() []byte { return dataRecords(recordHeader + 1) }

// dataRecords are n bytes of records of application data, whose content is nothing.
func dataRecords(n int) (b []byte) {
	for n > recordHeader {
		body := min(n-recordHeader, maxBody)
		b = append(b, 23, 3, 3)
		b = binary.BigEndian.AppendUint16(b, uint16(body))
		b = append(b, make([]byte, body)...)
		n -= recordHeader + body
	}
	return b
}

// dial makes a TLS connection to addr, through whatever listens there, and returns what is below the TLS.
func (b *backend) dial(addr, want string) (net.Conn, error) {
	raw, err := net.DialTimeout("tcp", addr, 10*time.Second)
	if err != nil {
		return nil, err
	}
	raw.SetDeadline(time.Now().Add(time.Minute)) // a run that hangs is no result
	config := b.client.Clone()
	config.NextProtos = []string{want}
	if err := tls.Client(raw, config).Handshake(); err != nil {
		raw.Close()
		return nil, err
	}
	if _, err := io.ReadFull(raw, ready()); err != nil {
		raw.Close()
		return nil, err
	}
	return raw, nil
}
