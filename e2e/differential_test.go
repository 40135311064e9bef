package e2e

import (
	"cmp"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	gocmp "github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/etcdtap/etcdtap/e2e/lab"
	"github.com/etcdtap/etcdtap/e2e/tshark"
)

// TestAgainstTshark compares every field that both know, connection by connection.
func TestAgainstTshark(t *testing.T) {
	if err := lab.Missing("tshark"); err != nil {
		t.Skipf("SKIPPED, etcdtap is not compared with tshark: %v", err)
	}
	names, err := tshark.ReadNames(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range captures(t) {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			want, err := tshark.Read(t.Context(), c.file, c.ports(), names)
			if err != nil {
				t.Fatal(err)
			}
			got := asTshark(read(t, c.file, c.client, c.peer))
			slices.SortFunc(got, func(a, b tshark.Connection) int { return cmp.Compare(a.First, b.First) })
			forgetUnknown(want, got)
			if reason := noTLS(c.name); reason != "" {
				t.Logf("TLS is not compared: %s", reason)
				for i := range min(len(want), len(got)) {
					want[i].TLS, got[i].TLS = tshark.TLS{}, tshark.TLS{}
				}
			}
			if diff := gocmp.Diff(want, got, cmpopts.EquateEmpty()); diff != "" {
				t.Errorf("tshark (-) and etcdtap (+) differ:\n%s", diff)
			}
		})
	}
}

// noTLS names the captures in which only one of the two looks into the handshake, and says why.
func noTLS(name string) string {
	switch name {
	case "39-proxy-protocol-v2":
		return "tshark does not look behind a PROXY v2 header"
	case "zeek-ssl-v2.pcap":
		return "etcdtap does not take certificates from SSLv2's SERVER-HELLO"
	}
	return ""
}

// capture is a file to compare; client and peer are 0 where the ports are etcd's usual ones or unknown.
type capture struct {
	name, file   string
	client, peer uint16
}

// ports are those on which tshark has to look for TLS.
func (c capture) ports() []uint16 {
	if c.client == 0 {
		return []uint16{80} // one of the further captures has TLS there
	}
	return []uint16{c.client, c.peer}
}

// captures are testdata/pcaps and, in a founder's checkout, further ones beside the repository.
func captures(t *testing.T) []capture {
	var all []capture
	own, _ := filepath.Glob("../testdata/pcaps/*.pcap")
	for _, file := range own {
		var truth struct {
			ClientPort uint16 `json:"client_port"`
			PeerPort   uint16 `json:"peer_port"`
		}
		readJSON(t, strings.TrimSuffix(file, ".pcap")+".json", &truth)
		all = append(all, capture{filepath.Base(file), file, truth.ClientPort, truth.PeerPort})
	}
	cases, _ := filepath.Glob("../../shared/cases/*/capture.pcap")
	for _, file := range cases {
		var truth struct {
			Instances []struct {
				ClientPort uint16 `json:"client_port"`
				PeerPort   uint16 `json:"peer_port"`
			} `json:"instances"`
		}
		readJSON(t, filepath.Join(filepath.Dir(file), "truth.json"), &truth)
		c := capture{name: filepath.Base(filepath.Dir(file)), file: file}
		if len(truth.Instances) > 0 {
			c.client, c.peer = truth.Instances[0].ClientPort, truth.Instances[0].PeerPort
		}
		all = append(all, c)
	}
	others, _ := filepath.Glob("../../shared/peer-captures/*.pcap")
	for _, file := range others {
		all = append(all, capture{name: filepath.Base(file), file: file})
	}
	if len(cases) == 0 {
		t.Log("../../shared is absent: only testdata/pcaps is compared")
	}
	if len(own) == 0 {
		t.Fatal("no captures in testdata/pcaps: make pcaps")
	}
	return all
}

func readJSON(t *testing.T, file string, to any) {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(text, to); err != nil {
		t.Fatalf("%s: %v", file, err)
	}
}

// asTshark puts etcdtap's connections into tshark's terms.
func asTshark(connections []connection) []tshark.Connection {
	var out []tshark.Connection
	for i := range connections {
		c := &connections[i]
		out = append(out, tshark.Connection{
			Client: c.Client.String(), Server: c.Server.String(),
			First: c.FirstPacket, Last: c.LastPacket, Packets: c.Packets,
			BytesClient: c.Bytes.Client, BytesServer: c.Bytes.Server, TLS: tlsAsTshark(c.TLS),
		})
	}
	return out
}

func tlsAsTshark(o *tlsObject) tshark.TLS {
	t := tshark.TLS{Authorities: -1}
	if o == nil {
		return t
	}
	if h := o.ClientHello; h != nil {
		t.ServerName, t.ALPN, t.Versions, t.CipherSuites = h.ServerName, h.ALPN, h.Versions, h.CipherSuites
		t.Groups, t.SignatureAlgorithms, t.KeyShares, t.JA3 = h.Groups, h.SignatureAlgorithms, h.KeyShares, h.JA3
	}
	if h := o.ServerHello; h != nil {
		t.Version, t.CipherSuite, t.ServerALPN, t.JA3S = h.Version, h.CipherSuite, h.ALPN, h.JA3S
	}
	if r := o.CertificateRequest; r != nil && r.Visibility == "seen" {
		t.Authorities = len(r.Authorities)
	}
	for _, c := range o.ServerCertificates.Chain {
		t.ServerCertificates = append(t.ServerCertificates, c.SHA256)
	}
	for _, c := range o.ClientCertificates.Chain {
		t.ClientCertificates = append(t.ClientCertificates, c.SHA256)
	}
	for _, a := range o.Alerts {
		if !a.Encrypted {
			t.Alerts = append(t.Alerts, fmt.Sprintf("%s %s %d", a.From, a.Level, a.Code))
		}
	}
	return t
}

// forgetUnknown removes from etcdtap's side what tshark does not know, so that only knowledge is compared.
func forgetUnknown(want, got []tshark.Connection) {
	for i := range min(len(want), len(got)) {
		w, g := &want[i], &got[i]
		if w.RolesGuessed {
			w.RolesGuessed = false
			if w.Client == g.Server && w.Server == g.Client {
				w.Client, w.Server = w.Server, w.Client
				w.TLS, g.TLS = tshark.TLS{}, tshark.TLS{}
			}
		}
		if !w.BytesKnown {
			w.BytesClient, w.BytesServer, g.BytesClient, g.BytesServer = 0, 0, 0, 0
		}
		w.BytesKnown = false
		if w.TLS.Versions == nil { // without the extension etcdtap may name the one version of the hello
			g.TLS.Versions = nil
		}
		for _, lists := range [][2][]string{
			{w.TLS.CipherSuites, g.TLS.CipherSuites}, {w.TLS.Groups, g.TLS.Groups},
			{w.TLS.SignatureAlgorithms, g.TLS.SignatureAlgorithms}, {w.TLS.KeyShares, g.TLS.KeyShares},
		} {
			forgetNames(lists[0], lists[1])
		}
	}
}

// forgetNames makes equal what tshark has no name for, place by place.
func forgetNames(want, got []string) {
	for i := range min(len(want), len(got)) {
		if strings.HasPrefix(want[i], tshark.Unknown) {
			got[i] = want[i]
		}
	}
}
