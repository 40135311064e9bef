package e2e

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	gocmp "github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/etcdtap/etcdtap/e2e/lab"
	"github.com/etcdtap/etcdtap/e2e/scenario"
	"github.com/etcdtap/etcdtap/e2e/tshark"
)

// decrypted is what tshark and etcdtap have to agree on, given the same key log.
type decrypted struct {
	First          int64 // packet
	ALPN           string
	Authorities    int
	Server, Client []string // certificates, SHA-256
	Alerts         []string
}

// decryptedObject is what the test reads of etcdtap's connection objects.
type decryptedObject struct {
	Type        string `json:"type"`
	FirstPacket int64  `json:"first_packet"`
	TLS         *struct {
		ALPN               string `json:"alpn"`
		CertificateRequest struct {
			Visibility  string   `json:"visibility"`
			Authorities []string `json:"authorities"`
		} `json:"certificate_request"`
		ServerCertificates certificates `json:"server_certificates"`
		ClientCertificates certificates `json:"client_certificates"`
		Alerts             []struct {
			From     string  `json:"from"`
			Level    *string `json:"level"`
			Code     *int    `json:"code"`
			Inferred bool    `json:"inferred"`
		} `json:"alerts"`
		DecryptFailed struct{ Client, Server int } `json:"decrypt_failed"`
	} `json:"tls"`
}

// TestKeyLogAgainstTshark: with a key log every certificate, alert and protocol equals tshark's decryption of the same file.
func TestKeyLogAgainstTshark(t *testing.T) {
	if err := lab.Missing("tshark"); err != nil {
		t.Skipf("SKIPPED, decryption is not compared with tshark: %v", err)
	}
	names, err := tshark.ReadNames(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	logs, _ := filepath.Glob("../testdata/pcaps/*.keys")
	if len(logs) == 0 {
		t.Fatal("no captures with key logs in testdata/pcaps: make pcaps")
	}
	for _, keys := range logs {
		base := strings.TrimSuffix(keys, ".keys")
		t.Run(filepath.Base(base), func(t *testing.T) {
			t.Parallel()
			var truth scenario.Truth
			readJSON(t, base+".json", &truth)
			want := decryptedByTshark(t, base+".pcap", keys, []uint16{truth.ClientPort, truth.PeerPort}, names)
			compareDecrypted(t, want, base+".pcap", "--keylog="+keys)
			if _, err := os.Stat(base + ".pcapng"); err == nil {
				compareDecrypted(t, want, base+".pcapng")
			}
		})
	}
}

func decryptedByTshark(t *testing.T, file, keys string, ports []uint16, names *tshark.Names) (all []decrypted) {
	t.Helper()
	connections, err := tshark.ReadDecrypted(t.Context(), file, keys, ports, names)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range connections {
		all = append(all, decrypted{First: c.First, ALPN: c.TLS.ServerALPN, Authorities: c.TLS.Authorities,
			Server: c.TLS.ServerCertificates, Client: c.TLS.ClientCertificates, Alerts: c.TLS.Alerts})
	}
	return all
}

func compareDecrypted(t *testing.T, want []decrypted, args ...string) {
	t.Helper()
	cmd := exec.Command(os.Getenv(etcdtapVariable), append([]string{"read", "-o", "json", "--all"}, args...)...)
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%v: %v", cmd.Args, err)
	}
	var got []decrypted
	for d := json.NewDecoder(bytes.NewReader(out)); d.More(); {
		var c decryptedObject
		if err := d.Decode(&c); err != nil {
			t.Fatal(err)
		}
		if c.Type == "connection" {
			got = append(got, c.comparable(t))
		}
	}
	slices.SortFunc(got, func(a, b decrypted) int { return cmp.Compare(a.First, b.First) })
	if diff := gocmp.Diff(want, got, cmpopts.EquateEmpty()); diff != "" {
		t.Errorf("%v: tshark (-) and etcdtap (+) differ:\n%s", args, diff)
	}
}

func (c *decryptedObject) comparable(t *testing.T) decrypted {
	t.Helper()
	d := decrypted{First: c.FirstPacket, Authorities: -1}
	if c.TLS == nil {
		return d
	}
	d.ALPN = c.TLS.ALPN
	if r := &c.TLS.CertificateRequest; r.Visibility == "seen" || r.Visibility == "decrypted" {
		d.Authorities = len(r.Authorities)
	}
	for _, x := range c.TLS.ServerCertificates.Chain {
		d.Server = append(d.Server, x.SHA256)
	}
	for _, x := range c.TLS.ClientCertificates.Chain {
		d.Client = append(d.Client, x.SHA256)
	}
	for _, a := range c.TLS.Alerts {
		if a.Code == nil {
			t.Errorf("an alert of the %s was not decrypted", a.From)
			continue
		}
		d.Alerts = append(d.Alerts, fmt.Sprintf("%s %s %d", a.From, *a.Level, *a.Code))
	}
	if f := c.TLS.DecryptFailed; f.Client+f.Server > 0 {
		t.Errorf("records were not decrypted: %+v", f)
	}
	return d
}
