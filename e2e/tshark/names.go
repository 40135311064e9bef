package tshark

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"os/exec"
	"strconv"
	"strings"
)

// Names are tshark's own names of cipher suites, groups and signature algorithms.
type Names struct {
	byField map[string]map[uint64]string
}

// ReadNames asks tshark for its value tables.
func ReadNames(ctx context.Context) (*Names, error) {
	out, err := exec.CommandContext(ctx, "tshark", "-G", "values").Output()
	if err != nil {
		return nil, fmt.Errorf("tshark -G values: %w", err)
	}
	n := &Names{byField: map[string]map[uint64]string{
		"ciphersuite": {}, "sig_hash_alg": {}, "extensions_supported_group": {
			// Newer than the tables of tshark 4.0.
			0x11eb: "SecP256r1MLKEM768", 0x11ec: "X25519MLKEM768", 0x11ed: "SecP384r1MLKEM1024", 0x6399: "X25519Kyber768Draft00",
		},
		"version": {0x0300: "SSLv3", 0x0301: "TLSv1.0", 0x0302: "TLSv1.1", 0x0303: "TLSv1.2", 0x0304: "TLSv1.3"},
	}}
	lines := bufio.NewScanner(bytes.NewReader(out))
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		column := strings.Split(lines.Text(), "\t") // V, field, value, name
		if len(column) != 4 || column[0] != "V" {
			continue
		}
		field, _ := strings.CutPrefix(column[1], "tls.handshake.")
		table := n.byField[field]
		value, err := strconv.ParseUint(column[2], 0, 64)
		if table == nil || field == "version" || err != nil || table[value] != "" {
			continue
		}
		table[value] = column[3]
	}
	return n, lines.Err()
}

// Unknown marks a number that tshark has no name for.
const Unknown = "?"

func (n *Names) one(field, number string) string {
	if number == "" {
		return ""
	}
	value, err := strconv.ParseUint(number, 0, 16)
	if err != nil {
		return Unknown + number
	}
	if value&0x0f0f == 0x0a0a && value>>8 == value&0xff { // RFC 8701
		return "GREASE"
	}
	if name := n.byField[field][value]; name != "" && !strings.HasPrefix(name, "Unknown") {
		return name
	}
	return fmt.Sprintf("%s0x%04x", Unknown, value)
}

func (n *Names) all(field string, numbers []string) []string {
	var names []string
	for _, number := range numbers {
		names = append(names, n.one(field, number))
	}
	return names
}
