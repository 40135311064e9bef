package analysis

import (
	"crypto/tls"
	"net/netip"
	"slices"
	"strings"
	"testing"
)

// withoutName is clientRefuses by a client that asked for no name, as Go does that was told an address.
func withoutName(cert tls.Certificate) transcript {
	t := clientRefuses(cert, alertBadCertificate)
	t[0] = client(handshake(clientHello(with(func(o *helloOptions) { o.name = "" }))))
	return t
}

// TestDetour: behind a proxy it is the address that the client dialed that the certificate has to name.
func TestDetour(t *testing.T) {
	p := testPKI()
	loopback, elsewhere := netip.MustParseAddrPort("127.0.0.1:12379"), netip.MustParseAddrPort("10.0.0.7:12379")
	named := clientRefuses(p.serverName, alertBadCertificate)
	for _, tt := range []struct {
		name             string
		script           transcript
		server, dialed   netip.AddrPort
		unix             bool // the client came by a unix socket
		found            bool
		confidence       Confidence
		fault            Fault
		meaning, refusal string
	}{
		{name: "no proxy", script: withoutName(p.server), server: elsewhere, found: true, confidence: Likely, fault: FaultServer, meaning: "so for the address 10.0.0.7, and", refusal: "lacks the address 10.0.0.7"},
		{name: "the proxy's address is not in it", script: withoutName(p.server), server: testServer, dialed: elsewhere, found: true, confidence: Likely, fault: FaultClient,
			meaning: "so for the address 10.0.0.7 of the proxy, and the certificate is valid for", refusal: "lacks the address 10.0.0.7 of the proxy"},
		{name: "neither is", script: withoutName(p.serverName), server: testServer, dialed: elsewhere, found: true, confidence: Likely, fault: FaultServer, meaning: "10.0.0.7 of the proxy", refusal: "10.0.0.7 of the proxy"},
		{name: "the proxy's is, the server's is not", script: withoutName(p.server), server: elsewhere, dialed: loopback, refusal: "leaves its issuer"},
		{name: "unix socket", script: withoutName(p.serverName), server: testServer, unix: true, refusal: "leaves the name that the client expects"},
		{name: "by name", script: named, server: testServer, dialed: elsewhere, found: true, confidence: Certain, fault: FaultServer, meaning: "the client asked for", refusal: "the client asked for"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			f := feeding{server: tt.server}.facts(tt.script)
			f.Dialed = tt.dialed
			if tt.dialed.IsValid() || tt.unix {
				f.Outgoing = netip.MustParseAddrPort("127.0.0.1:55555")
			}
			var d Diagnoser
			c := d.Diagnose(f)
			checkFindings(t, c.Findings)
			if r := find(c.Findings, CodeServerCertRefused); r == nil || !strings.Contains(r.Meaning, tt.refusal) {
				t.Errorf("want a refusal that says %q: %+v", tt.refusal, r)
			} else if advises := strings.Contains(r.Fix[0], "lead to 10.0.0.7:12379"); advises != (tt.found && tt.dialed.IsValid()) {
				t.Errorf("the refusal's fix: %q", r.Fix)
			}
			m := find(c.Findings, CodeServerNameMismatch)
			if m == nil || !tt.found {
				if tt.found != (m != nil) {
					t.Errorf("found %v, want %v: %v", m != nil, tt.found, codesOf(c.Findings))
				}
				return
			}
			if m.Confidence != tt.confidence || m.AtFault != tt.fault || !strings.Contains(m.Meaning, tt.meaning) {
				t.Errorf("%v, %v: %s", m.Confidence, m.AtFault, m.Meaning)
			}
			says := slices.ContainsFunc(m.Evidence, func(e Evidence) bool { return strings.Contains(e.Text, "connected to the proxy at 10.0.0.7:12379") })
			advises := strings.Contains(m.Fix[0], "lead to 10.0.0.7:12379") && strings.Contains(m.Fix[1], "--connect-to ::10.0.0.7:12379")
			if through := tt.dialed.IsValid(); says != through || advises != through {
				t.Errorf("evidence %+v, fix %q", m.Evidence, m.Fix)
			}
		})
	}
}

// TestDetourHidden: TLS 1.3 shows no certificate, and the proxy is named as what may be the reason.
func TestDetourHidden(t *testing.T) {
	f := feeding{}.facts(live("TLS 1.3 client refuses the server's CA"))
	var d Diagnoser
	if r := find(d.Diagnose(f).Findings, CodeServerCertRefused); r == nil || strings.Contains(r.Meaning, "proxy") {
		t.Fatalf("without a proxy: %+v", r)
	}
	f.Outgoing = netip.MustParseAddrPort("127.0.0.1:55555")
	f.Dialed = netip.MustParseAddrPort("127.0.0.2:12379")
	d = Diagnoser{}
	r := find(d.Diagnose(f).Findings, CodeServerCertRefused)
	if r == nil || !strings.Contains(r.Meaning, "through a proxy the reason may be") || !strings.Contains(r.Fix[0], "127.0.0.2:12379") {
		t.Errorf("%+v", r)
	}
}

func find(list []Finding, code Code) *Finding {
	if i := slices.IndexFunc(list, func(f Finding) bool { return f.Code == code }); i >= 0 {
		return &list[i]
	}
	return nil
}
