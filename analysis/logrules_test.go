package analysis

import (
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/etcdtap/etcdtap/analysis/etcdlog"
	"github.com/google/go-cmp/cmp"
)

// textRow is a line and the judgement on it.
type textRow struct {
	line       string
	code       Code
	confidence Confidence
	fault      Fault
	says       string // phrases of the meaning, with | between
	also       []Code // the other findings, in order
}

// The forms of real lines around an error text.

// zapLine is of etcd 3.5.0 to 3.5.14; etcd 3.5.15 and later name the endpoint.
func zapLine(err string) string { return zapLineOf("rejected connection", "", err) }

func zapPeerLine(err string) string {
	return zapLineOf("rejected connection on peer endpoint", "", err)
}

// zapNamedLine has the fields that show that the certificate had verified.
func zapNamedLine(err string) string {
	return zapLineOf("rejected connection on peer endpoint", `"ip-addresses":["10.9.9.9"],"dns-names":[],`, err)
}

func zapLineOf(message, fields, err string) string {
	return `{"level":"warn","ts":"2026-11-23T07:43:09.129123Z","caller":"embed/config_logging.go:169","msg":"` + message +
		`","remote-addr":"10.0.0.42:49824","server-name":"",` + fields + `"error":` + strconv.Quote(err) + `}`
}

func zapNameLine(err, serverName string) string {
	return strings.Replace(zapLine(err), `"server-name":""`, `"server-name":"`+serverName+`"`, 1)
}

// capnsLine is of etcd 3.2.11 to 3.4.
func capnsLine(err string) string {
	return `2026-11-23 07:38:18.155012 I | embed: rejected connection from "10.0.0.42:49824" (error ` + strconv.Quote(err) + `, ServerName "")`
}

// grpcOldLine is of grpc up to 1.40, grpcLine of 1.41 to 1.48.
func grpcOldLine(err string) string {
	return `WARNING: 2026/11/23 07:45:23 grpc: Server.Serve failed to complete security handshake from "10.0.0.42:49824": ` + err
}

func grpcLine(err string) string {
	return `WARNING: 2026/11/23 07:45:23 [core] grpc: Server.Serve failed to create ServerTransport:  connection error: desc = ` +
		strconv.Quote(`ServerHandshake("10.0.0.42:49824") failed: `+err)
}

// etcdctlLine is of etcdctl 3.5.
func etcdctlLine(err string) string {
	return `{"level":"warn","ts":"2026-11-23T07:43:09.129123Z","logger":"etcd-client","caller":"v3@v3.5.15/retry_interceptor.go:63","msg":"retrying of unary invoker failed","target":"etcd-endpoints://0xc0000f6000/10.0.0.8:2379","attempt":0,"error":` +
		strconv.Quote(`rpc error: code = DeadlineExceeded desc = latest balancer error: last connection error: connection error: desc = `+strconv.Quote(`transport: `+err)) + `}`
}

// dialLine is of grpc's client inside kube-apiserver.
func dialLine(err string) string {
	return `W1123 07:38:18.155012       1 logging.go:59] [core] [Channel #1 SubChannel #2] grpc: addrConn.createTransport failed to connect to {Addr: "10.0.0.8:2380", ServerName: "10.0.0.8", }. Err: connection error: desc = ` +
		strconv.Quote(err)
}

func proberLine(err string) string {
	return `{"level":"warn","ts":"2026-11-23T07:43:09.129Z","caller":"rafthttp/probing_status.go:68","msg":"prober detected unhealthy status","round-tripper-name":"ROUND_TRIPPER_RAFT_MESSAGE","remote-peer-id":"8211f1d0f64f3269","rtt":"0s","error":` + strconv.Quote(err) + `}`
}

const (
	verify120 = "tls: failed to verify certificate: "        // Go 1.20 and later, a client's words
	server120 = "tls: failed to verify certificate: "        // and a server's
	server114 = "tls: failed to verify client certificate: " // Go 1.14 to 1.19
	server113 = "tls: failed to verify client's certificate: "
	noRecord  = "tls: first record does not look like a TLS handshake"
	unknownCA = "x509: certificate signed by unknown authority"
)

// serverRows are what etcd says, by the order of the table in which the project was specified.
var serverRows = [...]textRow{
	{zapLine(noRecord), CodePlaintextToTLS, Certain, FaultClient, "only the packets know", []Code{CodeProxyProtocolToTLS}},
	{capnsLine(noRecord), CodePlaintextToTLS, Certain, FaultClient, "", []Code{CodeProxyProtocolToTLS}},
	{zapPeerLine(noRecord), CodePlaintextToTLS, Certain, FaultClient, "http://", []Code{CodeProxyProtocolToTLS}},
	{grpcLine(noRecord), CodeGRPCToPeerPort, Likely, FaultClient, "a second TLS", []Code{CodePlaintextToTLS}},
	{grpcOldLine(noRecord), CodeGRPCToPeerPort, Likely, FaultClient, "a second TLS", []Code{CodePlaintextToTLS}},
	{zapLine("tls: oversized record received with length 21536"), CodePlaintextToTLS, Certain, FaultClient, `21536|"T "|POST`, nil},
	{zapLine("tls: oversized record received with length 20527"), CodePlaintextToTLS, Certain, FaultClient, `"P/"|HTTP answer`, nil},
	{zapLine("tls: oversized record received with length 22617"), CodeProxyProtocolToTLS, Likely, FaultClient, `"XY"|PROXY`, nil},
	{zapLine("tls: oversized record received with length 20256"), CodePlaintextToTLS, Certain, FaultClient, `"O "|SMTP`, nil},
	{zapLine("tls: oversized record received with length 20037"), CodePlaintextToTLS, Certain, FaultClient, `"NE"|CONNECT`, nil},
	{zapLine("tls: oversized record received with length 18767"), CodePlaintextToTLS, Certain, FaultClient, `"IO"|OPTIONS`, nil},
	{zapLine("tls: oversized record received with length 30840"), CodePlaintextToTLS, Likely, FaultClient, `"xx"`, nil},
	{zapLine("tls: oversized record received with length 65535"), CodeOversizedRecord, Certain, FaultClient, "", nil},
	{zapLine("tls: oversized record received with length 18433"), CodeOversizedRecord, Certain, FaultClient, "", nil},
	{zapLine("tls: unsupported SSLv2 handshake received"), CodeSSLv2Hello, Certain, FaultClient, "", nil},
	{zapLine("tls: handshake message of length 4276545 bytes exceeds maximum of 65536 bytes"), CodeMalformedHandshake, Certain, FaultClient, "", nil},
	{zapLine("EOF"), CodeConnectionWithoutData, Likely, FaultNone, "", []Code{CodeHandshakeAbandoned}},
	{zapNameLine("EOF", "etcd-1"), CodeHandshakeAbandoned, Likely, FaultClient, "etcd-1", nil},
	{capnsLine("EOF"), CodeConnectionWithoutData, Likely, FaultNone, "", []Code{CodeHandshakeAbandoned}},
	{zapLine("unexpected EOF"), CodeHandshakeCut, Certain, FaultClient, "", nil},
	{zapLine("read tcp 10.0.0.8:2379->10.0.0.42:49824: read: connection reset by peer"), CodeConnectionReset, Certain, FaultUnknown, "", nil},
	{zapNameLine("read tcp 10.0.0.8:2379->10.0.0.42:49824: read: connection reset by peer", "etcd-1"), CodeConnectionReset, Certain, FaultUnknown, "etcd-1", nil},
	{zapLine("write tcp 10.0.0.8:2379->10.0.0.42:49824: write: connection reset by peer"), CodeConnectionReset, Certain, FaultUnknown, "while etcd was answering", nil},
	{zapLine("write tcp 10.0.0.8:2379->10.0.0.42:49824: write: broken pipe"), CodeConnectionReset, Certain, FaultUnknown, "still answering", nil},
	{zapLine("read tcp 10.0.0.8:2380->10.0.0.42:49824: i/o timeout"), CodeHandshakeTimeout, Certain, FaultUnknown, "", nil},
	{zapNameLine("read tcp 10.0.0.8:2380->10.0.0.42:49824: i/o timeout", "etcd-1"), CodeHandshakeTimeout, Certain, FaultUnknown, "MTU", nil},
	{zapLine("read tcp 10.0.0.8:2380->10.0.0.42:49824: use of closed network connection"), CodeServerShutdown, Certain, FaultNone, "", nil},
	{zapLine("tls: client offered only unsupported versions: [302 301]"), CodeVersionMismatch, Certain, FaultClient, "too old", nil},
	{zapLine("tls: client offered only unsupported versions: [300]"), CodeVersionMismatch, Certain, FaultClient, "too old", nil},
	{zapLine("tls: client offered only unsupported versions: []"), CodeVersionMismatch, Certain, FaultClient, "none that is known", nil},
	{zapLine("tls: client offered only unsupported versions: [304]"), CodeVersionMismatch, Certain, FaultServer, "TLS 1.3 only|3.5.0 to 3.5.7", nil},
	{zapLine("tls: client offered only unsupported versions: [303 302 301]"), CodeVersionMismatch, Certain, FaultServer, "tls-min-version", nil},
	{capnsLine("tls: client offered an unsupported, maximum protocol version of 301"), CodeVersionMismatch, Certain, FaultClient, "", nil},
	{zapLine("tls: no cipher suite supported by both client and server"), CodeCipherMismatch, Certain, FaultUnknown, "", []Code{CodeGroupMismatch}},
	{zapLine("tls: no cipher suite supported by both client and server; client offered: [9f 39]"), CodeCipherMismatch, Certain, FaultUnknown, "TLS_DHE_RSA_WITH_AES_256_GCM_SHA384, TLS_DHE_RSA_WITH_AES_256_CBC_SHA", []Code{CodeGroupMismatch}},
	{zapLine("tls: no ECDHE curve supported by both client and server"), CodeGroupMismatch, Certain, FaultUnknown, "", nil},
	{zapLine("tls: no key exchanges supported by both client and server"), CodeGroupMismatch, Certain, FaultUnknown, "", nil},
	{zapLine("tls: peer doesn't support any of the certificate's signature algorithms"), CodeSignatureAlgorithmMismatch, Certain, FaultUnknown, "", nil},
	{zapLine("tls: client requested unsupported application protocols ([foo])"), CodeALPNMismatch, Certain, FaultClient, "", nil},
	{zapLine("tls: client didn't provide a certificate"), CodeClientCertMissing, Certain, FaultClient, "withholds", nil},
	{zapLine(server120 + unknownCA), CodeClientCertUntrusted, Certain, FaultClient, "", nil},
	{zapLine(server114 + unknownCA), CodeClientCertUntrusted, Certain, FaultClient, "", nil},
	{capnsLine(server113 + unknownCA), CodeClientCertUntrusted, Certain, FaultClient, "", nil},
	{zapLine(server120 + unknownCA + ` (possibly because of "crypto/rsa: verification error" while trying to verify candidate authority certificate "etcd-ca")`), CodeCARegenerated, Likely, FaultUnknown, "", nil},
	{zapLine(server120 + unknownCA + ` (possibly because of "x509: Ed25519 verification failure" while trying to verify candidate authority certificate "etcd-ca")`), CodeCARegenerated, Likely, FaultUnknown, "", nil},
	{capnsLine(server113 + unknownCA + ` (possibly because of "x509: ECDSA verification failure" while trying to verify candidate authority certificate "etcd-ca")`), CodeCARegenerated, Likely, FaultUnknown, "", nil},
	{zapLine(server120 + unknownCA + ` (possibly because of "x509: cannot verify signature: insecure algorithm SHA1-RSA" while trying to verify candidate authority certificate "etcd-ca")`), CodeClientCertChainInvalid, Certain, FaultClient, "", nil},
	{zapLine(server120 + unknownCA + ` (possibly because of "x509: invalid signature: parent certificate cannot sign this kind of certificate" while trying to verify candidate authority certificate "etcd-ca")`), CodeClientCertChainInvalid, Certain, FaultClient, "", nil},
	{zapLine(server120 + "x509: a root or intermediate certificate is not authorized to sign for this name: DNS name \"a\" is not permitted by any constraint"), CodeClientCertChainInvalid, Certain, FaultClient, "", nil},
	{zapLine(server120 + "x509: certificate is not authorized to sign other certificates"), CodeClientCertChainInvalid, Certain, FaultClient, "", nil},
	{zapLine(server120 + "x509: too many intermediates for path length constraint"), CodeClientCertChainInvalid, Certain, FaultClient, "", nil},
	{zapLine(server120 + "x509: unhandled critical extension"), CodeClientCertChainInvalid, Certain, FaultClient, "", nil},
	{zapLine(server120 + "x509: issuer has name constraints but leaf doesn't have a SAN extension"), CodeClientCertChainInvalid, Certain, FaultClient, "", nil},
	{zapLine(server120 + "x509: issuer name does not match subject from issuing certificate"), CodeClientCertChainInvalid, Certain, FaultClient, "", nil},
	{zapLine(server120 + "x509: something new"), CodeClientCertRefused, Likely, FaultClient, "not known here", nil},
	{zapLine(server120 + "x509: certificate has expired or is not yet valid: current time 2026-11-23T07:43:09Z is after 2026-11-22T07:43:09Z"), CodeClientCertExpired, Certain, FaultClient, "it expired at 2026-11-22T07:43:09Z", nil},
	{zapLine(server114 + "x509: certificate has expired or is not yet valid: current time 2026-11-23T07:43:09Z is before 2026-11-24T07:43:09Z"), CodeClientCertExpired, Certain, FaultUnknown, "only from 2026-11-24T07:43:09Z|clock", nil},
	{capnsLine(server113 + "x509: certificate has expired or is not yet valid"), CodeClientCertExpired, Certain, FaultClient, "", nil},
	{zapLine(server120 + "x509: certificate specifies an incompatible key usage"), CodeClientCertKeyUsage, Certain, FaultClient, "", nil},
	{strings.ReplaceAll(zapLine(server120+"x509: certificate specifies an incompatible key usage"), "10.0.0.42", "127.0.0.1"), CodeClientCertKeyUsage, Certain, FaultClient, "gateway|--enable-grpc-gateway=false", nil},
	{zapLine("remote error: tls: bad certificate"), CodeServerCertRefused, Certain, FaultUnknown, "alike", nil},
	{zapLine("remote error: tls: unknown certificate authority"), CodeServerCertRefused, Certain, FaultUnknown, "", []Code{CodeServerCertUntrusted}},
	{zapLine("remote error: tls: unknown certificate"), CodeServerCertRefused, Certain, FaultUnknown, "", nil},
	{zapLine("remote error: tls: expired certificate"), CodeServerCertRefused, Certain, FaultUnknown, "", []Code{CodeServerCertExpired}},
	{zapLine("remote error: tls: unsupported certificate"), CodeServerCertRefused, Certain, FaultUnknown, "", nil},
	{zapLine("remote error: tls: revoked certificate"), CodeServerCertRefused, Certain, FaultUnknown, "", nil},
	{zapLine("remote error: tls: error decrypting message"), CodeServerCertRefused, Likely, FaultUnknown, "another key", []Code{CodeServerCertUntrusted}},
	{zapLine("remote error: tls: internal error"), CodeClientAlert, Certain, FaultUnknown, "", nil},
	{zapLine("remote error: tls: user canceled"), CodeClientAlert, Certain, FaultUnknown, "", nil},
	{zapLine("local error: tls: bad record MAC"), CodeRecordMACFailure, Likely, FaultUnknown, "OpenSSL", []Code{CodeServerCertRefused}},
	{zapLine("tls: received record with version 4554 when expecting version 303"), CodeRecordDesync, Certain, FaultClient, `"ET"`, nil},
	{zapLine("tls: received record with version 301 when expecting version 303"), CodeRecordDesync, Certain, FaultClient, "second ClientHello", nil},
	{zapLine("tls: error decoding message"), CodeMalformedHandshake, Likely, FaultClient, "", []Code{CodeMalformedClientHello}},
	{zapLine("local error: tls: unexpected message"), CodeMalformedHandshake, Likely, FaultClient, "", []Code{CodeMalformedClientHello}},
	{zapLine("tls: received unexpected handshake message of type *tls.serverHelloMsg when waiting for *tls.clientHelloMsg"), CodeMalformedHandshake, Likely, FaultClient, "", []Code{CodeMalformedClientHello}},
	{zapLine("tls: client certificate authentication failed"), CodeClientCertNotAllowed, Certain, FaultClient, "", nil},
	{capnsLine("remote error: CommonName authentication failed"), CodeClientCertNotAllowed, Certain, FaultClient, "", nil},
	{zapNamedLine("x509: certificate is valid for 10.9.9.9, not 10.0.0.42"), CodePeerSANMismatch, Certain, FaultClient, "its CA, dates and key usage were right", nil},
	{zapNamedLine(`tls: "10.0.0.42" does not match any of DNSNames ["cp-2"] (lookup cp-2: no such host)`), CodePeerSANMismatch, Certain, FaultClient, "were right", nil},
	{zapNamedLine("x509: cannot validate certificate for 10.0.0.42 because it doesn't contain any IP SANs"), CodePeerSANMismatch, Certain, FaultClient, "", nil},
	{zapNamedLine("certificate serial 3f2a revoked"), CodeClientCertRevoked, Certain, FaultClient, "", nil},
	{zapNamedLine("x509: malformed crl"), CodeCRLUnreadable, Certain, FaultServer, "DER only", nil},
	{zapNamedLine("open /etc/etcd/crl.pem: no such file or directory"), CodeCRLUnreadable, Certain, FaultServer, "", nil},
	{zapNamedLine("open /etc/etcd/revoked.der: no such file or directory"), CodeCRLUnreadable, Certain, FaultServer, "", nil},
	{zapNamedLine("open /etc/etcd/revoked.der: permission denied"), CodeCRLUnreadable, Certain, FaultServer, "", nil},
	{zapLine("open /etc/etcd/server.crt: no such file or directory"), CodeServerCertUnreadable, Certain, FaultServer, "", nil},
	{zapLine("open /etc/etcd/server.key: permission denied"), CodeServerCertUnreadable, Certain, FaultServer, "", nil},
	{zapLine("tls: private key does not match public key"), CodeServerCertUnreadable, Certain, FaultServer, "", nil},
	{zapLine("tls: private key type does not match public key type"), CodeServerCertUnreadable, Certain, FaultServer, "of another kind", nil},
	{zapLine("tls: failed to find any PEM data in certificate input"), CodeServerCertUnreadable, Certain, FaultServer, "half written", nil},
	{zapLine("tls: failed to find any PEM data in key input"), CodeServerCertUnreadable, Certain, FaultServer, "half written", nil},
	{zapLine("tls: failed to find certificate PEM data in certificate input, but did find a private key; PEM inputs may have been switched"), CodeServerCertUnreadable, Certain, FaultServer, "something else", nil},
	{zapLine("tls: found a certificate rather than a key in the PEM for the private key"), CodeServerCertUnreadable, Certain, FaultServer, "", nil},
	{zapLine("tls: failed to parse private key"), CodeServerCertUnreadable, Certain, FaultServer, "", nil},
	{zapLine("read /etc/etcd/server.crt: is a directory"), CodeServerCertUnreadable, Certain, FaultServer, "", nil},
	{zapNamedLine("read /etc/etcd/crl: is a directory"), CodeCRLUnreadable, Certain, FaultServer, "", nil},
	{zapLine("x509: malformed certificate"), CodeServerCertUnreadable, Likely, FaultServer, "nothing of the client's", nil},
	{zapNamedLine("x509: unsupported crl version"), CodeCRLUnreadable, Likely, FaultServer, "", nil},
	{zapNamedLine("asn1: structure error: tags don't match (16 vs {class:1 tag:8 length:101 isCompound:true}) CertificateList @2"), CodeCRLUnreadable, Certain, FaultServer, "", nil},
	{zapLine("asn1: structure error: length too large"), CodeServerCertUnreadable, Likely, FaultServer, "", nil},
	{zapLine("tls: failed to parse client certificate: asn1: structure error: length too large"), CodeClientCertInvalid, Certain, FaultClient, "", nil},
	{zapLine("tls: invalid signature by the client certificate: crypto/rsa: verification error"), CodeClientCertInvalid, Certain, FaultClient, "", nil},
	{zapLine("tls: failed to parse client certificate: x509: malformed certificate"), CodeClientCertInvalid, Certain, FaultClient, "", nil},
	{zapLine("tls: client sent certificate containing RSA key larger than 8192 bits"), CodeClientCertInvalid, Certain, FaultClient, "", nil},
	{zapLine(server120 + "x509: no FIPS compatible certificate chains found"), CodeFIPSRefused, Certain, FaultUnknown, "", nil},
	{zapLine("tls: certificate used with unsupported by FIPS key"), CodeFIPSRefused, Likely, FaultUnknown, "", nil},
	{zapLine("tls: FIPS 140-3 requires the use of Extended Master Secret"), CodeFIPSRefused, Likely, FaultUnknown, "", nil},
	{zapLine("tls: client certificate used with invalid signature algorithm"), CodeClientCertInvalid, Likely, FaultClient, "", nil},
	{zapLine("tls: client using inappropriate protocol fallback"), CodeVersionMismatch, Likely, FaultClient, "first attempt", nil},
	{zapLine("tls: client's Finished message is incorrect"), CodeRecordMACFailure, Likely, FaultUnknown, "changes it", nil},
	{zapLine("tls: invalid client key share"), CodeMalformedClientHello, Likely, FaultClient, "", nil},
	{zapLine("tls: client sent invalid key share in second ClientHello"), CodeMalformedClientHello, Likely, FaultClient, "", nil},
	{zapLine("tls: client illegally modified second ClientHello"), CodeMalformedClientHello, Likely, FaultClient, "HelloRetryRequest", nil},
	{zapLine("tls: invalid PSK binder"), CodeMalformedClientHello, Likely, FaultClient, "ticket", nil},
	{zapLine("tls: client sent unexpected early data"), CodeMalformedClientHello, Likely, FaultClient, "0-RTT", nil},
	{zapLine("tls: initial handshake had non-empty renegotiation extension"), CodeMalformedClientHello, Likely, FaultClient, "", nil},
	{zapLine("tls: too many ignored records"), CodeMalformedHandshake, Likely, FaultClient, "", nil},
	{zapLine("tls: too many non-advancing records"), CodeMalformedHandshake, Likely, FaultClient, "", nil},
	{zapLine("tls: invalid ClientKeyExchange message"), CodeMalformedHandshake, Likely, FaultClient, "", nil},
	{zapLine("tls: received unexpected key update message"), CodeMalformedHandshake, Likely, FaultClient, "", nil},
	{zapLine("tls: handshake buffer not empty before setting read traffic secret"), CodeMalformedHandshake, Likely, FaultClient, "", nil},
	{zapLine("tls: missing signature_algorithms from TLS 1.2 peer"), CodeMalformedClientHello, Likely, FaultClient, "", nil},
	{zapLine("tls: early_data without pre_shared_key"), CodeMalformedClientHello, Likely, FaultClient, "", nil},
	{zapLine("tls: TLS 1.3 client supports illegal compression methods"), CodeMalformedClientHello, Likely, FaultClient, "", nil},
	{zapLine("tls: client does not support uncompressed connections"), CodeMalformedClientHello, Likely, FaultClient, "", nil},
	{zapLine("tls: client offered only incompatible point formats"), CodeMalformedClientHello, Likely, FaultClient, "", nil},
	{zapLine("tls: client used the legacy version field to negotiate TLS 1.3"), CodeMalformedClientHello, Likely, FaultClient, "", nil},
	{zapLine("tls: client sent an unexpected quic_transport_parameters extension"), CodeMalformedClientHello, Likely, FaultClient, "", nil},
	{zapLine("tls: client sent invalid encrypted_client_hello extension"), CodeMalformedClientHello, Likely, FaultClient, "", nil},
	{zapLine("tls: failed to decrypt second client hello encrypted client hello extension payload"), CodeMalformedClientHello, Likely, FaultClient, "", nil},
	{zapLine("tls: session supported extended_master_secret but client does not"), CodeMalformedClientHello, Likely, FaultClient, "", nil},
	{zapLine("tls: no supported elliptic curves offered"), CodeGroupMismatch, Certain, FaultUnknown, "", nil},
	{zapLine("tls: peer doesn't support the certificate custom signature algorithms"), CodeSignatureAlgorithmMismatch, Certain, FaultUnknown, "", nil},
	{zapLine("tls: client certificate contains an unsupported public key of type *dsa.PublicKey"), CodeClientCertInvalid, Certain, FaultClient, "", nil},
	{zapLine("tls: invalid client finished hash"), CodeRecordMACFailure, Likely, FaultUnknown, "", nil},
	{zapLine("tls: unsupported certificate curve (P-224)"), CodeServerCertUnreadable, Likely, FaultServer, "", nil},
	{zapLine("tls: unsupported certificate: private key is *ed25519.PrivateKey, expected ed25519.PrivateKey"), CodeServerCertUnreadable, Likely, FaultServer, "", nil},
	{zapLine("tls: certificate RSA key size too small for supported signature algorithms"), CodeServerCertUnreadable, Likely, FaultServer, "", nil},
	{zapLine("tls: failed to sign handshake: crypto/rsa: 512-bit keys are insecure"), CodeServerCertUnreadable, Likely, FaultServer, "", nil},
	{zapLine("tls: found unknown private key type in PKCS#8 wrapping"), CodeServerCertUnreadable, Likely, FaultServer, "", nil},
	{zapLine("tls: unknown public key algorithm"), CodeServerCertUnreadable, Likely, FaultServer, "", nil},
	{zapLine("tls: no certificates configured"), CodeServerCertUnreadable, Likely, FaultServer, "", nil},
	{zapLine("tls: certificate private key of type *rsa.PublicKey does not implement crypto.Signer"), CodeServerCertUnreadable, Likely, FaultServer, "", nil},
	{zapLine("read tcp 10.0.0.1:2379->10.0.0.42:40000: read: connection timed out"), CodeConnectionReset, Likely, FaultUnknown, "gave the connection up", nil},
	{zapLine("read tcp 10.0.0.1:2379->10.0.0.42:40000: read: no route to host"), CodeConnectionReset, Likely, FaultUnknown, "", nil},
	{zapNamedLine("x509: certificate is not valid for any names, but wanted to match 10.0.0.42"), CodePeerSANMismatch, Certain, FaultClient, "", nil},
	{zapLine("tls: a text of the future"), CodeUnrecognisedRejection, Certain, FaultUnknown, "", nil},
	{zapLine(""), CodeUnrecognisedRejection, Certain, FaultUnknown, "", nil},
	{`2026 etcd: rejected connection, somehow`, CodeUnrecognisedRejection, Certain, FaultUnknown, "", nil},
}

// clientRows are what clients and members say of etcd.
var clientRows = [...]textRow{
	{etcdctlLine("authentication handshake failed: " + verify120 + unknownCA), CodeServerCertRefused, Certain, FaultUnknown, "", []Code{CodeServerCertUntrusted}},
	{etcdctlLine("authentication handshake failed: " + unknownCA), CodeServerCertRefused, Certain, FaultUnknown, "", []Code{CodeServerCertUntrusted}},
	{etcdctlLine("authentication handshake failed: " + verify120 + "x509: certificate is valid for 127.0.0.1, not 10.0.0.8"), CodeServerNameMismatch, Certain, FaultServer, "", nil},
	{etcdctlLine("authentication handshake failed: " + verify120 + "x509: cannot validate certificate for 10.0.0.8 because it doesn't contain any IP SANs"), CodeServerNameMismatch, Certain, FaultServer, "", nil},
	{etcdctlLine("authentication handshake failed: " + verify120 + "x509: certificate is not valid for any names, but wanted to match etcd"), CodeServerNameMismatch, Certain, FaultServer, "", nil},
	{etcdctlLine("authentication handshake failed: x509: certificate relies on legacy Common Name field, use SANs instead"), CodeServerNameMismatch, Certain, FaultServer, "", nil},
	{etcdctlLine("authentication handshake failed: " + verify120 + "x509: certificate specifies an incompatible key usage"), CodeServerCertKeyUsage, Certain, FaultServer, "", nil},
	{etcdctlLine("authentication handshake failed: " + verify120 + "x509: certificate has expired or is not yet valid: current time 2026-11-23T07:43:09Z is after 2026-11-22T07:43:09Z"), CodeServerCertExpired, Certain, FaultServer, "it expired at 2026-11-22", nil},
	{etcdctlLine("authentication handshake failed: " + verify120 + "something else"), CodeServerCertRefused, Certain, FaultUnknown, "", nil},
	{etcdctlLine("authentication handshake failed: x509: something else"), CodeServerCertRefused, Certain, FaultUnknown, "", nil},
	{etcdctlLine("authentication handshake failed: remote error: tls: bad certificate"), CodeClientCertRefused, Certain, FaultClient, "", nil},
	{etcdctlLine("authentication handshake failed: remote error: tls: unknown certificate authority"), CodeClientCertUntrusted, Certain, FaultClient, "", nil},
	{etcdctlLine("authentication handshake failed: remote error: tls: expired certificate"), CodeClientCertExpired, Certain, FaultClient, "", nil},
	{etcdctlLine("authentication handshake failed: remote error: tls: unsupported certificate"), CodeClientCertKeyUsage, Likely, FaultClient, "", nil},
	{etcdctlLine("authentication handshake failed: remote error: tls: protocol version not supported"), CodeVersionMismatch, Certain, FaultUnknown, "", nil},
	{etcdctlLine("authentication handshake failed: remote error: tls: handshake failure"), CodeClientCertMissing, Possible, FaultClient, "", []Code{CodeCipherMismatch}},
	{etcdctlLine("authentication handshake failed: remote error: tls: no application protocol"), CodeALPNMismatch, Certain, FaultClient, "", nil},
	{etcdctlLine("authentication handshake failed: remote error: tls: internal error"), CodeServerCertUnreadable, Likely, FaultServer, "", nil},
	{etcdctlLine("authentication handshake failed: remote error: tls: illegal parameter"), CodeServerAlert, Certain, FaultUnknown, "", nil},
	{etcdctlLine("error reading server preface: EOF"), CodePlaintextToTLS, Likely, FaultClient, "", []Code{CodeClientCertRefused}}, // to 2379
	{strings.Replace(etcdctlLine(""), "last connection error: connection error: desc = \\\"transport: \\\"", "write tcp 10.0.0.7:44846->10.0.0.8:2379: write: broken pipe", 1), CodeClientCertRefused, Likely, FaultClient, "may be lost", []Code{CodeClientCertMissing}},
	{etcdctlLine("authentication handshake failed: EOF"), CodeTLSToPlaintext, Likely, FaultUnknown, "", nil},
	{etcdctlLine("authentication handshake failed: " + noRecord), CodeTLSToPlaintext, Certain, FaultUnknown, "", nil},
	{etcdctlLine("authentication handshake failed: read tcp 10.0.0.7:40000->10.0.0.8:2379: i/o timeout"), CodeNoReply, Likely, FaultUnknown, "", nil},
	{dialLine("error reading server preface: remote error: tls: certificate required"), CodeClientCertMissing, Certain, FaultClient, "", nil},
	{dialLine("error reading server preface: remote error: tls: bad certificate"), CodeClientCertRefused, Certain, FaultClient, "", nil},
	{dialLine("error reading server preface: write tcp 10.0.0.7:40000->10.0.0.8:2380: write: broken pipe"), CodeClientCertRefused, Likely, FaultClient, "", []Code{CodeClientCertMissing}},
	{dialLine("error reading server preface: read tcp 10.0.0.7:40000->10.0.0.8:2380: read: connection reset by peer"), CodePlaintextToTLS, Likely, FaultClient, "", []Code{CodeClientCertRefused}},
	{dialLine("error reading server preface: EOF"), CodeGRPCToPeerPort, Likely, FaultClient, "", []Code{CodePlaintextToTLS, CodeClientCertRefused}},
	{dialLine("error reading server preface: http2: failed reading the frame payload: http2: frame too large, note that the frame header looked like an HTTP/1.1 header"), CodeGRPCToPeerPort, Certain, FaultClient, "3.6 and later", nil},
	{dialLine("transport: Error while dialing: dial tcp 10.0.0.8:2380: connect: connection refused"), CodeRefused, Certain, FaultServer, "", nil},
	{dialLine("transport: Error while dialing: dial tcp 10.0.0.8:2380: connect: no route to host"), CodeUnanswered, Certain, FaultNetwork, "", nil},
	{dialLine("transport: Error while dialing: dial tcp 10.0.0.8:2380: i/o timeout"), CodeUnanswered, Likely, FaultNetwork, "", nil},
	{dialLine("transport: Error while dialing: dial tcp 10.0.0.8:2380: connect: connection timed out"), CodeUnanswered, Likely, FaultNetwork, "", nil},
	{dialLine("transport: authentication handshake failed: net/http: TLS handshake timeout"), CodeNoReply, Likely, FaultUnknown, "", nil},
	{dialLine("connection error: EOF"), CodeGRPCToPeerPort, Possible, FaultClient, "", []Code{CodePlaintextToTLS, CodeTLSToPlaintext}},
	{`Failed to dial target host "10.0.0.8:2380": context deadline exceeded`, CodeNoReply, Possible, FaultUnknown, "names no cause", []Code{CodePlaintextToTLS, CodeClientCertRefused}},
	{`Error: context deadline exceeded`, CodeNoReply, Possible, FaultUnknown, "names no cause", []Code{CodePlaintextToTLS, CodeClientCertRefused}},
	{`curl: (35) error:1408F10B:SSL routines:ssl3_get_record:wrong version number`, CodeTLSToPlaintext, Certain, FaultUnknown, "", nil},
	{`Error: Get "https://10.0.0.8:2379/version": http: server gave HTTP response to HTTPS client`, CodeTLSToPlaintext, Certain, FaultUnknown, "", nil},
	{`curl: (56) OpenSSL SSL_read: error:1409445C:SSL routines:ssl3_read_bytes:tlsv13 alert certificate required, errno 0`, CodeClientCertMissing, Certain, FaultClient, "", nil},
	{`curl: (35) error:14094412:SSL routines:ssl3_read_bytes:sslv3 alert bad certificate`, CodeClientCertRefused, Certain, FaultClient, "", nil},
	{`curl: (35) error:14094418:SSL routines:ssl3_read_bytes:tlsv1 alert unknown ca`, CodeClientCertUntrusted, Certain, FaultClient, "", nil},
	{`curl: (35) error:14094415:SSL routines:ssl3_read_bytes:sslv3 alert certificate expired`, CodeClientCertExpired, Certain, FaultClient, "", nil},
	{`curl: (35) error:14094410:SSL routines:ssl3_read_bytes:sslv3 alert handshake failure`, CodeClientCertMissing, Possible, FaultClient, "", []Code{CodeCipherMismatch}},
	{`curl: (35) error:1409442E:SSL routines:ssl3_read_bytes:tlsv1 alert protocol version`, CodeVersionMismatch, Certain, FaultUnknown, "", nil},
	{`140735:error:0A000438:SSL routines:ssl3_read_bytes:tlsv1 alert internal error:ssl/record/rec_layer_s3.c:1605:SSL alert number 80`, CodeServerCertUnreadable, Likely, FaultServer, "", nil},
	{`curl: (35) OpenSSL/3.0.19: error:0A000438:SSL routines::tlsv1 alert internal error`, CodeServerCertUnreadable, Likely, FaultServer, "", nil},
	{`401791B4DD7F0000:error:0A000460:SSL routines:ssl3_read_bytes:tlsv1 alert no application protocol:../ssl/record/rec_layer_s3.c:1601:SSL alert number 120`, CodeALPNMismatch, Certain, FaultClient, "", nil},
	{`401791B4DD7F0000:error:0A000417:SSL routines:ssl3_read_bytes:sslv3 alert illegal parameter:../ssl/record/rec_layer_s3.c:1601:SSL alert number 47`, CodeServerAlert, Certain, FaultUnknown, "", nil},
	{`curl: (60) SSL certificate verification failed`, CodeClientCertExpired, Likely, FaultClient, "curl's own certificate", nil},
	{`curl: (7) Failed to connect to 10.0.0.8 port 2379 after 0 ms: Couldn't connect to server`, CodeRefused, Likely, FaultServer, "", []Code{CodeUnanswered}},
	{`curl: (1) Received HTTP/0.9 when not allowed`, CodePlaintextToTLS, Likely, FaultClient, "Go 1.11", nil},
	{`Error:  client: etcd cluster is unavailable or misconfigured; error #0: malformed HTTP response "\x15\x03\x01\x00\x02\x02"`, CodePlaintextToTLS, Certain, FaultClient, "a TLS alert", nil},
	{proberLine(`net/http: HTTP/1.x transport connection broken: malformed HTTP response "\x15\x03\x01\x00\x02\x02"`), CodePlaintextToTLS, Certain, FaultClient, "a TLS alert", nil},
	{proberLine(`Get "https://10.0.0.9:2380/version": EOF`), CodePeerSANMismatch, Possible, FaultClient, "", nil},
	{proberLine(`Get "http://10.0.0.9:2380/version": EOF`), CodePlaintextToTLS, Likely, FaultClient, "dials http://", nil},
	{`Failed to dial target host "10.0.0.8:2379": EOF`, CodePlaintextToTLS, Possible, FaultClient, "", []Code{CodeTLSToPlaintext}},
	{`Failed to dial target host "10.0.0.8:2380": EOF`, CodeGRPCToPeerPort, Possible, FaultClient, "", []Code{CodePlaintextToTLS, CodeTLSToPlaintext}},
	{`curl: (60) SSL: no alternative certificate subject name matches target host name '10.0.0.8'`, CodeServerNameMismatch, Certain, FaultServer, "", nil},
	{`curl: (60) SSL: certificate subject name 'etcd' does not match target host name 'cp-1'`, CodeServerNameMismatch, Certain, FaultServer, "", nil},
	{`verify error:num=62:hostname mismatch`, CodeServerNameMismatch, Certain, FaultServer, "", nil},
	{`Verify return code: 64 (IP address mismatch)`, CodeServerNameMismatch, Certain, FaultServer, "", nil},
	{`curl: (60) SSL certificate problem: certificate has expired`, CodeServerCertExpired, Certain, FaultServer, "", nil},
	{`curl: (60) SSL certificate problem: unable to get local issuer certificate`, CodeServerCertRefused, Certain, FaultUnknown, "", []Code{CodeServerCertUntrusted}},
	{`Verify return code: 21 (unable to verify the first certificate)`, CodeServerCertRefused, Certain, FaultUnknown, "", []Code{CodeServerCertUntrusted}},
	{`verify error:num=19:self-signed certificate in certificate chain`, CodeServerCertRefused, Certain, FaultUnknown, "", []Code{CodeServerCertUntrusted}},
	{`verify error:num=19:self signed certificate in certificate chain`, CodeServerCertRefused, Certain, FaultUnknown, "", []Code{CodeServerCertUntrusted}},
	{`curl: (60) SSL certificate problem: something new`, CodeServerCertRefused, Certain, FaultUnknown, "", nil},
	{`curl: (52) Empty reply from server`, CodePlaintextToTLS, Likely, FaultClient, "http://", []Code{CodeGRPCToPeerPort}},
	{`curl: (35) OpenSSL SSL_connect: SSL_ERROR_SYSCALL in connection to 10.0.0.8:2379`, CodeTLSToPlaintext, Likely, FaultUnknown, "", []Code{CodeConnectionReset}},
	{`curl: (55) getpeername() failed with errno 107: Transport endpoint is not connected`, CodeClientCertRefused, Possible, FaultClient, "right after the handshake", []Code{CodeClientCertMissing}},
	{`curl: (18) HTTP/2 stream 1 was not closed cleanly before end of the underlying stream`, CodeGRPCToPeerPort, Possible, FaultClient, "", []Code{CodePlaintextToTLS}},
	{dialLine("write tcp 127.0.0.1:40000->127.0.0.1:2379: write: broken pipe"), CodeConnectionReset, Likely, FaultUnknown, "", []Code{CodeClientCertRefused}},
	{dialLine("error reading server preface: http2: frame too large"), CodeGRPCToPeerPort, Certain, FaultClient, "HTTP/1.1", []Code{CodePlaintextToTLS}},
	{etcdctlLine("error reading server preface: http2: frame too large"), CodePlaintextToTLS, Likely, FaultClient, "", nil},
	{`{"level":"warn","ts":"2026-11-25T13:34:00.217161Z","caller":"rafthttp/peer_status.go:66","msg":"peer became inactive (message send to peer failed)","peer-id":"e5cc86d5aefb1852","error":"failed to write e5cc86d5aefb1852 on pipeline (context canceled)"}`, CodeServerShutdown, Likely, FaultNone, "stops", nil},
	{`curl: (7) Failed to connect to 10.0.0.8 port 2379: Connection refused`, CodeRefused, Certain, FaultServer, "", nil},
	{proberLine("EOF"), CodePeerSANMismatch, Possible, FaultClient, "its own log says why", []Code{CodePlaintextToTLS}},
	{proberLine("dial tcp 10.0.0.8:2380: connect: connection refused"), CodeRefused, Certain, FaultServer, "", nil},
	{proberLine("read tcp 10.0.0.7:40000->10.0.0.8:2380: read: connection reset by peer"), CodeConnectionReset, Likely, FaultUnknown, "", []Code{CodePlaintextToTLS}},
	{proberLine("dial tcp 10.0.0.8:2380: i/o timeout"), CodeUnanswered, Likely, FaultNetwork, "", nil},
	{proberLine(verify120 + unknownCA), CodeServerCertRefused, Certain, FaultUnknown, "", []Code{CodeServerCertUntrusted}},
	{proberLine("remote error: tls: bad certificate"), CodeClientCertRefused, Certain, FaultClient, "", nil},
	{proberLine(noRecord), CodeTLSToPlaintext, Certain, FaultUnknown, "", nil},
	{`2026-11-23 07:38:18.155012 W | rafthttp: health check for peer 8211f1d0f64f3269 could not connect: ` + unknownCA + ` (prober "ROUND_TRIPPER_SNAPSHOT")`, CodeServerCertRefused, Certain, FaultUnknown, "", []Code{CodeServerCertUntrusted}},
}

// explain judges one line.
func explain(t *testing.T, line string) LogEntry {
	t.Helper()
	var p etcdlog.Parser
	var e etcdlog.Entry
	if !p.Line([]byte(line), &e) {
		t.Fatalf("no entry: %s", line)
	}
	var x Explainer
	return x.Explain(&e, "etcd.log")
}

func TestLogRules(t *testing.T) {
	hit := make(map[*textRule]bool)
	for _, rows := range [...][]textRow{serverRows[:], clientRows[:]} {
		for _, row := range rows {
			e := explain(t, row.line)
			f := &e.Findings[0]
			checkTexts(t, e.Findings)
			if f.Code != row.code || f.Confidence != row.confidence || f.AtFault != row.fault {
				t.Errorf("got %s, %v, fault of %v; want %s, %v, %v\n%s", f.Code, f.Confidence, f.AtFault, row.code, row.confidence, row.fault, row.line)
			}
			for phrase := range strings.SplitSeq(row.says, "|") {
				if !strings.Contains(f.Meaning, phrase) {
					t.Errorf("%q is not in the meaning: %s\n%s", phrase, f.Meaning, row.line)
				}
			}
			if d := cmp.Diff(row.also, alternatives(e.Findings)); d != "" {
				t.Errorf("alternatives (-want +got):\n%s%s", d, row.line)
			}
			var x Explainer
			x.Explain(&e.Entry, "")
			hit[x.rule(&e)] = true
		}
	}
	for i := range serverTexts {
		if !hit[&serverTexts[i]] {
			t.Errorf("no line for rule %q of a server", serverTexts[i].words)
		}
	}
	for i := range clientTexts {
		if !hit[&clientTexts[i]] {
			t.Errorf("no line for rule %q of a client", clientTexts[i].words)
		}
	}
}

// checkTexts: findings on a line have their page, and texts that can be printed as they are.
func checkTexts(t testing.TB, found []Finding) {
	t.Helper()
	const maxText = 8 << 10
	if len(found) == 0 || len(found) > 4 {
		t.Errorf("%d findings", len(found))
	}
	for _, f := range found {
		if _, ok := CauseOf(f.Code); !ok {
			t.Errorf("%q has no cause", f.Code)
		}
		if len(f.Evidence) != 1 {
			t.Errorf("%s: %d pieces of evidence", f.Code, len(f.Evidence))
		}
		for _, s := range slices.Concat([]string{f.Title, f.Meaning, f.Evidence[0].Text}, f.Fix) {
			if s == "" || len(s) > maxText || strings.ContainsFunc(s, func(r rune) bool { return !strconv.IsPrint(r) }) {
				t.Errorf("%s: a text of %d bytes that cannot be printed: %q", f.Code, len(s), s)
			}
		}
	}
}

func alternatives(found []Finding) []Code {
	var list []Code
	for _, f := range found[1:] {
		list = append(list, f.Code)
	}
	return list
}

// TestLogRuleCodes: every code that a text may lead to has its page.
func TestLogRuleCodes(t *testing.T) {
	for _, rules := range [...][]textRule{serverTexts[:], clientTexts[:]} {
		for _, r := range rules {
			for _, a := range append([]alternative{{code: r.code, confirm: "-"}}, r.also...) {
				if _, ok := CauseOf(a.code); !ok {
					t.Errorf("rule %q: %s is not in the catalogue", r.words, a.code)
				}
				if a.confirm == "" {
					t.Errorf("rule %q: nothing would confirm %s", r.words, a.code)
				}
			}
			if r.kinds == 0 || len(r.words) == 0 {
				t.Errorf("rule %q is of no kind, or fits everything", r.words)
			}
		}
	}
}

// TestFirstRecordHasTwoCauses: the same text means plaintext in etcd's listener, and the wrong port in the gRPC server within.
func TestFirstRecordHasTwoCauses(t *testing.T) {
	listener, within := explain(t, zapLine(noRecord)), explain(t, grpcLine(noRecord))
	if listener.Error != within.Error {
		t.Fatalf("%q and %q", listener.Error, within.Error)
	}
	if a, b := listener.Findings[0].Fix[0], within.Findings[0].Fix[0]; a == b {
		t.Errorf("the advice is the same: %s", a)
	}
	peer := within.Entry
	peer.Endpoint = etcdlog.EndpointPeer
	var x Explainer
	if e := x.Explain(&peer, ""); e.Findings[0].Confidence != Certain || len(e.Findings) != 1 {
		t.Errorf("on the peer port: %v, %d findings", e.Findings[0].Confidence, len(e.Findings))
	}
}

// TestOwnAddress: a client on an address that the log shows to be etcd's own is its gateway; an address of another member's log is not.
func TestOwnAddress(t *testing.T) {
	var p etcdlog.Parser
	var x Explainer
	judge := func(line, file string) LogEntry {
		var e etcdlog.Entry
		if !p.Line([]byte(line), &e) {
			t.Fatalf("no entry: %s", line)
		}
		return x.Explain(&e, file)
	}
	usage := strings.Replace(zapLine(server120+"x509: certificate specifies an incompatible key usage"), "10.0.0.42:", "10.0.0.8:", 1)
	if e := judge(usage, "a"); e.Gateway {
		t.Error("nothing has shown that 10.0.0.8 is etcd's own")
	}
	judge(zapLine("read tcp 10.0.0.8:2379->10.0.0.42:49824: read: connection reset by peer"), "a")
	if e := judge(usage, "a"); !e.Gateway || e.Findings[0].AtFault != FaultServer {
		t.Errorf("gateway %v, fault of %v", e.Gateway, e.Findings[0].AtFault)
	}
	if e := judge(usage, "b"); e.Gateway {
		t.Error("10.0.0.8 is another member's")
	}
}

// TestPeerCommands: what a member presents at the peer port is seen there, but clients of its API belong on the client port.
func TestPeerCommands(t *testing.T) {
	fix := strings.Join(explain(t, zapPeerLine("tls: client didn't provide a certificate")).Findings[0].Fix, "\n")
	for _, want := range []string{"openssl s_client -connect HOST:2380 ", "etcdctl --endpoints=https://HOST:2379 "} {
		if !strings.Contains(fix, want) {
			t.Errorf("%q is not in:\n%s", want, fix)
		}
	}
}

// TestCutLines: of a line that was cut, as pagers and terminals do, no more is said than what is left of it tells.
func TestCutLines(t *testing.T) {
	whole := zapLine("ERROR")
	before, _, _ := strings.Cut(whole, "ERROR")
	for _, tt := range []struct {
		line       string
		code       Code
		confidence Confidence
		says       string
		never      string // in no meaning
	}{
		{whole[:strings.Index(whole, `"server-name"`)], CodeUnrecognisedRejection, Certain, "cut before it had said why", "nothing in this catalogue"},
		{before + "EO", CodeUnrecognisedRejection, Certain, "cut before it had said why", ""},
		{before + "tls: first record does not look like a T>", CodePlaintextToTLS, Likely, "cut in the middle of its error", ""},
		{before + "tls: client didn't provide a cer...", CodeClientCertMissing, Likely, "cut in the middle of its error", ""},
		{before + "remote error: tls: unknown certificate author…", CodeServerCertRefused, Certain, "", ""},
		{before + "remote error: tls: ", CodeUnrecognisedRejection, Certain, "cut before it had said why", ""},
		{before + server120 + "x509: certificate si", CodeClientCertRefused, Likely, "", ""},
		{before + "tls: oversized record received with length 205", CodeOversizedRecord, Likely, "cut in the middle of the length", ""},
		{before + "tls: client offered only unsupported versions: [", CodeVersionMismatch, Certain, "cut before it names them", "SSL 3.0"},
		{before + "tls: a text of the future", CodeUnrecognisedRejection, Certain, "cut before it had said why", ""},
		{zapLine("tls: a text of the future"), CodeUnrecognisedRejection, Certain, "nothing in this catalogue", "cut"},
	} {
		f := explain(t, tt.line).Findings[0]
		if f.Code != tt.code || f.Confidence != tt.confidence || !strings.Contains(f.Meaning, tt.says) || tt.never != "" && strings.Contains(f.Meaning, tt.never) {
			t.Errorf("%s, %v: %s\n%s", f.Code, f.Confidence, f.Meaning, tt.line)
		}
	}
}

// TestUnknownForms: an error is found by its words where the form of its line is not known.
func TestUnknownForms(t *testing.T) {
	for _, tt := range []struct {
		line string
		code Code
	}{
		{`ts="2026-11-23T07:38:25.675Z" level=warn msg="rejected connection" remote-addr=10.0.0.7:44054 error="` + noRecord + `"`, CodePlaintextToTLS},
		{`"2026-11-23","{""level"":""warn"",""msg"":""rejected connection"",""error"":""tls: oversized record received with length 22617""}"`, CodeProxyProtocolToTLS},
		{`        "MESSAGE" : "{\"msg\":\"rejected connection\",\"error\":\"tls: client offered only unsupported versions: [302 301]\"}",`, CodeVersionMismatch},
		{`the server said: ServerHandshake(10.0.0.7:44054) failed: ` + noRecord, CodeGRPCToPeerPort},
		{`level=warn msg="rejected connection" error="a text of the future"`, CodeUnrecognisedRejection},
		{`level=warn msg="rejected connection" error="EOF"`, CodeUnrecognisedRejection},
	} {
		f := explain(t, tt.line).Findings[0]
		if f.Code != tt.code || tt.code != CodeUnrecognisedRejection && (f.Confidence > Likely || !strings.Contains(f.Meaning, "found by its words")) {
			t.Errorf("%s, %v: %s\n%s", f.Code, f.Confidence, f.Meaning, tt.line)
		}
	}
}
