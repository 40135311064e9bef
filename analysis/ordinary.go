package analysis

import "github.com/etcdtap/etcdtap/analysis/tlswire"

// ordinary reports whether the connection is what nearly all are: TLS of today that was established, all of it captured and none of it
// malformed, and nothing is known of the deployment that it could be held against.
func (v *view) ordinary() bool {
	if v.result != OutcomeEstablished || v.expect.PKI != nil || v.expect.Deployment != nil {
		return false
	}
	t, c, s := v.f.TLS, &v.f.Stream[FromClient], &v.f.Stream[FromServer]
	return t.Version >= tlswire.VersionTLS12 && len(t.Violations) == 0 && v.f.TCP.Conflicting == 0 &&
		c.Protocol == ProtocolTLS && s.Protocol == ProtocolTLS && c.Then == ProtocolNone && !c.EarlyGap && !s.EarlyGap
}

// ordinaryRules are those of the rules that can find something in an ordinary connection, in the same order: those about the
// certificates, and what happens after a handshake has succeeded.
var ordinaryRules = [...]func(*view){
	(*view).serverCertificate,
	(*view).serverName,
	(*view).clientCertificate,
	(*view).grpcToPeerPort,
	(*view).peerSANMismatch,
	(*view).leftAfterHandshake,
}
