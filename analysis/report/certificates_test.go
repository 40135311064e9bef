package report

import (
	"bytes"
	"crypto/x509"
	"encoding/binary"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/etcdtap/etcdtap/analysis"
	"github.com/etcdtap/etcdtap/analysis/pki"
)

// Each certificate is shown once, however often, by whom and to whom it was presented.
func TestCertificates(t *testing.T) {
	leaf, ca := sampleCertificate(t, "leaf"), sampleCertificate(t, "ca")
	again := analysis.ParseCertificate(leaf.Raw) // the same certificate, parsed by someone else
	var certs Certificates
	for i, chain := range [][]*analysis.Certificate{{leaf, ca}, {leaf, ca}, {again}} {
		c := fullConnection(chain, "text")
		c.Server = netip.AddrPortFrom(c.Server.Addr(), uint16(2379+i/2))
		c.TLS.Certificates[analysis.FromClient].Packet = int64(10 - i)
		certs.Add(c)
	}
	var out bytes.Buffer
	j := NewJSON(&out)
	if err := errors.Join(j.Certificates(&certs), j.Flush()); err != nil {
		t.Fatal(err)
	}
	type found struct {
		Subject     string
		PresentedBy []string `json:"presented_by"`
		Servers     []struct{ Port int }
		Clients     []string
		Leaf        bool
		Count       int
		FirstPacket int `json:"first_packet"`
	}
	var got []found
	for line := range bytes.Lines(out.Bytes()) {
		var f found
		if err := json.Unmarshal(line, &f); err != nil {
			t.Fatal(err)
		}
		got = append(got, f)
	}
	both, port := []string{"client", "server"}, func(n int) struct{ Port int } { return struct{ Port int }{n} }
	want := []found{
		{"CN=leaf", both, []struct{ Port int }{port(2379), port(2380)}, []string{"10.0.0.7"}, true, 6, 6},
		{"CN=ca", both, []struct{ Port int }{port(2379)}, []string{"10.0.0.7"}, false, 4, 6},
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
}

// A connection that began earlier may end later: its packet is the first one, also where the same client had the same certificate before.
func TestFirstPacketOfCertificate(t *testing.T) {
	leaf := sampleCertificate(t, "leaf")
	var certs Certificates
	for _, packet := range []int64{50, 5, 70} {
		c := fullConnection(nil, "text")
		c.TLS.Certificates[analysis.FromServer] = analysis.CertificateFacts{Visibility: analysis.Seen, Chain: []*analysis.Certificate{leaf}, Packet: packet, At: sampleStart.Add(time.Duration(packet))}
		certs.Add(c)
	}
	if f := &certs.found[0]; f.count != 3 || f.firstPacket != 5 || !f.firstAt.Equal(sampleStart.Add(5)) {
		t.Errorf("presented %d times, first in packet %d, at %v", f.count, f.firstPacket, f.firstAt)
	}
}

// Somebody who makes certificates up fills neither memory nor, for one certificate, a line.
func TestCertificatesAreBounded(t *testing.T) {
	var certs Certificates
	const beyond = 10
	c := fullConnection(nil, "text")
	for i := range maxCertificates + beyond {
		cert := &analysis.Certificate{Raw: []byte{0x30}}
		binary.BigEndian.PutUint32(cert.SHA256[:], uint32(i))
		c.TLS.Certificates[analysis.FromClient].Chain = []*analysis.Certificate{cert}
		certs.Add(c)
	}
	if len(certs.found) != maxCertificates || certs.Beyond != beyond {
		t.Errorf("%d kept and %d beyond, want %d and %d", len(certs.found), certs.Beyond, maxCertificates, beyond)
	}
	cert := certs.found[0].cert
	for i := range maxPresentedAt + 1 {
		c := fullConnection([]*analysis.Certificate{cert}, "text")
		c.Server = netip.AddrPortFrom(c.Server.Addr(), uint16(3000+i))
		certs.Add(c)
	}
	if f := &certs.found[0]; len(f.servers) != maxPresentedAt || !f.more {
		t.Errorf("%d servers, more is %t", len(f.servers), f.more)
	}
}

// The JSON of certificates is remembered within bounds.
func TestCertTextsAreBounded(t *testing.T) {
	var k certTexts
	for range maxCertTexts + 1 {
		k.append(nil, &analysis.Certificate{})
	}
	if len(k.texts) != 1 {
		t.Errorf("%d remembered after the bound, want 1", len(k.texts))
	}
	names := slices.Repeat([]string{strings.Repeat("a", 2*maxCertText/maxListed)}, maxListed)
	big := &analysis.Certificate{X509: &x509.Certificate{DNSNames: names}}
	if k.append(nil, big); len(k.texts) != 1 {
		t.Errorf("a certificate of more than %d bytes is remembered", maxCertText)
	}
}

// storeOf is a PKI with the certificate in forty files, twice in each.
func storeOf(c *analysis.Certificate) *pki.Store {
	block := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: c.Raw})
	s := new(pki.Store)
	for i := range 40 {
		s.Add(pki.File{Name: fmt.Sprintf("%02d.crt", i), Data: slices.Concat(block, block)})
	}
	return s
}

// TestFileNamesAreBounded: a file is named once, and no more of them than docs/json.md says.
func TestFileNamesAreBounded(t *testing.T) {
	c := sampleCertificate(t, "name")
	names := fileNames(storeOf(c), c)
	if len(names) != maxFiles || names[0] != "00.crt" || names[1] != "01.crt" {
		t.Errorf("%d names: %q", len(names), names)
	}
}
