package analysis

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"io"
	"math/big"
	"net"
	"sync"
	"testing"
	"time"
)

// testCerts is the certificates of a test cluster, made once.
type testCerts struct {
	ca, other                                     *authority
	server, serverRSA, serverName, serverOld      tls.Certificate
	serverUsage, serverIP, serverWeak, serverSoon tls.Certificate
	client, clientRSA, clientOld, clientUsage     tls.Certificate
	clientOther, clientRemade, clientCritical     tls.Certificate
	clientFaraway                                 tls.Certificate
}

// authority is a CA.
type authority struct {
	cert *x509.Certificate
	key  crypto.Signer
}

var testPKI = sync.OnceValue(func() *testCerts {
	ca, other, remade := newAuthority("etcd-ca"), newAuthority("other-ca"), newAuthority("etcd-ca")
	ec := func() crypto.Signer { return must(ecdsa.GenerateKey(elliptic.P256(), rand.Reader)) }
	rsaKey := must(rsa.GenerateKey(rand.Reader, 2048))
	both := []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth}
	named := func(c *x509.Certificate) { c.ExtKeyUsage, c.DNSNames = both, []string{"etcd.test"} }
	plain := func(c *x509.Certificate) { c.ExtKeyUsage = both }
	return &testCerts{
		ca: ca, other: other,
		server: ca.issue("etcd", ec(), func(c *x509.Certificate) {
			named(c)
			c.IPAddresses = []net.IP{net.IPv4(127, 0, 0, 1)}
		}),
		serverRSA:  ca.issue("etcd-rsa", rsaKey, named),
		serverName: ca.issue("etcd-elsewhere", ec(), func(c *x509.Certificate) { c.ExtKeyUsage, c.DNSNames = both, []string{"elsewhere.test"} }),
		serverOld: ca.issue("etcd-old", ec(), func(c *x509.Certificate) {
			named(c)
			c.NotAfter = testTime.Add(-72 * time.Hour)
		}),
		serverUsage: ca.issue("etcd-usage", ec(), func(c *x509.Certificate) {
			named(c)
			c.ExtKeyUsage = both[1:]
		}),
		serverIP:   ca.issue("etcd-ip", ec(), func(c *x509.Certificate) { c.ExtKeyUsage, c.IPAddresses = both, []net.IP{net.IPv4(10, 9, 9, 9)} }),
		serverWeak: ca.issue("etcd-weak", must(ecdsa.GenerateKey(elliptic.P224(), rand.Reader)), named),
		serverSoon: ca.issue("etcd-soon", ec(), func(c *x509.Certificate) {
			named(c)
			c.NotAfter = testTime.Add(5 * 24 * time.Hour)
		}),
		client:    ca.issue("root", ec(), plain),
		clientRSA: ca.issue("root-rsa", rsaKey, plain),
		clientOld: ca.issue("root-old", ec(), func(c *x509.Certificate) {
			plain(c)
			c.NotAfter = testTime.Add(-72 * time.Hour)
		}),
		clientUsage:  ca.issue("root-usage", ec(), func(c *x509.Certificate) { c.ExtKeyUsage = both[:1] }),
		clientOther:  other.issue("stranger", ec(), plain),
		clientRemade: remade.issue("root-remade", ec(), plain),
		clientCritical: ca.issue("root-critical", ec(), func(c *x509.Certificate) {
			plain(c)
			c.ExtraExtensions = []pkix.Extension{{Id: []int{1, 2, 3, 4}, Critical: true, Value: []byte{5, 0}}}
		}),
		clientFaraway: ca.issue("member", ec(), func(c *x509.Certificate) { c.ExtKeyUsage, c.IPAddresses = both, []net.IP{net.IPv4(10, 9, 9, 9)} }),
	}
})

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

func newAuthority(name string) *authority {
	key := must(ecdsa.GenerateKey(elliptic.P256(), rand.Reader))
	c := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name}, NotBefore: testTime.AddDate(-1, 0, 0),
		NotAfter: testTime.AddDate(9, 0, 0), IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign}
	der := must(x509.CreateCertificate(rand.Reader, c, c, key.Public(), key))
	return &authority{must(x509.ParseCertificate(der)), key}
}

func (a *authority) issue(name string, key crypto.Signer, change func(*x509.Certificate)) tls.Certificate {
	c := &x509.Certificate{SerialNumber: big.NewInt(time.Now().UnixNano()), Subject: pkix.Name{CommonName: name},
		NotBefore: testTime.AddDate(0, -6, 0), NotAfter: testTime.AddDate(1, 0, 0), KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageKeyEncipherment}
	change(c)
	der := must(x509.CreateCertificate(rand.Reader, c, a.cert, key.Public(), a.key))
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}

func (a *authority) pool() *x509.CertPool {
	p := x509.NewCertPool()
	p.AddCert(a.cert)
	return p
}

// scenario is one connection between Go's client and server. The zero value is a healthy TLS 1.3 connection without a client
// certificate.
type scenario struct {
	client, server func(*tls.Config)
	mtls           bool
	rudeServer     bool // the server closes at once after the handshake
	preface        bool // the client sends, the server closes without an answer
	twice          bool // the second of two connections is recorded
}

// recorder is a net.Conn that notes what is written to it.
type recorder struct {
	net.Conn
	d    Direction
	mu   *sync.Mutex
	into *transcript
}

func (r *recorder) Write(b []byte) (int, error) {
	r.mu.Lock()
	*r.into = append(*r.into, says(r.d, string(b)))
	r.mu.Unlock()
	return r.Conn.Write(b)
}

// record runs the scenario over loopback. Both sides wait for each other where the order would be left to chance.
func (s scenario) record(t testing.TB) transcript {
	t.Helper()
	p := testPKI()
	now := func() time.Time { return testTime }
	serverConfig := &tls.Config{Certificates: []tls.Certificate{p.server}, ClientCAs: p.ca.pool(), Time: now, NextProtos: []string{"h2", "http/1.1"}}
	clientConfig := &tls.Config{RootCAs: p.ca.pool(), ServerName: "etcd.test", Time: now, NextProtos: []string{"h2"}}
	if s.mtls {
		serverConfig.ClientAuth = tls.RequireAndVerifyClientCert
		clientConfig.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return &p.client, nil }
	}
	if s.server != nil {
		s.server(serverConfig)
	}
	if s.client != nil {
		s.client(clientConfig)
	}
	out := s.connect(t, clientConfig, serverConfig)
	if s.twice {
		out = s.connect(t, clientConfig, serverConfig)
	}
	return out
}

func (s scenario) connect(t testing.TB, clientConfig, serverConfig *tls.Config) transcript {
	t.Helper()
	l := must(net.Listen("tcp", "127.0.0.1:0"))
	defer l.Close()
	var mu sync.Mutex
	var out transcript
	dialed := must(net.Dial("tcp", l.Addr().String()))
	accepted := must(l.Accept())
	defer dialed.Close()
	defer accepted.Close()
	c := tls.Client(&recorder{dialed, FromClient, &mu, &out}, clientConfig)
	srv := tls.Server(&recorder{accepted, FromServer, &mu, &out}, serverConfig)
	shook := make(chan error, 1)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		err := srv.Handshake()
		if err != nil || s.rudeServer {
			srv.Close()
			shook <- err
			return
		}
		shook <- nil
		var ping [4]byte
		if _, err := io.ReadFull(srv, ping[:]); err != nil {
			return
		}
		if s.preface {
			srv.Close()
			return
		}
		srv.Write([]byte("pong"))
		io.Copy(io.Discard, srv)
	}()
	clientErr := c.Handshake()
	first := FromClient
	if clientErr != nil {
		dialed.(*net.TCPConn).CloseWrite()
	}
	serverErr := <-shook
	switch {
	case clientErr != nil:
	case serverErr != nil || s.rudeServer:
		first = FromServer
	default:
		c.Write([]byte("ping"))
		if s.preface {
			<-ended
			first = FromServer
			break
		}
		var pong [4]byte
		if _, err := io.ReadFull(c, pong[:]); err != nil {
			t.Errorf("no pong: %v", err)
		}
		c.Close()
	}
	if clientErr != nil && serverErr != nil && isRemote(clientErr) {
		first = FromServer
	}
	dialed.Close()
	<-ended
	mu.Lock()
	defer mu.Unlock()
	return out.and(closes(first, CloseFIN), closes(first.Other(), CloseFIN))
}

// isRemote reports whether the peer's alert, not a judgement of its own, ended a side's handshake.
func isRemote(err error) bool {
	op, ok := err.(*net.OpError)
	return ok && op.Op == "remote error"
}
