package analysis

import (
	"slices"

	"github.com/etcdtap/etcdtap/analysis/tlswire"
)

// maxPeerAnswer bounds the encrypted records with which a peer port may answer HTTP/2 before it closes: two tickets, the HTTP/1.1
// answer "400 Bad Request" of etcd 3.6 and later in one or two records, and close_notify.
const maxPeerAnswer = 6

// http2AtPeerPort reports whether the connection is HTTP/2 to the peer port, which no etcd since 3.2.13 serves over TLS: 3.5 and
// earlier expect a second TLS inside the first (embed/etcd.go, servePeers hands HTTP/2 to a gRPC server with TLS credentials);
// 3.6 and later have no gRPC server there.
func (v *view) http2AtPeerPort() bool {
	t := v.f.TLS
	if v.endpoint != EndpointPeer || t == nil || t.ServerHello == nil {
		return false
	}
	agreed, _ := t.H2(v.shape)
	if inner := v.f.Stream[FromClient].Inner; !agreed && !v.onlyHTTP2() || inner != ProtocolNone && inner != ProtocolHTTP2 {
		return false
	}
	return v.clientSentData() && v.peerAnswered() <= maxPeerAnswer && (v.serverEnded() || v.answeredBadRequest())
}

// serverEnded reports whether the server closed its stream, or its last record says that it is about to: a client that reads that
// may reset the connection before the server's FIN.
func (v *view) serverEnded() bool {
	last := &v.f.TLS.Encrypted[FromServer].Last
	alert := last.Type == tlswire.ContentTypeAlert || v.f.TLS.Version == tlswire.VersionTLS13 && v.shape.isAlert(FromServer, last)
	return alert || v.f.Stream[FromServer].Close != CloseNone
}

// ticketDue reports whether the server of TLS 1.3 would have sent a ticket, had it taken the client's certificate: Go sends one to
// every client that names a way to use it (crypto/tls, handshake_server_tls13.go, shouldSendSessionTickets). Go's own clients do not.
func (v *view) ticketDue() bool {
	h := v.f.TLS.ClientHello
	return h != nil && slices.Contains(h.PSKModes, pskWithDHE)
}

// onlyHTTP2 reports whether the choice of protocol is hidden, and the client would take HTTP/2 alone.
func (v *view) onlyHTTP2() bool {
	t := v.f.TLS
	return t.Version == tlswire.VersionTLS13 && v.shape.ServerFinished < 0 && t.ClientHello != nil && slices.Equal(t.ClientHello.ALPN, []string{"h2"})
}

// clientSentData reports whether the client sent something after its handshake: its HTTP/2 preface.
func (v *view) clientSentData() bool {
	e := &v.f.TLS.Encrypted[FromClient]
	if v.f.TLS.Version != tlswire.VersionTLS13 {
		return e.Data > 0
	}
	if v.shape.ClientFinished < 0 {
		return e.Data > 1
	}
	return e.Records > int64(v.shape.ClientFinished)+1 && !v.shape.isAlert(FromClient, &e.Shape[min(v.shape.ClientFinished+1, len(e.Shape)-1)])
}

// peerAnswered is how many records the server sent after its handshake.
func (v *view) peerAnswered() int64 {
	e := &v.f.TLS.Encrypted[FromServer]
	if v.f.TLS.Version != tlswire.VersionTLS13 {
		return e.Data
	}
	return e.Records - int64(v.shape.ServerFinished) - 1
}

func (v *view) grpcToPeerPort() {
	if v.result != OutcomeEstablished || !v.http2AtPeerPort() {
		return
	}
	t := v.f.TLS
	agreed, seen := t.H2(v.shape)
	confidence, how := Certain, ""
	if !seen {
		confidence, how = Likely, " (inferred from the length of its encrypted answer)"
	}
	f := v.add(CodeGRPCToPeerPort, confidence, "")
	f.Title = "right TLS, wrong port: HTTP/2 to the peer port"
	f.Meaning = "the TLS handshake succeeded and HTTP/2 was agreed on" + how + "; the client sent its HTTP/2 preface and the server closed"
	if !agreed {
		f.Meaning = "the TLS handshake succeeded with a client that speaks only HTTP/2; it sent its preface and the server closed"
	}
	data := v.peerAnswered()
	if t.Version == tlswire.VersionTLS13 && data > 0 || t.Version != tlswire.VersionTLS13 && data > 0 {
		f.Meaning += v.afterAnswer(data)
	} else {
		f.Meaning += " without an answer"
	}
	v.orCertificate(f)
	f.saw(FromServer, t.ServerHelloAt.Packet, t.ServerHelloAt.At, "handshake completed, "+t.Version.String())
	client, preface := &t.Encrypted[FromClient], "the client's encrypted HTTP/2 preface, then nothing that was answered"
	if v.f.Stream[FromClient].Inner == ProtocolHTTP2 {
		preface = "the client's HTTP/2 preface, decrypted with the key log"
	}
	f.saw(FromClient, client.Last.Packet, client.Last.At(), preface)
	v.sawClose(f, FromServer)
}

// orCertificate adds whose fault it is, as far as that can be told: the peer port looks first whether the client's certificate is valid for
// the address that it comes from, and closes in the same way as etcd 3.5 does for HTTP/2 (client/pkg/transport, listener_tls.go).
func (v *view) orCertificate(f *Finding) {
	const speaks = ". Up to etcd 3.5 the peer port expects a second TLS inside the first, from 3.6 on it speaks HTTP/1 only"
	t, elsewhere, answered := v.f.TLS, v.certifiedElsewhere(), v.answeredBadRequest()
	switch {
	case elsewhere != "" && !answered:
		f.Confidence = Likely
		doubtCertificate(f)
		f.Meaning += ". gRPC belongs on the client port; but the peer port looks first whether the client's certificate is valid for the address that it comes from, and closes in the same way if it is not: " + elsewhere + ". Etcd's log tells which it was" + speaks
	case v.shape.RefusedAfter:
		f.Meaning += ". The certificates are right: gRPC belongs on the client port" + speaks + ". Only the log can rule out that it was the client's certificate that was refused: without a ticket that looks the same"
	case t.Certificates[FromClient].Visibility == Hidden && !answered:
		doubtCertificate(f)
		f.Meaning += ". gRPC belongs on the client port" + speaks + ". Only the log can rule out that the client's certificate is not valid for the address it comes from: the peer port looks at that first, and closes in the same way"
	default:
		f.Meaning += ". The certificates are right: gRPC belongs on the client port" + speaks
	}
}

// useClientPort is what to do at the peer port, whatever the certificate is like.
const useClientPort = "A client of etcd's API belongs on the client port: `etcdctl --endpoints=https://HOST:2379 --cacert=ca.crt --cert=client.crt --key=client.key endpoint health`"

// doubtCertificate takes back the catalogue's first advice, which says that the certificates work.
func doubtCertificate(f *Finding) { f.Fix = append([]string{useClientPort}, f.Fix[1:]...) }

// certifiedElsewhere says for what the client's certificate is valid, where that is not the address it comes from: "" when it is, when the
// certificate is not seen, or when it has no names, which etcd takes. A name may lead to the address all the same.
func (v *view) certifiedElsewhere() string {
	c, from := v.f.TLS.Certificates[FromClient].Chain, v.f.KnownAs().Addr()
	if len(c) == 0 || c[0].X509 == nil || len(c[0].X509.DNSNames)+len(c[0].X509.IPAddresses) == 0 || hasIP(c[0].X509, from) {
		return ""
	}
	text := "it is valid for " + sans(c[0].X509) + ", and it comes from " + HostText(from)
	if len(c[0].X509.DNSNames) > 0 {
		text += ", which its names would have to lead to"
	}
	return text
}

// answeredBadRequest recognises the answer of 3.6 and later by its length.
func (v *view) answeredBadRequest() bool {
	const badRequest = 103    // "HTTP/1.1 400 Bad Request", its headers and body, as net/http writes it (server.go)
	overhead := 8 + tagLength // TLS 1.2 AES-GCM: explicit nonce and tag
	switch t := v.f.TLS; {
	case t.Version == tlswire.VersionTLS13:
		overhead = innerType + tagLength
	case t.CipherSuite == 0xcca8 || t.CipherSuite == 0xcca9: // ECDHE with ChaCha20-Poly1305, whose nonce is not sent
		overhead = tagLength
	}
	return slices.ContainsFunc(v.f.TLS.Encrypted[FromServer].Shape, func(r RecordShape) bool {
		return r.Type == tlswire.ContentTypeApplicationData && int(r.Length) == badRequest+overhead
	})
}

// afterAnswer tells 3.6's answer inside TLS from 3.5's silence by the length of what the server sent.
func (v *view) afterAnswer(records int64) string {
	t := v.f.TLS
	if v.answeredBadRequest() {
		return " after a record as long as HTTP's \"400 Bad Request\", as etcd 3.6 and later answer"
	}
	if t.Version == tlswire.VersionTLS13 && records == 1 {
		return " without an answer, as etcd 3.5 and earlier do"
	}
	return ""
}

// peerSANMismatch: the peer listener compares the client certificate's SANs with its address, and looks at the CRL, after the
// handshake, and closes without waiting for data (client/pkg/transport, listener_tls.go, etcd 3.3 to 3.7).
func (v *view) peerSANMismatch() {
	if v.result != OutcomeEstablished || v.has(CodeGRPCToPeerPort) || v.endpoint != EndpointPeer && v.endpoint != EndpointClient {
		return
	}
	if !v.closedAfterHandshake() {
		return
	}
	if v.f.Stream[FromClient].Missed+v.f.Stream[FromServer].Missed > 0 {
		return // the close_notify that explains it may be among what is missing
	}
	if v.endpoint == EndpointClient {
		v.perhapsRevoked("(--client-crl-file)")
		return
	}
	confidence, text := Likely, "the handshake completed and the peer port closed at once, without a byte of data: after the handshake etcd compares the addresses in the client's certificate with "+HostText(v.f.KnownAs().Addr())+", where it comes from, and looks at the revocation list"
	if c := v.f.TLS.Certificates[FromClient].Chain; len(c) > 0 && c[0].X509 != nil {
		leaf := c[0].X509
		switch {
		case hasIP(leaf, v.f.KnownAs().Addr()), len(leaf.DNSNames) == 0 && len(leaf.IPAddresses) == 0: // etcd takes one without any
			v.perhapsRevoked("(--peer-crl-file), for nothing is wrong with the addresses in the client's certificate")
			return
		case len(leaf.DNSNames) == 0:
			confidence = Certain
		}
		text += "; the certificate is valid for " + sans(leaf)
	}
	f := v.add(CodePeerSANMismatch, confidence, text)
	v.sawClose(f, FromServer)
}

// perhapsRevoked: what is left to close for at once, after the handshake.
func (v *view) perhapsRevoked(where string) {
	f := v.add(CodeClientCertRevoked, Possible, "the handshake completed and the server closed at once, without a byte of data: after the handshake etcd looks only at the certificate revocation list "+where+"; when this happens to every client, etcd cannot read it (crl-unreadable)")
	f.Severity = Warning
	v.sawClose(f, FromServer)
}

// clientEndedFirst reports whether the client's close_notify, or its close where it sent none, came before the server's. Who has read
// the other's close_notify may well be the first to send FIN.
func (v *view) clientEndedFirst() bool {
	if alerts := v.f.TLS.Alerts; len(alerts) > 0 { // in order
		a, other := &alerts[0], &v.f.Stream[alerts[0].From.Other()]
		if other.Close == CloseNone || !other.ClosedAt.Before(a.At) {
			return a.From == FromClient
		}
	}
	return v.clientClosedFirst()
}

// closedAfterHandshake reports whether the server took a client certificate and then was the first to close, with no data sent.
func (v *view) closedAfterHandshake() bool {
	t, s := v.f.TLS, &v.f.Stream[FromServer]
	if s.Close == CloseNone || v.clientEndedFirst() || v.waited() >= timeoutFloor {
		return false
	}
	server, client := &t.Encrypted[FromServer], &t.Encrypted[FromClient]
	if t.Version != tlswire.VersionTLS13 {
		return len(t.Certificates[FromClient].Chain) > 0 && server.Data == 0
	}
	if v.shape.ServerFinished < 0 || v.shape.Client != PresentedChain || v.shape.RefusedAfter {
		return false
	}
	// A ticket of Go's holds the client's chain, so it is longer than the record that brought the chain.
	after := server.Shape[v.shape.ServerFinished+1:]
	return server.Records <= maxShape && len(after) == 2 && after[0].Length > client.Shape[0].Length && v.shape.isAlert(FromServer, &after[1]) && !v.shape.laterThanClose(after[1], client.Shape)
}
