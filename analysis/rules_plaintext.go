package analysis

import (
	"bytes"
	"strings"

	"github.com/etcdtap/etcdtap/analysis/tlswire"
)

// firstBytes describes what a stream began with, in a phrase that can stand after "sent".
func (s *StreamFacts) firstBytes() string {
	request := brief(s.Request)
	switch s.Protocol {
	case ProtocolHTTP2:
		if len(s.FirstBytes) > 0 && s.FirstBytes[0] != 'P' {
			return "HTTP/2 SETTINGS without TLS"
		}
		return `"PRI * HTTP/2.0", HTTP/2 without TLS (gRPC's plaintext preface)`
	case ProtocolHTTP1:
		if strings.HasPrefix(s.Request, "HTTP/") {
			return `"` + request + `", an HTTP answer without TLS`
		}
		return `"` + request + `", an HTTP/1 request without TLS`
	case ProtocolRaftHTTP:
		return `"` + request + `", etcd's peer protocol without TLS`
	case ProtocolProxyV1, ProtocolProxyV2:
		return "a PROXY protocol header (version " + string(s.Protocol.String()[7]) + ")"
	case ProtocolSSH:
		return `"` + request + `", an SSH banner`
	case ProtocolSMTP:
		return "SMTP"
	case ProtocolPostgres:
		return "a PostgreSQL start-up packet"
	case ProtocolRDP:
		return "an RDP connection request (X.224)"
	case ProtocolMemcached:
		return "a memcached command"
	case ProtocolDTLS:
		return "a DTLS record (TLS for UDP)"
	case ProtocolTLS:
		return "TLS"
	case ProtocolSSLv2:
		return "a ClientHello in the framing of SSL 2.0"
	}
	if len(s.FirstBytes) == 0 {
		return "bytes whose beginning was not captured"
	}
	return "bytes that are no TLS and no protocol known here (hex " + hexBytes(quotable(s)) + ")"
}

var protocolTitles = map[Protocol]string{ProtocolSSH: "SSH", ProtocolSMTP: "SMTP", ProtocolPostgres: "PostgreSQL", ProtocolRDP: "RDP", ProtocolMemcached: "memcached"}

// plaintextTitle names the mistake by who makes it.
func plaintextTitle(p Protocol, fallback string) string {
	switch p {
	case ProtocolHTTP2:
		return "gRPC without TLS to a TLS port"
	case ProtocolHTTP1:
		return "HTTP without TLS to a TLS port"
	case ProtocolRaftHTTP:
		return "an etcd peer without TLS to a TLS port"
	case ProtocolSSH, ProtocolSMTP, ProtocolPostgres, ProtocolRDP, ProtocolMemcached:
		return protocolTitles[p] + " to a TLS port"
	}
	return fallback
}

// splicedFix is for a client that speaks TLS, and goes on with a connection that began elsewhere.
var splicedFix = [...]string{
	"Look at what stands between the client and etcd: a load balancer, proxy or NAT that moved an open connection to this server, at a failover for instance, or joined two",
	"Let the client connect anew (restart it, if it does not by itself); its URL and certificates may well be right",
}

// plaintextFix puts the advice for the protocol before the general one.
func (v *view) plaintextFix(p Protocol, general []string) []string {
	var first string
	switch p {
	case ProtocolHTTP2:
		first = "drop -plaintext (grpcurl) or use https:// in --endpoints (etcdctl), and give -cacert, -cert and -key"
		if v.endpoint == EndpointPeer {
			first += "; for etcd's API use port 2379, not 2380"
		}
	case ProtocolHTTP1:
		first = "use https:// instead of http://, with --cacert, --cert and --key"
	case ProtocolRaftHTTP:
		first = "this member takes its peers for http://: make every peer URL of --initial-cluster and --initial-advertise-peer-urls https:// (`etcdctl member list`, `etcdctl member update`)"
	case ProtocolSSH, ProtocolSMTP, ProtocolRDP, ProtocolMemcached, ProtocolPostgres:
		first = "this client does not look for etcd at all (a scanner, or a wrong port in its configuration): find it at the address above, or keep it away with a firewall"
	default:
		return general
	}
	return append([]string{first}, general...)
}

func (v *view) plaintextToTLS() {
	c, s := &v.f.Stream[FromClient], &v.f.Stream[FromServer]
	if v.result != OutcomePlaintextToTLS || c.Protocol == ProtocolProxyV1 || c.Protocol == ProtocolProxyV2 {
		return
	}
	what := c.firstBytes()
	if v.dataFirst() {
		what = "a TLS record of type " + tlswire.ContentType(c.FirstBytes[0]).String() + " without a handshake before it: it was spliced into the middle of a connection"
	}
	f := v.add(CodePlaintextToTLS, Certain, "the client sent "+what+"; "+v.serverAnswer())
	if v.endpoint == EndpointOther && v.known&speaksTLS == 0 {
		f.Confidence = Likely
	}
	f.Title, f.Fix = plaintextTitle(c.Protocol, f.Title), v.plaintextFix(c.Protocol, f.Fix)
	if v.dataFirst() {
		f.Title, f.Fix = "TLS data without a handshake", splicedFix[:]
	}
	f.sawBytes(FromClient, c.FirstPacket, c.FirstAt, "first bytes of the client", quotable(c))
	if a := v.sentAlert(FromServer); a != nil {
		f.sawAlert(a)
	}
	if s.Close != CloseNone {
		v.sawClose(f, FromServer)
	}
}

// quotable is as much of a stream's first bytes as shows the protocol and no contents.
func quotable(s *StreamFacts) []byte {
	n := maxEvidenceBytes
	switch s.Protocol {
	case ProtocolHTTP1, ProtocolRaftHTTP:
		n = len(s.Request) // the method and the path: what follows may be a secret
	case ProtocolHTTP2:
		n = len("PRI * HTTP/2.0")
	case ProtocolSSH:
		n = len(s.Request)
	case ProtocolSMTP: // a login may follow in the same packet
		if i := bytes.IndexAny(s.FirstBytes, "\r\n"); i >= 0 {
			n = i
		}
	case ProtocolUnknown, ProtocolMemcached, ProtocolPostgres:
		n = 16
	}
	return s.FirstBytes[:min(len(s.FirstBytes), n)]
}

// serverAnswer says how the server took what the client began with.
func (v *view) serverAnswer() string {
	s := &v.f.Stream[FromServer]
	if a := v.sentAlert(FromServer); a != nil {
		return "the server answered with the TLS alert " + a.Code.String()
	}
	switch {
	case s.Bytes > 0:
		return "the server answered " + s.firstBytes()
	case s.Close == CloseFIN:
		return "the server closed without a byte"
	case s.Close == CloseRST:
		return "the server reset the connection without a byte"
	}
	return "the server sent nothing"
}

func (v *view) proxyHeaderToTLS() {
	c := &v.f.Stream[FromClient]
	if v.result != OutcomePlaintextToTLS || c.Protocol != ProtocolProxyV1 && c.Protocol != ProtocolProxyV2 {
		return
	}
	f := v.add(CodeProxyProtocolToTLS, Certain, "a load balancer sent "+c.firstBytes()+" before the client's TLS, and etcd takes none; "+v.serverAnswer())
	f.sawBytes(FromClient, c.FirstPacket, c.FirstAt, "first bytes of the client", c.FirstBytes[:min(len(c.FirstBytes), 12)])
	v.sawClose(f, FromServer)
}

func (v *view) tlsToPlaintext() {
	if v.result != OutcomeTLSToPlaintext {
		return
	}
	c, s := &v.f.Stream[FromClient], &v.f.Stream[FromServer]
	confidence := Certain
	if s.Bytes == 0 && v.known&speaksPlaintext == 0 {
		confidence = Likely
		if s.Close == CloseRST {
			confidence = Possible
		}
	}
	f := v.add(CodeTLSToPlaintext, confidence, "the client began a TLS handshake; "+v.serverAnswer())
	f.saw(FromClient, c.FirstPacket, c.FirstAt, "ClientHello")
	if s.Bytes > 0 {
		f.sawBytes(FromServer, s.FirstPacket, s.FirstAt, "first bytes of the server", quotable(s))
	} else {
		v.sawClose(f, FromServer)
	}
}

func (v *view) plaintextEtcd() {
	if v.result != OutcomePlaintext || v.endpoint != EndpointClient && v.endpoint != EndpointPeer {
		return
	}
	c, s := &v.f.Stream[FromClient], &v.f.Stream[FromServer]
	if c.Bytes == 0 || s.Bytes == 0 {
		return
	}
	v.add(CodePlaintextEtcd, Certain, "the client sent "+c.firstBytes()+", and the server answered in clear: everybody on the way can read and change it").
		sawBytes(FromServer, s.FirstPacket, s.FirstAt, "first bytes of the server", quotable(s))
}

func (v *view) serverSpeaksFirst() {
	c, s := &v.f.Stream[FromClient], &v.f.Stream[FromServer]
	if s.Bytes == 0 || s.StartMissed || c.StartMissed || s.Protocol == ProtocolTLS || v.result == OutcomePartial {
		return
	}
	if v.endpoint == EndpointOther || v.result == OutcomeEstablished {
		return // other servers may, and STARTTLS begins like this
	}
	if c.Bytes > 0 && (c.told < s.told || !s.FirstAt.Before(c.FirstAt)) {
		return
	}
	v.add(CodeServerSpeaksFirst, Certain, "the server spoke first and sent "+s.firstBytes()+"; etcd never does").
		sawBytes(FromServer, s.FirstPacket, s.FirstAt, "first bytes of the server", quotable(s))
}

func (v *view) tlsAfterPlaintext() {
	c := &v.f.Stream[FromClient]
	if c.Then != ProtocolTLS || v.result == OutcomePlaintextToTLS {
		return
	}
	v.add(CodeTLSAfterPlaintext, Certain, "the client first sent "+c.firstBytes()+", then TLS began on the same connection").
		sawBytes(FromClient, c.FirstPacket, c.FirstAt, "first bytes of the client", quotable(c))
}
