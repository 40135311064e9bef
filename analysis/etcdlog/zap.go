package etcdlog

import (
	"bytes"
	"net/netip"
	"strings"
)

// zapFields are the members of a zap line that an entry may need, raw. The
// names are those of etcd's Go sources.
type zapFields struct {
	msg, err, remote, target, endpoint, peer, address, prober value
	ips, names                                                value
	version, name, listenClient, listenPeer                   value
	hasIPs, hasNames                                          bool
}

// zapJSON parses zap's JSON. Text before the object is passed over: prefixes of
// docker compose and of people are many.
func (l *line) zapJSON() bool {
	i := bytes.Index(l.b, []byte(`{"`))
	if i < 0 {
		return false
	}
	e := l.e
	o := newObject(l.b[i:])
	var f zapFields
	for key, v, ok := o.next(); ok; key, v, ok = o.next() {
		l.zapField(&f, key, v)
	}
	if f.msg.kind != '"' {
		return false
	}
	e.Format = FormatZapJSON
	e.Broken = e.Broken || o.broken
	e.Message = l.string(f.msg)
	return l.zapEntry(&f)
}

// zapField notes one member: what belongs to every line at once, the rest in f.
func (l *line) zapField(f *zapFields, key []byte, v value) {
	switch string(key) {
	case "level", "L", "severity":
		l.e.Level = l.string(v)
	case "ts", "T", "time":
		if v.kind == '0' {
			l.own = epoch(v.raw)
		} else {
			l.own, _ = dateTime(v.raw)
		}
	case "caller", "C":
		l.e.Caller = l.string(v)
	case "msg", "M", "message":
		f.msg = v
	case "error":
		f.err = v
	case "remote-addr":
		f.remote = v
	case "server-name":
		l.e.ServerName = l.string(v)
	case "ip-addresses":
		f.ips, f.hasIPs = v, true
	case "dns-names":
		f.names, f.hasNames = v, true
	case "target":
		f.target = v
	case "endpoint":
		f.endpoint = v
	case "remote-peer-id", "remote-member-id", "peer-id":
		f.peer = v
	case "address":
		f.address = v
	case "round-tripper-name":
		f.prober = v
	default:
		f.startField(key, v)
	}
}

// startField notes the members of the line of a start.
func (f *zapFields) startField(key []byte, v value) {
	switch string(key) {
	case "etcd-version":
		f.version = v
	case "name":
		f.name = v
	case "listen-client-urls":
		f.listenClient = v
	case "listen-peer-urls":
		f.listenPeer = v
	}
}

// string copies the text of a member, unescaped and bounded.
func (l *line) string(v value) string {
	if v.kind != '"' || len(v.raw) == 0 {
		return ""
	}
	if bytes.IndexByte(v.raw, '\\') < 0 {
		return text(v.raw)
	}
	l.p.text = unescape(l.p.text[:0], v.raw)
	return text(l.p.text)
}

// startMessage is of embed/etcd.go, since zap came in 3.4.
const startMessage = "starting an etcd server"

// zapEntry judges by the message which kind of entry the fields make.
func (l *line) zapEntry(f *zapFields) bool {
	e := l.e
	switch {
	case e.Message == "rejected connection" || strings.HasPrefix(e.Message, "rejected connection on "):
		l.zapRejected(f)
		return true
	case e.Message == startMessage:
		e.Kind, e.Versions, e.Member = KindStart, l.string(f.version), l.string(f.name)
		e.ListenClient, e.ListenPeer = f.listenClient.strings(), f.listenPeer.strings()
		return l.p.Starts
	case l.zapPeer(f):
		return true
	case l.grpcServer([]byte(e.Message)):
		return true
	}
	e.Error = l.string(f.err)
	return l.zapClient(f)
}

// zapRejected fills e from embed/config_logging.go's "rejected connection".
func (l *line) zapRejected(f *zapFields) {
	e := l.e
	e.Kind = KindRejected
	e.Error = l.string(f.err)
	switch e.Message {
	case "rejected connection on client endpoint":
		e.Endpoint = EndpointClient
	case "rejected connection on peer endpoint":
		e.Endpoint = EndpointPeer
	}
	e.Remote = addrPort(l.string(f.remote))
	if f.hasIPs || f.hasNames {
		e.Names = true
		e.IPAddresses, e.DNSNames = f.ips.strings(), f.names.strings()
	}
	e.Versions = rejectionVersions(e.Caller, e.Endpoint, l.own.precision)
	l.readError()
}

// zapConsole parses zap's console encoding: TIME, level, [logger,] caller,
// message and the fields as JSON, with tabs between.
func (l *line) zapConsole() bool {
	t, rest := dateTime(l.b)
	if !t.ok() || len(rest) == 0 || rest[0] != '\t' {
		return false
	}
	columns := bytes.Split(rest[1:], []byte{'\t'})
	if len(columns) > 8 || len(columns) < 2 {
		return false
	}
	e := l.e
	l.own = t
	e.Format = FormatZapConsole
	e.Level = text(columns[0])
	var f zapFields
	last := len(columns) - 1
	if bytes.HasPrefix(columns[last], []byte(`{"`)) {
		o := newObject(columns[last])
		for key, v, ok := o.next(); ok; key, v, ok = o.next() {
			l.zapField(&f, key, v)
		}
		e.Broken = e.Broken || o.broken
		last--
	}
	if last < 1 {
		return false
	}
	e.Message = text(columns[last])
	if last >= 2 {
		e.Caller = text(columns[last-1])
	}
	return l.zapEntry(&f)
}

// readError takes addresses out of "read tcp LOCAL->REMOTE: …" in e.Error.
func (l *line) readError() {
	e := l.e
	if local, remote, ok := tcpPair(e.Error); ok {
		e.Local = local
		if !e.Remote.IsValid() {
			e.Remote = remote
		}
	}
}

// addrPort parses IP:PORT; it is invalid for anything else. IPv4 addresses in
// IPv6 form, as sockets that listen on [::] give them, become IPv4.
func addrPort(s string) netip.AddrPort {
	a, err := netip.ParseAddrPort(s)
	if err != nil {
		return netip.AddrPort{}
	}
	return netip.AddrPortFrom(a.Addr().Unmap(), a.Port())
}
