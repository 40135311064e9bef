package analysis

import (
	"strings"

	"github.com/etcdtap/etcdtap/analysis/tlswire"
	"golang.org/x/crypto/cryptobyte"
)

// record is a TLS record.
func record(t tlswire.ContentType, v tlswire.Version, body string) string {
	return string([]byte{byte(t), byte(v >> 8), byte(v), byte(len(body) >> 8), byte(len(body))}) + body
}

func handshake(body string) string {
	return record(tlswire.ContentTypeHandshake, tlswire.VersionTLS12, body)
}

func alert(c tlswire.AlertCode) string {
	return record(tlswire.ContentTypeAlert, tlswire.VersionTLS12, "\x02"+string([]byte{byte(c)}))
}

// data is an encrypted record whose body is n bytes long.
func data(n int) string {
	return record(tlswire.ContentTypeApplicationData, tlswire.VersionTLS12, strings.Repeat("\xc5", n))
}

// message is a handshake message.
func message(t tlswire.HandshakeType, body string) string {
	return string([]byte{byte(t), byte(len(body) >> 16), byte(len(body) >> 8), byte(len(body))}) + body
}

// helloOptions change clientHello.
type helloOptions struct {
	version    tlswire.Version
	suites     []uint16
	groups     []uint16
	signatures []uint16
	alpn       []string
	name       string
	versions   []uint16
}

// modern is what Go's client offers, in short.
var modern = helloOptions{version: v12, suites: []uint16{0x1301, 0xc02f, 0xc02b}, groups: []uint16{29, 23}, signatures: []uint16{0x0804, 0x0403},
	alpn: []string{"h2"}, name: "etcd.test", versions: []uint16{0x0304, 0x0303}}

func addList(b *cryptobyte.Builder, extension uint16, list []uint16) {
	if len(list) == 0 {
		return
	}
	b.AddUint16(extension)
	b.AddUint16LengthPrefixed(func(b *cryptobyte.Builder) {
		b.AddUint16LengthPrefixed(func(b *cryptobyte.Builder) {
			for _, x := range list {
				b.AddUint16(x)
			}
		})
	})
}

// clientHello is a ClientHello message.
func clientHello(o helloOptions) string {
	var b cryptobyte.Builder
	b.AddUint16(uint16(o.version))
	b.AddBytes([]byte(strings.Repeat("R", 32)))
	b.AddUint8(0)
	b.AddUint16LengthPrefixed(func(b *cryptobyte.Builder) {
		for _, s := range o.suites {
			b.AddUint16(s)
		}
	})
	b.AddBytes([]byte{1, 0})
	b.AddUint16LengthPrefixed(func(b *cryptobyte.Builder) {
		if o.name != "" {
			b.AddUint16(0)
			b.AddUint16LengthPrefixed(func(b *cryptobyte.Builder) {
				b.AddUint16LengthPrefixed(func(b *cryptobyte.Builder) {
					b.AddUint8(0)
					b.AddUint16LengthPrefixed(func(b *cryptobyte.Builder) { b.AddBytes([]byte(o.name)) })
				})
			})
		}
		addList(b, 10, o.groups)
		addList(b, 13, o.signatures)
		if len(o.alpn) > 0 {
			b.AddUint16(16)
			b.AddUint16LengthPrefixed(func(b *cryptobyte.Builder) {
				b.AddUint16LengthPrefixed(func(b *cryptobyte.Builder) {
					for _, n := range o.alpn {
						b.AddUint8LengthPrefixed(func(b *cryptobyte.Builder) { b.AddBytes([]byte(n)) })
					}
				})
			})
		}
		if len(o.versions) > 0 {
			b.AddUint16(43)
			b.AddUint16LengthPrefixed(func(b *cryptobyte.Builder) {
				b.AddUint8LengthPrefixed(func(b *cryptobyte.Builder) {
					for _, v := range o.versions {
						b.AddUint16(v)
					}
				})
			})
		}
	})
	return message(tlswire.HandshakeClientHello, string(b.BytesOrPanic()))
}

// serverHello12 is a ServerHello message of TLS 1.2 and before.
func serverHello12(v tlswire.Version, suite uint16) string {
	return message(tlswire.HandshakeServerHello, string([]byte{byte(v >> 8), byte(v)})+strings.Repeat("S", 32)+"\x00"+string([]byte{byte(suite >> 8), byte(suite)})+"\x00")
}

// certificateMessage is a Certificate message of TLS 1.2.
func certificateMessage(ders ...[]byte) string {
	var b cryptobyte.Builder
	b.AddUint24LengthPrefixed(func(b *cryptobyte.Builder) {
		for _, der := range ders {
			b.AddUint24LengthPrefixed(func(b *cryptobyte.Builder) { b.AddBytes(der) })
		}
	})
	return message(tlswire.HandshakeCertificate, string(b.BytesOrPanic()))
}

// requestMessage is a CertificateRequest message of TLS 1.2.
func requestMessage(names ...[]byte) string {
	var b cryptobyte.Builder
	b.AddBytes([]byte{1, 1, 0, 2, 4, 3})
	b.AddUint16LengthPrefixed(func(b *cryptobyte.Builder) {
		for _, n := range names {
			b.AddUint16LengthPrefixed(func(b *cryptobyte.Builder) { b.AddBytes(n) })
		}
	})
	return message(tlswire.HandshakeCertificateRequest, string(b.BytesOrPanic()))
}

// The dialogues that are made by hand.
var (
	sslv2Hello = "\x80\x2e\x01\x03\x01\x00\x15\x00\x00\x00\x10" + "\x00\x00\x2f\x00\x00\x35\x00\x00\x0a\x01\x00\x80\x00\x00\x04\x00\x00\x05\x00\x00\x09" + "0123456789abcdef"
	proxyV2    = proxyV2Signature + "\x21\x11\x00\x0c\x7f\x00\x00\x01\x7f\x00\x00\x01\x9c\x40\x09\x4b"
	ccs        = record(tlswire.ContentTypeChangeCipherSpec, v12, "\x01")
	finished12 = handshake(strings.Repeat("\xf1", 40)) // encrypted
	// fullServer12 is a TLS 1.2 server's first flight without the certificate's.
	ske  = message(tlswire.HandshakeServerKeyExchange, "\x03\x00\x1d\x20"+strings.Repeat("K", 32)+"\x04\x03\x00\x04sign")
	done = message(tlswire.HandshakeServerHelloDone, "")
	cke  = message(tlswire.HandshakeClientKeyExchange, "\x20"+strings.Repeat("K", 32))
)

// healthy12 is a TLS 1.2 connection made by hand, each message in its own record.
func healthy12() transcript {
	p := testPKI()
	return transcript{
		client(handshake(clientHello(modern))),
		server(handshake(serverHello12(v12, 0xc02b)), handshake(certificateMessage(p.server.Certificate[0])), handshake(ske), handshake(requestMessage(p.ca.cert.RawSubject)), handshake(done)),
		client(handshake(certificateMessage(p.client.Certificate[0])), handshake(cke), handshake(message(tlswire.HandshakeCertificateVerify, "\x04\x03\x00\x04sign")), ccs, finished12),
		server(ccs, finished12),
		client(data(60)), server(data(2000)),
		client(record(tlswire.ContentTypeAlert, v12, strings.Repeat("a", 26))),
		closes(FromClient, CloseFIN), closes(FromServer, CloseFIN),
	}
}

// handmade are the transcripts that no TLS library writes.
func handmade() map[string]transcript {
	hello := handshake(clientHello(modern))
	fin := []event{closes(FromServer, CloseFIN), closes(FromClient, CloseFIN)}
	tls12 := healthy12()
	return map[string]transcript{
		"TLS 1.2":            tls12,
		"http1":              transcript{client("GET /v2/keys?token=secret HTTP/1.1\r\nHost: etcd\r\nAuthorization: Basic c2VjcmV0\r\n\r\n")}.and(fin...),
		"http1 long":         transcript{client("GET /", strings.Repeat("a", 20000), " HTTP/1.1\r\n\r\n")}.and(fin...),
		"http1 answered":     transcript{client("GET /version HTTP/1.1\r\n\r\n"), server("HTTP/1.1 200 OK\r\nServer: x\r\n\r\n")}.and(fin...),
		"http1 absolute":     transcript{client("GET http://root:secret@etcd/ HTTP/1.1\r\n\r\n")}.and(fin...),
		"raft":               transcript{client("GET /raft/stream/msgapp/8e9e05c52164694d HTTP/1.1\r\n\r\n")}.and(fin...),
		"h2":                 transcript{client("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\x00\x00\x00\x04\x00\x00\x00\x00\x00"), server("\x00\x00\x06\x04\x00\x00\x00\x00\x00\x00\x03\x00\x00\x00\x64")}.and(fin...),
		"ssh":                transcript{client("SSH-2.0-Go\r\n")}.and(fin...),
		"smtp then tls":      transcript{server("220 mail.test ESMTP\r\n"), client("EHLO a\r\n"), server("250-mail.test\r\n250 STARTTLS\r\n"), client("STARTTLS\r\n"), server("220 go ahead\r\n")}.and(tls12...),
		"proxy v1 then tls":  transcript{client("PROXY TCP4 10.0.0.1 10.0.0.2 40000 2379\r\n" + hello)}.and(fin...),
		"proxy v2 then tls":  transcript{client(proxyV2 + hello)}.and(fin...),
		"sslv2":              transcript{client(sslv2Hello), server(alert(alertProtocolVersion))}.and(fin...),
		"sslv2 then tls":     transcript{client(sslv2Hello)}.and(tls12[1:]...),
		"postgres then tls":  transcript{client("\x00\x00\x00\x08\x04\xd2\x16\x2f"), server("S")}.and(tls12...),
		"postgres":           transcript{client("\x00\x00\x00\x29\x00\x03\x00\x00user\x00root\x00")}.and(fin...),
		"rdp":                transcript{client("\x03\x00\x00\x13\x0e\xe0\x00\x00\x00\x00\x00\x01\x00\x08\x00\x03\x00\x00\x00")}.and(fin...),
		"memcached":          transcript{client("stats\r\n")}.and(fin...),
		"memcached binary":   transcript{client("\x80\x0b\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00")}.and(fin...),
		"garbage":            transcript{client("\xde\xad\xbe\xef", strings.Repeat("\x16\x03\x01", 5000))}.and(fin...),
		"oversized":          transcript{client("\x16\x03\x01\x50\x4fST / HTTP/1.1\r\n"), server(alert(alertRecordOverflow))}.and(fin...),
		"empty record":       transcript{client("\x16\x03\x01\x00\x00", hello), server(alert(alertUnexpectedMessage))}.and(fin...),
		"bad version":        transcript{client("\x16\x02\x00\x00\x30", strings.Repeat("v", 48)), server(alert(alertProtocolVersion))}.and(fin...),
		"dtls":               transcript{client("\x16\xfe\xff\x00\x00\x00\x00\x00\x00\x00\x00\x00\x30", strings.Repeat("d", 48))}.and(fin...),
		"dtls data":          transcript{client("\x17\xfe\xfd\x00\x01\x00\x00\x00\x00\x00\x00\x00\x30", strings.Repeat("d", 48))}.and(fin...),
		"data first":         transcript{client(data(100), data(300))}.and(fin...),
		"close_notify first": transcript{client(record(tlswire.ContentTypeAlert, v12, "\x01\x00"))}.and(closes(FromClient, CloseFIN), closes(FromServer, CloseFIN)),
		"random handshake":   transcript{client(handshake(strings.Repeat("\xaa", 300))), server(alert(alertUnexpectedMessage))}.and(fin...),
		"long message":       transcript{client(handshake("\x01\x02\x00\x00" + strings.Repeat("x", 200))), server(alert(alertInternalError))}.and(fin...),
		"split hello":        transcript{client(splitRecords(clientHello(modern), 7)), server(alert(alertHandshakeFailure))}.and(fin...),
		"malformed hello":    transcript{client(handshake(message(tlswire.HandshakeClientHello, "\x03\x03short"))), server(alert(alertDecodeError))}.and(fin...),
		"plaintext after":    transcript{tls12[0], tls12[1], client("GET / HTTP/1.1\r\n\r\n"), server(alert(alertProtocolVersion))}.and(fin...),
		"second hello":       transcript{tls12[0], tls12[1], client(record(tlswire.ContentTypeHandshake, tlswire.VersionTLS10, clientHello(modern))), server(alert(alertProtocolVersion))}.and(fin...),
		"wrong side":         transcript{client(hello, handshake(serverHello12(v12, 0xc02b)))}.and(fin...),
		"tls answered http":  transcript{client(hello), server("HTTP/1.1 400 Bad Request\r\n\r\n")}.and(fin...),
		"ssh server first":   transcript{server("SSH-2.0-OpenSSH_9.9\r\n"), client("SSH-2.0-Go\r\n")}.and(fin...),
		"bulk":               healthy12()[:6].and(server(strings.Repeat(data(16408), 8)), client(data(0), data(1))).and(fin...),
	}
}

// splitRecords puts a message into records of n bytes.
func splitRecords(m string, n int) string {
	out := ""
	for len(m) > 0 {
		k := min(n, len(m))
		out += handshake(m[:k])
		m = m[k:]
	}
	return out
}
