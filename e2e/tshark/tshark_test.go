package tshark

import (
	"os/exec"
	"slices"
	"testing"
)

// TestRead holds our reading of tshark to a capture that is known by heart: six kinds of field from both sides.
func TestRead(t *testing.T) {
	if _, err := exec.LookPath("tshark"); err != nil {
		t.Skip("SKIPPED: this machine has no tshark: apt-get install -y tshark")
	}
	names, err := ReadNames(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	connections, err := Read(t.Context(), "../../testdata/pcaps/v35-curl-expired.pcap", []uint16{2379}, names)
	if err != nil || len(connections) != 1 {
		t.Fatalf("want one connection, got %d: %v", len(connections), err)
	}
	c := connections[0]
	if c.Server != "127.0.0.1:2379" || c.First != 1 || !c.BytesKnown || c.BytesClient == 0 || c.BytesServer == 0 {
		t.Errorf("transport: %+v", c)
	}
	h := c.TLS
	if h.Version != "TLSv1.2" || h.CipherSuite != "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256" || h.Authorities != 1 {
		t.Errorf("negotiated %s %s, %d authorities", h.Version, h.CipherSuite, h.Authorities)
	}
	if len(h.ServerCertificates) != 1 || len(h.ClientCertificates) != 2 || len(h.JA3) != 32 || len(h.JA3S) != 32 {
		t.Errorf("certificates and fingerprints: %+v", h)
	}
	if !slices.Equal(h.Alerts, []string{"server fatal 45"}) {
		t.Errorf("alerts: %v", h.Alerts)
	}
	if !slices.Contains(h.SignatureAlgorithms, "rsa_pss_rsae_sha256") || !slices.Contains(h.Groups, "x25519") {
		t.Errorf("offers: %v %v", h.SignatureAlgorithms, h.Groups)
	}
}
