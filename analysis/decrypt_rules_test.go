package analysis

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestDecryptedFindings: with keys TLS 1.3's refusals are as certain as TLS 1.2's.
func TestDecryptedFindings(t *testing.T) {
	want := map[string]Code{"TLS 1.3": "", "TLS 1.3 resumed": "", "TLS 1.3 HelloRetryRequest": "", "TLS 1.3 no client certificate": CodeClientCertMissing,
		"TLS 1.3 client of another CA": CodeClientCertUntrusted, "TLS 1.3 expired client": CodeClientCertExpired, "TLS 1.3 client distrusts the server": CodeServerCertRefused}
	for _, c := range decryptionTests {
		code, chosen := want[c.name]
		if !chosen {
			continue
		}
		t.Run(c.name, func(t *testing.T) {
			o := c.withKeys(t)
			var d Diagnoser
			found := d.Diagnose(feeding{keys: o.keys}.facts(o.transcript))
			if code == "" {
				if len(found.Findings) > 0 || found.Outcome != OutcomeEstablished {
					t.Errorf("%v, %v", found.Outcome, codesOf(found.Findings))
				}
				return
			}
			for _, f := range found.Findings {
				if f.Code == code {
					if diff := cmp.Diff(Certain, f.Confidence); diff != "" {
						t.Errorf("confidence (-want +got):\n%s", diff)
					}
					return
				}
			}
			t.Errorf("%v, %v, want %s", found.Outcome, codesOf(found.Findings), code)
		})
	}
}

// TestFatalAlertAfterData: a decrypted alert after data ends a connection, not its handshake.
func TestFatalAlertAfterData(t *testing.T) {
	o := scenario{mtls: true}.withKeys(t)
	f := feeding{keys: o.keys}.facts(o.transcript)
	f.TLS.Alerts = append(f.TLS.Alerts, Alert{From: FromServer, Level: 2, Code: alertInternalError, Decrypted: true})
	var d Diagnoser
	if got := d.Diagnose(f).Outcome; got != OutcomeEstablished {
		t.Errorf("%v, want %v", got, OutcomeEstablished)
	}
}
