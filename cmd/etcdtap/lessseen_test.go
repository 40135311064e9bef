package main

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
)

// claims are what a capture's output says for certain: codes, whether a connection was established or refused, and texts.
type claims struct {
	codes, outcomes, meanings []string
	possible                  []string // codes, those that are not certain, too
}

func claimed(t testing.TB, out []byte) (c claims) {
	t.Helper()
	for line := range bytes.Lines(out) {
		var v struct {
			Type, Outcome  string
			Client, Server struct{ Port int }
			Findings       []struct{ Code, Confidence, Meaning string }
		}
		if err := json.Unmarshal(line, &v); err != nil {
			t.Fatalf("not JSON: %v: %.200s", err, line)
		}
		if v.Type != "connection" {
			continue
		}
		c.outcomes = append(c.outcomes, fmt.Sprint(v.Client.Port, " ", v.Server.Port, " ", v.Outcome))
		for _, f := range v.Findings {
			c.meanings = append(c.meanings, f.Meaning)
			c.possible = append(c.possible, f.Code)
			if f.Confidence == "certain" {
				c.codes = append(c.codes, f.Code)
			}
		}
	}
	return c
}

// Findings that say less of the same, or that something is missing.
var (
	saysLess = []string{"capture-loss", "one-sided-capture", "server-alert", "client-alert", "connection-reset", "tls-after-plaintext"}
	lessThan = map[string]string{"client-cert-untrusted": "ca-regenerated"}
	opens    = []string{"partial", "aborted", "no_reply", "no_data", "unanswered"} // outcomes that leave it open
)

// checkLess reads a capture from which something was taken, and holds it to what the whole one says: it may say less, and nothing else.
func checkLess(t *testing.T, what string, whole claims, b []byte) {
	t.Helper()
	checkOutput(t, b)
	less := claimed(t, readAs(t, b, "json"))
	for _, code := range less.codes {
		stronger, weaker := lessThan[code]
		if !slices.Contains(whole.codes, code) && !slices.Contains(saysLess, code) && !(weaker && slices.Contains(whole.possible, stronger)) {
			t.Errorf("%s: %s is certain; with all packets %q are", what, code, whole.codes)
		}
	}
	for _, outcome := range less.outcomes {
		if !slices.Contains(whole.outcomes, outcome) && !slices.ContainsFunc(opens, func(o string) bool { return strings.HasSuffix(outcome, " "+o) }) {
			t.Errorf("%s: %s; with all packets %q", what, outcome, whole.outcomes)
		}
	}
	for _, claim := range []string{"before a ClientHello had come", "first and only record"} {
		says := func(m string) bool { return strings.Contains(m, claim) }
		if i := slices.IndexFunc(less.meanings, says); i >= 0 && !slices.ContainsFunc(whole.meanings, says) {
			t.Errorf("%s: %s", what, less.meanings[i])
		}
	}
}

// TestDropped: a capture without one of its packets, whichever that is, gives valid output and claims no more than it saw: a connection
// that was refused is not called established, and no cause is certain that the whole capture does not show.
func TestDropped(t *testing.T) {
	for _, name := range smallCaptures(t, 16<<10) {
		t.Run(captureName(name), func(t *testing.T) {
			p := load(t, name)
			whole := claimed(t, readAs(t, p.bytes(p.list), "json"))
			for i := range p.list {
				checkLess(t, fmt.Sprint("without packet ", i+1), whole, p.bytes(slices.Delete(slices.Clone(p.list), i, i+1)))
			}
		})
	}
}

// TestSnapped: the same of packets that a snapshot length cut, and that is said.
func TestSnapped(t *testing.T) {
	for _, name := range smallCaptures(t, 16<<10) {
		t.Run(captureName(name), func(t *testing.T) {
			p := load(t, name)
			whole := claimed(t, readAs(t, p.bytes(p.list), "json"))
			for _, length := range []int{54, 60, 68, 80, 96, 128, 200, 256, 512, 1000} {
				list, cut := slices.Clone(p.list), false
				for i := range list {
					cut = cut || len(list[i].data) > length && len(p.payload(list[i].data)) > 0
					list[i].data = list[i].data[:min(len(list[i].data), length)]
				}
				b := p.bytes(list)
				checkLess(t, fmt.Sprint("cut at ", length), whole, b)
				if cut && !bytes.Contains(readAs(t, b, "text"), []byte("packets cut by the snapshot length")) {
					t.Errorf("cut at %d: it is not said that packets were cut", length)
				}
			}
		})
	}
}

// TestLateStart: the same of captures that begin later, hold one side only, or no SYNs, or nothing but packets with data.
func TestLateStart(t *testing.T) {
	for _, name := range smallCaptures(t, 16<<10) {
		t.Run(captureName(name), func(t *testing.T) {
			p := load(t, name)
			whole := claimed(t, readAs(t, p.bytes(p.list), "json"))
			for from := 1; from < min(len(p.list), 20); from++ {
				checkLess(t, fmt.Sprint("from packet ", from+1), whole, p.bytes(p.list[from:]))
			}
			for what, drops := range map[string]func(tcp, payload []byte) bool{
				"no SYN":                 func(tcp, _ []byte) bool { return tcp[13]&(2|16) == 2 },
				"no SYN-ACK":             func(tcp, _ []byte) bool { return tcp[13]&(2|16) == 2|16 },
				"neither of them":        func(tcp, _ []byte) bool { return tcp[13]&2 != 0 },
				"data alone":             func(_, payload []byte) bool { return len(payload) == 0 },
				"data, FIN and RST":      func(tcp, payload []byte) bool { return len(payload) == 0 && tcp[13]&5 == 0 },
				"no bare ACK":            func(tcp, payload []byte) bool { return len(payload) == 0 && tcp[13]&7 == 0 },
				"from the lower port":    func(tcp, _ []byte) bool { return binary.BigEndian.Uint16(tcp) > binary.BigEndian.Uint16(tcp[2:]) },
				"from the higher port":   func(tcp, _ []byte) bool { return binary.BigEndian.Uint16(tcp) < binary.BigEndian.Uint16(tcp[2:]) },
				"no alert":               func(_, payload []byte) bool { return len(payload) > 0 && payload[0] == 21 },
				"no handshake in clear":  func(_, payload []byte) bool { return len(payload) > 0 && payload[0] == 22 },
				"no more than handshake": func(_, payload []byte) bool { return len(payload) > 0 && payload[0] != 22 },
			} {
				list := slices.DeleteFunc(slices.Clone(p.list), func(one packet) bool {
					_, tcp := p.segmentOf(one.data)
					return tcp != nil && drops(tcp, p.payload(one.data))
				})
				checkLess(t, what, whole, p.bytes(list))
			}
		})
	}
}

// TestWithoutSYNACK: where the SYN-ACK alone is missing, the acknowledgement that follows says as much, and what is found is what the whole shows, if
// not always for certain.
func TestWithoutSYNACK(t *testing.T) {
	for _, name := range smallCaptures(t, 64<<10) {
		t.Run(captureName(name), func(t *testing.T) {
			p := load(t, name)
			whole := claimed(t, readAs(t, p.bytes(p.list), "json"))
			list := slices.DeleteFunc(slices.Clone(p.list), func(one packet) bool {
				_, tcp := p.segmentOf(one.data)
				return tcp != nil && tcp[13]&(2|16) == 2|16
			})
			less := claimed(t, readAs(t, p.bytes(list), "json"))
			if !slices.Equal(less.outcomes, whole.outcomes) || !slices.Equal(less.possible, whole.possible) {
				t.Errorf("outcomes %q, findings %q; with all packets %q and %q", less.outcomes, less.possible, whole.outcomes, whole.possible)
			}
		})
	}
}
