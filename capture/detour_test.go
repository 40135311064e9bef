package capture

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"

	"github.com/etcdtap/etcdtap/analysis"
)

func TestDetour(t *testing.T) {
	v4, v6 := netip.MustParseAddrPort("10.0.0.1:12379"), netip.MustParseAddrPort("[fe80::1%eth0]:1")
	for _, d := range []Detour{
		{},
		{Outgoing: v4, Dialed: v6, Role: analysis.EndpointPeer},
		{Role: analysis.EndpointClient, UnixClient: true, UnixServer: true},
		{Outgoing: v6, Dialed: v6, Role: analysis.EndpointPeer, UnixClient: true, Unresolved: true, Failure: strings.Repeat("x", maxFailure)},
	} {
		if got := parseDetour([]byte(d.Comment()), new(zones)); got == nil || *got != d {
			t.Errorf("%q: %+v", d.Comment(), got)
		}
	}
	for text, want := range map[string]string{"lookup a; b:\xff no such host ": "lookup a, b: no such host", strings.Repeat("ä", maxFailure): strings.Repeat("ä", maxFailure/2)} {
		d := Detour{Failure: text}
		if got := parseDetour([]byte(d.Comment()), new(zones)); got == nil || got.Failure != want {
			t.Errorf("%q: %+v", text, got)
		}
	}
	for _, other := range []string{"", "ticket 42", "etcdtap: handshakes", strings.Repeat(detourHead, 100)} {
		if got := parseDetour([]byte(other), new(zones)); got != nil {
			t.Errorf("%q: %+v", other, got)
		}
	}
	if got := parseDetour([]byte(detourHead+" outgoing here; role king; colour red;; dialed 10.0.0.1:12379; outgoing [fe80::1%\x1b[2J]:1"), new(zones)); *got != (Detour{Dialed: v4}) {
		t.Errorf("%+v", got)
	}
}

// TestDetourZones: a file whose every comment has a zone of its own makes us keep no more of them than a host may have networks.
func TestDetourZones(t *testing.T) {
	z := new(zones)
	for i := range 2 * maxZones {
		addr := netip.MustParseAddrPort(fmt.Sprintf("[fe80::1%%zone%d]:1", i))
		got := parseDetour([]byte((&Detour{Outgoing: addr, UnixServer: true}).Comment()), z)
		want := Detour{Outgoing: addr, UnixServer: true}
		if i >= maxZones {
			want.Outgoing = netip.AddrPort{}
		}
		if *got != want {
			t.Errorf("zone %d: %+v, want %+v", i, *got, want)
		}
	}
	if got := parseDetour([]byte(detourHead+" dialed [fe80::1%zone0]:1"), z); !got.Dialed.IsValid() || len(*z) != maxZones {
		t.Errorf("%+v after %d zones", got, len(*z))
	}
}

// FuzzDetour: whatever is read says the same when it is written and read again.
func FuzzDetour(f *testing.F) {
	f.Add([]byte("etcdtap proxy: outgoing 10.0.0.1:1; dialed [::1]:2; role peer; unix client; unix server"))
	f.Add([]byte("etcdtap proxy: unresolved server; failed  connecting to name:2379: no such host \xff"))
	f.Fuzz(func(t *testing.T, comment []byte) {
		d := parseDetour(comment, new(zones))
		if d == nil {
			return
		}
		if again := parseDetour([]byte(d.Comment()), new(zones)); again == nil || *again != *d {
			t.Errorf("%q: %+v, then %+v", comment, d, again)
		}
	})
}
