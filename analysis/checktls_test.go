package analysis

import (
	"strings"
	"testing"

	"github.com/etcdtap/etcdtap/analysis/deploy"
	"github.com/etcdtap/etcdtap/analysis/pki"
)

// TestCheckParameters: what etcd refuses at its start, and what nobody can use.
func TestCheckParameters(t *testing.T) {
	p := testPKI() // with an ECDSA and an RSA certificate
	for _, tt := range []struct {
		name, config string
		code         Code // "" for nothing
		severity     Severity
		says         string
	}{
		{"the defaults", "", "", 0, ""},
		{"TLS 1.3 only", "tls-min-version: TLS1.3", "", 0, ""},
		{"a suite for each key", "cipher-suites: [TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305, TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256]", "", 0, ""},
		{"an old version", "tls-min-version: TLS1.1", CodeVersionMismatch, Error, "--tls-min-version is TLS1.1, and etcd takes TLS1.2 or TLS1.3: etcd does not start"},
		{"the wrong way round", "tls-min-version: TLS1.3\ntls-max-version: TLS1.2", CodeVersionMismatch, Error, "is above"},
		{"OpenSSL's names", "cipher-suites: [ECDHE-RSA-AES256-GCM-SHA384]", CodeCipherMismatch, Error, "ECDHE-RSA-AES256-GCM-SHA384, which Go's TLS does not know"},
		{"suites and TLS 1.3 only", "cipher-suites: [TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256]\ntls-min-version: TLS1.3", CodeCipherMismatch, Error, "etcd does not start"},
		{"none for the key", "cipher-suites: [TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256]", CodeCipherMismatch, Warning, "none for the ECDSA key of --cert-file"},
		{"none for the key, TLS 1.2 only", "cipher-suites: [TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256]\ntls-max-version: TLS1.2", CodeCipherMismatch, Error, "no client of TLS 1.2 gets in"},
		{"none for the peers' key", "cipher-suites: [TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256]", CodeCipherMismatch, Warning, "none for the RSA key of --peer-cert-file"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			x := DefaultExpectations()
			x.PKI = new(pki.Store)
			x.PKI.Add(pki.File{Name: etcdDir + "server.crt", Data: p.server.Certificate[0]})
			x.PKI.Add(pki.File{Name: etcdDir + "peer.crt", Data: p.serverRSA.Certificate[0]})
			d, err := deploy.Parse("etcd.yaml", []byte(tlsConfig+tt.config+"\n"))
			if err != nil {
				t.Fatal(err)
			}
			x.Deployment = d
			got := 0
			for _, f := range NewCheck(&x, testTime).Findings {
				if f.Code != CodeVersionMismatch && f.Code != CodeCipherMismatch {
					continue
				}
				got++
				if f.Code != tt.code || f.Severity != tt.severity || f.AtFault != FaultServer || !strings.Contains(f.Meaning, tt.says) || len(f.Fix) == 0 {
					t.Errorf("%s, %v: %s", f.Code, f.Severity, f.Meaning)
				}
			}
			if want := min(1, len(tt.code)); got != want {
				t.Errorf("%d findings, want %d", got, want)
			}
		})
	}
}
