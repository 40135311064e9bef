package tlswire

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

func TestClientHelloOfGo(t *testing.T) {
	body := fixture(t, "client-hello-go126")
	var h ClientHello
	if err := h.Unmarshal(body); err != nil {
		t.Fatal(err)
	}
	want := ClientHello{
		LegacyVersion: VersionTLS12,
		Random:        h.Random,
		SessionID:     body[35:67],
		CipherSuites: []CipherSuite{0xc02b, 0xc02f, 0xc02c, 0xc030, 0xcca9, 0xcca8, 0xc009, 0xc013, 0xc00a, 0xc014,
			0x1301, 0x1302, 0x1303},
		CompressionMethods:   []byte{0},
		ServerName:           "etcd-0.example",
		ALPN:                 []string{"h2"},
		SupportedVersions:    []Version{VersionTLS13, VersionTLS12},
		PointFormats:         []uint8{0},
		StatusRequest:        true,
		ExtendedMasterSecret: true,
		SecureRenegotiation:  true,
	}
	ignore := cmpopts.IgnoreFields(ClientHello{}, "Extensions", "Groups", "SignatureAlgorithms", "SignatureAlgorithmsCert", "KeyShares")
	if diff := cmp.Diff(want, h, ignore); diff != "" {
		t.Error(diff)
	}
	if want := (KeyShare{GroupX25519MLKEM768, 1216}); len(h.KeyShares) == 0 || h.KeyShares[0] != want {
		t.Errorf("key shares %v, want %v first", h.KeyShares, want)
	}
	if h.Groups[0] != GroupX25519MLKEM768 {
		t.Errorf("groups %v, want X25519MLKEM768 first", h.Groups)
	}
	if got := string(h.Random[:]); got != string(body[2:34]) {
		t.Errorf("random %x", got)
	}
}

func TestClientHelloFields(t *testing.T) {
	tests := []struct {
		name             string
		serverName       string
		alpn             []string
		maxVersion       Version
		minVersion       Version // 0: unknown
		suites           int
		psk, ticket      int
		ech, earlyData   bool
		extendedMaster   bool
		firstGroup       Group
		firstSuite       CipherSuite
		offered          []Version
		postHandshake    bool
		extensionsInList int
	}{
		{name: "curl-openssl3", alpn: []string{"h2", "http/1.1"}, maxVersion: VersionTLS13, minVersion: VersionTLS10, suites: 31,
			extendedMaster: true, firstGroup: GroupX25519, firstSuite: 0x1302,
			offered:       []Version{VersionTLS13, VersionTLS12, VersionTLS11, VersionTLS10},
			postHandshake: true, extensionsInList: 11},
		{name: "raw-ssl3", maxVersion: VersionSSL30, suites: 3, firstSuite: 0x002f, offered: []Version{VersionSSL30}},
		{name: "raw-tls10", serverName: "cp-1", maxVersion: VersionTLS10, suites: 2, firstSuite: 0x002f, offered: []Version{VersionTLS10}, extensionsInList: 1},
		{name: "chrome-kyber", serverName: "lh3.google.com", alpn: []string{"h2", "http/1.1"}, maxVersion: VersionTLS13,
			minVersion: VersionTLS12, suites: 16, ech: true, extendedMaster: true, firstGroup: 0xcaca, firstSuite: 0xeaea,
			offered: []Version{0x8a8a, VersionTLS13, VersionTLS12}, extensionsInList: 18},
		{name: "psk", maxVersion: VersionTLS13, minVersion: VersionTLS10, suites: 57, psk: 1, extendedMaster: true,
			firstGroup: GroupX25519, firstSuite: 0x1302, offered: []Version{VersionTLS13, VersionTLS12, VersionTLS11, VersionTLS10},
			extensionsInList: 10},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var h ClientHello
			if err := h.Unmarshal(fixture(t, "client-hello-"+tt.name)); err != nil {
				t.Fatal(err)
			}
			lowest, _ := h.MinVersion()
			got, want := tt, tt
			got.serverName, got.alpn, got.maxVersion, got.minVersion = h.ServerName, h.ALPN, h.MaxVersion(), lowest
			got.suites, got.psk, got.ticket = len(h.CipherSuites), h.PSKIdentities, h.SessionTicketLength
			got.ech, got.earlyData, got.extendedMaster, got.postHandshake = h.EncryptedClientHello, h.EarlyData, h.ExtendedMasterSecret, h.PostHandshakeAuth
			got.offered, got.extensionsInList, got.firstSuite = h.OfferedVersions(), len(h.Extensions), h.CipherSuites[0]
			if len(h.Groups) > 0 {
				got.firstGroup = h.Groups[0]
			}
			if diff := cmp.Diff(want, got, cmp.AllowUnexported(tt), cmpopts.EquateEmpty()); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestClientHelloErrors(t *testing.T) {
	sni := extension(ExtensionServerName, "\x00\x07\x00\x00\x04etcd")
	alpn := extension(ExtensionALPN, "\x00\x03\x02h2")
	psk := extension(ExtensionPreSharedKey, "\x00\x07\x00\x01i\x00\x00\x00\x00"+"\x00\x03\x02bb")
	tests := []struct {
		name string
		body []byte
		want SyntaxError
	}{
		{"empty", nil, SyntaxError{0, "ClientHello.legacy_version", "cut short"}},
		{"random", []byte("\x03\x03\x00"), SyntaxError{2, "ClientHello.random", "cut short"}},
		{"session id", []byte(helloHead[:34] + "\x21" + helloHead[:33] + helloHead[35:]), SyntaxError{34, "ClientHello.session_id", "longer than 32 bytes"}},
		{"no suites", []byte(helloHead[:35] + "\x00\x00\x01\x00"), SyntaxError{35, "ClientHello.cipher_suites", "empty list"}},
		{"odd suites", []byte(helloHead[:35] + "\x00\x03\x13\x01\x13\x01\x00"), SyntaxError{39, "ClientHello.cipher_suites", "odd length"}},
		{"no compression", []byte(helloHead[:39] + "\x00"), SyntaxError{39, "ClientHello.compression_methods", "empty list"}},
		{"trailing", append(hello(sni), 1, 2), SyntaxError{43 + len(sni), "ClientHello.extensions", "trailing data"}},
		{"block cut short", hello(sni)[:50], SyntaxError{41, "ClientHello.extensions", "cut short"}},
		{"half a type", hello(sni, "\x00"), SyntaxError{43 + len(sni), "ClientHello.extensions", "cut short"}},
		{"extension too long", hello("\x00\x10\x00\x09\x00"), SyntaxError{45, "ClientHello.extensions.application_layer_protocol_negotiation", "cut short"}},
		{"duplicate", hello(sni, alpn, sni), SyntaxError{43 + len(sni) + len(alpn), "ClientHello.extensions.server_name", "duplicate extension"}},
		{"duplicate unknown", hello(extension(0x7777, ""), extension(0x7777, "")), SyntaxError{47, "ClientHello.extensions.0x7777", "duplicate extension"}},
		{"empty host_name", hello(extension(ExtensionServerName, "\x00\x03\x00\x00\x00")), SyntaxError{49, "ClientHello.extensions.server_name", "empty host_name"}},
		{"empty server_name", hello(extension(ExtensionServerName, "\x00\x00")), SyntaxError{47, "ClientHello.extensions.server_name", "empty list"}},
		{"name type", hello(extension(ExtensionServerName, "\x00\x04\x01\x00\x01x")), SyntaxError{49, "ClientHello.extensions.server_name", "unknown name_type"}},
		{"two names", hello(extension(ExtensionServerName, "\x00\x08\x00\x00\x01x\x00\x00\x01y")), SyntaxError{53, "ClientHello.extensions.server_name", "second host_name"}},
		{"empty protocol", hello(extension(ExtensionALPN, "\x00\x04\x02h2\x00")), SyntaxError{52, "ClientHello.extensions.application_layer_protocol_negotiation", "empty protocol name"}},
		{"odd groups", hello(extension(ExtensionSupportedGroups, "\x00\x03\x00\x1d\x00")), SyntaxError{51, "ClientHello.extensions.supported_groups", "odd length"}},
		{"trailing in extension", hello(extension(ExtensionSupportedVersions, "\x02\x03\x04\x00")), SyntaxError{50, "ClientHello.extensions.supported_versions", "trailing data"}},
		{"flag with data", hello(extension(ExtensionExtendedMasterSecret, "x")), SyntaxError{47, "ClientHello.extensions.extended_master_secret", "not empty"}},
		{"psk not last", hello(psk, sni), SyntaxError{47, "ClientHello.extensions.pre_shared_key", "not the last extension"}},
		{"psk binders", hello(extension(ExtensionPreSharedKey, "\x00\x07\x00\x01i\x00\x00\x00\x00"+"\x00\x00")), SyntaxError{56, "ClientHello.extensions.pre_shared_key", "not one binder for each identity"}},
		{"empty key", hello(extension(ExtensionKeyShare, "\x00\x04\x00\x1d\x00\x00")), SyntaxError{49, "ClientHello.extensions.key_share", "empty key_exchange"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var h ClientHello
			got := h.Unmarshal(tt.body)
			if diff := cmp.Diff(&tt.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestClientHelloGoesOnAfterErrors(t *testing.T) {
	body := hello(extension(ExtensionALPN, "\x00\x01\x00"), extension(ExtensionServerName, "\x00\x07\x00\x00\x04etcd"), "\x00\x0a\x00\x09")
	var h ClientHello
	if err := h.Unmarshal(body); err == nil {
		t.Fatal("no error")
	}
	if h.ServerName != "etcd" || len(h.Extensions) != 2 {
		t.Errorf("server name %q, %d extensions: parsing did not go on", h.ServerName, len(h.Extensions))
	}
}

func TestSyntaxErrorText(t *testing.T) {
	err := &SyntaxError{512, "ClientHello.extensions.server_name", "empty host_name"}
	if got, want := err.Error(), "malformed at offset 512: ClientHello.extensions.server_name: empty host_name"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

// A hello cut off right before its extensions is a valid older one; every other proper prefix must be malformed.
func TestPrefixesAreMalformed(t *testing.T) {
	for name, body := range fixtures(t, "client-hello-") {
		var h ClientHello
		if h.Unmarshal(body) != nil {
			continue
		}
		whole := 2 + 32 + 1 + len(h.SessionID) + 2 + 2*len(h.CipherSuites) + 1 + len(h.CompressionMethods)
		for n := range body {
			if err := h.Unmarshal(body[:n:n]); err == nil && n != whole {
				t.Errorf("%s: the first %d bytes of %d parse", name, n, len(body))
			}
		}
	}
	for name, body := range fixtures(t, "server-hello-") {
		var h ServerHello
		if err := h.Unmarshal(body); err != nil {
			t.Fatal(name, err)
		}
		whole := 2 + 32 + 1 + len(h.SessionID) + 2 + 1
		for n := range body {
			if err := h.Unmarshal(body[:n]); err == nil && n != whole {
				t.Errorf("%s: the first %d bytes of %d parse", name, n, len(body))
			}
		}
	}
}

func TestHostileHelloIsNotKept(t *testing.T) {
	var extensions []string
	for i := range 5000 {
		extensions = append(extensions, extension(ExtensionType(0x4000+i), ""))
	}
	var h ClientHello
	h.Unmarshal(hello(extensions...))
	if len(h.Extensions) != 5000 {
		t.Fatalf("%d extensions, want 5000", len(h.Extensions))
	}
	h.Unmarshal([]byte(helloHead))
	if cap(h.Extensions) > maxKept {
		t.Errorf("room for %d extensions kept", cap(h.Extensions))
	}
}
