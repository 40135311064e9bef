package stacks

import (
	"bufio"
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"crypto/x509"
	"encoding/hex"
	"fmt"
	"os/exec"
	"slices"
	"strconv"
	"strings"
)

// Truth is what a connection held, by tshark's decryption.
type Truth struct {
	Decrypted    bool // EncryptedExtensions was seen
	Requested    bool
	Certificate  [2]bool  // client, server: a Certificate message was sent
	Certificates [2][]int // bytes of DER of each
	Key          [2]string
	Ticket       bool
	LastAlert    string // "client", "server", or "none"
	Alerts       []string
}

// ReadTruth gives the truth of each connection by client and server port.
func ReadTruth(ctx context.Context, file, keys string, servers []int) (map[[2]int]*Truth, error) {
	args := []string{"-n", "-r", file, "-o", "tls.keylog_file:" + keys, "-o", "tcp.reassemble_out_of_order:TRUE", "-Y", "tls", "-T", "fields", "-E", "occurrence=a", "-E", "aggregator=;"}
	for _, port := range servers {
		args = append(args, "-d", fmt.Sprintf("tcp.port==%d,tls", port))
	}
	for _, field := range []string{"tcp.srcport", "tcp.dstport", "tls.handshake.type", "tls.handshake.certificate", "tls.alert_message.desc"} {
		args = append(args, "-e", field)
	}
	out, err := exec.CommandContext(ctx, "tshark", args...).Output()
	if err != nil {
		return nil, fmt.Errorf("tshark: %w", err)
	}
	all := map[[2]int]*Truth{}
	lines := bufio.NewScanner(bytes.NewReader(out))
	lines.Buffer(nil, len(out)+1)
	for lines.Scan() {
		f := strings.Split(lines.Text(), "\t")
		from, _ := strconv.Atoi(f[0])
		to, _ := strconv.Atoi(f[1])
		side, id := 0, [2]int{from, to}
		if slices.Contains(servers, from) {
			side, id = 1, [2]int{to, from}
		}
		t := all[id]
		if t == nil {
			t = &Truth{LastAlert: "none"}
			all[id] = t
		}
		t.packet(side, split(f[2]), split(f[3]), split(f[4]))
	}
	return all, nil
}

func split(s string) []string {
	if s == "" {
		return nil
	}
	return strings.Split(s, ";")
}

// packet takes what one packet adds.
func (t *Truth) packet(side int, types, certificates, alerts []string) {
	const ticket, encryptedExtensions, certificate, certificateRequest = "4", "8", "11", "13"
	t.Decrypted = t.Decrypted || slices.Contains(types, encryptedExtensions)
	t.Requested = t.Requested || slices.Contains(types, certificateRequest)
	t.Ticket = t.Ticket || slices.Contains(types, ticket)
	t.Certificate[side] = t.Certificate[side] || slices.Contains(types, certificate)
	for _, c := range certificates {
		der, _ := hex.DecodeString(strings.ReplaceAll(c, ":", ""))
		if len(t.Certificates[side]) == 0 {
			t.Key[side] = keyOf(der)
		}
		t.Certificates[side] = append(t.Certificates[side], len(der))
	}
	for _, a := range alerts {
		t.LastAlert = [2]string{"client", "server"}[side]
		t.Alerts = append(t.Alerts, t.LastAlert+" "+a)
	}
}

func keyOf(der []byte) string {
	c, err := x509.ParseCertificate(der)
	if err != nil {
		return "unreadable"
	}
	switch k := c.PublicKey.(type) {
	case *rsa.PublicKey:
		return fmt.Sprintf("RSA-%d", k.N.BitLen())
	case *ecdsa.PublicKey:
		return fmt.Sprintf("ECDSA-P%d", k.Curve.Params().BitSize)
	case ed25519.PublicKey:
		return "Ed25519"
	}
	return "other"
}
