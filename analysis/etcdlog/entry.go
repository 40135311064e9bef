// Package etcdlog turns lines of etcd's logs, and of the logs of those who talk
// to etcd, into entries. It knows every format that etcd 3.2 to 3.7 writes and
// the wrappings that journald, syslog, container runtimes and kubectl put
// around them. It judges no causes: that is done in package analysis.
//
//	var p etcdlog.Parser
//	var e etcdlog.Entry
//	for each line {
//		if p.Line(line, &e) {
//			… // e says who was rejected, when and with which error text
//		}
//	}
//
// Whatever is in a log may be hostile. Texts of an Entry are as they stood in
// the log, terminal escapes included: escape them before they are printed.
package etcdlog

import (
	"net/netip"
	"strconv"
	"strings"
	"time"
)

// Kind says what an entry reports.
type Kind uint8

// The kinds of entries.
const (
	KindNone            Kind = iota // not an entry
	KindRejected                    // etcd's TLS listener: "rejected connection" (embed, etcdmain)
	KindServerHandshake             // gRPC's server: the handshake inside the listener failed ("ServerHandshake(…) failed", "security handshake")
	KindPeerDial                    // a member could not reach another: prober, stream, pipeline, peer URL
	KindClient                      // text of a client: etcdctl, kube-apiserver, grpcurl, curl, openssl
	KindUnrecognised                // looks like a rejection and matches no known form: Text has it
	KindStart                       // an etcd process started; only if Parser.Starts asks for it
)

// String gives the kind in kebab-case.
func (k Kind) String() string {
	return name(int(k), "none", "rejected", "server-handshake", "peer-dial", "client", "unrecognised", "start")
}

// Format is the form of the line itself, inside all wrappings.
type Format uint8

// The formats of lines.
const (
	FormatUnknown    Format = iota
	FormatCapnslog          // "2026-11-23 07:38:18.155012 I | embed: …", etcd up to 3.4; journald drops the time and the package
	FormatZapJSON           // {"level":"warn","ts":…}, etcd 3.4 and later, etcdctl
	FormatZapConsole        // tab-separated, --log-format=console of etcd 3.6 and later
	FormatGRPC              // gRPC's own logger: "WARNING: 2026/11/23 07:45:23 [core] grpc: …"
	FormatKlog              // "W1123 07:38:18.155012       1 logging.go:59] …", kube-apiserver
	FormatText              // plain text of a client: curl, grpcurl, openssl, etcdctl's last line
)

// String gives the format in kebab-case.
func (f Format) String() string {
	return name(int(f), "unknown", "capnslog", "zap-json", "zap-console", "grpc", "klog", "text")
}

// Endpoint is the listener of etcd that a line speaks of.
type Endpoint uint8

// The endpoints. A listener names its own from etcd 3.5.15 on; members dial
// each other on EndpointPeer.
const (
	EndpointUnknown Endpoint = iota
	EndpointClient
	EndpointPeer
)

// String gives "unknown", "client" or "peer".
func (e Endpoint) String() string { return name(int(e), "unknown", "client", "peer") }

// Wrapper is what stood around a line.
type Wrapper uint8

// The wrappers.
const (
	WrapperNone         Wrapper = iota
	WrapperJournalShort         // journalctl -o short, short-precise, short-iso, short-full; also a traditional syslog file
	WrapperJournalJSON          // journalctl -o json
	WrapperSyslog               // syslog with its <priority>: RFC 3164 and RFC 5424
	WrapperKubectl              // kubectl logs --timestamps
	WrapperPod                  // kubectl logs --prefix: "[pod/etcd-cp-1/etcd] "
	WrapperCRI                  // /var/log/pods: "TIME stderr F "
	WrapperDocker               // docker's json-file: {"log":"…\n","stream":"stderr","time":"…"}
	WrapperK0s                  // time="…" level=… msg="…" component=etcd
	WrapperGardener             // {"log":"…"} and its likes without docker's stream
)

// String gives the wrapper in kebab-case.
func (w Wrapper) String() string {
	return name(int(w), "none", "journal-short", "journal-json", "syslog", "kubectl", "pod", "cri", "docker", "k0s", "gardener")
}

// name picks the i-th of names, or shows the number when there is none.
func name(i int, names ...string) string {
	if i < len(names) {
		return names[i]
	}
	return strconv.Itoa(i)
}

// MaxDepth bounds how many wrappers are taken off one line: real logs have at
// most three (kubectl's prefix, its time stamp, a JSON around the line).
const MaxDepth = 3

// Entry is one line that reports a failed connection. It owns its memory: the
// texts may be kept after the next call of Parser.Line.
type Entry struct {
	Line  int64  // number of the line in its file, from 1; set by Reader, 0 when it is not known
	Files int    // files of the same name that had ended before, as by rotation; set by Reader
	Text  string // the line as it stood, wrappers included, at most MaxText bytes

	Kind     Kind
	Format   Format
	Wrappers [MaxDepth]Wrapper // outermost first, WrapperNone after the last

	// Time is when the line was written, in UTC. It is the line's own time if
	// that has a zone, else the wrapper's if that has one, else the line's own
	// time, else the wrapper's.
	Time        time.Time
	HasTime     bool          // Time was found; it is the zero time otherwise
	Precision   time.Duration // of Time: 1s, 1ms, 1µs or 1ns; 0 iff !HasTime
	Zone        bool          // Time had a zone; otherwise it is a local time of an unknown zone, kept as if it were UTC
	YearGuessed bool          // Time had no year: it is taken from the entries before or from Parser.Now, and 0 when there was neither
	FromWrapper bool          // Time is the wrapper's: when the line was received, a little after it was written
	WrapperTime time.Time     // of the outermost wrapper that has one with a zone, else of the outermost that has one; the zero time otherwise

	Level    string // as written: "warn", "W", "WARNING"; "" when the line has none
	Caller   string // "embed/config_logging.go:169"; zap and klog only
	Message  string // zap's msg, or the text after the head of the line
	Error    string // the error itself, unquoted: the innermost desc of gRPC errors
	Versions string // the versions of etcd that write such a line: "3.5.0-3.5.7", "3.5.24+"; "" when it cannot be told

	Endpoint    Endpoint
	Remote      netip.AddrPort // whom the line names: the client in lines of a server, the server in lines of a client or peer; invalid when none or a host name
	Local       netip.AddrPort // left side of "read tcp LOCAL->REMOTE: …" in Error; invalid when there is none
	Peer        string         // the other side as named: member id, URL, or HOST:PORT; "" in lines of a listener
	PeerURL     string         // address of the member that was tried, when the line has it beside its id
	Prober      string         // "ROUND_TRIPPER_SNAPSHOT", "ROUND_TRIPPER_RAFT_MESSAGE" or "stream MsgApp v2"; KindPeerDial only
	ServerName  string         // SNI of the ClientHello; empty is no clue, clients that dial an IP address send none
	Names       bool           // the fields of IP addresses and DNS names were there, even if empty: the client's certificate had verified
	IPAddresses []string       // SANs of the client's certificate; valid iff Names
	DNSNames    []string       // SANs of the client's certificate; valid iff Names

	// What a process says of itself when it starts; KindStart only. Versions is
	// then the one version it has. capnslog's line has no URLs.
	Member       string   // --name
	ListenClient []string // --listen-client-urls
	ListenPeer   []string // --listen-peer-urls

	Broken bool // the line was cut or is not well-formed: fields may be missing
}

// WrapperNames joins the names of the wrappers, outermost first; "" when there are none.
func (e *Entry) WrapperNames() string {
	var names []string
	for _, w := range e.Wrappers {
		if w != WrapperNone {
			names = append(names, w.String())
		}
	}
	return strings.Join(names, " > ")
}
