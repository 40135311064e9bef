package probe

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/etcdtap/etcdtap/analysis"
)

// short keeps the tests quick: nothing but loopback is waited for.
const short = 2 * time.Second

// outcome is what the tests compare.
type outcome struct {
	Answer   string // without the target
	Codes    []string
	Versions string // of TLS 1.0 to 1.3: y or n
}

func outcomeOf(p *analysis.Probe) outcome {
	o := outcome{Answer: strings.TrimPrefix(p.Answer(), p.Target)}
	for _, f := range p.Findings {
		o.Codes = append(o.Codes, string(f.Code))
	}
	for _, v := range p.Versions {
		o.Versions += map[bool]string{true: "y", false: "n"}[v.Hello]
	}
	return o
}

func TestHandshakes(t *testing.T) {
	ca, other := newAuthority(t, "etcd-ca"), newAuthority(t, "other-ca")
	good := ca.issue(t, "etcd", nil)
	ours, wrong := ca.issue(t, "client", nil), other.issue(t, "client", nil)
	require := func(c *tls.Certificate, change func(*tls.Config)) *tls.Config {
		config := &tls.Config{Certificates: []tls.Certificate{*c}, ClientAuth: tls.RequireAndVerifyClientCert, ClientCAs: ca.pool(), NextProtos: []string{"h2", "http/1.1"}}
		if change != nil {
			change(config)
		}
		return config
	}
	only := func(v uint16) func(*tls.Config) {
		return func(c *tls.Config) { c.MinVersion, c.MaxVersion = v, v }
	}
	spoiled := func(change func(*x509.Certificate)) *tls.Config {
		return require(ca.issue(t, "etcd", change), func(c *tls.Config) { c.ClientAuth = tls.NoClientCert })
	}
	tests := []struct {
		name    string
		config  *tls.Config
		options Options
		want    outcome
	}{
		{"1.3, ours accepted", require(good, nil), Options{Certificate: ours, Roots: ca.pool()},
			outcome{" speaks TLS 1.3, demands a client certificate, and accepts ours (CN=client)", nil, "nnyy"}},
		{"1.2, ours accepted", require(good, only(tls.VersionTLS12)), Options{Certificate: ours, Roots: ca.pool()},
			outcome{" speaks TLS 1.2, demands a client certificate, and accepts ours (CN=client)", nil, "nnyn"}},
		{"1.3 only, none given", require(good, only(tls.VersionTLS13)), Options{},
			outcome{" speaks TLS 1.3, demands a client certificate; none was given (--cert and --key)", []string{"client-cert-missing"}, "nnny"}},
		{"1.2, none given", require(good, only(tls.VersionTLS12)), Options{},
			outcome{" speaks TLS 1.2, demands a client certificate; none was given (--cert and --key)", []string{"client-cert-missing"}, "nnyn"}},
		{"1.3, other CA", require(good, nil), Options{Certificate: wrong},
			outcome{" speaks TLS 1.3, demands a client certificate, and refuses ours (CN=client): alert unknown_ca", []string{"client-cert-untrusted"}, "nnyy"}},
		{"1.2, other CA", require(good, only(tls.VersionTLS12)), Options{Certificate: wrong},
			outcome{" speaks TLS 1.2, demands a client certificate, and refuses ours (CN=client): alert unknown_ca", []string{"client-cert-untrusted"}, "nnyn"}},
		{"expired client", require(good, nil), Options{Certificate: ca.issue(t, "client", func(c *x509.Certificate) { c.NotAfter = time.Now().Add(-time.Minute) })},
			outcome{" speaks TLS 1.3, demands a client certificate, and refuses ours (CN=client): alert certificate_expired", []string{"client-cert-expired"}, "nnyy"}},
		{"client without clientAuth", require(good, nil), Options{Certificate: ca.issue(t, "client", func(c *x509.Certificate) { c.ExtKeyUsage = c.ExtKeyUsage[:1] })},
			outcome{" speaks TLS 1.3, demands a client certificate, and refuses ours (CN=client): alert bad_certificate", []string{"client-cert-key-usage"}, "nnyy"}},
		{"optional", require(good, func(c *tls.Config) { c.ClientAuth = tls.VerifyClientCertIfGiven }), Options{Certificate: ours},
			outcome{" speaks TLS 1.3, asks for a client certificate without demanding it, and accepts ours (CN=client)", nil, "nnyy"}},
		{"not asked for", require(good, func(c *tls.Config) { c.ClientAuth = tls.NoClientCert }), Options{Certificate: ours},
			outcome{" speaks TLS 1.3 and asks for no client certificate", nil, "nnyy"}},
		{"old versions", require(good, func(c *tls.Config) { c.MinVersion, c.ClientAuth = tls.VersionTLS10, tls.NoClientCert }), Options{},
			outcome{" speaks TLS 1.3 and asks for no client certificate", []string{"legacy-tls-version"}, "yyyy"}},
		{"no version in common", require(good, only(tls.VersionTLS12)), Options{MinVersion: tls.VersionTLS13},
			outcome{" speaks TLS and refused the handshake: alert protocol_version", []string{"version-mismatch"}, "nnyn"}},
		{"no protocol in common", require(good, nil), Options{ALPN: []string{"spdy/3"}},
			outcome{" speaks TLS and refused the handshake: alert no_application_protocol", []string{"alpn-mismatch"}, "nnyy"}},
		{"expired server", spoiled(func(c *x509.Certificate) { c.NotAfter = time.Now().Add(-time.Minute) }), Options{Roots: ca.pool()},
			outcome{" speaks TLS 1.3 and asks for no client certificate; its certificate does not verify: expired", []string{"server-cert-expired"}, "nnyy"}},
		{"wrong name", spoiled(func(c *x509.Certificate) { c.IPAddresses = nil }), Options{Roots: ca.pool()},
			outcome{" speaks TLS 1.3 and asks for no client certificate; its certificate does not verify: name", []string{"server-name-mismatch"}, "nnyy"}},
		{"right --servername", spoiled(func(c *x509.Certificate) { c.IPAddresses = nil }), Options{Roots: ca.pool(), ServerName: "localhost"},
			outcome{" speaks TLS 1.3 and asks for no client certificate", nil, "nnyy"}},
		{"everything wrong", spoiled(func(c *x509.Certificate) {
			c.IPAddresses, c.NotAfter, c.ExtKeyUsage = nil, time.Now().Add(-time.Minute), c.ExtKeyUsage[1:]
		}), Options{Roots: other.pool()},
			outcome{" speaks TLS 1.3 and asks for no client certificate; its certificate does not verify: unknown authority, name, expired, key usage",
				[]string{"server-cert-untrusted", "server-name-mismatch", "server-cert-expired", "server-cert-key-usage"}, "nnyy"}},
		{"expires soon", spoiled(func(c *x509.Certificate) { c.NotAfter = time.Now().Add(48 * time.Hour) }), Options{Roots: ca.pool()},
			outcome{" speaks TLS 1.3 and asks for no client certificate", []string{"cert-expires-soon"}, "nnyy"}},
		{"no ticket", require(good, func(c *tls.Config) { c.SessionTicketsDisabled = true }), Options{Certificate: ours, Timeout: 300 * time.Millisecond},
			outcome{" speaks TLS 1.3, demands a client certificate, and accepts ours (CN=client)", nil, "nnyy"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			if tt.options.Timeout == 0 {
				tt.options.Timeout = 30 * time.Second // a loaded machine; nothing here waits for it
			}
			tt.options.Settle = 20 * time.Millisecond
			p, err := Run(t.Context(), serveTLS(t, tt.config), tt.options)
			if err != nil {
				t.Fatal(err)
			}
			if d := cmp.Diff(tt.want, outcomeOf(p)); d != "" {
				t.Errorf("(-want +got):\n%s\nmain: %+v\nbare: %+v", d, p.Main, p.Bare)
			}
			if p.Request != nil && tt.config.ClientAuth == tls.RequireAndVerifyClientCert {
				if d := cmp.Diff([]string{"CN=etcd-ca"}, p.Request.Authorities); d != "" {
					t.Errorf("acceptable CAs (-want +got):\n%s", d)
				}
			}
		})
	}
}

// TestGoHoldsBack: a certificate whose issuer is not named is presented all the same, and that Go clients would not is said.
func TestGoHoldsBack(t *testing.T) {
	ca, other := newAuthority(t, "etcd-ca"), newAuthority(t, "other-ca")
	target := serveTLS(t, &tls.Config{Certificates: []tls.Certificate{*ca.issue(t, "etcd", nil)}, ClientAuth: tls.RequireAndVerifyClientCert, ClientCAs: ca.pool()})
	for _, tt := range []struct {
		name  string
		by    *authority
		holds bool
	}{{"named", ca, false}, {"not named", other, true}} {
		p, err := Run(t.Context(), target, Options{Certificate: tt.by.issue(t, "client", nil), Settle: time.Millisecond})
		if err != nil {
			t.Fatal(err)
		}
		if got := p.Request.Unsuitable != ""; got != tt.holds || !p.Main.Presented {
			t.Errorf("%s: held back %v (%q), presented %v", tt.name, got, p.Request.Unsuitable, p.Main.Presented)
		}
	}
}

// TestNoTLS are servers that never get to a ServerHello.
func TestNoTLS(t *testing.T) {
	closes := func(c net.Conn) { // after the ClientHello, so that FIN and not RST comes
		io.ReadAtLeast(c, make([]byte, 4096), 5)
		c.(*net.TCPConn).CloseWrite()
		io.Copy(io.Discard, c)
	}
	greets := func(greeting string) func(context.Context, net.Conn) {
		return func(_ context.Context, c net.Conn) {
			io.WriteString(c, greeting)
			io.Copy(io.Discard, c)
		}
	}
	tests := []struct {
		name   string
		handle func(context.Context, net.Conn)
		answer string
		code   string
	}{
		{"plaintext HTTP", func(_ context.Context, c net.Conn) {
			io.ReadAtLeast(c, make([]byte, 4096), 5)
			io.WriteString(c, "HTTP/1.1 400 Bad Request\r\nContent-Type: text/plain; charset=utf-8\r\nConnection: close\r\n\r\n400 Bad Request")
			c.(*net.TCPConn).CloseWrite()
			io.Copy(io.Discard, c)
		}, ` does not speak TLS: it answers "HTTP/1.1 400 Bad Request"`, "tls-to-plaintext"},
		{"closes at the hello", func(_ context.Context, c net.Conn) { closes(c) }, " closed the connection without an answer to TLS", "tls-to-plaintext"},
		{"resets", func(_ context.Context, c net.Conn) {
			io.ReadAtLeast(c, make([]byte, 4096), 5)
			c.(*net.TCPConn).SetLinger(0)
		}, " reset the connection without an answer to TLS", "connection-reset"},
		{"silent", func(_ context.Context, c net.Conn) { io.Copy(io.Discard, c) }, " accepts the connection and says nothing to TLS", "no-reply"},
		{"SSH", greets("SSH-2.0-OpenSSH_9.7\r\n"), ` is not etcd: it speaks first: it answers "SSH-2.0-OpenSSH_9.7"`, "server-speaks-first"},
		{"hostile greeting", greets("\x1b[31m\x00\xff\n\x1b]0;owned\x07 and more"), " is not etcd: it speaks first: its first bytes are 1b5b33316d00ff0a1b5d303b6f776e65", "server-speaks-first"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			timeout := 30 * time.Second
			if tt.name == "silent" {
				timeout = 200 * time.Millisecond
			}
			target := serve(t, tt.handle)
			e := analysis.Expectations{ClientPorts: []uint16{target.Port}}
			p, err := Run(t.Context(), target, Options{Timeout: timeout, Settle: 300 * time.Millisecond, Expectations: e})
			if err != nil {
				t.Fatal(err)
			}
			got := outcomeOf(p)
			if got.Answer != tt.answer || !slices.Contains(got.Codes, tt.code) {
				t.Errorf("want %q, %s\ngot  %q, %v\n%+v", tt.answer, tt.code, got.Answer, got.Codes, p.Main)
			}
			if len(p.Versions) > 0 {
				t.Error("more handshakes were made with what does not speak TLS")
			}
		})
	}
	t.Run("nobody listens", func(t *testing.T) {
		p, err := Run(t.Context(), closedPort(t), Options{})
		if err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(outcome{Answer: " refuses connections: nothing listens there", Codes: []string{"refused"}}, outcomeOf(p)); d != "" {
			t.Errorf("(-want +got):\n%s", d)
		}
	})
}

// bytewise writes each byte by itself.
type bytewise struct{ net.Conn }

func (c bytewise) Write(b []byte) (int, error) {
	for i := range b {
		if n, err := c.Conn.Write(b[i : i+1]); err != nil {
			return i + n, err
		}
	}
	return len(b), nil
}

// TestCuts: it does not matter how a server cuts what it sends.
func TestCuts(t *testing.T) {
	ca := newAuthority(t, "etcd-ca")
	config := &tls.Config{Certificates: []tls.Certificate{*ca.issue(t, "etcd", nil)}, ClientAuth: tls.RequireAndVerifyClientCert, ClientCAs: ca.pool()}
	options := Options{Certificate: ca.issue(t, "client", nil), Roots: ca.pool(), Settle: time.Millisecond, Timeout: 30 * time.Second}
	whole, err := Run(t.Context(), serveTLS(t, config), options)
	if err != nil {
		t.Fatal(err)
	}
	pieces, err := Run(t.Context(), serve(t, func(ctx context.Context, c net.Conn) {
		s := tls.Server(bytewise{c}, config)
		if s.HandshakeContext(ctx) == nil {
			io.Copy(io.Discard, s)
		}
	}), options)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(outcomeOf(whole), outcomeOf(pieces)); d != "" {
		t.Errorf("(-whole +byte by byte):\n%s", d)
	}
}

// TestClosesAtOnce: a server that closes before it has read anything. Whether FIN or RST comes first is the kernel's affair.
func TestClosesAtOnce(t *testing.T) {
	p, err := Run(t.Context(), serve(t, func(context.Context, net.Conn) {}), Options{Settle: time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	if r := p.Main.Result; r != analysis.AttemptClosed && r != analysis.AttemptReset || len(p.Findings) == 0 || len(p.Versions) > 0 {
		t.Errorf("%+v, %v", p.Main, p.Findings)
	}
}

// TestStopsInTheMiddle: a server that stops in the middle of the handshake, after its certificate.
func TestStopsInTheMiddle(t *testing.T) {
	ca := newAuthority(t, "etcd-ca")
	config := &tls.Config{Certificates: []tls.Certificate{*ca.issue(t, "etcd", nil)}, MaxVersion: tls.VersionTLS12}
	target := serve(t, func(ctx context.Context, c net.Conn) {
		s := tls.Server(stops{c, ctx.Done()}, config)
		s.HandshakeContext(ctx)
	})
	p, err := Run(t.Context(), target, Options{Timeout: 200 * time.Millisecond, Settle: time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	if got := outcomeOf(p); p.Main.Result != analysis.AttemptNoAnswer || !p.Main.Hello || len(got.Codes) == 0 || got.Codes[0] != "handshake-timeout" {
		t.Errorf("%+v %v", p.Main, got)
	}
}

// stops is a server's connection that hears nothing after the ClientHello.
type stops struct {
	net.Conn
	done <-chan struct{}
}

func (c stops) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	if n > 0 && b[0] == 16 || n > 5 && b[5] == 16 { // ClientKeyExchange
		<-c.done
		return 0, io.EOF
	}
	return n, err
}

// TestUnanswered: no connection comes about in the time given.
func TestUnanswered(t *testing.T) {
	p, err := Run(t.Context(), closedPort(t), Options{Timeout: 1})
	if err != nil {
		t.Fatal(err)
	}
	if got := outcomeOf(p); p.Main.Result != analysis.AttemptUnanswered || len(got.Codes) != 1 || got.Codes[0] != "unanswered" {
		t.Errorf("%+v %v", p.Main, got)
	}
}

// TestLastFlightIsOnePiece: a server that refuses our certificate may close while crypto/tls still writes the rest of the flight; then
// its alert would be lost. So all that follows the server's Finished leaves in one write.
func TestLastFlightIsOnePiece(t *testing.T) {
	near, far := net.Pipe()
	var reading sync.WaitGroup
	reading.Go(func() { io.Copy(io.Discard, far) })
	defer func() { near.Close(); reading.Wait() }()
	writes := 0
	w := &wire{Conn: counted{near, &writes}, holds: true}
	for range 3 {
		w.Write([]byte("record"))
	}
	if writes != 0 {
		t.Errorf("%d writes before the flight is over", writes)
	}
	if err := w.release(); err != nil || writes != 1 {
		t.Errorf("%d writes, %v", writes, err)
	}
	if w.Write([]byte("later")); writes != 2 {
		t.Errorf("%d writes after the release", writes)
	}
}

// counted counts writes.
type counted struct {
	net.Conn
	writes *int
}

func (c counted) Write(b []byte) (int, error) {
	*c.writes++
	return c.Conn.Write(b)
}

// TestLateClose is etcd's own way to refuse: the handshake completes, then SAN or CRL do not please, and it closes.
func TestLateClose(t *testing.T) {
	ca := newAuthority(t, "etcd-ca")
	for _, v := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
		config := &tls.Config{Certificates: []tls.Certificate{*ca.issue(t, "etcd", nil)}, ClientAuth: tls.RequireAndVerifyClientCert, ClientCAs: ca.pool(), MaxVersion: v}
		target := serve(t, func(_ context.Context, c net.Conn) {
			s := tls.Server(c, config)
			if s.Handshake() == nil {
				s.Close()
			}
		})
		p, err := Run(t.Context(), target, Options{Certificate: ca.issue(t, "peer", nil), Settle: 10 * time.Second, Timeout: 30 * time.Second,
			Expectations: analysis.Expectations{PeerPorts: []uint16{target.Port}}})
		if err != nil {
			t.Fatal(err)
		}
		got := outcomeOf(p)
		if !strings.Contains(got.Answer, "accepts ours (CN=peer); after the handshake it closed at once") || len(got.Codes) != 1 || got.Codes[0] != "peer-san-mismatch" {
			t.Errorf("%s: %q %v %+v", tls.VersionName(v), got.Answer, got.Codes, p.Main)
		}
	}
}

// TestHostile are servers that would keep us for ever, or fill our memory: time and bytes bound them.
func TestHostile(t *testing.T) {
	const limit = 250 * time.Millisecond
	feed := func(next func(i int) []byte, pause time.Duration) func(context.Context, net.Conn) {
		return func(ctx context.Context, c net.Conn) {
			tick := time.NewTicker(max(pause, 1))
			defer tick.Stop()
			for i := 0; ; i++ {
				if _, err := c.Write(next(i)); err != nil {
					return
				}
				if pause > 0 {
					select {
					case <-ctx.Done():
						return
					case <-tick.C:
					}
				}
			}
		}
	}
	record := append([]byte{22, 3, 3, 0x40, 0}, make([]byte, 0x4000)...) // hello requests without end
	tests := []struct {
		name   string
		handle func(context.Context, net.Conn)
	}{
		{"a byte now and then", feed(func(i int) []byte { return []byte{22, 3, 3, 0x40, 0, 2, 0}[min(i, 6) : min(i, 6)+1] }, 10*time.Millisecond)},
		{"endless handshake records", feed(func(int) []byte { return record }, 0)},
		{"endless warnings", feed(func(int) []byte { return []byte{21, 3, 3, 0, 2, 1, 90} }, 0)},
		{"endless junk", feed(func(int) []byte { return make([]byte, 1<<16) }, 0)},
		{"a record that claims more than comes", feed(func(i int) []byte { return []byte{22, 3, 3, 0x40, 0, 11, 3, 0xff, 0xff}[:9*min(1, max(0, 1-i))] }, 50*time.Millisecond)},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			began := time.Now()
			p, err := Run(t.Context(), serve(t, tt.handle), Options{Timeout: limit, Settle: limit})
			if err != nil {
				t.Fatal(err)
			}
			if took := time.Since(began); took > 20*time.Second { // seven steps of limit, and a loaded machine
				t.Errorf("took %s", took)
			}
			if p.Main.Result == analysis.AttemptAccepted || len(p.Findings) == 0 {
				t.Errorf("%+v without a finding", p.Main)
			}
			if p.Main.Bytes > maxReceived {
				t.Errorf("took %d bytes", p.Main.Bytes)
			}
		})
	}
}

// TestHugeChain: what is kept of a chain is bounded, and the rest counted.
func TestHugeChain(t *testing.T) {
	ca := newAuthority(t, "etcd-ca")
	leaf := ca.issue(t, "etcd", nil)
	for range 400 {
		leaf.Certificate = append(leaf.Certificate, ca.cert.Raw)
	}
	p, err := Run(t.Context(), serveTLS(t, &tls.Config{Certificates: []tls.Certificate{*leaf}}), Options{Roots: ca.pool(), Settle: time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	if len(p.Chain) > 16 || len(p.Chain)+p.More != 401 || len(p.Verified.Problems) > 0 {
		t.Errorf("kept %d, more %d, problems %v", len(p.Chain), p.More, p.Verified.Problems)
	}
}

// TestCancel: whoever cancels need not wait for the time-out.
func TestCancel(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	target := serve(t, func(_ context.Context, c net.Conn) {
		cancel()
		io.Copy(io.Discard, c)
	})
	began := time.Now()
	if _, err := Run(ctx, target, Options{Timeout: time.Minute}); !errors.Is(err, context.Canceled) || time.Since(began) > 30*time.Second {
		t.Errorf("got %v after %s", err, time.Since(began))
	}
}

func TestRequests(t *testing.T) {
	ca := newAuthority(t, "etcd-ca")
	config := &tls.Config{Certificates: []tls.Certificate{*ca.issue(t, "etcd", nil)}, NextProtos: []string{"h2", "http/1.1"}}
	type answer struct {
		Status                int
		Server, Health, Other string
	}
	tests := []struct {
		name, body string
		want       answer
	}{
		{"version", `{"etcdserver":"3.5.7","etcdcluster":"3.5.0"}`, answer{200, "3.5.7", "", ""}},
		{"health", `{"health":"true","reason":""}`, answer{200, "", "true", ""}},
		{"something else", "<html>\x1b[31m", answer{200, "", "", "<html>\x1b[31m"}},
		{"too much", strings.Repeat("x", 1<<20), answer{200, "", "", strings.Repeat("x", maxPrefix)}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			target := serve(t, func(ctx context.Context, c net.Conn) {
				s := tls.Server(c, config)
				if s.HandshakeContext(ctx) != nil || s.ConnectionState().NegotiatedProtocol != "http/1.1" {
					return
				}
				if n, err := s.Read(make([]byte, 1024)); err == nil && n > 0 {
					fmt.Fprintf(s, "HTTP/1.1 200 OK\r\nContent-Length: %d\r\nConnection: close\r\n\r\n%s", len(tt.body), tt.body)
				}
				s.Close()
			})
			p, err := Run(t.Context(), target, Options{Version: true, Settle: short})
			if err != nil {
				t.Fatal(err)
			}
			r := p.Requests[0]
			if d := cmp.Diff(tt.want, answer{r.Status, r.Server, r.Health, r.BodyPrefix}); d != "" || len(p.Requests) != 1 {
				t.Errorf("(-want +got):\n%s%+v", d, r.Attempt)
			}
		})
	}
}

func TestExpected(t *testing.T) {
	ca := newAuthority(t, "etcd-ca")
	served := ca.issue(t, "etcd", nil)
	target := serveTLS(t, &tls.Config{Certificates: []tls.Certificate{*served}})
	for _, tt := range []struct {
		name string
		want *x509.Certificate
		same bool
	}{{"the same", served.Leaf, true}, {"renewed", ca.issue(t, "etcd", nil).Leaf, false}} {
		p, err := Run(t.Context(), target, Options{Expected: tt.want, ExpectedFile: "server.crt", Settle: time.Millisecond})
		if err != nil {
			t.Fatal(err)
		}
		if p.Expected.Same != tt.same {
			t.Errorf("%s: %+v", tt.name, p.Expected)
		}
		if got := strings.Join(p.Expected.Differs, " "); !tt.same && !strings.Contains(got, "serial") || !tt.same && !strings.Contains(got, "key") || strings.Contains(got, "subject") {
			t.Errorf("%s: differs in %s", tt.name, got)
		}
	}
}

// TestSuites: all of TLS 1.2's suites are found, in the server's order.
func TestSuites(t *testing.T) {
	ca := newAuthority(t, "etcd-ca")
	offered := []uint16{tls.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256, tls.TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384}
	target := serveTLS(t, &tls.Config{Certificates: []tls.Certificate{*ca.issue(t, "etcd", nil)}, CipherSuites: offered, MaxVersion: tls.VersionTLS12})
	p, err := Run(t.Context(), target, Options{AllSuites: true, Settle: time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, s := range p.Suites {
		got = append(got, s.Offered)
	}
	if d := cmp.Diff([]string{"TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256", "TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384"}, got); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
}

func TestParseTarget(t *testing.T) {
	for _, tt := range []struct {
		in   string
		want Target
		ok   bool
	}{
		{"127.0.0.1", Target{"127.0.0.1", 2379}, true},
		{"127.0.0.1:2380", Target{"127.0.0.1", 2380}, true},
		{"etcd-1", Target{"etcd-1", 2379}, true},
		{"::1", Target{"::1", 2379}, true},
		{"[::1]", Target{"::1", 2379}, true},
		{"[fe80::1%eth0]:2380", Target{"fe80::1%eth0", 2380}, true},
		{"https://etcd-1:2379/", Target{"etcd-1", 2379}, true},
		{"http://etcd-1:2379", Target{}, false},
		{"etcd-1:0", Target{}, false},
		{"etcd-1:65536", Target{}, false},
		{":2379", Target{}, false},
		{"", Target{}, false},
	} {
		got, err := ParseTarget(tt.in)
		if (err == nil) != tt.ok || got != tt.want {
			t.Errorf("%q: got %+v, %v", tt.in, got, err)
		}
	}
}
