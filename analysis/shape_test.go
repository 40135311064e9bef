package analysis

import (
	"testing"
	"time"

	"github.com/etcdtap/etcdtap/analysis/tlswire"
	"github.com/google/go-cmp/cmp"
)

// encrypted is TLS 1.3 of which all but the hellos are lengths, in the order in which they came: the client's are negative.
type encrypted struct {
	suite   tlswire.CipherSuite // 0: TLS_AES_128_GCM_SHA256
	hello   tlswire.ClientHello
	resumed bool
	lengths []int
}

func (e encrypted) facts() *Facts {
	t := &TLSFacts{Version: tlswire.VersionTLS13, CipherSuite: max(e.suite, 0x1301), ClientHello: &e.hello, ServerHello: new(tlswire.ServerHello), Resumed: e.resumed}
	for i, n := range e.lengths {
		d := FromServer
		if n < 0 {
			d, n = FromClient, -n
		}
		r := RecordShape{Type: tlswire.ContentTypeApplicationData, Length: uint16(n), Ns: testTime.Add(time.Duration(i) * time.Millisecond).UnixNano(), Packet: int64(i + 4), told: int64(i + 4)}
		f := &t.Encrypted[d]
		f.Shape, f.Last, f.Records, f.Data = append(f.Shape, r), r, f.Records+1, f.Data+1
	}
	return &Facts{TLS: t}
}

// told is what the tests compare of a Shape.
type told struct {
	ServerFinished, ClientFinished int
	Requested                      Answer
	Client                         Presented
	Server1, Client1               int // bytes of DER if it is one certificate
	ServerKey, ClientKey           string
	InLieu, Accepted, Refused      bool
}

func tell(s Shape) told {
	return told{s.ServerFinished, s.ClientFinished, s.Requested, s.Client, s.DER[FromServer][0], s.DER[FromClient][0],
		s.Key[FromServer], s.Key[FromClient], s.ClientAlertInLieu, s.Accepted, s.RefusedAfter}
}

// asking is a flight of Go's with a CertificateRequest and a certificate of 872 bytes, and what follows it.
func asking(then ...int) []int { return append([]int{32, 110, 902, 281, 53}, then...) }

func extending(typ tlswire.ExtensionType, data string) tlswire.ClientHello {
	return tlswire.ClientHello{Extensions: []tlswire.Extension{{Type: typ, Data: []byte(data)}}, ALPN: []string{"h2"}}
}

func TestShape(t *testing.T) {
	const rsa = "RSA-2048"
	nothing := told{ServerFinished: -1, ClientFinished: -1}
	h2 := tlswire.ClientHello{ALPN: []string{"h2"}} // with it EncryptedExtensions are 32 bytes
	tickets := h2
	tickets.PSKModes = []uint8{pskWithDHE}
	early := h2
	early.EarlyData = true
	for _, test := range []struct {
		name string
		encrypted
		want told
	}{
		{"empty and refused", encrypted{hello: h2, lengths: asking(-25, -53, 19)},
			told{4, 1, Yes, PresentedEmpty, 872, 0, rsa, "", false, false, true}},
		{"refused between Certificate and Finished, as Go does with Java", encrypted{hello: h2, lengths: asking(-41, 19, -69)},
			told{4, 1, Yes, PresentedEmpty, 872, 0, rsa, "", false, false, true}},
		{"presented and accepted", encrypted{hello: h2, lengths: asking(-902, -281, -53, 1200, 40)},
			told{4, 2, Yes, PresentedChain, 872, 872, rsa, rsa, false, true, false}},
		{"presented and refused", encrypted{hello: h2, lengths: asking(-902, -281, -53, 19)},
			told{4, 2, Yes, PresentedChain, 872, 872, rsa, rsa, false, false, true}},
		{"not asked", encrypted{hello: h2, lengths: []int{32, 902, 281, 53, -53, 40}},
			told{3, 0, No, PresentedNone, 872, 0, rsa, "", false, true, false}},
		{"SHA-384", encrypted{suite: 0x1302, hello: h2, lengths: []int{32, 110, 902, 281, 69, -25, -69, 19}},
			told{4, 1, Yes, PresentedEmpty, 872, 0, rsa, "", false, false, true}},
		{"CCM_8 has other tags", encrypted{suite: 0x1305, hello: h2, lengths: asking(-25, -53, 19)}, nothing},
		{"ECDSA", encrypted{hello: h2, lengths: []int{32, 110, 625, 95, 53, -625, -97, -53, 700}},
			told{4, 2, Yes, PresentedChain, 595, 595, "ECDSA-P256", "ECDSA-P256", false, true, false}},
		{"resumed", encrypted{hello: h2, resumed: true, lengths: []int{32, 53, -53, 200}},
			told{ServerFinished: 1, Requested: No, Client: PresentedNone, Accepted: true}},
		{"the client refuses", encrypted{hello: h2, lengths: asking(-19)},
			told{4, -1, Yes, PresentedUnknown, 872, 0, rsa, "", true, false, false}},
		{"JSSE refuses", encrypted{hello: h2, lengths: asking(-35)},
			told{4, -1, Yes, PresentedUnknown, 872, 0, rsa, "", true, false, false}},
		{"JSSE pads by 16", encrypted{hello: h2, lengths: asking(-918, -297, -69, 40)},
			told{4, 2, Yes, PresentedChain, 872, 872, rsa, rsa, false, true, false}},
		{"NSS: a flight in one record", encrypted{hello: h2, lengths: asking(-741, 1483, -52)},
			told{4, 0, Yes, PresentedChain, 872, 0, rsa, "", false, true, false}},
		{"NSS: a flight in one record and nothing else could be padded", encrypted{hello: h2, lengths: asking(-741)},
			told{4, -1, Yes, PresentedUnknown, 872, 0, rsa, "", false, false, false}},
		{"NSS: an empty certificate and Finished in one record", encrypted{hello: h2, lengths: asking(-61, -19, 19)},
			told{4, 0, Yes, PresentedEmpty, 872, 0, rsa, "", false, false, false}},
		{"of a server's flight in one record the client's answer tells", encrypted{hello: h2, lengths: []int{1300, -25, -53, 19}},
			told{0, 1, Yes, PresentedEmpty, 0, 0, "", "", false, false, true}},
		{"rounded to 512", encrypted{hello: h2, lengths: asking(-528, -528, 19)},
			told{4, -1, Yes, PresentedUnknown, 872, 0, rsa, "", false, false, false}},
		{"rounded to 16", encrypted{hello: h2, lengths: asking(-912, -288, -64, 40)},
			told{4, -1, Yes, PresentedUnknown, 872, 0, rsa, "", false, false, false}},
		{"rounded to 512 and refused by a server that gives tickets", encrypted{hello: tickets, lengths: asking(-528, -528, 19)},
			told{4, -1, Yes, PresentedUnknown, 872, 0, rsa, "", false, false, true}},
		{"a server that rounds", encrypted{hello: h2, lengths: []int{528, 528, 1040, 528, 528, -528}}, nothing},
		{"Certificate over two records, the first full", encrypted{hello: h2, lengths: []int{32, 529, 390, 281, 53, -21}}, nothing},
		{"0-RTT: what the client sent first may be data", encrypted{hello: early, lengths: asking(-25, -53, 19)},
			told{4, -1, Yes, PresentedUnknown, 872, 0, rsa, "", false, false, false}},
		{"compressed certificates may have any size", encrypted{hello: extending(extCompressCert, "\x02\x00\x02"), lengths: asking(-25, -53, 19)},
			told{4, 1, Yes, PresentedEmpty, 0, 0, rsa, "", false, false, true}},
		{"small records were asked for", encrypted{hello: extending(extRecordSizeLimit, "\x02\x00"), lengths: asking(-25, -53, 19)}, nothing},
		{"full records were asked for, as by NSS", encrypted{hello: extending(extRecordSizeLimit, "\x40\x01"), lengths: asking(-25, -53, 19)},
			told{4, 1, Yes, PresentedEmpty, 872, 0, rsa, "", false, false, true}},
		{"what is long and unexplained may hold the request", encrypted{lengths: []int{80, 902, 281, 53}},
			told{3, -1, CannotTell, PresentedUnknown, 872, 0, rsa, "", false, false, false}},
		{"of that, the client's answer tells", encrypted{lengths: []int{80, 902, 281, 53, -53}},
			told{3, 0, No, PresentedNone, 872, 0, rsa, "", false, false, false}},
		{"garbage", encrypted{hello: h2, lengths: []int{1, 2, 3, -4, -5}}, nothing},
	} {
		t.Run(test.name, func(t *testing.T) {
			if diff := cmp.Diff(test.want, tell(test.facts().Shape())); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
		})
	}
}

// TestLastAlert: who sent it, and when.
func TestLastAlert(t *testing.T) {
	alerts := func(from ...Direction) (list []Alert) {
		for _, d := range from {
			list = append(list, Alert{From: d, Encrypted: true, Inferred: true})
		}
		return list
	}
	type last struct {
		Is    Answer
		From  Direction
		Place AlertPlace
	}
	for _, test := range []struct {
		name    string
		lengths []int
		alerts  []Alert
		want    last
	}{
		{"refused", asking(-25, -53, 19), alerts(FromServer), last{Yes, FromServer, AlertBeforeAnswer}},
		{"closed after data", asking(-25, -53, 200, -41, 60, 19), alerts(FromServer), last{Yes, FromServer, AlertAfterAnswer}},
		{"a ticket in the server's flight", []int{32, 902, 281, 53, 139, -53, -52, 19}, alerts(FromServer), last{Yes, FromServer, AlertAfterAnswer}},
		{"the client refuses", asking(-19), alerts(FromClient), last{Yes, FromClient, AlertForFinished}},
		{"the client refuses and the server has the last word", asking(-19, 19), alerts(FromClient, FromServer), last{Yes, FromServer, AlertUnknown}},
		{"OpenSSL refuses in clear", asking(), []Alert{{From: FromClient, Code: alertUnknownCA}}, last{Yes, FromClient, AlertForFinished}},
		{"none", asking(-25, -53, 200), nil, last{No, 0, AlertUnknown}},
		{"unreadable", []int{528, 528, -528}, nil, last{CannotTell, 0, AlertUnknown}},
	} {
		t.Run(test.name, func(t *testing.T) {
			f := encrypted{hello: tlswire.ClientHello{ALPN: []string{"h2"}}, lengths: test.lengths}.facts()
			f.TLS.Alerts = test.alerts
			s := f.Shape()
			if diff := cmp.Diff(test.want, last{s.LastAlert, s.LastAlertFrom, s.LastAlertPlace}); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
		})
	}
}

// TestShapeOfWhatIsMissing: indices mean nothing when records are lost.
func TestShapeOfWhatIsMissing(t *testing.T) {
	f := encrypted{lengths: []int{23, 110, 902, 281, 53, -25, -53, 19}}.facts()
	f.Stream[FromServer].EarlyGap = true
	if diff := cmp.Diff(unknownShape(), f.Shape()); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

// FuzzShape: whatever the lengths, an answer refers to records that are there and contradicts no other.
func FuzzShape(f *testing.F) {
	f.Add([]byte{0, 32, 0, 110, 3, 134, 1, 25, 0, 53, 0x80, 25, 0x80, 53, 0, 19})
	f.Add([]byte{5, 20, 0x80, 61, 0, 19})
	f.Fuzz(func(t *testing.T, b []byte) {
		e := encrypted{hello: tlswire.ClientHello{ALPN: []string{"h2"}, PSKModes: []uint8{pskWithDHE}}}
		for ; len(b) > 1 && len(e.lengths) < 2*maxShape; b = b[2:] {
			n := int(b[0]&0x7f)<<8 | int(b[1])
			if b[0]&0x80 != 0 {
				n = -n
			}
			if n != 0 {
				e.lengths = append(e.lengths, n)
			}
		}
		facts := e.facts()
		s := facts.Shape()
		server, client := facts.TLS.Encrypted[FromServer].Shape, facts.TLS.Encrypted[FromClient].Shape
		switch {
		case s.ServerFinished >= len(server), s.ClientFinished >= len(client), s.Answered >= len(server):
			t.Errorf("there is no such record: %+v", s)
		case s.Requested == No && (s.Client == PresentedEmpty || s.Client == PresentedChain), s.Accepted && s.RefusedAfter,
			s.Requested == Yes && s.Client == PresentedNone, s.DER[FromClient] != DER{} && s.Client != PresentedChain:
			t.Errorf("contradicts itself: %+v", s)
		}
	})
}

// TestSignatureKey: each size has one meaning.
func TestSignatureKey(t *testing.T) {
	for n, want := range map[int]string{64: "Ed25519", 70: "ECDSA-P256", 71: "ECDSA-P256", 72: "ECDSA-P256", 103: "ECDSA-P384", 139: "ECDSA-P521",
		256: "RSA-2048", 384: "RSA-3072", 512: "RSA-4096", 0: "", 36: "", 65: "", 280: "", 4096: ""} {
		if isSignature(n) != (want != "") {
			t.Errorf("isSignature(%d) is %v", n, isSignature(n))
		}
		if got := signatureKey(n); got != want {
			t.Errorf("%d bytes: %q, want %q", n, got, want)
		}
	}
}

func BenchmarkShape(b *testing.B) {
	f := encrypted{hello: tlswire.ClientHello{ALPN: []string{"h2"}}, lengths: asking(-902, -281, -53, 1200, -41, 40)}.facts()
	b.ReportAllocs()
	for b.Loop() {
		f.Shape()
	}
}
