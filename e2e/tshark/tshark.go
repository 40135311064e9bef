// Package tshark asks Wireshark's tshark what a capture holds, as the other opinion in the differential test.
package tshark

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"os/exec"
	"slices"
	"strconv"
	"strings"
)

// Connection is what tshark says of one TCP connection.
type Connection struct {
	Client, Server           string // "ip:port", IPv6 in brackets
	RolesGuessed             bool   // neither a SYN nor a ClientHello told who is who
	First, Last, Packets     int64  // 1-based packet numbers, count
	BytesKnown               bool   // both SYNs were seen, so that sequence numbers give the bytes
	BytesClient, BytesServer int64
	TLS                      TLS
}

// TLS is what tshark says of the handshake; the last hello of each side counts, as after a HelloRetryRequest.
type TLS struct {
	ServerName          string
	ALPN                []string
	Versions            []string // supported_versions, nil without the extension
	CipherSuites        []string
	Groups              []string
	SignatureAlgorithms []string
	KeyShares           []string
	JA3                 string
	Version             string // the server's choice
	CipherSuite         string // the server's choice
	ServerALPN          string
	JA3S                string
	Authorities         int      // names in the CertificateRequest, -1 without one
	ServerCertificates  []string // SHA-256 of the DER in hex
	ClientCertificates  []string
	Alerts              []string // those in clear: "server fatal 42"
}

// The columns that tshark is asked for. Column numbers below are indices into this list.
func columns() []string {
	return []string{
		"frame.number", "tcp.stream", "ip.src", "ipv6.src", "ip.dst", "ipv6.dst", "tcp.srcport", "tcp.dstport",
		"tcp.flags.syn", "tcp.flags.ack", "tcp.seq", "tcp.len",
		"tls.handshake.type", "tls.handshake.version", "tls.handshake.extensions.supported_version",
		"tls.handshake.ciphersuite", "tls.handshake.extensions_supported_group", "tls.handshake.extension.type",
		"tls.handshake.sig_hash_alg_len", "tls.handshake.sig_hash_alg", "tls.handshake.extensions_key_share_group",
		"tls.handshake.extensions_server_name", "tls.handshake.extensions_alpn_str", "tls.handshake.ja3",
		"tls.handshake.ja3s", "tls.handshake.certificate", "tls.handshake.dname_len", "tls.alert_message.level",
		"tls.alert_message.desc",
	}
}

// row is one packet: column name to its values in order.
type row map[string][]string

func (r row) first(column string) string {
	if v := r[column]; len(v) > 0 {
		return v[0]
	}
	return ""
}

func (r row) number(column string) int64 {
	n, _ := strconv.ParseInt(r.first(column), 0, 64)
	return n
}

// is reads a boolean, which tshark 4.0 prints as 1 and later ones as True.
func (r row) is(column string) bool { return r.first(column) == "1" || r.first(column) == "True" }

// Read gives the connections of a capture in the order of their first packets. TLS is looked for on the given ports and
// wherever tshark itself finds it.
func Read(ctx context.Context, file string, ports []uint16, names *Names) ([]Connection, error) {
	return read(ctx, file, ports, names)
}

// ReadDecrypted is Read with a key log.
func ReadDecrypted(ctx context.Context, file, keys string, ports []uint16, names *Names) ([]Connection, error) {
	return read(ctx, file, ports, names, "-o", "tls.keylog_file:"+keys)
}

func read(ctx context.Context, file string, ports []uint16, names *Names, more ...string) ([]Connection, error) {
	args := []string{"-n", "-r", file, "-T", "fields", "-E", "occurrence=a", "-E", "aggregator=;", "-Y", "tcp",
		"-o", "tcp.reassemble_out_of_order:TRUE"}
	args = append(args, more...)
	for _, port := range ports {
		args = append(args, "-d", fmt.Sprintf("tcp.port==%d,tls", port))
	}
	for _, c := range columns() {
		args = append(args, "-e", c)
	}
	out, err := exec.CommandContext(ctx, "tshark", args...).Output()
	if err != nil {
		return nil, fmt.Errorf("tshark -r %s: %w", file, err)
	}
	streams := map[string]*stream{}
	lines := bufio.NewScanner(bytes.NewReader(out))
	lines.Buffer(nil, len(out)+1)
	for lines.Scan() {
		r := row{}
		for i, field := range strings.Split(lines.Text(), "\t") {
			if field != "" {
				r[columns()[i]] = strings.Split(field, ";")
			}
		}
		id := r.first("tcp.stream")
		if streams[id] == nil {
			streams[id] = &stream{names: names}
		}
		streams[id].add(r)
	}
	var connections []Connection
	for _, s := range streams {
		connections = append(connections, s.connection())
	}
	slices.SortFunc(connections, func(a, b Connection) int { return cmp.Compare(a.First, b.First) })
	return connections, nil
}

// stream collects the packets of one tcp.stream.
type stream struct {
	names *Names
	rows  []row
}

func (s *stream) add(r row) { s.rows = append(s.rows, r) }

func (r row) endpoints() (src, dst string) {
	if ip := r.first("ip.src"); ip != "" {
		return ip + ":" + r.first("tcp.srcport"), r.first("ip.dst") + ":" + r.first("tcp.dstport")
	}
	return "[" + r.first("ipv6.src") + "]:" + r.first("tcp.srcport"), "[" + r.first("ipv6.dst") + "]:" + r.first("tcp.dstport")
}

// connection sums the stream up.
func (s *stream) connection() Connection {
	c := Connection{
		First: s.rows[0].number("frame.number"), Last: s.rows[len(s.rows)-1].number("frame.number"), Packets: int64(len(s.rows)),
	}
	c.TLS.Authorities = -1
	s.roles(&c)
	var syn [2]bool
	for _, r := range s.rows {
		src, _ := r.endpoints()
		side, sent := 0, &c.BytesClient
		if src == c.Server {
			side, sent = 1, &c.BytesServer
		}
		if r.is("tcp.flags.syn") {
			syn[side] = true
		} else if length := r.number("tcp.len"); length > 0 { // relative sequence numbers begin with the SYN's 0
			*sent = max(*sent, r.number("tcp.seq")+length-1)
		}
		s.handshake(&c.TLS, r, side == 0)
	}
	c.BytesKnown = syn[0] && syn[1]
	return c
}

// roles finds the client: who sent the SYN, else who answered none, else who sent a ClientHello.
func (s *stream) roles(c *Connection) {
	for _, r := range s.rows {
		src, dst := r.endpoints()
		if !r.is("tcp.flags.syn") {
			continue
		}
		if c.Client, c.Server = src, dst; r.is("tcp.flags.ack") {
			c.Client, c.Server = dst, src
		}
		return
	}
	for _, r := range s.rows {
		if slices.Contains(r["tls.handshake.type"], "1") {
			c.Client, c.Server = r.endpoints()
			return
		}
	}
	c.RolesGuessed = true
	c.Client, c.Server = s.rows[0].endpoints()
}

// handshake takes what one packet adds. tshark shows a message in the packet that completes it.
func (s *stream) handshake(t *TLS, r row, fromClient bool) {
	from, certificates := "server", &t.ServerCertificates
	if fromClient {
		from, certificates = "client", &t.ClientCertificates
	}
	for i, level := range r["tls.alert_message.level"] {
		if i < len(r["tls.alert_message.desc"]) {
			name := map[string]string{"1": "warning", "2": "fatal"}[level]
			t.Alerts = append(t.Alerts, from+" "+name+" "+r["tls.alert_message.desc"][i])
		}
	}
	for _, der := range r["tls.handshake.certificate"] {
		raw, _ := hex.DecodeString(strings.ReplaceAll(der, ":", ""))
		sum := sha256.Sum256(raw)
		*certificates = append(*certificates, hex.EncodeToString(sum[:]))
	}
	types := r["tls.handshake.type"]
	switch {
	case fromClient && slices.Contains(types, "1"):
		s.clientHello(t, r)
	case !fromClient && slices.Contains(types, "2"):
		s.serverHello(t, r)
	}
	if !fromClient && slices.Contains(types, "8") { // EncryptedExtensions, decrypted
		t.ServerALPN = r.first("tls.handshake.extensions_alpn_str")
	}
	if !fromClient && slices.Contains(types, "13") {
		t.Authorities = len(r["tls.handshake.dname_len"])
	}
}

func (s *stream) clientHello(t *TLS, r row) {
	t.ServerName = r.first("tls.handshake.extensions_server_name")
	t.ALPN = r["tls.handshake.extensions_alpn_str"]
	t.Versions = s.names.all("version", r["tls.handshake.extensions.supported_version"])
	t.CipherSuites = s.names.all("ciphersuite", r["tls.handshake.ciphersuite"])
	t.Groups = s.names.all("extensions_supported_group", r["tls.handshake.extensions_supported_group"])
	t.SignatureAlgorithms = s.names.all("sig_hash_alg", r.signatureAlgorithms())
	t.KeyShares = s.names.all("extensions_supported_group", r["tls.handshake.extensions_key_share_group"])
	t.JA3 = r.first("tls.handshake.ja3")
}

// signatureAlgorithms is the list of signature_algorithms (13) alone: tshark gives those of delegated_credentials (34)
// and signature_algorithms_cert (50) the same name, so their order and lengths have to tell them apart.
func (r row) signatureAlgorithms() []string {
	const signatureAlgorithms, delegatedCredentials, signatureAlgorithmsCert = "13", "34", "50"
	rest, list := r["tls.handshake.sig_hash_alg"], 0
	for _, extension := range r["tls.handshake.extension.type"] {
		switch extension {
		case signatureAlgorithms, delegatedCredentials, signatureAlgorithmsCert:
		default:
			continue
		}
		if list >= len(r["tls.handshake.sig_hash_alg_len"]) {
			return nil
		}
		length, _ := strconv.Atoi(r["tls.handshake.sig_hash_alg_len"][list])
		count := min(length/2, len(rest))
		if extension == signatureAlgorithms {
			return rest[:count]
		}
		rest, list = rest[count:], list+1
	}
	return nil
}

func (s *stream) serverHello(t *TLS, r row) {
	chosen := r.first("tls.handshake.extensions.supported_version")
	if chosen == "" {
		chosen = r.first("tls.handshake.version")
	}
	t.Version = s.names.one("version", chosen)
	t.CipherSuite = s.names.one("ciphersuite", r.first("tls.handshake.ciphersuite"))
	t.ServerALPN = r.first("tls.handshake.extensions_alpn_str")
	t.JA3S = r.first("tls.handshake.ja3s")
}
