package analysis

import (
	"bytes"
	"crypto/tls"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/etcdtap/etcdtap/analysis/keylog"
	"github.com/etcdtap/etcdtap/analysis/tlswire"
)

// opened is a recorded handshake with its key log.
type opened struct {
	transcript
	keys *keylog.Log
	text []byte // of the key log
}

// withKeys records the scenario with the client's key log.
func (s scenario) withKeys(t testing.TB) opened {
	var text bytes.Buffer
	s.client = also(s.client, func(c *tls.Config) { c.KeyLogWriter = &text })
	o := opened{transcript: s.record(t), keys: new(keylog.Log), text: text.Bytes()}
	o.keys.Write(o.text)
	return o
}

func also(list ...func(*tls.Config)) func(*tls.Config) {
	return func(c *tls.Config) {
		for _, f := range list {
			if f != nil {
				f(c)
			}
		}
	}
}

func withSuite(id uint16) func(*tls.Config) {
	return func(c *tls.Config) { c.CipherSuites, c.MaxVersion = []uint16{id}, tls.VersionTLS12 }
}

func capped(v uint16) func(*tls.Config) {
	return func(c *tls.Config) { c.MinVersion, c.MaxVersion = v, v }
}

func rsaServer(p *testCerts) tls.Certificate { return p.serverRSA }

// decryption is what keys have to show of a handshake.
type decryption struct {
	Request, Server, Client, ALPN Visibility
	Protocol                      string
	ServerCert, ClientCert        string // subjects
	Alerts                        []string
	Authorities                   []string
	Failed                        [2]int64
	Finished                      [2]bool
	Resumed                       bool
	Inner                         [2]Protocol
}

func decryptionOf(f *Facts) decryption {
	t := f.TLS
	r := decryption{Request: t.CertificateRequest.Visibility, Server: t.Certificates[FromServer].Visibility, Client: t.Certificates[FromClient].Visibility,
		ALPN: t.ALPNVisibility, Protocol: t.ALPN, Failed: t.DecryptFailed, Finished: t.Finished, Resumed: t.Resumed,
		Inner: [2]Protocol{f.Stream[FromClient].Inner, f.Stream[FromServer].Inner}, Authorities: t.CertificateRequest.Authorities}
	for d, to := range []*string{&r.ClientCert, &r.ServerCert} {
		for _, c := range t.Certificates[d].Chain {
			*to += c.Subject
		}
	}
	for _, a := range t.Alerts {
		s := a.From.String() + " " + a.Code.String()
		if !a.Decrypted {
			s = fmt.Sprint(s, " in clear, or guessed: ", a.Encrypted, a.Inferred)
		}
		if a.BeforeData {
			s += " before data"
		}
		r.Alerts = append(r.Alerts, s)
	}
	return r
}

// decrypted13 is a healthy TLS 1.3 connection with a client certificate.
func decrypted13() decryption {
	return decryption{Request: Decrypted, Server: Decrypted, Client: Decrypted, ALPN: Decrypted, Protocol: "h2", ServerCert: "CN=etcd", ClientCert: "CN=root",
		Alerts: []string{"client close_notify"}, Authorities: []string{"CN=etcd-ca"}, Finished: [2]bool{true, true}, Inner: [2]Protocol{ProtocolUnknown, ProtocolUnknown}}
}

func decrypted12() decryption {
	d := decrypted13()
	d.Request, d.Server, d.Client, d.ALPN = Seen, Seen, Seen, Seen
	return d
}

var decryptionTests = []struct {
	name string
	scenario
	base   func() decryption
	change func(*decryption)
}{
	{"TLS 1.3", scenario{mtls: true}, decrypted13, nil},
	{"TLS 1.3 no client certificate wanted", scenario{}, decrypted13, func(d *decryption) {
		d.Request, d.Client, d.ClientCert, d.Authorities = Absent, Absent, "", nil
	}},
	{"TLS 1.3 HelloRetryRequest", scenario{mtls: true, server: func(c *tls.Config) { c.CurvePreferences = []tls.CurveID{tls.CurveP384} }}, decrypted13, nil},
	{"TLS 1.3 resumed", scenario{mtls: true, twice: true, client: func(c *tls.Config) { c.ClientSessionCache = tls.NewLRUClientSessionCache(1) }}, decrypted13, func(d *decryption) {
		d.Request, d.Server, d.Client, d.ServerCert, d.ClientCert, d.Authorities, d.Resumed = Absent, Absent, Absent, "", "", nil, true
	}},
	{"TLS 1.3 RSA", scenario{mtls: true, server: shows(rsaServer), client: presents(func(p *testCerts) tls.Certificate { return p.clientRSA })}, decrypted13, func(d *decryption) {
		d.ServerCert, d.ClientCert = "CN=etcd-rsa", "CN=root-rsa"
	}},
	{"TLS 1.3 without a protocol", scenario{mtls: true, client: func(c *tls.Config) { c.NextProtos = nil }}, decrypted13, func(d *decryption) { d.ALPN, d.Protocol = Absent, "" }},
	{"TLS 1.3 no client certificate", scenario{mtls: true, client: presents(nobody)}, decrypted13, func(d *decryption) {
		d.ClientCert, d.Alerts, d.Inner = "", []string{"server certificate_required before data"}, [2]Protocol{}
	}},
	{"TLS 1.3 client of another CA", scenario{mtls: true, client: presents(func(p *testCerts) tls.Certificate { return p.clientOther })}, decrypted13, func(d *decryption) {
		d.ClientCert, d.Alerts, d.Inner = "CN=stranger", []string{"server unknown_ca before data"}, [2]Protocol{}
	}},
	{"TLS 1.3 expired client", scenario{mtls: true, client: presents(func(p *testCerts) tls.Certificate { return p.clientOld })}, decrypted13, func(d *decryption) {
		d.ClientCert, d.Alerts, d.Inner = "CN=root-old", []string{"server certificate_expired before data"}, [2]Protocol{}
	}},
	{"TLS 1.3 client distrusts the server", scenario{mtls: true, server: shows(func(p *testCerts) tls.Certificate { return p.serverName })}, decrypted13, func(d *decryption) {
		d.ServerCert, d.ClientCert, d.Client = "CN=etcd-elsewhere", "", Hidden
		d.Alerts, d.Inner, d.Finished = []string{"client bad_certificate before data"}, [2]Protocol{}, [2]bool{false, true}
	}},
	{"TLS 1.2 AES-128-GCM", scenario{mtls: true, client: withSuite(tls.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256)}, decrypted12, nil},
	{"TLS 1.2 AES-256-GCM", scenario{mtls: true, client: withSuite(tls.TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384)}, decrypted12, nil},
	{"TLS 1.2 ChaCha20", scenario{mtls: true, client: withSuite(tls.TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256)}, decrypted12, nil},
	{"TLS 1.2 AES-128-CBC-SHA", scenario{mtls: true, client: withSuite(tls.TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA), server: withSuite(tls.TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA)}, decrypted12, func(d *decryption) { d.ALPN, d.Protocol = Seen, "h2" }},
	{"TLS 1.2 AES-256-CBC-SHA", scenario{mtls: true, client: withSuite(tls.TLS_ECDHE_ECDSA_WITH_AES_256_CBC_SHA), server: withSuite(tls.TLS_ECDHE_ECDSA_WITH_AES_256_CBC_SHA)}, decrypted12, nil},
	{"TLS 1.2 AES-128-CBC-SHA256", scenario{mtls: true, client: withSuite(tls.TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA256), server: withSuite(tls.TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA256)}, decrypted12, nil},
	{"TLS 1.2 RSA", scenario{mtls: true, server: shows(rsaServer), client: withSuite(tls.TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256)}, decrypted12, func(d *decryption) { d.ServerCert = "CN=etcd-rsa" }},
	{"TLS 1.1", scenario{mtls: true, client: capped(tls.VersionTLS11), server: capped(tls.VersionTLS11)}, decrypted12, nil},
	{"TLS 1.0", scenario{mtls: true, client: capped(tls.VersionTLS10), server: capped(tls.VersionTLS10)}, decrypted12, func(d *decryption) {
		d.Alerts = []string{"client close_notify in clear, or guessed: true false"} // the data before it was passed over
	}},
}

// TestDecryption: keys show what was exchanged, in clear or not.
func TestDecryption(t *testing.T) {
	for _, c := range decryptionTests {
		t.Run(c.name, func(t *testing.T) {
			o := c.withKeys(t)
			f := feeding{keys: o.keys}.facts(o.transcript)
			want := c.base()
			if c.change != nil {
				c.change(&want)
			}
			if diff := cmp.Diff(want, decryptionOf(f)); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
			if len(f.TLS.Violations) > 0 || !f.TLS.KeysFound {
				t.Errorf("violations %v, keys found: %v", f.TLS.Violations, f.TLS.KeysFound)
			}
		})
	}
}

// TestDecryptionChunkInvariance: as TestChunkInvariance, with keys.
func TestDecryptionChunkInvariance(t *testing.T) {
	for _, c := range decryptionTests {
		t.Run(c.name, func(t *testing.T) {
			o := c.withKeys(t)
			want := feeding{keys: o.keys}.facts(o.transcript)
			for _, n := range []int{1, 2, 3, 7, 64} {
				diffFacts(t, want, feeding{keys: o.keys, cut: pieces(n), overwrite: true}.facts(o.transcript))
				diffFacts(t, want, feeding{keys: o.keys, cut: pieces(n), skip: true}.facts(o.transcript))
			}
			for seed := range uint64(4) {
				r := rand.New(rand.NewPCG(seed, 2))
				diffFacts(t, want, feeding{keys: o.keys, skip: true, cut: func(int) int { return 1 + r.IntN(1500) }}.facts(o.transcript))
			}
		})
	}
}

// TestWrongKeys: secrets of another connection under this one's random open nothing, are counted, and leave all hidden.
func TestWrongKeys(t *testing.T) {
	for _, name := range []string{"TLS 1.3", "TLS 1.2 AES-128-GCM", "TLS 1.2 ChaCha20", "TLS 1.2 AES-128-CBC-SHA", "TLS 1.0"} {
		t.Run(name, func(t *testing.T) {
			o, without := opened{}, (*Facts)(nil)
			for _, c := range decryptionTests {
				if c.name == name {
					o = c.withKeys(t)
				}
			}
			without = feeding{}.facts(o.transcript)
			var wrong keylog.Log
			for line := range strings.Lines(string(o.text)) {
				word := strings.Fields(line)
				fmt.Fprintf(&wrong, "%s %s %s\n", word[0], word[1], strings.Repeat("5a", len(word[2])/2))
			}
			got := feeding{keys: &wrong}.facts(o.transcript)
			if want := [2]int64{1, 1}; got.TLS.DecryptFailed != want || !got.TLS.KeysFound {
				t.Errorf("failed %v, want %v; keys found: %v", got.TLS.DecryptFailed, want, got.TLS.KeysFound)
			}
			got.TLS.DecryptFailed, got.TLS.KeysFound = [2]int64{}, false
			diffFacts(t, without, got)
		})
	}
}

// TestNoKeys: a key log without this connection changes nothing.
func TestNoKeys(t *testing.T) {
	everyTranscript(t, func(t *testing.T, script transcript) {
		diffFacts(t, feeding{}.facts(script), feeding{keys: new(keylog.Log)}.facts(script))
	})
}

// converse records a TLS connection in which each side says something.
func converse(t *testing.T, say, answer [][]byte) opened {
	t.Helper()
	p := testPKI()
	var text bytes.Buffer
	var mu sync.Mutex
	var out transcript
	near, far := net.Pipe()
	c := tls.Client(&recorder{near, FromClient, &mu, &out}, &tls.Config{InsecureSkipVerify: true, KeyLogWriter: &text})
	s := tls.Server(&recorder{far, FromServer, &mu, &out}, &tls.Config{Certificates: []tls.Certificate{p.server}, SessionTicketsDisabled: true})
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		for _, b := range say {
			io.ReadFull(s, make([]byte, len(b)))
		}
		for _, b := range answer {
			s.Write(b)
		}
	}()
	for _, b := range say {
		if _, err := c.Write(b); err != nil {
			t.Fatal(err)
		}
	}
	for _, b := range answer {
		if _, err := io.ReadFull(c, make([]byte, len(b))); err != nil {
			t.Fatal(err)
		}
	}
	<-ended
	near.Close()
	o := opened{transcript: out.and(closes(FromClient, CloseFIN), closes(FromServer, CloseFIN)), keys: new(keylog.Log)}
	o.keys.Write(text.Bytes())
	return o
}

// TestInner: the first application data name the protocol inside, also when they come in several records, and nothing else is kept.
func TestInner(t *testing.T) {
	cut := func(s string, n int) (out [][]byte) {
		for len(s) > 0 {
			k := min(n, len(s))
			out, s = append(out, []byte(s[:k])), s[k:]
		}
		return out
	}
	const preface, settings = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "\x00\x00\x06\x04\x00\x00\x00\x00\x00\x00\x03\x00\x00\x00\x64"
	const get, bad = "GET /version?token=secret HTTP/1.1\r\nAuthorization: Basic c2VjcmV0\r\n\r\n", "HTTP/1.1 400 Bad Request\r\n\r\nsecret"
	hello := handshake(clientHello(modern))
	for _, c := range []struct {
		name, say, answer string
		want              [2]Protocol
		requests          [2]string
	}{
		{"HTTP/2", preface + strings.Repeat("secret", 9000), settings, [2]Protocol{ProtocolHTTP2, ProtocolHTTP2}, [2]string{}},
		{"HTTP/1", get, bad, [2]Protocol{ProtocolHTTP1, ProtocolHTTP1}, [2]string{"GET /version", "HTTP/1.1 400 Bad Request"}},
		{"TLS in TLS", hello, alert(alertHandshakeFailure), [2]Protocol{ProtocolTLS, ProtocolTLS}, [2]string{}},
		{"too little", "PRI", "", [2]Protocol{ProtocolUnknown, ProtocolNone}, [2]string{}},
		{"a long line", "GET /" + strings.Repeat("a", 30000), "", [2]Protocol{ProtocolHTTP1, ProtocolNone}, [2]string{"GET /" + strings.Repeat("a", maxRequest-5), ""}},
	} {
		for _, n := range []int{9, 1000, 100000} {
			t.Run(fmt.Sprint(c.name, " in writes of ", n), func(t *testing.T) {
				o := converse(t, cut(c.say, n), cut(c.answer, n))
				conn := NewConn(testClient, testServer, testTime)
				conn.UseKeys(o.keys)
				feeding{skip: true}.tell(conn, o.transcript)
				f := conn.Facts()
				got, requests := [2]Protocol{f.Stream[0].Inner, f.Stream[1].Inner}, [2]string{f.Stream[0].InnerRequest, f.Stream[1].InnerRequest}
				if got != c.want || requests != c.requests {
					t.Errorf("got %v %q, want %v %q", got, requests, c.want, c.requests)
				}
				for _, b := range [][]byte{conn.plain[:cap(conn.plain)], conn.stream[0].unseal.inner[:cap(conn.stream[0].unseal.inner)], conn.stream[1].unseal.inner[:cap(conn.stream[1].unseal.inner)]} {
					if bytes.Contains(b, []byte("secret")) || bytes.Contains(b, []byte("PRI")) {
						t.Errorf("kept: %.200q", b)
					}
				}
			})
		}
	}
}

// TestLongConnection: after the protocol is known records are passed over, and a close_notify is still read.
func TestLongConnection(t *testing.T) {
	for _, v := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
		for _, suite := range []uint16{tls.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256, tls.TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256} {
			t.Run(fmt.Sprint(tls.VersionName(v), " ", tls.CipherSuiteName(suite)), func(t *testing.T) {
				o := long(t, v, suite)
				f := feeding{keys: o.keys, skip: true}.facts(o.transcript)
				e := &f.TLS.Encrypted[FromClient]
				if e.Records-e.Opened < 50 {
					t.Errorf("%d of %d records were opened", e.Opened, e.Records)
				}
				want := []Alert{{From: FromClient, Level: tlswire.AlertLevelWarning, Decrypted: true, At: f.TLS.Alerts[0].At, Packet: f.TLS.Alerts[0].Packet}}
				if diff := cmp.Diff(want, f.TLS.Alerts); diff != "" {
					t.Errorf("alerts (-want +got):\n%s", diff)
				}
			})
		}
	}
}

// long is a connection whose client sends a lot and closes.
func long(t testing.TB, version, suite uint16) opened {
	t.Helper()
	p := testPKI()
	var text bytes.Buffer
	var mu sync.Mutex
	var out transcript
	near, far := net.Pipe()
	c := tls.Client(&recorder{near, FromClient, &mu, &out}, &tls.Config{InsecureSkipVerify: true, KeyLogWriter: &text, MaxVersion: version, CipherSuites: []uint16{suite}})
	s := tls.Server(&recorder{far, FromServer, &mu, &out}, &tls.Config{Certificates: []tls.Certificate{p.server}})
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		io.Copy(io.Discard, s)
	}()
	c.Write([]byte("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"))
	for range 100 {
		c.Write(make([]byte, 9000))
	}
	c.CloseWrite()
	<-ended
	near.Close()
	mu.Lock()
	defer mu.Unlock()
	o := opened{transcript: out.and(closes(FromClient, CloseFIN), closes(FromServer, CloseFIN)), keys: new(keylog.Log)}
	o.keys.Write(text.Bytes())
	return o
}

// TestGapsWithKeys: what is lost inside a protected record costs no more than without keys, and what follows it is still opened.
func TestGapsWithKeys(t *testing.T) {
	o := scenario{mtls: true}.withKeys(t)
	whole := feeding{keys: o.keys}.facts(o.transcript)
	for _, d := range []Direction{FromClient, FromServer} {
		stream := o.bytesOf(d)
		for at := 0; at < len(stream); at += 13 {
			for _, n := range []int{1, 20, 700} {
				for _, known := range []bool{true, false} {
					lost := o.without(d, at, min(at+n, len(stream)), known)
					with, without := feeding{keys: o.keys}.facts(lost), feeding{}.facts(lost)
					if with.TLS == nil {
						continue
					}
					checkGap(t, fmt.Sprintf("%v: %d bytes at %d, %v", d, n, at, known), whole, with, without)
					if t.Failed() {
						return
					}
				}
			}
		}
	}
}

func checkGap(t *testing.T, name string, whole, with, without *Facts) {
	t.Helper()
	if with.TLS.DecryptFailed != [2]int64{} {
		t.Errorf("%s: failed %v", name, with.TLS.DecryptFailed)
	}
	for d := range with.Stream {
		if with.Stream[d].EarlyGap && !without.Stream[d].EarlyGap {
			t.Errorf("%s: an early gap of %v with keys only", name, Direction(d))
		}
		w, got := &whole.TLS.Certificates[d], &with.TLS.Certificates[d]
		if got.Visibility == Absent && len(w.Chain) > 0 && without.TLS.Certificates[d].Visibility != Absent {
			t.Errorf("%s: %v's certificate is said to be absent", name, Direction(d))
		}
		if got.Visibility == Decrypted && !bytes.Equal(got.Chain[0].Raw, w.Chain[0].Raw) {
			t.Errorf("%s: another certificate of %v", name, Direction(d))
		}
	}
}

// FuzzDecrypt spoils a decrypted handshake, and its key log, at will.
func FuzzDecrypt(f *testing.F) {
	var all []opened
	for _, c := range decryptionTests[:12] {
		all = append(all, c.withKeys(f))
	}
	for i := range all {
		f.Add(uint8(i), uint16(300), byte(0), uint16(0), byte(0), uint16(7))
		f.Add(uint8(i), uint16(1500), byte(1), uint16(80), byte(3), uint16(100))
	}
	f.Fuzz(func(t *testing.T, which uint8, at uint16, flip byte, keyAt uint16, keyFlip byte, cut uint16) {
		o := all[int(which)%len(all)]
		var spoiled transcript
		for _, e := range o.transcript {
			e.data = bytes.Clone(e.data)
			if n := len(e.data); n > 0 && int(at) < n {
				e.data[at] ^= flip
			}
			spoiled = append(spoiled, e)
		}
		text := bytes.Clone(o.text)
		text[int(keyAt)%len(text)] ^= keyFlip
		var keys keylog.Log
		keys.Write(text)
		want := feeding{keys: &keys}.facts(spoiled)
		c := NewConn(testClient, testServer, testTime)
		c.UseKeys(&keys)
		feeding{cut: pieces(1 + int(cut)%2000), skip: true, overwrite: true}.tell(c, spoiled)
		checkConn(t, c)
		diffFacts(t, want, c.Facts())
	})
}

// BenchmarkDecrypt is BenchmarkHandshake with keys, without the verdict.
func BenchmarkDecrypt(b *testing.B) {
	o := scenario{mtls: true}.withKeys(b)
	c := NewConn(testClient, testServer, testTime)
	c.Share(new(CertificateCache))
	c.UseKeys(o.keys)
	b.ReportAllocs()
	for b.Loop() {
		c.Reset(testClient, testServer, testTime)
		feeding{}.tell(c, o.transcript)
		if c.Facts().TLS.Certificates[FromClient].Visibility != Decrypted {
			b.Fatal("not decrypted")
		}
	}
}
