package savefile

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"io"
	"math/big"
	"net"
	"sync"
	"testing"
	"time"

	"github.com/etcdtap/etcdtap/analysis"
)

// handshakes are real ones of crypto/tls over loopback, as both sides wrote them.
func handshakes(t testing.TB) map[string][]event {
	t.Helper()
	all := map[string][]event{}
	cert := selfSigned(t)
	for name, version := range map[string]uint16{"TLS 1.2": tls.VersionTLS12, "TLS 1.3": tls.VersionTLS13} {
		all[name] = handshake(t, cert, version, tls.RequireAnyClientCert, true)
		all[name+", no client certificate"] = handshake(t, cert, version, tls.RequireAnyClientCert, false)
	}
	return all
}

// handshake has two endpoints talk and records what they wrote.
func handshake(t testing.TB, cert tls.Certificate, version uint16, auth tls.ClientAuthType, present bool) []event {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	dialed, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer dialed.Close()
	accepted, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer accepted.Close()
	r := new(recording)
	server := tls.Server(recorder{accepted, fromServer, r}, &tls.Config{Certificates: []tls.Certificate{cert}, ClientAuth: auth, MaxVersion: version, NextProtos: []string{"h2"}})
	config := &tls.Config{InsecureSkipVerify: true, ServerName: "etcd.test", MaxVersion: version, NextProtos: []string{"h2"}}
	if present {
		config.Certificates = []tls.Certificate{cert}
	}
	client := tls.Client(recorder{dialed, fromClient, r}, config)
	served := make(chan struct{})
	go func() {
		defer close(served)
		if server.Handshake() == nil {
			io.CopyN(server, server, 4)
		}
		server.Close()
	}()
	if client.Handshake() == nil {
		client.Write([]byte("ping"))
		io.Copy(io.Discard, client)
	}
	<-served
	return append(r.events, event{d: fromServer, close: closeFIN}, event{d: fromClient, close: closeFIN})
}

// recording is what both sides wrote, in order.
type recording struct {
	mu     sync.Mutex
	events []event
}

// recorder is a connection that notes what is written to it.
type recorder struct {
	net.Conn
	d    analysis.Direction
	into *recording
}

func (r recorder) Write(b []byte) (int, error) {
	r.into.mu.Lock()
	r.into.events = append(r.into.events, says(r.d, string(b)))
	r.into.mu.Unlock()
	return r.Conn.Write(b)
}

func selfSigned(t testing.TB) tls.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	c := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "etcd"}, DNSNames: []string{"etcd.test"},
		NotBefore: testTime.AddDate(-1, 0, 0), NotAfter: testTime.Add(24 * time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, c, c, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}
