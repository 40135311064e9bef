package analysis

import (
	"net/netip"
	"strings"

	"github.com/etcdtap/etcdtap/analysis/etcdlog"
	"github.com/etcdtap/etcdtap/analysis/tlswire"
)

// The refinements of text rules: what the numbers and names in an error say.

// add ends the meaning with a further clause.
func (f *Finding) add(clause string) { f.Meaning += "; " + clause }

// become makes the finding one of another code, keeping what it rests on.
func (f *Finding) become(code Code, c Confidence) {
	g := findingOf(code, c)
	g.Evidence = f.Evidence
	*f = g
}

// findingOf is a finding as its page in the catalogue has it.
func findingOf(code Code, c Confidence) Finding {
	cause, _ := CauseOf(code)
	return Finding{Code: code, Severity: cause.Severity, Confidence: c, AtFault: cause.AtFault, Title: cause.Title, Meaning: strings.TrimSuffix(cause.Meaning, "."), Fix: cause.Fixes}
}

// firstWords are the texts whose bytes 4 and 5 old Go versions took for a record's length, or a version (FAILURES of Go up to 1.11).
var firstWords = [...]struct{ text, name string }{
	{"POST ", "an HTTP POST"}, {"HTTP/", "an HTTP answer"}, {"PROXY ", "a PROXY protocol header"}, {"EHLO ", "SMTP"}, {"HELO ", "SMTP"},
	{"CONNECT ", "an HTTP CONNECT"}, {"OPTIONS ", "an HTTP OPTIONS"}, {"DELETE ", "an HTTP DELETE"}, {"PATCH ", "an HTTP PATCH"}, {"TRACE ", "an HTTP TRACE"}, {"HEAD /", "an HTTP HEAD"}, {"GET / ", "an HTTP GET"}, {"SSH-2.0", "SSH"}, {"PRI * ", "HTTP/2 without TLS (gRPC's plaintext preface)"},
}

// refineOversized decodes the length: two printable characters are bytes 4 and 5 of a plaintext request.
func refineOversized(f *Finding, e *etcdlog.Entry) []Finding {
	n := number(between(e.Error, "oversized record received with length ", ""))
	if n >= 0 && n <= tlswire.MaxPlaintext { // no record of that length is too long
		f.become(CodeOversizedRecord, Likely)
		f.add("the line is cut in the middle of the length, which tells plaintext from a broken record")
		return nil
	}
	chars, ok := etcdlog.DecodeLength(n)
	if !ok || n <= tlswire.MaxCiphertext {
		return nil
	}
	for _, w := range firstWords {
		if w.text[3:5] == chars {
			f.become(CodePlaintextToTLS, Certain)
			if w.text == "PROXY " {
				f.become(CodeProxyProtocolToTLS, Likely)
			}
			f.add("the \"length\" " + itoa(n) + " is the text \"" + chars + "\", of \"" + strings.TrimSpace(w.text) + "\": " + w.name)
			return nil
		}
	}
	f.become(CodePlaintextToTLS, Likely)
	f.add("the \"length\" " + itoa(n) + " is the text \"" + brief(chars) + "\"")
	return nil
}

// refineEOF: a name in the line means that a ClientHello was read; no name means nothing.
func refineEOF(f *Finding, e *etcdlog.Entry) []Finding {
	switch {
	case e.ServerName != "":
		f.become(CodeHandshakeAbandoned, Likely)
		f.add("the client had sent a ClientHello that asked for " + brief(e.ServerName) + ", and then gave up")
		return nil
	case e.Names:
		f.become(CodeHandshakeAbandoned, Likely)
		f.add("the line has the fields of a certificate that had verified, so the client gave up late")
		return nil
	}
	other := findingOf(CodeHandshakeAbandoned, Possible)
	other.Fix = []string{"the line is the same when a client by IP address gave up after its ClientHello; " + captureIt}
	return []Finding{other}
}

func refineReset(f *Finding, e *etcdlog.Entry) []Finding {
	switch {
	case strings.Contains(e.Error, "write"):
		f.add("the reset came while etcd was answering")
	case e.ServerName != "":
		f.add("the client had sent a ClientHello that asked for " + brief(e.ServerName))
	}
	return nil
}

func refineTimeout(f *Finding, e *etcdlog.Entry) []Finding {
	if e.ServerName != "" {
		f.add("the client had sent its ClientHello (for " + brief(e.ServerName) + "), so either etcd's answer got lost on the way (suspect the MTU), or the client stopped in the middle")
		f.AtFault = FaultUnknown
	}
	return nil
}

// refineVersions reads the list of hexadecimal versions that the client offered.
func refineVersions(f *Finding, e *etcdlog.Entry) []Finding {
	list := strings.Fields(strings.Trim(between(e.Error, "unsupported versions: ", ""), "[]"))
	has := func(v string) bool {
		for _, x := range list {
			if strings.TrimPrefix(x, "0x") == v {
				return true
			}
		}
		return false
	}
	switch {
	case len(list) == 0 && e.Broken:
		f.add("the line is cut before it names them")
	case len(list) == 0:
		f.AtFault = FaultClient
		f.add("it offered none that is known, as SSL 3.0 clients do")
	case has("303"):
		f.AtFault = FaultServer
		f.add("it offered TLS 1.2, so etcd insists on TLS 1.3 (--tls-min-version=TLS1.3)")
	case has("304"):
		f.AtFault = FaultServer
		f.add("it offered TLS 1.3 only, and this etcd stops at TLS 1.2: 3.5.0 to 3.5.7 always do, later ones with --tls-max-version=TLS1.2")
	default:
		f.AtFault = FaultClient
		f.add("it is too old: it offered TLS 1.1 at most")
	}
	return nil
}

// refineCiphers names the suites that Go 1.25 and later list.
func refineCiphers(f *Finding, e *etcdlog.Entry) []Finding {
	const most = 8
	list := strings.Fields(strings.Trim(between(e.Error, "client offered: ", ""), "[]"))
	var names []string
	for _, x := range list {
		if n, ok := parseHex(x); ok && len(names) < most {
			names = append(names, tlswire.CipherSuite(n).String())
		}
	}
	if len(names) > 0 {
		f.add("the client offered " + strings.Join(names, ", ") + more(len(list), most))
	}
	return nil
}

func more(n, shown int) string {
	if n > shown {
		return " and " + itoa(n-shown) + " more"
	}
	return ""
}

// parseHex reads up to four hexadecimal digits.
func parseHex(s string) (uint16, bool) {
	var n uint16
	if len(s) == 0 || len(s) > 4 {
		return 0, false
	}
	for i := range len(s) {
		c := s[i] | 0x20
		switch {
		case c >= '0' && c <= '9':
			n = n<<4 | uint16(c-'0')
		case c >= 'a' && c <= 'f':
			n = n<<4 | uint16(c-'a'+10)
		default:
			return 0, false
		}
	}
	return n, true
}

// refineUnreadable: once the certificate's names are in the line, the handshake is over, and the only file still to be read is the
// list of revoked certificates.
func refineUnreadable(f *Finding, e *etcdlog.Entry) []Finding {
	if e.Names {
		f.become(CodeCRLUnreadable, f.Confidence)
	}
	return nil
}

// refineUnparsed: crypto/tls says of a client's certificate that it failed to parse or to verify. An error without such words before it is
// about a file of etcd's own: the list of revoked certificates once the handshake is over, else its certificate.
func refineUnparsed(f *Finding, e *etcdlog.Entry) []Finding {
	asn1 := strings.HasPrefix(e.Error, "asn1: ")
	switch {
	case !asn1 && !strings.HasPrefix(e.Error, "x509: "):
		f.add("the error is Go's verdict on the client's certificate, in words that are not known here: read them in the evidence")
	case e.Names && asn1:
		f.become(CodeCRLUnreadable, Certain)
	case e.Names:
		f.become(CodeCRLUnreadable, Likely)
	default:
		f.become(CodeServerCertUnreadable, Likely)
		f.add("the error names nothing of the client's, so it is etcd's own file that does not parse")
	}
	return nil
}

// refinePeerEOF: a member that dials http:// did not get as far as a certificate.
func refinePeerEOF(f *Finding, e *etcdlog.Entry) []Finding {
	if strings.Contains(e.Error, `"http://`) {
		f.become(CodePlaintextToTLS, Likely)
		f.add("this member dials http://, and the other closed without a word, as one that expects TLS does")
	}
	return nil
}

// refineExpired tells expired from not yet valid.
func refineExpired(f *Finding, e *etcdlog.Entry) []Finding {
	now := between(e.Error, "current time ", " ")
	switch {
	case strings.Contains(e.Error, " is after "):
		f.add("it expired at " + brief(between(e.Error, " is after ", " ")) + ", and it was " + brief(now))
	case strings.Contains(e.Error, " is before "):
		f.add("it is valid only from " + brief(between(e.Error, " is before ", " ")) + ", and it was " + brief(now) + ": a clock is wrong (etcd's or that of the machine that issued it), or the certificate is too new")
		f.AtFault = FaultUnknown
	}
	return nil
}

// presentsItself says that the client may be etcd's own gateway: it presents the server certificate to its own client port
// (server/embed/serve.go, registerGateway).
// On the loopback address it may as well be any other program of the machine.
func (f *Finding) presentsItself(client netip.Addr) {
	if !client.IsLoopback() {
		f.AtFault = FaultServer
	}
	f.add("the client is on etcd's own address: when no other program there uses etcd, it is etcd itself, whose grpc-gateway presents the server certificate to its own port. Then issue server.crt with clientAuth too, or start etcd with --enable-grpc-gateway=false")
}

// own reports whether the client's address is one of this machine's, as far as a line shows.
func own(e *etcdlog.Entry) bool {
	if !e.Remote.IsValid() {
		return false
	}
	return e.Remote.Addr().IsLoopback() || e.Local.IsValid() && e.Local.Addr() == e.Remote.Addr()
}

func untrustedToo(*Finding, *etcdlog.Entry) []Finding {
	return []Finding{findingOf(CodeServerCertUntrusted, Certain)}
}

// otherKeyToo is for a signature that a client found wrong: it knows a CA of that name, with another key.
func otherKeyToo(f *Finding, _ *etcdlog.Entry) []Finding {
	f.add("a signature did not verify: most often the client trusts a CA that has the same name and another key than the one that issued the certificate")
	return []Finding{findingOf(CodeServerCertUntrusted, Possible)}
}

func serverExpiredToo(*Finding, *etcdlog.Entry) []Finding {
	return []Finding{findingOf(CodeServerCertExpired, Likely)}
}

// refineDesync decodes the version: 4554 is "ET", of a GET.
func refineDesync(f *Finding, e *etcdlog.Entry) []Finding {
	hex := between(e.Error, "received record with version ", " ")
	switch chars, ok := etcdlog.DecodeVersion(hex); {
	case ok:
		f.add("the \"version\" " + brief(hex) + " is the text \"" + chars + "\": plaintext after a ClientHello")
	case hex == "301":
		f.add("301 is how a second ClientHello begins")
	}
	return nil
}
