package etcdlog

import (
	"bytes"
	"net/netip"
	"strings"
)

// zapPeer takes the lines in which a member says that it cannot reach another:
// rafthttp/probing_status.go, rafthttp/peer_status.go, etcdserver/cluster_util.go.
func (l *line) zapPeer(f *zapFields) bool {
	e := l.e
	switch e.Message {
	case "prober detected unhealthy status":
		e.Prober = l.string(f.prober)
	case "failed to reach the peer URL", "failed to get version", "failed to get cluster response":
		e.PeerURL = l.string(f.address)
	case "peer became inactive (message send to peer failed)", "peer deactivated again":
		err := l.string(f.err)
		if !l.streamError([]byte(err)) {
			return false
		}
		e.Versions = versionsPeerZap
		e.Peer = l.string(f.peer)
		l.dialled()
		return true
	default:
		return false
	}
	e.Versions = versionsPeerZap
	e.Error = l.string(f.err)
	e.Peer = l.string(f.peer)
	if e.Peer == "" {
		e.Peer = e.PeerURL
	}
	l.dialled()
	return true
}

// capnslogPeer takes the same lines of etcd up to 3.4.
func (l *line) capnslogPeer(msg []byte) bool {
	e := l.e
	e.Versions = versionsPeerCapnslog
	switch s := string(msg); {
	case l.streamError(msg):
	case strings.HasPrefix(s, "health check for peer "):
		id, err, ok := strings.Cut(s[len("health check for peer "):], " could not connect: ")
		if !ok {
			return false
		}
		e.Peer = id
		if i := strings.LastIndex(err, " (prober \""); i >= 0 {
			q := quoted{b: []byte(err[i+len(" (prober "):])}
			e.Prober, _ = q.text()
			err, e.Versions = err[:i], versionsPeerProber
		}
		e.Error = err
	case strings.HasPrefix(s, "failed to reach the peerURL("):
		url, rest, ok := strings.Cut(s[len("failed to reach the peerURL("):], ") of member ")
		if !ok {
			return false
		}
		e.PeerURL = url
		e.Peer, e.Error = idAndError(rest)
	case strings.HasPrefix(s, "cannot get the version of member "):
		e.Peer, e.Error = idAndError(s[len("cannot get the version of member "):])
	case strings.HasPrefix(s, "could not get cluster response from "):
		url, err, ok := strings.Cut(s[len("could not get cluster response from "):], ": ")
		if !ok {
			return false
		}
		e.Peer, e.PeerURL, e.Error = url, url, err
	default:
		return false
	}
	l.dialled()
	return true
}

// idAndError splits "ID (ERR)".
func idAndError(s string) (id, err string) {
	id, err, _ = strings.Cut(s, " (")
	return id, strings.TrimSuffix(err, ")")
}

// streamError reads peer_status.go's "failed to dial ID on stream MsgApp v2
// (ERR)" and "failed to write ID on pipeline (ERR)": those open connections.
// What it says of a stream that was open is no failed handshake.
func (l *line) streamError(msg []byte) bool {
	rest, ok := bytes.CutPrefix(msg, []byte("failed to "))
	if !ok {
		return false
	}
	action, s, _ := strings.Cut(string(rest), " ")
	id, s, ok := strings.Cut(s, " on ")
	if !ok || strings.Contains(id, " ") {
		return false
	}
	source, err, ok := strings.Cut(s, " (")
	if !ok || action != "dial" && source != "pipeline" {
		return false
	}
	e := l.e
	e.Peer, e.Prober = id, source
	e.Error = strings.TrimSuffix(err, ")")
	return true
}

// dialled makes e the report of a member that dialled another, and takes the address of the other member out of the error: the URL of
// `Get "https://10.0.0.8:2380/version": …` and `dial tcp 10.0.0.8:2380: …`.
func (l *line) dialled() {
	e := l.e
	e.Kind, e.Endpoint = KindPeerDial, EndpointPeer
	for _, s := range [...]string{e.PeerURL, e.Error} {
		if e.Remote.IsValid() {
			break
		}
		e.Remote = urlAddr(s)
	}
	if _, after, ok := strings.Cut(e.Error, "dial tcp "); ok && !e.Remote.IsValid() {
		after, _, _ = strings.Cut(after, " ")
		e.Remote = addrPort(strings.TrimSuffix(after, ":"))
	}
	l.readError()
}

// urlAddr takes IP:PORT out of the first URL of s.
func urlAddr(s string) netip.AddrPort {
	_, after, ok := strings.Cut(s, "://")
	if !ok {
		return netip.AddrPort{}
	}
	if i := strings.IndexAny(after, "/\" )"); i >= 0 {
		after = after[:i]
	}
	return addrPort(after)
}
