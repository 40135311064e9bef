package report

import (
	"strings"

	"github.com/etcdtap/etcdtap/analysis"
)

// word is a term of the catalogue that not every reader knows.
type word struct{ term, meaning string }

// words explains the terms that the catalogue's pages use. Nothing writes to it.
var words = [...]word{
	{"alert", "TLS's own error message, with a number that says what was wrong"},
	{"ALPN", "the list in the handshake of the protocols that are wanted inside TLS, such as h2 (HTTP/2)"},
	{"CA", "certificate authority: the key that signs certificates, and the certificate of that key"},
	{"clientAuth", "the permission in a certificate to be used by a client; serverAuth is the one for servers"},
	{"ClientHello", "the first message of TLS, in which the client says what it can do"},
	{"close_notify", "the alert that ends a TLS connection in good order"},
	{"CN", "common name: the older place for a name in a certificate; today the SANs count"},
	{"CRL", "a file that lists the serial numbers of revoked certificates"},
	{"DER", "the binary form of a certificate or CRL; PEM is the form in letters (-----BEGIN ...)"},
	{"extended key usage", "the part of a certificate that says whether it may serve as a server's, a client's, or both"},
	{"FIN", "the packet that closes a TCP stream in good order"},
	{"grpc-gateway", "the part of etcd that offers its API as JSON over HTTP; it is a client of its own etcd"},
	{"MTU", "the largest packet that a network path lets through"},
	{"rejected connection", "etcd's log line for a connection that failed. Up to 3.4 it reads `embed: rejected connection from ...` " +
		"(3.2.9 and older `etcdmain:`); in JSON it has the msg `rejected connection` up to 3.5.14, and from 3.5.15 on " +
		"`rejected connection on client endpoint` or `... on peer endpoint`"},
	{"RST", "the packet that tears a TCP connection down at once"},
	{"SAN", "subject alternative names: the names and IP addresses for which a certificate is valid"},
	{"ServerHello", "the server's answer to the ClientHello, in which it chooses version and encryption"},
	{"SNI", "the server name that the client sends in its ClientHello"},
	{"SYN", "the packet that opens a TCP connection; SYN-ACK is the answer"},
}

// wordsOf is those words that a cause's page uses.
func wordsOf(c analysis.Cause) []word {
	page := strings.Join(append([]string{c.Title, c.Meaning, c.Wire, c.Log}, append(c.Causes[:len(c.Causes):len(c.Causes)], c.Fixes...)...), "\n")
	var used []word
	for _, w := range words {
		if usesWord(page, w.term) {
			used = append(used, w)
		}
	}
	return used
}

// usesWord reports whether term stands in page as a word of its own, in the singular or the plural.
func usesWord(page, term string) bool {
	for {
		before, after, found := strings.Cut(page, term)
		if !found {
			return false
		}
		if !endsInLetter(before) && !beginsWithLetter(strings.TrimPrefix(after, "s")) {
			return true
		}
		page = after
	}
}

func endsInLetter(s string) bool { return s != "" && isLetter(s[len(s)-1]) }

func beginsWithLetter(s string) bool { return s != "" && isLetter(s[0]) }

func isLetter(b byte) bool { return 'a' <= b|0x20 && b|0x20 <= 'z' || b == '_' || b == '-' }
