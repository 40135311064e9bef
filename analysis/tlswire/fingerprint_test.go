package tlswire

import "testing"

// The JA3 and JA3S values are tshark 4.0's for the same hellos; the JA4 values of Chrome and Firefox are those that
// FoxIO publishes for these browsers, the others were made by an independent implementation of its description.
func TestFingerprints(t *testing.T) {
	tests := []struct{ name, ja3, ja4 string }{
		{"curl-openssl3", "78f0dc5ac5b19daf131a133cfdee9691", "t13i3111h2_e8f1e7e78f70_b26ce05bbdd6"},
		{"openssl-tls10", "4921a5a1f7b5423a19d0db34c56c09f0", "t10i230500_44099cda8a52_195413a0cc0f"},
		{"go-etcdctl", "13115bb18405dfa26b7ddb7086774a24", "t13d0912h2_f91f431d341e_ab7e3b40a677"},
		{"raw-ssl3", "09a0129a1d7aa630035c8dac56b0958d", "ts3i030000_5704bdfc91c6_000000000000"},
		{"raw-tls10", "2318972c756b7d607c27131f92026e61", "t10d020100_f54dd463d39b_000000000000"},
		{"chrome-kyber", "9d33d8206d4fec4c8b1423c728f4cd3c", "t13d1516h2_8daaf6152771_02713d6af862"},
		{"firefox", "579ccef312d18482fc42e2b822ca2430", "t13d1715h2_5b57614c22b0_3d5424432f57"},
		{"psk", "b564664050e32957639f6833f37e86df", "t13i571000_131602cb7446_a11995863d32"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var h ClientHello
			if err := h.Unmarshal(fixture(t, "client-hello-"+tt.name)); err != nil {
				t.Fatal(err)
			}
			if got := h.JA3(); got != tt.ja3 {
				t.Errorf("JA3 %s, want %s", got, tt.ja3)
			}
			if got := h.JA4(); got != tt.ja4 {
				t.Errorf("JA4 %s, want %s", got, tt.ja4)
			}
			if got := string(h.AppendJA4(h.AppendJA3([]byte("x")))); got != "x"+tt.ja3+tt.ja4 {
				t.Errorf("appended: %s", got)
			}
		})
	}
}

func TestJA3S(t *testing.T) {
	for name, want := range map[string]string{
		"tls12": "67619a80665d7ab92d1041b1d11f9164",
		"tls13": "f4febc55ea12b31ae17cfb7e614afda8",
		"hrr":   "15af977ce25de452b96affa2addb1036",
		"psk":   "b4f2541b0a0b815edb08e1c3ffe8aad8",
	} {
		var h ServerHello
		if err := h.Unmarshal(fixture(t, "server-hello-"+name)); err != nil {
			t.Fatal(err)
		}
		if got := h.JA3S(); got != want {
			t.Errorf("%s: %s, want %s", name, got, want)
		}
	}
}

func extensionTypes(types ...ExtensionType) []Extension {
	var list []Extension
	for _, t := range types {
		list = append(list, Extension{Type: t})
	}
	return list
}

// The examples of the README of github.com/salesforce/ja3.
func TestJA3Published(t *testing.T) {
	tests := []struct {
		hello     ClientHello
		text, ja3 string
	}{
		{ClientHello{LegacyVersion: VersionTLS10, CipherSuites: []CipherSuite{47, 53, 5, 10, 49161, 49162, 49171, 49172, 50, 56, 19, 4},
			Extensions: extensionTypes(0, 10, 11), Groups: []Group{23, 24, 25}, PointFormats: []uint8{0}},
			"769,47-53-5-10-49161-49162-49171-49172-50-56-19-4,0-10-11,23-24-25,0", "ada70206e40642a3e4461f35503241d5"},
		{ClientHello{LegacyVersion: VersionTLS10, CipherSuites: []CipherSuite{4, 5, 10, 9, 100, 98, 3, 6, 19, 18, 99}},
			"769,4-5-10-9-100-98-3-6-19-18-99,,,", "de350869b8c85de67a350c8d186f11e6"},
	}
	for _, tt := range tests {
		if got := string(tt.hello.AppendJA3Text(nil)); got != tt.text {
			t.Errorf("text %s, want %s", got, tt.text)
		}
		if got := tt.hello.JA3(); got != tt.ja3 {
			t.Errorf("JA3 %s, want %s", got, tt.ja3)
		}
	}
}

// The example of technical_details/JA4.md of github.com/FoxIO-LLC/ja4, with GREASE added, and without signature
// algorithms.
func TestJA4Published(t *testing.T) {
	h := ClientHello{
		LegacyVersion: VersionTLS12,
		CipherSuites: []CipherSuite{0x1a1a, 0x1301, 0x1302, 0x1303, 0xc02b, 0xc02f, 0xc02c, 0xc030, 0xcca9, 0xcca8, 0xc013, 0xc014,
			0x009c, 0x009d, 0x002f, 0x0035},
		Extensions: extensionTypes(0x2a2a, 0x001b, 0x0000, 0x0033, 0x0010, 0x4469, 0x0017, 0x002d, 0x000d, 0x0005, 0x0023, 0x0012,
			0x002b, 0xff01, 0x000b, 0x000a, 0x0015, 0xfafa),
		ALPN:                []string{"h2"},
		SupportedVersions:   []Version{0xfafa, VersionTLS13, VersionTLS12},
		SignatureAlgorithms: []SignatureScheme{0x0a0a, 0x0403, 0x0804, 0x0401, 0x0503, 0x0805, 0x0501, 0x0806, 0x0601},
	}
	if got, want := h.JA4(), "t13d1516h2_8daaf6152771_e5627efa2ab1"; got != want {
		t.Errorf("%s, want %s", got, want)
	}
	h.SignatureAlgorithms = nil
	if got, want := h.JA4(), "t13d1516h2_8daaf6152771_6d807ffa2a79"; got != want {
		t.Errorf("%s, want %s", got, want)
	}
	h = ClientHello{}
	if got, want := h.JA4(), "t00i000000_000000000000_000000000000"; got != want {
		t.Errorf("%s, want %s", got, want)
	}
}

func TestJA4ALPN(t *testing.T) {
	for name, want := range map[string]string{
		"": "00", "h2": "h2", "http/1.1": "h1", "x": "xx", "\xab": "ab", "\xab\xcd": "ad", "0\xab": "3b", "01\xab\xcd": "3d", "0\xab\xcd1": "01",
	} {
		h := ClientHello{ALPN: []string{name}}
		if got := string(h.appendJA4ALPN(nil)); got != want {
			t.Errorf("%q: %s, want %s", name, got, want)
		}
	}
}
