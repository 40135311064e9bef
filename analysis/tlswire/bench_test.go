package tlswire

import "testing"

func BenchmarkClientHelloUnmarshal(b *testing.B) {
	for _, name := range []string{"go126", "curl-openssl3", "chrome-kyber"} {
		b.Run(name, func(b *testing.B) {
			body := fixture(b, "client-hello-"+name)
			var h ClientHello
			b.ReportAllocs()
			b.SetBytes(int64(len(body)))
			for b.Loop() {
				if err := h.Unmarshal(body); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkServerHelloUnmarshal(b *testing.B) {
	body := fixture(b, "server-hello-tls12")
	var h ServerHello
	b.ReportAllocs()
	for b.Loop() {
		if err := h.Unmarshal(body); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkCertificateRequestUnmarshal(b *testing.B) {
	body := fixture(b, "certificate-request-tls12")
	var r CertificateRequest
	b.ReportAllocs()
	for b.Loop() {
		if err := r.Unmarshal(body, VersionTLS12); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkJA3(b *testing.B) {
	var h ClientHello
	h.Unmarshal(fixture(b, "client-hello-curl-openssl3"))
	buf := make([]byte, 0, 1024)
	b.ReportAllocs()
	for b.Loop() {
		h.AppendJA3(buf)
	}
}

func BenchmarkJA4(b *testing.B) {
	var h ClientHello
	h.Unmarshal(fixture(b, "client-hello-curl-openssl3"))
	buf := make([]byte, 0, 1024)
	b.ReportAllocs()
	for b.Loop() {
		h.AppendJA4(buf)
	}
}

// The steady state must not allocate: a capture holds millions of hellos.
func TestNoAllocations(t *testing.T) {
	client, server := fixture(t, "client-hello-go126"), fixture(t, "server-hello-tls12")
	var ch ClientHello
	var sh ServerHello
	buf := make([]byte, 0, 1024)
	for name, f := range map[string]func(){
		"ClientHello": func() { ch.Unmarshal(client) },
		"ServerHello": func() { sh.Unmarshal(server) },
		"JA3":         func() { ch.AppendJA3(buf) },
		"JA3S":        func() { sh.AppendJA3S(buf) },
		"JA4":         func() { ch.AppendJA4(buf) },
	} {
		ch.Unmarshal(client)
		if n := testing.AllocsPerRun(100, f); n != 0 {
			t.Errorf("%s allocates %v times", name, n)
		}
	}
}
