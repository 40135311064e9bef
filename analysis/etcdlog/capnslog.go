package etcdlog

import (
	"bytes"
	"net/netip"
	"strconv"
	"strings"
)

// capnslog parses the text log of etcd up to 3.4: "2026-11-23 07:38:18.155012 I
// | embed: rejected connection from …". Under journald the time, the level and
// the package are not in the line (capnslog's JournaldFormatter), so the
// message alone makes the entry.
func (l *line) capnslog() bool {
	at := -1
	for _, begin := range capnslogMessages {
		if i := bytes.Index(l.b[:min(len(l.b), maxHead+len(begin))], []byte(begin)); i >= 0 && (at < 0 || i < at) {
			at = i
		}
	}
	if at < 0 || !plainHead(l.b[:at]) {
		return false
	}
	head, msg := l.b[:at], l.b[at:min(len(l.b), at+MaxText)]
	e := l.e
	switch {
	case bytes.HasPrefix(msg, []byte("rejected connection from ")):
		if !l.capnslogRejected(msg) {
			return false
		}
	case bytes.HasPrefix(msg, []byte(startCapnslog)):
		if !l.p.Starts {
			return false
		}
		e.Kind, e.Versions = KindStart, string(bytes.TrimSpace(msg[len(startCapnslog):]))
	case !l.capnslogPeer(msg):
		return false
	}
	e.Format = FormatCapnslog
	e.Message = string(msg)
	l.capnslogHead(head)
	l.readError()
	return true
}

// capnslogMessages are how the messages begin that make entries.
var capnslogMessages = [...]string{
	"rejected connection from ",
	"health check for peer ",
	"failed to ",
	"could not get cluster response from ",
	"cannot get the version of member ",
	startCapnslog,
}

// startCapnslog is of etcdmain/etcd.go, up to 3.4.
const startCapnslog = "etcd Version: "

// maxHead bounds what stands before a message: a time, a level, a package, and
// a file with its line at debug level.
const maxHead = 128

// plainHead reports whether head may stand before a capnslog message: nothing
// that would make the message a quotation in something else.
func plainHead(head []byte) bool {
	return bytes.IndexByte(head, '"') < 0 && bytes.IndexByte(head, '{') < 0
}

// capnslogHead reads "2026-11-23 07:38:18.155012 I | embed: " as far as it is there.
func (l *line) capnslogHead(head []byte) {
	for i := 0; i+len("2006-01-02 15:04:05") <= len(head); i++ {
		if t, rest := dateTime(head[i:]); t.ok() {
			l.own, head = t, rest
			break
		}
	}
	if level, _, ok := bytes.Cut(head, []byte(" | ")); ok && len(level) > 0 {
		l.e.Level = string(level[len(level)-1:])
	}
}

// capnslogRejected parses both forms of embed's and etcdmain's message:
//
//	rejected connection from "IP:P" (error "E", ServerName "S", IPAddresses ["a"], DNSNames ["b"])
//	rejected connection from "IP:P" (E)
func (l *line) capnslogRejected(msg []byte) bool {
	e := l.e
	q := quoted{b: msg[len("rejected connection from "):]}
	remote, ok := q.text()
	if !ok || !q.skip(" (") {
		return false
	}
	e.Kind, e.Remote = KindRejected, addrPort(remote)
	if !q.skip("error ") || len(q.b) == 0 || q.b[0] != '"' {
		e.Versions = versionsPlainError
		b, closed := bytes.CutSuffix(q.b, []byte(")"))
		e.Error, e.Broken = text(b), e.Broken || !closed
		return true
	}
	e.Versions = versionsCapnslog
	if e.Error, ok = q.text(); ok && q.skip(", ServerName ") {
		e.ServerName, ok = q.text()
	} else {
		ok = false
	}
	if ok && q.skip(", IPAddresses ") {
		e.Names = true
		e.IPAddresses = q.list()
		if q.skip(", DNSNames ") {
			e.DNSNames = q.list()
		}
	}
	e.Broken = e.Broken || !ok || !q.skip(")")
	return true
}

// quoted reads the output of %q off the begin of a text.
type quoted struct{ b []byte }

// skip takes a fixed text.
func (q *quoted) skip(s string) bool {
	if !bytes.HasPrefix(q.b, []byte(s)) {
		return false
	}
	q.b = q.b[len(s):]
	return true
}

// text takes a quoted text. One that is cut gives what is there, and false.
func (q *quoted) text() (string, bool) {
	if len(q.b) == 0 || q.b[0] != '"' {
		return "", false
	}
	o := object{b: q.b}
	raw, _ := o.string()
	q.b = q.b[o.i:]
	return text(unescape(nil, raw)), !o.broken
}

// list takes ["a" "b"], the first maxNames of it.
func (q *quoted) list() []string {
	list := []string{}
	if !q.skip("[") {
		return list
	}
	for {
		s, ok := q.text()
		if !ok {
			break
		}
		if len(list) < maxNames {
			list = append(list, s[:min(len(s), maxName)])
		}
		q.skip(" ")
	}
	q.skip("]")
	return list
}

// tcpPair reads "read tcp 10.0.0.8:2380->10.0.0.42:49824: …" or "write tcp …"
// anywhere in an error (net.OpError).
func tcpPair(err string) (local, remote netip.AddrPort, ok bool) {
	before, after, found := strings.Cut(err, "->")
	if !found {
		return local, remote, false
	}
	local = addrPort(before[strings.LastIndexByte(before, ' ')+1:])
	if i := strings.IndexByte(after, ' '); i >= 0 {
		after = after[:i]
	}
	remote = addrPort(strings.TrimSuffix(after, ":"))
	return local, remote, local.IsValid() && remote.IsValid()
}

// hostPort reports whether s is HOST:PORT, for texts that name the other side.
func hostPort(s string) bool {
	i := strings.LastIndexByte(s, ':')
	if i <= 0 || i > maxTag {
		return false
	}
	_, err := strconv.ParseUint(s[i+1:], 10, 16)
	return err == nil
}
