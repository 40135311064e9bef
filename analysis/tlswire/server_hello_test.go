package tlswire

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

func TestServerHelloFields(t *testing.T) {
	tests := []struct {
		name    string
		want    ServerHello
		version Version
		hrr     bool
	}{
		{"tls12", ServerHello{LegacyVersion: VersionTLS12, CipherSuite: 0xc02f, ALPN: "h2", SecureRenegotiation: true,
			ExtendedMasterSecret: true}, VersionTLS12, false},
		{"tls13", ServerHello{LegacyVersion: VersionTLS12, CipherSuite: 0x1301, SelectedVersion: VersionTLS13,
			Group: GroupX25519MLKEM768}, VersionTLS13, false},
		{"hrr", ServerHello{LegacyVersion: VersionTLS12, CipherSuite: 0x1302, SelectedVersion: VersionTLS13,
			Group: GroupSecp256r1}, VersionTLS13, true},
		{"psk", ServerHello{LegacyVersion: VersionTLS12, CipherSuite: 0x1303, SelectedVersion: VersionTLS13,
			Group: GroupX25519, SelectedPSK: true}, VersionTLS13, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var h ServerHello
			if err := h.Unmarshal(fixture(t, "server-hello-"+tt.name)); err != nil {
				t.Fatal(err)
			}
			ignore := cmpopts.IgnoreFields(ServerHello{}, "Random", "SessionID", "Extensions")
			if diff := cmp.Diff(tt.want, h, ignore); diff != "" {
				t.Error(diff)
			}
			if h.Version() != tt.version || h.HelloRetryRequest() != tt.hrr || h.Downgrade() {
				t.Errorf("version %v, hello retry %v, downgrade %v", h.Version(), h.HelloRetryRequest(), h.Downgrade())
			}
		})
	}
}

func TestServerHelloErrors(t *testing.T) {
	const random = "0123456789abcdef0123456789abcdef"
	tests := []struct {
		name string
		body []byte
		want *SyntaxError
	}{
		{"no extensions", serverHello(random)[:38], nil},
		{"two protocols", serverHello(random, extension(ExtensionALPN, "\x00\x06\x02h2\x02h3")),
			&SyntaxError{49, "ServerHello.extensions.application_layer_protocol_negotiation", "more than one protocol name"}},
		{"ticket", serverHello(random, extension(ExtensionSessionTicket, "x")), &SyntaxError{44, "ServerHello.extensions.session_ticket", "not empty"}},
		{"share without key", serverHello(random, extension(ExtensionKeyShare, "\x00\x1d")), &SyntaxError{46, "ServerHello.extensions.key_share", "cut short"}},
		{"retry with key", serverHello(helloRetryRandom, extension(ExtensionKeyShare, "\x00\x1d\x00\x01k")), &SyntaxError{46, "ServerHello.extensions.key_share", "trailing data"}},
		{"retry", serverHello(helloRetryRandom, extension(ExtensionKeyShare, "\x00\x1d")), nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var h ServerHello
			if diff := cmp.Diff(tt.want, h.Unmarshal(tt.body)); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestDowngrade(t *testing.T) {
	for random, want := range map[string]bool{
		"0123456789abcdef01234567DOWNGRD\x00": true,
		"0123456789abcdef01234567DOWNGRD\x01": true,
		"0123456789abcdef01234567DOWNGRD\x02": false,
	} {
		var h ServerHello
		h.Unmarshal(serverHello(random))
		if h.Downgrade() != want {
			t.Errorf("random %q: %v, want %v", random, h.Downgrade(), want)
		}
	}
}
