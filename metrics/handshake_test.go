package metrics

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"math/big"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/etcdtap/etcdtap/analysis"
	"github.com/etcdtap/etcdtap/analysis/pki"
	"github.com/etcdtap/etcdtap/analysis/tlswire"
)

// The captures were made on one machine: their handshakes take from a fraction of a millisecond to some ten, and there is one to each
// connection that was established with TLS.
func TestHandshakeDuration(t *testing.T) {
	for name, version := range map[string]tlswire.Version{
		"v35-healthy-etcdctl.pcap":          tlswire.VersionTLS12,
		"v35-healthy-resumption-tls12.pcap": tlswire.VersionTLS12,
		"v37-healthy-etcdctl.pcap":          tlswire.VersionTLS13,
		"v37-healthy-resumption-tls13.pcap": tlswire.VersionTLS13,
		"v37-healthy-hello-retry.pcap":      tlswire.VersionTLS13,
		"v37-keys-healthy.pcap":             tlswire.VersionTLS13,
	} {
		t.Run(name, func(t *testing.T) {
			found := 0
			eachConnection(t, name, func(c *analysis.Connection) {
				if c.TLS == nil || c.Outcome != analysis.OutcomeEstablished {
					return
				}
				if c.TLS.Version != version {
					t.Errorf("is %s, expected %s", c.TLS.Version, version)
				}
				d, ok := handshakeDuration(c)
				if !ok || d <= 0 || d > time.Second || d > c.End.Sub(c.Start) {
					t.Errorf("a handshake of %v, known: %v, in a connection of %v", d, ok, c.End.Sub(c.Start))
				}
				found++
			})
			if found == 0 {
				t.Error("no established connection")
			}
		})
	}
}

func TestHandshakeDurationUnknown(t *testing.T) {
	at := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	for name, change := range map[string]func(*analysis.Connection){
		"rejected":            func(c *analysis.Connection) { c.Outcome = analysis.OutcomeRejectedByServer },
		"no ClientHello":      func(c *analysis.Connection) { c.TLS.ClientHello = nil },
		"one side only":       func(c *analysis.Connection) { c.TLS.Encrypted[analysis.FromServer].Started = false },
		"clock set backwards": func(c *analysis.Connection) { c.TLS.ClientHelloAt.At = at.Add(time.Hour) },
		"TLS 1.3, no shape":   func(c *analysis.Connection) { c.TLS.Version = tlswire.VersionTLS13 },
	} {
		t.Run(name, func(t *testing.T) {
			hello := analysis.TLSFacts{Version: tlswire.VersionTLS12, ClientHello: &tlswire.ClientHello{}, ServerHello: &tlswire.ServerHello{}, ClientHelloAt: analysis.Moment{At: at}}
			for d := range hello.Encrypted {
				hello.Encrypted[d] = analysis.EncryptedFacts{Started: true, At: at.Add(time.Millisecond)}
			}
			c := &analysis.Connection{Facts: &analysis.Facts{TLS: &hello}, Outcome: analysis.OutcomeEstablished}
			if d, ok := handshakeDuration(c); !ok || d != time.Millisecond {
				t.Fatalf("%v, %v before the change", d, ok)
			}
			change(c)
			if d, ok := handshakeDuration(c); ok {
				t.Errorf("a duration of %v", d)
			}
		})
	}
}

// What was renewed is forgotten after a day or two, but not as long as nothing else came.
func TestCertificatesAge(t *testing.T) {
	start := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	old, renewed := start.Add(10*24*time.Hour), start.Add(365*24*time.Hour)
	var w windows
	if !w.earliest().IsZero() {
		t.Errorf("%v before any certificate", w.earliest())
	}
	for _, step := range []struct {
		after     time.Duration
		presented time.Time
		want      time.Time
	}{
		{0, old, old},
		{time.Hour, renewed, old},
		{23 * time.Hour, renewed, old},
		{25 * time.Hour, renewed, old}, // the first window is the previous one now
		{50 * time.Hour, renewed, renewed},
		{51 * time.Hour, old, old}, // someone has not been restarted
		{1000 * time.Hour, renewed, renewed},
		{999 * time.Hour, renewed, renewed}, // times need not be in order
	} {
		w.add(start.Add(step.after), step.presented)
		if got := w.earliest(); !got.Equal(step.want) {
			t.Errorf("after %v: %v, expected %v", step.after, got, step.want)
		}
	}
}

func TestCertificateFiles(t *testing.T) {
	m := New(Build{})
	at := time.Date(2027, 1, 1, 0, 0, 0, 0, time.UTC)
	for _, c := range []struct {
		role pki.Role
		e    analysis.Endpoint
		s    side
		ok   bool
	}{
		{pki.RoleServer, analysis.EndpointClient, sideServer, true},
		{pki.RolePeer, analysis.EndpointPeer, sideServer, true},
		{pki.RoleHealthcheck, analysis.EndpointClient, sideClient, true},
		{pki.RoleAPIServer, analysis.EndpointClient, sideClient, true},
		{pki.RoleCA, analysis.EndpointClient, sideCA, true},
		{pki.RolePeerCA, analysis.EndpointPeer, sideCA, true},
		{pki.RoleMetrics, analysis.EndpointMetrics, sideServer, true},
		{pki.RoleOtherCA, 0, 0, false},
		{pki.RoleOther, 0, 0, false},
	} {
		e, s, ok := place(c.role)
		if e != c.e || s != c.s || ok != c.ok {
			t.Errorf("%v is placed at %v %v %v", c.role, e, s, ok)
		}
	}
	var store pki.Store
	for file, days := range map[string][]int{"/pki/etcd/server.crt": {100, 50}, "/pki/etcd/peer.crt": {200}, "/pki/etcd/healthcheck-client.crt": {30}, "/pki/other.crt": {1}} {
		store.Add(pki.File{Name: file, Data: certificateFile(t, at, days...)})
	}
	m.CertificateFiles(&store)
	const name = `etcdtap_certificate_not_after_seconds{endpoint="`
	for _, s := range []struct {
		labels string
		days   int
	}{{`client",side="client`, 30}, {`client",side="server`, 50}, {`peer",side="server`, 200}} {
		want := name + s.labels + `",source="file"} ` + strconv.FormatFloat(float64(at.AddDate(0, 0, s.days).Unix()), 'e', -1, 64) + "\n"
		if text := scrape(t, m); !strings.Contains(text, want) || strings.Count(text, name) != 3 {
			t.Errorf("expected three roles and %s in:\n%s", want, text)
		}
	}
	m.CertificateFiles(nil)
	if text := scrape(t, m); strings.Contains(text, name) {
		t.Errorf("no files any more, and yet:\n%s", text)
	}
}

// certificateFile holds certificates, the first a leaf and the others CAs, that expire so many days after at.
func certificateFile(t *testing.T, at time.Time, days ...int) (file []byte) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	for i, d := range days {
		template := x509.Certificate{SerialNumber: big.NewInt(int64(d)), NotBefore: at, NotAfter: at.AddDate(0, 0, d), IsCA: i > 0, BasicConstraintsValid: true}
		der, err := x509.CreateCertificate(rand.Reader, &template, &template, key.Public(), key)
		if err != nil {
			t.Fatal(err)
		}
		file = append(file, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})...)
	}
	return file
}
