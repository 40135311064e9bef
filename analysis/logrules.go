package analysis

import (
	"strconv"
	"strings"

	"github.com/etcdtap/etcdtap/analysis/etcdlog"
)

// textRule turns an error text into a finding. The first rule whose kinds and words fit wins; what else the text may mean
// follows in also. The wording of what a code means is the catalogue's.
type textRule struct {
	kinds      kindSet
	words      []string // all of them are in the error, in this order; "^…$" is the whole of it
	code       Code
	confidence Confidence
	fault      Fault                                        // FaultUnknown: the catalogue's
	also       []alternative                                // what the text may mean as well, likelier first
	note       string                                       // what this very text says beyond the catalogue, ends a sentence
	refine     func(f *Finding, e *etcdlog.Entry) []Finding // may change the finding and add others; nil for nothing
}

// alternative is a further cause that a text allows, with what would confirm it.
type alternative struct {
	code    Code
	confirm string // what to look at, or the command that decides
}

type kindSet uint8

func kinds(list ...etcdlog.Kind) kindSet {
	var s kindSet
	for _, k := range list {
		s |= 1 << k
	}
	return s
}

var (
	byServer = kinds(etcdlog.KindRejected, etcdlog.KindServerHandshake) // etcd speaks of a client
	byClient = kinds(etcdlog.KindClient, etcdlog.KindPeerDial)          // a client, or a member as one, speaks of etcd
)

// captureIt is the command that shows the bytes behind a line.
const captureIt = "capture it and let the bytes decide: `tcpdump -i any -s 0 -w etcd.pcap 'tcp port 2379 or tcp port 2380'`, then `etcdtap read etcd.pcap`"

// unusableKey is said where etcd's certificate was read, and its key is none that the handshake can use.
const unusableKey = "etcd's own certificate has a key of a kind or size that it cannot use in this handshake"

// serverTexts are what etcd says of those who come to it (crypto/tls and crypto/x509 of Go 1.9 to 1.26 write the texts;
// client/pkg/transport, listener_tls.go, some). More exact texts stand before those they contain.
var serverTexts = [...]textRule{
	{kinds: kinds(etcdlog.KindServerHandshake), words: []string{"first record does not look like a TLS handshake"}, code: CodeGRPCToPeerPort, confidence: Likely,
		note: "the TLS around it had succeeded: this is gRPC's server inside, which expects a second TLS",
		also: []alternative{{CodePlaintextToTLS, "when etcd runs with --listen-client-http-urls, this line is a gRPC client without TLS on the client port: `ps -o args= -C etcd | tr ' ' '\\n' | grep listen-client-http-urls`"}}},
	{kinds: kinds(etcdlog.KindRejected), words: []string{"first record does not look like a TLS handshake"}, code: CodePlaintextToTLS, confidence: Certain,
		note: "that it was no TLS is certain; what it was, only the packets know",
		also: []alternative{{CodeProxyProtocolToTLS, "when the address is a load balancer's, look for proxy-protocol in its configuration; " + captureIt}}},
	{kinds: byServer, words: []string{"oversized record received with length "}, code: CodeOversizedRecord, confidence: Certain, refine: refineOversized},
	{kinds: byServer, words: []string{"unsupported SSLv2 handshake"}, code: CodeSSLv2Hello, confidence: Certain},
	{kinds: byServer, words: []string{"handshake message of length ", "exceeds"}, code: CodeMalformedHandshake, confidence: Certain},
	{kinds: byServer, words: []string{"unexpected EOF"}, code: CodeHandshakeCut, confidence: Certain},
	{kinds: byServer, words: []string{"^EOF$"}, code: CodeConnectionWithoutData, confidence: Likely, refine: refineEOF},
	{kinds: byServer, words: []string{"connection reset by peer"}, code: CodeConnectionReset, confidence: Certain, refine: refineReset},
	{kinds: byServer, words: []string{"broken pipe"}, code: CodeConnectionReset, confidence: Certain, note: "etcd was still answering when the client was gone"},
	{kinds: byServer, words: []string{"i/o timeout"}, code: CodeHandshakeTimeout, confidence: Certain, refine: refineTimeout},
	{kinds: byServer, words: []string{"use of closed network connection"}, code: CodeServerShutdown, confidence: Certain},
	{kinds: byServer, words: []string{"offered only unsupported versions: "}, code: CodeVersionMismatch, confidence: Certain, refine: refineVersions},
	{kinds: byServer, words: []string{"maximum protocol version of "}, code: CodeVersionMismatch, confidence: Certain, fault: FaultClient},
	{kinds: byServer, words: []string{"no cipher suite supported by both"}, code: CodeCipherMismatch, confidence: Certain, refine: refineCiphers,
		also: []alternative{{CodeGroupMismatch, "in TLS 1.2 a client without a common curve gets the same text; the ClientHello shows it: " + captureIt}}},
	{kinds: byServer, words: []string{"no ECDHE curve"}, code: CodeGroupMismatch, confidence: Certain},
	{kinds: byServer, words: []string{"no key exchanges supported by both"}, code: CodeGroupMismatch, confidence: Certain},
	{kinds: byServer, words: []string{"no supported elliptic curves offered"}, code: CodeGroupMismatch, confidence: Certain},
	{kinds: byServer, words: []string{"certificate's signature algorithms"}, code: CodeSignatureAlgorithmMismatch, confidence: Certain},
	{kinds: byServer, words: []string{"certificate custom signature algorithms"}, code: CodeSignatureAlgorithmMismatch, confidence: Certain},
	{kinds: byServer, words: []string{"unsupported application protocols"}, code: CodeALPNMismatch, confidence: Certain},
	{kinds: byServer, words: []string{"client didn't provide a certificate"}, code: CodeClientCertMissing, confidence: Certain,
		note: "a Go client also withholds a certificate whose issuer is not among the CA names that etcd sends; the log cannot tell the two apart"},
	{kinds: byServer, words: []string{"certificate signed by unknown authority", "crypto/rsa: verification error"}, code: CodeCARegenerated, confidence: Likely},
	{kinds: byServer, words: []string{"certificate signed by unknown authority", "ECDSA verification failure"}, code: CodeCARegenerated, confidence: Likely},
	{kinds: byServer, words: []string{"certificate signed by unknown authority", "Ed25519 verification failure"}, code: CodeCARegenerated, confidence: Likely},
	{kinds: byServer, words: []string{"insecure algorithm"}, code: CodeClientCertChainInvalid, confidence: Certain},
	{kinds: byServer, words: []string{"parent certificate cannot sign"}, code: CodeClientCertChainInvalid, confidence: Certain},
	{kinds: byServer, words: []string{"not authorized to sign"}, code: CodeClientCertChainInvalid, confidence: Certain},
	{kinds: byServer, words: []string{"too many intermediates"}, code: CodeClientCertChainInvalid, confidence: Certain},
	{kinds: byServer, words: []string{"unhandled critical extension"}, code: CodeClientCertChainInvalid, confidence: Certain},
	{kinds: byServer, words: []string{"name constraint"}, code: CodeClientCertChainInvalid, confidence: Certain},
	{kinds: byServer, words: []string{"certificate signed by unknown authority"}, code: CodeClientCertUntrusted, confidence: Certain},
	{kinds: byServer, words: []string{"has expired or is not yet valid"}, code: CodeClientCertExpired, confidence: Certain, refine: refineExpired},
	{kinds: byServer, words: []string{"incompatible key usage"}, code: CodeClientCertKeyUsage, confidence: Certain},
	{kinds: byServer, words: []string{"remote error: tls: bad certificate"}, code: CodeServerCertRefused, confidence: Certain, note: "Go clients send this for a CA they do not know, a name that does not fit and an expired certificate alike"},
	{kinds: byServer, words: []string{"remote error: tls: unknown certificate authority"}, code: CodeServerCertRefused, confidence: Certain, refine: untrustedToo},
	{kinds: byServer, words: []string{"remote error: tls: unknown certificate"}, code: CodeServerCertRefused, confidence: Certain},
	{kinds: byServer, words: []string{"remote error: tls: expired certificate"}, code: CodeServerCertRefused, confidence: Certain, refine: serverExpiredToo},
	{kinds: byServer, words: []string{"remote error: tls: unsupported certificate"}, code: CodeServerCertRefused, confidence: Certain},
	{kinds: byServer, words: []string{"remote error: tls: revoked certificate"}, code: CodeServerCertRefused, confidence: Certain},
	{kinds: byServer, words: []string{"remote error: tls: error decrypting message"}, code: CodeServerCertRefused, confidence: Likely, refine: otherKeyToo},
	{kinds: byServer, words: []string{"remote error: tls: "}, code: CodeClientAlert, confidence: Certain},
	{kinds: byServer, words: []string{"local error: tls: bad record MAC"}, code: CodeRecordMACFailure, confidence: Likely,
		note: "from an OpenSSL client in TLS 1.3 this is its refusal of etcd's certificate, sent in clear",
		also: []alternative{{CodeServerCertRefused, "an OpenSSL client that distrusts etcd causes this line; the packets show its alert: " + captureIt}}},
	{kinds: byServer, words: []string{"received record with version "}, code: CodeRecordDesync, confidence: Certain, refine: refineDesync},
	{kinds: byServer, words: []string{"error decoding message"}, code: CodeMalformedHandshake, confidence: Likely, also: []alternative{{CodeMalformedClientHello, captureIt}}},
	{kinds: byServer, words: []string{"unexpected message"}, code: CodeMalformedHandshake, confidence: Likely, also: []alternative{{CodeMalformedClientHello, captureIt}}},
	{kinds: byServer, words: []string{"unexpected handshake message of type"}, code: CodeMalformedHandshake, confidence: Likely, also: []alternative{{CodeMalformedClientHello, captureIt}}},
	{kinds: byServer, words: []string{"client certificate authentication failed"}, code: CodeClientCertNotAllowed, confidence: Certain},
	{kinds: byServer, words: []string{"CommonName authentication failed"}, code: CodeClientCertNotAllowed, confidence: Certain},
	{kinds: byServer, words: []string{"certificate is valid for "}, code: CodePeerSANMismatch, confidence: Certain},
	{kinds: byServer, words: []string{"cannot validate certificate for "}, code: CodePeerSANMismatch, confidence: Certain},
	{kinds: byServer, words: []string{"certificate is not valid for any names"}, code: CodePeerSANMismatch, confidence: Certain},
	{kinds: byServer, words: []string{"does not match any of DNSNames"}, code: CodePeerSANMismatch, confidence: Certain},
	{kinds: byServer, words: []string{"certificate serial ", "revoked"}, code: CodeClientCertRevoked, confidence: Certain},
	{kinds: byServer, words: []string{"malformed crl"}, code: CodeCRLUnreadable, confidence: Certain, note: "3.6 and later read DER only: a PEM list that worked in 3.5 is refused, and with it every client"},
	{kinds: byServer, words: []string{"crl", "no such file"}, code: CodeCRLUnreadable, confidence: Certain},
	{kinds: byServer, words: []string{"open ", "no such file"}, code: CodeServerCertUnreadable, confidence: Certain, refine: refineUnreadable},
	{kinds: byServer, words: []string{"open ", "permission denied"}, code: CodeServerCertUnreadable, confidence: Certain, refine: refineUnreadable},
	{kinds: byServer, words: []string{"is a directory"}, code: CodeServerCertUnreadable, confidence: Certain, refine: refineUnreadable},
	{kinds: byServer, words: []string{"private key does not match public key"}, code: CodeServerCertUnreadable, confidence: Certain},
	{kinds: byServer, words: []string{"private key type does not match public key type"}, code: CodeServerCertUnreadable, confidence: Certain, note: "the key is of another kind, RSA or ECDSA, than the certificate's"},
	{kinds: byServer, words: []string{"tls: failed to find "}, code: CodeServerCertUnreadable, confidence: Certain, note: "the file is empty, half written, or holds something else"},
	{kinds: byServer, words: []string{"found a certificate rather than a key"}, code: CodeServerCertUnreadable, confidence: Certain},
	{kinds: byServer, words: []string{"failed to parse private key"}, code: CodeServerCertUnreadable, confidence: Certain},
	{kinds: byServer, words: []string{"tls: unsupported certificate"}, code: CodeServerCertUnreadable, confidence: Likely, note: unusableKey},
	{kinds: byServer, words: []string{"RSA key size too small"}, code: CodeServerCertUnreadable, confidence: Likely, note: unusableKey},
	{kinds: byServer, words: []string{"tls: failed to sign "}, code: CodeServerCertUnreadable, confidence: Likely, note: unusableKey},
	{kinds: byServer, words: []string{"tls: certificate private key "}, code: CodeServerCertUnreadable, confidence: Likely, note: unusableKey},
	{kinds: byServer, words: []string{"tls: found unknown private key type"}, code: CodeServerCertUnreadable, confidence: Likely, note: unusableKey},
	{kinds: byServer, words: []string{"tls: unknown public key algorithm"}, code: CodeServerCertUnreadable, confidence: Likely, note: unusableKey},
	{kinds: byServer, words: []string{"tls: no certificates configured"}, code: CodeServerCertUnreadable, confidence: Likely},
	{kinds: byServer, words: []string{"invalid signature by the client certificate"}, code: CodeClientCertInvalid, confidence: Certain},
	{kinds: byServer, words: []string{"failed to parse client"}, code: CodeClientCertInvalid, confidence: Certain},
	{kinds: byServer, words: []string{"RSA key larger than"}, code: CodeClientCertInvalid, confidence: Certain},
	{kinds: byServer, words: []string{"client certificate contains an unsupported public key"}, code: CodeClientCertInvalid, confidence: Certain},
	{kinds: byServer, words: []string{"no FIPS compatible certificate chains"}, code: CodeFIPSRefused, confidence: Certain},
	{kinds: byServer, words: []string{"unsupported by FIPS"}, code: CodeFIPSRefused, confidence: Likely},
	{kinds: byServer, words: []string{"Extended Master Secret"}, code: CodeFIPSRefused, confidence: Likely, note: "FIPS 140-3 mode takes TLS 1.2 with that extension only"},
	{kinds: byServer, words: []string{"certificate used with invalid signature algorithm"}, code: CodeClientCertInvalid, confidence: Likely},
	{kinds: byServer, words: []string{"inappropriate protocol fallback"}, code: CodeVersionMismatch, confidence: Likely, fault: FaultClient,
		note: "the client tried once more with a lower version than both speak: its first attempt failed for another reason, which is the one to look for"},
	{kinds: byServer, words: []string{"Finished message is incorrect"}, code: CodeRecordMACFailure, confidence: Likely, note: "the two sides did not see the same handshake: something between them changes it"},
	{kinds: byServer, words: []string{"invalid client finished hash"}, code: CodeRecordMACFailure, confidence: Likely, note: "the two sides did not see the same handshake: something between them changes it"},
	{kinds: byServer, words: []string{"client key share"}, code: CodeMalformedClientHello, confidence: Likely},
	{kinds: byServer, words: []string{"invalid key share"}, code: CodeMalformedClientHello, confidence: Likely},
	{kinds: byServer, words: []string{"second ClientHello"}, code: CodeMalformedClientHello, confidence: Likely, note: "it is the answer to etcd's HelloRetryRequest, and not as that asked"},
	{kinds: byServer, words: []string{"PSK binder"}, code: CodeMalformedClientHello, confidence: Likely, note: "the client wants to resume with a ticket that does not fit"},
	{kinds: byServer, words: []string{"early data"}, code: CodeMalformedClientHello, confidence: Likely, note: "etcd takes no 0-RTT data"},
	{kinds: byServer, words: []string{"renegotiation extension"}, code: CodeMalformedClientHello, confidence: Likely},
	{kinds: byServer, words: []string{"extended_master_secret but client does not"}, code: CodeMalformedClientHello, confidence: Likely, note: "the client wants to resume a session that had the extension"},
	{kinds: byServer, words: []string{"missing signature_algorithms"}, code: CodeMalformedClientHello, confidence: Likely},
	{kinds: byServer, words: []string{"early_data without pre_shared_key"}, code: CodeMalformedClientHello, confidence: Likely},
	{kinds: byServer, words: []string{"illegal compression methods"}, code: CodeMalformedClientHello, confidence: Likely},
	{kinds: byServer, words: []string{"does not support uncompressed connections"}, code: CodeMalformedClientHello, confidence: Likely},
	{kinds: byServer, words: []string{"incompatible point formats"}, code: CodeMalformedClientHello, confidence: Likely},
	{kinds: byServer, words: []string{"used the legacy version field to negotiate TLS 1.3"}, code: CodeMalformedClientHello, confidence: Likely},
	{kinds: byServer, words: []string{"quic_transport_parameters"}, code: CodeMalformedClientHello, confidence: Likely, note: "QUIC's extension has no place in TLS over TCP"},
	{kinds: byServer, words: []string{"encrypted_client_hello"}, code: CodeMalformedClientHello, confidence: Likely},
	{kinds: byServer, words: []string{"encrypted client hello"}, code: CodeMalformedClientHello, confidence: Likely},
	{kinds: byServer, words: []string{"too many ignored records"}, code: CodeMalformedHandshake, confidence: Likely},
	{kinds: byServer, words: []string{"too many non-advancing records"}, code: CodeMalformedHandshake, confidence: Likely},
	{kinds: byServer, words: []string{"invalid ClientKeyExchange message"}, code: CodeMalformedHandshake, confidence: Likely},
	{kinds: byServer, words: []string{"unexpected key update message"}, code: CodeMalformedHandshake, confidence: Likely},
	{kinds: byServer, words: []string{"handshake buffer not empty"}, code: CodeMalformedHandshake, confidence: Likely},
	{kinds: byServer, words: []string{"connection timed out"}, code: CodeConnectionReset, confidence: Likely, note: "the kernel gave the connection up: the client, or the way to it, was gone"},
	{kinds: byServer, words: []string{"no route to host"}, code: CodeConnectionReset, confidence: Likely, note: "the way to the client was gone"},
	{kinds: byServer, words: []string{"issuer name does not match"}, code: CodeClientCertChainInvalid, confidence: Certain},
	{kinds: byServer, words: []string{"asn1: "}, code: CodeClientCertRefused, confidence: Likely, refine: refineUnparsed},
	{kinds: byServer, words: []string{"x509: "}, code: CodeClientCertRefused, confidence: Likely, refine: refineUnparsed},
}

// clientTexts are what clients say of etcd: etcdctl, kube-apiserver, grpcurl, curl, and members of each other.
var clientTexts = [...]textRule{
	{kinds: byClient, words: []string{"frame header looked like an HTTP/1.1 header"}, code: CodeGRPCToPeerPort, confidence: Likely, note: "etcd 3.6 and later answer HTTP/1.1 to gRPC on the peer port"},
	{kinds: byClient, words: []string{"error reading server preface: remote error: tls: certificate required"}, code: CodeClientCertMissing, confidence: Certain},
	{kinds: byClient, words: []string{"certificate required"}, code: CodeClientCertMissing, confidence: Certain},
	{kinds: byClient, words: []string{"error reading server preface: EOF"}, code: CodeGRPCToPeerPort, confidence: Likely,
		note: "when TLS was used and the port is the peer port, etcd up to 3.5 does this",
		also: []alternative{{CodePlaintextToTLS, "when the client speaks without TLS (http://, -plaintext) to a TLS port: look at its endpoint's scheme"}, {CodeClientCertRefused, "when etcd refused the certificate after the handshake, as for one that is revoked: `grep 'rejected connection'` in etcd's log"}}},
	{kinds: byClient, words: []string{`malformed HTTP response "\x15\x03`}, code: CodePlaintextToTLS, confidence: Certain, note: "the answer to http:// was a TLS alert, as etcd built with Go 1.11 or older sends"},
	{kinds: byClient, words: []string{"Received HTTP/0.9"}, code: CodePlaintextToTLS, confidence: Likely, note: "the answer to http:// was no HTTP: a TLS alert, as etcd built with Go 1.11 or older sends"},
	{kinds: byClient, words: []string{"balancer error: ", "broken pipe"}, code: CodeClientCertRefused, confidence: Likely, note: "in TLS 1.3 the client's handshake is over by then, and the alert with the reason may be lost", also: []alternative{{CodeClientCertMissing, "etcd's log has the reason: `grep 'rejected connection'`"}}},
	{kinds: byClient, words: []string{"error reading server preface: remote error: tls: bad certificate"}, code: CodeClientCertRefused, confidence: Certain},
	{kinds: byClient, words: []string{"error reading server preface", "broken pipe"}, code: CodeClientCertRefused, confidence: Likely, also: []alternative{{CodeClientCertMissing, "etcd's log has the reason: `grep 'rejected connection'`"}}},
	{kinds: byClient, words: []string{"error reading server preface", "connection reset"}, code: CodePlaintextToTLS, confidence: Likely, also: []alternative{{CodeClientCertRefused, "etcd's log has the reason: `grep 'rejected connection'`"}}},
	{kinds: byClient, words: []string{"authentication handshake failed: EOF"}, code: CodeTLSToPlaintext, confidence: Likely},
	{kinds: byClient, words: []string{"first record does not look like a TLS handshake"}, code: CodeTLSToPlaintext, confidence: Certain},
	{kinds: byClient, words: []string{"wrong version number"}, code: CodeTLSToPlaintext, confidence: Certain},
	{kinds: byClient, words: []string{"server gave HTTP response to HTTPS client"}, code: CodeTLSToPlaintext, confidence: Certain},
	{kinds: byClient, words: []string{"remote error: tls: unknown certificate authority"}, code: CodeClientCertUntrusted, confidence: Certain},
	{kinds: byClient, words: []string{"remote error: tls: expired certificate"}, code: CodeClientCertExpired, confidence: Certain},
	{kinds: byClient, words: []string{"remote error: tls: bad certificate"}, code: CodeClientCertRefused, confidence: Certain},
	{kinds: byClient, words: []string{"remote error: tls: unsupported certificate"}, code: CodeClientCertKeyUsage, confidence: Likely},
	{kinds: byClient, words: []string{"remote error: tls: protocol version not supported"}, code: CodeVersionMismatch, confidence: Certain},
	{kinds: byClient, words: []string{"remote error: tls: handshake failure"}, code: CodeClientCertMissing, confidence: Possible, also: []alternative{{CodeCipherMismatch, "etcd's log has the reason: `grep 'rejected connection'`"}}},
	{kinds: byClient, words: []string{"remote error: tls: no application protocol"}, code: CodeALPNMismatch, confidence: Certain},
	{kinds: byClient, words: []string{"remote error: tls: internal error"}, code: CodeServerCertUnreadable, confidence: Likely},
	{kinds: byClient, words: []string{"remote error: tls: "}, code: CodeServerAlert, confidence: Certain},
	{kinds: byClient, words: []string{"alert bad certificate"}, code: CodeClientCertRefused, confidence: Certain},
	{kinds: byClient, words: []string{"alert unknown ca"}, code: CodeClientCertUntrusted, confidence: Certain},
	{kinds: byClient, words: []string{"alert certificate expired"}, code: CodeClientCertExpired, confidence: Certain},
	{kinds: byClient, words: []string{"alert handshake failure"}, code: CodeClientCertMissing, confidence: Possible, also: []alternative{{CodeCipherMismatch, "etcd's log has the reason: `grep 'rejected connection'`"}}},
	{kinds: byClient, words: []string{"alert protocol version"}, code: CodeVersionMismatch, confidence: Certain},
	{kinds: byClient, words: []string{"alert no application protocol"}, code: CodeALPNMismatch, confidence: Certain},
	{kinds: byClient, words: []string{"alert internal error"}, code: CodeServerCertUnreadable, confidence: Likely},
	{kinds: byClient, words: []string{"SSL alert number"}, code: CodeServerAlert, confidence: Certain},
	{kinds: byClient, words: []string{"certificate is valid for "}, code: CodeServerNameMismatch, confidence: Certain},
	{kinds: byClient, words: []string{"cannot validate certificate for "}, code: CodeServerNameMismatch, confidence: Certain},
	{kinds: byClient, words: []string{"no alternative certificate subject name matches"}, code: CodeServerNameMismatch, confidence: Certain},
	{kinds: byClient, words: []string{"certificate is not valid for any names"}, code: CodeServerNameMismatch, confidence: Certain},
	{kinds: byClient, words: []string{"relies on legacy Common Name"}, code: CodeServerNameMismatch, confidence: Certain},
	{kinds: byClient, words: []string{"does not match target host name"}, code: CodeServerNameMismatch, confidence: Certain},
	{kinds: byClient, words: []string{"ostname mismatch"}, code: CodeServerNameMismatch, confidence: Certain},
	{kinds: byClient, words: []string{"IP address mismatch"}, code: CodeServerNameMismatch, confidence: Certain},
	{kinds: byClient, words: []string{"incompatible key usage"}, code: CodeServerCertKeyUsage, confidence: Certain},
	{kinds: byClient, words: []string{"has expired or is not yet valid"}, code: CodeServerCertExpired, confidence: Certain, fault: FaultServer, refine: refineExpired},
	{kinds: byClient, words: []string{"certificate has expired"}, code: CodeServerCertExpired, confidence: Certain},
	{kinds: byClient, words: []string{"certificate signed by unknown authority"}, code: CodeServerCertRefused, confidence: Certain, refine: untrustedToo},
	{kinds: byClient, words: []string{"unable to get local issuer certificate"}, code: CodeServerCertRefused, confidence: Certain, refine: untrustedToo},
	{kinds: byClient, words: []string{"unable to verify the first certificate"}, code: CodeServerCertRefused, confidence: Certain, refine: untrustedToo},
	{kinds: byClient, words: []string{"self-signed certificate"}, code: CodeServerCertRefused, confidence: Certain, refine: untrustedToo},
	{kinds: byClient, words: []string{"self signed certificate"}, code: CodeServerCertRefused, confidence: Certain, refine: untrustedToo},
	{kinds: byClient, words: []string{"failed to verify certificate"}, code: CodeServerCertRefused, confidence: Certain},
	{kinds: byClient, words: []string{"x509: "}, code: CodeServerCertRefused, confidence: Certain},
	{kinds: byClient, words: []string{"SSL certificate problem"}, code: CodeServerCertRefused, confidence: Certain},
	{kinds: byClient, words: []string{"SSL certificate verification failed"}, code: CodeClientCertExpired, confidence: Likely,
		note: "curl says this, without a reason, when the server sent the alert certificate_expired about curl's own certificate; of the server's it would say SSL certificate problem"},
	{kinds: byClient, words: []string{"Couldn't connect to server"}, code: CodeRefused, confidence: Likely, also: []alternative{{CodeUnanswered, "curl says both in these words: `nc -vz HOST 2379`"}}},
	{kinds: byClient, words: []string{"Empty reply from server"}, code: CodePlaintextToTLS, confidence: Likely, note: "curl says this when it spoke http:// to a TLS port", also: []alternative{{CodeGRPCToPeerPort, "when the URL was https:// and the port is the peer port: `curl --http1.1` works there"}}},
	{kinds: byClient, words: []string{"SSL_ERROR_SYSCALL"}, code: CodeTLSToPlaintext, confidence: Likely, also: []alternative{{CodeConnectionReset, captureIt}}},
	{kinds: byClient, words: []string{"onnection refused"}, code: CodeRefused, confidence: Certain},
	{kinds: byClient, words: []string{"o route to host"}, code: CodeUnanswered, confidence: Certain},
	{kinds: byClient, words: []string{"dial", "i/o timeout"}, code: CodeUnanswered, confidence: Likely},
	{kinds: byClient, words: []string{"onnection timed out"}, code: CodeUnanswered, confidence: Likely},
	{kinds: byClient, words: []string{"i/o timeout"}, code: CodeNoReply, confidence: Likely},
	{kinds: byClient, words: []string{"TLS handshake timeout"}, code: CodeNoReply, confidence: Likely},
	{kinds: byClient, words: []string{"onnection reset by peer"}, code: CodeConnectionReset, confidence: Likely, also: []alternative{{CodePlaintextToTLS, "when the client speaks http:// to a TLS port, etcd may reset: look at the URL"}}},
	{kinds: byClient, words: []string{"broken pipe"}, code: CodeConnectionReset, confidence: Likely, note: "the server was gone when the client wrote",
		also: []alternative{{CodeClientCertRefused, "in TLS 1.3 a server that refuses the certificate hangs up like this; etcd's log has the reason: `grep 'rejected connection'`"}}},
	{kinds: byClient, words: []string{"http2: frame too large"}, code: CodeGRPCToPeerPort, confidence: Likely, note: "what came was no HTTP/2: HTTP/1.1, as the peer port of etcd 3.6 and later answers",
		also: []alternative{{CodePlaintextToTLS, "when the client speaks without TLS to a TLS port: look at its endpoint's scheme"}}},
	{kinds: byClient, words: []string{"not closed cleanly before end of the underlying stream"}, code: CodeGRPCToPeerPort, confidence: Possible, note: "the server closed without an answer to HTTP/2",
		also: []alternative{{CodePlaintextToTLS, "when the URL begins with http://"}}},
	{kinds: byClient, words: []string{"ransport endpoint is not connected"}, code: CodeClientCertRefused, confidence: Possible, note: "the server closed right after the handshake, as it does in TLS 1.3 when it refuses the client's certificate or there is none",
		also: []alternative{{CodeClientCertMissing, "etcd's log has the reason: `grep 'rejected connection'`"}}},
	{kinds: byClient, words: []string{"context canceled"}, code: CodeServerShutdown, confidence: Likely, note: "this side gave up by itself, as a member does that stops or whose peer is removed"},
	{kinds: byClient, words: []string{"context deadline exceeded"}, code: CodeNoReply, confidence: Possible, note: "this line names no cause: the lines before it, or etcd's log, may; etcdctl says it of every failure that it retries until its time is up",
		also: []alternative{{CodePlaintextToTLS, "when its endpoint begins with http://, or has no scheme and no --cacert was given"}, {CodeClientCertRefused, "etcd's log has the reason: `grep 'rejected connection'`"}}},
	{kinds: kinds(etcdlog.KindPeerDial), words: []string{"EOF"}, code: CodePeerSANMismatch, confidence: Possible, refine: refinePeerEOF, note: "the other member closed without a word; its own log says why",
		also: []alternative{{CodePlaintextToTLS, "when this member dials http:// and the other expects TLS: `etcdctl member list -w table` shows the peer URLs"}}},
	{kinds: kinds(etcdlog.KindClient), words: []string{"EOF"}, code: CodeGRPCToPeerPort, confidence: Possible,
		also: []alternative{{CodePlaintextToTLS, "when the client speaks without TLS to a TLS port: look at its endpoint's scheme"}, {CodeTLSToPlaintext, "when it speaks https:// to an etcd without TLS"}}},
}

// fits reports whether all the rule's words are in the text, in order.
func (r *textRule) fits(text string) bool {
	rest := text
	for _, w := range r.words {
		if exact, ok := strings.CutPrefix(w, "^"); ok {
			return strings.TrimSuffix(exact, "$") == text
		}
		i := strings.Index(rest, w)
		if i < 0 {
			return false
		}
		rest = rest[i+len(w):]
	}
	return true
}

// next is the rule without its first cause: the likeliest of the others takes its place.
func (r *textRule) next() *textRule {
	n := *r
	n.code, n.also, n.note, n.fault, n.refine = r.also[0].code, r.also[1:], "", FaultUnknown, nil
	return &n
}

// minBegun is how many bytes of a rule's words the end of a cut text has to have: fewer are in many texts.
const minBegun = 12

// begun finds the rule for what etcd says of a client in a text that was cut in the middle of its words; nil when they may become those of
// several causes.
func begun(e *LogEntry) *textRule {
	text := strings.TrimRight(e.Error, ">.…") // what pagers show for the rest
	var found *textRule
	for i := range serverTexts {
		r := &serverTexts[i]
		if r.kinds&(1<<e.Kind) == 0 || !r.begins(text) {
			continue
		}
		if found != nil && found.code != r.code {
			return nil
		}
		found = r
	}
	return found
}

// within finds the rule for a rejection in a form that is not known, by the words of an error anywhere in it, and what of the line is that
// error; nil when there are none.
func within(line string) (*textRule, string) {
	kind := etcdlog.KindServerHandshake
	if strings.Contains(line, "rejected connection") {
		kind = etcdlog.KindRejected
	}
	for i := range serverTexts {
		r := &serverTexts[i]
		if w := r.words[0]; r.kinds&(1<<kind) != 0 && len(w) >= minBegun {
			if at := strings.Index(line, w); at >= 0 && r.fits(line[at:]) {
				err, _, _ := strings.Cut(line[at:], `"`)
				return r, strings.TrimRight(err, `\`)
			}
		}
	}
	return nil, ""
}

// begins reports whether the text ends within the rule's first words.
func (r *textRule) begins(text string) bool {
	w := r.words[0]
	for n := min(len(w), len(text)); n >= minBegun; n-- {
		if strings.HasSuffix(text, w[:n]) {
			return true
		}
	}
	return false
}

// between returns what stands in s between after and before, "" when they are not there.
func between(s, after, before string) string {
	_, s, ok := strings.Cut(s, after)
	if !ok {
		return ""
	}
	if before != "" {
		s, _, _ = strings.Cut(s, before)
	}
	return s
}

// number reads the decimal digits that s begins with; -1 when there are none or too many.
func number(s string) int {
	n := 0
	for n < len(s) && s[n] >= '0' && s[n] <= '9' {
		n++
	}
	v, err := strconv.Atoi(s[:n])
	if err != nil {
		return -1
	}
	return v
}
