package analysis

import (
	"math/rand/v2"
	"testing"

	"github.com/etcdtap/etcdtap/analysis/tlswire"
)

// helloOf tells c a client's first record, and gives the facts.
func helloOf(c *Conn, record []byte) *Facts {
	c.Reset(testClient, testServer, testTime)
	c.Data(FromClient, testTime, record)
	return c.Facts()
}

// TestHelloKind: hellos of one client are of one kind and read once, those of others are not.
func TestHelloKind(t *testing.T) {
	var cache CertificateCache
	c := NewConn(testClient, testServer, testTime)
	c.Share(&cache)
	kindOf := func(record []byte) *HelloKind {
		f := helloOf(c, record)
		diffFacts(t, helloOf(NewConn(testClient, testServer, testTime), record), f)
		client, server := f.TLS.HelloKinds()
		if server != nil {
			t.Error("a ServerHello has a kind and was not sent")
		}
		return client
	}
	first, again := goClientHello(t, "etcd"), goClientHello(t, "etcd")
	if string(first) == string(again) {
		t.Fatal("two hellos with the same random")
	}
	kind := kindOf(first)
	if kind == nil || kindOf(again) != kind {
		t.Errorf("two hellos of one client are of the kinds %p and %p", kind, kindOf(again))
	}
	if h := helloOf(c, again).TLS.ClientHello; h != kind.client || string(c.random[FromClient][:]) != string(again[11:43]) {
		t.Error("a known hello was read, or its random was not")
	}
	if other := kindOf(goClientHello(t, "etce")); other == kind {
		t.Error("a hello with another server name is of the same kind")
	}
	if bad := kindOf([]byte(handshake(message(tlswire.HandshakeClientHello, "\x03\x03short")))); bad != nil {
		t.Error("a malformed hello is of a kind")
	}
}

// TestHelloKindsAreBounded: kinds without end are forgotten, and read all the same.
func TestHelloKindsAreBounded(t *testing.T) {
	var cache CertificateCache
	c := NewConn(testClient, testServer, testTime)
	c.Share(&cache)
	for n := range 3 * maxHelloKinds {
		o := helloOptions{suites: []uint16{0xc02b, uint16(n)}}
		f := helloOf(c, []byte(handshake(clientHello(o))))
		if k := &cache.clientHellos; len(k.kinds) > maxHelloKinds || k.bytes > maxHelloKindBytes+maxHelloKind {
			t.Fatalf("%d kinds, %d bytes", len(k.kinds), k.bytes)
		}
		if s := f.TLS.ClientHello.CipherSuites; len(s) != 2 || s[1] != tlswire.CipherSuite(n) {
			t.Fatalf("%d: %v", n, s)
		}
	}
}

// TestShapeOnce: lengths that were read before say the same as when they are read, whatever else was read in between.
func TestShapeOnce(t *testing.T) {
	var cache CertificateCache
	kinds := [...]*HelloKind{{}, {}}
	hellos := [...]tlswire.ClientHello{{ALPN: []string{"h2"}}, extending(extCompressCert, "\x02\x00\x02")}
	sizes := [...]int{19, 23, 25, 26, 32, 35, 53, 69, 74, 90, 110, 281, 281, 822, 902, 1200}
	r := rand.New(rand.NewPCG(1, 2))
	found := 0
	for range 20_000 {
		n := r.IntN(len(hellos))
		e := encrypted{hello: hellos[n], resumed: r.IntN(4) == 0, suite: tlswire.CipherSuite(0x1301 + r.IntN(3))}
		if r.IntN(2) == 0 {
			e.lengths = asking(-802, -281, -53, 255, 26)[:3+r.IntN(8)]
		}
		for range r.IntN(4) {
			e.lengths = append(e.lengths, sizes[r.IntN(len(sizes))]*(2*r.IntN(2)-1))
		}
		r.Shuffle(r.IntN(min(3, len(e.lengths)+1)), func(i, j int) { e.lengths[i], e.lengths[j] = e.lengths[j], e.lengths[i] })
		f := e.facts()
		f.TLS.clientKind = kinds[n]
		want, ok := f.lengths()
		before := len(cache.shapes)
		got, known := cache.readLengths(f)
		if got != want || known != ok {
			t.Fatalf("%v: %+v, want %+v", e.lengths, got, want)
		}
		if ok && len(cache.shapes) == before {
			found++
		}
	}
	if found < 2000 || len(cache.shapes) > maxShapes {
		t.Errorf("%d of 20000 were known, %d are kept", found, len(cache.shapes))
	}
}
