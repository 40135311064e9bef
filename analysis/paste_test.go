package analysis

import (
	"net/netip"
	"slices"
	"strings"
	"testing"
)

// TestPaste puts addresses into the fixes of more servers than are remembered, twice over and in turn with another endpoint.
func TestPaste(t *testing.T) {
	d := Diagnoser{Expectations: Expectations{ClientPorts: []uint16{2379}, PeerPorts: []uint16{2380}}}
	d.begin()
	fixes := []string{
		"HOST", "`curl HOST:2379`, then HOST:2380 and HOST:23", "nothing to fill in", "HOSTHOST:2379", "`nc HOST 2379`", "`tcpdump 'tcp port 2379'`",
		"`tcpdump 'tcp port 2379 or tcp port 2380'`", "`etcdctl --endpoints=https://HOST:2379`; `grpcurl HOST:2379`",
	}
	for range 2 {
		for i := range 2 * maxPasted {
			server := netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, 0, 0, byte(i)}), 4001)
			for endpoint, ports := range map[Endpoint][2]string{EndpointOther: {":4001", ":4001"}, EndpointClient: {":4001", ":2380"}, EndpointPeer: {":2379", ":4001"}} {
				v := view{f: &Facts{Server: server}, endpoint: endpoint, expect: &d.Expectations, pasted: d.pasted}
				got := v.paste(CodeUnanswered, fixes)
				host := server.Addr().String()
				replacer := strings.NewReplacer("=https://HOST:2379", "=https://"+host+ports[0], "grpcurl HOST:2379", "grpcurl "+host+ports[0],
					"HOST:2379", host+":4001", "HOST:2380", host+ports[1], "HOST 2379", host+" 4001", "HOST", host,
					"tcp port 2379 or", "tcp port 2379 or", "tcp port 2379", "tcp port 4001")
				for k, s := range fixes {
					if want := replacer.Replace(s); got[k] != want {
						t.Fatalf("server %v, endpoint %v: got %q, want %q", server, endpoint, got[k], want)
					}
				}
				if again := v.paste(CodeUnanswered, fixes[:2]); !slices.Equal(again, got[:2]) {
					t.Fatalf("other fixes of the same code: got %q, want %q", again, got[:2])
				}
			}
			if len(d.pasted) > maxPasted {
				t.Fatalf("%d are remembered, expected at most %d", len(d.pasted), maxPasted)
			}
		}
	}
}
