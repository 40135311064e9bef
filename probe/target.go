package probe

import (
	"fmt"
	"net"
	"net/netip"
	"strconv"
	"strings"
)

// DefaultPort is that of etcd's client API.
const DefaultPort = 2379

// Target is a server to probe.
type Target struct {
	Host string // name or address, without brackets
	Port uint16
}

func (t Target) String() string { return net.JoinHostPort(t.Host, strconv.Itoa(int(t.Port))) }

// ParseTarget reads HOST, HOST:PORT, an IPv6 address with or without brackets, and etcd's own way to write it, https://HOST:PORT.
func ParseTarget(s string) (Target, error) {
	rest := strings.TrimSuffix(strings.TrimPrefix(s, "https://"), "/")
	if strings.Contains(rest, "/") {
		return Target{}, fmt.Errorf("expected HOST:PORT, got %q", s)
	}
	bare := rest
	if inner, ok := strings.CutPrefix(rest, "["); ok && strings.HasSuffix(inner, "]") {
		bare = strings.TrimSuffix(inner, "]")
	}
	if a, err := netip.ParseAddr(bare); err == nil {
		return Target{a.String(), DefaultPort}, nil
	}
	if !strings.Contains(rest, ":") && rest != "" {
		return Target{rest, DefaultPort}, nil
	}
	host, port, err := net.SplitHostPort(rest)
	if err != nil || host == "" {
		return Target{}, fmt.Errorf("expected HOST:PORT, got %q", s)
	}
	n, err := strconv.ParseUint(port, 10, 16)
	if err != nil || n == 0 {
		return Target{}, fmt.Errorf("expected a port from 1 to 65535, got %q", port)
	}
	return Target{host, uint16(n)}, nil
}
